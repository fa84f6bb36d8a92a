"""The exact mean and standard deviation of a set of images, from integer sums over every pixel.

Integer sums do not depend on the order of the images, on threads or on hardware. Averages of averages are
never taken: the std is that of all pixels of a channel, not the mean of each image's std.
"""

import hashlib
import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from resnets.data.images import ImageSet
from resnets.files import write_atomic
from resnets.ranks import on_first

_CHUNK = 1000
"""Images summed at a time: few enough for their squares, 255 * 255 * 1000, to fit in 32 bits."""


class Statistics(NamedTuple):
    """`mean` as `[3]` or `[3][H][W]` and `std` as `[3]`, both in [0, 1]: what `Preprocessing` takes."""

    mean: list[Any]
    std: list[float]


def pixel_mean(images: UInt8[Tensor, "N C H W"]) -> list[list[list[float]]]:
    """The mean image, `[C][H][W]` in [0, 1] (He et al. 2015a, section 4.2: "per-pixel mean subtracted")."""
    total = _sum(images)
    return shortest(total.double().cpu().numpy() / (255 * len(images)))


def channel_mean_std(images: UInt8[Tensor, "N C H W"]) -> tuple[list[float], list[float]]:
    """The mean and the (population) standard deviation of each channel, `[C]` each, in [0, 1]."""
    count = images.numel() // images.shape[1]
    means, stds = [], []
    totals, squares = (_sum(images, power).sum((1, 2)).tolist() for power in (1, 2))
    for total, square in zip(totals, squares, strict=True):
        means.append(total / (255 * count))
        # Python's integers do not overflow, and nothing is lost where the mean is large beside the deviation.
        stds.append(math.sqrt((count * square - total * total) / (255 * count) ** 2))
    return shortest(np.array(means)), shortest(np.array(stds))


Kind = Literal["pixel_mean", "channel_mean", "channel_mean_std"]


def statistics(image_set: ImageSet, kind: Kind, cache: Path | None = None) -> Statistics:
    """The statistics of `image_set`, as float32 values that survive JSON; without "std" in `kind` std is ones.

    Where `cache` names a folder they are kept there in a file, found again by the fingerprint of the images
    and `kind`. A damaged file, or a folder that cannot be written, costs the computation and nothing else.
    ValueError where the set is empty or `kind` is not known.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"statistics: {kind!r} is not known, allowed are {', '.join(map(repr, get_args(Kind)))}")
    if not len(image_set):
        raise ValueError(f"statistics: {image_set.name} has no images")

    def compute() -> dict[str, Any]:
        if kind == "pixel_mean":
            return Statistics(pixel_mean(image_set.images), [1.0] * 3)._asdict()
        mean, std = channel_mean_std(image_set.images)
        return Statistics(mean, [1.0] * 3 if kind == "channel_mean" else std)._asdict()

    return Statistics(**kept(cache and cache / f"{kind}-{image_set.fingerprint}.json", compute))


def _sum(images: UInt8[Tensor, "N C H W"], power: int = 1) -> Int64[Tensor, "C H W"]:
    """The exact sum over the images of their values (power 1) or of the squares (2)."""
    total = torch.zeros(images.shape[1:], dtype=torch.int64, device=images.device)
    for chunk in images.split(_CHUNK):
        total += (chunk.int() ** power).sum(0, dtype=torch.int32)
    return total


def shortest(values: np.ndarray) -> Any:
    """Nested lists of the shortest decimals that are read back as the float32 nearest to each of `values`."""
    single = values.astype(np.float32)
    lists = np.array([float(str(value)) for value in single.flat]).reshape(single.shape)
    assert (lists.astype(np.float32) == single).all()
    return lists.tolist()


def kept(path: Path | None, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `compute` returns, as JSON has it: read from `path` if it is there whole, else computed and written there.

    A damaged file, or a folder that cannot be written, costs the computation and nothing else. With several ranks the
    first reads and writes, and what it has is what all have; all compute, or none.
    """
    if (found := on_first(lambda: _read(path))) is None:
        computed = compute()
        found = on_first(lambda: _write(path, computed))
    return found


def _read(path: Path | None) -> dict[str, Any] | None:
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        content = json.loads(path.read_bytes()) if path else {}
        if content.pop("sha256") == _digest(content):
            return content
    return None


def _write(path: Path | None, found: dict[str, Any]) -> dict[str, Any]:
    if path:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, json.dumps({**found, "sha256": _digest(found)}) + "\n")
    return found


def _digest(found: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()
