"""All weights rounded to bfloat16 in one operation, where autocast has one for each: what a recorded iteration calls.

A small network on a GPU is as slow as it has kernels. Autocast rounds each weight by itself, and the gradient of each
back; here both are one operation over all of them. The values are the same, bit for bit.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


def rounded(model: nn.Module, images: Tensor) -> Tensor:
    """`model(images)`, with its kernels and matrices in bfloat16; to be called within autocast to that."""
    weights = {name: p for name, p in model.named_parameters() if p.ndim > 1 and p.is_floating_point()}
    values: tuple[Tensor, ...] = _Round.apply(*weights.values())
    return functional_call(model, dict(zip(weights, values, strict=True)), (images,))


class _Round(torch.autograd.Function):
    """float32 weights in bfloat16, their gradients in float32."""

    @staticmethod
    def forward(ctx: Any, *weights: Tensor) -> tuple[Tensor, ...]:
        return _all_as(torch.bfloat16, weights)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return _all_as(torch.float32, gradients)


def _all_as(kind: torch.dtype, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    converted = [torch.empty_like(tensor, dtype=kind) for tensor in tensors]
    torch._foreach_copy_(converted, list(tensors))  # type: ignore[attr-defined]
    return tuple(converted)
