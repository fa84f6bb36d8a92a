"""The drawing of a network: what is on it is what is in the network."""

import xml.etree.ElementTree as ElementTree
from collections import Counter
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawings import check_page, check_words
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve
from PIL import Image

from resnets.models.catalog import build, model_spec, row, skeleton
from resnets.models.outline import outline
from resnets.report.drawing import draw, drawing

RELATIVES = (
    "vgg16",
    "cifar_highway19",
    "preact_resnet18",
    "cifar_rir18_wide",
    "cifar_wrn_16_8",
    "cifar_ror3_110",
    "cifar_ror3_wrn_40_2",
    "resnext50_32x4d",
)
"""A network of each of the other papers; one of RoR's begins a stage and ends one in every column."""


@cache
def figure(name: str) -> Figure:
    size = row(name).input_size
    spec = model_spec(name)
    return drawing(name, outline(skeleton(name), size), spec.layers, spec.params, size)


def texts(name: str) -> Counter[str]:
    return Counter(text.get_text() for text in figure(name).axes[0].texts)


def codes(patch: PathPatch) -> set[int]:
    found: Any = patch.get_path().codes
    return set() if found is None else set(found)


def arrows(name: str) -> tuple[int, int]:
    """How many curved arrows are solid, and how many dotted."""
    curves = [
        patch for patch in figure(name).axes[0].patches if isinstance(patch, PathPatch) and Curve.CURVE4 in codes(patch)
    ]
    dotted = sum(patch.get_linestyle() != "solid" for patch in curves)
    return len(curves) - dotted, dotted


def of_layers(name: str) -> list[str]:
    return [t for t in texts(name).elements() if " conv, " in t or " pool" in t or t.startswith("fc ")]


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        ("resnet18", 18 + 2),
        ("plain34", 34 + 2),
        ("resnet152", 152 + 2),
        ("cifar_resnet20", 21),
        ("cifar_plain110", 111),
    ],
)
def test_one_box_a_layer_and_the_poolings(name: str, boxes: int) -> None:
    assert len(of_layers(name)) == boxes


def test_the_boxes_of_resnet34_are_those_of_figure_3() -> None:
    assert Counter(of_layers("resnet34")) == {
        "7×7 conv, 64, /2": 1, "max pool, /2": 1, "3×3 conv, 64": 6,
        "3×3 conv, 128, /2": 1, "3×3 conv, 128": 7, "3×3 conv, 256, /2": 1, "3×3 conv, 256": 11,
        "3×3 conv, 512, /2": 1, "3×3 conv, 512": 5, "avg pool": 1, "fc 1000": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "solid", "dotted", "marks"),
    [
        ("resnet34", 13, 3, {"1×1, 128, /2": 1, "1×1, 256, /2": 1, "1×1, 512, /2": 1}),
        ("resnet34_a", 13, 3, {"zero pad": 3}),
        ("resnet34_c", 13, 3, {"1×1, 64": 3, "1×1, 128": 3, "1×1, 256": 5, "1×1, 512": 2}),
        ("resnet50", 12, 4, {"1×1, 256": 1, "1×1, 512, /2": 1, "1×1, 1024, /2": 1, "1×1, 2048, /2": 1}),
        ("cifar_resnet20", 7, 2, {"zero pad": 2}),
        ("plain34", 0, 0, {"zero pad": 0}),
        ("cifar_plain20", 0, 0, {"zero pad": 0}),
    ],
)
def test_shortcuts(name: str, solid: int, dotted: int, marks: dict[str, int]) -> None:
    assert arrows(name) == (solid, dotted)
    assert {mark: texts(name)[mark] for mark in marks} == marks
    words = " ".join(texts(name))
    assert ("identity shortcut" in words) == (solid > 0 and name != "resnet34_c")
    assert ("dimensions change" in words) == (dotted > 0)


def test_sizes_stand_at_the_stages() -> None:
    found = texts("resnet50")
    for stage, size in zip(("conv1", "conv2_x", "conv3_x", "conv4_x", "conv5_x"), (112, 56, 28, 14, 7), strict=True):
        assert found[stage] == 1
        assert found[f"{size}×{size}"] >= 1
    assert found["image, 3×224×224"] == 1
    assert found["50 layers · 25,557,032 parameters\n3,857,973,248 multiply-adds"] == 1


@pytest.mark.parametrize(
    "name", ["resnet18", "plain34", "resnet34", "resnet50", "resnet152", "cifar_resnet110", *RELATIVES]
)
def test_nothing_lies_over_another_box_or_off_the_page(name: str) -> None:
    check_page(figure(name))


@pytest.mark.parametrize("name", ["resnet18_a", "resnet152", *RELATIVES])
def test_words_are_inside_their_box_or_outside_all(name: str) -> None:
    check_words(figure(name))


# ---------------------------------------------------------------------------------------------------------------
# The other papers


def test_ror_has_shortcuts_around_groups_and_around_all() -> None:
    assert all(texts("cifar_ror3_110")[mark] == 1 for mark in ("1×1, 16", "1×1, 32, /2", "1×1, 64, /2", "1×1, 64, /4"))
    circles = sum(isinstance(patch, Circle) for patch in figure("cifar_ror3_110").axes[0].patches)
    assert circles == 54 + 3 + 1
    assert arrows("cifar_ror3_110") == (52, 2), "those around units"
    words = " ".join(texts("cifar_ror3_110"))
    assert "dimensions change: projection" in words
    assert "the last unit: y = h(x) + F(x)" in words


@pytest.mark.parametrize("name", ["cifar_ror3_110", "cifar_ror3_wrn_40_2"])
def test_long_lines_do_not_cross(name: str) -> None:
    """The main path between columns and the shortcuts around more, of several columns."""
    lines = [
        np.asarray(patch.get_path().vertices)
        for patch in figure(name).axes[0].patches
        if isinstance(patch, PathPatch) and Curve.CURVE3 in codes(patch)
    ]
    assert len(lines) >= 4 + 2
    for one, other in combinations(lines, 2):
        for a, b in pairwise(one):
            for c, d in pairwise(other):
                assert not crosses(a, b, c, d)


def crosses(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    """Whether two straight lines cross, or run over each other, elsewhere than at their ends."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return bool(side(a, b, c) * side(a, b, d) < -1e-9 and side(c, d, a) * side(c, d, b) < -1e-9)


def test_gates_groups_and_streams_are_said() -> None:
    assert texts("cifar_highway19")["gate"] == 4 + 5 + 5 + 1
    assert texts("cifar_highway19")["max pool, /2"] == 2
    assert "g = sigmoid(W x + b)" in " ".join(texts("cifar_highway19"))
    assert texts("cifar_resnet110_exclusive_gating")["zero pad, gate"] == 2
    assert texts("resnext50_32x4d")["3×3 conv, 128, C=32"] == 3
    assert texts("resnext50_32x4d")["3×3 conv, 1024, C=32, /2"] == 1
    assert texts("cifar_rir18_wide")["one stream"] == 6
    assert arrows("cifar_rir18_wide") == (6 + 14, 2 + 2), "around units, and around each layer"
    assert texts("vgg16")["fc 4096"] == 2
    assert texts("cifar_wrn_16_8")["16 layers · 10,961,370 parameters\n1,548,145,664 multiply-adds"] == 1


def test_a_stage_of_several_layers_has_a_colour() -> None:
    panels = [p for p in figure("vgg16").axes[0].patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 0]
    assert len({patch.get_facecolor() for patch in panels}) == len(panels) == 6


def test_long_networks_are_wrapped() -> None:
    def columns(name: str) -> int:
        boxes = [p for p in figure(name).axes[0].patches if isinstance(p, FancyBboxPatch)]
        return len({round(b.get_x(), 3) for b in boxes if b.get_width() == 1.42})

    assert columns("resnet34") == 1
    assert columns("resnet152") > 2
    width, height = figure("resnet152").get_size_inches()
    assert 0.5 < width / height < 2


def test_svg(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw("resnet18", tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    text = (tmp_path / "a.svg").read_text()
    assert "<image" not in text
    assert text.count("<!-- 3×3 conv, 64 -->") == 4
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")


def test_png(tmp_path: Path) -> None:
    path = tmp_path / "a.PNG"
    draw("cifar_resnet20", str(path))
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.width > 700
        assert len(image.convert("RGB").getcolors(1 << 20) or []) > 50


def test_a_network_in_hand(tmp_path: Path) -> None:
    model = build("cifar_resnet8", shortcut="B", num_classes=7)
    draw(model, tmp_path / "a.svg", input_size=40)
    text = (tmp_path / "a.svg").read_text()
    for part in ("CifarResNet", "image, 3×40×40", "fc 7", "20×20", "1×1, 32, /2"):
        assert f"<!-- {part} -->" in text, part


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.svg.gz"])
def test_other_suffixes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"allowed are \.svg and \.png"):
        draw("resnet18", tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_unknown_networks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no network is called"):
        draw("resnet51", tmp_path / "a.svg")


@pytest.mark.slow
def test_1202_layers(tmp_path: Path) -> None:
    draw("cifar_resnet1202", tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert sum(text.count(f"<!-- 3×3 conv, {w}") for w in (16, 32, 64)) == 1201
    draw("cifar_resnet1202", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width * image.height <= 40e6
