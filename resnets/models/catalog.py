"""Networks by name: which there are, what they are, and how one is built.

Counts are computed from the network, never typed.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from torch import nn

from resnets.models.layers import layers, shapes_only
from resnets.models.rows import ROWS, Row, row_of_family
from resnets.models.stochastic_depth import stochastic_depth


@dataclass(frozen=True)
class ModelSpec:
    """The facts of a network, counted from the network itself."""

    name: str
    layers: int
    """As its paper counts."""
    params: int
    multiply_adds: int
    source: str
    input_size: int


def list_models() -> list[str]:
    """The names of all networks in the table; sizes that are not there may still be built (`rows.FAMILIES`)."""
    return list(ROWS)


def row(name: str) -> Row:
    """The row of `name`; ValueError, with the names that come near, where there is none."""
    found = ROWS.get(name) or row_of_family(name)
    if found is None:
        near = get_close_matches(name, ROWS, n=4, cutoff=0.4) or list(ROWS)[:4]
        raise ValueError(f"no network is called {name!r}; near it are {', '.join(near)} (`resnets models`)")
    return found


def build(name: str, num_classes: int | None = None, **changes: Any) -> nn.Module:
    """The network `name`, initialised; `changes` replace arguments of its row.

    Raises ValueError for an unknown name, a change that the network does not know, or a value it does not
    allow.
    """
    entry = row(name)
    classes = entry.num_classes if num_classes is None else num_classes
    if classes < 1:
        raise ValueError(f"num_classes is {classes}, allowed is 1 or more")
    given = arguments(name, **changes)
    drops = {key: given.pop(key) for key in _keywords(stochastic_depth)}
    model = entry.builder(entry.size, num_classes=classes, **given)
    stochastic_depth(model, **drops)
    return model


def arguments(name: str, **changes: Any) -> dict[str, Any]:
    """All that `changes` can change in a network, and what it is then: its builder's arguments, and `drop_path`'s.

    Two rows of one builder and size with equal arguments are one network.
    Raises ValueError for a change that the network does not know, or a value of another kind.
    """
    entry = row(name)
    defaults = {**_keywords(entry.builder), **_keywords(stochastic_depth), **entry.arguments}
    unknown = sorted(set(changes) - set(defaults))
    if unknown:
        raise ValueError(f"{name} has no {', '.join(unknown)}; it can change {', '.join(defaults)}")
    for key, value in changes.items():
        _check_kind(key, value, defaults[key])
    return {**defaults, **changes}


def _keywords(function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword arguments of a builder and what they are where nobody says."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "num_classes"}


def _check_kind(key: str, value: Any, usual: Any) -> None:
    """ValueError where a word or a number stands where another kind of value belongs."""
    if isinstance(usual, bool):
        if not isinstance(value, bool):
            raise ValueError(f"{key} is {value!r}, allowed are True and False")
    elif isinstance(usual, int | float) and (not isinstance(value, int | float) or isinstance(value, bool)):
        raise ValueError(f"{key} is {value!r}, allowed is a number")


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
    return ModelSpec(name, entry.counted(rows), params, work, entry.source, entry.input_size)
