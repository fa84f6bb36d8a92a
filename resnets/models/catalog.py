"""Every network by name: a row is a builder and its arguments.

Counts are computed from the network, never typed.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Any

from torch import nn

from resnets.models.cifar import cifar_resnet
from resnets.models.layers import depth, layers, shapes_only
from resnets.models.resnet import basic_resnet, bottleneck_resnet

PAPER = "Deep Residual Learning for Image Recognition, arXiv:1512.03385"


@dataclass(frozen=True)
class Row:
    """One network: `builder(size, **arguments)`, for square inputs of `input_size` pixels."""

    builder: Callable[..., nn.Module]
    size: Any
    """What the builder takes first: blocks a stage, or a depth."""
    arguments: dict[str, Any] = field(default_factory=dict)
    input_size: int = 224
    num_classes: int = 1000
    source: str = f"{PAPER}, Table 1"


@dataclass(frozen=True)
class ModelSpec:
    """The facts of a network, counted from the network itself."""

    name: str
    layers: int
    params: int
    multiply_adds: int
    source: str
    input_size: int


def _imagenet_rows() -> dict[str, Row]:
    two, three = (2, 2, 2, 2), (3, 4, 6, 3)
    deep = {50: three, 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
    later = "fb.resnet.torch, torchvision: stride in the 3x3"
    return {
        "resnet18": Row(basic_resnet, two),
        "resnet34": Row(basic_resnet, three),
        "resnet18_a": Row(basic_resnet, two, {"shortcut": "A"}, source=f"{PAPER}, Table 2"),
        "resnet34_a": Row(basic_resnet, three, {"shortcut": "A"}, source=f"{PAPER}, Tables 2 and 3"),
        "resnet34_c": Row(basic_resnet, three, {"shortcut": "C"}, source=f"{PAPER}, Table 3"),
        "plain18": Row(basic_resnet, two, {"shortcut": None}, source=f"{PAPER}, Table 2"),
        "plain34": Row(basic_resnet, three, {"shortcut": None}, source=f"{PAPER}, Table 2"),
        **{f"resnet{d}": Row(bottleneck_resnet, blocks) for d, blocks in deep.items()},
        **{
            f"resnet{d}_v1_5": Row(bottleneck_resnet, blocks, {"stride_in": "3x3"}, source=later)
            for d, blocks in deep.items()
        },
    }


def _cifar_row(family: str, depth: int, source: str = f"{PAPER}, section 4.2") -> Row:
    return Row(cifar_resnet, depth, {"shortcut": FAMILIES[family]}, input_size=32, num_classes=10, source=source)


def _cifar_rows() -> dict[str, Row]:
    residual = {d: _cifar_row("cifar_resnet", d, f"{PAPER}, Table 6") for d in (20, 32, 44, 56, 110, 1202)}
    plain = {d: _cifar_row("cifar_plain", d, f"{PAPER}, Figure 6") for d in (20, 32, 44, 56, 110)}
    return {
        **{f"cifar_resnet{d}": entry for d, entry in residual.items()},
        **{f"cifar_plain{d}": entry for d, entry in plain.items()},
    }


FAMILIES: dict[str, str | None] = {"cifar_resnet": "A", "cifar_plain": None}
"""Names that any depth 6n+2 may follow, listed or not (`cifar_resnet8`), and their shortcut."""


ROWS: dict[str, Row] = {**_imagenet_rows(), **_cifar_rows()}


def list_models() -> list[str]:
    """The names of all networks; besides them, any depth 6n+2 can follow `cifar_resnet` and `cifar_plain`."""
    return list(ROWS)


def row(name: str) -> Row:
    """The row of `name`; ValueError, with the names that come near, where there is none."""
    if name not in ROWS:
        other = re.fullmatch(r"([a-z_]+?)([1-9]\d{0,3})", name)
        if other and other[1] in FAMILIES and int(other[2]) % 6 == 2 and int(other[2]) >= 8:
            return _cifar_row(other[1], int(other[2]))
        near = get_close_matches(name, ROWS, n=4, cutoff=0.4) or list(ROWS)[:4]
        raise ValueError(f"no network is called {name!r}; near it are {', '.join(near)} (`resnets models`)")
    return ROWS[name]


def build(name: str, num_classes: int | None = None, **changes: Any) -> nn.Module:
    """The network `name`, initialised; `changes` replace arguments of its row.

    Raises ValueError for an unknown name, a change that the network does not know, or a value it does not
    allow.
    """
    entry = row(name)
    classes = entry.num_classes if num_classes is None else num_classes
    if classes < 1:
        raise ValueError(f"num_classes is {classes}, allowed is 1 or more")
    return entry.builder(entry.size, num_classes=classes, **arguments(name, **changes))


def arguments(name: str, **changes: Any) -> dict[str, Any]:
    """All that `changes` can change in a network, and what it is then.

    Two rows of one builder and size with equal arguments are one network.
    Raises ValueError for a change that the network does not know, or a word where True or False belongs.
    """
    entry = row(name)
    parameters = inspect.signature(entry.builder).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "num_classes"}
    unknown = sorted(set(changes) - set(defaults))
    if unknown:
        raise ValueError(f"{name} has no {', '.join(unknown)}; it can change {', '.join(defaults)}")
    for key, value in changes.items():
        if isinstance(defaults[key], bool) and not isinstance(value, bool):
            raise ValueError(f"{key} is {value!r}, allowed are True and False")
    return {**defaults, **entry.arguments, **changes}


def skeleton(name: str, num_classes: int | None = None, **changes: Any) -> nn.Module:
    """What `build` makes, on the meta device: names and shapes without memory. Raises as `build` does."""
    with shapes_only():
        return build(name, num_classes, **changes)


@cache
def model_spec(name: str) -> ModelSpec:
    """What `name` is: layers, parameters and multiply-adds counted without memory, on the meta device."""
    entry = row(name)
    model = skeleton(name)
    rows = layers(model, entry.input_size)
    params = sum(p.numel() for p in model.parameters())
    work = sum(r.multiply_adds for r in rows)
    return ModelSpec(name, depth(rows), params, work, entry.source, entry.input_size)
