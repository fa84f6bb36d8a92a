"""Networks drawn beside each other, as in Figure 3 of arXiv:1512.03385.

A column for each network, one box a layer. What gives maps of one size stands in one band across all columns; where a
network has fewer layers at a size than another, its main path runs on without. Boxes, sizes and arrows are read off
the networks. Lengths are inches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from resnets.models.layers import depth
from resnets.models.outline import Block, Outline
from resnets.report.drawing_plan import STAGE_COLOURS, legend, words
from resnets.report.layer_boxes import (
    BOX_HEIGHT,
    PLUS,
    WORDS,
    addition,
    around,
    arrow_down,
    kind_of_arrow,
    layer_box,
    rounded_box,
)
from resnets.report.strokes import tint
from resnets.report.style import INK, MUTED, styled
from resnets.report.unit_drawing import text_width

MARGIN, HEAD, LABELS = 0.2, 0.68, 0.72
"""Around all; above the bands, for titles and images; left of the columns, for sizes."""
EDGE, BETWEEN_BANDS = 0.14, 0.06
"""In a band above its first boxes and below its last; between two bands."""
INSIDE, OUTSIDE = 0.05, 0.12
"""Above and below a box within a unit of several layers, and where the unit begins and ends, for shortcuts. A layer
that is no part of such a unit has the mean of both, so that any two layers take about the same height."""
RIM, BETWEEN_COLUMNS, FACT_LINE = 0.2, 0.3, 0.17
"""What boxes are wider than the longest of their words; between two columns; a line below a column."""
BULGE, BRANCH, ADD = 0.34, 0.085, 0.06
"""How far a shortcut reaches out; how far above a box it begins, and below one it ends."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A layer as it is drawn."""

    text: str
    size: Size
    """(H, W) of what it gives, in pixels."""
    above: float
    """The room above it."""
    below: float
    begins: bool = False
    """Whether a shortcut begins above it."""
    ends: bool = False
    """Whether one ends below it."""
    dotted: bool = False
    """Whether that one changes the dimensions."""


@dataclass(frozen=True)
class Band:
    """The layers of all networks that give maps of one size."""

    size: Size
    colour: str
    columns: tuple[tuple[Box, ...], ...]
    """For each network its boxes from top to bottom."""
    last: bool
    """Its columns stand at the bottom, not at the top: all networks end at one height."""

    @property
    def height(self) -> float:
        return max(map(_length, self.columns)) + 2 * EDGE

    def placed(self, column: int) -> Iterator[tuple[float, Box]]:
        """The boxes of a network, and how far below the top of the band each begins."""
        boxes = self.columns[column]
        y = self.height - EDGE - _length(boxes) if self.last else EDGE
        for i, box in enumerate(boxes):
            y += BOX_HEIGHT + boxes[i - 1].below + box.above if i else 0.0
            yield y, box


def _length(boxes: Sequence[Box]) -> float:
    return len(boxes) * BOX_HEIGHT + sum(a.below + b.above for a, b in pairwise(boxes))


@dataclass(frozen=True)
class _Column:
    """Where a network stands, and what is written above and below it."""

    title: str
    image: str
    facts: tuple[str, ...]
    middle: float
    box: float
    """The width of its boxes."""


@styled
def side_by_side(networks: Mapping[str, Outline]) -> Figure:
    """The networks by title, from left to right; the size of the figure follows from them.

    Raises ValueError for a network of which this would leave something out: a gate, a shortcut around a single layer
    of a unit, or one around more than a unit.
    """
    for title, whole in networks.items():
        _check(title, whole)
    found = bands(list(networks.values()))
    columns, width = _columns(networks)
    kinds = list(dict.fromkeys(chain.from_iterable(map(legend, networks.values()))))
    width = max(width, _length_of_legend(kinds) + 2 * MARGIN)
    facts = HEAD + sum(band.height + BETWEEN_BANDS for band in found) + 0.1
    notes = facts + FACT_LINE * max(len(column.facts) for column in columns) + 0.12
    height = notes + (0.24 if kinds else 0.0)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    tops = _panels(axes, found, width)
    for number, column in enumerate(columns):
        _words(axes, column, facts)
        _main_path(axes, column, [(top + y, box, band.colour) for top, band in tops for y, box in band.placed(number)])
    _legend(axes, kinds, width, notes)
    return figure


def _check(title: str, whole: Outline) -> None:
    blocks = [block for stage in whole.stages for block in stage.blocks]
    more = whole.projection or any(stage.projection for stage in whole.stages)
    if more or any(block.gate or block.inner for block in blocks):
        raise ValueError(f"{title}: side by side no gates are drawn, and shortcuts only around whole units")


def bands(networks: Sequence[Outline]) -> list[Band]:
    """The layers of `networks` by the size of the maps that they give, the largest first."""
    boxes = [list(_boxes(whole)) for whole in networks]
    sizes = sorted({box.size for column in boxes for box in column}, key=lambda size: -size[0] * size[1])
    colours = cycle(STAGE_COLOURS)
    return [
        Band(
            size,
            MUTED if size == (1, 1) else next(colours),
            tuple(tuple(box for box in column if box.size == size) for column in boxes),
            last=size == sizes[-1],
        )
        for size in sizes
    ]


def _boxes(whole: Outline) -> Iterator[Box]:
    alone = (INSIDE + OUTSIDE) / 2
    for stage in whole.stages:
        if stage.name == "fc" and whole.global_pooling:
            yield Box("avg pool", (1, 1), alone, alone)
        for block in stage.blocks:
            yield from _of_block(block, OUTSIDE if len(block.layers) > 1 else alone)


def _of_block(block: Block, outside: float) -> Iterator[Box]:
    for layer in block.layers:
        first, last = layer is block.layers[0], layer is block.layers[-1]
        rooms = (outside if first else INSIDE, outside if last else INSIDE)
        text = words(layer).removeprefix("max ")  # the paper's picture says which pooling it is of the average only
        ends = (first, last) if block.shortcut else (False, False)
        yield Box(text, layer.output_size, *rooms, *ends, block.changes_shape)


# ------------------------------------------------------------------------------------------------------------
# Where columns stand


def _columns(networks: Mapping[str, Outline]) -> tuple[list[_Column], float]:
    """The columns, as near to each other as their words and shortcuts allow, and how wide the figure is."""
    if not networks:
        raise ValueError("side_by_side: no network was given")
    box = RIM + max(text_width(box.text) for whole in networks.values() for box in _boxes(whole))
    x, columns = MARGIN + LABELS, []
    for title, whole in networks.items():
        image, facts = f"image, {_input(whole)}", _facts(whole)
        left = max(box, text_width(title, 10, bold=True), *map(text_width, (image, *facts))) / 2
        right = max(left, box / 2 + BULGE if any(legend(whole)) else 0.0)
        columns.append(_Column(title, image, facts, x + left, box))
        x += left + right + BETWEEN_COLUMNS
    return columns, x - BETWEEN_COLUMNS / 2 + MARGIN


def _input(whole: Outline) -> str:
    """The sides of the image, which the first layer keeps but for its stride."""
    first = whole.layers[0]
    return "×".join(map(str, (first.in_channels, *(first.stride * side for side in first.output_size))))


def _facts(whole: Outline) -> tuple[str, ...]:
    work = sum(layer.multiply_adds for layer in whole.layers)
    short = f"{work / 1e9:.1f} billion" if work >= 1e9 else f"{work / 1e6:.1f} million"
    parameters = sum(layer.parameters for layer in whole.layers)
    return f"{short} multiply-adds", f"{depth(list(whole.layers)):,} layers", f"{parameters:,} parameters"


# ------------------------------------------------------------------------------------------------------------
# What is drawn


def _panels(axes: Axes, found: Sequence[Band], width: float) -> list[tuple[float, Band]]:
    """A panel for each band, with its size at the left; returns where each begins."""
    y, tops = HEAD, []
    for band in found:
        look = {"facecolor": tint(band.colour, 0.1), "edgecolor": "none", "zorder": 0}
        rounded_box(axes, MARGIN, y, width - 2 * MARGIN, band.height, 0.06, **look)
        x, middle = MARGIN + 0.09, y + EDGE + BOX_HEIGHT / 2
        axes.text(x, middle - 0.07, "output size", fontsize=6.5, va="center", color=MUTED)
        sides = dict.fromkeys(band.size)  # one number, if they are equal
        axes.text(x, middle + 0.07, "×".join(map(str, sides)), fontsize=8.5, fontweight="bold", va="center")
        tops.append((y, band))
        y += band.height + BETWEEN_BANDS
    return tops


def _words(axes: Axes, column: _Column, facts: float) -> None:
    """Above a column its title and image, below it the facts."""
    _centred(axes, column.middle, 0.28, column.title, fontsize=10, fontweight="bold")
    _centred(axes, column.middle, HEAD - 0.13, column.image)
    for line, text in enumerate(column.facts):
        _centred(axes, column.middle, facts + FACT_LINE * line, text, color=MUTED if line else INK)


def _centred(axes: Axes, x: float, y: float, text: str, fontsize: float = 7.5, **look: Any) -> None:
    axes.text(x, y, text, ha="center", va="center", fontsize=fontsize, **look)


def _main_path(axes: Axes, column: _Column, boxes: Sequence[tuple[float, Box, str]]) -> None:
    """The boxes with their heights and colours, the lines between them and the shortcuts beside them."""
    middle, at, branch = column.middle, HEAD - 0.06, 0.0
    for y, box, colour in boxes:
        if box.begins:
            branch = y - BRANCH
        arrow_down(axes, middle, at, y)
        layer_box(axes, middle, y, column.box, box.text, colour)
        at = y + BOX_HEIGHT
        if box.ends:
            around(axes, middle, middle + column.box / 2, branch, at + ADD, BULGE, box.dotted)
            addition(axes, middle, at, at + ADD)
            at += ADD + PLUS


def _legend(axes: Axes, kinds: Sequence[tuple[bool, str]], width: float, y: float) -> None:
    """The kinds of shortcuts side by side, in the middle."""
    x = (width - _length_of_legend(kinds)) / 2
    for dotted, text in kinds:
        kind_of_arrow(axes, x, y, text, dotted)
        x += WORDS + text_width(text) + BETWEEN_COLUMNS


def _length_of_legend(kinds: Sequence[tuple[bool, str]]) -> float:
    return sum(WORDS + text_width(text) + BETWEEN_COLUMNS for _, text in kinds) - BETWEEN_COLUMNS
