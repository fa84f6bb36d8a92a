"""Networks beside each other: Figure 3 of the paper as the paper has it, and what is not drawn so."""

from collections.abc import Sequence
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest
from drawings import boxes_of, check_page, check_words
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve
from torch import nn

from resnets.models.catalog import build, row, skeleton
from resnets.models.outline import outline
from resnets.paper.figure3 import NETWORKS, outlines
from resnets.report.side_by_side import side_by_side

SIZES = (224, 112, 56, 28, 14, 7, 1)
VGG = [
    *["3×3 conv, 64"] * 2, "pool, /2", *["3×3 conv, 128"] * 2, "pool, /2", *["3×3 conv, 256"] * 4, "pool, /2",
    *["3×3 conv, 512"] * 4, "pool, /2", *["3×3 conv, 512"] * 4, "pool, /2", "fc 4096", "fc 4096", "fc 1000",
]  # fmt: skip
PLAIN = [
    "7×7 conv, 64, /2", "pool, /2", *["3×3 conv, 64"] * 6, "3×3 conv, 128, /2", *["3×3 conv, 128"] * 7,
    "3×3 conv, 256, /2", *["3×3 conv, 256"] * 11, "3×3 conv, 512, /2", *["3×3 conv, 512"] * 5, "avg pool", "fc 1000",
]  # fmt: skip
"""From top to bottom, as the paper's figure has them."""
VGG_SIZES = [224] * 2 + [112] * 3 + [56] * 5 + [28] * 5 + [14] * 5 + [7] + [1] * 3
PLAIN_SIZES = [112] + [56] * 7 + [28] * 8 + [14] * 12 + [7] * 6 + [1] * 2
"""Of the maps that these give."""


@cache
def figure3() -> Figure:
    return side_by_side(outlines())


def beside(*names: str) -> Figure:
    return side_by_side({name: outline(skeleton(name), row(name).input_size) for name in names})


def columns(page: Figure) -> list[list[tuple[float, str]]]:
    """From left to right the boxes of each network from top to bottom: their middles' heights, and what they say."""
    labels = [text for text in page.axes[0].texts if text.get_zorder() == 4]
    found: dict[float, list[tuple[float, str]]] = {}
    for box in boxes_of(page):
        x, y = box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2
        (label,) = [text for text in labels if np.allclose(text.get_position(), (x, y))]
        found.setdefault(round(x, 3), []).append((y, label.get_text()))
    return [sorted(found[x]) for x in sorted(found)]


def panels(page: Figure) -> list[tuple[float, float]]:
    """The upper and the lower edge of each band."""
    found = [p for p in page.axes[0].patches if isinstance(p, FancyBboxPatch) and p.get_zorder() == 0]
    return sorted((p.get_y(), p.get_y() + p.get_height()) for p in found)


def arcs(page: Figure) -> list[tuple[np.ndarray, bool]]:
    """The corners of each curved arrow, and whether it is dotted."""
    found = [p for p in page.axes[0].patches if isinstance(p, PathPatch)]
    curved = [p for p in found if p.get_path().codes is not None and Curve.CURVE4 in np.asarray(p.get_path().codes)]
    return [(np.asarray(p.get_path().vertices), p.get_linestyle() != "solid") for p in curved]


def texts(page: Figure) -> list[str]:
    return [text.get_text() for text in page.axes[0].texts]


# ---------------------------------------------------------------------------------------------------------------
# Figure 3


def test_as_many_boxes_as_layers() -> None:
    weighted = [sum(isinstance(m, nn.Conv2d | nn.Linear) for m in build(n).modules()) for n in NETWORKS.values()]
    assert weighted == [19, 34, 34], "with shortcuts of option A, which have no weights"
    drawn = [sum("pool" not in text for _, text in column) for column in columns(figure3())]
    assert drawn == weighted


def test_the_boxes_say_what_the_papers_say() -> None:
    assert [[text for _, text in column] for column in columns(figure3())] == [VGG, PLAIN, PLAIN]


def test_layers_stand_in_the_band_of_the_maps_they_give() -> None:
    bands = panels(figure3())
    assert len(bands) == len(SIZES)
    assert all(lower < upper for (_, lower), (upper, _) in pairwise(bands))
    for column, sizes in zip(columns(figure3()), (VGG_SIZES, PLAIN_SIZES, PLAIN_SIZES), strict=True):
        for (y, text), size in zip(column, sizes, strict=True):
            upper, lower = bands[SIZES.index(size)]
            assert upper + 0.1 <= y - 0.1 < y + 0.1 <= lower - 0.1, (text, size)


def test_bands_have_their_size_at_the_left() -> None:
    page = figure3()
    left = min(box.get_x() for box in boxes_of(page))
    shown = {t.get_text(): t.get_position()[1] for t in page.axes[0].texts if t.get_position()[0] < left - 0.1}
    assert set(shown) == {"output size", *map(str, SIZES)}
    assert texts(page).count("output size") == 7
    for size, (upper, lower) in zip(SIZES, panels(page), strict=True):
        assert upper < shown[str(size)] < lower


def test_the_plain_net_and_the_residual_one_stand_layer_beside_layer() -> None:
    vgg, plain, residual = columns(figure3())
    assert plain == residual
    assert vgg[-1] == plain[-1], "all end at one height"
    first = [min(y for (y, _), size in zip(vgg, VGG_SIZES, strict=True) if size == s) for s in (112, 56, 28, 14, 7)]
    assert first == [min(y for (y, _), size in zip(plain, PLAIN_SIZES, strict=True) if size == s)
                     for s in (112, 56, 28, 14, 7)]  # fmt: skip


def test_shortcuts_are_around_each_pair_of_the_residual_net() -> None:
    page = figure3()
    found = sorted(arcs(page), key=lambda arc: arc[0][0, 1])
    assert len(found) == 16
    assert [number for number, (_, dotted) in enumerate(found) if dotted] == [3, 7, 13], "where dimensions increase"
    *_, residual = columns(page)
    pairs = residual[2:-2]  # after the first layer and its pooling
    right = max(box.get_x() for box in boxes_of(page))
    for number, (corners, _) in enumerate(found):
        (first, _), (second, _) = pairs[2 * number : 2 * number + 2]
        assert first - 0.2 < corners[0, 1] < first - 0.1 < second + 0.1 < corners[-1, 1] < second + 0.2
        assert corners[:, 0].min() > right
    for (one, _), (other, _) in pairwise(found):
        assert one[-1, 1] < other[0, 1], "an addition comes before what branches off behind it"


def test_what_the_caption_says_is_below() -> None:
    shown = texts(figure3())
    assert [t for t in shown if "multiply-adds" in t] == [
        "19.6 billion multiply-adds",
        "3.6 billion multiply-adds",
        "3.6 billion multiply-adds",
    ]
    assert [t for t in shown if t.endswith(" layers")] == ["19 layers", "34 layers", "34 layers"]
    parameters = ["143,667,240 parameters", "21,623,848 parameters", "21,623,848 parameters"]
    assert [t for t in shown if t.endswith(" parameters")] == parameters
    assert shown.count("image, 3×224×224") == 3
    assert {"VGG-19", "34-layer plain", "34-layer residual"} <= set(shown)
    assert {"identity shortcut", "dimensions change: zero padding"} <= set(shown)


# ---------------------------------------------------------------------------------------------------------------
# Any networks

SEVERAL: Sequence[Sequence[str]] = (
    tuple(NETWORKS.values()),
    ("resnet50_v1_5", "resnet34"),
    ("cifar_resnet20", "cifar_plain32", "cifar_wrn_16_8"),
    ("preact_resnet18",),
)


@pytest.mark.parametrize("names", SEVERAL, ids="-".join)
def test_nothing_lies_over_something_else(names: Sequence[str]) -> None:
    page = beside(*names)
    check_page(page)
    check_words(page)
    renderer = FigureCanvasAgg(page).get_renderer()
    for one, other in combinations([text.get_window_extent(renderer) for text in page.axes[0].texts], 2):
        assert not one.overlaps(other)
    reach = [corners[:, 0].max() for corners, _ in arcs(page)]
    assert all(x < page.get_size_inches()[0] - 0.2 for x in reach)


def test_units_of_three_layers_and_several_strides() -> None:
    page = beside("resnet50_v1_5", "resnet34")
    of_units, of_pairs = ([dotted for corners, dotted in arcs(page) if side(corners, page)] for side in (_left, _right))
    assert (len(of_units), sum(of_units)) == (16, 4)
    assert (len(of_pairs), sum(of_pairs)) == (16, 3)
    assert "dimensions change: projection" in texts(page)
    bottlenecks, _ = columns(page)
    upper, lower = panels(page)[1]
    inside = [text for y, text in bottlenecks if upper < y < lower]
    assert inside == ["pool, /2", *["1×1 conv, 64", "3×3 conv, 64", "1×1 conv, 256"] * 3, "1×1 conv, 128"], (
        "the stride is in the second layer of a unit, whose first still has the larger maps"
    )


def _left(corners: np.ndarray, page: Figure) -> bool:
    return not _right(corners, page)


def _right(corners: np.ndarray, page: Figure) -> bool:
    return bool(corners[0, 0] > max(box.get_x() for box in boxes_of(page)))


def test_small_networks_are_said_in_millions() -> None:
    shown = texts(beside("cifar_resnet20", "cifar_plain32"))
    assert {"40.6 million multiply-adds", "68.9 million multiply-adds", "image, 3×32×32"} <= set(shown)
    assert "pool, /2" not in shown


@pytest.mark.parametrize("name", ["cifar_highway19", "cifar_rir18_wide", "cifar_ror3_110"])
def test_what_would_be_left_out_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: side by side no gates are drawn"):
        beside("cifar_resnet20", name)


def test_no_network_is_no_figure() -> None:
    with pytest.raises(ValueError, match="no network was given"):
        side_by_side({})
