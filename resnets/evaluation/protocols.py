"""How a picture is viewed, and how views become scores.

    P pictures   V views of each   C classes   H, W in pixels

    single     the square in the middle of the picture
    ten-crop   four corners and the middle, of the picture and of its mirror image
    dense      the whole picture at several scales, the network applied at every position (`dense.py`)

What is averaged are softmax probabilities: over views, over scales, over networks. The release averages them over the
ten crops (KaimingHe/deep-residual-networks). Only over the positions of one dense view are logits averaged.
Source: arXiv:1512.03385, sections 3.4 and 4.1.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from resnets.data.pictures import centre_crop
from resnets.models.modes import modes_kept
from resnets.preprocessing import Preprocessing
from resnets.ranks import each
from resnets.runtime import autocast

PAPER_SCALES, PAPER_CROP = (224, 256, 384, 480, 640), 224
"""Shorter sides in pixels, of the dense protocol for networks that are trained on crops of 224 pixels."""


@dataclass(frozen=True)
class Protocol:
    """One way of testing: a picture is brought to some `scales`, and at each there are some `views` of it."""

    name: str
    scales: tuple[int, ...]
    """Shorter sides in pixels."""
    views: Callable[[UInt8[Tensor, "3 _ _"]], UInt8[Tensor, "V 3 _ _"]]
    """From the picture at one scale; all views of it have one size."""
    flips: bool
    """Whether there is the mirror image of every view."""
    whole: bool = False
    """Whether views are larger than the network's crop, so that it has to be made fully convolutional."""

    @property
    def settings(self) -> dict[str, Any]:
        """What it is, as plain values; two protocols with equal settings give equal scores."""
        return {"protocol": self.name, "scales": list(self.scales), "flips": self.flips}


def in_proportion(side: int, crop: int) -> int:
    """A side that the paper gives for crops of 224 pixels, for others."""
    return round(side * crop / PAPER_CROP)


def _single(expected: Preprocessing, scales: tuple[int, ...], flips: bool) -> Protocol:
    return Protocol("single", (expected.resize,), partial(_middle, crop=expected.crop), flips=False)


def _ten_crop(expected: Preprocessing, scales: tuple[int, ...], flips: bool) -> Protocol:
    return Protocol("ten-crop", (expected.resize,), partial(ten_crops, crop=expected.crop), flips=True)


def _dense(expected: Preprocessing, scales: tuple[int, ...], flips: bool) -> Protocol:
    scales = scales or tuple(in_proportion(side, expected.crop) for side in PAPER_SCALES)
    if small := [side for side in scales if side < expected.crop]:
        raise ValueError(f"scales has {small[0]}, allowed are sides from {expected.crop}, the network's crop")
    return Protocol("dense", scales, with_mirrored if flips else _alone, flips, whole=True)


PROTOCOLS: dict[str, Callable[[Preprocessing, tuple[int, ...], bool], Protocol]] = {
    "single": _single,
    "ten-crop": _ten_crop,
    "dense": _dense,
}
"""By name. What a network expects of a picture, and for the dense one the scales and whether there are flips, make a
protocol. Without scales these are the paper's, in proportion to the crop; the paper does not say whether it flips."""


# ---------------------------------------------------------------------------------------------------------------
# Views


def _alone(picture: UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "1 3 H W"]:
    return picture[None]


def _middle(picture: UInt8[Tensor, "3 _ _"], crop: int) -> UInt8[Tensor, "1 3 crop crop"]:
    return centre_crop(picture, crop)[None]


def with_mirrored(picture: UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "2 3 H W"]:
    """The picture and its mirror image."""
    return torch.stack([picture, picture.flip(2)])


def ten_crops(picture: UInt8[Tensor, "3 _ _"], crop: int) -> UInt8[Tensor, "10 3 crop crop"]:
    """Corners (upper left, upper right, lower left, lower right) and middle of the picture, then of its mirror image.

    As torchvision's `TenCrop` has them: where a pixel is left over, both middles leave it on the same side.
    """
    return torch.stack([view for image in (picture, picture.flip(2)) for view in _five_crops(image, crop)])


def _five_crops(image: UInt8[Tensor, "3 _ _"], crop: int) -> list[UInt8[Tensor, "3 crop crop"]]:
    upper, lower = image[:, :crop], image[:, -crop:]
    corners = [part for half in (upper, lower) for part in (half[:, :, :crop], half[:, :, -crop:])]
    return [*corners, centre_crop(image, crop)]


# ---------------------------------------------------------------------------------------------------------------
# Scores


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Inference mode; the model is left in the mode it was found in, module by module."""
    with modes_kept(model), torch.no_grad():
        model.eval()
        yield


def probabilities(
    network: Callable[[Tensor], Tensor],
    images: UInt8[Tensor, "N 3 H W"],
    normalise: Callable[[Tensor], Tensor],
    precision: str,
) -> Float[Tensor, "N C"]:
    """Softmax of what `network` makes of `images` (RGB), float32 on the CPU."""
    x = normalise(images).to(memory_format=torch.channels_last)
    with autocast(images.device, precision):
        logits = network(x)
    return logits.float().softmax(1).cpu()


def single_view(
    model: nn.Module,
    images: UInt8[Tensor, "N 3 H W"],
    normalise: Callable[[Tensor], Tensor],
    precision: str = "fp32",
    batch_size: int = 500,
) -> Float[Tensor, "N C"]:
    """Softmax probabilities, float32 on the CPU, of `images` (uint8, already cropped), in inference mode.

    `batch_size` is a matter of memory only. Ranks share the batches, and each has the scores of all.
    """
    with inference(model):
        return torch.cat(
            each(images.split(batch_size), lambda batch: probabilities(model, batch, normalise, precision))
        )
