"""Pictures that look alike: found whatever was done to the same one, and no others; groups against all pairs."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from photographs import encoded, textured
from PIL import Image, ImageEnhance, ImageFilter

from resnets.data.near import BITS, COLOUR, mark, near

PICTURES = [textured(120 + 7 * seed, 160 - 5 * seed, seed).filter(ImageFilter.GaussianBlur(3)) for seed in range(12)]


def marked(picture: Image.Image) -> np.ndarray:
    return mark(np.asarray(picture.convert("RGB")))


def differ(a: np.ndarray, b: np.ndarray) -> tuple[int, int]:
    """By how many bits, and by how much a channel of the colour does."""
    bits = sum(int(x ^ y).bit_count() for x, y in zip(a[:16], b[:16], strict=True))
    return bits, max(abs(int(x) - int(y)) for x, y in zip(a[16:], b[16:], strict=True))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "smaller": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "another shape": lambda picture: picture.resize((picture.width, picture.height - 20)),
    "poor": lambda picture: Image.open(io.BytesIO(encoded(picture, quality=20))),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.08),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_done_to_a_picture_leaves_it_near(change: str) -> None:
    marks = np.stack([marked(made) for picture in PICTURES for made in (picture, CHANGES[change](picture))])
    assert near(marks) == [[2 * i, 2 * i + 1] for i in range(len(PICTURES))]


def test_what_is_not_near() -> None:
    flat = [Image.new("RGB", (50, 40), colour) for colour in ("red", "blue", "grey", "red")]
    marks = np.stack(
        [marked(picture) for picture in (*flat, *PICTURES, PICTURES[0].transpose(Image.Transpose.ROTATE_90))]
    )
    assert near(marks) == [[0, 3]]


def test_groups_are_those_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    marks = random.integers(0, 256, (60, 19), dtype=np.uint8)
    for index in (
        index for index in range(60) if index % 4
    ):  # some bits and levels away from the one before: near or just not
        marks[index] = marks[index - 1]
        for bit in random.choice(128, random.integers(0, BITS + 3), replace=False):
            marks[index, bit // 8] ^= np.uint8(1 << (bit % 8))
        marks[index, 16 + index % 3] = np.clip(
            int(marks[index, 16 + index % 3]) + random.integers(0, COLOUR + 3), 0, 255
        )
    together = np.eye(60, dtype=bool)
    for i in range(60):
        for j in range(60):
            bits, colour = differ(marks[i], marks[j])
            together[i, j] |= bits <= BITS and colour <= COLOUR
    for _ in range(6):
        together = together @ together
    expected = {tuple(np.flatnonzero(row).tolist()) for row in together if row.sum() > 1}
    assert {tuple(group) for group in near(marks)} == expected
    assert {len(group) for group in expected} == {2, 3, 4}
    assert len(expected) > 10


@pytest.mark.parametrize("same", range(8))
def test_seven_bits_wherever_they_are(same: int) -> None:
    """One in each part of the hash but `same`: by that part alone they can be found. With the eighth it is no more."""
    marks = np.random.default_rng(same).integers(0, 256, (2, 19), dtype=np.uint8)
    marks[1] = marks[0]
    marks[1, [2 * part + part % 2 for part in range(8) if part != same]] ^= np.uint8(4)
    assert near(marks) == [[0, 1]]
    marks[1, 2 * same] ^= np.uint8(1)
    assert near(marks) == []
