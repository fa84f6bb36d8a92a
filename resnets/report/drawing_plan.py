"""What the drawing of a whole network shows: its layers as cells, wrapped into columns, and the shortcuts among them.

Lengths are inches.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle, pairwise

from resnets.models.layers import Layer
from resnets.models.outline import Block, Outline
from resnets.report.layer_boxes import BOX_HEIGHT
from resnets.report.style import COLOURS, MUTED

BOX_WIDTH, GAP = 1.42, 0.1
"""A layer's box, at least, and the space between two of them in a block."""
LABELS, ARCS, GUTTER = 0.88, 0.5, 0.34
"""Left of the boxes the stage's name; right of them the units' shortcuts; the space between two columns."""
LANES = (0.17, 0.3)
"""What the shortcuts around more add to that: those around stages inside of the panels, the one around all outside."""
PANEL_GAP, JOINT, BRANCH, CIRCLE = 0.07, 0.13, 0.06, 0.17
"""Between two stages; above and below a unit with a shortcut; for each shortcut around more that begins, and ends."""
LONGEST_COLUMN, ASPECT = 15.0, 1.45
"""A network no longer than this stays in one column; others are wrapped to about this width / height."""
STAGE_COLOURS = tuple(COLOURS[i] for i in (0, 2, 4, 3, 5, 1, 7))


@dataclass(frozen=True)
class Wire:
    """A shortcut around a whole stage (`lane` 0) or, outside of those, around all of them."""

    lane: int
    projection: Layer

    @property
    def dotted(self) -> bool:
        return self.projection.stride > 1 or self.projection.in_channels != self.projection.out_channels


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
    opens: tuple[Wire, ...] = ()
    """The shortcuts around more that begin above it, the longest first."""
    closes: tuple[Wire, ...] = ()
    """Those that end below it, the shortest first."""

    @property
    def inner(self) -> float:
        """The joints of each single box."""
        return JOINT if self.block and self.block.inner else 0.0

    @property
    def height(self) -> float:
        boxes = len(self.texts) * (BOX_HEIGHT + 2 * self.inner + GAP) - GAP
        return 2 * self.joint + boxes + BRANCH * len(self.opens) + CIRCLE * len(self.closes)


def cells(whole: Outline) -> list[Cell]:
    """The blocks of a network in order."""
    found: list[Cell] = []
    colours = cycle(STAGE_COLOURS)
    for number, stage in enumerate(whole.stages):
        single = stage.name == "fc" or (len(stage.blocks) == 1 and len(stage.blocks[0].layers) == 1)
        colour = MUTED if single else next(colours)
        if stage.name == "fc" and whole.global_pooling:
            found.append(Cell(number, colour, None, ("avg pool",), 0.09))
        inside = []
        for block in stage.blocks:
            joint = JOINT if block.shortcut else GAP / 2 if len(block.layers) > 1 else 0.09
            inside.append(Cell(number, colour, block, tuple(map(words, block.layers)), joint))
        if stage.projection:
            wire = Wire(0, stage.projection)
            inside[0] = replace(inside[0], opens=(wire,))
            inside[-1] = replace(inside[-1], closes=(wire,))
        found += inside
    return _around_all(found, whole) if whole.projection else found


def _around_all(found: list[Cell], whole: Outline) -> list[Cell]:
    """With the shortcut from the first unit's input to the last unit's output."""
    assert whole.projection is not None
    units = [i for i, cell in enumerate(found) if cell.block and cell.block.shortcut]
    root = Wire(1, whole.projection)
    first, last = found[units[0]], found[units[-1]]
    found[units[0]] = replace(first, opens=(root, *first.opens))
    found[units[-1]] = replace(found[units[-1]], closes=(*last.closes, root))
    return found


def words(layer: Layer) -> str:
    """What its box says."""
    if layer.kind == "fc":
        return f"fc {layer.out_channels}"
    stride = f", /{layer.stride}" if layer.stride > 1 else ""
    if layer.kind == "max pool":
        return f"max pool{stride}"
    groups = f", C={layer.groups}" if layer.groups > 1 else ""
    return f"{layer.kernel}×{layer.kernel} conv, {layer.out_channels}{groups}{stride}"


def mark(block: Block) -> str:
    """What a shortcut does besides handing on its input."""
    found = words(block.projection).replace(" conv", "") if block.projection else ""
    if block.shortcut == "zeros":
        found = "zero pad" if block.changes_shape else "one stream"
    return ", ".join(filter(None, (found, "gate" if block.gate else "")))


def legend(whole: Outline) -> Iterator[tuple[bool, str]]:
    """The kinds of arrows that a network has: whether they are dotted, and what they are."""
    blocks = [block for stage in whole.stages for block in stage.blocks]
    kinds = {(block.shortcut, block.changes_shape) for block in blocks}
    around = [*(stage.projection for stage in whole.stages), whole.projection]
    kinds |= {("projection", Wire(0, projection).dotted) for projection in around if projection}
    for kind, changes, text in (
        ("identity", False, "identity shortcut"),
        ("zeros", False, "shortcut of one stream of two"),
        ("zeros", True, "dimensions change: zero padding"),
        ("projection", True, "dimensions change: projection"),
        ("projection", False, "projection"),
    ):
        if (kind, changes) in kinds:
            yield changes, text


def formulas(whole: Outline) -> list[str]:
    """What the units compute; where they do not all compute the same, the first and the last."""
    found = [block.formula for stage in whole.stages for block in stage.blocks if block.formula and block.shortcut]
    ends = list(dict.fromkeys([*found[:1], *found[-1:]]))
    names = ("a unit", "") if len(ends) == 1 else ("the first unit", "the last unit")
    return [f"{name}: y = {formula}" for name, formula in zip(names, ends, strict=False)]


def columns(found: list[Cell], pitch: float) -> list[list[Cell]]:
    """The cells in columns of about equal height, `pitch` apart; no block is cut."""
    total = length(found)
    count = 1 if total <= LONGEST_COLUMN else max(2, round(math.sqrt(ASPECT * total / pitch)))
    wrapped: list[list[Cell]] = [[]]
    for i, cell in enumerate(found):
        done = length(found[:i]) + cell.height / 2
        if done > len(wrapped) * total / count:
            wrapped.append([])
        wrapped[-1].append(cell)
    return wrapped


def length(column: list[Cell]) -> float:
    """How high a column is."""
    changes = sum(a.stage != b.stage for a, b in pairwise(column))
    return sum(cell.height for cell in column) + changes * PANEL_GAP
