"""The constructed solution: a deeper network that computes exactly what a trained shallower one does.

The paper argues from it that depth cannot cost training error in principle: copy the shallow network's layers, let the
added ones be identities (arXiv:1512.03385, section 1). With residual units it is easily made: the scale of the last BN
in each new unit is zero, so F(x) = 0, and y = ReLU(x + 0) = x, since x came out of a ReLU.
"""

import torch
from torch import nn

from resnets.models.blocks import Basic, Bottleneck, Unit
from resnets.models.stochastic_depth import is_residual


def grown(trained: nn.Module, deeper: nn.Module) -> list[str]:
    """Gives `deeper` the parameters of `trained`, and makes its other units compute zero; returns their names.

    All else in them stays as it was initialised. ValueError unless `deeper` is `trained` with more units within its
    stages, of a kind that ends in BN.
    """
    given, wanted = trained.state_dict(), deeper.state_dict()
    if odd := [name for name, value in given.items() if name not in wanted or wanted[name].shape != value.shape]:
        raise ValueError(f"the deeper network is not the trained one with more units: it has no such {odd[0]}")
    lacking = [name for name in wanted if name not in given]
    units = {name: m for name, m in deeper.named_modules() if isinstance(m, Unit)}
    new = {name: unit for name, unit in units.items() if any(key.startswith(f"{name}.") for key in lacking)}
    for name, unit in new.items():
        same = isinstance(unit.downsample, nn.Identity) and is_residual(unit)
        if not (isinstance(unit, Basic | Bottleneck) and same):
            raise ValueError(f"{name} cannot compute zero: it is no unit with an identity shortcut that ends in BN")
    if rest := [key for key in lacking if not any(key.startswith(f"{name}.") for name in new)]:
        raise ValueError(f"the deeper network has {rest[0]}, which is in no unit that could be added")
    deeper.load_state_dict({**wanted, **given})
    for unit in new.values():
        last = unit.bn3 if isinstance(unit, Bottleneck) else unit.bn2
        assert isinstance(last, nn.BatchNorm2d)
        with torch.no_grad():
            last.weight.zero_()
            last.bias.zero_()
    return list(new)
