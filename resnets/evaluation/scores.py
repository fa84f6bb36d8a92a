"""From photographs to scores: threads decode ahead, and what goes through the network together is fixed beforehand.

The last bits of a picture's scores depend on the batch in which it is judged. Here that batch follows from the set
alone: pictures are taken in windows of so many as stand next to each other, and within a window, at each scale, views
of one size go through the network together. So scores are equal, bit for bit, for every number of threads and ranks.
Another batch size moves them by rounding; `metrics.near_ties` counts the pictures that rounding could decide.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from resnets.data.in_order import in_order
from resnets.data.photographs import Photographs
from resnets.data.pictures import LARGEST_VIEW, read_scaled
from resnets.evaluation.dense import fully_convolutional
from resnets.evaluation.protocols import Protocol, inference, probabilities
from resnets.files import Log, say
from resnets.group import own_cores
from resnets.preprocessing import Preprocessing
from resnets.ranks import share, together, total
from resnets.watch import awaited

T = TypeVar("T")
Network = Callable[[Tensor], Tensor]
"""From normalised images to logits."""

_MOST_IMAGES = 500
_PIXELS = _MOST_IMAGES * 32 * 32
"""Of the images that go through a network at once: 10 of 224x224 on a CPU, six times as many on an accelerator."""


@dataclass(frozen=True)
class Scores:
    """Of every picture of a set, in its order."""

    probabilities: Float[Tensor, "N C"]
    """float32, on the CPU."""
    pictures: UInt8[Tensor, "N 16"]
    """A digest of each picture's bytes."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where and how scores are computed."""

    device: torch.device
    precision: str = "fp32"
    batch_size: int | None = None
    """Images of the network's crop that go through it at once, and as many pixels of larger ones; None chooses."""
    threads: int | None = None
    """That decode; None is as many as there are cores."""
    log: Log = say

    def images_at_once(self, crop: int) -> int:
        """The batch size, chosen by the size of the images and the device where none is given."""
        pixels = _PIXELS if self.device.type == "cpu" else 6 * _PIXELS
        return self.batch_size or max(1, min(_MOST_IMAGES, pixels // crop**2))


def photograph_scores(
    model: nn.Module,
    num_classes: int,
    expected: Preprocessing,
    photographs: Photographs,
    protocol: Protocol,
    execution: Execution,
) -> Scores:
    """The scores of `photographs`, each seen exactly once; with several ranks, each judges a part of them.

    ValueError, of one line, where a picture cannot be read or is too long and narrow, or where the network has no
    fully convolutional form and the protocol needs one.
    """
    count, size = len(photographs), execution.images_at_once(expected.crop)
    scores, digests = torch.zeros(count, num_classes), torch.zeros(count, 16, dtype=torch.uint8)
    windows = share([range(first, min(first + size, count)) for first in range(0, count, size)])

    def look(index: int) -> tuple[Tensor, list[Tensor]]:
        content, name = photographs.read(index), f"{photographs.name}/{photographs.names[index]}"
        return _digest(content), _checked(read_scaled(content, name, protocol.scales), name)

    def work() -> None:
        pictures = _ahead(look, chain.from_iterable(windows), size, execution)
        with inference(model), closing(pictures):
            judge = _judge(model, expected, protocol, size * expected.crop**2, execution)
            for window in _told(windows, f"{protocol.name}, {photographs.name}", execution.log):
                seen = list(islice(awaited(pictures), len(window)))
                digests[window.start : window.stop] = torch.stack([digest for digest, _ in seen])
                scores[window.start : window.stop] = judge([scaled for _, scaled in seen])

    together(work)
    return Scores(total(scores), total(digests))


def digests_of(photographs: Photographs, execution: Execution) -> UInt8[Tensor, "N 16"]:
    """A digest of each picture's bytes as they are now; they are read, not decoded."""
    digests = torch.zeros(len(photographs), 16, dtype=torch.uint8)
    mine = share(range(len(photographs)))

    def work() -> None:
        with closing(_ahead(lambda index: _digest(photographs.read(index)), mine, 64, execution)) as found:
            for index, digest in zip(mine, awaited(found), strict=True):
                digests[index] = digest

    together(work)
    return total(digests)


def _digest(content: bytes) -> UInt8[Tensor, "16"]:
    return torch.tensor(list(hashlib.blake2b(content, digest_size=16).digest()), dtype=torch.uint8)


def _checked(pictures: list[Tensor], name: str) -> list[Tensor]:
    for height, width in (picture.shape[1:] for picture in pictures):
        if height * width > LARGEST_VIEW:
            side = min(height, width)
            raise ValueError(f"{name}: too long and narrow, {width}x{height} pixels where its shorter side is {side}")
    return pictures


def _ahead(
    work: Callable[[int], T], indices: Iterable[int], ahead: int, execution: Execution
) -> Generator[T, None, None]:
    """`work` of each index in order, done by threads up to `ahead` before it is asked for."""
    yield from in_order(work, indices, execution.threads or own_cores(), ahead)


def _told(windows: Sequence[range], what: str, log: Log, every: float = 30) -> Iterator[range]:
    """The windows; every so many seconds a line says how many of their pictures have been judged."""
    count, done = sum(map(len, windows)), 0
    began = last = time.monotonic()
    for window in windows:
        yield window
        done += len(window)
        now = time.monotonic()
        if now - last >= every:
            log(f"{what}: {done:,} of {count:,} pictures, {done / (now - began):.1f} a second")
            last = now


# ---------------------------------------------------------------------------------------------------------------
# One window


def _judge(
    model: nn.Module, expected: Preprocessing, protocol: Protocol, pixels: int, execution: Execution
) -> Callable[[list[list[Tensor]]], Tensor]:
    """From P pictures, each at every scale, to their scores (P, C)."""
    network: Network = fully_convolutional(model, expected.crop) if protocol.whole else model
    normalise = (expected.with_channel_mean() if protocol.whole else expected).normaliser(execution.device)

    def probabilities_of(views: UInt8[Tensor, "N 3 H W"]) -> Float[Tensor, "N C"]:
        batches = views.split(max(1, pixels // (views.shape[2] * views.shape[3])))
        return torch.cat(
            [probabilities(network, batch.to(execution.device), normalise, execution.precision) for batch in batches]
        )

    def at_one_scale(pictures: list[Tensor]) -> Float[Tensor, "P C"]:
        views = [protocol.views(picture) for picture in pictures]
        alike: dict[torch.Size, list[int]] = defaultdict(list)
        for place, seen in enumerate(views):
            alike[seen.shape].append(place)
        rows: dict[int, Tensor] = {}
        for (number, *_), places in alike.items():
            scores = probabilities_of(torch.cat([views[place] for place in places]))
            rows |= zip(places, scores.unflatten(0, (-1, number)).mean(1), strict=True)
        return torch.stack([rows[place] for place in range(len(pictures))])

    def judge(pictures: list[list[Tensor]]) -> Float[Tensor, "P C"]:
        return torch.stack([at_one_scale(list(scaled)) for scaled in zip(*pictures, strict=True)]).mean(0)

    return judge
