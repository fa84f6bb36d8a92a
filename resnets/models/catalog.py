"""Every network by name: a row is a builder and its arguments. Counts are computed from the network, never typed."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Any

import torch
from torch import nn

from resnets.models.cifar import cifar_resnet
from resnets.models.layers import depth, layers
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


def _cifar_rows() -> dict[str, Row]:
    def row(layers: int, shortcut: str | None, source: str) -> Row:
        return Row(
            cifar_resnet, layers, {"shortcut": shortcut}, input_size=32, num_classes=10, source=source
        )

    table6, figure6 = f"{PAPER}, Table 6", f"{PAPER}, Figure 6"
    return {
        **{f"cifar_resnet{d}": row(d, "A", table6) for d in (20, 32, 44, 56, 110, 1202)},
        **{f"cifar_plain{d}": row(d, None, figure6) for d in (20, 32, 44, 56, 110)},
    }


ROWS: dict[str, Row] = {**_imagenet_rows(), **_cifar_rows()}


def list_models() -> list[str]:
    """The names of all networks."""
    return list(ROWS)


def row(name: str) -> Row:
    """The row of `name`; ValueError, with the names that come near, where there is none."""
    if name not in ROWS:
        near = get_close_matches(name, ROWS, n=4, cutoff=0.4) or list(ROWS)[:4]
        raise ValueError(f"no network is called {name!r}; near it are {', '.join(near)} (`resnets models`)")
    return ROWS[name]


def build(name: str, num_classes: int | None = None, **changes: Any) -> nn.Module:
    """The network `name`, initialised; `changes` replace arguments of its row.

    Raises ValueError for an unknown name, a change that the network does not know, or a value it does not allow.
    """
    entry = row(name)
    allowed = changes_of(name)
    unknown = sorted(set(changes) - set(allowed))
    if unknown:
        raise ValueError(f"{name} has no {', '.join(unknown)}; it can change {', '.join(allowed)}")
    classes = entry.num_classes if num_classes is None else num_classes
    if classes < 1:
        raise ValueError(f"num_classes is {classes}, allowed is 1 or more")
    return entry.builder(entry.size, num_classes=classes, **{**entry.arguments, **changes})


def changes_of(name: str) -> list[str]:
    """The names of the arguments of a network that `build` can change."""
    parameters = inspect.signature(row(name).builder).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "num_classes"]


@cache
def model_spec(name: str) -> ModelSpec:
    """What `name` is: layers, parameters and multiply-adds counted without memory, on the meta device."""
    entry = row(name)
    with torch.device("meta"):
        model = build(name)
    rows = layers(model, entry.input_size)
    params = sum(p.numel() for p in model.parameters())
    work = sum(r.multiply_adds for r in rows)
    return ModelSpec(name, depth(rows), params, work, entry.source, entry.input_size)
