"""What drawings of whole networks are made of: the box of a layer, the arrow around layers, the addition it ends in.

Lengths are inches, downwards.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.path import Path as Curve

from resnets.report.strokes import arrow_head, curve, stroke, tint
from resnets.report.style import INK

BOX_HEIGHT, PLUS, WORDS = 0.2, 0.045, 0.52
"""The height of a layer's box; the radius of an addition's circle; in a legend, how far the words are from the left."""


def layer_box(axes: Axes, middle: float, y: float, width: float, text: str, colour: str) -> None:
    """The box of a layer below the height `y`; those of poolings, which have no weights, are white."""
    fill = "white" if "pool" in text else tint(colour, 0.38)
    look = {"facecolor": fill, "edgecolor": colour, "linewidth": 0.7, "zorder": 3}
    rounded_box(axes, middle - width / 2, y, width, BOX_HEIGHT, 0.04, **look)
    axes.text(middle, y + BOX_HEIGHT / 2, text, fontsize=7.5, ha="center", va="center_baseline", zorder=4)


def arrow_down(axes: Axes, middle: float, above: float, below: float) -> None:
    """The main path into a box."""
    stroke(axes, [(middle, above), (middle, below - 0.02)], INK)
    arrow_head(axes, middle, below, INK, (0, 1))


def around(axes: Axes, middle: float, edge: float, above: float, below: float, bulge: float, dotted: bool) -> None:
    """The arrow from the main path at `above`, past the boxes' right `edge`, to an addition at `below`."""
    vertices = [
        (middle, above), (edge, above), (edge + bulge, above), (edge + bulge, below), (edge, below),
        (middle + PLUS + 0.04, below),
    ]  # fmt: skip
    codes = [Curve.MOVETO, Curve.LINETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4, Curve.LINETO]
    curve(axes, Curve(vertices, codes), INK, dotted)


def addition(axes: Axes, middle: float, above: float, y: float) -> None:
    """The circle at `y` in which a shortcut ends, and the main path from `above` into it."""
    arrow_head(axes, middle + PLUS, y, INK, (-1, 0))
    stroke(axes, [(middle, above), (middle, y - PLUS)], INK)
    axes.add_patch(Circle((middle, y), PLUS, facecolor="white", edgecolor=INK, linewidth=0.7, zorder=4))
    for dx, dy in ((PLUS * 0.6, 0), (0, PLUS * 0.6)):
        stroke(axes, [(middle - dx, y - dy), (middle + dx, y + dy)], INK, zorder=5.0)


def kind_of_arrow(axes: Axes, left: float, y: float, text: str, dotted: bool) -> None:
    """A line of a legend."""
    stroke(axes, [(left, y), (left + 0.38, y)], INK, dotted=dotted)
    arrow_head(axes, left + 0.42, y, INK, (1, 0))
    axes.text(left + WORDS, y, text, fontsize=7.5, va="center")


def rounded_box(axes: Axes, x: float, y: float, width: float, height: float, radius: float, **look: Any) -> None:
    """A rectangle with round corners."""
    style = f"round,pad=0,rounding_size={radius}"
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, **look))
