"""Weights in and out: round trips, foreign layouts, and files that are not what they should be."""

import io
import json
import logging
import os
import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save, save_file
from torch import Tensor, nn

from resnets.models import weights as module
from resnets.models.catalog import build
from resnets.models.factory import create_model, load
from resnets.models.layouts import TORCHVISION, Weights
from resnets.models.recognise import recognise
from resnets.models.weights import read_weights, write_weights
from resnets.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(
    crop=32, resize=36, mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6], channels="BGR", classes=("a", "b", "ñ", "d")
)


def small(**changes: Any) -> Weights:
    torch.manual_seed(0)
    model = build("cifar_resnet8", num_classes=4, **changes)
    recipe = {"lr": 0.1, "drops": [1, 2]}
    return Weights(model.state_dict(), "cifar_resnet8", changes, 4, PREPROCESSING, recipe, "CC0", "made in a test")


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def akamaster(depth: int = 8) -> dict[str, Any]:
    """A checkpoint as akamaster's trainer writes it: DataParallel's prefix, `linear`, old BN without counters."""
    torch.manual_seed(1)
    state = build(f"cifar_resnet{depth}").state_dict()
    names = {k: "module." + k.replace("fc.", "linear.") for k in state if "num_batches" not in k}
    return {"best_prec1": 91.0, "state_dict": {new: state[old] for old, new in names.items()}}


def torch_bytes(content: Any, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def refusal(path: str | Path) -> str:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the caller looks at the text
        read_weights(path)
    text = str(error.value)
    assert "\n" not in text
    assert str(path) in text
    return text


# ------------------------------------------------------------------------------------------------------------
# Our own files


def test_what_is_written_is_read(tmp_path: Path) -> None:
    weights = small(zeros="both")
    path = tmp_path / "w.safetensors"
    write_weights(path, weights)
    back = read_weights(path)
    assert same(back.state, weights.state)
    for name in ("model", "changes", "num_classes", "preprocessing", "recipe", "licence", "provenance"):
        assert getattr(back, name) == getattr(weights, name), name


def test_what_nobody_says_stays_unsaid(tmp_path: Path) -> None:
    weights = small()
    path = tmp_path / "w.safetensors"
    write_weights(path, Weights(weights.state, "cifar_resnet8", {}, 4, None, None, None, "somewhere"))
    back = read_weights(path)
    assert (back.preprocessing, back.recipe, back.licence) == (None, None, None)
    assert load(path).preprocessing is None


def test_equal_weights_make_equal_bytes(tmp_path: Path) -> None:
    for name in "abcd":
        write_weights(tmp_path / name, small())
    assert len({(tmp_path / name).read_bytes() for name in "abcd"}) == 1
    assert same(load_file(tmp_path / "a"), small().state)


def test_metadata_is_open_to_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write_weights(path, small(zeros="both"))
    content = path.read_bytes()
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    assert all(isinstance(value, str) for value in metadata.values())
    assert (metadata["format"], metadata["format_version"]) == ("resnets", "1")
    assert metadata["model"] == "cifar_resnet8"
    assert json.loads(metadata["changes"]) == {"zeros": "both"}
    assert json.loads(metadata["preprocessing"])["classes"] == ["a", "b", "ñ", "d"]


def test_a_folder_is_a_run(tmp_path: Path) -> None:
    assert "a folder without model.safetensors" in refusal(tmp_path)
    write_weights(tmp_path / "model.safetensors", small())
    assert same(read_weights(tmp_path).state, small().state)
    assert same(read_weights(str(tmp_path)).state, small().state)


def test_half_precision_files_make_float32_networks(tmp_path: Path) -> None:
    weights = small()
    halves = {k: v.half() if v.is_floating_point() else v for k, v in weights.state.items()}
    path = tmp_path / "w.safetensors"
    write_weights(path, Weights(halves, "cifar_resnet8", {}, 4, None, None, None, "halved"))
    model = load(path)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(model.get_parameter("fc.weight"), weights.state["fc.weight"].half().float())
    assert model(torch.zeros(1, 3, 32, 32)).dtype == torch.float32


def test_load_is_ready_to_use(tmp_path: Path) -> None:
    weights = small(zeros="both")
    write_weights(tmp_path / "w.safetensors", weights)
    model: Any = load(tmp_path / "w.safetensors")
    assert not model.training
    assert (model.spec_name, model.changes) == ("cifar_resnet8", {"zeros": "both"})
    assert model.preprocessing == PREPROCESSING
    assert model.layer2[0].downsample.before == 8
    assert same(model.state_dict(), weights.state)
    twin = build("cifar_resnet8", num_classes=4, zeros="both").eval()
    twin.load_state_dict(weights.state)
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(model(x), twin(x))


# ------------------------------------------------------------------------------------------------------------
# Foreign layouts


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("depth", [8, 20])
def test_akamasters_layout(tmp_path: Path, depth: int, zipped: bool) -> None:
    checkpoint = akamaster(depth)
    path = tmp_path / "their.th"
    path.write_bytes(torch_bytes(checkpoint, zipped))
    weights = read_weights(path)
    assert (weights.model, weights.changes, weights.num_classes) == (f"cifar_resnet{depth}", {"zeros": "both"}, 10)
    assert weights.preprocessing is not None
    assert (weights.preprocessing.mean, weights.preprocessing.std) == (
        [0.485, 0.456, 0.406],
        [0.229, 0.224, 0.225],
    )
    assert (weights.preprocessing.crop, weights.preprocessing.resize) == (32, 32)
    assert weights.preprocessing.classes[:2] == ("airplane", "automobile")
    assert "their.th, SHA-256 " in weights.provenance
    assert "BSD-2-Clause" in (weights.licence or "")
    model: Any = load(path)
    assert torch.equal(model.fc.weight, checkpoint["state_dict"]["module.linear.weight"])
    assert model.layer3[0].downsample.before == 16


def test_a_converted_file_is_the_same_network(tmp_path: Path) -> None:
    (tmp_path / "their.th").write_bytes(torch_bytes(akamaster()))
    write_weights(tmp_path / "ours.safetensors", read_weights(tmp_path / "their.th"))
    x = torch.randn(2, 3, 32, 32)
    theirs, ours = load(tmp_path / "their.th"), load(tmp_path / "ours.safetensors")
    assert torch.equal(theirs(x), ours(x))
    assert theirs.preprocessing == ours.preprocessing


@pytest.mark.parametrize(("ours", "theirs"), TORCHVISION.items())
def test_torchvisions_layout(ours: str, theirs: str) -> None:
    with torch.device("meta"):
        state = getattr(torchvision.models, theirs)(num_classes=7).state_dict()
    weights = recognise(dict(state), "x.pth").weights
    assert (weights.model, weights.changes, weights.num_classes) == (ours, {}, 7)
    transform: Any = torchvision.models.get_model_weights(theirs)["IMAGENET1K_V1"].value.transforms()
    assert weights.preprocessing is not None
    assert (weights.preprocessing.resize, weights.preprocessing.crop) == (transform.resize_size[0], 224)
    assert (weights.preprocessing.mean, weights.preprocessing.std) == (transform.mean, transform.std)


@pytest.mark.parametrize("theirs", ["vgg11", "vgg16_bn", "squeezenet1_0", "densenet121", "mobilenet_v2"])
def test_other_networks_of_torchvision_are_not_mistaken(theirs: str) -> None:
    with torch.device("meta"):
        state = dict(getattr(torchvision.models, theirs)().state_dict())
    with pytest.raises(ValueError, match=r"x\.pth: unknown layout: .* known are torchvision, timm"):
        recognise(state, "x.pth")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_state_dict_of_torchvision(tmp_path: Path, suffix: str) -> None:
    other = torchvision.models.resnet18(num_classes=3).eval()
    path = tmp_path / f"w.{suffix}"
    if suffix == "pth":
        torch.save(other.state_dict(), path)
    else:
        save_file(other.state_dict(), path)
    x = torch.randn(1, 3, 64, 64)
    assert torch.allclose(load(path)(x), other(x), atol=1e-5)


# ------------------------------------------------------------------------------------------------------------
# Files that are not weights


class Evil:
    """Unpickled, it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize(
    ("wrap", "what"),
    [
        (torch_bytes, "system, which is code and is not run"),
        (lambda content: torch_bytes(content, zipped=False), "system, which is code and is not run"),
        (pickle.dumps, "system, which is code and is not run"),
    ],
)
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, wrap: Callable[[Any], bytes], what: str) -> None:
    target = tmp_path / "victim"
    path = tmp_path / "evil.pth"
    path.write_bytes(wrap({"state_dict": Evil(target)}))
    assert what in refusal(path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><html>", "a web page (HTML)"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        (b"hello world", "a file that begins with b'hello wo'"),
        (b"PK\x03\x04 no zip", "a damaged checkpoint"),
        (b"\x80\x02}q", "a damaged checkpoint"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff{}", "a damaged safetensors file"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    assert what in refusal(path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ([1, 2], "holds list, not tensors by name"),
        ({}, "holds dict, not tensors by name"),
        ({"state_dict": {}}, "holds dict, not tensors by name"),
        (torch.zeros(3), "holds Tensor, not tensors by name"),
        ({"epoch": 3, "lr": 0.1}, "not tensors by name (a `state_dict`): epoch, lr"),
        ({"a\nb": torch.zeros(2)}, r"unknown layout: 'a\nb (2,)'"),
    ],
)
def test_checkpoints_of_something_else(tmp_path: Path, content: Any, what: str) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(torch_bytes(content))
    assert what in refusal(path)


def test_sources_that_do_not_exist(tmp_path: Path) -> None:
    assert "no such file or folder" in refusal(tmp_path / "none.pth")
    assert "ships no weights of this network (it ships " in refusal("resnet18")


def test_parameters_that_do_not_fit_are_named(tmp_path: Path) -> None:
    checkpoint = akamaster(20)
    state = checkpoint["state_dict"]
    del state["module.layer1.0.conv1.weight"]
    state["module.surplus"] = torch.zeros(1)
    state["module.layer3.2.bn2.bias"] = torch.zeros(63)
    path = tmp_path / "w.th"
    path.write_bytes(torch_bytes(checkpoint))
    text = refusal(path)
    assert "does not fit cifar_resnet20" in text
    assert "missing: layer1.0.conv1.weight;" in text
    assert "left over: surplus;" in text
    assert "wrong: layer3.2.bn2.bias (63,) for (64,)" in text
    for name in [name for name in state if "layer2" in name]:
        del state[name]
    path.write_bytes(torch_bytes(checkpoint))
    assert "... (31 in all)" in refusal(path)  # 1 and 30 of layer2: 6 convolutions and 6 times 4 of BN


def complex_numbers(tensor: Tensor) -> Tensor:
    return tensor.to(torch.complex64)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (Tensor.int, "wrong: fc.weight (10, 64) of integers"),
        (Tensor.to_sparse, "asks for torch._utils._rebuild_sparse_tensor"),
        (complex_numbers, "wrong: fc.weight (10, 64) of complex"),
    ],
)
def test_tensors_of_a_wrong_kind(spoil: Callable[[Tensor], Tensor], what: str, tmp_path: Path) -> None:
    checkpoint = akamaster()
    checkpoint["state_dict"]["module.linear.weight"] = spoil(checkpoint["state_dict"]["module.linear.weight"])
    path = tmp_path / "w.th"
    path.write_bytes(torch_bytes(checkpoint))
    assert what in refusal(path)


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("format_version", "2", "format version '2', this release reads 1"),
        ("model", "resnet51", "no network is called 'resnet51'"),
        ("model", None, "damaged metadata, 'model' is missing"),
        ("changes", "{", "damaged metadata"),
        ("changes", "[]", "damaged metadata"),
        ("changes", '{"depth": 3}', "cifar_resnet8 has no depth"),
        ("changes", '{"zeros": "x"}', "zeros is 'x'"),
        ("changes", '{"drop_path": 0.5, "n": 5}', "cifar_resnet8 has no n"),
        ("num_classes", "5", "wrong: fc.bias (4,) for (5,), fc.weight (4, 64) for (5, 64)"),
        ("num_classes", "0", "num_classes is 0"),
        ("num_classes", "99999999999999999999", "w.safetensors: "),
        ("preprocessing", "{}", "damaged metadata (preprocessing"),
        ("preprocessing", '{"crop": "x", "classes": []}', "damaged metadata (preprocessing"),
        ("recipe", "3", "damaged metadata"),
    ],
)
def test_damaged_metadata(tmp_path: Path, field: str, value: str | None, what: str) -> None:
    path = tmp_path / "w.safetensors"
    write_weights(path, small())
    content = path.read_bytes()
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    changed = {key: text for key, text in {**metadata, field: value}.items() if text is not None}
    path.write_bytes(save(load_file(path), changed))
    assert what in refusal(path)


def test_metadata_do_not_choose_how_much_is_made(tmp_path: Path) -> None:
    """A network of a billion units is not made before its tensors are looked for; names of classes are counted."""
    wide = build("cifar_wrn_10_1", 4)
    classes = Preprocessing(crop=32, resize=32, mean=[0.5] * 3, std=[1.0] * 3, classes=("a", "b"))
    for changes, said, what in (
        ({"n": 10**9}, None, "n is 1000000000, but the file has"),
        ({"kernels": [3] * 2000}, None, "kernels is "),
        ({}, classes, "2 names of classes, the network knows 4"),
    ):
        path = tmp_path / "w.safetensors"
        write_weights(path, Weights(wide.state_dict(), "cifar_wrn_10_1", changes, 4, said, None, None, "a test"))
        assert what in refusal(path)


def test_a_tensor_of_two_names_is_written_twice(tmp_path: Path) -> None:
    given = small()
    state = {**given.state, "layer1.0.bn1.running_mean": given.state["layer1.0.bn2.running_mean"]}
    write_weights(tmp_path / "w.safetensors", replace(given, state=state))
    assert same(read_weights(tmp_path / "w.safetensors").state, state)


def damaged(content: bytes, draw: random.Random) -> bytes:
    spoilt = bytearray(content)
    if draw.random() < 0.3:
        return bytes(spoilt[: draw.randrange(len(spoilt))])
    for _ in range(draw.choice([1, 2, 5, 30])):
        near = draw.randrange(4000)  # where the names are: at the ends
        place = draw.choice([near, -near - 1, draw.randrange(len(spoilt))])
        spoilt[place] = draw.randrange(256)
    return bytes(spoilt)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_damage_is_read_or_refused_never_a_traceback(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "w"
    if kind == "safetensors":
        write_weights(path, small())
    else:
        path.write_bytes(torch_bytes(akamaster(), kind == "zip"))
    content = path.read_bytes()
    draw, refused = random.Random(0), 0
    for _ in range(60):
        path.write_bytes(damaged(content, draw))
        try:
            read_weights(path)
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
    assert refused > 20


def test_the_file_system_speaks_for_itself(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        write_weights(tmp_path / "nowhere" / "w.safetensors", small())


# ------------------------------------------------------------------------------------------------------------
# create_model


def test_without_weights() -> None:
    model: Any = create_model("cifar_resnet8", 3, shortcut="B")
    assert model.training
    assert (model.spec_name, model.changes, model.preprocessing) == ("cifar_resnet8", {"shortcut": "B"}, None)
    assert model.fc.out_features == 3
    assert create_model("cifar_resnet8").get_parameter("fc.weight").shape == (10, 64)


def test_weights_bring_their_classes_and_changes() -> None:
    weights = small(zeros="both")
    model: Any = create_model("cifar_resnet8", weights=weights)
    assert same(model.state_dict(), weights.state)
    assert (model.fc.out_features, model.changes) == (4, {"zeros": "both"})
    assert model.preprocessing == PREPROCESSING
    assert same(create_model("cifar_resnet8", weights=weights, zeros="both").state_dict(), weights.state)


def test_another_number_of_classes_is_a_new_classifier(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    weights = small()
    write_weights(path, weights)
    with caplog.at_level(logging.INFO, "resnets"):
        model: Any = create_model("cifar_resnet8", 6, path)
    assert [record.getMessage() for record in caplog.records] == [
        "cifar_resnet8: the classifier is new: 6 classes, the weights have 4"
    ]
    new = model.state_dict()
    assert new.pop("fc.weight").shape == (6, 64)
    assert new.pop("fc.bias").shape == (6,)
    assert same(new, {k: v for k, v in weights.state.items() if not k.startswith("fc.")})
    assert model.preprocessing.classes == ()
    assert model.preprocessing.mean == PREPROCESSING.mean


def test_equal_numbers_of_classes_are_silent(caplog: pytest.LogCaptureFixture) -> None:
    create_model("cifar_resnet8", 4, small())
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("cifar_resnet14", {}),
        ("cifar_plain8", {}),
        ("resnet18", {}),
        ("cifar_resnet8", {"zeros": "end"}),
        ("cifar_resnet8", {"shortcut": None}),
    ],
)
def test_weights_of_another_network(name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"weights of cifar_resnet8 with zeros='both' are not weights of {name}"):
        create_model(name, weights=small(zeros="both"), **changes)


def test_branches_count_as_their_weights_were_trained() -> None:
    """The survival rates of stochastic depth come with the weights, whichever of the two names is given."""
    theirs = build("cifar_resnet110_sd", 4)
    weights = Weights(theirs.state_dict(), "cifar_resnet110_sd", {}, 4, None, None, None, "a test")
    ours = create_model("cifar_resnet110", weights=weights, subsample="mean").eval()
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(x), theirs.eval()(x))
    assert cast(Any, ours).changes["drop_path"] == 0.5
    free = create_model("cifar_resnet110", weights=weights, subsample="mean", drop_path=0.0)
    assert "drop_path" not in cast(Any, free).changes


def test_one_network_by_two_names() -> None:
    plain = small(shortcut=None)
    model: Any = create_model("cifar_plain8", weights=plain)
    assert (model.spec_name, model.changes) == ("cifar_plain8", {})
    assert model.layer1[0].downsample is None


def test_an_unknown_change_is_refused_with_weights_too() -> None:
    with pytest.raises(ValueError, match="cifar_resnet8 has no depth"):
        create_model("cifar_resnet8", weights=small(), depth=3)


def test_shipped_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="the package ships no weights of cifar_resnet8; it ships "):
        create_model("cifar_resnet8", weights="package")
    (tmp_path / "weights").mkdir()
    write_weights(tmp_path / "weights" / "cifar_resnet8.safetensors", small())
    monkeypatch.setattr(module, "files", lambda package: tmp_path)
    assert same(create_model("cifar_resnet8", weights="package").state_dict(), small().state)
    assert same(load("cifar_resnet8").state_dict(), small().state)
    with pytest.raises(ValueError, match=r"ships no weights of this network \(it ships those of cifar_resnet8\)"):
        load("cifar_resnet20")
    with pytest.raises(ValueError, match="of cifar_resnet20; it ships cifar_resnet8"):
        create_model("cifar_resnet20", weights="package")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet50", r"its resnet50 has the stride in the 3x3: resnet50_v1_5 here"),
        ("cifar_resnet20", "it has resnet18"),
    ],
)
def test_networks_that_torchvision_does_not_have(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"torchvision has no {name}.*{hint}"):
        create_model(name, weights="torchvision")


# ------------------------------------------------------------------------------------------------------------
# The real files


@pytest.mark.data
@pytest.mark.parametrize(("name", "depth"), [("resnet20-12fca82f.th", 20), ("resnet32-d509ac18.th", 32)])
def test_akamasters_files(name: str, depth: int) -> None:
    path = Path(os.environ["RESNETS_TEST_DATA"]) / "weights" / "akamaster" / name
    weights = read_weights(path)
    assert (weights.model, weights.changes) == (f"cifar_resnet{depth}", {"zeros": "both"})
    model = load(path)
    assert isinstance(model, nn.Module)
    # the first eight digits of the SHA-256 are in the name of the file
    assert f"SHA-256 {name.split('-')[1].removesuffix('.th')}" in weights.provenance
    with torch.no_grad():
        assert model(torch.randn(4, 3, 32, 32)).isfinite().all()
