"""Mean image, mean, deviation and principal colours of photographs: from integer sums, exact whoever adds them up.

A photograph is seen as in testing: its shorter side scaled to `resize` pixels, the central `size` x `size` of them.
Several ranks look at a part of the photographs each; what comes out depends on neither their number nor on threads.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from resnets.data.augment import PrincipalColours, principal_colours
from resnets.data.in_order import in_order
from resnets.data.photographs import Photographs
from resnets.data.showing import show
from resnets.data.statistics import kept, shortest
from resnets.data.views import Box, View
from resnets.files import say
from resnets.group import own_cores
from resnets.ranks import from_first, on_first, share, together, total
from resnets.watch import marked

_TOGETHER = 8
"""Photographs that a thread sums at a stretch, a piece."""
_STEP = 4
"""Pieces of each rank after which it waits for the others, so that one whose photographs do not come is named."""
_SIZED, _LOOKED_AT = 100_000, 16
"""Of how many photographs at most the size, and the bytes, tell them from others under the same names."""
_EVERY = 30.0
"""Seconds after which a line says how far it is."""


class PhotographStatistics(NamedTuple):
    """All in [0, 1]; what `Preprocessing` takes, and what colours are moved along."""

    images: int
    """Photographs that were looked at."""
    mean_image: list[list[list[float]]]
    """`[3][size][size]` (arXiv:1512.03385, section 3.4: "with the per-pixel mean subtracted")."""
    mean: list[float]
    std: list[float]
    """Of each channel, over all pixels."""
    colours: PrincipalColours


def photograph_statistics(
    photographs: Photographs,
    size: int = 224,
    resize: int = 256,
    most: int | None = None,
    threads: int | None = None,
    cache: Path | None = None,
) -> PhotographStatistics:
    """The statistics of all photographs, or of `most` of them that stand at equal distances in their set.

    Where `cache` names a folder they are kept there, found again by names, sizes, and the bytes of some photographs, so
    that other ones under the same names have their own. ValueError, of one line, where there are none, a number is not
    allowed or a photograph cannot be read.
    """
    count = len(photographs) if most is None else min(most, len(photographs))
    if count < 1 or not 0 < size <= resize:
        raise ValueError(
            f"statistics of {count} photographs at {size} of {resize}: allowed are 1 or more, size to resize"
        )
    chosen = _spread(range(len(photographs)), count)
    path = cache and on_first(lambda: cache / f"photographs-{size}-{resize}-{_contents(photographs, chosen)}.json")
    compute = partial(_compute, photographs, chosen, size, resize, threads or own_cores())
    found = kept(path, compute)
    variances, axes = found.pop("colours")
    return PhotographStatistics(**found, colours=PrincipalColours(tuple(variances), tuple(map(tuple, axes))))


def _spread(indices: Sequence[int], most: int) -> list[int]:
    """At most so many of `indices`, at equal distances."""
    count = min(most, len(indices))
    return [indices[place * len(indices) // count] for place in range(count)]


def _contents(photographs: Photographs, chosen: Sequence[int]) -> str:
    digest = hashlib.sha256(photographs.fingerprint.encode())
    digest.update(np.array(chosen).tobytes())
    if photographs.size:
        digest.update(np.array([photographs.size(index) for index in _spread(chosen, _SIZED)]).tobytes())
    for index in _spread(chosen, _LOOKED_AT):
        digest.update(photographs.read(index))
    return digest.hexdigest()


def _compute(photographs: Photographs, chosen: list[int], size: int, resize: int, threads: int) -> dict[str, Any]:
    pixels, products = _sums(photographs, chosen, size, resize, threads)
    count = len(chosen) * size * size
    channels = [int(channel) for channel in pixels.sum((0, 1))]
    # Python's integers do not overflow, and nothing is lost where the means are large beside the deviations.
    covariance = [
        [(count * int(products[a, b]) - channels[a] * channels[b]) / (255 * count) ** 2 for b in range(3)]
        for a in range(3)
    ]
    return {
        "images": len(chosen),
        "mean_image": shortest(pixels.transpose(2, 0, 1) / (255 * len(chosen))),
        "mean": shortest(np.array(channels) / (255 * count)),
        "std": shortest(np.sqrt(np.diag(covariance))),
        "colours": principal_colours(torch.tensor(covariance, dtype=torch.float64)),
    }


def _sums(
    photographs: Photographs, chosen: list[int], size: int, resize: int, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Over the chosen photographs: the sum at each pixel, (size, size, 3), and of products of channels, (3, 3)."""

    def of_piece(indices: list[int]) -> tuple[np.ndarray, np.ndarray]:
        pixels = torch.empty(len(indices), size, size, 3, dtype=torch.uint8)
        images = pixels.permute(0, 3, 1, 2)
        for place, index in enumerate(indices):
            draw = partial(_centre, size, resize)
            show(photographs.read(index), photographs.where(index), draw, images[place : place + 1])
        values = pixels.numpy().reshape(-1, 3).astype(np.float64)  # whose products and sums are exact: below 2**53
        return pixels.numpy().sum(0, dtype=np.int64), (values.T @ values).astype(np.int64)

    pieces = share([chosen[first : first + _TOGETHER] for first in range(0, len(chosen), _TOGETHER)])
    steps = from_first(-(-len(pieces) // _STEP))  # the first rank has as many pieces as any, or one more
    pixels, products = np.zeros((size, size, 3), np.int64), np.zeros((3, 3), np.int64)
    with (
        closing(in_order(of_piece, pieces, threads, 2 * threads)) as summed,
        closing(marked(list(islice(summed, _STEP)) for _ in range(steps))) as stretches,
    ):
        for _ in _told(steps, f"{photographs.name}: means and colours"):
            for pixel_sums, product_sums in together(lambda: next(stretches)):
                pixels += pixel_sums
                products += product_sums
    return total(torch.from_numpy(pixels)).numpy(), total(torch.from_numpy(products)).numpy()


def _told(steps: int, what: str) -> Iterator[int]:
    """The steps; every so many seconds a line says how far they are."""
    began = last = time.monotonic()
    for step in range(steps):
        yield step
        now = time.monotonic()
        if now - last >= _EVERY:
            left = (now - began) * (steps - step - 1) / (step + 1)
            say(f"{what}: {(step + 1) / steps:.0%}, {left / 60:.0f} min left")
            last = now


def _centre(size: int, resize: int, height: int, width: int) -> View:
    """The middle of a picture, as testing sees it."""
    side = max(1, round(size * min(height, width) / resize))
    return View(False, (0.0, 0.0, 0.0), Box((height - side) // 2, (width - side) // 2, side, side))
