"""One door to every set of images: a name or a path."""

import os
import stat
from pathlib import Path
from typing import Literal

from resnets.data import cifar
from resnets.data.digits import digits
from resnets.data.folder import folder, is_flat, photographs, unlabelled
from resnets.data.images import ImageSet
from resnets.data.photographs import Photographs
from resnets.files import Log, caches, say

_SIDE = 32
_ALLOWED = (
    "allowed are digits, cifar10, cifar100, a folder with a sub-folder of pictures for each class, "
    "or a folder of CIFAR's binary files"
)


def data_home() -> Path:
    """Where data sets live: `$RESNETS_DATA`, by default `resnets` in the user's cache folder."""
    if chosen := os.environ.get("RESNETS_DATA"):
        return Path(chosen).expanduser()
    return caches()


def open_data(name_or_path: str | Path, split: Literal["train", "test"], size: int = _SIDE, log: Log = say) -> ImageSet:
    """The images of `split`, uint8 (N, 3, size, size): `digits`, `cifar10`, `cifar100`, or a path.

    A path is a folder of CIFAR's binary files (or one that holds such a folder), or a folder of pictures as
    `resnets.data.folder` reads it. A name comes before a folder of that name in the working directory, which
    is meant by `./digits`. `size` is free for folders of pictures only. ValueError, of one line, where there
    is no such data, `size` does not fit or a file is damaged.
    """
    found = _find(name_or_path, split, size)
    return found if isinstance(found, ImageSet) else folder(found, size, split, log)


def open_whole(name_or_path: str | Path, split: Literal["train", "test"], log: Log = say) -> ImageSet | Photographs:
    """As `open_data`, but pictures in a folder keep their sizes, and stay encoded until they are needed.

    A folder with pictures and no sub-folder is a set without labels.
    """
    found = _find(name_or_path, split, None)
    if isinstance(found, ImageSet):
        return found
    return unlabelled(found, log) if is_flat(found) else photographs(found, split, log)


def _find(name_or_path: str | Path, split: Literal["train", "test"], size: int | None) -> ImageSet | Path:
    """The set in memory that is meant, held against `size` where there is one, or the folder of pictures."""
    name = str(name_or_path)
    if name in ("digits", *cifar.LAYOUTS):
        _check_size(name, size)
        return digits(split) if name == "digits" else cifar.read(name, split, data_home())
    path = Path(name_or_path).expanduser()
    try:
        reason = None if stat.S_ISDIR(path.stat().st_mode) else "a file"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    if reason:
        raise ValueError(f"data: {name!r} is neither a data set's name nor a folder ({reason}); {_ALLOWED}")
    if layout := cifar.recognise(path):
        _check_size(name, size)
        return cifar.read(layout, split, path)
    return path


def _check_size(name: str, size: int | None) -> None:
    if size not in (_SIDE, None):
        raise ValueError(f"data: the images of {name} are {_SIDE}x{_SIDE}, size {size} was asked for")
