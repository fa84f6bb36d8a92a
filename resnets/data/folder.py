"""A folder of pictures, a sub-folder for each class: as they lie there, or made small and kept in memory."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch

from resnets.data.file_names import normal
from resnets.data.images import ImageSet
from resnets.data.photographs import Photographs
from resnets.data.pictures import read_picture
from resnets.data.quarantine import kept
from resnets.data.split import fifth
from resnets.files import Log, counted, say
from resnets.runtime import cores

_SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)


def folder(path: Path, size: int, split: Literal["train", "test"], log: Log = say) -> ImageSet:
    """The pictures of `split` under `path`, uint8 (N, 3, size, size).

    Which those are, `photographs` says, and what is named in `quarantine.txt` is left out; each is
    `read_picture(file, size, size)`. ValueError, of one line, where `photographs` raises one or a picture cannot be
    read.
    """
    if size < 1:
        raise ValueError(f"size of the pictures is {size}, allowed are whole numbers from 1")
    found = photographs(Path(path), split, log)
    if (indices := kept(found.names, Path(path), log)) is not None:
        found = found.subset(indices)
    return ImageSet(found.name, _read(found.files, size), found.labels, found.classes, found.files)


def photographs(path: Path, split: Literal["train", "test"], log: Log = say) -> Photographs:
    """The pictures of `split` under `path`, still encoded.

    `path` holds a sub-folder for each class, or folders `train` and `test` (or `val`) which hold those; a
    class may be missing from the test. Without a folder for the test, a fifth of each class is the test
    split: rounded down but at least one, and one picture at least stays in training. Which ones follows from
    a hash of their names alone, so every call and every machine agrees.

    Classes and files come in the order of their names' code points, whatever the file system or the language
    set. Folders within a class are read too, but not those that are links. What is hidden is passed over; files
    whose names do not end like a picture's are counted in a message to `log`. ValueError, of one line, where
    there are fewer than two classes or a class folder has no picture.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split is {split!r}, allowed are 'train' and 'test'")
    path = Path(path)
    try:
        classes, pictures = _select(path, split, log)
    except OSError as error:
        raise ValueError(f"{error.filename or path}: cannot be read ({error.strerror})") from None
    labels = torch.tensor([label for label, files in enumerate(pictures) for _ in files], dtype=torch.int64)
    files = [file for together in pictures for file in together]
    names = tuple(normal(file.relative_to(path).as_posix()) for file in files)
    return of_files(str(path), names, labels, tuple(classes), files)


def is_flat(path: Path) -> bool:
    """Whether `path` holds pictures and no visible folder."""
    try:
        return not _visible_folders(path) and any(_is_picture(file) for file in path.iterdir())
    except OSError as error:
        raise ValueError(f"{error.filename or path}: cannot be read ({error.strerror})") from None


def unlabelled(path: Path, log: Log = say) -> Photographs:
    """The pictures of a flat folder, in the order of their names: no classes, and -1 for every label."""
    files = pictures_below(path, log)
    names = tuple(normal(file.name) for file in files)
    labels = torch.full((len(files),), -1)
    return of_files(str(path), names, labels, (), files)


def pictures_below(path: Path, log: Log = say) -> list[Path]:
    """The pictures in a folder and below, sorted; other files, which are not, are counted in a message to `log`."""
    try:
        files, ignored = _walk(path)
    except OSError as error:
        raise ValueError(f"{error.filename or path}: cannot be read ({error.strerror})") from None
    if ignored:
        log(f"{path}: {ignored} files or linked folders ignored, whose names do not end like a picture's")
    return files


def of_files(
    name: str, names: tuple[str, ...], labels: torch.Tensor, classes: tuple[str, ...], files: list[Path]
) -> Photographs:
    """The set whose pictures are these files."""
    return Photographs(name, names, labels, classes, *reading(files), files=tuple(files))


def reading(files: list[Path]) -> tuple[Callable[[int], bytes], Callable[[int], int]]:
    """What reads the file at an index, and what says its size without reading."""
    return lambda index: _bytes(files[index]), lambda index: _size(files[index])


def is_picture_name(name: str) -> bool:
    """Whether a file so called is taken for a picture."""
    return name.lower().endswith(_SUFFIXES)


def _bytes(file: Path) -> bytes:
    try:
        number = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))  # half the system calls of `read_bytes`
        try:
            return os.read(number, os.fstat(number).st_size)
        finally:
            os.close(number)
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from None


def _select(path: Path, split: str, log: Log) -> tuple[list[str], list[list[Path]]]:
    """The names of the classes and, of `split`, the pictures of each."""
    if not path.is_dir():
        raise ValueError(f"{path}: there is no such folder")
    parts = {part for part in ("train", "test", "val") if _visible_folders(path / part)}
    if parts <= {"train"}:
        home = path / "train" if parts else path
        classes = _classes(home)
        return classes, _fifth(home, _pictures(home, classes, log), split, log)
    if {"test", "val"} <= parts:
        log(f"{path}: the folder test is the test split, the folder val is not read")
    if split == "train" and "train" not in parts:
        raise ValueError(f"{path}: {' and '.join(sorted(parts))} found, but no folder train to train on")
    tested = "test" if "test" in parts else "val"
    chosen = path / ("train" if split == "train" else tested)
    classes = _classes(path / "train" if "train" in parts else chosen)
    return classes, _pictures(chosen, classes, log)


def _classes(folder: Path) -> list[str]:
    """The names of the classes in `folder`, sorted."""
    found = _visible_folders(folder)
    if len(found) < 2:
        expected = "2 or more sub-folders of pictures expected"
        raise ValueError(f"{folder}: {counted(len(found), 'class', 'classes')} found, {expected}{_hint(folder, found)}")
    names = sorted(map(normal, found))
    if twice := [name for name, after in pairwise(names) if name == after]:
        raise ValueError(f"{folder}: two sub-folders are both called {twice[0]!r}; rename one")
    if strange := [name for name in names if not name.isprintable()]:
        raise ValueError(f"{folder}: the name of the sub-folder {strange[0]!r} cannot be shown; rename it")
    return names


def _hint(folder: Path, found: list[str]) -> str:
    """What may have been meant by a folder without two classes, to be added to an error; "" where nothing shows."""
    within = [name for name in found if len(_visible_folders(folder / name)) > 1]
    if within:
        return f"; perhaps {folder / within[0]} is meant"
    loose = 0 if found else sum(map(_is_picture, folder.iterdir()))
    return f"; its {loose} pictures lie in no class's folder" if loose else ""


def _pictures(folder: Path, classes: list[str], log: Log) -> list[list[Path]]:
    """The pictures of each class under `folder`, sorted; a class without its sub-folder has none."""
    found = {normal(name): folder / name for name in _visible_folders(folder)}
    if strange := sorted(found.keys() - set(classes)):
        raise ValueError(f"{found[strange[0]]}: the training pictures have no class of this name")
    pictures: list[list[Path]] = []
    ignored = 0
    for name in classes:
        files, others = _walk(found[name]) if name in found else ([], 0)
        if name in found and not files:
            raise ValueError(f"{found[name]}: no picture in it, allowed are files named *{' *'.join(_SUFFIXES)}")
        pictures.append(files)
        ignored += others
    if ignored:
        log(f"{folder}: {ignored} files or linked folders ignored, whose names do not end like a picture's")
    if loose := sum(_is_picture(path) for path in folder.iterdir() if not path.is_dir()):
        log(f"{folder}: {loose} pictures ignored that lie in no class's folder")
    return pictures


def _walk(folder: Path) -> tuple[list[Path], int]:
    """The pictures anywhere under the folder of one class, sorted, and the number of other entries."""
    if folder.parent.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{folder}: a link to a folder that holds it; remove it")

    def refuse(error: OSError) -> None:
        raise error

    pictures: list[Path] = []
    ignored = 0
    for parent, folders, files in os.walk(folder, onerror=refuse, followlinks=False):
        here = Path(parent)
        folders[:] = [name for name in folders if not name.startswith(".")]
        ignored += sum((here / name).is_symlink() for name in folders)
        for path in (here / name for name in files if not name.startswith(".")):
            if _is_picture(path):
                pictures.append(path)
            else:
                ignored += 1
    return sorted(pictures, key=lambda path: (normal(path.as_posix()), path)), ignored


def _is_picture(path: Path) -> bool:
    """A broken link is one, to be refused by name when read; a pipe or a device would be waited for."""
    hidden = path.name.startswith(".")
    return not hidden and is_picture_name(path.name) and (path.is_file() or not path.exists())


def _fifth(home: Path, pictures: list[list[Path]], split: str, log: Log) -> list[list[Path]]:
    """Of each class those that are in `split` where there is no test folder, in the order given."""
    chosen: list[list[Path]] = []
    for files in pictures:
        by_name = {file.relative_to(home).as_posix(): file for file in files}
        kept = fifth(tuple(by_name), split)
        chosen.append([file for name, file in by_name.items() if name in kept])
    count, total = sum(map(len, chosen)), sum(map(len, pictures))
    if not count:
        raise ValueError(f"{home}: no class has a picture to spare for the test; add a folder test")
    rule = "no test folder, so a fifth of each class is the test split, by the hash of its file names"
    log(f"{home}: {rule}: {count} of {total} pictures are for {split}")
    return chosen


def _visible_folders(path: Path) -> list[str]:
    """The names of the sub-folders of `path` that are not hidden; none where it is no folder."""
    if not path.is_dir():
        return []
    return [entry.name for entry in path.iterdir() if not entry.name.startswith(".") and entry.is_dir()]


def _read(files: Sequence[Path], size: int) -> torch.Tensor:
    """The pictures, uint8 (N, 3, size, size), decoded by as many threads as there are cores."""
    images = torch.empty(len(files), 3, size, size, dtype=torch.uint8)

    def read(index: int) -> None:
        images[index] = read_picture(files[index], size, size)

    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(read, range(len(files))):
            pass
    return images
