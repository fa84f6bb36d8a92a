"""CIFAR-10 as a person has pictures: PNG files, a folder for each class, inside `train` and `test`.

    python benchmarks/cifar10_folders.py cifar10-png
    resnets train --data cifar10-png --results results/own_pictures.jsonl
    resnets train --data cifar10-png --weights none --out runs/from-nothing --results results/own_pictures.jsonl

Of the training images the first 500 of each class, of the test images all. Writing takes seconds, training minutes on
two cores. The weights in the package were trained on all 50,000 training images, these among them.
"""

import argparse
from pathlib import Path
from typing import Literal

from PIL import Image

from resnets.data.cifar import cifar10
from resnets.data.sources import data_home


def write(folder: Path, a_class: int, home: Path) -> None:
    """`folder`/train with so many images of each class, `folder`/test with all, CLASS/NUMBER.png in each."""
    counts: dict[Literal["train", "test"], int | None] = {"train": a_class, "test": None}
    for split, most in counts.items():
        found = cifar10(split, home)
        pixels = found.images.permute(0, 2, 3, 1).numpy()
        for label, name in enumerate(found.classes):
            within = folder / split / name
            within.mkdir(parents=True)
            for number in (found.labels == label).nonzero().flatten().tolist()[:most]:
                Image.fromarray(pixels[number]).save(within / f"{number:05}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="writes CIFAR-10 as PNG files, a folder for each class")
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--train", metavar="N", type=int, default=500, help="training images of each class")
    arguments = parser.parse_args()
    write(arguments.folder, arguments.train, data_home())


if __name__ == "__main__":
    main()
