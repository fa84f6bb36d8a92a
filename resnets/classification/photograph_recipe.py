"""The record of a training run on photographs: how they are cut, coloured, normalised, and tested."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from resnets.classification.recipe import ClassificationRecipe, ClassifierRecipe
from resnets.data.views import Augmentation
from resnets.evaluation.protocols import PAPER_CROP, in_proportion
from resnets.training.recipe import from_dict

LEAST_CROP = 32
"""The networks reduce an image to a thirty-second of its side."""


@dataclass(frozen=True, kw_only=True)
class PhotographRecipe(ClassifierRecipe):
    """A training run of a classifier of photographs; `data` is what `resnets.data.sources.open_photographs` opens."""

    images: Literal["photographs"] = "photographs"
    """Says in a file which record it is."""
    crop: int = PAPER_CROP
    """Side of the square that is cut out of a scaled photograph and tested on, in pixels."""
    resize: int | None = None
    """The shorter side of a photograph that is tested; none: 256 where `crop` is 224, else in proportion to it."""
    view: Literal["shorter-side", "area"] = "shorter-side"
    """How a part of a photograph is drawn: "shorter-side" is ResNet's, "area" GoogLeNet's (`resnets.data.views`)."""
    shorter_side: tuple[int, ...] = ()
    """Least and greatest length of the shorter side; none: 256,480 where `crop` is 224, else in proportion to it."""
    area: float = 0.08
    """The least part of a photograph that "area" shows, 0 to 1."""
    sizes: tuple[int, ...] = ()
    """Sides of the network's input in training, each for an equal part of its epochs; none: `crop` all along."""
    normalisation: Literal["pixel_mean", "channel_mean", "channel_mean_std", "start"] = "pixel_mean"
    """Subtract the mean at each pixel (ResNet), that of each channel (VGG), or this and divide by the channels' std; or
    what the weights of `start` expect, in their order of channels."""
    statistics_images: int | None = None
    """Over how many training photographs, at equal distances, means, std and colours are taken; none: all."""
    colour: float = 0.1
    """Standard deviation of the colour noise along each principal axis (Krizhevsky et al. 2012); 0: none."""
    jitter: float = 0.0
    """Brightness, contrast and saturation are each multiplied by 1 plus or minus up to this; 0: left as they are."""
    colours: Literal["data", "imagenet"] = "data"
    """Whose principal axes: those of the training photographs, or fb.resnet.torch's constants for ImageNet."""

    @property
    def test_side(self) -> int:
        """The shorter side of a photograph that is tested, in pixels."""
        return self.resize or in_proportion(256, self.crop)

    @property
    def shorter_sides(self) -> tuple[int, int]:
        """The shorter side of a photograph that is trained on, in pixels: least and greatest."""
        least, most = self.shorter_side or (in_proportion(256, self.crop), in_proportion(480, self.crop))
        return least, most

    @property
    def augmentation(self) -> Augmentation:
        """How views are drawn."""
        return Augmentation(
            crop=self.view,
            window=self.crop,
            shorter_side=self.shorter_sides,
            area=(self.area, 1.0),
            flip=self.flip,
            colour=self.colour,
            jitter=self.jitter,
        )

    def size_in(self, epoch: int, epoch_size: int) -> int:
        """The side of the network's input in `epoch` (0 is the first) of `epoch_size` photographs."""
        if not self.sizes:
            return self.crop
        done = epoch * epoch_size / (self.iterations * self.batch_size)
        return self.sizes[min(int(done * len(self.sizes)), len(self.sizes) - 1)]

    def problems(self) -> list[str]:
        found = super().problems()
        if self.crop < LEAST_CROP:
            found.append(f"crop is {self.crop}, allowed is {LEAST_CROP} or more")
        if self.resize is not None and self.resize < self.crop:
            found.append(f"resize is {self.resize}, allowed is {self.crop} (crop) or more, or none")
        sides = self.shorter_side
        if sides and not (len(sides) == 2 and self.crop <= sides[0] <= sides[1]):
            given = ",".join(map(str, sides))
            found.append(f"shorter_side is {given}, allowed are two lengths from {self.crop} (crop) on, or none")
        if not 0 < self.area <= 1:
            found.append(f"area is {self.area}, allowed is over 0 to 1")
        if any(size < LEAST_CROP for size in self.sizes):
            found.append(f"sizes is {','.join(map(str, self.sizes))}, allowed are sides from {LEAST_CROP} on")
        if self.sizes and self.normalisation == "pixel_mean":
            found.append("sizes are given, allowed without normalisation=pixel_mean only: it fits one size")
        if self.sizes and self.capture:
            found.append("sizes are given, allowed without capture only: a graph is of one size")
        if self.statistics_images is not None and self.statistics_images < 1:
            found.append(f"statistics_images is {self.statistics_images}, allowed is 1 or more, or none")
        if not 0 <= self.colour < math.inf:
            found.append(f"colour is {self.colour}, allowed is a finite number from 0")
        if not 0 <= self.jitter <= 1:
            found.append(f"jitter is {self.jitter}, allowed is 0 to 1")
        return found


def recipe_from(values: dict[str, Any]) -> ClassifierRecipe:
    """The record that a run has left, of small images or of photographs; ValueError as `from_dict`."""
    return from_dict(PhotographRecipe if "images" in values else ClassificationRecipe, values)
