"""Scores of photographs: against torchvision's transforms and a loop, picture by picture; what they depend on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import on_ranks
from PIL import Image
from safetensors.torch import load_file
from tested import COUNT, EXPECTED, photographs, weights
from torch import Tensor, nn
from torchvision.transforms import v2 as reference
from torchvision.transforms.v2.functional import hflip, pil_to_tensor

from resnets.classification.evaluate import evaluate
from resnets.classification.predict import predict
from resnets.data.folder import folder
from resnets.data.folder import photographs as open_folder
from resnets.data.photographs import Photographs
from resnets.evaluation import scores as module
from resnets.evaluation.protocols import PROTOCOLS, single_view
from resnets.evaluation.scores import Execution, digests_of, photograph_scores
from resnets.models.factory import load
from resnets.preprocessing import Preprocessing

CPU = torch.device("cpu")
MEAN_IMAGE = torch.linspace(0.2, 0.6, 3 * 32 * 32).reshape(3, 32, 32)
ORIGINAL = replace(EXPECTED, channels="BGR", mean=MEAN_IMAGE.tolist(), std=[1.0, 1.0, 1.0])
"""As the release: blue first, a mean image subtracted from the crop, nothing divided."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights(tmp_path_factory.mktemp("weights") / "net.safetensors")


def scored(
    pictures: Path | Photographs,
    network: Path,
    protocol: str,
    expected: Preprocessing = EXPECTED,
    scales: tuple[int, ...] = (32, 41),
    flips: bool = False,
    **execution: Any,
) -> Tensor:
    found = pictures if isinstance(pictures, Photographs) else open_folder(pictures, "test")
    plan = PROTOCOLS[protocol](expected, scales, flips)
    return photograph_scores(load(network), 4, expected, found, plan, Execution(device=CPU, **execution)).probabilities


def judged(model: nn.Module, expected: Preprocessing, view: Tensor) -> Tensor:
    """The probabilities (C) of one view (3, 32, 32), by the definition."""
    values = view.float() / 255
    values = values[[2, 1, 0]] if expected.channels == "BGR" else values
    mean = torch.tensor(expected.mean)
    mean = mean if mean.ndim == 3 else mean[:, None, None]
    return model(((values - mean) / torch.tensor(expected.std)[:, None, None])[None])[0].softmax(0)


def positions(model: Any, expected: Preprocessing, view: Tensor) -> Tensor:
    """The same of a larger view: logits of each 8x8 window of the last map, averaged; one mean a channel."""
    values = (view[[2, 1, 0]] if expected.channels == "BGR" else view).float() / 255
    mean = torch.tensor(expected.mean)
    mean = mean.mean((1, 2)) if mean.ndim == 3 else mean
    values = (values - mean[:, None, None]) / torch.tensor(expected.std)[:, None, None]
    last = model.forward_features(values[None])["stage3"][0]
    height, width = (side - 8 + 1 for side in last.shape[1:])
    windows = [last[:, i : i + 8, j : j + 8].mean((1, 2)) for i in range(height) for j in range(width)]
    return torch.stack([model.fc(window) for window in windows]).mean(0).softmax(0)


def by_hand(pictures: Path, network: Path, protocol: str, expected: Preprocessing, flips: bool) -> Tensor:
    """Scores (N, C) from PIL pictures through torchvision, one view after the other; scales 32 and 41."""
    model, rows = load(network), []
    for path in sorted(pictures.rglob("*.png")):
        picture = Image.open(path)
        scaled = reference.Resize(36)(picture)
        if protocol == "single":
            views = [reference.CenterCrop(32)(scaled)]
        elif protocol == "ten-crop":
            views = reference.TenCrop(32)(scaled)
        else:
            views = [reference.Resize(side)(picture) for side in (32, 41)]
            views += [hflip(view) for view in views] if flips else []
        judge = positions if protocol == "dense" else judged
        rows.append(torch.stack([judge(model, expected, pil_to_tensor(view)) for view in views]).mean(0))
    return torch.stack(rows)


@torch.no_grad()
@pytest.mark.parametrize("expected", [EXPECTED, ORIGINAL], ids=["torchvision", "original"])
@pytest.mark.parametrize(
    ("protocol", "flips"), [("single", False), ("ten-crop", False), ("dense", False), ("dense", True)]
)
def test_picture_by_picture(
    pictures: Path, tmp_path: Path, protocol: str, flips: bool, expected: Preprocessing
) -> None:
    network = weights(tmp_path / "net.safetensors", expected=expected)
    found = scored(pictures, network, protocol, expected, flips=flips)
    torch.testing.assert_close(found, by_hand(pictures, network, protocol, expected, flips), rtol=0, atol=1e-5)
    assert len(found.argmax(1).unique()) >= 2  # the pictures are told apart


def test_single_is_what_a_set_in_memory_gives(pictures: Path, tmp_path: Path) -> None:
    """Networks that are trained on folders have no margin around the crop: bit for bit what they were tested on."""
    expected = replace(EXPECTED, resize=32)
    path = weights(tmp_path / "net.safetensors", expected=expected)
    small = folder(pictures, 32, "test")
    before = single_view(load(path), small.images, expected.normaliser(CPU))
    assert torch.equal(scored(pictures, path, "single", expected), before)


# ---------------------------------------------------------------------------------------------------------------
# What scores depend on


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_threads_do_not_matter(pictures: Path, network: Path, protocol: str) -> None:
    one, several = (scored(pictures, network, protocol, batch_size=5, threads=count) for count in (1, 7))
    assert torch.equal(one, several)


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_no_figure_depends_on_the_batch_size(pictures: Path, network: Path, protocol: str) -> None:
    records = []
    for size in (3, None):
        record = evaluate([str(network)], str(pictures), [protocol], "cpu", batch_size=size)
        (result,) = record["results"]
        assert result["near_ties"] == 0
        records.append(record)
    assert all(record == records[0] for record in records)
    one, many = (scored(pictures, network, protocol, batch_size=size) for size in (1, None))
    torch.testing.assert_close(one, many, rtol=1e-5, atol=1e-6)


def evaluated(weights_: list[str], data: str, protocols: list[str], cache: Path | None) -> Any:
    return evaluate(weights_, data, protocols, "cpu", batch_size=5, cache=cache)


def test_ranks_do_not_matter(pictures: Path, network: Path, tmp_path: Path) -> None:
    """Each of two judges a part of the pictures, and what the first keeps is what one process keeps."""
    words = ([str(network)], str(pictures), list(PROTOCOLS))
    alone = evaluate(*words, "cpu", batch_size=5, cache=tmp_path / "alone")
    assert on_ranks(2, evaluated, tmp_path / "two", *words, tmp_path / "both") == [alone, alone]
    for path in (tmp_path / "alone").iterdir():
        one, both = load_file(path), load_file(tmp_path / "both" / path.name)
        assert all(torch.equal(one[name], both[name]) for name in ("probabilities", "pictures"))
    assert len(list((tmp_path / "both").iterdir())) == 3
    assert on_ranks(2, evaluated, tmp_path / "again", *words, tmp_path / "both") == [alone, alone]  # from what was kept


def test_a_damaged_picture_stops_all_ranks(pictures: Path, network: Path, tmp_path: Path) -> None:
    copy = photographs(tmp_path / "copy", 12)
    path = copy / "test" / "d" / "007.png"
    path.write_bytes(path.read_bytes()[:60])
    first, second = on_ranks(2, evaluated, tmp_path / "two", [str(network)], str(copy), ["single"], None)
    assert first == second
    assert first.startswith(f"{copy}/test/d/007.png: not a readable picture")


# ---------------------------------------------------------------------------------------------------------------
# Odd pictures


def test_a_damaged_picture_is_named_never_left_out(network: Path, tmp_path: Path) -> None:
    copy = photographs(tmp_path / "copy")
    path = copy / "test" / "b" / "013.png"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="not a readable picture") as caught:
        evaluate([str(network)], str(copy), ["single"])
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def odd(folder: Path) -> None:
    """Pictures of every kind in class a, each beside what it stands for in class b, as PNG."""
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    base = Image.effect_mandelbrot((61, 45), (-2, -1.5, 1, 1.5), 60).convert("L")
    colour = Image.merge("RGB", (base, base.transpose(Image.Transpose.ROTATE_180), base.point(lambda v: 255 - v)))
    kinds: dict[str, tuple[Image.Image, Image.Image, dict[str, Any]]] = {
        "cmyk.tiff": (colour.convert("CMYK"), colour, {}),
        "deep.png": (Image.fromarray(pil_to_tensor(base)[0].numpy().astype("uint16") * 257), base.convert("RGB"), {}),
        "grey.png": (base, base.convert("RGB"), {}),
        "see-through.png": (Image.merge("RGBA", (*colour.split(), Image.new("L", (61, 45), 255))), colour, {}),
        "turned.png": (colour.transpose(Image.Transpose.ROTATE_90), colour, {"exif": Image.Exif()}),
    }
    kinds["turned.png"][2]["exif"][0x0112] = 6
    for name, (picture, plain, options) in kinds.items():
        picture.save(folder / "a" / name, **options)
        plain.save(folder / "b" / f"{name}.png")
    Image.new("RGB", (1, 1), "red").save(folder / "a" / "tiny.png")
    Image.new("RGB", (7, 7), "red").save(folder / "b" / "tiny.png")


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_odd_pictures_are_seen_as_what_they_stand_for(network: Path, tmp_path: Path, protocol: str) -> None:
    odd(tmp_path / "test")
    found = open_folder(tmp_path, "test")
    scores = scored(found, network, protocol, batch_size=1)
    assert torch.equal(*scores.chunk(2))
    assert len(scores.unique(dim=0)) == 3  # colour, grey, and the tiny one


def test_too_long_and_narrow(network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = photographs(tmp_path / "copy", 4)
    monkeypatch.setattr(module, "LARGEST_VIEW", 41 * 100)
    scored(copy, network, "dense")
    Image.new("RGB", (20, 60)).save(copy / "test" / "a" / "long.png")
    said = r"test/a/long\.png: too long and narrow, 41x123 pixels where its shorter side is 41"
    with pytest.raises(ValueError, match=said):
        scored(copy, network, "dense")


# ---------------------------------------------------------------------------------------------------------------
# Threads and memory


def watched(pictures: Path, read: Callable[[int], None]) -> Photographs:
    """The set, with `read(index)` called before each picture is read."""
    found = open_folder(pictures, "test")

    def reading(index: int) -> bytes:
        read(index)
        return found.read(index)

    return replace(found, read=reading)


def test_each_picture_is_read_once_and_not_long_before_it_is_needed(pictures: Path, network: Path) -> None:
    begun: list[int] = []
    judged_before: list[int] = []
    model = load(network)
    model.register_forward_pre_hook(lambda *_: judged_before.append(len(begun)))
    found = watched(pictures, begun.append)
    plan = PROTOCOLS["single"](EXPECTED, (), False)
    photograph_scores(model, 4, EXPECTED, found, plan, Execution(device=CPU, batch_size=3, threads=2))
    assert sorted(begun) == list(range(COUNT))
    assert len(judged_before) == 5
    assert all(seen <= 3 * number + 3 + 1 for number, seen in enumerate(judged_before, 1))  # one window ahead


def test_progress_is_said_now_and_then(pictures: Path, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 11))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    said: list[str] = []
    scored(pictures, network, "single", batch_size=2, log=said.append)
    assert said == [
        f"single, {pictures}: 6 of 14 pictures, 0.2 a second",
        f"single, {pictures}: 12 of 14 pictures, 0.2 a second",
    ]


def test_digests_are_of_the_bytes(pictures: Path) -> None:
    found = open_folder(pictures, "test")
    digests = digests_of(found, Execution(device=CPU))
    assert len(digests.unique(dim=0)) == COUNT
    changed = replace(found, read=lambda index: found.read(index) + (b"." if index == 5 else b""))
    differing = (digests_of(changed, Execution(device=CPU)) != digests).any(1)
    assert differing.nonzero().flatten().tolist() == [5]


# ---------------------------------------------------------------------------------------------------------------
# Prediction


def test_prediction_is_the_single_view(pictures: Path, network: Path) -> None:
    """Where the network sees a margin around its crop, too."""
    expected = scored(pictures, network, "single")
    paths = [pictures / name for name in open_folder(pictures, "test").names]
    for prediction, row in zip(predict(str(network), paths)["predictions"], expected, strict=True):
        given = {entry["name"]: entry["probability"] for entry in prediction["classes"]}
        assert [given[name] for name in EXPECTED.classes] == pytest.approx(row.tolist(), abs=1e-6)
