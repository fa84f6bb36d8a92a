"""JPEG pictures decoded only as far as they are needed: down to the last row wanted, and at a fraction of their size.

What is decoded at full size is equal, bit for bit, to what Pillow makes of the file: both use libjpeg-turbo, with the
accurate transform and smooth chroma. Everything unusual is left to Pillow (`resnets.data.pictures`).
"""

import threading
from typing import NamedTuple

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image

from resnets.data.views import Box

_BASELINE, _SEQUENTIAL, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
"""Lossless, hierarchical, or with arithmetic coding."""
_SCAN, _APP1 = 0xDA, 0xE1
_MOST_PIXELS, _MOST_DECODED = 1 << 26, 1 << 25
"""Of a picture, and of what is decoded of it. One that says it is larger goes to Pillow, which knows what to refuse."""
_ORIENTATION = 0x0112
_REST_SKIPPED = "extraneous bytes before marker 0xd9"
"""What the decoder says where rows below those it was asked for were passed over up to the end of the picture."""


class Header(NamedTuple):
    """What is needed before decoding."""

    height: int
    width: int
    height_at: int | None
    """Where the height stands in the file, if rows can be left out: in sequential pictures."""
    block: int
    """Rows that are coded together."""


def header(data: bytes) -> Header | None:
    """The header of a picture that `decode` can do; None for whatever else the bytes may be.

    That is JPEG of 8 bits, grey or of three colours, sequential or progressive, upright by its EXIF and XMP data.
    """
    try:
        return _header(data) if data[:2] == b"\xff\xd8" else None
    except Exception:  # broken, or metadata that Pillow stumbles over
        return None


def _header(data: bytes) -> Header | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (_BASELINE, _SEQUENTIAL, _PROGRESSIVE):
            bits, components = data[at + 4], data[at + 9]
            height, width = (int.from_bytes(data[at + k : at + k + 2], "big") for k in (5, 7))
            if bits != 8 or components not in (1, 3) or not 0 < height * width <= _MOST_PIXELS:
                return None
            block = 8 * max(data[at + 11 + 3 * component] & 15 for component in range(components))
            return Header(height, width, None if marker == _PROGRESSIVE else at + 5, block)
        if marker in _OTHER_FRAMES or marker == _SCAN or length < 2:
            return None
        if marker == _APP1 and not _upright(data[at + 4 : at + 2 + length]):
            return None
        at += 2 + length
    return None


def _upright(metadata: bytes) -> bool:
    """Whether a segment of metadata does not ask for the picture to be turned."""
    if metadata.startswith(b"Exif\0\0"):
        exif = Image.Exif()
        exif.load(metadata)
        return exif.get(_ORIENTATION, 1) == 1
    return b"tiff:Orientation" not in metadata


def complaint(data: bytes) -> str | None:
    """The first thing that the decoder finds wrong with a picture of the usual kind, None where there is nothing."""
    found = header(data)
    try:
        if found and found.height * found.width <= _MOST_DECODED:
            _pixels(data, found.height, found.width, 1)
    except ValueError as error:
        return str(error)
    return None


def decode(data: bytes, found: Header, box: Box, part: int) -> UInt8[np.ndarray, "h w 3"] | None:
    """The pixels in `box`, RGB, at 1 / `part` of their size: 1, 2, 4 or 8, of which the box's edges are multiples.

    None where the decoder finds something to complain about: Pillow decides about that. Below the box, only the end of
    the picture is looked for.
    """
    if found.height * found.width > _MOST_DECODED * part**2:
        return None
    pixels = _upper(data, found, box.top + box.height, part)
    if pixels is None:
        try:
            pixels = _pixels(data, found.height, found.width, part)
        except ValueError:
            return None
    top, left, height, width = (edge // part for edge in box)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def _upper(data: bytes, found: Header, bottom: int, part: int) -> np.ndarray | None:
    """The rows above `bottom` and some more: the file is said to be less high. None where that does not work.

    Smoothing the chroma looks one row of it further, which stands for two rows of the picture.
    """
    rows = -(-(bottom + 2 * part) // found.block) * found.block
    if found.height_at is None or rows >= found.height:
        return None
    shorter = bytearray(data)
    shorter[found.height_at : found.height_at + 2] = rows.to_bytes(2, "big")
    try:
        return _pixels(shorter, rows, found.width, part)
    except ValueError as error:
        # It is the first complaint that is raised, and this one comes when all rows have been written.
        return _buffers.shaped(rows, found.width, part) if str(error).endswith(_REST_SKIPPED) else None


def _pixels(data: bytes | bytearray, rows: int, columns: int, part: int) -> np.ndarray:
    """All pixels, in this thread's buffer; ValueError with the decoder's first complaint."""
    into = _buffers.shaped(rows, columns, part)
    height, width, _ = into.shape
    return simplejpeg.decode_jpeg(data, min_height=height, min_width=width, min_factor=part, buffer=into)


class _Buffers(threading.local):
    """Memory that a thread decodes into, again and again: fresh memory costs as much as resizing does."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def shaped(self, rows: int, columns: int, part: int) -> np.ndarray:
        """Room for a picture of `rows` x `columns` pixels at 1 / `part` of its size, the same for the same picture."""
        height, width = -(-rows // part), -(-columns // part)
        size = height * width * 3
        if size > len(self._bytes):
            self._bytes = np.empty(size, np.uint8)
        return self._bytes[:size].reshape(height, width, 3)


_buffers = _Buffers()
