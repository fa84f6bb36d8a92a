"""The index of a set of shards: where in which tar each picture lies. A file of JSON, and what others' tars hold."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tarfile import TarInfo
from typing import Any

import numpy as np

from resnets.data import tars
from resnets.data.folder import is_picture_name
from resnets.files import Log

FORMAT = "resnets-shards-1"


@dataclass(frozen=True)
class Shard:
    """One tar."""

    file: str
    """Its name beside the index, or its path."""
    bytes: int
    sha256: str | None = None
    """Of the whole file; None where nobody computed it."""


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """All pictures of one split, in the order of their set, which need not be that of the tars."""

    classes: tuple[str, ...]
    stored: str
    """As in `Photographs`."""
    shards: tuple[Shard, ...]
    names: tuple[str, ...]
    labels: np.ndarray
    """int64 (N,), as are the next three."""
    shard: np.ndarray
    """The number of the tar that holds each picture."""
    offset: np.ndarray
    """Where its bytes begin in that tar, behind the header of its member."""
    size: np.ndarray
    """How many they are."""

    def to_json(self) -> str:
        """A file's content; a digest in it notices whatever happens to it later."""
        record = {
            "format": FORMAT,
            "classes": self.classes,
            "stored": self.stored,
            "shards": [vars(shard) for shard in self.shards],
            "names": self.names,
            **{field: getattr(self, field).tolist() for field in _NUMBERS},
        }
        return json.dumps({**record, "sha256": _digest(record)})

    @classmethod
    def from_json(cls, content: bytes, source: str) -> "ShardIndex":
        """What `to_json` wrote; ValueError, which begins with `source`, where it is something else or damaged."""
        try:
            record = json.loads(content)
            if not isinstance(record, dict) or record.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            if record.pop("sha256") != _digest({"format": FORMAT, **record}):
                raise ValueError("its content is not that of its SHA-256 sum")
            shards = tuple(Shard(**shard) for shard in record.pop("shards"))
            classes, names = tuple(record.pop("classes")), tuple(record.pop("names"))
            numbers = {field: np.array(record.pop(field), np.int64) for field in _NUMBERS}
            found = cls(classes, record.pop("stored"), shards, names, **numbers)
            found._check()
            return found
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{source}: not a whole index of shards ({_words(error)})") from None

    def _check(self) -> None:
        """ValueError unless every picture lies within its shard, under a header, and has a class."""
        count = len(self.names)
        if any(getattr(self, field).shape != (count,) for field in _NUMBERS):
            raise ValueError(f"its lists are not all of {count} pictures")
        if twice := first_twice(self.names):
            raise ValueError(f"two pictures are called {twice!r}")
        limits = np.array([shard.bytes for shard in self.shards], np.int64)
        inside = (self.shard >= 0) & (self.shard < len(limits)) & (self.offset >= tars.BLOCK) & (self.size >= 0)
        inside &= self.offset + self.size <= limits[np.where(inside, self.shard, 0)] if len(limits) else False
        inside &= (self.labels >= 0) & (self.labels < len(self.classes))
        if not inside.all():
            raise ValueError(f"the picture {self.names[int(np.argmin(inside))]!r} lies outside of its shard or classes")


_NUMBERS = ("labels", "shard", "offset", "size")


def first_twice(names: Iterable[str]) -> str | None:
    """The first of `names` that comes a second time."""
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _words(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())


# ---------------------------------------------------------------------------------------------------------------
# Tars of others, as WebDataset reads them: members that stand together and share a name up to its first dot


def index_tars(paths: list[Path], log: Log) -> ShardIndex:
    """The index of tars whose samples have a picture and a `.cls`, a number from 0; nothing is unpacked.

    Classes are called by their numbers. ValueError, of one line, where a tar is damaged or a sample
    has no label, no picture or several.
    """
    log(f"{paths[0].parent}: {len(paths)} tars without an index are read through, once")
    names: list[str] = []
    rows: list[tuple[int, int, int, int]] = []
    for number, path in enumerate(paths):
        with path.open("rb") as file:
            for key, group in groupby(filter(tars.is_plain, tars.members(path)), _key):
                sample = list(group)
                picture, label = _picture_and_label(sample, f"{path}: {key}")
                file.seek(label.offset_data)
                names.append(f"{path.stem}/{key}")
                value = _label(file.read(min(label.size, 32)), f"{path}: {label.name}")
                rows.append((value, number, picture.offset_data, picture.size))
    if not rows:
        raise ValueError(f"{paths[0]}: no picture with a label in it, nor in the {len(paths) - 1} tars beside it")
    if twice := first_twice(names):
        raise ValueError(f"{paths[0].parent}: two samples are called {twice!r}")
    numbers = np.ascontiguousarray(np.array(rows, np.int64).T)
    classes = tuple(map(str, range(numbers[0].max() + 1)))
    shards = tuple(Shard(path.name, path.stat().st_size) for path in paths)
    return ShardIndex(classes, "", shards, tuple(names), *numbers)


def _key(member: TarInfo) -> str:
    """What WebDataset calls a sample by: the path up to the first dot of its last part."""
    folder, slash, name = member.name.rpartition("/")
    return folder + slash + name.split(".", 1)[0]


def _picture_and_label(sample: list[TarInfo], where: str) -> tuple[TarInfo, TarInfo]:
    pictures = [member for member in sample if is_picture_name(member.name)]
    labels = [member for member in sample if member.name.endswith(".cls")]
    if len(pictures) != 1 or len(labels) != 1:
        raise ValueError(f"{where}: {len(pictures)} pictures and {len(labels)} labels (.cls), one of each is expected")
    return pictures[0], labels[0]


def _label(content: bytes, where: str) -> int:
    if not re.fullmatch(rb"\s*\d{1,9}\s*", content):
        raise ValueError(f"{where}: {content[:20]!r} is not a label, a whole number from 0")
    return int(content)
