"""Photographs for benchmarks: drawn, or stored smaller."""

from pathlib import Path

import numpy as np
from PIL import Image

from resnets.data.pictures import reduced


def draw(folder: Path, many: int) -> Path:
    """Noise of every fineness, in two classes."""
    for number in range(many):
        generator = np.random.default_rng(number)
        pixels = np.full((375, 500, 3), 128.0)
        for fineness, strength in ((4, 60), (16, 30), (64, 20), (190, 12), (375, 9)):
            shape = (fineness, fineness * 4 // 3)
            noise = 0.8 * generator.normal(size=(*shape, 1)) + 0.3 * generator.normal(size=(*shape, 3))
            coarse = Image.fromarray(np.clip(128 + 40 * noise, 0, 255).astype(np.uint8))
            fine = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC)).astype(float)
            pixels += strength / 40 * (fine - 128)
        path = folder / "ab"[number % 2] / f"{number:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, quality=94, subsampling="4:2:0")
    return folder


def store(full: Path, folder: Path) -> Path:
    """The same with a shorter side of 256."""
    for path in sorted(path for path in full.rglob("*") if path.is_file()):
        stored = folder / path.relative_to(full)
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_bytes(reduced(path.read_bytes(), str(path), 256, 90))
    return folder
