"""What every reader of this folder returns, and the bounded reading that they share."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Content:
    """What a file holds, under its own names: nothing is renamed, turned or folded yet."""

    format: str
    """One of `read.FORMATS`."""
    tensors: dict[str, Tensor]
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the file says of a layer besides its tensors, by the layer's name, in the file's order: `type`, and where it
    has them `kernel stride padding groups dilation eps ceil constant` (numbers; sides are equal)."""
    says: dict[str, str] = field(default_factory=dict)
    """What it says of itself, in words."""


class Refused(ValueError):
    """Not damage: what a file asks for is not done, on purpose."""


class Cursor:
    """Reads through bytes, little-endian; nothing is taken that is not there."""

    def __init__(self, content: bytes | memoryview) -> None:
        self.view = memoryview(content)
        self.at = 0
        self.size = len(self.view)

    @property
    def left(self) -> int:
        """Bytes that have not been taken."""
        return self.size - self.at

    def take(self, count: int) -> memoryview:
        """The next `count` bytes; ValueError where there are fewer."""
        if not 0 <= count <= self.left:
            raise ValueError(f"{count:,} bytes are declared at byte {self.at:,}, where {self.left:,} are left")
        self.at += count
        return self.view[self.at - count : self.at]

    def unpack(self, form: str) -> Any:
        """One number in `struct`'s notation, little-endian: "<i", "<q"."""
        size = struct.calcsize(form)
        if size > self.left:
            raise ValueError(f"the file ends within a number, at byte {self.at:,}")
        (value,) = struct.unpack_from(form, self.view, self.at)
        self.at += size
        return value


def numbers(raw: memoryview | bytes | bytearray, dtype: torch.dtype) -> Tensor:
    """A copy of `raw` as a tensor (n,); ValueError unless it is a whole number of numbers."""
    if len(raw) % dtype.itemsize:
        raise ValueError(f"{len(raw):,} bytes are no whole number of {dtype}")
    return torch.frombuffer(bytearray(raw), dtype=dtype) if len(raw) else torch.empty(0, dtype=dtype)


def shaped(values: Tensor, shape: Sequence[int]) -> Tensor:
    """`values` (n,) as a tensor of `shape`; ValueError where it has not as many."""
    if any(side < 0 for side in shape) or math.prod(shape) != values.numel():
        raise ValueError(f"{values.numel():,} numbers for a tensor of shape {_short(shape)}")
    return values.reshape(tuple(shape))


def strided(values: Tensor, offset: int, shape: Sequence[int], strides: Sequence[int]) -> Tensor:
    """The view of `values` (n,) that starts at `offset`; it may neither leave them nor have more numbers than they."""
    good = len(shape) == len(strides) and all(side >= 0 for side in (*shape, *strides))
    count = math.prod(shape) if good else 0
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True)) if good else 0
    if not good or offset < 0 or count > values.numel() or (count and last >= values.numel()):
        raise ValueError(f"a tensor of shape {_short(shape)} in a storage of {values.numel():,} numbers")
    return values.as_strided(tuple(shape), tuple(strides), offset) if count else values.new_empty(tuple(shape))


def _short(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape[:6]))}{' ...' if len(shape) > 6 else ''})"


class Deferred:
    """A tensor that is made when it is asked for: what nobody asks for takes no memory."""

    def count(self) -> int:
        """Its bytes, as the file declares them."""
        raise NotImplementedError

    def tensor(self) -> Tensor:
        """It; ValueError where what the file says of it does not fit what is there."""
        raise NotImplementedError


class Room:
    """What tensors may take: all together no more than the file is large, however often they share its bytes."""

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, count: int) -> None:
        """So many bytes of it; ValueError where there are fewer left."""
        if not 0 <= count <= self.left:
            raise ValueError("tensors that together are larger than the file")
        self.left -= count

    def made(self, deferred: Deferred) -> Tensor:
        """The tensor, in memory of its own; ValueError where there is no room for it."""
        try:
            count = deferred.count()
        except (TypeError, AttributeError):
            raise ValueError("a tensor that is not described as it should be") from None
        self.take(count)
        tensor = deferred.tensor()
        return tensor if tensor.untyped_storage().nbytes() == count else tensor.clone()


CONTAINERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "blobs")
"""Names by which checkpoints hold a table of tensors beside other things."""


def state_of(structure: Any, room: Room) -> dict[str, Tensor]:
    """The table of tensors by name that `structure` is, or holds by one of the usual names.

    Raises ValueError where there is no such table, one that holds other things too, or no room for it.
    """
    table = structure
    if isinstance(structure, dict):
        table = next((structure[key] for key in CONTAINERS if isinstance(structure.get(key), dict)), structure)
    if not isinstance(table, dict) or not table:
        kind = "Tensor" if isinstance(structure, Deferred) else type(structure).__name__
        raise Refused(f"holds {kind}, not tensors by name (a `state_dict`)")
    strangers = [str(k) for k, v in table.items() if not (isinstance(k, str) and isinstance(v, Tensor | Deferred))]
    if strangers:
        raise Refused(f"not tensors by name (a `state_dict`): {few(strangers)}")
    return {name: room.made(v) if isinstance(v, Deferred) else v.detach() for name, v in table.items()}


def few(names: Sequence[str]) -> str:
    """The first few of `names`, and how many there are."""
    shown = [name if name.isprintable() else repr(name) for name in names[:4]]
    return ", ".join(shown) + (f" ... ({len(names)} in all)" if len(names) > 4 else "")
