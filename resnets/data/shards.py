"""Photographs in tars, read in ranges of bytes: on a disk, or on a server for many machines that share none."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urljoin

import torch

from resnets.data import tars
from resnets.data.photographs import Photographs
from resnets.data.ranges import is_address, read_all, read_range
from resnets.data.shard_index import ShardIndex, index_tars
from resnets.files import Log, say, sha256_of, write_atomic

Split = Literal["train", "test"]
_CLASSES = "classes.txt"
_WORDS = {"train": "the word train", "test": "the word test or val"}


def index_name(split: Split) -> str:
    """The file that says where the pictures of `split` lie."""
    return f"{split}.index.json"


def is_sharded(folder: Path) -> bool:
    """Whether `folder` holds an index, or tars and no folders."""
    if any((folder / index_name(split)).is_file() for split in ("train", "test")):
        return True
    return bool(_tars(folder)) and not any(path.is_dir() for path in folder.iterdir() if path.name[0] != ".")


def shards(place: str | Path, split: Split, log: Log = say) -> Photographs:
    """The pictures of `split` in the shards of a folder or at an address, where a server must know ranges of bytes.

    Tars of others, without an index, are read through once: their names have "train", "test" or "val" in them, their
    samples a picture and a `.cls`; a file `classes.txt`, one a line, may name the classes. ValueError, of one line,
    where the index or a shard is missing, damaged, or does not belong to the other.
    """
    base = str(place).rstrip("/") + "/"
    return indexed(_index(base, split, log), str(place))


def altered(folder: Path, split: Split, log: Log = say) -> list[str]:
    """The shards of `split` in `folder` that do not have the SHA-256 sums which their index says; all are read."""
    said = {folder / shard.file: shard.sha256 for shard in _index(f"{folder}/", split, log).shards}
    return [str(path) for path, digest in said.items() if digest and sha256_of(path) != digest]


def indexed(index: ShardIndex, place: str) -> Photographs:
    """The pictures of an index whose shards lie in the folder, or at the address, `place`."""
    base = place.rstrip("/") + "/"
    sources = [_source(base, shard.file) for shard in index.shards]
    for source, shard in zip(sources, index.shards, strict=True):
        if not is_address(source):
            _check_size(source, shard.bytes)
    which, offset, size = index.shard.tolist(), index.offset.tolist(), index.size.tolist()

    def read(number: int) -> bytes:
        source, length = sources[which[number]], size[number]
        content = read_range(source, offset[number] - tars.BLOCK, tars.BLOCK + length)
        if not tars.begins(content[: tars.BLOCK], length):
            raise ValueError(f"{source}: {index.names[number]} is not where the index says; the index is of other tars")
        return content[tars.BLOCK :]

    labels = torch.from_numpy(index.labels)
    return Photographs(place, index.names, labels, index.classes, read, size.__getitem__, index.stored)


def _index(base: str, split: Split, log: Log) -> ShardIndex:
    source = base + index_name(split)
    found = [] if is_address(base) else _tars(Path(base))
    try:
        index = ShardIndex.from_json(read_all(source), source)
    except FileNotFoundError:
        if not found:
            raise ValueError(f"{source}: there is no such index; `resnets data shard` writes shards with one") from None
    else:
        if not found or _is_of(index, split, Path(base), found):
            return index
        log(f"{source}: tars or classes.txt are others than when it was made, so it is made anew")
    made = _made(Path(base), found, log)
    if split not in made:
        raise ValueError(f"{base}: no tar for {split}; its name must have {_WORDS[split]} in it")
    return made[split]


def _is_of(index: ShardIndex, split: Split, folder: Path, found: list[Path]) -> bool:
    """Whether an index is of the tars `found` in its folder. One that came with its tars knows their sums, and is."""
    if any(shard.sha256 for shard in index.shards):
        return True
    names = {path.name for path in _parts(found).get(split, [])}
    named = _class_names(folder / _CLASSES, len(index.classes))
    return names == {shard.file for shard in index.shards} and named == index.classes


def _made(folder: Path, found: list[Path], log: Log) -> dict[Split, ShardIndex]:
    """The indexes of the tars of others in `folder`, written beside them where that is possible."""
    parts = _parts(found)
    if left := len(found) - sum(map(len, parts.values())):
        log(f"{folder}: tars whose names have test in them are the test, {left} with val are not read")
    read: dict[Split, ShardIndex] = {split: index_tars(paths, log) for split, paths in parts.items()}
    classes = _class_names(folder / _CLASSES, 1 + max(int(index.labels.max()) for index in read.values()))
    made: dict[Split, ShardIndex] = {split: replace(index, classes=classes) for split, index in read.items()}
    try:
        for split, index in made.items():
            write_atomic(folder / index_name(split), index.to_json())
    except OSError as error:
        log(f"{folder}: the index cannot be kept ({error.strerror}), so it is made anew each time")
    return made


def _parts(found: list[Path]) -> dict[Split, list[Path]]:
    """By the words in their names the tars of each split that has some; of test and val the first, where both are."""
    words = {path: set(re.findall("train|test|val", path.stem.lower())) for path in found}
    if unclear := [path for path, said in words.items() if len(said) != 1]:
        raise ValueError(f"{unclear[0]}: its name must have one of the words train, test and val in it")
    tested = "test" if {"test"} in words.values() else "val"
    wanted: dict[Split, str] = {"train": "train", "test": tested}
    parts: dict[Split, list[Path]] = {
        split: [path for path, said in words.items() if said == {word}] for split, word in wanted.items()
    }
    return {split: paths for split, paths in parts.items() if paths}


def _class_names(path: Path, least: int) -> tuple[str, ...]:
    """The lines of `path`, at least so many; without such a file the numbers from 0."""
    try:
        names = tuple(path.read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:
        return tuple(map(str, range(least)))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    if len(names) < least or len(set(names)) < len(names):
        raise ValueError(f"{path}: {len(names)} classes named, expected are {least} or more, no two the same")
    return names


def _tars(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.tar") if path.is_file() and not path.name.startswith("."))


def _source(base: str, file: str) -> str:
    """Where a shard lies that an index names: beside it, or where its path says."""
    if not is_address(base):
        return str(Path(base) / file)
    if file.startswith("/") or ".." in file.split("/") or ":" in file:
        raise ValueError(f"{base}: its index names {file!r}, which does not lie beside it")
    return urljoin(base, quote(file))


def _check_size(source: str, expected: int) -> None:
    try:
        found = Path(source).stat().st_size
    except OSError as error:
        raise ValueError(f"{source}: a shard of the index cannot be read ({error.strerror})") from None
    if found != expected:
        raise ValueError(f"{source}: {found} bytes found, its index says {expected}; it was cut short or replaced")
