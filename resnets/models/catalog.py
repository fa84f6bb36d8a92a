"""Networks by name: which there are, what they are, and how one is built.

Counts are computed from the networks, never typed: those of the table once, by command, into counts.json.
"""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import NoneType
from typing import Any, get_args, get_origin

from torch import nn

from resnets.models.blocks import batch_norm
from resnets.models.layers import Layer, layers, shapes_only
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
    finishing = [(finish, {key: given.pop(key) for key in _keywords(finish)}) for finish in FINISHING]
    model = entry.builder(entry.size, num_classes=classes, **given)
    for finish, how in finishing:
        finish(model, **how)
    return model


FINISHING: tuple[Callable[..., None], ...] = (stochastic_depth, batch_norm)
"""What is done to any network once its builder has made it; their arguments are changes too."""


def arguments(name: str, **changes: Any) -> dict[str, Any]:
    """All that `changes` can change in a network, and what it is then: arguments of its builder and of `FINISHING`.

    Two rows of one builder and size with equal arguments are one network.
    Raises ValueError for a change that the network does not know, or a value of another kind.
    """
    entry = row(name)
    known = {key: kind for function in (entry.builder, *FINISHING) for key, kind in _keywords(function).items()}
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise ValueError(f"{name} has no {', '.join(unknown)}; it can change {', '.join(known)}")
    usual = {**{key: parameter.default for key, parameter in known.items()}, **entry.arguments}
    return {**usual, **{key: _of_kind(key, value, known[key].annotation) for key, value in changes.items()}}


def drops_by_the_batch(name: str, changes: dict[str, Any]) -> bool:
    """Whether stochastic depth chooses, on the host, the units of each mini-batch; in inference branches are scaled."""
    chosen = arguments(name, **changes)
    return bool(chosen.get("drop_path")) and chosen["drop_per"] == "batch"


def _keywords(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a builder."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "num_classes"}


NUMBERS = {bool: "are True and False", int: "is a whole number", float: "is a number"}


def _of_kind(key: str, value: Any, kind: Any) -> Any:
    """`value` as the annotation `kind` wants it, ValueError where it is something else; a builder checks words."""
    kinds = get_args(kind) or (kind,)
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple) or any(type(number) is not int for number in value):
            raise ValueError(f"{key} is {value!r}, allowed are several whole numbers")
        return tuple(value)  # JSON, in which weights keep their changes, has lists only
    number = next((number for number in NUMBERS if number in kinds), None)
    if number is None or (value is None and NoneType in kinds):
        return value
    if not isinstance(value, int | float if number is float else number) or isinstance(value, bool) != (number is bool):
        raise ValueError(f"{key} is {value!r}, allowed {NUMBERS[number]}{' or None' if NoneType in kinds else ''}")
    return float(value) if number is float and value is not None else value


def skeleton(name: str, num_classes: int | None = None, **changes: Any) -> nn.Module:
    """What `build` makes, on the meta device: names and shapes without memory. Raises as `build` does."""
    with shapes_only():
        return build(name, num_classes, **changes)


@cache
def blueprint(name: str) -> tuple[nn.Module, list[Layer]]:
    """The network `name` without values, and its layers: measured once, and not to be changed."""
    model = skeleton(name)
    return model, layers(model, row(name).input_size)


@cache
def model_spec(name: str) -> ModelSpec:
    """What `name` is, by what `counted` says of it."""
    entry = row(name)
    layers, params, multiply_adds = _recorded().get(name) or counted(name)
    return ModelSpec(name, layers, params, multiply_adds, entry.source, entry.input_size)


def counted(name: str) -> tuple[int, int, int]:
    """Layers, parameters and multiply-adds of `name`, counted without memory, on the meta device."""
    model, rows = blueprint(name)
    return row(name).counted(rows), sum(p.numel() for p in model.parameters()), sum(r.multiply_adds for r in rows)


@cache
def _recorded() -> dict[str, list[int]]:
    """What `counted` says of the networks of the table: to count them all anew takes half a minute."""
    return json.loads((files("resnets.models") / COUNTS).read_text(encoding="utf-8"))


COUNTS = "counts.json"


def counts_json() -> str:
    """What belongs into counts.json."""
    lines = (f"{json.dumps(name)}: {json.dumps(counted(name))}" for name in list_models())
    return "{\n" + ",\n".join(lines) + "\n}\n"
