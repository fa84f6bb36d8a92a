"""How images become scores. Every image is seen exactly once; the order is that of the data."""

from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from resnets.runtime import autocast

PROTOCOLS = ("single",)
"""single: one view, the whole 32x32 image (arXiv:1512.03385, section 4.2)."""


@torch.no_grad()
def single_view(
    model: nn.Module,
    images: UInt8[Tensor, "N 3 H W"],
    normalise: Callable[[Tensor], Tensor],
    precision: str = "fp32",
    batch_size: int = 500,
) -> Float[Tensor, "N C"]:
    """Softmax probabilities, float32 on the CPU, of `images` (uint8, already cropped), in inference mode.

    The model is left in the mode it was found in. `batch_size` is a matter of memory only.
    """
    was_training = model.training
    model.eval()
    parts = []
    try:
        for batch in images.split(batch_size):
            x = normalise(batch).to(memory_format=torch.channels_last)
            with autocast(batch.device, precision):
                logits = model(x)
            parts.append(logits.float().softmax(1).cpu())
    finally:
        model.train(was_training)
    return torch.cat(parts)
