"""The pictures of ImageNet as ILSVRC-2012 hands them out: two archives, or what was unpacked from them.

`ILSVRC2012_img_train.tar` is a tar of a tar for each class, `ILSVRC2012_img_val.tar` holds the validation pictures. The
archives are not compressed, so a picture in them is a range of bytes: it can be read where it lies.
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from resnets.data import tars
from resnets.data.devkit import Devkit, Synset, class_names, read_devkit
from resnets.data.folder import is_picture_name, reading
from resnets.data.photographs import Photographs
from resnets.data.shard_index import Shard, ShardIndex, first_twice
from resnets.data.shards import Split, indexed
from resnets.files import Log

TRAIN, VAL = "ILSVRC2012_img_train", "ILSVRC2012_img_val"


@dataclass(frozen=True)
class Source:
    """What was found."""

    synsets: tuple[Synset, ...]
    """The classes, in the order of the labels."""
    photographs: dict[Split, Photographs]
    """By split, each in the order that it has as folders of the classes; names begin with `train/` and `val/`."""
    indexes: dict[Split, ShardIndex]
    """Of those that lie in tars."""


class _Picture(NamedTuple):
    """Where a picture is."""

    wnid: str
    name: str
    path: Path
    """Of the picture, or of the archive that holds it."""
    offset: int
    """Where it begins in the archive; 0 if it is a file of its own."""
    size: int


def open_source(folder: Path, log: Log) -> Source:
    """The archives in `folder`, or what was unpacked there; nothing is unpacked. ValueError where they are not whole.

    Unpacked training pictures are in `train` or `ILSVRC2012_img_train`, in folders or tars of the classes; those of
    the validation in `val` or `ILSVRC2012_img_val`, all together or in folders of the classes.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder")
    kit = read_devkit(folder)
    source = Source(kit.synsets, {}, {})
    _add(source, "train", "train", folder, list(_train(folder, log)))
    _add(source, "test", "val", folder, list(_val(folder, kit, log)))
    return source


def _add(source: Source, split: Split, home: str, folder: Path, found: list[_Picture]) -> None:
    """Adds the pictures of one split, checked and in order."""
    places = {synset.wnid: label for label, synset in enumerate(source.synsets)}
    if strange := [picture for picture in found if picture.wnid not in places]:
        raise ValueError(f"{strange[0].path}: {strange[0].wnid} is no class of the development kit")
    if missing := sorted(places.keys() - {picture.wnid for picture in found}):
        raise ValueError(f"{folder}: {len(missing)} classes have no picture for {home}, {missing[0]} the first of them")
    found = sorted(found, key=lambda picture: (places[picture.wnid], picture.name))
    names = tuple(f"{home}/{picture.wnid}/{picture.name}" for picture in found)
    if twice := first_twice(names):
        raise ValueError(f"{folder}: two pictures are called {twice}")
    classes, labels = class_names(source.synsets), np.array([places[picture.wnid] for picture in found], np.int64)
    archived = {bool(picture.offset) for picture in found}
    if len(archived) > 1:
        raise ValueError(f"{folder}: some classes for {home} are tars and some are folders")
    if archived == {False}:
        read = reading([picture.path for picture in found])
        source.photographs[split] = Photographs(str(folder), names, torch.from_numpy(labels), classes, *read)
        return
    paths = {path: number for number, path in enumerate(sorted({picture.path for picture in found}))}
    shards = tuple(Shard(str(path.absolute()), path.stat().st_size) for path in paths)
    columns = np.array([(paths[p.path], p.offset, p.size) for p in found], np.int64).T
    source.indexes[split] = ShardIndex(classes, "", shards, names, labels, *columns)
    source.photographs[split] = replace(indexed(source.indexes[split], "/"), name=str(folder))


def _train(folder: Path, log: Log) -> Iterator[_Picture]:
    """The training pictures, by class."""
    archive, home = folder / f"{TRAIN}.tar", _first_folder(folder, "train", TRAIN)
    if archive.is_file():
        log(f"{archive}: looking where each picture lies")
        for member in tars.members(archive):
            wnid = _wnid(member.name, archive)
            for inner in tars.members(archive, member):
                yield _in_tar(inner, archive, wnid, member.offset_data)
    elif home is None:
        raise ValueError(f"{folder}: neither {TRAIN}.tar nor a folder train in it")
    else:
        for path in _visible(home):
            if path.suffix == ".tar":
                yield from (_in_tar(member, path, _wnid(path.name, home)) for member in tars.members(path))
            elif path.is_dir():
                yield from _in_folder(path)


def _val(folder: Path, kit: Devkit, log: Log) -> Iterator[_Picture]:
    """The validation pictures; where they are not in folders of the classes, the kit says which class each has."""
    archive, home = folder / f"{VAL}.tar", _first_folder(folder, "val", VAL)
    if archive.is_file():
        log(f"{archive}: looking where each picture lies")
        together = [_in_tar(member, archive) for member in tars.members(archive) if not member.isdir()]
    elif home is None:
        raise ValueError(f"{folder}: neither {VAL}.tar nor a folder val in it")
    elif folders := [path for path in _visible(home) if path.is_dir()]:
        for path in folders:
            yield from _in_folder(path)
        return
    else:
        together = [_in_file(path) for path in _visible(home) if is_picture_name(path.name)]
    numbers = [_number(picture) for picture in together]
    if sorted(numbers) != list(range(1, len(kit.truth) + 1)):
        expected = f"number 1 to {len(kit.truth)}, each once"
        raise ValueError(f"{folder}: {len(numbers)} validation pictures found, the development kit has {expected}")
    for picture, number in zip(together, numbers, strict=True):
        yield picture._replace(wnid=kit.truth[number - 1])


def _in_tar(member: tarfile.TarInfo, archive: Path, wnid: str = "", begin: int = 0) -> _Picture:
    """A member of an archive, or of a tar that begins at `begin` in it. Only the last part of its name is used."""
    name = member.name.rsplit("/", 1)[-1]
    if not tars.is_plain(member) or not re.fullmatch(r"\w[\w.-]*", name) or not is_picture_name(name):
        raise ValueError(f"{archive}: {member.name!r} is not a picture, and only pictures are expected there")
    return _Picture(wnid, name, archive, begin + member.offset_data, member.size)


def _in_folder(folder: Path) -> Iterator[_Picture]:
    wnid = _wnid(folder.name, folder.parent)
    return (_in_file(path, wnid) for path in _visible(folder) if is_picture_name(path.name))


def _in_file(path: Path, wnid: str = "") -> _Picture:
    return _Picture(wnid, path.name, path, 0, 0)


def _wnid(name: str, where: Path) -> str:
    """The class that a folder, or a tar, so called has the pictures of."""
    wnid = name.rsplit("/", 1)[-1].removesuffix(".tar")
    if not re.fullmatch(r"n\d{8}", wnid):
        raise ValueError(f"{where}: {name!r} is not called by the WordNet id of a class, such as n01440764")
    return wnid


def _number(picture: _Picture) -> int:
    found = re.fullmatch(r"ILSVRC2012_val_(\d{8})\.\w+", picture.name)
    if not found:
        raise ValueError(f"{picture.path}: {picture.name!r} is not called like ILSVRC2012_val_00000001.JPEG")
    return int(found[1])


def _first_folder(folder: Path, *names: str) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
