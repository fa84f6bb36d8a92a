"""A set of labelled pictures of any size, still encoded, each read when it is needed: for sets too large for memory."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from resnets.data.file_names import encoded


@dataclass(frozen=True, eq=False)
class Photographs:
    """What every layout of files, lists and shards becomes. `read` may be called from several threads at once."""

    name: str
    """What the user called the set."""
    names: tuple[str, ...]
    """Of each picture, unique in the set and the same on every machine: a path below the set's folder, or a key."""
    labels: Tensor
    """int64 (N,); -1 where nobody says."""
    classes: tuple[str, ...]
    """In the order of the labels."""
    read: Callable[[int], bytes]
    """The encoded picture at an index; ValueError, of one line, where it cannot be had."""
    size: Callable[[int], int] | None = None
    """The bytes that `read` will return, where that is known without reading; ValueError as there."""
    stored: str = ""
    """What was done to the pictures before they were stored, such as "shorter side 256"; empty: nothing."""
    files: tuple[Path, ...] = ()
    """Where each lies, where each is a file of its own."""

    def __post_init__(self) -> None:
        assert self.labels.dtype == torch.int64
        assert self.labels.shape == (len(self.names),)

    def __len__(self) -> int:
        return len(self.names)

    def where(self, index: int) -> str:
        """What an error message calls the picture at `index`."""
        return f"{self.name}/{self.names[index]}"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, labels, classes and `stored`. Pixels are not read for it."""
        digest = hashlib.sha256()
        for text in (*self.classes, *self.names, *([self.stored] if self.stored else [])):
            digest.update(encoded(text) + b"\0")
        digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()

    def subset(self, indices: Tensor) -> "Photographs":
        """The pictures at `indices` (int64), in that order."""
        chosen, size = indices.tolist(), self.size
        return replace(
            self,
            names=tuple(self.names[index] for index in chosen),
            labels=self.labels[indices],
            read=lambda index: self.read(chosen[index]),
            size=size and (lambda index: size(chosen[index])),
            files=tuple(self.files[index] for index in chosen) if self.files else (),
        )
