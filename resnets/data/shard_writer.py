"""Shards written from photographs of any layout: ordinary WebDataset tars, and an index."""

import hashlib
import tarfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import astuple, dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np

from resnets.data import tars
from resnets.data.file_names import encoded
from resnets.data.in_order import in_order
from resnets.data.new_folder import new_folder
from resnets.data.photographs import Photographs
from resnets.data.pictures import reduced
from resnets.data.shard_index import Shard, ShardIndex
from resnets.data.shards import Split, index_name
from resnets.files import Log, naming, say, sha256_of, write_atomic
from resnets.runtime import cores

BYTES = 1_000_000_000
"""Of a shard, by default; it ends with the picture that reaches them."""
_SIGNATURES = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"GIF8": "gif", b"BM": "bmp", b"RIFF": "webp"}


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """How pictures are made smaller before they are stored."""

    shorter_side: int
    """In pixels; a picture that has no more stays as it is, byte for byte."""
    quality: int = 90
    """Of JPEG, as Pillow counts; chroma at half the resolution."""

    def __post_init__(self) -> None:
        if self.shorter_side < 1:
            raise ValueError(f"shorter side is {self.shorter_side}, allowed are whole numbers from 1")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality is {self.quality}, allowed is 1 to 100")

    def __str__(self) -> str:
        return f"shorter side {self.shorter_side}, JPEG of quality {self.quality}"


def write_shards(
    splits: Mapping[Split, Photographs],
    out: Path,
    reduction: Reduction | None = None,
    shard_bytes: int = BYTES,
    log: Log = say,
    beside: Mapping[str, str] | None = None,
) -> Path:
    """Writes the pictures of each split to tars in the new folder `out`, and an index that `shards` opens.

    The bytes of all files follow from the pictures alone. In the tars the pictures stand in an order that has nothing
    to do with their classes, for those who read tars from end to end; in the index they keep their order. The folder
    is whole or not there; files to put `beside` the shards are given by name and content. ValueError, of one line,
    where it is there already, the disk has too little room, or a picture cannot be read.
    """
    if shard_bytes < 1:
        raise ValueError(f"bytes of a shard are {shard_bytes}, allowed are whole numbers from 1")
    for photographs in splits.values():
        if not len(photographs) or photographs.labels.min() < 0:
            raise ValueError(f"{photographs.name}: shards need pictures with labels")
    # What reduced pictures will take is not known beforehand.
    needed = 0 if reduction else sum(bytes_of(photographs, 4 * tars.BLOCK) for photographs in splits.values())
    with new_folder(out, needed) as fresh:
        for name, content in (beside or {}).items():
            write_atomic(fresh / name, content)
        for split, photographs in splits.items():
            how = f", {reduction}" if reduction else ""
            log(f"{photographs.name}: {len(photographs)} pictures for {split} into {out}{how}")
            index = _write_split(split, photographs, fresh, reduction, shard_bytes)
            write_atomic(fresh / index_name(split), index.to_json())
    return out


def bytes_of(photographs: Photographs, more: int) -> int:
    """What all pictures take as they are, each with so many bytes more; 0 where that is not known."""
    size = photographs.size
    return sum(size(index) + more for index in range(len(photographs))) if size else 0


def _write_split(
    split: Split, photographs: Photographs, folder: Path, reduction: Reduction | None, shard_bytes: int
) -> ShardIndex:
    """The tars of one split; returns their index."""
    count = len(photographs)
    order = sorted(range(count), key=lambda index: hashlib.sha256(encoded(photographs.names[index])).digest())
    shard, offset, size = (np.zeros(count, np.int64) for _ in range(3))
    shards: list[Shard] = []

    def stored(index: int) -> tuple[int, bytes]:
        content = photographs.read(index)
        return index, reduced(content, photographs.where(index), *astuple(reduction)) if reduction else content

    with closing(in_order(stored, order, cores(), 4 * cores())) as contents:
        rest = enumerate(contents)
        while first := next(rest, None):
            path = folder / f"{split}-{len(shards):06}.tar"
            with naming(path), tarfile.open(path, "w:", format=tarfile.USTAR_FORMAT) as tar:
                for number, (index, content) in chain([first], rest):
                    key = f"{number:08}"
                    shard[index], size[index] = len(shards), len(content)
                    offset[index] = _add(tar, f"{key}.{_suffix(content, photographs.names[index])}", content)
                    _add(tar, f"{key}.cls", str(int(photographs.labels[index])).encode())
                    if tar.offset >= shard_bytes:
                        break
            shards.append(Shard(path.name, path.stat().st_size, sha256_of(path)))
    how = "; ".join(filter(None, (photographs.stored, str(reduction or ""))))
    labels = photographs.labels.numpy()
    return ShardIndex(photographs.classes, how, tuple(shards), photographs.names, labels, shard, offset, size)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> int:
    """Adds a member of which everything but name and content is fixed; returns where its content begins."""
    member = tarfile.TarInfo(name)  # read and written by its owner, by nobody's name, at the beginning of time
    member.size = len(content)
    offset = tar.offset + tars.BLOCK
    tar.addfile(member, BytesIO(content))
    return offset


def _suffix(content: bytes, name: str) -> str:
    """How WebDataset knows the kind of a picture: by its content, which ImageNet's names do not always tell."""
    known = (suffix for signature, suffix in _SIGNATURES.items() if content.startswith(signature))
    return next(known, Path(name).suffix[1:].lower() or "img")
