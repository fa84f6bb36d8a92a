"""Pictures that look alike: the same one at another size or quality, as another format, a little brighter.

    N pictures

Each leaves a mark of 19 bytes: whether brightness rises from one pixel to the next in a picture of 9x8 pixels, and
downwards in one of 8x9 (a difference hash, 128 bits), and its average colour. Two are near where at most seven bits
differ and no channel of the colour by more than 16 of 256. Parts of a picture and mirror images are not found.
Source of the hash: Neal Krawetz, "Kind of Like That", hackerfactor.com, 2013.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8
from PIL import Image

BITS, COLOUR = 7, 16
_PARTS = BITS + 1
"""With so many parts, two hashes that differ in no more than `BITS` bits have one part that is equal."""
_ONES = np.array([number.bit_count() for number in range(256)], dtype=np.uint8)


def mark(pixels: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "19"]:
    """What is compared of a picture."""
    picture = Image.fromarray(pixels)
    grey = picture.convert("L")
    across = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
    down = np.asarray(grey.resize((8, 9), Image.Resampling.BOX))
    rises = np.concatenate([(across[:, 1:] > across[:, :-1]).ravel(), (down[1:] > down[:-1]).ravel()])
    colour = np.asarray(picture.resize((1, 1), Image.Resampling.BOX)).ravel()
    return np.concatenate([np.packbits(rises), colour])


def near(marks: UInt8[np.ndarray, "N 19"]) -> list[list[int]]:
    """Groups of indices, each of two pictures or more, in which everyone is near another one; in order."""
    distinct, which = np.unique(marks, axis=0, return_inverse=True)
    leader = np.arange(len(distinct))
    for one, others in _pairs(distinct):
        for other in others:
            a, b = _first(leader, one), _first(leader, int(other))
            leader[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {}
    for index, place in enumerate(which.ravel().tolist()):
        groups.setdefault(_first(leader, place), []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def _first(leader: np.ndarray, place: int) -> int:
    while leader[place] != place:
        leader[place] = leader[leader[place]]
        place = int(leader[place])
    return place


def _pairs(marks: UInt8[np.ndarray, "N 19"]) -> Iterator[tuple[int, np.ndarray]]:
    """Each mark with those behind it that are near, once or several times."""
    colours = marks[:, 16:].astype(np.int16)
    for parts in np.split(marks[:, :16], _PARTS, axis=1):
        values = parts.astype(np.uint16) @ np.array([256, 1], dtype=np.uint16)
        order = np.argsort(values, kind="stable")
        for same in np.split(order, np.flatnonzero(np.diff(values[order])) + 1):
            for place, one in enumerate(same[:-1]):
                others = same[place + 1 :]
                bits = _ONES[marks[others, :16] ^ marks[one, :16]].sum(axis=1)
                colour = np.abs(colours[others] - colours[one]).max(axis=1)
                if (found := others[(bits <= BITS) & (colour <= COLOUR)]).size:
                    yield int(one), found
