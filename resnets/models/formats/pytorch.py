"""Checkpoints of PyTorch: a pickle and the numbers it refers to, in a zip archive or (before PyTorch 1.6) in a row.

The pickle is read as data (`pickles`); the numbers are cut out of the file by what the pickle says, held against what
is there. Source: `torch/serialization.py`; the tests hold what is read here against `torch.load`.
"""

import math
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import torch
from torch import Tensor

from resnets.models.formats.content import Cursor, Deferred, Refused, numbers, strided
from resnets.models.formats.pickles import PLAIN, Known, Name, read_pickle

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""What the older form begins with, each in a pickle of its own."""

STORAGES = {
    f"torch.{kind}Storage": dtype
    for kind, dtype in {
        "Double": torch.float64,
        "Float": torch.float32,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
        "ComplexFloat": torch.complex64,
        "ComplexDouble": torch.complex128,
    }.items()
}


class Storage:
    """Numbers in a row, as a pickle announces them."""

    def __init__(self, dtype: torch.dtype, count: int) -> None:
        self.dtype, self.count = dtype, count
        self.raw: memoryview | None = None
        self._values: Tensor | None = None

    def fill(self, raw: memoryview) -> None:
        """Takes its bytes; ValueError unless they are as many as announced."""
        if len(raw) != self.count * self.dtype.itemsize:
            raise ValueError(f"{len(raw):,} bytes for a storage of {self.count:,} numbers of {self.dtype}")
        self.raw = raw

    def values(self) -> Tensor:
        """The numbers, copied once however many tensors share them."""
        if self.raw is None:
            raise ValueError("a tensor whose numbers are not there")
        if self._values is None:
            self._values = numbers(self.raw, self.dtype)
        return self._values


class Stored(Deferred):
    """A tensor in a storage; what else PyTorch keeps of it (gradients, hooks) is dropped."""

    def __init__(self, storage: Storage, offset: int, size: Any, stride: Any, *_: Any) -> None:
        self.place = storage, offset, size, stride

    def count(self) -> int:
        storage, _, size, _ = self.place
        if not all(type(side) is int for side in size):
            raise TypeError
        return storage.dtype.itemsize * math.prod(size)

    def tensor(self) -> Tensor:
        storage, offset, size, stride = self.place
        try:
            return strided(storage.values(), offset, size, stride)
        except (TypeError, AttributeError):
            raise ValueError("a tensor that is not described as PyTorch does") from None


def _first(thing: Any, *_: Any) -> Any:
    return thing


KNOWN: Known = {
    **PLAIN,
    **dict.fromkeys(STORAGES),
    **dict.fromkeys(f"torch.{dtype}" for dtype in ("float16", "bfloat16", "float32", "float64", "int64")),
    "torch._utils._rebuild_tensor": Stored,
    "torch._utils._rebuild_tensor_v2": Stored,
    "torch._utils._rebuild_parameter": _first,
    "torch.Size": _first,
    "torch.device": _first,
}


def _announced(words: Any) -> tuple[str, Storage]:
    """The key of a storage, and the storage: what ("storage", class, key, device, count) stands for."""
    kind, name, key, _, count = words[:5]
    if kind != "storage" or not isinstance(name, Name) or name.name not in STORAGES:
        raise ValueError("a reference to something else than a storage")
    if any(words[5:]):
        raise Refused("holds storages that are parts of others, which PyTorch has not written since 2018")
    if not (isinstance(key, str | int) and isinstance(count, int)):
        raise ValueError("a storage that is not described as PyTorch does")
    return str(key), Storage(STORAGES[name.name], count)


# ------------------------------------------------------------------------------------------------------------
# The zip archive


def read_zip(content: bytes) -> Any:
    """The structure in a zip archive that torch.save wrote, its tensors deferred. Raises ValueError."""
    entries = _entries(content)
    pickled = [name for name in entries if name.endswith("/data.pkl")]
    if len(pickled) != 1:
        raise Refused("a zip archive, but none of torch.save (no data.pkl)")
    folder = pickled[0].removesuffix("data.pkl")
    if entries.get(f"{folder}byteorder", b"little") != b"little":
        raise Refused("written by a machine of the other byte order")
    storages: dict[str, Storage] = {}

    def persistent(words: Any) -> Storage:
        key, storage = _announced(words)
        if key not in storages:
            storage.fill(entries[f"{folder}data/{key}"])
            storages[key] = storage
        return storages[key]

    return read_pickle(BytesIO(entries[pickled[0]]), KNOWN, persistent)


def _entries(content: bytes) -> dict[str, memoryview]:
    """The files in the archive, uncompressed as torch.save stores them, so that they are no larger than the archive."""
    view = memoryview(content)
    try:
        with ZipFile(BytesIO(content)) as archive:
            listed = archive.infolist()
    except (BadZipFile, NotImplementedError, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"no readable zip archive: {error}") from None
    if sum(info.file_size for info in listed) > len(content):
        raise ValueError("entries that together are larger than the archive")
    return {info.filename: _entry(view, info) for info in listed}


def _entry(view: memoryview, info: ZipInfo) -> memoryview:
    if info.compress_type != ZIP_STORED or info.compress_size != info.file_size:
        raise Refused(f"holds {info.filename!r} compressed, which torch.save does not do")
    cursor = Cursor(view)
    cursor.take(info.header_offset)
    header = cursor.take(30)  # the last four bytes: how long the name and the extra field behind it are
    if header[:4] != b"PK\x03\x04":
        raise ValueError(f"no entry where {info.filename!r} should begin")
    lengths = Cursor(header[26:])
    cursor.take(lengths.unpack("<H") + lengths.unpack("<H"))
    raw = cursor.take(info.file_size)
    if info.CRC not in (0, zlib.crc32(raw)):  # 0: whoever wrote it did not compute them
        raise ValueError(f"{info.filename!r} has another checksum than it should have")
    return raw


# ------------------------------------------------------------------------------------------------------------
# The older form, and pickles that are not PyTorch's


def read_stream(content: bytes) -> tuple[Any, bool]:
    """The structure in a pickle, or in torch.save's older row of pickles and storages; whether it was the latter."""
    file = BytesIO(content)
    storages: dict[str, Storage] = {}

    def persistent(words: Any) -> Storage:
        key, storage = _announced(words)
        return storages.setdefault(key, storage)

    def one(known: Known = PLAIN, objects: Callable[[Any], Any] | None = None) -> Any:
        return read_pickle(file, known, objects)

    first = one(KNOWN)
    if first != MAGIC:
        return first, False
    if one() != PROTOCOL or not one().get("little_endian"):
        raise ValueError("another protocol, or a machine of the other byte order")
    structure = one(KNOWN, persistent)
    cursor = Cursor(content)
    keys = one()
    cursor.take(file.tell())
    for key in keys:
        if key not in storages:
            raise ValueError("numbers of a storage that no tensor is in")
        storage = storages[key]
        if cursor.unpack("<q") != storage.count:
            raise ValueError("a storage of another size than announced")
        storage.fill(cursor.take(storage.count * storage.dtype.itemsize))
    return structure, True
