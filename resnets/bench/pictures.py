"""The random images that sides work on, and how a plain loop reads them. Speed does not depend on what they show."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from resnets.data.images import ImageSet

MEAN, STD = [0.491, 0.482, 0.447], [0.247, 0.243, 0.262]
VALUES = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
"""From uint8 pixels to a network's input, as torchvision does it."""


def random_images(size: int, count: int) -> ImageSet:
    """So many, of `size` by `size` pixels, in ten classes."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (count,), generator=generator)
    return ImageSet("random", pixels, labels, tuple("0123456789"))


class Pictures(Dataset[tuple[Tensor, Tensor]]):
    """What a plain loop reads: one image at a time through torchvision's transforms."""

    def __init__(self, images: ImageSet, transform: Callable[[Tensor], Tensor]) -> None:
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.images.images[index]), self.images.labels[index]
