"""The exact mean and standard deviation of a set of images, from integer sums over every pixel.

Integer sums do not depend on the order of the images, on threads or on hardware. Averages of averages are
never taken: the std is that of all pixels of a channel, not the mean of each image's std.
"""

import hashlib
import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from resnets.data.images import ImageSet
from resnets.files import write_atomic

_CHUNK = 1000
"""Images summed at a time: few enough for their squares, 255 * 255 * 1000, to fit in 32 bits."""


class Statistics(NamedTuple):
    """`mean` as `[3]` or `[3][H][W]` and `std` as `[3]`, both in [0, 1]: what `Preprocessing` takes."""

    mean: list[Any]
    std: list[float]


def pixel_mean(images: UInt8[Tensor, "N C H W"]) -> list[list[list[float]]]:
    """The mean image, `[C][H][W]` in [0, 1] (He et al. 2015a, section 4.2: "per-pixel mean subtracted")."""
    total = _sum(images)
    return _shortest(total.double().cpu().numpy() / (255 * len(images)))


def channel_mean_std(images: UInt8[Tensor, "N C H W"]) -> tuple[list[float], list[float]]:
    """The mean and the (population) standard deviation of each channel, `[C]` each, in [0, 1]."""
    count = images.numel() // images.shape[1]
    means, stds = [], []
    totals, squares = (_sum(images, power).sum((1, 2)).tolist() for power in (1, 2))
    for total, square in zip(totals, squares, strict=True):
        means.append(total / (255 * count))
        # Python's integers do not overflow, and nothing is lost where the mean is large beside the deviation.
        stds.append(math.sqrt((count * square - total * total) / (255 * count) ** 2))
    return _shortest(np.array(means)), _shortest(np.array(stds))


def statistics(
    image_set: ImageSet, kind: Literal["pixel_mean", "channel_mean_std"], cache: Path | None = None
) -> Statistics:
    """The statistics of `image_set`, as float32 values that survive JSON; for "pixel_mean" std is ones.

    Where `cache` names a folder they are kept there in a file, found again by the fingerprint of the images
    and `kind`. A damaged file, or a folder that cannot be written, costs the computation and nothing else.
    ValueError where the set is empty or `kind` is not known.
    """
    if kind not in ("pixel_mean", "channel_mean_std"):
        raise ValueError(f"statistics: {kind!r} is not known, allowed are 'pixel_mean' and 'channel_mean_std'")
    if not len(image_set):
        raise ValueError(f"statistics: {image_set.name} has no images")
    path = cache / f"{kind}-{image_set.fingerprint}.json" if cache else None
    if path and (known := _load(path)):
        return known
    if kind == "pixel_mean":
        found = Statistics(pixel_mean(image_set.images), [1.0] * 3)
    else:
        found = Statistics(*channel_mean_std(image_set.images))
    if path:
        _save(path, found)
    return found


def _sum(images: UInt8[Tensor, "N C H W"], power: int = 1) -> Int64[Tensor, "C H W"]:
    """The exact sum over the images of their values (power 1) or of the squares (2)."""
    total = torch.zeros(images.shape[1:], dtype=torch.int64, device=images.device)
    for chunk in images.split(_CHUNK):
        total += (chunk.int() ** power).sum(0, dtype=torch.int32)
    return total


def _shortest(values: np.ndarray) -> Any:
    """Nested lists of the shortest decimals that are read back as the float32 nearest to each of `values`."""
    single = values.astype(np.float32)
    lists = np.array([float(str(value)) for value in single.flat]).reshape(single.shape)
    assert (lists.astype(np.float32) == single).all()
    return lists.tolist()


def _digest(found: Statistics) -> str:
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _load(path: Path) -> Statistics | None:
    """What `_save` wrote, None where there is nothing or it is damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(path.read_bytes())
        found = Statistics(content["mean"], content["std"])
        if content["sha256"] == _digest(found):
            return found
    return None


def _save(path: Path, found: Statistics) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({**found._asdict(), "sha256": _digest(found)}) + "\n")
