"""CIFAR-10 and CIFAR-100 in their standard binary layout.

Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".

A record is one image: its label bytes (CIFAR-10: the label; CIFAR-100: the coarse label, then the fine one),
then 3,072 bytes of pixels: 32x32 red, then green, then blue, row by row.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from resnets.data.images import ImageSet

_PIXELS = 3 * 32 * 32


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one of the two sets lies in its folder."""

    folder: str
    train: dict[str, int]
    """File name -> images in it."""
    test: dict[str, int]
    label_bytes: int
    """The last of which is the label that is used."""
    classes: tuple[str, ...]

    def sizes(self) -> dict[str, int]:
        """File name -> bytes, of all files."""
        return {file: (self.label_bytes + _PIXELS) * count for file, count in (self.train | self.test).items()}


_CIFAR100 = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel
    can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur
    dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion
    lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree
    pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea
    seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table
    tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman
    worm
"""

LAYOUTS = {
    "cifar10": Layout(
        folder="cifar-10-batches-bin",
        train={f"data_batch_{number}.bin": 10_000 for number in range(1, 6)},
        test={"test_batch.bin": 10_000},
        label_bytes=1,
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
    "cifar100": Layout(
        folder="cifar-100-binary",
        train={"train.bin": 50_000},
        test={"test.bin": 10_000},
        label_bytes=2,
        classes=tuple(_CIFAR100.split()),
    ),
}


def cifar10(split: Literal["train", "test"], root: Path) -> ImageSet:
    """50,000 training or 10,000 test images of ten classes, uint8 (N, 3, 32, 32). See `read`."""
    return read("cifar10", split, root)


def cifar100(split: Literal["train", "test"], root: Path) -> ImageSet:
    """50,000 training or 10,000 test images of a hundred (fine) classes, uint8 (N, 3, 32, 32). See `read`."""
    return read("cifar100", split, root)


def read(name: str, split: Literal["train", "test"], root: Path) -> ImageSet:
    """The images of `name` ("cifar10" or "cifar100"), in the order of the files.

    `root` is the folder that holds `cifar-10-batches-bin` (`cifar-100-binary`), or that folder itself.
    ValueError, of one line, where a file is missing, of a wrong size, or holds a label that there is not.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split is {split!r}, allowed are 'train' and 'test'")
    layout = LAYOUTS[name]
    folder = root if _holds_any(layout, root) else root / layout.folder
    files = layout.train if split == "train" else layout.test
    records = np.concatenate([_records(name, folder / file) for file in files])
    labels = torch.from_numpy(records[:, layout.label_bytes - 1].astype(np.int64))
    images = torch.from_numpy(np.ascontiguousarray(records[:, layout.label_bytes :]))
    return ImageSet(name, images.view(-1, 3, 32, 32), labels, layout.classes)


def recognise(path: Path) -> str | None:
    """The name of the set whose binary files lie in `path` or in its usual folder there; else None."""
    for name, layout in LAYOUTS.items():
        if _holds_any(layout, path) or _holds_any(layout, path / layout.folder):
            return name
    return None


def _holds_any(layout: Layout, path: Path) -> bool:
    return any((path / file).is_file() for file in layout.sizes())


def _records(name: str, path: Path) -> np.ndarray:
    """The records of one file, uint8 (images, label bytes + 3072), checked."""
    layout = LAYOUTS[name]
    expected = layout.sizes()[path.name]
    remedy = f"type: resnets data fetch {name}"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file, expected are {expected} bytes; {remedy}") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    if len(content) != expected:
        raise ValueError(f"{path}: {len(content)} bytes found, {expected} expected; {remedy}")
    records = np.frombuffer(content, np.uint8).reshape(-1, layout.label_bytes + _PIXELS)
    labels = records[:, layout.label_bytes - 1]
    if labels.max() >= len(layout.classes):
        wrong = int(np.argmax(labels >= len(layout.classes)))
        found = f"image {wrong} has label {labels[wrong]}"
        raise ValueError(f"{path}: {found}, allowed are 0 to {len(layout.classes) - 1}; {remedy}")
    return records
