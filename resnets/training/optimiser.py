"""Stochastic gradient descent as the recipe asks for it."""

import torch
from torch import nn

from resnets.training.recipe import Recipe


def sgd(model: nn.Module, recipe: Recipe, fused: bool = False) -> torch.optim.SGD:
    """SGD with momentum: v <- momentum v + g, w <- w - lr v.

    `fused`: in one kernel, which takes the learning rate from the device.

    The authors' Caffe keeps lr inside v, which is the same except for some ten iterations after lr changes.
    With `decay="weights"` only matrices and kernels are decayed, not BN's scale and shift nor biases.
    """
    decayed = [p for p in model.parameters() if p.ndim > 1 or recipe.decay == "all"]
    others = [p for p in model.parameters() if p.ndim <= 1 and recipe.decay != "all"]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
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
