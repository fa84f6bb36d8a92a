"""Mixup: a network is trained between two images, and between their labels.

Source: arXiv:1710.09412. One share for the whole batch, and each image mixed with the one before it in the batch, as
torchvision's MixUp does it.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Beta


class Mixed(NamedTuple):
    """Images with two labels each: their loss is `share` times that of the one and 1 - `share` that of the other."""

    images: Float[Tensor, "N 3 H W"]
    labels: Int64[Tensor, "N"]
    others: Int64[Tensor, "N"]
    share: Float[Tensor, ""]
    """Between 0 and 1."""


def mixup(images: Float[Tensor, "N 3 H W"], labels: Int64[Tensor, "N"], alpha: float) -> Mixed:
    """share * image + (1 - share) * the image before it; share is drawn from Beta(`alpha`, `alpha`).

    `alpha` is over 0. It is drawn from torch's generator of the images' device, for which the host does not wait. The
    memory format is kept.
    """
    both = torch.full((), alpha, device=images.device)
    share = Beta(both, both, validate_args=False).sample()
    return Mixed(torch.lerp(images.roll(1, 0), images, share), labels, labels.roll(1, 0), share)
