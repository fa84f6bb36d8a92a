"""What a network loses when one of its units is taken out after training.

Of a residual unit the shortcut stays: y = f(h(x)). Of a plain unit nothing stays, so that only those that keep the
shape of their maps can be taken out: y = x.
Source of the question: "Residual Networks Behave Like Ensembles of Relatively Shallow Networks" (arXiv:1605.06431).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnets.evaluation.protocols import inference
from resnets.models.blocks import Map, Unit, no_shortcut
from resnets.models.stochastic_depth import is_residual


def removable(model: nn.Module, images: Float[Tensor, "N 3 H W"]) -> dict[str, Unit]:
    """The units that can be taken out, by name; `images` show which plain ones keep the shape of their maps."""
    units = {name: m for name, m in model.named_modules() if isinstance(m, Unit) and not m.holds_units}
    kept: set[nn.Module] = set()

    def look(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if inputs[0].shape == output.shape:
            kept.add(module)

    hooks = [unit.register_forward_hook(look) for unit in units.values()]
    try:
        with inference(model):
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return {
        name: unit for name, unit in units.items() if is_residual(unit) or (unit.join is no_shortcut and unit in kept)
    }


def _shortcut_alone(x: Tensor, shortcut: Map | None, branch: Map) -> Tensor:
    return x.clone() if shortcut is None else shortcut(x).clone()  # what follows may work in place


@contextmanager
def without(unit: Unit) -> Iterator[None]:
    """The unit passes on its shortcut only; a plain one, its input."""
    before = unit.join
    _rejoin(unit, _shortcut_alone)
    try:
        yield
    finally:
        _rejoin(unit, before)


def _rejoin(unit: Unit, join: Callable[..., Tensor]) -> None:
    del unit.join  # of stochastic depth it is a module, in whose place nothing else may be set
    unit.join = join


def lesions(
    model: nn.Module, images: Float[Tensor, "N 3 H W"], error: Callable[[], float]
) -> tuple[float, dict[str, float]]:
    """What `error()` says of the whole model, and by name with one unit after the other taken out.

    `images`: a few that the network is shown to learn its shapes. ValueError where no unit can be taken out.
    """
    units = removable(model, images)
    if not units:
        raise ValueError("no unit can be taken out: all change the shape of their maps and have no shortcut")
    whole, errors = error(), {}
    for name, unit in units.items():
        with without(unit):
            errors[name] = error()
    return whole, errors


@torch.no_grad()
def error_of(model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> float:
    """Percent of the normalised images in `batches` whose label is not the likeliest class."""
    with inference(model):
        wrong = sum(int((model(images).argmax(1) != labels).sum()) for images, labels in batches)
    return 100 * wrong / sum(len(labels) for _, labels in batches)
