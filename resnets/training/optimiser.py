"""Stochastic gradient descent as the recipe asks for it."""

from collections.abc import Collection

import torch
from torch import nn

from resnets.training.recipe import Recipe


def sgd(
    model: nn.Module, recipe: Recipe, fused: bool = False, slower: Collection[str] = frozenset()
) -> torch.optim.SGD:
    """SGD with momentum: v <- momentum v + g, w <- w - lr v.

    `fused`: in one kernel, which takes the learning rate from the device. `slower`: the parameters, by name, whose
    learning rate is the part `recipe.lower_lr` of that of all others; their groups have it as `part`. What needs no
    gradient is left out: it stands still, and does not decay.

    The authors' Caffe keeps lr inside v, which is the same except for some ten iterations after lr changes.
    With `decay="weights"` only matrices and kernels are decayed, not BN's scale and shift nor biases.
    """
    slower = slower if recipe.lower_lr != 1 else frozenset()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    groups = []
    for part, names in ((1.0, trained.keys() - slower), (recipe.lower_lr, trained.keys() & slower)):
        own = [p for name, p in trained.items() if name in names]
        decayed = [p for p in own if p.ndim > 1 or recipe.decay == "all"]
        others = [p for p in own if p.ndim <= 1 and recipe.decay != "all"]
        groups.append({"params": decayed, "weight_decay": recipe.weight_decay, "part": part})
        groups.append({"params": others, "weight_decay": 0.0, "part": part})
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        fused=fused,
    )


def descend(optimizer: torch.optim.Optimizer) -> None:
    """One step down the gradient that the parameters have.

    What took no part in the loss, a unit that stochastic depth left out, has a gradient of zero, not none: it decays
    and goes on with its momentum, as in the formula.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None and parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
