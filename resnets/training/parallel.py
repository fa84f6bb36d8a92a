"""One network on several ranks: gradients averaged among them, and BN over a rank's images or over those of all.

    B images a batch   k passes an iteration (`accumulate`)   R ranks

In each pass a rank has B / (k R) images, in every iteration the same number. The mean of the ranks' mean gradients is
that of the whole batch; but BN normalises over what one rank has in one pass, as in the paper (32 images a GPU), or,
with `sync_bn`, over what all have in it.
"""

from contextlib import AbstractContextManager, nullcontext
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from resnets.ranks import rank, ranks
from resnets.training.recipe import Recipe


def check(recipe: Recipe, device: torch.device, pairs: bool = False) -> None:
    """ValueError unless the ranks can share out the work of `recipe` on `device`; `pairs`: images are mixed in twos."""
    least = recipe.accumulate * ranks() * (2 if pairs else 1)
    if recipe.batch_size % least:
        given = f"{ranks()} ranks" + (f" and accumulate {recipe.accumulate}" if recipe.accumulate > 1 else "")
        given += " and mixup, which is of pairs," if pairs else ""
        raise ValueError(f"batch_size is {recipe.batch_size}, allowed with {given} are multiples of {least}")
    if recipe.capture and device.type != "cuda":
        raise ValueError(f"capture is True, allowed on CUDA only: this is {device.type}")
    if recipe.capture and ranks() > 1:
        raise ValueError(f"capture is True, allowed on one rank only: there are {ranks()}")


def parallel(model: nn.Module, leaves_out: bool = False) -> nn.Module:
    """`model` as training calls it: its gradients become their mean over ranks as they are computed.

    `leaves_out`: whether some parameters may take no part in an iteration. Where there is one rank, `model` itself.
    """
    if ranks() == 1:
        return model
    known = signature(DistributedDataParallel).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # its name before
    options: dict[str, Any] = {buffers: False, "find_unused_parameters": leaves_out}
    return DistributedDataParallel(model, **options)


def held(network: nn.Module) -> AbstractContextManager[Any]:
    """Within it the gradients of `network`, made by `parallel`, are added up on each rank and not yet averaged."""
    return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()


def average_statistics(model: nn.Module) -> None:
    """BN's running averages become their mean over ranks: all images count, and every rank has the same network.

    The mean of running averages is the running average of means, so it does not matter when it is taken.
    """
    if ranks() == 1:
        return
    buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
    if not buffers:
        return
    flat = torch.cat([buffer.flatten() for buffer in buffers])
    dist.all_reduce(flat)
    pieces = (flat / ranks()).split([buffer.numel() for buffer in buffers])
    for buffer, piece in zip(buffers, pieces, strict=True):
        buffer.copy_(piece.view_as(buffer))


# ---------------------------------------------------------------------------------------------------------------
# BN over the images of all ranks


def synchronised(model: nn.Module) -> nn.Module:
    """`model` with every BN normalising over the images of all ranks; names of parameters stay.

    On CUDA PyTorch's own, which has no code for CPUs. Where there is one rank, `model` as it is.
    """
    if ranks() == 1:
        return model
    if next(model.parameters()).device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SynchronisedNorm
    return model


class SynchronisedNorm(nn.BatchNorm2d):
    """BN over the images of all ranks, of which each has as many."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        if not self.training:
            return super().forward(input)
        x = input.float() if input.dtype == torch.bfloat16 else input
        own_variance, own_mean = torch.var_mean(x, (0, 2, 3), correction=0)
        moments = _gather(torch.stack([own_mean, own_variance]))  # (R, 2, C)
        mean = moments[:, 0].mean(0)
        variance = (moments[:, 1] + (moments[:, 0] - mean).square()).mean(0)
        self._count(mean.detach(), variance.detach(), len(moments) * x.numel() // x.shape[1])
        scale = self.weight * (variance + self.eps).rsqrt()
        y = (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]
        return y.to(input.dtype)

    def _count(self, mean: Float[Tensor, " C"], variance: Float[Tensor, " C"], values: int) -> None:
        """The running averages; that of the variance is of its unbiased estimate."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        with torch.no_grad():
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * (values / max(values - 1, 1)), momentum)


class _Sum(torch.autograd.Function):
    """The sum over ranks; what each rank's loss says of it adds up, too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        values = values.clone()
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous().clone()
        dist.all_reduce(gradient)
        return gradient


def _gather(values: Tensor) -> Tensor:
    """The values of all ranks, one row each; gradients flow back to each of them."""
    before, after = rank(), ranks() - 1 - rank()
    rows = [torch.zeros_like(values)] * before + [values] + [torch.zeros_like(values)] * after
    return _Sum.apply(torch.stack(rows))
