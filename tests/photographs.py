"""Photographs for tests: small ones of every kind, encoded, and sets of them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from resnets.cli import main
from resnets.data.photographs import Photographs


def textured(height: int, width: int, seed: int = 0) -> Image.Image:
    """Something like a photograph: soft colours, coarse and fine texture."""
    generator = np.random.default_rng((seed, height, width))
    pixels = np.full((height, width, 3), 128.0)
    for side, strength in ((3, 60), (12, 40), (48, 15)):
        small = Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=np.uint8))
        large = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(float)
        pixels += strength / 64 * (large - 128)
    return Image.fromarray(np.clip(pixels + generator.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8))


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **{"quality": 90, **options} if kind == "JPEG" else options)
    return content.getvalue()


def decoded(content: bytes) -> Image.Image:
    """As Pillow does it, with nothing else done."""
    return Image.open(io.BytesIO(content)).convert("RGB")


def photographs_of(contents: list[bytes], classes: int = 2, name: str = "set") -> Photographs:
    labels = torch.arange(len(contents)) % classes
    names = tuple(f"{index}.jpg" for index in range(len(contents)))
    return Photographs(name, names, labels, tuple("abcdefgh"[:classes]), contents.__getitem__)


def imagenet_in_layouts(folder: Path) -> dict[str, str]:
    """The same eighteen and six pictures of three classes, drawn, in every layout."""
    raw, folders, index, shards = (str(folder / name) for name in ("raw", "folders", "index", "shards"))
    for words in (
        ("generate", raw, "--classes", "3", "--train", "6", "--val", "2"),
        ("prepare", "imagenet", "--from", raw, "--out", folders),
        ("prepare", "imagenet", "--from", raw, "--layout", "index", "--out", index),
        ("shard", folders, shards),
    ):
        assert main(["data", *words]) == 0
    return {"folders": folders, "index": index, "shards": shards}


def folder_of(root: Path, counts: dict[str, int]) -> Path:
    """A folder with so many small pictures in each class, no two alike."""
    for place, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            content = encoded(textured(40 + number, 50 + place, seed=number))
            (root / name / f"{number:02}.jpg").write_bytes(content)
    return root
