"""Batches of photographs: read, decoded and cut by threads, some batches ahead of their use."""

import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from resnets.data.in_order import in_order
from resnets.data.photograph_stream import Drawn, PhotographStream
from resnets.data.photographs import Photographs
from resnets.data.showing import show
from resnets.group import own_cores

_TOGETHER = 16
"""Photographs that a thread does at a stretch, at most; fewer where that would leave threads without work."""


class PhotographBatch(NamedTuple):
    """A rank's part of a batch, on its device. What is left to do there, `resnets.data.augment` does by the batch."""

    images: UInt8[Tensor, "B 3 S S"]
    """RGB, 0..255, channels-last, cut and scaled but not mirrored."""
    labels: Int64[Tensor, "B"]
    flip: Bool[Tensor, "B"]
    """Whether an image is to be mirrored."""
    colour: Float[Tensor, "B 3"]
    """float32: how far its colours are to be moved along each of their principal axes."""
    jitter: Float[Tensor, "B 3"]
    """float32: what its brightness, contrast and saturation are to be multiplied by."""
    indices: Int64[Tensor, "B"]
    """The photographs' places in their set."""

    def to(self, device: torch.device) -> "PhotographBatch":
        """The same on `device`; where that is CUDA, the host does not wait."""
        return PhotographBatch(*(tensor.to(device, non_blocking=device.type == "cuda") for tensor in self))


@dataclass
class Waits:
    """Who waited for whom, in seconds."""

    for_data: float = 0.0
    """That the consumer waited for a batch."""
    for_consumer: float = 0.0
    """That batches were ready and not asked for."""
    _since: float = field(default_factory=time.perf_counter)

    def share(self) -> float:
        """The part of the time since the last call, or the beginning, that was spent waiting for data: 0 to 1.

        Near 0 the computation binds. Whatever is well over 0 would be saved by faster data, and nothing else.
        """
        now = time.perf_counter()
        share = self.for_data / (now - self._since)
        self.for_data = self.for_consumer = 0.0
        self._since = now
        return min(share, 1.0)


class PhotographBatches:
    """The batches of a stream of photographs, from any step on.

    A batch is the same, bit for bit, for any number of `threads` and of batches `ahead`; those of all ranks, joined in
    their order, are the batch of one process. What was drawn depends on the seed, the epoch and the photograph alone.
    Tensors are the caller's to keep: memory is used again only when nobody holds a batch any more. `waits` says
    whether data or computation binds. A photograph that cannot be read ends the iteration with a ValueError of one
    line that names it.

    Threads, not processes: reading, decoding and scaling all go on outside of Python's lock. `threads` is by default
    the number of cores; over HTTP more are needed to hide the way to the server.
    """

    def __init__(
        self,
        photographs: Photographs,
        stream: PhotographStream,
        device: torch.device,
        threads: int | None = None,
        ahead: int = 2,
    ) -> None:
        if stream.count != len(photographs):
            raise ValueError(f"a stream of {stream.count} images for {photographs.name}, which has {len(photographs)}")
        if ahead < 1 or (threads is not None and threads < 1):
            raise ValueError(f"threads {threads}, {ahead} batches ahead: allowed are 1 or more of each")
        self.photographs, self.stream, self.device = photographs, stream, device
        self.threads, self.ahead = threads or own_cores(), ahead
        self.waits = Waits()
        self._together = max(1, min(_TOGETHER, stream.share * (ahead + 1) // (2 * self.threads)))
        self._memory = _Memory(pinned=device.type == "cuda")

    def start(self, step: int = 0) -> Iterator[PhotographBatch]:
        """The batches from number `step` on, without end."""
        pieces = -(-self.stream.share // self._together)
        with closing(in_order(self._fill, self._pieces(step), self.threads, self.ahead * pieces)) as done:
            while True:
                asked = time.perf_counter()
                filled = [next(done) for _ in range(pieces)]
                got = time.perf_counter()
                self.waits.for_data += got - asked
                self.waits.for_consumer += max(0.0, asked - max(piece.ready for piece in filled))
                yield filled[0].batch.to(self.device)

    def _pieces(self, step: int) -> Iterator["_Piece"]:
        """The batches cut into pieces, each with its place in the memory of its batch."""
        while True:
            drawn = self.stream.batch(step)
            batch = self._memory.batch(drawn, self.photographs.labels)
            for first in range(0, len(drawn.indices), self._together):
                yield _Piece(batch, drawn, range(first, min(first + self._together, len(drawn.indices))))
            step += 1

    def _fill(self, piece: "_Piece") -> "_Piece":
        photographs, stream = self.photographs, self.stream
        images = piece.batch.images.split(1)
        flip, colour, jitter = (tensor.numpy() for tensor in piece.batch[2:5])
        for place in piece.places:
            index, epoch = piece.drawn.indices[place], piece.drawn.epochs[place]
            draw = partial(stream.augmentation.view, stream.seed, epoch, index)
            view = show(photographs.read(index), photographs.where(index), draw, images[place])
            flip[place], colour[place], jitter[place] = view.flip, view.colour, view.jitter
        piece.ready = time.perf_counter()
        return piece


@dataclass
class _Piece:
    """Photographs that one thread shows, one after the other."""

    batch: PhotographBatch
    drawn: Drawn
    places: range
    ready: float = 0.0


class _Memory:
    """Room for batches, that is used again once nobody holds what was in it: fresh memory costs as much as scaling.

    Pinned memory torch itself keeps and gives out again, after what was copied from it has been copied. Other memory is
    kept here: a tensor made from an array holds the array until the last tensor that shares its memory is gone.
    """

    def __init__(self, pinned: bool) -> None:
        self._pinned = pinned
        self._free: deque[Tensor] = deque()
        self._size = 0

    def batch(self, drawn: Drawn, labels: Tensor) -> PhotographBatch:
        """A batch on the CPU with its labels and indices, all else to be filled in."""
        count, size = len(drawn.indices), drawn.size
        indices = torch.tensor(drawn.indices)
        return PhotographBatch(
            self._room(count * size * size * 3).view(count, size, size, 3).permute(0, 3, 1, 2),
            self._pin(labels[indices]),
            self._pin(torch.zeros(count, dtype=torch.bool)),
            self._pin(torch.zeros(count, 3)),
            self._pin(torch.ones(count, 3)),
            self._pin(indices),
        )

    def _pin(self, tensor: Tensor) -> Tensor:
        return tensor.pin_memory() if self._pinned else tensor

    def _room(self, size: int) -> Tensor:
        if self._pinned:
            return torch.empty(size, dtype=torch.uint8, pin_memory=True)
        if size != self._size:
            self._size, self._free = size, deque()
        whole = self._free.pop() if self._free else torch.empty(size, dtype=torch.uint8)
        held = whole.numpy()[:]
        weakref.finalize(held, self._free.append, whole).atexit = False
        return torch.from_numpy(held)
