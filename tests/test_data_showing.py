"""Photographs as batches hold them: the pixels that Pillow and torchvision would have, of every kind of picture."""

import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF
from photographs import decoded, encoded, textured
from PIL import Image, ImageOps
from torch import Tensor

from resnets.data import jpeg, showing
from resnets.data.showing import show
from resnets.data.views import CROPS, Augmentation, Box, View

NONE = (0.0, 0.0, 0.0)
BOXES = (Box(0, 0, 130, 130), Box(61, 43, 50, 70), Box(70, 110, 130, 90), Box(199, 0, 1, 200))


def shown(content: bytes, box: Box, size: int, shows: Box | None = None) -> Tensor:
    """(3, size, size), in a place between two others that must stay as they are."""
    batch = torch.full((3, size, size, 3), 7, dtype=torch.uint8).permute(0, 3, 1, 2)
    assert show(content, "a.jpg", lambda height, width: View(False, NONE, box), batch[1:2]).box == (shows or box)
    assert (batch[::2] == 7).all()
    return batch[1]


def torchvisions(picture: Image.Image, box: Box, size: int) -> Tensor:
    image: Any = picture  # which is allowed, but not declared
    cut = TF.resized_crop(image, *box, size=[size, size], interpolation=TF.InterpolationMode.BILINEAR)
    return torch.from_numpy(np.array(cut)).permute(2, 0, 1)


def near(ours: Tensor, exact: Tensor) -> bool:
    """Equal, but for a level in some places and seldom two: the weights of the filter are rounded in another way."""
    away = (ours.int() - exact.int()).abs()
    return bool(away.max() <= 2 and away.float().mean() < 0.25)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's decoder is out of reach."""
    monkeypatch.setattr(showing, "decode_whole", None)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_pixels_are_torchvisions_on_the_fast_way(subsampling: str, progressive: bool, fast: None) -> None:
    content = encoded(textured(200, 203), subsampling=subsampling, progressive=progressive)
    found = jpeg.header(content)
    assert found is not None
    for box in BOXES:
        pixels = jpeg.decode(content, found, box, 1)
        left, top = box.left, box.top
        cut = decoded(content).crop((left, top, left + box.width, top + box.height))
        assert pixels is not None
        assert np.array_equal(pixels, np.asarray(cut))
        for size in (64, 96):
            assert near(shown(content, box, size), torchvisions(decoded(content), box, size))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("restart", [0, 1])
def test_grey_and_restart_markers_too(mode: str, restart: int, fast: None) -> None:
    content = encoded(textured(200, 203).convert(mode), restart_marker_rows=restart)
    assert near(shown(content, BOXES[1], 64), torchvisions(decoded(content), BOXES[1], 64))


def test_rows_below_the_box_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    content, rows = encoded(textured(400, 100), subsampling="4:2:0"), []
    real = jpeg._pixels
    monkeypatch.setattr(jpeg, "_pixels", lambda data, height, *rest: rows.append(height) or real(data, height, *rest))
    for bottom, decoded_rows in ((90, 96), (94, 96), (95, 112), (382, 384), (383, 400)):
        shown(content, Box(bottom - 80, 10, 80, 80), 64)
        assert rows.pop() == decoded_rows


@pytest.mark.parametrize("part", [2, 4, 8])
def test_large_boxes_are_decoded_smaller_and_stay_where_they_are(part: int, fast: None) -> None:
    """Beside Pillow's pixels of the same box, and of boxes that lie a little off."""
    size, side = 32, 2 * 32 * part
    content = encoded(textured(side + 61, side + 87), subsampling="4:2:0")
    box = Box(24, 40, side, side)
    ours = shown(content, Box(24 + part - 1, 40, side + part - 1, side), size, shows=box).float()

    def away(top: int, left: int) -> float:
        exact = torchvisions(decoded(content), box._replace(top=box.top + top, left=box.left + left), size)
        return (ours - exact.float()).square().mean().sqrt().item()

    assert away(0, 0) < 255 * 10 ** (-38 / 20), "less than 38 dB"
    assert away(0, 0) < min(away(*moved) for moved in ((part, 0), (-part, 0), (0, part), (0, -part))) / 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_boxes_are_rounded_alike_for_every_kind_of_picture(kind: str) -> None:
    content = encoded(textured(300, 300), kind)
    shown(content, Box(11, 13, 127, 250), 32)
    shown(content, Box(11, 13, 129, 250), 32, shows=Box(10, 12, 128, 250))
    shown(content, Box(11, 13, 259, 257), 32, shows=Box(8, 12, 256, 256))


# ---------------------------------------------------------------------------------------------------------------
# Odd pictures: Pillow's way


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(textured(90, 120), exif=exif)


def _transparent() -> Image.Image:
    picture = textured(90, 120).convert("RGBA")
    picture.putalpha(100)
    return picture


ODD = {
    "CMYK": encoded(textured(90, 120).convert("CMYK")),
    "PNG": encoded(textured(90, 120), "PNG"),
    "16 bit": encoded(Image.fromarray((np.arange(90 * 120).reshape(90, 120) * 6).astype(np.uint16)), "PNG"),
    "palette": encoded(textured(90, 120).quantize(16), "PNG"),
    "GIF": encoded(textured(90, 120), "GIF"),
    "WEBP": encoded(textured(90, 120), "WEBP"),
    "turned": _turned(),
    "transparent": encoded(_transparent(), "PNG"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_pictures_are_seen_as_they_are_in_testing(kind: str) -> None:
    whole = ImageOps.exif_transpose(Image.open(io.BytesIO(ODD[kind])))
    if kind == "16 bit":
        whole = Image.fromarray((np.asarray(whole).astype(int) / 257).round().astype(np.uint8))
    elif kind == "transparent":
        whole = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole)
    assert whole.size == ((90, 120) if kind == "turned" else (120, 90))
    box = Box(20, 10, 60, 50)
    assert near(shown(ODD[kind], box, 32), torchvisions(whole.convert("RGB"), box, 32))


def test_an_orientation_that_asks_for_nothing_is_no_oddity(fast: None) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    exif[0x010F] = "maker"
    content = encoded(textured(90, 120), exif=exif)
    assert near(
        shown(content, BOXES[1]._replace(height=20), 32), torchvisions(decoded(content), Box(61, 43, 20, 70), 32)
    )


def test_a_thumbnail_within_the_picture_is_passed_over(fast: None) -> None:
    thumbnail = encoded(textured(16, 16))
    own = encoded(textured(90, 120))
    segment = b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    content = own[:2] + segment + own[2:]
    assert near(shown(content, Box(0, 0, 50, 50), 32), torchvisions(decoded(own), Box(0, 0, 50, 50), 32))


# ---------------------------------------------------------------------------------------------------------------
# Damaged pictures

GOOD = encoded(textured(200, 200))


def _declared(height: int, width: int) -> bytes:
    """A small file that says its picture is so large."""
    at = GOOD.index(b"\xff\xc0") + 5
    return GOOD[:at] + struct.pack(">HH", height, width) + GOOD[at + 4 :]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", GOOD[:2], GOOD[:100], GOOD[:700], GOOD[: len(GOOD) // 2], GOOD[:-2], b"no picture", _declared(0, 0)],
    ids=["empty", "a byte", "a mark", "no header", "no rows", "half", "no end", "text", "no size"],
)
def test_damaged_pictures_end_in_one_line(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^a\.jpg: not a readable picture \([^\n]+\)$"):
        shown(content, Box(0, 0, 20, 20), 16)


def test_a_picture_cut_short_below_the_box_is_damaged_all_the_same() -> None:
    for box in (Box(0, 0, 20, 20), Box(150, 150, 50, 50)):
        with pytest.raises(ValueError, match=r"^a\.jpg: not a readable picture \(image file is truncated"):
            shown(GOOD[:-100], box, 16)


def test_huge_declared_sizes_take_no_memory() -> None:
    assert jpeg.header(_declared(65000, 65000)) is None
    assert jpeg.header(GOOD) is not None
    with pytest.raises(ValueError, match=r"^a\.jpg: not a readable picture \(more pixels than the 178,956,970 that"):
        shown(_declared(65000, 65000), Box(0, 0, 20, 20), 16)


def test_headers_of_anything_else_are_left_to_pillow() -> None:
    arithmetic = GOOD.replace(b"\xff\xc0", b"\xff\xc9", 1)
    for content in (arithmetic, GOOD[:20] + GOOD[40:], b"\xff\xd8\xff", b"\xff\xd8" + bytes(100), *ODD.values()):
        assert jpeg.header(content) is None
    generator = np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(GOOD[:800])
        broken[int(generator.integers(2, 800))] = int(generator.integers(0, 256))
        jpeg.header(bytes(broken))


@pytest.mark.data
def test_real_photographs() -> None:
    """A folder of them, each in the view of some epoch, by the fast way and by Pillow and torchvision."""
    files = sorted(Path(os.environ["RESNETS_TEST_DATA"], "clothing").rglob("*.jpg"))
    assert len(files) > 300
    for index, file in enumerate(files):
        content, recipe = file.read_bytes(), Augmentation(crop=CROPS[index % 2])
        box = recipe.view(0, 3, index, *decoded(content).size[::-1]).box
        assert near(shown(content, box, 224), torchvisions(decoded(content), box, 224))
