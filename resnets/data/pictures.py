"""From an encoded picture to the pixels that a network is shown: the one way, for all.

Size and crop are computed as torchvision's `Resize` and `CenterCrop` do, so that imported weights see what
they were evaluated on.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

LARGEST_VIEW = 1 << 24
"""Pixels of a scaled picture that a network is shown whole. The maps of a larger one would fill the memory; with a
shorter side of 640 its longer one is 26,000."""
_MOST_PIXELS = 1 << 28
"""Of a scaled picture: a strip of one pixel's width, scaled by its shorter side, would fill the memory."""


def read_picture(path: Path | str, resize: int, crop: int) -> UInt8[Tensor, "3 crop crop"]:
    """The picture in `path` as uint8 RGB (3, crop, crop): shorter side scaled to `resize`, centre cut out.

    ValueError, of one line, where `read_scaled` raises one or `crop` is larger than `resize`.
    """
    if not 0 < crop <= resize:
        raise ValueError(f"crop is {crop}, allowed is 1 to resize ({resize})")
    (picture,) = read_scaled(path, str(path), [resize])
    return centre_crop(picture, crop)


def read_scaled(source: Path | str | bytes, name: str, sides: Sequence[int]) -> list[UInt8[Tensor, "3 _ _"]]:
    """The whole picture in a file, or in its bytes, once for each of `sides`: its shorter side in pixels.

    Scaling is bilinear over the whole area that a pixel comes from (Pillow's BILINEAR); a picture whose
    shorter side is right already keeps its pixels. The orientation in its EXIF data is applied, the first
    frame of an animation is taken, transparency is laid over white, and grey of 16 bits is rounded to 8; of colours of
    16 bits Pillow takes the upper 8.
    ValueError, of one line that begins with `name`, where it cannot be read as a picture.
    """
    with _readable(name):
        picture = _opened(source)
        return [_pixels(_scaled(picture, side)) for side in sides]


def centre_crop(picture: UInt8[Tensor, "3 _ _"], crop: int) -> UInt8[Tensor, "3 crop crop"]:
    """The square in the middle of a picture that is large enough; of an odd pixel, half is rounded to even."""
    top, left = (round((side - crop) / 2) for side in picture.shape[1:])
    return picture[:, top : top + crop, left : left + crop].contiguous()


def decode_whole(content: bytes, name: str) -> UInt8[np.ndarray, "H W 3"]:
    """All pixels of an encoded picture, RGB, as `read_scaled` sees them; ValueError as there."""
    with _readable(name):
        return np.array(_opened(content))


def reduced(content: bytes, name: str, shorter_side: int, quality: int) -> bytes:
    """An encoded picture made smaller, as a JPEG; the very bytes where it is no larger. ValueError as above."""
    with _readable(name):
        picture = _opened(content)
        if min(picture.size) <= shorter_side:
            return content
        stored = BytesIO()
        _scaled(picture, shorter_side).save(stored, "JPEG", quality=quality, subsampling="4:2:0")
    return stored.getvalue()


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Whatever is raised within becomes one line that begins with `name`."""
    try:
        yield
    except UnidentifiedImageError:
        raise ValueError(f"{name}: not a readable picture (of no format that Pillow knows)") from None
    except Exception as error:  # decoders raise whatever they like: SyntaxError, struct.error, ...
        raise ValueError(f"{name}: not a readable picture ({why_not(error)})") from None


def why_not(error: Exception) -> str:
    """In a line what a decoder or the file system says against a picture."""
    if isinstance(error, Image.DecompressionBombError):
        return f"more pixels than the {2 * (Image.MAX_IMAGE_PIXELS or 0):,} that are decoded at most"
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def _opened(source: Path | str | bytes) -> Image.Image:
    """The picture, upright and in mode RGB."""
    with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as opened:
        return _rgb(ImageOps.exif_transpose(opened))


def _pixels(picture: Image.Image) -> UInt8[Tensor, "3 _ _"]:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def _rgb(picture: Image.Image) -> Image.Image:
    """`picture` in mode RGB, 8 bits a channel."""
    if picture.mode == "F":
        raise ValueError("floating-point values, whose range is not known")
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("values outside 0 to 65535")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _scaled(picture: Image.Image, resize: int) -> Image.Image:
    """`picture` with its shorter side of `resize` pixels, the longer one rounded down."""
    short, long = sorted(picture.size)
    if short == resize:
        return picture
    width, height = (int(resize * side / short) for side in picture.size)
    if width * height > _MOST_PIXELS:
        raise ValueError(f"{long} pixels long and {short} wide, too narrow to scale to {resize} wide")
    return picture.resize((width, height), Image.Resampling.BILINEAR)
