"""Which parameters of a network its maps depend on: what lies below a stage, whatever the architecture.

Read off the computation, not off names: a map is differentiated with respect to all parameters, on the meta device.
"""

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any, cast

import torch
from torch import nn

from resnets.models.catalog import row, skeleton


@lru_cache(maxsize=8)
def below(name: str, /, **changes: Any) -> dict[str, frozenset[str]]:
    """Of each map of `forward_features`, from the lowest on, the names of the parameters it depends on.

    ValueError as `create_model` raises it.
    """
    model = skeleton(name, **changes).eval()
    names, parameters = zip(*model.named_parameters(), strict=True)
    size = row(name).input_size
    maps = cast(Any, model).forward_features(torch.zeros(1, 3, size, size, device="meta"))
    found = {}
    for stage, features in maps.items():
        gradients = torch.autograd.grad(features.sum(), parameters, retain_graph=True, allow_unused=True)
        found[stage] = frozenset(n for n, gradient in zip(names, gradients, strict=True) if gradient is not None)
    return found


def parts_of(model: nn.Module, parameters: Collection[str], prefix: str = "") -> Iterator[nn.Module]:
    """The largest modules of `model` that hold none but these `parameters`; those without any are passed over."""
    for name, child in model.named_children():
        held = [f"{prefix}{name}.{own}" for own, _ in child.named_parameters()]
        if held and all(own in parameters for own in held):
            yield child
        else:
            yield from parts_of(child, parameters, f"{prefix}{name}.")
