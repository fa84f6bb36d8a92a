"""Which part of a photograph is shown in training, and how: a pure function of (seed, epoch, index).

`resnets.data.augment` does this for small images of one size, from one table of draws an epoch. Photographs have sizes
of their own, known only once they are read, and there are a million of them: so each draws for itself, from a
generator that is placed by its key (seed, epoch) and its counter (index) and keeps no state (Philox: Salmon et al.
2011, "Parallel random numbers: as easy as 1, 2, 3").
"""

import math
import threading
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

CROPS = ("shorter-side", "area")
_ATTEMPTS = 10


class Box(NamedTuple):
    """A part of a picture, in whole pixels."""

    top: int
    left: int
    height: int
    width: int


class View(NamedTuple):
    """How one photograph is shown in one epoch."""

    flip: bool
    """Whether it is mirrored."""
    colour: tuple[float, float, float]
    """How far its colours are moved along each of their principal axes, in units of the variance along it."""
    box: Box
    """The part of it that is shown, scaled to the size of the network's input."""
    jitter: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """What its brightness, contrast and saturation are multiplied by."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How views are drawn.

    "shorter-side" is the paper's (arXiv:1512.03385, section 3.4): the picture is scaled so that its shorter side has
    a whole number of pixels, uniform in `shorter_side`, and a square of `window` pixels is cut out anywhere. The
    square is computed in pixels of the picture as it is, rounded to whole ones, so that nothing need be scaled that
    is not shown. "area" is that of Szegedy et al. 2014: a part of so much of the picture's `area`, of so much
    `aspect` (width / height, uniform in its logarithm); ten attempts, then the largest central part, as torchvision's
    RandomResizedCrop has it.
    """

    crop: str = "shorter-side"
    """One of `CROPS`."""
    window: int = 224
    shorter_side: tuple[int, int] = (256, 480)
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True
    """Whether half of the views are mirrored."""
    colour: float = 0.1
    """Standard deviation of the move along each principal axis of colour (Krizhevsky et al. 2012); 0: none."""
    jitter: float = 0.0
    """Brightness, contrast and saturation are each multiplied by 1 plus or minus up to this; 0: left as they are."""

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise ValueError(f"crop is {self.crop!r}, allowed are {', '.join(CROPS)}")
        least, most = self.shorter_side
        if not 0 < self.window <= least <= most:
            allowed = f"two lengths from window ({self.window}) on, the smaller first"
            raise ValueError(f"shorter_side is {least},{most}, allowed are {allowed}")
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(f"area is {self.area[0]:g},{self.area[1]:g}, allowed are two shares over 0, up to 1")
        if not 0 < self.aspect[0] <= self.aspect[1] < math.inf:
            raise ValueError(f"aspect is {self.aspect[0]:g},{self.aspect[1]:g}, allowed are two positive numbers")
        if not 0 <= self.colour < math.inf:
            raise ValueError(f"colour is {self.colour:g}, allowed are numbers from 0")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is {self.jitter:g}, allowed is 0 to 1")

    def view(self, seed: int, epoch: int, index: int, height: int, width: int) -> View:
        """The view in `epoch` of the photograph at `index`, which is `height` x `width` pixels large."""
        generator = _generators.at(seed, epoch, index)
        mirrored, *first = generator.random(5).tolist()
        one, two, three = (self.colour * generator.standard_normal(3)).tolist() if self.colour else (0.0, 0.0, 0.0)
        light, contrast, depth = (1 + self.jitter * generator.uniform(-1, 1, 3)).tolist() if self.jitter else (1.0,) * 3
        if self.crop == "shorter-side":
            box = _shorter_side_box(self, first, height, width)
        else:
            box = _area_box(self, first, generator, height, width)
        return View(self.flip and mirrored < 0.5, (one, two, three), box, (light, contrast, depth))


def _shorter_side_box(recipe: Augmentation, first: list[float], height: int, width: int) -> Box:
    """The box for numbers from 0 to 1: how long the shorter side is, and where the square lies."""
    scale, down, across, _ = first
    least, most = recipe.shorter_side
    short = min(height, width)
    side = max(1, round(recipe.window * short / (least + int(scale * (most - least + 1)))))
    return Box(int(down * (height - side + 1)), int(across * (width - side + 1)), side, side)


def _area_box(recipe: Augmentation, first: list[float], generator: np.random.Generator, height: int, width: int) -> Box:
    """The box for four numbers from 0 to 1, area, aspect and place; where it does not fit the next four are drawn."""
    (least, most), aspects = recipe.area, recipe.aspect
    low, high = (math.log(aspect) for aspect in aspects)
    for _ in range(_ATTEMPTS):
        size, shape, down, across = first
        area = height * width * (least + size * (most - least))
        aspect = math.exp(low + shape * (high - low))
        wide, tall = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            return Box(int(down * (height - tall + 1)), int(across * (width - wide + 1)), tall, wide)
        first = generator.random(4).tolist()
    # The picture is longer than any aspect allowed: as much of it as one of them shows.
    aspect = min(max(width / height, aspects[0]), aspects[1])
    tall, wide = min(height, round(width / aspect)), min(width, round(height * aspect))
    tall, wide = max(1, tall), max(1, wide)
    return Box((height - tall) // 2, (width - wide) // 2, tall, wide)


class _Generators(threading.local):
    """One generator a thread, placed anew for every view: three times as fast as a new one each time."""

    def __init__(self) -> None:
        self._bits = np.random.Philox(0)
        self._generator = np.random.Generator(self._bits)
        self._state = self._bits.state

    def at(self, seed: int, epoch: int, index: int) -> np.random.Generator:
        """The same as `Generator(Philox(key=(epoch << 64) + seed, counter=index << 64))`."""
        self._state["state"]["key"][:] = seed, epoch
        self._state["state"]["counter"][:] = 0, index, 0, 0
        self._bits.state = self._state
        return self._generator


_generators = _Generators()
