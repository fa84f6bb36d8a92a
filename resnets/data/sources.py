"""One door to every set of images: a name or a path."""

import os
import stat
from pathlib import Path
from typing import Literal

from resnets.data import cifar, lists
from resnets.data.devkit import SYNSETS, named
from resnets.data.digits import digits
from resnets.data.folder import folder, is_flat, photographs, unlabelled
from resnets.data.ilsvrc import TRAIN
from resnets.data.images import ImageSet
from resnets.data.photographs import Photographs
from resnets.data.quarantine import without_quarantined
from resnets.data.ranges import is_address
from resnets.data.shards import is_sharded, shards
from resnets.files import Log, at_home, caches, say

_SIDE = 32
IMAGENET = "imagenet"
_ALLOWED = (
    "allowed are digits, cifar10, cifar100, a folder with a sub-folder of pictures for each class, "
    "or a folder of CIFAR's binary files"
)
_PHOTOGRAPHS = (
    "allowed are imagenet, a folder with a sub-folder of pictures for each class, a list (.csv, .parquet), "
    "and a folder or an http address of shards"
)
_WHOLE = f"{_ALLOWED}; for pictures of any size also imagenet, a list, and a folder or an http address of shards"
_IN_MEMORY = ("digits", *cifar.LAYOUTS)


def data_home() -> Path:
    """Where data sets live: `$RESNETS_DATA`, by default `resnets` in the user's cache folder."""
    if chosen := os.environ.get("RESNETS_DATA"):
        return at_home(chosen)
    return caches()


def open_data(name_or_path: str | Path, split: Literal["train", "test"], size: int = _SIDE, log: Log = say) -> ImageSet:
    """The images of `split`, uint8 (N, 3, size, size): `digits`, `cifar10`, `cifar100`, or a path.

    A path is a folder of CIFAR's binary files (or one that holds such a folder), or a folder of pictures as
    `resnets.data.folder` reads it. A name comes before a folder of that name in the working directory, which
    is meant by `./digits`, and by every `Path`. `size` is free for folders of pictures only. ValueError, of one
    line, where there is no such data, `size` does not fit or a file is damaged.
    """
    found = _find(name_or_path, split, size)
    return found if isinstance(found, ImageSet) else folder(found, size, split, log)


def open_whole(name_or_path: str | Path, split: Literal["train", "test"], log: Log = say) -> ImageSet | Photographs:
    """The images of `split`: small ones as `open_data` has them, else photographs as `open_photographs` has them."""
    name = str(name_or_path)
    if is_address(name) or _is_name(name_or_path, IMAGENET) or name.lower().endswith(lists.SUFFIXES):
        return open_photographs(name_or_path, split, log)
    found = _find(name_or_path, split, None)
    return found if isinstance(found, ImageSet) else open_photographs(name_or_path, split, log)


def _is_name(name_or_path: str | Path, *names: str) -> bool:
    """A `Path` is none, though it may look like one: "./imagenet" has become `Path("imagenet")`."""
    return isinstance(name_or_path, str) and name_or_path in names


def open_photographs(
    name_or_path: str | Path, split: Literal["train", "test"], log: Log = say, *, everything: bool = False
) -> Photographs:
    """The pictures of `split`, of any size and still encoded: `imagenet`, or what lies at a path or an address.

    That is a folder with a sub-folder for each class (`resnets.data.folder`), a list (`lists`), a folder or an address
    of shards (`shards`), or what `resnets data prepare imagenet` made. For testing it may also be a folder of pictures
    and nothing else: a set without labels. What a `quarantine.txt` with it names is left out, unless `everything` is
    asked for, and a line says so. ValueError, of one line, where there is no such data, or it is damaged.
    """
    name = str(name_or_path)
    if is_address(name):
        return shards(name, split, log)
    path, found = _photographs(name_or_path, split, log)
    return found if everything else without_quarantined(found, path, log)


def _photographs(name_or_path: str | Path, split: Literal["train", "test"], log: Log) -> tuple[Path, Photographs]:
    """Where on the disk the set lies, and all of it."""
    name, imagenet = str(name_or_path), _is_name(name_or_path, IMAGENET)
    if _is_name(name_or_path, *_IN_MEMORY):
        raise ValueError(f"data: {name} are small images in memory, no photographs; {_PHOTOGRAPHS}")
    path = data_home() / name if imagenet else at_home(name_or_path)
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        what = "type: resnets data prepare imagenet --from DIR" if imagenet else _PHOTOGRAPHS
        raise ValueError(f"data: {str(path)!r} cannot be opened ({reason}); {what}") from None
    if not stat.S_ISDIR(kind):
        if path.suffix.lower() not in lists.SUFFIXES:
            raise ValueError(f"data: {name!r} is a file, but no list; {_PHOTOGRAPHS}")
        return path, lists.listed(path, split, log)
    if (path / f"{TRAIN}.tar").is_file():
        raise ValueError(f"{path}: ImageNet's archives; type: resnets data prepare imagenet --from {path}")
    if is_sharded(path):
        return path, shards(path, split, log)
    if split == "test" and is_flat(path):
        return path, unlabelled(path, log)
    found = photographs(path, split, log)
    return path, named(found, path / SYNSETS) if (path / SYNSETS).is_file() else found


def _find(name_or_path: str | Path, split: Literal["train", "test"], size: int | None) -> ImageSet | Path:
    """The set in memory that is meant, held against `size` where there is one, or the folder of pictures."""
    name = str(name_or_path)
    if _is_name(name_or_path, *_IN_MEMORY):
        _check_size(name, size)
        return digits(split) if name == "digits" else cifar.read(name, split, data_home())
    path = at_home(name_or_path)
    try:
        reason = None if stat.S_ISDIR(path.stat().st_mode) else "a file"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    if reason:
        allowed = _WHOLE if size is None else _ALLOWED
        raise ValueError(f"data: {name!r} is neither a data set's name nor a folder ({reason}); {allowed}")
    if layout := cifar.recognise(path):
        _check_size(name, size)
        return cifar.read(layout, split, path)
    return path


def _check_size(name: str, size: int | None) -> None:
    if size not in (_SIDE, None):
        raise ValueError(f"data: the images of {name} are {_SIDE}x{_SIDE}, size {size} was asked for")
