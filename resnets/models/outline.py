"""A network's stages, blocks and shortcuts, read off its modules and its layer table.

A block is a module with a `downsample` (its shortcut; None where it has none), a stage is the module that
holds it.
"""

from dataclasses import dataclass

from torch import nn

from resnets.models.blocks import ZeroPad
from resnets.models.layers import Layer, layers


@dataclass(frozen=True)
class Block:
    """Some layers in a row, and the shortcut around them."""

    name: str
    layers: tuple[Layer, ...]
    """Those of the main path."""
    shortcut: str | None
    """"identity", "zeros" (identity and zero channels), "projection"; None where there is none."""
    projection: Layer | None
    changes_shape: bool
    """Whether the output has another size or number of channels than the input."""


@dataclass(frozen=True)
class Stage:
    """The blocks on maps of one size; a layer outside all blocks is a block of its own."""

    name: str
    """The paper's: "conv1", "conv2_x", ..., "fc"."""
    output_size: tuple[int, int]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Outline:
    """A whole network."""

    stages: tuple[Stage, ...]
    layers: tuple[Layer, ...]
    """All of them, projections included, in the order they are computed."""
    global_pooling: bool
    """Whether the fully connected layer reads one average for each channel of the last map."""


def outline(model: nn.Module, input_size: int) -> Outline:
    """The stages of `model`, for one image of `input_size` pixels a side."""
    table = layers(model, input_size)
    shortcuts = {name: module for name, module in model.named_modules() if hasattr(module, "downsample")}
    groups: dict[str, list[Layer]] = {}
    for row in table:
        block = next((prefix for prefix in _prefixes(row.name) if prefix in shortcuts), row.name)
        groups.setdefault(block, []).append(row)
    by_stage: dict[str, list[Block]] = {}
    waiting: list[Block] = []  # the max pooling belongs to the stage that follows it, as in the paper's Table 1
    for name, rows in groups.items():
        module = shortcuts.get(name)
        block = _block(name, rows, getattr(module, "downsample", None) if module is not None else None)
        if rows[0].kind == "max pool":
            waiting.append(block)
            continue
        stage = name.rpartition(".")[0] if module is not None else name
        by_stage.setdefault(stage, []).extend([*waiting, block])
        waiting = []
    stages = []
    for number, (name, blocks) in enumerate(by_stage.items(), start=1):
        last = blocks[-1].layers[-1]
        title = "fc" if last.kind == "fc" else f"conv{number}_x" if name in _parents(shortcuts) else name
        stages.append(Stage(title, last.output_size, tuple(blocks)))
    return Outline(tuple(stages), tuple(table), _pools_globally(table))


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(len(parts) - 1, 0, -1)]


def _parents(names: dict[str, nn.Module]) -> set[str]:
    return {name.rpartition(".")[0] for name in names}


def _block(name: str, rows: list[Layer], shortcut: nn.Module | None) -> Block:
    path = tuple(row for row in rows if not row.on_shortcut)
    projection = next((row for row in rows if row.on_shortcut), None)
    if projection is not None:
        kind = "projection"
    elif isinstance(shortcut, ZeroPad):
        kind = "zeros"
    else:
        kind = None if shortcut is None else "identity"
    strides = max(row.stride for row in path)
    changes = strides > 1 or path[0].in_channels != path[-1].out_channels
    return Block(name, path, kind, projection, changes)


def _pools_globally(table: list[Layer]) -> bool:
    """No module does it, but it shows: the fully connected layer reads one number a channel."""
    first = next((i for i, row in enumerate(table) if row.kind == "fc"), 0)
    if first == 0:
        return False
    before = [row for row in table[:first] if not row.on_shortcut][-1]
    return table[first].in_channels == before.out_channels and before.output_size != (1, 1)
