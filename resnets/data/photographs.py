"""A set of labelled pictures of any size, still encoded, each read when it is needed: for sets too large for memory."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


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

    def __post_init__(self) -> None:
        assert self.labels.dtype == torch.int64
        assert self.labels.shape == (len(self.names),)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, labels and classes. Pixels are not read for it."""
        digest = hashlib.sha256()
        for text in (*self.classes, *self.names):
            digest.update(text.encode(errors="surrogateescape") + b"\0")
        digest.update(self.labels.numpy().data)
        return digest.hexdigest()
