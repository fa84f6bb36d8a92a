"""Stochastic depth: in training a residual unit is left out at random; at test its branch counts by expectation.

    H' = f(h(H) + b F(H)),  b ~ Bernoulli(p)          in training
    H' = f(h(H) + p F(H))                             at test

The unit `l` of L survives with p_l = 1 - (l / L) (1 - p_L): linear decay, so that early units, which later ones build
on, are nearly always there. Here `drop_path` = 1 - p_L. The paper draws b once a mini-batch, and a unit that is left
out costs nothing, forward or backward. Later codes draw it for each image, compute all branches, and divide by p in
training instead of multiplying at test ("drop path"); `drop_per="sample"` is theirs.
Source: "Deep Networks with Stochastic Depth" (arXiv:1603.09382), section 3.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.blocks import Map, Unit, add, relu_


def is_residual(unit: Unit) -> bool:
    """Whether the unit adds its branch to its shortcut, always or, in training, at times."""
    return unit.join is add or isinstance(unit.join, StochasticDepth)


class StochasticDepth(nn.Module):
    """How the paths of one unit are joined: h(x) + b F(x), b drawn for each mini-batch (`per="batch"`) or image.

    The draw of a mini-batch is made on the CPU, where torch's generator decides it without the device being asked.
    """

    def __init__(self, survival: float, per: str = "batch") -> None:
        super().__init__()
        self.survival, self.per = survival, per

    def forward(self, x: Float[Tensor, "N C H W"], shortcut: Map, branch: Map) -> Float[Tensor, "N D h w"]:
        if self.per == "sample":
            return shortcut(x) + (self._thinned(branch(x)) if self.training else branch(x))
        if not self.training:
            return shortcut(x) + self.survival * branch(x)
        return add(x, shortcut, branch) if torch.rand((), device="cpu").item() < self.survival else shortcut(x)

    def _thinned(self, y: Tensor) -> Tensor:
        """Zero for the images whose branch is left out, more of it for the others, so that its mean is as before."""
        kept = torch.rand(len(y), 1, 1, 1, device=y.device, dtype=torch.float32) < self.survival
        return y * (kept.to(y.dtype) / self.survival)

    def extra_repr(self) -> str:
        return f"h(x) + b F(x); P(b = 1) = {self.survival:.3g} for each {'image' if self.per == 'sample' else 'batch'}"


def survival_rates(units: int, drop_path: float, drop_decay: str = "linear") -> list[float]:
    """p_1 to p_L for L `units`; the last is 1 - `drop_path`, with "uniform" decay all of them are."""
    if drop_decay == "uniform":
        return [1 - drop_path] * units
    return [1 - drop_path * number / units for number in range(1, units + 1)]


def stochastic_depth(
    model: nn.Module, *, drop_path: float = 0.0, drop_decay: str = "linear", drop_per: str = "batch"
) -> None:
    """Gives every residual unit of `model` its survival rate; `drop_path` 0 leaves the network as it is.

    Raises ValueError for a `drop_path` outside 0 to under 1, a decay other than "linear" and "uniform", a
    `drop_per` other than "batch" and "sample", and a network with units that have nothing else to pass on.
    """
    if not 0 <= drop_path < 1:
        raise ValueError(f"drop_path is {drop_path}, allowed is 0 to under 1")
    if drop_decay not in ("linear", "uniform"):
        raise ValueError(f"drop_decay is {drop_decay!r}, allowed are 'linear' and 'uniform'")
    if drop_per not in ("batch", "sample"):
        raise ValueError(f"drop_per is {drop_per!r}, allowed are 'batch' and 'sample'")
    if drop_path == 0:
        return
    droppable = list(units(model))
    if not droppable or any(unit.join is not add for unit in droppable):
        raise ValueError(f"drop_path is {drop_path}, allowed only where every unit adds its branch to a shortcut")
    for unit, survival in zip(droppable, survival_rates(len(droppable), drop_path, drop_decay), strict=True):
        unit.join = StochasticDepth(survival, drop_per)
        if unit.after is relu_:
            unit.after = F.relu  # not in place: what a unit passes on may be its input itself


def units(model: nn.Module) -> Iterator[Unit]:
    """The residual units of `model` in order; of units within units the outer ones only."""
    for child in model.children():
        if isinstance(child, Unit) and not child.holds_units:
            yield child
        else:
            yield from units(child)
