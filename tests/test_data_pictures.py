"""read_picture against torchvision's transforms and NumPy, format by format."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2 as reference

from resnets.data.pictures import read_picture

RANDOM = np.random.default_rng(0)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, channels), dtype=np.uint8)


def saved(path: Path, picture: Image.Image | np.ndarray, **options: Any) -> Path:
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(path, **options)
    return path


def shown(path: Path, side: int) -> np.ndarray:
    """The picture (H, W, C) as a network is shown it, where it is of the crop size."""
    found = read_picture(path, side, side)
    assert found.dtype == torch.uint8
    assert found.shape == (3, side, side)
    return found.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (301, 200), (20, 24), (8, 100), (224, 225)])
@pytest.mark.parametrize(("resize", "crop"), [(32, 32), (41, 32), (40, 33), (16, 1)])
def test_as_torchvision_scales_and_cuts(tmp_path: Path, size: tuple[int, int], resize: int, crop: int) -> None:
    pixels = noise(*size)
    path = saved(tmp_path / "picture.png", pixels)
    steps = reference.Compose([reference.Resize(resize), reference.CenterCrop(crop), reference.PILToTensor()])
    assert torch.equal(read_picture(path, resize, crop), steps(Image.fromarray(pixels)))


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff", "webp"])
def test_pixels_of_the_right_size_are_unchanged(tmp_path: Path, suffix: str) -> None:
    pixels = noise(32, 32)
    options = {"lossless": True} if suffix == "webp" else {}
    assert (shown(saved(tmp_path / f"p.{suffix}", pixels, **options), 32) == pixels).all()


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, turn: int) -> None:
    pixels = noise(16, 16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "turned.png", pixels, exif=exif)
    assert (shown(path, 16) == np.rot90(pixels, turn)).all()


def test_grey_two_colours_and_palette(tmp_path: Path) -> None:
    grey = noise(16, 16)[:, :, 0]
    assert (shown(saved(tmp_path / "grey.png", grey), 16) == grey[:, :, None]).all()
    bits = Image.fromarray(grey > 127)
    assert (shown(saved(tmp_path / "bits.png", bits), 16) == ((grey > 127) * 255)[:, :, None]).all()
    colours = noise(1, 16)[0]
    palette = Image.new("P", (16, 16))
    palette.putpalette(colours.tobytes())
    palette.putdata((grey % 16).flatten().tolist())
    assert (shown(saved(tmp_path / "palette.png", palette), 16) == colours[grey % 16]).all()


def test_grey_of_16_bits_is_rounded_to_8(tmp_path: Path) -> None:
    values = np.append(RANDOM.integers(0, 65536, 253), [0, 65535, 32768]).astype(np.uint16).reshape(16, 16)
    expected = np.round(values / 257).astype(np.uint8)[:, :, None]
    assert (shown(saved(tmp_path / "deep.png", values), 16) == expected).all()
    assert (shown(saved(tmp_path / "deep.tiff", values), 16) == expected).all()


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    pixels = noise(16, 16, 4)
    pixels[:8, :, 3] = 255
    alpha = pixels[:, :, 3:].astype(np.float64) / 255
    expected = pixels[:, :, :3] * alpha + 255 * (1 - alpha)
    found = shown(saved(tmp_path / "rgba.png", pixels), 16)
    assert np.abs(found - expected).max() <= 1
    assert (found[:8] == pixels[:8, :, :3]).all()
    found = shown(saved(tmp_path / "la.png", Image.fromarray(pixels).convert("LA")), 16)
    assert (found[pixels[:, :, 3] == 0] == 255).all()
    see_through = Image.new("P", (4, 4), 1)
    see_through.putpalette([0, 0, 0, 9, 9, 9])
    assert (shown(saved(tmp_path / "p.png", see_through, transparency=1), 4) == 255).all()


def test_cmyk_is_converted(tmp_path: Path) -> None:
    ink = Image.merge("CMYK", [Image.new("L", (16, 16), value) for value in (255, 0, 0, 0)])  # pure cyan
    found = shown(saved(tmp_path / "cyan.jpg", ink, quality=100), 16).astype(int)
    assert np.abs(found - [0, 255, 255]).max() <= 3
    assert (shown(saved(tmp_path / "cyan.tiff", ink), 16) == [0, 255, 255]).all()


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_the_first_frame_of_an_animation(tmp_path: Path, suffix: str) -> None:
    red, blue = Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 255))
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path / f"moving.{suffix}", red, save_all=True, append_images=[blue], **options)
    assert (shown(path, 16) == [255, 0, 0]).all()


def unreadable(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.png"
    if kind == "truncated":
        whole = saved(folder / "whole.png", noise(64, 64)).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "text":
        path.write_text("<html>")
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "bomb":
        header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
        body = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    elif kind == "strip":
        saved(path, np.zeros((1, 60_000, 3), np.uint8))
    elif kind == "floating":
        saved(folder / "floating.tiff", np.zeros((4, 4), np.float32)).rename(path)
    elif kind == "looping":
        path.symlink_to(path.name)
    return path


KINDS = ["missing", "truncated", "text", "empty", "folder", "bomb", "strip", "floating", "looping"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_unreadable_is_refused_in_one_line_by_name(tmp_path: Path, kind: str) -> None:
    path = unreadable(tmp_path, kind)
    with pytest.raises(ValueError, match="not a readable picture") as caught:
        read_picture(path, 256, 224)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert message.count(str(path)) == 1


def test_a_crop_larger_than_the_picture_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.png", noise(8, 8))
    with pytest.raises(ValueError, match=r"crop is 9, allowed is 1 to resize \(8\)"):
        read_picture(path, 8, 9)
