"""The drawings of units: everything is on the page, nothing lies over another, and the lines say what reads what."""

import base64
import io
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from PIL import Image
from torch import nn

from resnets.models.blocks import Basic, shortcuts
from resnets.models.highway import HighwayLayer
from resnets.paper.units import UNITS, draw_units, unit_records
from resnets.report.style import to_png_base64, to_svg
from resnets.report.unit_drawing import Panel, text_width, units_figure, units_width
from resnets.report.unit_graph import Node, unit_graph
from resnets.report.unit_layout import Layout, lay_out


@cache
def records(name: str) -> list[dict[str, Any]]:
    return unit_records(name)


@cache
def graphs(name: str) -> list[list[Node]]:
    return [[Node(**node) for node in record["nodes"]] for record in records(name)]


@cache
def layouts(name: str) -> list[tuple[list[Node], Layout]]:
    return [(nodes, lay_out(nodes, text_width)) for nodes in graphs(name)]


@cache
def figure(name: str) -> Figure:
    return draw_units(records(name))


def frames(layout: Layout) -> list[tuple[float, float, float, float]]:
    return [(p.x - p.width / 2, p.x + p.width / 2, p.top, p.bottom) for p in layout.places]


def apart(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[1] <= b[0] + 1e-9 or b[1] <= a[0] + 1e-9 or a[3] <= b[2] + 1e-9 or b[3] <= a[2] + 1e-9


# ---------------------------------------------------------------------------------------------------------------
# Layout


@pytest.mark.parametrize("name", UNITS)
def test_boxes_and_circles_are_apart_and_in_order(name: str) -> None:
    for nodes, layout in layouts(name):
        for a, b in combinations(frames(layout), 2):
            assert apart(a, b)
        for number, node in enumerate(nodes):
            assert all(layout.places[i].bottom < layout.places[number].middle for i in node.inputs)


@pytest.mark.parametrize("name", UNITS)
def test_no_line_runs_through_a_box(name: str) -> None:
    for _, layout in layouts(name):
        for route in layout.routes:
            for (x1, y1), (x2, y2) in pairwise(route.points):
                assert x1 == x2 or y1 == y2, "along the axes"
                line = (min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2))
                assert all(apart(line, frame) for frame in frames(layout))


@pytest.mark.parametrize("name", UNITS)
def test_each_reading_is_a_line(name: str) -> None:
    for nodes, layout in layouts(name):
        readings = sum(len(node.inputs) for node in nodes)
        hidden = sum(node.kind == "more" for node in nodes)
        assert len(layout.routes) == readings - 2 * hidden


def test_the_main_path_goes_straight_down() -> None:
    nodes = unit_graph(Basic(16, 32, 32, 2, shortcuts("B")(16, 32, 2)))
    layout = lay_out(nodes, text_width)
    beside = {number for number, place in enumerate(layout.places) if place.x > 0}
    assert {nodes[number].text for number in beside} == {"1×1 conv, 32, /2", "BN"}
    assert all(nodes[number].aside for number in beside)
    assert [layout.places[i].x for i in range(6)] == [0] * 6


def test_of_a_gated_product_the_layers_own_work_goes_down() -> None:
    nodes = unit_graph(HighwayLayer(32, 3, gate_bias=-2.0))
    layout = lay_out(nodes, text_width)
    down = [number for number, place in enumerate(layout.places) if place.x == 0]
    assert [nodes[number].text for number in down] == [
        "32 channels", "3×3 conv, 32", "ReLU", "×", "+", "32 channels",
    ]  # fmt: skip
    assert not nodes[down[1]].aside


@pytest.mark.parametrize(
    ("unit", "dotted"),
    [
        (Basic(16, 16, 16, 1, nn.Identity()), 0),
        (Basic(16, 16, 16, 1, shortcuts("C")(16, 16, 1)), 3),
        (Basic(16, 32, 32, 2, shortcuts("A")(16, 32, 2)), 3),
        (Basic(16, 32, 32, 2, None), 0),
        (HighwayLayer(16, 3, gate_bias=-2.0), 0),
    ],
    ids=["identity", "option C", "option A", "plain", "gate"],
)
def test_shortcuts_that_change_what_they_hand_on_are_dotted(unit: nn.Module, dotted: int) -> None:
    assert sum(route.dotted for route in lay_out(unit_graph(unit), text_width).routes) == dotted


# ---------------------------------------------------------------------------------------------------------------
# Figures


@pytest.mark.parametrize("name", UNITS)
def test_words_are_inside_their_box_or_outside_all(name: str) -> None:
    page = figure(name)
    renderer = FigureCanvasAgg(page).get_renderer()
    boxes = [p.get_window_extent(renderer) for p in page.axes[0].patches if isinstance(p, FancyBboxPatch | Circle)]
    words = [text.get_window_extent(renderer) for text in page.axes[0].texts]
    for text in words:
        assert page.bbox.x0 < text.x0 < text.x1 < page.bbox.x1
        assert page.bbox.y0 < text.y0 < text.y1 < page.bbox.y1
        holding = [box for box in boxes if box.overlaps(text)]
        assert len(holding) <= 1
        assert all(box.x0 < text.x0 and text.x1 < box.x1 for box in holding)
    assert not any(a.overlaps(b) for a, b in combinations(words, 2))


@pytest.mark.parametrize("name", UNITS)
def test_titles_and_every_operation_are_on_the_page(name: str) -> None:
    said = [text.get_text() for text in figure(name).axes[0].texts]
    for shown, nodes in zip(UNITS[name], graphs(name), strict=True):
        assert shown.title in said
        assert all(
            line in said for node in nodes if node.kind not in ("add", "multiply") for line in node.text.split("\n")
        )
    circles = sum(isinstance(patch, Circle) for patch in figure(name).axes[0].patches)
    assert circles == sum(node.kind in ("add", "multiply") for nodes in graphs(name) for node in nodes)


@pytest.mark.parametrize("name", UNITS)
def test_width_is_known_before_it_is_drawn(name: str) -> None:
    panels = [Panel(shown.title, nodes) for shown, nodes in zip(UNITS[name], graphs(name), strict=True)]
    assert units_width(panels) == figure(name).get_size_inches()[0]


def test_svg_is_repeatable() -> None:
    panels = [Panel("a", unit_graph(Basic(4, 4, 4, 1, nn.Identity())))]
    assert to_svg(units_figure(panels)) == to_svg(units_figure(panels))


def test_kinds_of_boxes_differ_in_grey() -> None:
    """In print without colours a convolution is darker than a ReLU, and that darker than BN."""
    page = figure("resnet")
    fills = {to_rgb(patch.get_facecolor()) for patch in page.axes[0].patches if isinstance(patch, FancyBboxPatch)}
    greys = sorted(0.299 * red + 0.587 * green + 0.114 * blue for red, green, blue in fills)
    assert len(greys) == 3
    assert np.diff(greys).min() > 0.08


def test_a_single_unit_as_png(tmp_path: Path) -> None:
    data = base64.b64decode(to_png_base64(units_figure([Panel("one", unit_graph(Basic(4, 4, 4, 1, None)))])))
    with Image.open(io.BytesIO(data)) as image:
        assert image.width < image.height
