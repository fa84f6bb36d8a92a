"""What a network expects of a picture: one frozen record, used alike in training, evaluation and prediction.

It travels inside every weights file. Everything that turns a picture into the network's input reads this
record and nothing else, so that training, `evaluate` and `predict` cannot drift apart.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float, Real
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a picture becomes the input of a network.

    A picture is scaled so that its shorter side is `resize` pixels, the central `crop` x `crop` square is taken,
    its values (0..255) are divided by 255, its channels put into `channels` order, and then `(x - mean) / std`.
    """

    crop: int
    """Side of the square input, in pixels."""
    resize: int
    """Length of the shorter side before the central crop, in pixels; at least `crop`."""
    mean: Any
    """In [0, 1], three nested lists of numbers: `[3]` for a channel mean, `[3][crop][crop]` for a per-pixel mean."""
    std: list[float] = field(default_factory=lambda: [1.0, 1.0, 1.0])
    """In [0, 1], one number a channel; ones where nothing is divided (the paper)."""
    channels: str = "RGB"
    """"RGB" or "BGR": the order of the channels of the input, of `mean` and of `std`."""
    classes: tuple[str, ...] = ()
    """The name of each class, in the order of the logits."""

    def __post_init__(self) -> None:
        if self.channels not in ("RGB", "BGR"):
            raise ValueError(f"preprocessing: channels is {self.channels!r}, allowed are 'RGB' and 'BGR'")
        for name, side in (("crop", self.crop), ("resize", self.resize)):
            if type(side) is not int:
                raise ValueError(f"preprocessing: {name} is {side!r}, allowed are whole numbers")
        if not 0 < self.crop <= self.resize:
            raise ValueError(f"preprocessing: crop is {self.crop}, allowed is 1 to resize ({self.resize})")
        try:
            mean = torch.tensor(self.mean)
        except (RuntimeError, TypeError, ValueError):  # no numbers, or lists of several lengths
            raise ValueError("preprocessing: mean is no list of numbers") from None
        shape = tuple(mean.shape)
        if shape not in ((3,), (3, self.crop, self.crop)):
            allowed = f"(3,) and (3, {self.crop}, {self.crop})"
            raise ValueError(f"preprocessing: mean has shape {shape}, allowed are {allowed}")
        if not mean.isfinite().all():
            raise ValueError("preprocessing: mean is not finite")
        if len(self.std) != 3 or not all(0 < value < math.inf for value in self.std):
            raise ValueError(f"preprocessing: std is {self.std}, allowed are three positive numbers")

    def normaliser(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """A function from raw RGB images (N, 3, crop, crop) on `device`, 0..255, to the network's float32 input."""
        mean = torch.tensor(self.mean, dtype=torch.float32, device=device)
        mean = mean.reshape(1, 3, *(mean.shape[1:] or (1, 1)))
        std = torch.tensor(self.std, dtype=torch.float32, device=device).reshape(1, 3, 1, 1)

        @lru_cache(maxsize=4)
        def laid_out(height: int, width: int, memory_format: torch.memory_format) -> list[Tensor]:
            return [value.expand(1, 3, height, width).contiguous(memory_format=memory_format) for value in (mean, std)]

        def normalise(images: Real[Tensor, "N 3 H W"]) -> Float[Tensor, "N 3 H W"]:
            images = images.flip(1) if self.channels == "BGR" else images
            # In place, by values that lie in memory as the images do: on a CPU this takes a third of the time.
            last = images.is_contiguous(memory_format=torch.channels_last)
            shift, scale = laid_out(*images.shape[2:], torch.channels_last if last else torch.contiguous_format)
            return images.to(torch.float32, copy=True).div_(255).sub_(shift).div_(scale)

        return normalise

    @property
    def has_channel_mean(self) -> bool:
        """Whether the mean is of channels, so that it fits images of any size, not of pixels."""
        return torch.tensor(self.mean).ndim == 1

    def with_channel_mean(self) -> "Preprocessing":
        """The same for images of any size: in place of a mean for each pixel stands its average over the pixels."""
        if self.has_channel_mean:
            return self
        return replace(self, mean=torch.tensor(self.mean, dtype=torch.float64).mean((1, 2)).tolist())

    def to_json(self) -> str:
        """One line of JSON from which `from_json` makes an equal record."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Preprocessing":
        """The record that `to_json` wrote; ValueError where a field is missing, unknown or of a wrong kind."""
        try:
            fields = json.loads(text)
            return cls(**{**fields, "classes": tuple(fields["classes"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"preprocessing: not a record of this version ({error})") from None
