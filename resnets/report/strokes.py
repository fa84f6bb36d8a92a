"""Lines, arrow heads and tints: what drawings are made of besides boxes. Lengths are in the units of the axes."""

import math

from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Polygon
from matplotlib.path import Path as Curve

Point = tuple[float, float]


def stroke(axes: Axes, points: list[Point], colour: str, dotted: bool = False, zorder: float = 2.0) -> None:
    """Straight lines through `points`."""
    curve(axes, Curve(points), colour, dotted, zorder)


def curve(axes: Axes, path: Curve, colour: str, dotted: bool, zorder: float = 2.0) -> None:
    """A path, thin and solid, or dotted with round dots."""
    style = (0, (0.1, 2.2)) if dotted else "solid"
    width = 1.3 if dotted else 0.8
    patch = PathPatch(path, fill=False, edgecolor=colour, linewidth=width, linestyle=style, zorder=zorder)
    patch.set_capstyle("round")
    axes.add_patch(patch)


def rounded(points: list[Point], radius: float) -> Curve:
    """Straight lines through `points`, along the axes, whose corners are round."""
    vertices, codes = [points[0]], [Curve.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        turn = min(radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        vertices += [_towards(corner, before, turn), corner, _towards(corner, after, turn)]
        codes += [Curve.LINETO, Curve.CURVE3, Curve.CURVE3]
    return Curve([*vertices, points[-1]], [*codes, Curve.LINETO])


def _towards(point: Point, other: Point, length: float) -> Point:
    share = length / (math.dist(point, other) or 1)
    return point[0] + share * (other[0] - point[0]), point[1] + share * (other[1] - point[1])


def arrow_head(axes: Axes, x: float, y: float, colour: str, towards: tuple[int, int]) -> None:
    """A triangle whose tip is at (x, y) and which points along `towards`."""
    along, across = 0.055, 0.024
    dx, dy = towards
    back = (x - along * dx, y - along * dy)
    corners = [
        (x, y),
        (back[0] - across * dy, back[1] + across * dx),
        (back[0] + across * dy, back[1] - across * dx),
    ]
    axes.add_patch(Polygon(corners, closed=True, facecolor=colour, edgecolor="none", zorder=3))


def tint(colour: str, share: float) -> str:
    """`colour` with white: `share` of it in [0, 1]."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(share * part + (1 - share) * 255):02x}" for part in parts)
