"""A set of small labelled images, whole in memory: what every reader of this room returns."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ImageSet:
    """`images` uint8 (N, 3, H, W), RGB, 0..255; `labels` int64 (N,); `classes` names, in the order of the labels."""

    name: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    files: tuple[Path, ...] = ()
    """Where each comes from, where each is a file of its own."""

    def __post_init__(self) -> None:
        assert self.images.dtype == torch.uint8
        assert self.images.ndim == 4
        assert self.images.shape[1] == 3
        assert self.labels.dtype == torch.int64
        assert self.labels.shape == self.images.shape[:1]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over shape, pixels and labels: equal for equal data, whatever file it came from."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.contiguous().cpu().numpy().data)
        digest.update(self.labels.contiguous().cpu().numpy().data)
        return digest.hexdigest()

    def subset(self, indices: Tensor) -> "ImageSet":
        """The images at `indices` (int64), in that order."""
        files = tuple(self.files[index] for index in indices.tolist()) if self.files else ()
        return ImageSet(self.name, self.images[indices], self.labels[indices], self.classes, files)

    def to(self, device: torch.device) -> "ImageSet":
        """The same images on `device`."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))
