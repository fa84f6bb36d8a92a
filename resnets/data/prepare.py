"""ImageNet's archives, or what was unpacked from them, made into a layout that trains: whole, or not there."""

from contextlib import closing
from pathlib import Path

from resnets.data.devkit import SYNSETS, synsets_csv
from resnets.data.ilsvrc import Source, open_source
from resnets.data.in_order import in_order
from resnets.data.new_folder import new_folder
from resnets.data.photographs import Photographs
from resnets.data.shard_writer import BYTES, Reduction, bytes_of, write_shards
from resnets.data.shards import index_name
from resnets.files import Log, naming, say, write_atomic
from resnets.runtime import cores

LAYOUTS = ("folders", "shards", "index")
_BLOCK = 4096
"""Bytes that a small file wastes on a disk, at most."""
_EVERY = 50_000
"""Pictures between two messages."""


def prepare_imagenet(
    source: Path,
    out: Path,
    layout: str = "folders",
    reduction: Reduction | None = None,
    shard_bytes: int = BYTES,
    log: Log = say,
) -> Path:
    """Makes the new folder `out` from what `open_source` finds in `source`; returns it.

    "folders"  the pictures as they are, in `train` and `val`, in a folder for each class
    "shards"   tars as `write_shards` writes them, perhaps of smaller pictures
    "index"    no pictures: where each lies in the archives, which must stay where they are

    A table, `synsets.csv`, says what the classes are called. Room on the disk is looked for first. ValueError, of one
    line, where `source` is not whole or damaged, `out` is there already or the disk is too small.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}, allowed are {', '.join(LAYOUTS)}")
    if reduction and layout != "shards":
        raise ValueError(f"layout is {layout!r}: pictures are made smaller for shards only")
    found = open_source(source, log)
    for split, photographs in found.photographs.items():
        log(f"{source}: {len(photographs)} pictures of {len(found.synsets)} classes for {split}")
    names = synsets_csv(found.synsets)
    if layout == "shards":
        return write_shards(found.photographs, out, reduction, shard_bytes, log, {SYNSETS: names})
    needed = sum(bytes_of(pictures, _BLOCK) for pictures in found.photographs.values()) if layout == "folders" else 0
    with new_folder(out, needed) as fresh:
        write_atomic(fresh / SYNSETS, names)
        if layout == "index":
            _write_indexes(found, source, fresh)
        else:
            for photographs in found.photographs.values():
                _write_folders(photographs, fresh, log)
    return out


def _write_indexes(found: Source, source: Path, folder: Path) -> None:
    if missing := [split for split in found.photographs if split not in found.indexes]:
        raise ValueError(f"{source}: an index is of archives, and the pictures for {missing[0]} are not in any")
    for split, index in found.indexes.items():
        write_atomic(folder / index_name(split), index.to_json())


def _write_folders(photographs: Photographs, folder: Path, log: Log) -> None:
    """Each picture as a file below `folder`, by its name in the set."""
    for parent in {Path(name).parent for name in photographs.names}:
        (folder / parent).mkdir(parents=True)

    def write(index: int) -> None:
        path = folder / photographs.names[index]
        with naming(path), path.open("xb") as file:
            file.write(photographs.read(index))

    with closing(in_order(write, range(len(photographs)), cores(), 4 * cores())) as written:
        for count, _ in enumerate(written, 1):
            if count % _EVERY == 0:
                log(f"{folder.parent}: {count} of {len(photographs)} pictures")
