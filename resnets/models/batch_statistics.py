"""BN's statistics, estimated anew for weights that stand still: a true average over batches, not a moving one.

A moving average is over the last iterations of training, each with weights of its own. So it was done, once training
had ended, for the networks that the authors released (KaimingHe/deep-residual-networks). The estimate is that of Ioffe
and Szegedy 2015, algorithm 2: the mean over batches of their means, and of their unbiased variances.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnets.models.modes import modes_kept


@torch.no_grad()
def estimate_anew(model: nn.Module, batches: Iterable[Tensor], layers: Sequence[_BatchNorm] | None = None) -> None:
    """Puts the averages over `batches`, at least one of normalised images (N, 3, H, W), into BN's running statistics.

    Each layer sees what the layers before it make of a batch by the batch's own statistics, as in training; all else
    (dropout, units that are left out) is as in testing. Momentum, and the mode of each layer, stay as they are.
    `layers`: the BN of `model` that is meant, None for all of it.
    """
    if layers is None:
        layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    with modes_kept(model):
        model.eval()
        try:
            for layer in layers:
                layer.reset_running_stats()
                layer.momentum = None  # PyTorch's word for a plain average over all batches
                layer.train()
            for images in batches:
                model(images)
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum
