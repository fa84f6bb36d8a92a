"""Photographs named in a list: a CSV or Parquet file with a row for each picture."""

import csv
import io
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from resnets.data.folder import of_files
from resnets.data.images import ImageSet
from resnets.data.photographs import Photographs
from resnets.data.shard_index import first_twice
from resnets.data.split import fifth
from resnets.files import Log, counted, say, write_atomic

SUFFIXES = (".csv", ".parquet")
_COLUMNS = ("path", "label", "class", "split")
_SPLITS = {"train": "train", "training": "train", "test": "test", "val": "validation", "validation": "validation"}


class Row(NamedTuple):
    """One picture of a list; None where there is no such column."""

    where: str
    """The list and the row, as an error message names them."""
    path: str
    label: str | None
    name: str | None
    """Of the class."""
    split: str | None


def listed(path: Path, split: Literal["train", "test"], log: Log = say) -> Photographs:
    """The pictures of `split` in the list at `path`, a `.csv` or `.parquet` file with these columns:

    `path`   of a picture, from the folder of the list on
    `class`  the name of its class; classes are numbered in the order of their names' code points
    `label`  its number, from 0; beside `class` it gives the order, alone the names are the numbers
    `split`  train, or test (val, validation; beside test they are not read); without it a fifth of each class is the
             test, as in folders

    Other columns are ignored. Whether a picture is there is seen when it is read. ValueError, of one line that names
    the row, where a list cannot be read or is not such a one.
    """
    rows = list(_rows(path))
    if twice := first_twice(row.path for row in rows):
        raise ValueError(f"{path}: the picture {twice!r} is listed twice")
    classes, labels = _classes(path, rows)
    chosen = _chosen(path, rows, labels, len(classes), split, log)
    files = [path.parent / rows[place].path for place in chosen]
    names = tuple(rows[place].path for place in chosen)
    own = torch.tensor([labels[place] for place in chosen], dtype=torch.int64)
    return of_files(str(path), names, own, classes, files)


def _classes(path: Path, rows: list[Row]) -> tuple[tuple[str, ...], list[int]]:
    """The names of the classes, and the label of each row."""
    numbers = [_number(row) for row in rows]
    names = [row.name for row in rows]
    if numbers[0] is None:
        known = [name or "" for name in names]
        classes = tuple(sorted(set(known)))
        places = {name: place for place, name in enumerate(classes)}
        labels = [places[name] for name in known]
    else:
        labels = [number or 0 for number in numbers]
        named = dict(zip(labels, names, strict=True)) if names[0] is not None else {}
        for row, label in zip(rows, labels, strict=True):
            if named and named[label] != row.name:
                raise ValueError(
                    f"{row.where}: label {label} is called {row.name!r} here and {named[label]!r} elsewhere"
                )
        classes = tuple(named.get(label) or str(label) for label in range(max(labels) + 1))
    if len(classes) < 2 or first_twice(classes) is not None:
        found = counted(len(set(classes)), "class", "classes")
        raise ValueError(f"{path}: {found} found, 2 or more with names of their own are expected")
    return classes, labels


def _number(row: Row) -> int | None:
    if row.label is None:
        return None
    if not (row.label.isascii() and row.label.isdigit() and len(row.label) < 7):
        raise ValueError(f"{row.where}: label is {row.label!r}, allowed are whole numbers from 0 to 999999")
    return int(row.label)


def _chosen(path: Path, rows: list[Row], labels: list[int], classes: int, split: str, log: Log) -> list[int]:
    """The places of the rows that are in `split`."""
    if rows[0].split is None:
        together: list[list[str]] = [[] for _ in range(classes)]
        for row, label in zip(rows, labels, strict=True):
            together[label].append(row.path)
        kept = frozenset().union(*(fifth(names, split) for names in together if names))
        if not kept:
            raise ValueError(f"{path}: no class has a picture to spare for the test; add a column split")
        log(
            f"{path}: no column split, so a fifth of each class is the test: {len(kept)} of {len(rows)} are for {split}"
        )
        return [place for place, row in enumerate(rows) if row.path in kept]
    for row in rows:
        if (row.split or "").lower() not in _SPLITS:
            raise ValueError(f"{row.where}: split is {row.split!r}, allowed are train and test (val, validation)")
    parts = [_SPLITS[(row.split or "").lower()] for row in rows]
    if {"test", "validation"} <= set(parts):
        log(f"{path}: rows whose split is test are the test, {parts.count('validation')} for validation are not read")
    wanted = "validation" if split == "test" and "test" not in parts else split
    found = [place for place, part in enumerate(parts) if part == wanted]
    if not found:
        raise ValueError(f"{path}: no row whose split is {split}")
    return found


def write_list(path: Path, parts: Mapping[str, Photographs | ImageSet]) -> None:
    """Writes a list that `listed` reads: the pictures of each part, by its word in the column `split`.

    Their paths are absolute. ValueError where a picture is no file of its own, or its name is not UTF-8.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for part, images in parts.items():
        if not images.files:
            raise ValueError(f"{path}: not written, for the pictures of {images.name} are no files of their own")
        labels = images.labels.tolist()
        rows.writerows(
            (file.absolute(), label, images.classes[label], part)
            for file, label in zip(images.files, labels, strict=True)
        )
    try:
        write_atomic(path, text.getvalue())
    except UnicodeEncodeError:
        raise ValueError(f"{path}: not written, for a picture's name is not UTF-8") from None


def _rows(path: Path) -> Iterator[Row]:
    """The rows, of which there is at least one; all have the same fields."""
    table = _csv(path) if path.suffix.lower() == ".csv" else _parquet(path)
    count = 0
    for count, (where, row) in enumerate(table, 1):
        if count == 1 and not ("path" in row and ("label" in row or "class" in row)):
            raise ValueError(f"{path}: columns {', '.join(row)}; needed are path and label or class, allowed is split")
        path_, *others = (row.get(column) for column in _COLUMNS)
        if not path_ or "" in others:
            raise ValueError(f"{where}: a field is empty, of {', '.join(filter(row.__contains__, _COLUMNS))}")
        yield Row(where, path_, *others)
    if not count:
        raise ValueError(f"{path}: no picture is listed in it")


def _csv(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise ValueError(f"{where}: as many fields as columns are expected, {len(reader.fieldnames or ())}")
                yield where, row
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a list in CSV ({error})") from None


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise ValueError(f"{path}: lists in Parquet need pyarrow; type: pip install 'resnets[parquet]'") from None
    try:
        table = parquet.read_table(path)
    except Exception as error:  # OSError, and pyarrow's own
        raise ValueError(f"{path}: not a list in Parquet ({' '.join(str(error).split())})") from None
    for number, row in enumerate(table.to_pylist(), 1):
        yield f"{path}, row {number}", {name: "" if value is None else str(value) for name, value in row.items()}
