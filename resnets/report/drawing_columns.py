"""How the columns of a whole network are drawn: panels, boxes, shortcuts, and the lines from one column to the next.

A line that goes on in the next column runs below its own, up between the two and into the next from above. Several do
so around each other: the one that leaves its column outermost comes in outermost, and none crosses another.
"""

from dataclasses import dataclass, field

from matplotlib.axes import Axes

from resnets.models.outline import Outline, Stage
from resnets.report.drawing_plan import (
    ARCS,
    BRANCH,
    CIRCLE,
    GAP,
    LABELS,
    LANES,
    PANEL_GAP,
    Cell,
    Wire,
    mark,
    words,
)
from resnets.report.layer_boxes import BOX_HEIGHT, PLUS, addition, around, arrow_down, layer_box, rounded_box
from resnets.report.strokes import Point, curve, rounded, tint
from resnets.report.style import INK, MUTED

BULGE, INNER_BULGE, CORNER, APART = 0.36, 0.2, 0.09, 0.07
"""How far the arrow around a unit and that around a layer reach out; of long lines the corners' radius, and how far
they are from each other between columns."""


@dataclass
class Column:
    """Where a column stands."""

    x: float
    """The left edge."""
    box: float
    """The width of its boxes."""
    arcs: float
    """The room right of them."""
    gutter: float
    """The middle of the space before it."""
    top: float

    @property
    def middle(self) -> float:
        return self.x + LABELS + self.box / 2

    def lane(self, wire: Wire) -> float:
        """Where a shortcut around more runs down."""
        return self.x + LABELS + self.box + ARCS + (0.03, LANES[0] + 0.07)[wire.lane]


@dataclass
class Pen:
    """Draws one column after the other, and keeps the lines that go on."""

    axes: Axes
    whole: Outline
    at: Point | None = None
    """Where the main path has come to."""
    open: dict[Wire, list[Point]] = field(default_factory=dict)
    """The shortcuts that have begun and not ended, the longest first."""

    def column(self, column: Column, cells: list[Cell], continued: bool) -> None:
        """Draws the cells; `continued`: their first stage began in the column before."""
        self._enter(column)
        top = column.top
        for i, cell in enumerate(cells):
            if i == 0 or cells[i - 1].stage != cell.stage:
                top += PANEL_GAP if i else 0
                together = sum(other.height for other in cells if other.stage == cell.stage)
                self._panel(column, cell, top, together, continued and i == 0)
            self._cell(column, cell, top)
            top += cell.height

    def _enter(self, column: Column) -> None:
        """Leads the main path and the open shortcuts into a column, around each other."""
        above = (column.middle, column.top - APART)
        if self.at is not None:
            count = len(self.open)
            low = self.at[1] + 0.14 + APART * count
            turns = [self.at, (self.at[0], low), (column.gutter, low), (column.gutter, above[1]), above]
            curve(self.axes, rounded(turns, CORNER / 2), INK, dotted=False)
            for number, (wire, points) in enumerate(self.open.items()):  # the outermost lane has the shortest way
                off = APART * (count - number)
                x, gutter, high = points[-1][0], column.gutter - off, above[1] - off
                points += [(x, low - off), (gutter, low - off), (gutter, high), (column.lane(wire), high)]
        self.at = above

    def _panel(self, column: Column, cell: Cell, top: float, height: float, continued: bool) -> None:
        width = LABELS + column.box + column.arcs
        look = {"facecolor": tint(cell.colour, 0.1), "edgecolor": "none", "zorder": 0}
        rounded_box(self.axes, column.x, top, width, height, 0.06, **look)
        stage: Stage = self.whole.stages[cell.stage]
        x, y = column.x + 0.09, top + min(height, 0.4) / 2
        name = f"… {stage.name}" if continued else stage.name
        self.axes.text(x, y - 0.07, name, fontsize=8, fontweight="bold", va="center")
        size = "×".join(map(str, stage.output_size))
        self.axes.text(x, y + 0.07, size, fontsize=7.5, va="center", color=MUTED)

    def _cell(self, column: Column, cell: Cell, top: float) -> None:
        assert self.at is not None
        block, middle = cell.block, column.middle
        for wire in cell.opens:
            top += BRANCH
            self.open[wire] = [(middle, top - 0.02), (column.lane(wire), top - 0.02)]
        y, inner = top + cell.joint, cell.inner
        for number, text in enumerate(cell.texts):
            above = y + 0.035
            y += inner
            arrow_down(self.axes, middle, self.at[1], y)
            layer_box(self.axes, middle, y, column.box, text, cell.colour)
            self.at = (middle, y + BOX_HEIGHT)
            if block and inner:
                layer = block.layers[number]
                self._around(column, above, INNER_BULGE, layer.stride > 1 or layer.in_channels != layer.out_channels)
            y += BOX_HEIGHT + inner + GAP
        if block and block.shortcut:
            below = self._around(column, top + 0.035, BULGE, block.changes_shape)
            edge = cell.colour if block.projection else "none"
            _mark(self.axes, column, mark(block), (top + 0.035 + below) / 2, BULGE, edge)
        for wire in cell.closes:
            self._close(column, wire, cell.colour)

    def _around(self, column: Column, above: float, bulge: float, dotted: bool) -> float:
        """The arrow from the height `above` to an addition below; returns the height of that."""
        assert self.at is not None
        middle, below = column.middle, self.at[1] + 0.065
        around(self.axes, middle, middle + column.box / 2, above, below, bulge, dotted)
        self._add(middle, below)
        return below

    def _close(self, column: Column, wire: Wire, colour: str) -> None:
        """Ends a shortcut around more in an addition."""
        assert self.at is not None
        points, below = self.open.pop(wire), self.at[1] + CIRCLE - 2 * PLUS
        lane = column.lane(wire)
        points += [(lane, below), (column.middle + PLUS + 0.02, below)]
        curve(self.axes, rounded(points, CORNER), INK, wire.dotted)
        self._add(column.middle, below)
        (x, begin), (_, end) = points[1:3]
        text = words(wire.projection).replace(" conv", "")
        _tag(self.axes, x, (begin + end) / 2, text, colour)

    def _add(self, middle: float, y: float) -> None:
        """The circle in which a shortcut ends, where the main path then goes on."""
        assert self.at is not None
        addition(self.axes, middle, self.at[1], y)
        self.at = (middle, y + PLUS)


def _mark(axes: Axes, column: Column, text: str, y: float, bulge: float, edge: str) -> None:
    """At the vertex of a unit's arrow, which is a Bezier curve."""
    if text:
        _tag(axes, column.middle + column.box / 2 + 0.75 * bulge, y, text, edge)


def _tag(axes: Axes, x: float, y: float, text: str, edge: str) -> None:
    """Words along a line that goes down."""
    height = 0.044 * len(text) + 0.08
    look = {"facecolor": "white", "edgecolor": edge, "linewidth": 0.7}
    rounded_box(axes, x - 0.065, y - height / 2, 0.13, height, 0.03, zorder=3, **look)
    axes.text(x, y, text, fontsize=5.6, rotation=90, ha="center", va="center", zorder=4)
