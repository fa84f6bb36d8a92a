"""The order of the images and their augmentation: a pure function of (seed, epoch, index).

Nothing here has a state worth saving. One table of draws an epoch says in which order the images come and how
each of them is cut and mirrored, so a run resumes at any step, and the stream depends neither on the number
of workers nor on that of ranks. The augmentation is that of He et al. 2015a, section 4.2: "4 pixels are
padded on each side, and a 32x32 crop is randomly sampled from the padded image or its horizontal flip".

Shapes: N images, C channels, H x W pixels, B images a batch.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Shaped, UInt8
from torch import Tensor


@dataclass(frozen=True, eq=False)
class EpochDraws:
    """All that is random in one epoch. `top`, `left` and `flip` are indexed by image, not by position."""

    order: Int64[Tensor, "N"]
    """The image at each position: a permutation of 0..N-1."""
    top: Int64[Tensor, "N"]
    """First row of the crop of each image within its padded self, 0 to 2 * padding."""
    left: Int64[Tensor, "N"]
    """First column of that crop."""
    flip: Bool[Tensor, "N"]
    """Whether the crop is mirrored."""


def draw_epoch(seed: int, epoch: int, count: int, padding: int, flip: bool) -> EpochDraws:
    """The draws of one epoch over `count` images, from NumPy's generator seeded with (seed, epoch).

    The order is drawn first, so it does not change with the augmentation. `padding=0` and `flip=False` leave
    every image as it is. ValueError where `seed` is negative.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}, allowed are whole numbers from 0")
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(count)
    top, left = generator.integers(0, 2 * padding + 1, size=(2, count))
    mirrored = generator.integers(0, 2, size=count) == 1 if flip else np.zeros(count, dtype=bool)
    return EpochDraws(*(torch.from_numpy(table) for table in (order, top, left, mirrored)))


class BatchDraws(NamedTuple):
    """Which images make a batch and how each is cut; the fields are as in `EpochDraws`."""

    indices: Int64[Tensor, "B"]
    top: Int64[Tensor, "B"]
    left: Int64[Tensor, "B"]
    flip: Bool[Tensor, "B"]

    def to(self, device: torch.device) -> "BatchDraws":
        """The same on `device`: one transfer, for which the host does not wait."""
        if device.type == "cpu":
            return self
        together = torch.stack([self.indices, self.top, self.left, self.flip.long()])
        together = together.pin_memory() if device.type == "cuda" else together
        indices, top, left, flip = together.to(device, non_blocking=True)
        return BatchDraws(indices, top, left, flip.bool())


class Stream:
    """The epochs joined into one stream without end, cut into batches of exactly `batch_size`.

    No batch is short and no image is dropped.

    Position `step * batch_size + k` of the stream belongs to epoch `position // count`, so a batch may
    straddle two epochs (several, where the set is smaller than the batch). Any step can be asked for, in any
    order.
    """

    def __init__(self, count: int, batch_size: int, seed: int, padding: int, flip: bool) -> None:
        if count < 1 or batch_size < 1:
            raise ValueError(f"a stream of {count} images in batches of {batch_size}: allowed are 1 or more of each")
        self.count, self.batch_size = count, batch_size
        self._seed, self._padding, self._flip = seed, padding, flip
        self._draws: dict[int, EpochDraws] = {}

    def batch(self, step: int) -> BatchDraws:
        """The draws of batch number `step`, from 0: four tensors of exactly `batch_size`, on the CPU."""
        assert step >= 0
        first, last = step * self.batch_size, (step + 1) * self.batch_size
        pieces: list[BatchDraws] = []
        for epoch in range(first // self.count, (last - 1) // self.count + 1):
            draws = self._epoch(epoch)
            start = epoch * self.count
            indices = draws.order[max(first - start, 0) : last - start]
            pieces.append(BatchDraws(indices, draws.top[indices], draws.left[indices], draws.flip[indices]))
        return BatchDraws(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))

    def _epoch(self, epoch: int) -> EpochDraws:
        """The draws of `epoch`; the last two epochs are kept, since a batch may need both."""
        if epoch not in self._draws:
            if len(self._draws) == 2:
                del self._draws[next(iter(self._draws))]
            self._draws[epoch] = draw_epoch(self._seed, epoch, self.count, self._padding, self._flip)
        return self._draws[epoch]


def crop_flip(
    images: Float[Tensor, "N C H W"],
    top: Int64[Tensor, "N"],
    left: Int64[Tensor, "N"],
    flip: Bool[Tensor, "N"],
    padding: int,
    mode: Literal["zeros", "reflect"] = "zeros",
) -> Float[Tensor, "N C H W"]:
    """Pad with `padding` pixels on each side, cut H x W out at (`top`, `left`), mirror where `flip`.

    "zeros" pads images that are already normalised with their mean. "reflect" pads with the image mirrored at its
    outermost pixels, which are not repeated; it needs `padding` to be under H and W. All arguments live on one
    device. The memory format of `images` is kept.
    """
    count, channels, height, width = images.shape
    columns = torch.arange(width, device=images.device)
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.where(flip[:, None], columns.flip(0), columns)
    if mode == "reflect":  # what is padded are pixels of the image itself: only the index changes
        padded, rows, columns = images, _reflected(rows - padding, height), _reflected(columns - padding, width)
    else:
        padded = F.pad(images, (padding,) * 4)
    # One gather for the whole batch, its index shared by the channels: the fastest of seven ways on a CPU.
    pixels = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
    pixels = pixels.view(count, 1, height * width).expand(count, channels, height * width)
    cut = padded.flatten(2).gather(2, pixels).view(count, channels, height, width)
    kept = torch.channels_last if _is_channels_last(images) else torch.contiguous_format
    return cut.contiguous(memory_format=kept)


def mirror(images: Shaped[Tensor, "N C H W"], flip: Bool[Tensor, "N"]) -> Shaped[Tensor, "N C H W"]:
    """The images, mirrored where `flip`; the memory format is kept."""
    if images.device.type == "cpu":  # ten times as fast, one after the other
        images = images.clone()
        for index in flip.nonzero().flatten().tolist():
            images[index] = images[index].flip(2)
        return images
    return torch.where(flip[:, None, None, None], images.flip(3), images)


class PrincipalColours(NamedTuple):
    """The principal axes of the colours of a set of images, RGB in [0, 1]."""

    variances: tuple[float, float, float]
    """Along each axis: the eigenvalues of the covariance over all pixels."""
    axes: tuple[tuple[float, float, float], ...]
    """Rows for red, green and blue, a column for each axis."""


IMAGENET_COLOURS = PrincipalColours(
    (0.2175, 0.0188, 0.0045),
    ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203)),
)
"""Of ImageNet's training images, as fb.resnet.torch has them."""


def principal_colours(covariance: Float[Tensor, "3 3"]) -> PrincipalColours:
    """The axes of a covariance of RGB values in [0, 1], the longest first, each with its largest component positive."""
    variances, axes = torch.linalg.eigh(covariance.double())
    variances, axes = variances.clamp(min=0).flip(0), axes.flip(1)
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    rows = (axes * largest.sign()).tolist()
    return PrincipalColours(tuple(variances.tolist()), tuple(tuple(row) for row in rows))


def colour_shift(moves: Float[Tensor, "N 3"], colours: PrincipalColours) -> Float[Tensor, "N 3"]:
    """What is added to red, green and blue, in [0, 1], of images moved by `moves` along the axes of `colours`.

    The colour noise of Krizhevsky et al. 2012, section 4.1, where each move is drawn from a normal distribution of
    standard deviation 0.1 and counts in units of the variance along its axis.
    """
    axes = torch.tensor(colours.axes, device=moves.device, dtype=moves.dtype)
    return (moves * moves.new_tensor(colours.variances)) @ axes.T


GREY = (0.299, 0.587, 0.114)
"""The brightness of red, green and blue (ITU-R BT.601)."""


def jitter(images: UInt8[Tensor, "N 3 H W"], factors: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3 H W"]:
    """RGB images whose brightness, contrast and saturation are multiplied by `factors`, a row an image; float32.

    The three of fb.resnet.torch: a picture is blended with black, with its mean grey, and at each pixel with its grey.
    That code does so in a random order. As it clips nothing, which order does not matter: the grey of a pixel is what
    it was after its saturation has changed, and brightness takes the mean along. So all three are done at once; values
    may lie outside of 0..255. The memory format is kept.
    """
    light, contrast, depth = factors[:, :, None, None, None].unbind(1)
    pixels = images.float()
    red, green, blue = pixels.split(1, 1)
    grey = GREY[0] * red + GREY[1] * green + GREY[2] * blue
    mean = grey.mean((2, 3), keepdim=True)
    shared = grey.mul_(light * contrast * (1 - depth)).add_(light * (1 - contrast) * mean)
    return pixels.mul_(light * contrast * depth).add_(shared)


def _reflected(index: Tensor, size: int) -> Tensor:
    """Positions outside 0..size-1 mirrored into it: -1 is 1, `size` is size - 2."""
    return size - 1 - (size - 1 - index.abs()).abs()


def _is_channels_last(images: Tensor) -> bool:
    return images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
