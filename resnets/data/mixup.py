"""Mixup: a network is trained between two images, and between their labels.

Source: arXiv:1710.09412. One share for all images of an iteration; two images that stand together in the batch are
mixed with each other. What is mixed with what, and by which share, follows from the seed, the iteration and the place
in the batch: however the batch is divided among ranks and passes, in even parts, the mixed images are the same.
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

_MIXUP = 1
"""Sets what is drawn here apart from the order of the images, which follows from (seed, epoch)."""


class Mixed(NamedTuple):
    """Images with two labels each: their loss is `share` times that of the one and 1 - `share` that of the other."""

    images: Float[Tensor, "N 3 H W"]
    labels: Int64[Tensor, "N"]
    others: Int64[Tensor, "N"]
    share: Float[Tensor, ""]
    """Between 0 and 1."""


def shares(alpha: float, seed: int, step: int) -> Iterator[float]:
    """The shares of iteration `step` and of those after it, from Beta(`alpha`, `alpha`); `alpha` is over 0."""
    for number in count(step):
        yield float(np.random.default_rng((seed, number, _MIXUP)).beta(alpha, alpha))


def mixup(images: Float[Tensor, "N 3 H W"], labels: Int64[Tensor, "N"], share: Float[Tensor, ""]) -> Mixed:
    """share * image + (1 - share) * its neighbour: the first with the second, the third with the fourth.

    N is even. The memory format is kept.
    """
    assert len(images) % 2 == 0
    neighbour = torch.arange(len(images), device=images.device) ^ 1
    return Mixed(torch.lerp(images[neighbour], images, share), labels, labels[neighbour], share)
