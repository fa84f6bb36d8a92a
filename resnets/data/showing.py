"""From an encoded photograph to the view of it that a batch holds: as fast as can be, and as Pillow would.

Decoding is the bottleneck of training on photographs. `benchmarks/decoding.py` says what each library takes for each
step, and so why these two: simplejpeg, into memory that is there already and no further down than is needed, and
torch's antialiased scaling, which writes into the batch itself. Both release Python's lock.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from resnets.data import jpeg
from resnets.data.pictures import decode_whole
from resnets.data.views import Box, View

_FINER = 2
"""How many times finer than it is shown a picture must be decoded: what is left is done by a better filter."""
Draw = Callable[[int, int], View]
"""(height, width) of a picture -> how it is shown."""


def show(content: bytes, name: str, draw: Draw, into: UInt8[Tensor, "1 3 S S"]) -> View:
    """Writes the box that `draw` chooses, scaled to S x S pixels, to `into`; the mirroring is left to others.

    A box that is far larger than it is shown is first rounded down to whole 2, 4 or 8 pixels, and JPEGs are decoded to
    a half, a quarter or an eighth of their size, which the decoder does faster; the view that is returned has the box
    that was shown. All else is torchvision's `resized_crop` of the Pillow picture, to two levels of 256. ValueError, of
    one line that begins with `name`, where the picture cannot be read.
    """
    size = into.shape[-1]
    found = jpeg.header(content)
    if found:
        view, part = _rounded(draw(found.height, found.width), size)
        pixels = jpeg.decode(content, found, view.box, part)
        if pixels is not None:
            scale(pixels, into)
            return view
    whole = decode_whole(content, name)
    view, _ = _rounded(draw(*whole.shape[:2]), size)
    top, left, height, width = view.box
    scale(np.ascontiguousarray(whole[top : top + height, left : left + width]), into)
    return view


def _rounded(view: View, size: int) -> tuple[View, int]:
    """The view with its box rounded, and the part of its size at which it can be decoded."""
    least = min(view.box.height, view.box.width)
    for part in (8, 4, 2):
        if least >= _FINER * size * part:
            return view._replace(box=Box(*(edge // part * part for edge in view.box))), part
    return view, 1


def scale(pixels: UInt8[np.ndarray, "h w 3"], into: UInt8[Tensor, "1 3 S S"]) -> None:
    """`pixels` scaled to the size of `into`, bilinear over the whole area that a pixel comes from, as Pillow does it.

    `into` is channels-last. This is what `interpolate(..., mode="bilinear", antialias=True)` calls, which can only
    return new memory: that doubles the time.
    """
    image = torch.from_numpy(pixels[None]).permute(0, 3, 1, 2)
    torch._C._nn._upsample_bilinear2d_aa(image, into.shape[2:], False, None, out=into)  # type: ignore[attr-defined]
