"""Where the operations of a unit stand: the main path straight down, each other path in a lane beside it.

Lengths are inches; x is 0 on the main path and grows to the right, y is 0 at the input and grows downwards.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from resnets.report.strokes import Point
from resnets.report.unit_graph import Node

LINE, PAD, RIM, NARROWEST = 0.135, 0.035, 0.16, 0.6
"""Of a box: a line of text, the room above and below the text, that beside it (both sides), and the least width."""
RADIUS = 0.068
"""Of the circles in which paths meet."""
GAP, ABOVE, SPLIT, LANE, CORNER = 0.13, 0.09, 0.07, 0.17, 0.1
"""Between boxes; above a circle; from a box to where its output parts; between lanes; the radius of a line's corner."""
CIRCLES = {"add", "multiply"}
FREE = {"input", "output", "scale", "more"}
"""Kinds as wide as their text; the others are as wide as the widest on their way."""
CONTROLS = {"sigmoid", "scale"}
"""Of the factors of a product those that control it; the other one is what goes on."""


@dataclass
class Place:
    """The middle line of a box or circle, its upper edge, and its size."""

    x: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.top + self.height / 2

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass
class Way:
    """Some nodes in a row, from a node of another way to one of another way."""

    source: int
    nodes: list[int]
    target: int
    kind: str
    """"axis": the main path; "bundle": one of several ways side by side around it; "lane": to its right."""
    dotted: bool = False
    """Whether it is a shortcut that changes what it hands on."""
    x: float = 0.0
    parts: float = 0.0
    """How far beside its source it leaves the lines of nearer ways."""

    def edges(self) -> Iterator[tuple[int, int]]:
        return pairwise([self.source, *self.nodes, self.target])


@dataclass(frozen=True)
class Route:
    """A line through `points`."""

    points: tuple[Point, ...]
    dotted: bool
    arrow: bool


@dataclass(frozen=True)
class Layout:
    """A unit, laid out: a place for each node, and the lines."""

    places: list[Place]
    routes: list[Route]


def lay_out(nodes: Sequence[Node], width_of: Callable[[str], float]) -> Layout:
    """The layout of `nodes`; `width_of` gives the length of a line of text."""
    ways = _ways(nodes)
    places = [_size(node, width_of) for node in nodes]
    _set_widths(nodes, ways, places)
    _set_heights(nodes, ways, places)
    _set_lanes(ways, places)
    return Layout(places, [route for way in ways for route in _routes(nodes, way, places)])


# ------------------------------------------------------------------------------------------------------------
# Ways


def _ways(nodes: Sequence[Node]) -> list[Way]:
    """The main path, in pieces where it is part of a bundle, and all others; each after those that it ends on."""
    weights: list[float] = []
    for node in nodes:
        own = 0.01 if node.kind != "conv" else 0.0 if node.aside else 1.0
        weights.append(own + max((weights[i] for i in node.inputs), default=0.0))

    def before(number: int) -> int:
        """Which input a node's own way comes from: of a product what is controlled, else that with the most layers."""
        product = nodes[number].kind == "multiply"
        return max(nodes[number].inputs, key=lambda i: (not (product and nodes[i].kind in CONTROLS), weights[i]))

    def back(number: int) -> list[int]:
        """From a node that is on a way to `number`, both included."""
        found = [number]
        while found[0] not in taken:
            found.insert(0, before(found[0]))
        return found

    taken = {0}
    main = back(len(nodes) - 1)
    taken.update(main)
    ways: list[Way] = []
    waiting = [(main[i], main[i - 1]) for i in range(len(main) - 1, 0, -1)]
    for number, own in waiting:  # grows as it goes
        for end in nodes[number].inputs:
            if end != own:
                source, *inside = back(end)
                taken.update(inside)
                kind = "bundle" if len(nodes[number].inputs) > 2 else "lane"
                dotted = kind == "lane" and _changes(nodes, source, inside, number)
                ways.append(Way(source, inside, number, kind, dotted))
                waiting += [(b, a) for a, b in pairwise([source, *inside])]
    return [*_pieces(main, {way.target: way.source for way in ways if way.kind == "bundle"}), *ways]


def _pieces(main: list[int], bundles: dict[int, int]) -> Iterator[Way]:
    """The main path; its pieces between where a bundle begins and ends belong to the bundle."""
    begin = 0
    for target, source in sorted(bundles.items()):
        first, last = main.index(source), main.index(target)
        if first > begin:
            yield Way(main[begin], main[begin + 1 : first], source, "axis")
        yield Way(source, main[first + 1 : last], target, "bundle")
        begin = last
    yield Way(main[begin], main[begin + 1 : -1], main[-1], "axis")


def _changes(nodes: Sequence[Node], source: int, inside: Sequence[int], target: int) -> bool:
    """Whether a shortcut, not a gate, hands on something else than its input."""
    begin, end = nodes[source], nodes[target]
    resized = (begin.channels, begin.side) != (end.channels, end.side)
    gate = {begin.kind, *(nodes[i].kind for i in inside)} & CONTROLS
    return not gate and (resized or any(nodes[i].kind == "conv" for i in inside))


# ------------------------------------------------------------------------------------------------------------
# Widths and heights


def _size(node: Node, width_of: Callable[[str], float]) -> Place:
    if node.kind in CIRCLES:
        return Place(0, 0, 2 * RADIUS, 2 * RADIUS)
    lines = node.text.split("\n")
    width = max(map(width_of, lines)) + RIM
    return Place(0, 0, width if node.kind in FREE else max(width, NARROWEST), len(lines) * LINE + 2 * PAD)


def _set_widths(nodes: Sequence[Node], ways: Sequence[Way], places: Sequence[Place]) -> None:
    """Equal boxes along the main path, along each lane and in each bundle; bundles spread around the main path."""
    on_axis = [i for way in ways if way.kind == "axis" for i in (way.source, *way.nodes, way.target)]
    bundles = {way.target: [w for w in ways if w.kind == "bundle" and w.target == way.target] for way in ways}
    rows = [on_axis, *(way.nodes for way in ways if way.kind == "lane")]
    rows += [[i for way in bundle for i in way.nodes] for bundle in bundles.values()]
    for row in rows:
        boxes = [places[i] for i in row if nodes[i].kind not in FREE | CIRCLES | {"concat"}]
        for place in boxes:
            place.width = max(other.width for other in boxes)
    for target, bundle in bundles.items():
        widths = [max(places[i].width for i in way.nodes) for way in bundle]
        total = sum(widths) + LANE * (len(widths) - 1)
        x = -total / 2
        if nodes[target].kind == "concat":
            places[target].width = max(places[target].width, total)
        for way, width in zip(sorted(bundle, key=lambda way: way.nodes), widths, strict=True):
            way.x = x + width / 2
            for i in way.nodes:
                places[i].x = way.x
            x += width + LANE


def _set_heights(nodes: Sequence[Node], ways: Sequence[Way], places: Sequence[Place]) -> None:
    """As far up as inputs allow; then the lanes go down towards where they end, half of the room or all of it."""
    parting = {way.source for way in ways if way.kind == "lane"}
    rules: list[tuple[int, int, float]] = []  # (i, j, d): the top of j is at least d below that of i
    for way in ways:
        for i, j in way.edges():
            split = SPLIT if i in parting or (way.kind == "bundle" and i == way.source) else 0.0
            room = ABOVE if nodes[j].kind in CIRCLES else GAP
            if not way.nodes and way.kind == "lane":
                room += GAP
            rules.append((i, j, places[i].height + split + room))
        if way.kind == "lane":  # what goes on in this lane begins below where it ends
            follows = [other.nodes[0] for other in ways if other.nodes and other.source in way.nodes[-1:]]
            rules += [(way.target, i, places[way.target].height / 2 + SPLIT) for i in follows]
    _settle(rules, places)
    for way in ways:
        if way.nodes and way.kind != "axis":
            last = way.nodes[-1]
            (room,) = [places[j].top - places[i].top - d for i, j, d in rules if (i, j) == (last, way.target)]
            places[way.nodes[0]].top += room * (1.0 if nodes[way.target].kind == "multiply" else 0.5)
            _settle(rules, places)


def _settle(rules: Sequence[tuple[int, int, float]], places: Sequence[Place]) -> None:
    """Moves down what stands too high."""
    moved = True
    while moved:
        moved = False
        for i, j, distance in rules:
            if places[j].top < places[i].top + distance - 1e-9:
                places[j].top, moved = places[i].top + distance, True


# ------------------------------------------------------------------------------------------------------------
# Lanes and lines


def _set_lanes(ways: Sequence[Way], places: Sequence[Place]) -> None:
    """Each lane as near to the main path as others let it, the short ones first."""
    lanes = [way for way in ways if way.kind == "lane"]
    inside = {i: way for way in lanes for i in way.nodes}
    taken = [_frame(place) for i, place in enumerate(places) if i not in inside]

    def span(way: Way) -> tuple[float, float]:
        return places[way.source].bottom, places[way.target].middle

    for way in sorted(lanes, key=lambda way: (way.source in inside, span(way)[1] - span(way)[0])):
        if way.source in inside:  # it goes on in that lane
            way.x = inside[way.source].x
        else:
            upper, lower = span(way)
            beside = [right for right, top, bottom in taken if top < lower + RADIUS and bottom > upper]
            nearer = max((other.x for other in ways if other.source == way.source), default=0.0)
            way.parts = max(nearer - CORNER, 0.0)
            way.x = max(beside) + LANE + max((places[i].width for i in way.nodes), default=0.0) / 2
            taken.append((way.x, upper, lower))
        for i in way.nodes:
            places[i].x = way.x
            taken.append(_frame(places[i]))


def _frame(place: Place) -> tuple[float, float, float]:
    return place.x + place.width / 2, place.top, place.bottom


def _routes(nodes: Sequence[Node], way: Way, places: Sequence[Place]) -> Iterator[Route]:
    if any(nodes[i].kind == "more" for i in way.nodes):
        return
    for i, j in way.edges():
        a, b = places[i], places[j]
        level = a.bottom + SPLIT
        off = ((a.x, a.bottom), (a.x, level)) if way.kind == "bundle" else ((a.x + way.parts, level),)
        side = b.x + (b.width if way.x > b.x else -b.width) / 2
        if way.kind == "lane" and not way.nodes:
            points = (*off, (way.x, level), (way.x, b.middle), (side, b.middle))
        elif a.x == b.x or (j == way.target and nodes[j].kind == "concat"):
            points = ((a.x, a.bottom), (a.x, b.top))
        elif j == way.target:
            points = ((a.x, a.bottom), (a.x, b.middle), (side, b.middle))
        else:
            points = (*off, (b.x, level), (b.x, b.top))
        yield Route(points, way.dotted, arrow=len(points) > 2 or nodes[j].kind not in CIRCLES)
