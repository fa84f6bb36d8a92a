"""`resnets convert`: what it says and writes, parts of networks, conventions of others, others' layouts, refusals."""

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import caffe_files
import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.models._hub import save_config_for_hf
from torch import Tensor

from resnets.cli import main
from resnets.models.catalog import build
from resnets.models.factory import create_model, load
from resnets.models.layouts import LAYOUTS, Weights
from resnets.models.weights import examine, read_weights, write_weights


def akamaster(depth: int = 8) -> dict[str, Tensor]:
    """A state dict under akamaster's names."""
    torch.manual_seed(1)
    state = build(f"cifar_resnet{depth}").state_dict()
    return {name.replace("fc.", "linear."): tensor for name, tensor in state.items()}


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    torch.save({"state_dict": akamaster()}, tmp_path / "theirs.th")
    return tmp_path / "theirs.th"


def convert(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    assert main(["convert", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert main(["convert", *map(str, words)]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err.count("\n") == 1
    return said.err


# ------------------------------------------------------------------------------------------------------------
# The command


def test_it_says_what_it_recognised(
    theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record = convert(capsys, theirs)
    assert record["written"] == "theirs.safetensors"
    assert (record["format"], record["layout"], record["as"]) == ("PyTorch", "akamaster", "resnets")
    assert (record["model"], record["changes"], record["num_classes"]) == ("cifar_resnet8", {"zeros": "both"}, 10)
    assert record["preprocessing"]["classes"][0] == "airplane"
    assert record["licence"] == read_weights("theirs.safetensors").licence
    assert record["missing"] == record["left_over"] == record["remarks"] == []
    (tmp_path / "theirs.safetensors").unlink()
    assert main(["convert", str(theirs)]) == 0
    said = capsys.readouterr().out
    for text in ("in the layout of akamaster", "cifar_resnet8 with zeros='both'; 10 classes", "RGB", "BSD-2-Clause"):
        assert text in said
    assert "less 123.675, 116.280, 103.530, divided by 58.395, 57.120, 57.375" in said


def test_nothing_is_overwritten(theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.safetensors"
    out.write_bytes(b"precious")
    assert f"{out}: exists, and nothing is overwritten" in refused(capsys, theirs, "--out", out)
    assert out.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--out", "x.bin"), "x.bin: the name must end in .safetensors"),
        (("--out", "x.pth"), "x.pth: the name must end in .safetensors"),
        (("--to", "timm", "--out", "x.onnx"), "x.onnx: the name must end in .safetensors or .pth"),
        (("--to", "timm"), "timm has no network that computes what cifar_resnet8 with zeros='both' does"),
        (("--origin", "tensorflow"), "origin is 'tensorflow', allowed are torchvision, timm"),
        (("--model", "resnet51"), "no network is called 'resnet51'"),
        (("--model", "cifar_resnet20"), "does not fit cifar_resnet20: missing: layer1.1.conv1.weight"),
        (("--mean", "theirs.th"), "theirs.th: a damaged mean image"),
        (("--mean", "none"), "none: No such file"),
    ],
)
def test_what_cannot_be_done(
    words: tuple[str, ...],
    what: str,
    theirs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(theirs.parent)
    assert what in refused(capsys, theirs, *words)
    assert sorted(path.name for path in theirs.parent.iterdir()) == ["theirs.th"]


def test_our_own_files_say_themselves_what_they_are(
    theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ours.safetensors"
    convert(capsys, theirs, "--out", out)
    again = convert(capsys, out, "--out", tmp_path / "again.safetensors")
    assert (again["layout"], again["model"]) == ("resnets", "cifar_resnet8")
    assert (tmp_path / "again.safetensors").read_bytes() == out.read_bytes()
    assert "says itself what it is" in refused(capsys, out, "--origin", "keras", "--out", tmp_path / "x.safetensors")


# ------------------------------------------------------------------------------------------------------------
# Names


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "model.", "model.module."])
def test_wrappers(wrapper: str, tmp_path: Path) -> None:
    torch.save({wrapper + name: tensor for name, tensor in akamaster().items()}, tmp_path / "x.pth")
    assert read_weights(tmp_path / "x.pth").model == "cifar_resnet8"


def torchvisions(names: Callable[[str], str] = str) -> dict[str, Tensor]:
    """A state dict under torchvision's names, of a narrow ResNet-18."""
    torch.manual_seed(0)
    return {names(name): tensor for name, tensor in build("resnet18", num_classes=5).state_dict().items()}


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"linear.weight": (5, 48)}, "a mixture of the layouts of torchvision and akamaster: linear.weight"),
        ({"backbone.conv1.weight": (64, 3, 7, 7)}, "a mixture of the layouts of torchvision and mmpretrain: backbone"),
        ({"backbone.fc.weight": (5, 48), "head.fc.weight": (5, 48)}, "a mixture of the layouts of torchvision and"),
        (
            {"roi.head.weight": (5, 5)},
            "does not fit resnet18: left over: roi.head.weight (--partial takes what is there)",
        ),
    ],
)
def test_mixtures_and_surplus(more: dict[str, tuple[int, ...]], what: str, tmp_path: Path) -> None:
    torch.save({**torchvisions(), **{name: torch.zeros(shape) for name, shape in more.items()}}, tmp_path / "x.pth")
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the text has brackets
        read_weights(tmp_path / "x.pth")
    assert what in str(error.value)


@pytest.mark.usefixtures("narrow")
def test_one_tensor_by_two_names(tmp_path: Path) -> None:
    state = torchvisions(lambda name: f"head.{name}" if name.startswith("fc.") else f"backbone.{name}")
    torch.save({**state, "backbone.fc.weight": torch.zeros(5, 48)}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"a mixture: .*head\.fc\.weight.* are one tensor by two names"):
        read_weights(tmp_path / "x.pth")


# ------------------------------------------------------------------------------------------------------------
# Conventions that no name shows


def large_inputs(note: dict[str, str] | None, path: Path) -> Path:
    """torchvision's names over a net that has seen values of 0 to 255."""
    state = torchvisions()
    state["bn1.running_var"] = torch.full((64,), 9000.0)
    save_file({name: tensor.clone() for name, tensor in state.items()}, path, note)
    return path


@pytest.mark.usefixtures("narrow")
def test_statistics_that_contradict_the_layout(tmp_path: Path) -> None:
    for note in (None, {"note": "by way of Keras applications, from Caffe"}):
        path = large_inputs(note, tmp_path / "x.safetensors")
        with pytest.raises(ValueError, match="bn1 has seen inputs of 0 to 255, unlike torchvision's: say whose"):
            read_weights(path)
    found = examine(large_inputs({"note": "Keras applications"}, tmp_path / "x.safetensors"))
    assert found.weights.changes == {"eps": 1.001e-5}
    assert found.weights.preprocessing is not None
    assert found.weights.preprocessing.channels == "BGR"
    assert "names keras: its conventions are taken" in found.remarks[0]


@pytest.mark.usefixtures("narrow")
def test_origin_says_it(tmp_path: Path) -> None:
    path = large_inputs(None, tmp_path / "x.safetensors")
    keras, detectron2, torchvision_ = (read_weights(path, origin=o) for o in ("keras", "detectron2", "torchvision"))
    assert (keras.model, keras.changes) == ("resnet18", {"eps": 1.001e-5})
    assert keras.provenance.startswith("Keras applications, under torchvision's names: x.safetensors, SHA-256")
    assert detectron2.changes == torchvision_.changes == {}
    for weights, mean in ((keras, 103.939), (detectron2, 103.53), (torchvision_, 255 * 0.485)):
        assert weights.preprocessing is not None
        assert 255 * weights.preprocessing.mean[0] == pytest.approx(mean)


@pytest.mark.usefixtures("narrow")
def test_the_model_where_no_tensor_shows_it(tmp_path: Path) -> None:
    torch.save(build("plain18", num_classes=3).state_dict(), tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"does not fit resnet18: missing: layer1\.0\.downsample"):
        read_weights(tmp_path / "x.pth")
    weights = read_weights(tmp_path / "x.pth", model="plain18")
    assert (weights.model, weights.changes) == ("plain18", {})


@pytest.mark.usefixtures("narrow")
def test_the_papers_stride_under_torchvisions_names(tmp_path: Path) -> None:
    """Its layout means the 3x3; `model` says otherwise, and it is the row of that name that holds."""
    save_file(build("resnet50", num_classes=2).state_dict(), tmp_path / "x.safetensors")
    assert read_weights(tmp_path / "x.safetensors").model == "resnet50_v1_5"
    weights = read_weights(tmp_path / "x.safetensors", model="resnet50")
    assert (weights.model, weights.changes) == ("resnet50", {})


def test_a_mean_image_goes_with_the_release_only(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "m.binaryproto").write_bytes(caffe_files.binaryproto(np.zeros((3, 4, 4), "f4")))
    with pytest.raises(ValueError, match=r"a mean image goes with values of 0 to 255 in BGR, which akamaster's"):
        read_weights(theirs, mean=tmp_path / "m.binaryproto")


@pytest.mark.parametrize(
    "spoil",
    [
        {"layer1.1600.conv1.weight": torch.zeros(16, 16, 3, 3)},
        {"layer1.99999999.conv1.weight": torch.zeros(1)},
        {"conv1.weight": torch.zeros(())},
        {"linear.weight": torch.zeros(())},
        {"linear.weight": torch.zeros(1 << 40, 0)},
        {"bn1.running_var": torch.full((16,), torch.nan)},
    ],
)
def test_tensors_that_make_no_network(spoil: dict[str, Tensor], tmp_path: Path) -> None:
    """They are refused, and no network of thousands of layers is made to find out."""
    torch.save({**akamaster(), **spoil}, tmp_path / "x.th")
    began = time.process_time()
    if "bn1.running_var" in spoil:
        assert read_weights(tmp_path / "x.th").model == "cifar_resnet8"  # as it was trained, or was not
    else:
        with pytest.raises(ValueError, match=r"^[^\n]*x\.th: [^\n]*$"):
            read_weights(tmp_path / "x.th")
    assert time.process_time() - began < 5


# ------------------------------------------------------------------------------------------------------------
# What lies beside


def hub(folder: Path, **changes: Any) -> Path:
    """A folder as timm writes it for a hub, with its config changed, and a narrow net in it."""
    with torch.device("meta"):
        model = timm.create_model("resnet18", num_classes=5)
    save_config_for_hf(model, str(folder / "config.json"))
    config = json.loads((folder / "config.json").read_text())
    config["architecture"] = changes.pop("architecture", config["architecture"])
    config["pretrained_cfg"].update(changes)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(torchvisions(), folder / "model.safetensors")
    return folder


@pytest.mark.usefixtures("narrow")
def test_timms_config_says_what_is_done_to_pictures(tmp_path: Path) -> None:
    folder = hub(tmp_path, test_input_size=[3, 288, 288], test_crop_pct=0.95, interpolation="bicubic", mean=[0.5] * 3)
    found = examine(folder)
    preprocessing = found.weights.preprocessing
    assert preprocessing is not None
    assert (preprocessing.crop, preprocessing.resize, preprocessing.mean) == (288, 303, [0.5] * 3)
    assert (found.weights.model, found.weights.changes) == ("resnet18", {})
    assert "bicubic" in found.remarks[1]
    (tmp_path / "config.json").write_text("{}")
    assert examine(folder).remarks == ()


@pytest.mark.usefixtures("narrow")
def test_timms_config_names_the_network(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"config\.json says that this is timm's 'resnetblur18', which is not read"):
        examine(hub(tmp_path, architecture="resnetblur18"))
    with pytest.raises(ValueError, match="does not fit resnet34: missing"):
        examine(hub(tmp_path, architecture="resnet34"))
    with pytest.raises(ValueError, match=r"config\.json: does not say what timm's does"):
        examine(hub(tmp_path, mean="none"))


# ------------------------------------------------------------------------------------------------------------
# Parts of a network


@pytest.fixture
def part(tmp_path: Path, narrow: None) -> Path:
    """ResNet-18 without its last stage and classifier, with something else in it."""
    state = {name: tensor for name, tensor in torchvisions().items() if not name.startswith(("layer4", "fc"))}
    torch.save({**state, "neck.weight": torch.ones(3)}, tmp_path / "part.pth")
    return tmp_path / "part.pth"


def test_a_part_is_taken_when_asked_for(
    part: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "ours.safetensors"
    assert "missing: layer4.0.conv1.weight" in refused(capsys, part, "--out", out)
    record = convert(capsys, part, "--out", out, "--partial")
    assert (record["model"], record["left_over"]) == ("resnet18", ["neck.weight"])
    assert len(record["missing"]) == 22 + 5  # five convolutions with four tensors of BN each, and two of the classifier
    assert record["preprocessing"]["classes"] == []
    weights = read_weights(out)
    assert set(weights.missing) == set(record["missing"])
    given = torchvisions()
    assert all(torch.equal(tensor, given[name]) for name, tensor in weights.state.items())
    model = create_model("resnet18", 3, weights=out)
    assert torch.equal(model.get_parameter("layer3.1.conv2.weight"), weights.state["layer3.1.conv2.weight"])
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said[0].startswith("resnet18: the classifier is new: 3 classes")
    assert said[1].startswith("resnet18: new, because the weights lack them: layer4.0.conv1.weight")


def test_a_part_judges_nothing(part: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = read_weights(part, partial=True)
    with pytest.raises(ValueError, match=r"the weights: lack tensors of resnet18, layer4\.0\.conv1.*to be trained"):
        load(weights)
    write_weights(tmp_path / "ours.safetensors", weights)
    path, picture = str(tmp_path / "ours.safetensors"), tmp_path / "x.png"
    Image.new("RGB", (8, 8)).save(picture)
    for words in (["predict", path, str(picture)], ["evaluate", path, "--data", "digits"]):
        assert main(words) == 2
        assert "ours.safetensors: lack tensors of resnet18" in capsys.readouterr().err
    assert "these weights lack" in refused(
        capsys, tmp_path / "ours.safetensors", "--to", "timm", "--out", tmp_path / "x.pth"
    )


@pytest.mark.usefixtures("narrow")
def test_a_part_that_fits_several(tmp_path: Path) -> None:
    state = build("resnet50_v1_5", 2).state_dict()
    torch.save({n: t for n, t in state.items() if not n.startswith(("layer3", "layer4", "fc"))}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"fits resnet101_v1_5, resnet50_v1_5: say which with --model"):
        read_weights(tmp_path / "x.pth", partial=True)
    assert read_weights(tmp_path / "x.pth", partial=True, model="resnet101_v1_5").model == "resnet101_v1_5"


def test_a_part_with_a_wrong_shape_is_refused(part: Path) -> None:
    state = torch.load(part)
    torch.save({**state, "layer2.0.bn1.bias": torch.zeros(3)}, part)
    with pytest.raises(ValueError, match=r"does not fit resnet18: wrong: layer2\.0\.bn1\.bias \(3,\) for \(32,\)$"):
        read_weights(part, partial=True)


def test_a_file_that_lacks_other_tensors_than_it_says(part: Path, tmp_path: Path) -> None:
    weights = read_weights(part, partial=True)
    path = tmp_path / "ours.safetensors"
    write_weights(path, Weights(**{**vars(weights), "missing": weights.missing[1:]}))
    with pytest.raises(ValueError, match="other tensors are missing than its metadata says"):
        read_weights(path)


# ------------------------------------------------------------------------------------------------------------
# As others lay them out


@pytest.mark.parametrize(("to", "suffix"), [("torchvision", ".pth"), ("timm", ".safetensors")])
def test_written_for_others(to: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    model = build("resnet18", num_classes=5).eval()
    state = {name: tensor for name, tensor in model.state_dict().items() if "num_batches" not in name}
    write_weights(tmp_path / "ours.safetensors", Weights(state, "resnet18", {}, 5, None, None, "CC0", "a test"))
    out = tmp_path / f"theirs{suffix}"
    assert convert(capsys, tmp_path / "ours.safetensors", "--to", to, "--out", out)["as"] == to
    written = torch.load(out, weights_only=True) if suffix == ".pth" else load_file(out)
    make = {"torchvision": torchvision.models.resnet18, "timm": partial(timm.create_model, "resnet18")}
    other: Any = make[to](num_classes=5)
    other.load_state_dict(written, strict=True)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(other.eval()(x), model(x), atol=1e-5)


@pytest.mark.slow
def test_vgg_written_for_timm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    model = build("vgg16", num_classes=5).eval()
    weights = Weights(model.state_dict(), "vgg16", {}, 5, None, None, None, "a test")
    write_weights(tmp_path / "ours.safetensors", weights)
    convert(capsys, tmp_path / "ours.safetensors", "--to", "timm", "--out", tmp_path / "theirs.pth")
    other = timm.create_model("vgg16", num_classes=5).eval()
    other.load_state_dict(torch.load(tmp_path / "theirs.pth", weights_only=True), strict=True)
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.allclose(other(x), model(x), atol=1e-4)
    assert read_weights(tmp_path / "theirs.pth").model == "vgg16"


@pytest.mark.usefixtures("narrow")
def test_another_network_than_theirs_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = build("resnet18", 2, ceil_mode=True).state_dict()
    weights = Weights(state, "resnet18", {"ceil_mode": True}, 2, None, None, None, "a test")
    write_weights(tmp_path / "ours.safetensors", weights)
    said = refused(capsys, tmp_path / "ours.safetensors", "--to", "torchvision", "--out", tmp_path / "x.pth")
    assert "torchvision has no network that computes what resnet18 with ceil_mode=True does" in said
    dropped = replace(weights, state=build("resnet18", 2).state_dict(), changes={"drop_path": 0.5})
    write_weights(tmp_path / "ours.safetensors", dropped)
    said = refused(capsys, tmp_path / "ours.safetensors", "--to", "torchvision", "--out", tmp_path / "x.pth")
    assert "torchvision has no network that computes what resnet18 with drop_path=0.5 does" in said
    write_weights(tmp_path / "ours.safetensors", replace(dropped, changes={"drop_path": 0.5, "drop_per": "sample"}))
    words = ["convert", str(tmp_path / "ours.safetensors"), "--to", "torchvision", "--out", str(tmp_path / "x.pth")]
    assert main(words) == 0


# ------------------------------------------------------------------------------------------------------------
# The real file


@pytest.mark.data
def test_the_part_of_microsofts_resnet_50(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(os.environ["RESNETS_TEST_DATA"]) / "weights" / "msra_resnet50_conv1_to_conv4.safetensors"
    record = convert(capsys, path, "--partial", "--out", tmp_path / "ours.safetensors")
    assert (record["model"], record["changes"], record["layout"]) == ("resnet50", {"eps": 1.001e-5}, "torchvision")
    assert record["preprocessing"]["channels"] == "BGR"
    assert [255 * value for value in record["preprocessing"]["mean"]] == pytest.approx([103.939, 116.779, 123.68])
    assert {name.split(".")[0] for name in record["missing"]} == {"layer4", "fc"}
    assert record["left_over"] == []
    weights = read_weights(tmp_path / "ours.safetensors")
    given = load_file(path)
    assert set(given) == set(weights.state)
    assert all(torch.equal(weights.state[name], tensor) for name, tensor in given.items())
    model: Any = create_model("resnet50", weights=weights).eval()
    maps = model.forward_features(torch.zeros(1, 3, 64, 64))
    assert maps["stage3"].isfinite().all()


def test_every_row_says_what_the_documents_need() -> None:
    for layout in LAYOUTS.values():
        assert all((layout.carries, layout.attached, layout.checked, layout.licence, layout.provenance))
