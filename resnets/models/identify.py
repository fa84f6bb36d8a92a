"""Which network of the catalogue a table of tensors is of, and whether it is what its file says of its layers."""

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

from torch import nn

from resnets.models.catalog import arguments, list_models, row
from resnets.models.formats.content import Content, few
from resnets.models.layers import shapes_only
from resnets.models.layouts import LAYOUTS, Layout
from resnets.models.names import State

# ------------------------------------------------------------------------------------------------------------
# What the file says of its layers

ATTRIBUTES = {
    "kernel": "kernel_size",
    "stride": "stride",
    "padding": "padding",
    "groups": "groups",
    "dilation": "dilation",
    "eps": "eps",
    "ceil": "ceil_mode",
}
"""A fact of a layer, and where PyTorch's modules keep it."""


def _facts(layout: Layout, content: Content) -> dict[str, dict[str, Any]]:
    """By our names of layers; several of theirs may be one of ours."""
    facts: dict[str, dict[str, Any]] = {}
    for theirs, ours in (layout.places(content) if layout.places else {}).items():
        facts[ours] = {**facts.get(ours, {}), **content.layers.get(theirs, {})}
    return facts


def geometry(layout: Layout, content: Content) -> dict[str, Any]:
    """The arguments of a network that follow from what the file says of its layers."""
    facts = _facts(layout, content)
    shown: dict[str, Any] = {}
    epsilons = {_rounded(fact["eps"]) for fact in facts.values() if "eps" in fact}
    if len(epsilons) == 1:
        shown["eps"] = epsilons.pop()
    if "layer2.0.conv3" in facts:
        strided = [facts.get(f"layer2.0.{layer}", {}).get("stride") == 2 for layer in ("conv1", "conv2")]
        if any(strided):
            shown["stride_in"] = "1x1" if strided[0] else "3x3"
    if "ceil" in facts.get("maxpool", {}):
        shown["ceil_mode"] = bool(facts["maxpool"]["ceil"]) and facts["maxpool"].get("padding") == 0
    return shown


def contradictions(layout: Layout, content: Content, model: str, frame: nn.Module) -> list[str]:
    """Where `frame`, the network `model` without values, is not what the file says of its layers."""
    facts, modules = _facts(layout, content), dict(frame.named_modules())
    wrong = []
    for place, fact in facts.items():
        for key, attribute in ATTRIBUTES.items():
            if key in fact and hasattr(modules.get(place), attribute):
                ours = getattr(modules[place], attribute)
                ours = ours[0] if isinstance(ours, tuple) else ours
                if not math.isclose(fact[key], ours, rel_tol=1e-5):
                    wrong.append(f"{place} has {key} {fact[key]:g} in the file, {ours:g} in {model}")
    if facts.get("maxpool", {}).get("method"):
        wrong.append("the stem's pooling is none of maxima")
    return wrong


def _rounded(number: float) -> float:
    """0.00001 where the nearest float32 is meant."""
    return float(f"{number:.6g}")


# ------------------------------------------------------------------------------------------------------------
# Networks


def network(
    state: State, layout: Layout, source: Layout, needs: dict[str, Any], model: str | None
) -> tuple[str, dict[str, Any]]:
    """The catalogue's name of the network, `model` where it is given, and its changes.

    `layout` is that of the names, `source` that of the conventions.
    Raises ValueError where none fits, or several do.
    """
    if model is not None:
        usual = arguments(model)
        said = {key: value for key, value in needs.items() if source.needs.get(key) != value or key not in VARIANT}
        return model, {key: value for key, value in said.items() if key in usual and usual[key] != value}
    if (vgg := _vgg(state)) is not None:
        return vgg, {}
    fitting = [
        (whole, name, changes)
        for name, whole in _candidates(state, source)
        if re.fullmatch(layout.networks, name)
        and _begins_alike(name, state)
        and (changes := _changes(name, needs)) is not None
    ]
    if not fitting:
        raise ValueError(unknown(state))
    wholes = max(whole for whole, _, _ in fitting)
    fitting = [(name, changes) for whole, name, changes in fitting if whole == wholes]
    best = min(len(changes) for _, changes in fitting)
    chosen = [(name, changes) for name, changes in fitting if len(changes) == best]
    by_size = {str(row(name).size): name for name, _ in reversed(chosen)}
    if len(by_size) > 1:
        raise ValueError(f"fits {few(sorted(by_size.values()))}: say which with --model")
    return chosen[0]


VARIANT = ("stride_in", "order", "shortcut")
"""Arguments that a network's name decides, unless a file shows another one."""


def _candidates(state: State, source: Layout) -> Iterator[tuple[str, bool]]:
    """Networks with as many units a stage, as far as there are stages; and whether the last of these is whole too."""
    counts = tuple(_blocks(state, f"layer{stage}") for stage in (1, 2, 3, 4))
    stages = next((stage for stage, count in enumerate(counts) if count == 0), len(counts))
    last = stages - 1
    for name in list_models() if source.large and stages and not any(counts[stages:]) else ():
        size = row(name).size
        if isinstance(size, tuple) and len(size) == 4 and size[:last] == counts[:last] and counts[last] <= size[last]:
            yield name, counts[last] == size[last]
    if source.small and 0 < max(counts[:3]) <= len(state) and not counts[3]:
        for family in _SMALL:
            name = f"{family}{6 * max(counts) + 2}"
            with suppress(ValueError):  # deeper than any
                if _kind(name) == _kind(f"{family}{_SMALL[family]}"):  # cifar_resnet164 is one of bottlenecks
                    yield name, len(set(counts[:3])) == 1


_SMALL = {"cifar_resnet": 20, "cifar_plain": 20, "cifar_preact_resnet": 110}
"""Families of nets of 6n + 2 layers, and one of each."""


def _kind(name: str) -> tuple[Any, Any]:
    """What two networks of one family share, whatever their size."""
    entry = row(name)
    return entry.builder, entry.arguments.get("bottlenecks")


def _changes(name: str, needs: dict[str, Any]) -> dict[str, Any] | None:
    """What has to be changed in the network `name`; None where it cannot be."""
    usual = arguments(name)
    fixed = {"order": "original", "ceil_mode": False}
    if any(usual.get(key, value) != value and key not in needs for key, value in fixed.items()):
        return None
    if any(key not in usual and needs.get(key, value) != value for key, value in fixed.items()):
        return None
    return {key: value for key, value in needs.items() if key in usual and usual[key] != value}


def _begins_alike(name: str, state: State) -> bool:
    """Whether those convolutions of the stem and the first unit that are there have the shapes of the network's."""
    shapes = _beginning(name)
    there = [key for key in shapes if key in state]
    return "conv1.weight" in there and all(tuple(state[key].shape) == shapes[key] for key in there)


@cache
def _beginning(name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of the convolutions in the stem and the first unit of `name`."""
    entry = row(name)
    size = (1, 1, 1, 1) if isinstance(entry.size, tuple) else 8  # the smallest of each kind
    with shapes_only():
        short = entry.builder(size, **{k: v for k, v in entry.arguments.items() if not k.startswith("drop_")})
    return {key: tuple(p.shape) for key, p in short.named_parameters() if re.match(r"(layer1\.0\.)?conv", key)}


def _vgg(state: State) -> str | None:
    """VGG with as many convolutions as `state` has; none that has BN."""
    depth = 3 + sum(re.fullmatch(r"features\.\d+\.weight", key) is not None for key in state)
    normalised = any(key.startswith("features.") and key.endswith("running_mean") for key in state)
    return f"vgg{depth}" if f"vgg{depth}" in list_models() and not normalised else None


def _blocks(state: State, stage: str) -> int:
    """One more than the highest index of a unit in `stage`."""
    indices = [name.split(".")[1] for name in state if name.startswith(f"{stage}.")]
    return 1 + max((int(index) for index in indices if index.isdecimal() and len(index) < 5), default=-1)


def unknown(tensors: State) -> str:
    """What there is to say of tensors that no layout and no network is known for."""
    found = few([f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items()])
    return f"unknown layout: {found}; known are {', '.join(LAYOUTS)}"
