"""Residual units drawn side by side, as the papers draw them: the main path straight down, shortcuts beside it.

Dotted are shortcuts that change what they hand on, by a projection or by zeros. Lengths are inches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.textpath import TextPath

from resnets.report.strokes import arrow_head, curve, rounded, stroke, tint
from resnets.report.style import COLOURS, INK, MUTED, families, styled
from resnets.report.unit_graph import Node
from resnets.report.unit_layout import CIRCLES, CORNER, LINE, Layout, Place, lay_out

TEXT, TITLE = 7.5, 8.5
"""Sizes of letters, in points."""
MARGIN, BETWEEN, HEAD, ROW = 0.15, 0.4, 0.22, 0.32
"""Around all; between two units; a unit's title; between two rows."""
WIDEST = 9.5
FILLS = {
    "conv": tint(COLOURS[0], 0.36),
    "fc": tint(COLOURS[0], 0.36),
    "ReLU": tint(COLOURS[4], 0.3),
    "sigmoid": tint(COLOURS[3], 0.3),
}
EDGES = {"conv": COLOURS[0], "fc": COLOURS[0]}
"""Of boxes; the others are white. In print without colours those with weights are the darker ones."""


@dataclass(frozen=True)
class Panel:
    """A unit with the title that stands above it."""

    title: str
    nodes: Sequence[Node]


@dataclass(frozen=True)
class _Measured:
    """A unit with its layout, and the frame around it and its title."""

    panel: Panel
    layout: Layout
    left: float
    right: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return HEAD + max(place.bottom for place in self.layout.places)


@styled
def units_figure(panels: Sequence[Panel]) -> Figure:
    """The units side by side, in as many rows as they need; the size of the figure follows."""
    rows = _rows(panels)
    width, height = _size(rows)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    y = MARGIN
    for row in rows:
        x = (width - _length(row)) / 2
        for unit in row:
            middle = x + unit.width / 2
            axes.text(middle, y + 0.08, unit.panel.title, fontsize=TITLE, fontweight="bold", ha="center", va="center")
            _draw(axes, unit.panel.nodes, unit.layout, x - unit.left, y + HEAD)
            x += unit.width + BETWEEN
        y += max(unit.height for unit in row) + ROW
    return figure


def units_width(panels: Sequence[Panel]) -> float:
    """How wide the figure of these units is."""
    return _size(_rows(panels))[0]


def _rows(panels: Sequence[Panel]) -> list[list[_Measured]]:
    """As few rows as the widest figure allows, of about equal numbers."""
    units = [_measured(panel) for panel in panels]
    count = 1
    while True:
        most = -(-len(units) // count)
        rows = [units[i : i + most] for i in range(0, len(units), most)]
        if most == 1 or max(map(_length, rows)) < WIDEST:
            return rows
        count += 1


def _measured(panel: Panel) -> _Measured:
    layout = lay_out(panel.nodes, text_width)
    sides = [place.x + half * place.width / 2 for place in layout.places for half in (-1, 1)]
    sides += [x for route in layout.routes for x, _ in route.points]
    left, right = min(sides), max(sides)
    lacking = max(0.0, text_width(panel.title, TITLE, bold=True) - (right - left)) / 2
    return _Measured(panel, layout, left - lacking, right + lacking)


def _length(row: Sequence[_Measured]) -> float:
    return sum(unit.width for unit in row) + BETWEEN * (len(row) - 1)


def _size(rows: Sequence[Sequence[_Measured]]) -> tuple[float, float]:
    heights = sum(max(unit.height for unit in row) for row in rows)
    return max(map(_length, rows)) + 2 * MARGIN, heights + ROW * (len(rows) - 1) + 2 * MARGIN


@cache
def text_width(text: str, size: float = TEXT, bold: bool = False) -> float:
    """The length of a line of text in inches."""
    font = FontProperties(family=list(families()), size=size, weight="bold" if bold else "normal")
    return float(TextPath((0, 0), text, prop=font).get_extents().width) / 72 if text else 0.0


# ------------------------------------------------------------------------------------------------------------
# One unit


def _draw(axes: Axes, nodes: Sequence[Node], layout: Layout, x: float, y: float) -> None:
    """The unit with the upper end of its main path at (x, y)."""
    for route in layout.routes:
        points = [(x + along, y + down) for along, down in route.points]
        (x1, y1), (x2, y2) = points[-2:]
        curve(axes, rounded(points, CORNER), INK, route.dotted)
        if route.arrow:
            arrow_head(axes, x2, y2, INK, ((x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)))
    for node, place in zip(nodes, layout.places, strict=True):
        _symbol(axes, node, place, x + place.x, y + place.middle)


def _symbol(axes: Axes, node: Node, place: Place, x: float, y: float) -> None:
    """A node with its middle at (x, y)."""
    if node.kind in CIRCLES:
        axes.add_patch(Circle((x, y), place.width / 2, facecolor="white", edgecolor=INK, linewidth=0.8, zorder=4))
        arm = 0.6 * place.width / 2
        slant = arm * 0.5**0.5
        ends = ((arm, 0), (0, arm)) if node.kind == "add" else ((slant, slant), (slant, -slant))
        for dx, dy in ends:
            stroke(axes, [(x - dx, y - dy), (x + dx, y + dy)], INK, zorder=5)
        return
    if node.kind not in ("input", "output", "more"):
        corner = (x - place.width / 2, y - place.height / 2)
        box = FancyBboxPatch(corner, place.width, place.height, boxstyle="round,pad=0,rounding_size=0.035", zorder=3)
        box.set(facecolor=FILLS.get(node.kind, "white"), edgecolor=EDGES.get(node.kind, MUTED), linewidth=0.7)
        axes.add_patch(box)
    lines = node.text.split("\n")
    for number, line in enumerate(lines):
        height = y + (number - (len(lines) - 1) / 2) * LINE
        colour = MUTED if node.kind in ("input", "output", "more") else INK
        axes.text(x, height, line, fontsize=TEXT, ha="center", va="center_baseline", color=colour, zorder=4)
