"""A network's stages, blocks and shortcuts, read off its modules and its layer table.

A block is a unit (`blocks.Unit`) that holds no other one; a stage is what has one top-level name ("layer1") and one
size of maps.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import cast

import torch.nn.functional as F
from torch import nn

from resnets.models.blocks import Unit, ZeroPad, add, no_shortcut, nothing, relu_
from resnets.models.layers import Layer, layers


@dataclass(frozen=True)
class Block:
    """Some layers in a row, and the shortcut around them."""

    name: str
    layers: tuple[Layer, ...]
    """Those of the main path, without a BN that stands alone."""
    shortcut: str | None
    """"identity", "zeros" (identity and zero channels), "projection"; None where there is none."""
    formula: str | None
    """What a unit computes, such as "ReLU(h(x) + F(x))"; None for a layer that is none."""
    projection: Layer | None
    gate: Layer | None
    """The convolution that says how the paths are joined, where one does."""
    changes_shape: bool
    """Whether the output has another size or number of channels than the input."""
    inner: bool = False
    """Whether each of its layers has a shortcut of its own as well (ResNet in ResNet)."""


@dataclass(frozen=True)
class Stage:
    """The blocks on maps of one size; a layer outside all blocks is a block of its own."""

    name: str
    """The paper's: "conv1", "conv2_x", ..., "fc"."""
    output_size: tuple[int, int]
    blocks: tuple[Block, ...]
    projection: Layer | None
    """That of a shortcut around the whole stage (residual networks of residual networks)."""


@dataclass(frozen=True)
class Outline:
    """A whole network."""

    stages: tuple[Stage, ...]
    layers: tuple[Layer, ...]
    """All of them, projections included, in the order they are computed."""
    projection: Layer | None
    """That of a shortcut around all stages."""
    global_pooling: bool
    """Whether the fully connected layer reads one average for each channel of the last map."""


def outline(model: nn.Module, input_size: int, table: list[Layer] | None = None) -> Outline:
    """The stages of `model`, for one image of `input_size` pixels a side; `table`: its layers, where they are known."""
    table = layers(model, input_size) if table is None else table
    units = {name: m for name, m in model.named_modules() if isinstance(m, Unit) and not m.holds_units}
    around: dict[str, Layer] = {}  # the shortcuts of stages, and of the network
    stages: dict[tuple[str, tuple[int, int]], list[Block]] = {}
    waiting: list[Block] = []  # the max pooling belongs to the stage that follows it, as in the paper's Table 1
    for name, together in groupby(table, lambda row: next((p for p in _prefixes(row.name) if p in units), row.name)):
        rows = list(together)
        path = tuple(row for row in rows if not row.on_shortcut and row.kind != "BN")
        if not path:
            around |= {row.name.partition(".")[0]: row for row in rows if row.kind != "BN"}
            continue
        block = _block(name, path, rows, units.get(name))
        if path[0].kind == "max pool":
            waiting.append(block)
            continue
        stages.setdefault((name.partition(".")[0], path[-1].output_size), []).extend([*waiting, block])
        waiting = []
    named = tuple(
        Stage(_title(number, blocks), size, tuple(blocks), around.get(top))
        for number, ((top, size), blocks) in enumerate(stages.items(), start=1)
    )
    return Outline(named, tuple(table), around.get("downsample"), _pools_globally(table))


def _prefixes(name: str) -> list[str]:
    """The names of the modules that hold the module `name`, the outermost first."""
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _title(number: int, blocks: list[Block]) -> str:
    """The paper's name of stage `number`, "conv2_x"; a layer alone has its own name."""
    if blocks[-1].layers[-1].kind == "fc":
        return "fc"
    alone = len(blocks) == 1 and "." not in blocks[0].name
    return blocks[0].name if alone else f"conv{number}_x"


def _block(name: str, path: tuple[Layer, ...], rows: list[Layer], unit: Unit | None) -> Block:
    projection = next((row for row in rows if "downsample" in row.name.split(".")), None)
    gate = next((row for row in rows if "join" in row.name.split(".")), None)
    shortcut = None if unit is None else unit.downsample
    if projection is not None:
        kind = "projection"
    elif shortcut is None:
        kind = None
    else:
        kind = "zeros" if any(isinstance(module, ZeroPad) for module in shortcut.modules()) else "identity"
    strides = max(row.stride for row in path)
    changes = strides > 1 or path[0].in_channels != path[-1].out_channels
    inside = () if unit is None else unit.modules()
    inner = any(isinstance(part, Unit) and part is not unit and part.downsample is not None for part in inside)
    return Block(name, path, kind, unit and _formula(unit), projection, gate, changes, inner)


def _formula(unit: Unit) -> str:
    """What `unit` computes of x, h its shortcut and F its branch."""
    join = {add: "h(x) + F(x)", no_shortcut: "F(x)"}.get(unit.join) or cast(nn.Module, unit.join).extra_repr()
    equation, _, letters = join.partition("; ")
    # What has no name of its own is the one order of activation that has BN there too.
    after = {nothing: "{}", relu_: "ReLU({})", F.relu: "ReLU({})"}.get(unit.after, "ReLU(BN({}))")
    return ", ".join(filter(None, (after.format(equation), letters, unit.letters)))


def _pools_globally(table: list[Layer]) -> bool:
    """No module does it, but it shows: the fully connected layer reads one number a channel."""
    first = next((i for i, row in enumerate(table) if row.kind == "fc"), 0)
    if first == 0:
        return False
    before = [row for row in table[:first] if not row.on_shortcut and row.kind != "BN"][-1]
    return table[first].in_channels == before.out_channels and before.output_size != (1, 1)
