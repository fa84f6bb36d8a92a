"""A network drawn whole from its definition, in the spirit of Figure 3 of arXiv:1512.03385.

One box a layer, one colour a stage, curved arrows for the shortcuts: solid for an identity, dotted where the
dimensions change. Boxes, sizes and arrows are read off the modules and the layer table. Lengths are inches.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.path import Path as Curve
from torch import nn

from resnets.files import write_atomic
from resnets.models.catalog import row, skeleton
from resnets.models.layers import Layer, depth
from resnets.models.outline import Block, Outline, Stage, outline
from resnets.report.strokes import Point, arrow_head, curve, stroke, tint
from resnets.report.style import COLOURS, INK, MUTED, save_png, styled, to_svg

BOX_WIDTH, BOX_HEIGHT, GAP = 1.42, 0.2, 0.1
"""A layer's box, and the space between two of them in a block."""
LABELS, ARCS, GUTTER = 0.88, 0.5, 0.34
"""Left of the boxes the stage's name, right of them the shortcuts, and the space between two columns."""
PANEL_GAP, MARGIN, HEAD, LEGEND_LINE = 0.07, 0.25, 0.95, 0.2
LONGEST_COLUMN, ASPECT = 15.0, 1.45
"""A network no longer than this stays in one column; others are wrapped to about this width / height."""
BULGE, PLUS = 0.36, 0.045
STAGE_COLOURS = tuple(COLOURS[i] for i in (0, 2, 4, 3, 5, 1, 7))
MOST_PIXELS = 40e6


@dataclass(frozen=True)
class Cell:
    """A block as it is drawn: the boxes from top to bottom, and room for the joints around them."""

    stage: int
    colour: str
    block: Block | None
    """None for the average pooling, which no module does."""
    texts: tuple[str, ...]
    joint: float
    """Above the boxes, for the branching off, and below them, for the addition."""

    @property
    def height(self) -> float:
        return 2 * self.joint + len(self.texts) * (BOX_HEIGHT + GAP) - GAP


def draw(network: str | nn.Module, path: str | Path, input_size: int | None = None) -> None:
    """Draw `network`, a name of the catalogue or a module, to `path` as SVG or PNG, as its suffix says.

    `input_size` is the side of the square input in pixels; by default that of the catalogue, 224 for a module
    that is not from there. Raises ValueError for another suffix or an unknown name, OSError as the file system
    does.
    """
    path = Path(path)
    if path.suffix.lower() not in (".svg", ".png"):
        raise ValueError(f"{path}: a drawing ends in {path.suffix or 'nothing'!r}, allowed are .svg and .png")
    name = network if isinstance(network, str) else getattr(network, "spec_name", None)
    title = name or type(network).__name__
    size = input_size or (row(name).input_size if name else 224)
    model = skeleton(network) if isinstance(network, str) else network
    figure = drawing(title, outline(model, size), sum(p.numel() for p in model.parameters()), size)
    if path.suffix.lower() == ".svg":
        write_atomic(path, to_svg(figure))
    else:
        width, height = figure.get_size_inches()
        save_png(figure, path, dpi=int(min(200, math.sqrt(MOST_PIXELS / (width * height)))))


@styled
def drawing(title: str, whole: Outline, params: int, input_size: int) -> Figure:
    """The figure; its size follows from the network. `input_size` in pixels."""
    columns = _columns(_cells(whole))
    arcs = ARCS if any(cell.block and cell.block.shortcut for column in columns for cell in column) else 0.12
    pitch = LABELS + BOX_WIDTH + arcs + GUTTER
    legend = list(_legend(whole))
    tallest = max(_length(column) for column in columns)
    width = max(2 * MARGIN + len(columns) * pitch - GUTTER, 3.9)
    height = HEAD + tallest + MARGIN + LEGEND_LINE * (len(legend) + 1)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    left = (width - len(columns) * pitch + GUTTER) / 2
    work = sum(layer.multiply_adds for layer in whole.layers)
    axes.text(left, 0.3, title, fontsize=14, fontweight="bold", va="center")
    counts = f"{depth(list(whole.layers)):,} layers · {params:,} parameters\n{work:,} multiply-adds"
    axes.text(left, 0.57, counts, fontsize=7.5, va="center", color=MUTED, linespacing=1.35)
    first = whole.layers[0]
    image = f"{first.in_channels}×{input_size}×{input_size}"
    axes.text(left + LABELS + BOX_WIDTH / 2, HEAD - 0.11, f"image, {image}", fontsize=7.5, ha="center")

    end: Point | None = None
    for i, column in enumerate(columns):
        x = left + i * pitch
        start = _start(axes, x + LABELS + BOX_WIDTH / 2, x - GUTTER / 2, end)
        continued = i > 0 and columns[i - 1][-1].stage == column[0].stage
        end = _column(axes, whole, column, x, arcs, start, continued)
    for i, (dotted, text) in enumerate(legend):
        y = HEAD + tallest + MARGIN / 2 + LEGEND_LINE * (i + 1)
        stroke(axes, [(left, y), (left + 0.38, y)], INK, dotted=dotted)
        arrow_head(axes, left + 0.42, y, INK, (1, 0))
        axes.text(left + 0.52, y, text, fontsize=7.5, va="center")
    return figure


# ------------------------------------------------------------------------------------------------------------
# What is drawn


def _cells(whole: Outline) -> list[Cell]:
    cells = []
    colours = cycle(STAGE_COLOURS)
    for number, stage in enumerate(whole.stages):
        single = all(len(block.layers) == 1 for block in stage.blocks)
        colour = MUTED if single else next(colours)
        if stage.name == "fc" and whole.global_pooling:
            cells.append(Cell(number, colour, None, ("avg pool",), 0.09))
        for block in stage.blocks:
            joint = 0.13 if block.shortcut else GAP / 2 if len(block.layers) > 1 else 0.09
            cells.append(Cell(number, colour, block, tuple(map(_text, block.layers)), joint))
    return cells


def _text(layer: Layer) -> str:
    if layer.kind == "fc":
        return f"fc {layer.out_channels}"
    stride = f", /{layer.stride}" if layer.stride > 1 else ""
    if layer.kind == "max pool":
        return f"max pool{stride}"
    return f"{layer.kernel}×{layer.kernel} conv, {layer.out_channels}{stride}"


def _mark(block: Block) -> str:
    """What a shortcut does besides handing on its input."""
    if block.projection is None:
        return "zero pad" if block.shortcut == "zeros" else ""
    return _text(block.projection).replace(" conv", "")


def _legend(whole: Outline) -> Iterator[tuple[bool, str]]:
    blocks = [block for stage in whole.stages for block in stage.blocks]
    kinds = {(block.shortcut, block.changes_shape) for block in blocks}
    for kind, changes, text in (
        ("identity", False, "identity shortcut"),
        ("zeros", True, "dimensions change: zero padding"),
        ("projection", True, "dimensions change: projection"),
        ("projection", False, "projection"),
    ):
        if (kind, changes) in kinds:
            yield changes, text


def _columns(cells: list[Cell]) -> list[list[Cell]]:
    """The cells in columns of about equal height; no block is cut."""
    total = _length(cells)
    pitch = LABELS + BOX_WIDTH + ARCS + GUTTER
    count = 1 if total <= LONGEST_COLUMN else max(2, round(math.sqrt(ASPECT * total / pitch)))
    columns: list[list[Cell]] = [[]]
    for i, cell in enumerate(cells):
        done = _length(cells[:i]) + cell.height / 2
        if done > len(columns) * total / count:
            columns.append([])
        columns[-1].append(cell)
    return columns


def _length(cells: list[Cell]) -> float:
    changes = sum(a.stage != b.stage for a, b in pairwise(cells))
    return sum(cell.height for cell in cells) + changes * PANEL_GAP


# ------------------------------------------------------------------------------------------------------------
# How


def _column(
    axes: Axes, whole: Outline, cells: list[Cell], x: float, arcs: float, start: Point, continued: bool
) -> Point:
    """Draw one column with its left edge at `x`; the main path enters at `start` and leaves at what is returned.

    `continued`: its first stage began in the column before.
    """
    middle = x + LABELS + BOX_WIDTH / 2
    top = HEAD
    for i, cell in enumerate(cells):
        if i == 0 or cells[i - 1].stage != cell.stage:
            top += PANEL_GAP if i else 0
            together = sum(other.height for other in cells if other.stage == cell.stage)
            _rounded(
                axes, x, top, LABELS + BOX_WIDTH + arcs, together, 0.06,
                facecolor=tint(cell.colour, 0.1), edgecolor="none", zorder=0,
            )  # fmt: skip
            _label(axes, whole.stages[cell.stage], x + 0.09, top + min(together, 0.4) / 2, continued and i == 0)
        y = top + cell.joint
        for text in cell.texts:
            stroke(axes, [start, (middle, y - 0.02)], INK)
            arrow_head(axes, middle, y, INK, (0, 1))
            _box(axes, middle, y, text, cell.colour, plain="pool" in text)
            start = (middle, y + BOX_HEIGHT)
            y += BOX_HEIGHT + GAP
        if cell.block is not None and cell.block.shortcut:
            start = _shortcut(axes, cell, middle, top, start)
        top += cell.height
    return start


def _start(axes: Axes, middle: float, gutter: float, end: Point | None) -> Point:
    """Where the main path enters a column: below the image's size, or after a line from the column before."""
    top = (middle, HEAD - 0.07)
    if end is None:
        return top
    low = end[1] + 0.14
    turns = [end, (end[0], low), (gutter, low), (gutter, top[1]), top]
    stroke(axes, turns, INK)
    return top


def _label(axes: Axes, stage: Stage, x: float, middle: float, continued: bool) -> None:
    name = f"… {stage.name}" if continued else stage.name
    axes.text(x, middle - 0.07, name, fontsize=8, fontweight="bold", va="center")
    axes.text(x, middle + 0.07, "×".join(map(str, stage.output_size)), fontsize=7.5, va="center", color=MUTED)


def _box(axes: Axes, middle: float, y: float, text: str, colour: str, plain: bool) -> None:
    fill = "white" if plain else tint(colour, 0.38)
    left = middle - BOX_WIDTH / 2
    _rounded(axes, left, y, BOX_WIDTH, BOX_HEIGHT, 0.04, facecolor=fill, edgecolor=colour, linewidth=0.7, zorder=3)
    axes.text(middle, y + BOX_HEIGHT / 2, text, fontsize=7.5, ha="center", va="center_baseline", zorder=4)


def _shortcut(axes: Axes, cell: Cell, middle: float, top: float, end: Point) -> Point:
    """The arrow around a block, and the addition where it ends; returns the point below the addition."""
    assert cell.block is not None
    above, below = top + 0.035, end[1] + 0.065
    edge = middle + BOX_WIDTH / 2
    vertices = [
        (middle, above), (edge, above), (edge + BULGE, above), (edge + BULGE, below), (edge, below),
        (middle + PLUS + 0.04, below),
    ]  # fmt: skip
    codes = [Curve.MOVETO, Curve.LINETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4, Curve.LINETO]
    curve(axes, Curve(vertices, codes), INK, cell.block.changes_shape)
    arrow_head(axes, middle + PLUS, below, INK, (-1, 0))
    stroke(axes, [end, (middle, below - PLUS)], INK)
    axes.add_patch(Circle((middle, below), PLUS, facecolor="white", edgecolor=INK, linewidth=0.7, zorder=4))
    for dx, dy in ((PLUS * 0.6, 0), (0, PLUS * 0.6)):
        stroke(axes, [(middle - dx, below - dy), (middle + dx, below + dy)], INK, zorder=5.0)
    mark = _mark(cell.block)
    if mark:
        x, y = edge + 0.75 * BULGE, (above + below) / 2  # the vertex of the Bezier curve
        length = 0.044 * len(mark) + 0.08
        look = {
            "facecolor": "white",
            "edgecolor": cell.colour if cell.block.projection else "none",
            "linewidth": 0.7,
        }
        _rounded(axes, x - 0.065, y - length / 2, 0.13, length, 0.03, zorder=3, **look)
        axes.text(x, y, mark, fontsize=5.6, rotation=90, ha="center", va="center", zorder=4)
    return middle, below + PLUS


def _rounded(axes: Axes, x: float, y: float, width: float, height: float, radius: float, **look: Any) -> None:
    style = f"round,pad=0,rounding_size={radius}"
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, **look))
