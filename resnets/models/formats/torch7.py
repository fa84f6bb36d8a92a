"""Torch7's binary files (`.t7`): Lua's values one after the other, a network as a tree of modules.

A value is an int32 that says its kind, and what belongs to it; tables and objects have an index, by which later values
refer to them. Lua's functions, which are code, are passed over; classes are names, of which tensors and storages alone
mean anything here. The files do not say whether their C `long` has 8 bytes or 4, so both are tried.
Source: torch/torch7, `File.lua`, `generic/Tensor.c`, `generic/Storage.c`; torch/nn and fb.resnet.torch for the modules.
"""

import math
from typing import Any

import torch
from torch import Tensor

from resnets.models.formats.content import Content, Cursor, Deferred, Refused, Room, numbers, shaped, strided

NIL, NUMBER, STRING, TABLE, OBJECT, BOOLEAN = range(6)
FUNCTIONS = (6, 7, 8)
DEEPEST, MOST_MODULES = 120, 100_000
"""How deep values may be nested, and how many modules a tree may have; ResNet-1202 takes 20 and 9,000."""

KINDS = {
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Cuda": torch.float32,
    "CudaDouble": torch.float64,
    "CudaHalf": torch.float16,
    "CudaLong": torch.int64,
    "CudaInt": torch.int32,
}
"""The beginnings of the names of tensors and storages."""


class Module:
    """An object of any class but tensors and storages: its name, and its fields."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: dict[Any, Any] = {}

    @property
    def kind(self) -> str:
        """The name without its package: "SpatialConvolution" of nn, cudnn and the others."""
        return self.name.rpartition(".")[2]


class Shaped(Deferred):
    """A tensor: a part of a storage (n,), which is None where it is empty."""

    def __init__(self, offset: int, size: list[int], stride: list[int], storage: Any) -> None:
        self.place = offset, size, stride
        self.storage = storage

    def count(self) -> int:
        size = self.place[1]
        return self.storage.itemsize * math.prod(size) if size and isinstance(self.storage, Tensor) else 0

    def tensor(self) -> Tensor:
        if self.storage is None or not self.place[1]:  # Torch7 calls a tensor without sides empty
            return torch.empty(0)
        if not isinstance(self.storage, Tensor):
            raise ValueError("a tensor whose storage is none")
        return strided(self.storage, *self.place)


class _Reader:
    def __init__(self, content: bytes, long: str) -> None:
        self.cursor, self.long = Cursor(content), long
        self.seen: dict[int, Any] = {}

    def value(self, depth: int = 0) -> Any:
        if depth > DEEPEST:
            raise ValueError(f"values nested more than {DEEPEST} deep")
        kind = self.cursor.unpack("<i")
        if kind == NIL:
            return None
        if kind == NUMBER:
            return self.cursor.unpack("<d")
        if kind == STRING:
            return self.text()
        if kind == BOOLEAN:
            return self.cursor.unpack("<i") == 1
        if kind in FUNCTIONS:
            return self.function(kind, depth)
        if kind not in (TABLE, OBJECT):
            raise ValueError(f"a value of kind {kind} at byte {self.cursor.at:,}")
        index = self.cursor.unpack("<i")
        if index not in self.seen:
            return self.table(index, depth) if kind == TABLE else self.object(index, depth)
        return self.seen[index]

    def text(self) -> str:
        return self.cursor.take(self.cursor.unpack("<i")).tobytes().decode("latin-1")

    def function(self, kind: int, depth: int) -> None:
        """Passed over: its index (the oldest kind has none), its code, and the values it closes over."""
        if kind != 6:
            index = self.cursor.unpack("<i")
            if index in self.seen:
                return
            self.seen[index] = None
        self.text()
        self.value(depth + 1)

    def table(self, index: int, depth: int) -> dict[Any, Any]:
        made = self.seen[index] = {}
        count = self.cursor.unpack("<i")
        if count < 0:
            raise ValueError(f"a table of {count} entries")
        for _ in range(count):
            key, value = self.value(depth + 1), self.value(depth + 1)
            if isinstance(key, str | float):  # by anything else nothing is kept that is wanted here
                made[key] = value
        return made

    def object(self, index: int, depth: int) -> Any:
        name = self.text()
        if name.startswith("V "):  # the version of the class; files from before there were any begin with the name
            name = self.text()
        kind = KINDS.get(name.removeprefix("torch.").removesuffix("Tensor").removesuffix("Storage"))
        if kind is not None and name.endswith("Storage"):
            self.seen[index] = self.storage(torch.int32 if name == "torch.LongStorage" and self.long == "<i" else kind)
        elif kind is not None:
            size, stride = self.longs(count := self.cursor.unpack("<i")), self.longs(count)
            self.seen[index] = Shaped(self.cursor.unpack(self.long) - 1, size, stride, self.value(depth + 1))
        else:
            made = self.seen[index] = Module(name)
            fields = self.value(depth + 1)
            if not isinstance(fields, dict):
                raise ValueError(f"an object of {name[:40]!r} without fields")
            made.fields = fields
        return self.seen[index]

    def longs(self, count: int) -> list[int]:
        dtype = torch.int64 if self.long == "<q" else torch.int32
        return numbers(self.cursor.take(count * dtype.itemsize), dtype).tolist()

    def storage(self, dtype: torch.dtype) -> Tensor:
        count = self.cursor.unpack(self.long)
        return numbers(self.cursor.take(count * dtype.itemsize), dtype)


def read_torch7(content: bytes) -> Content:
    """The tensors of a network, called "5.1.1.2.weight" after the places in its tree, from 1 on; and its modules.

    Raises ValueError.
    """
    top = _top(content)
    tensors: dict[str, Tensor] = {}
    layers: dict[str, dict[str, Any]] = {}
    _walk(_network(top), "", tensors, layers, Room(len(content)))
    if not tensors:
        raise Refused("holds no module with weights")
    return Content("Torch7", tensors, layers)


def _top(content: bytes) -> Any:
    faults = []
    for long in ("<q", "<i"):
        reader = _Reader(content, long)
        try:
            value = reader.value()
            if reader.cursor.left:
                raise ValueError(f"{reader.cursor.left:,} bytes behind its end")
            return value
        except ValueError as error:
            faults.append(error)
    raise faults[0]


def _network(top: Any) -> Module:
    """The network in a file: what it holds, or what is called `model` or `net` in its table."""
    found = top
    if isinstance(top, dict):
        found = next((top[key] for key in ("model", "net") if isinstance(top.get(key), Module)), top)
    if isinstance(found, Module) and found.kind == "DataParallelTable":
        found = next(iter(_children(found)), found)
    if not isinstance(found, Module):
        raise Refused("holds no network (a module of nn)")
    return found


def _children(module: Module) -> list[Module]:
    table = module.fields.get("modules")
    if not isinstance(table, dict):
        return []
    ordered = [table[key] for key in sorted(key for key in table if isinstance(key, float))]
    if not all(isinstance(child, Module) for child in ordered):
        raise ValueError("a list of modules with something else in it")
    return ordered


def _walk(module: Module, path: str, tensors: dict[str, Tensor], layers: dict[str, dict[str, Any]], room: Room) -> None:
    if len(layers) >= MOST_MODULES or path.count(".") > DEEPEST:
        raise ValueError(f"a tree of more than {MOST_MODULES:,} modules, or {DEEPEST} deep")
    layers[path] = _facts(module)
    for name in ("weight", "bias", "running_mean", "running_var", "running_std"):
        value = module.fields.get(name)
        if isinstance(value, Shaped) and value.count():
            tensors[f"{path}.{name}"] = room.made(value)
    if f"{path}.running_std" in tensors:  # before 2016, 1 / sqrt(variance + epsilon): nn's own reader does the same
        tensors[f"{path}.running_var"] = tensors.pop(f"{path}.running_std").pow(-2) - layers[path].get("eps", 1e-5)
    weight = f"{path}.weight"
    if module.kind.startswith("SpatialConvolution") and weight in tensors:
        tensors[weight] = _filters(module, tensors[weight])
    for number, child in enumerate(_children(module), 1):
        _walk(child, f"{path}.{number}" if path else str(number), tensors, layers, room)


def _facts(module: Module) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": module.kind}
    if "kW" in module.fields:
        facts |= {"kernel": _side(module, "k"), "stride": _side(module, "d"), "padding": _side(module, "pad")}
        facts["groups"] = _number(module, "groups", 1)
    if "ceil_mode" in module.fields:
        facts["ceil"] = int(module.fields["ceil_mode"] is True)
    for name, field in (("eps", "eps"), ("constant", "constant_scalar")):
        if isinstance(module.fields.get(field), float):
            facts[name] = module.fields[field]
    return facts


def _number(module: Module, name: str, usual: int) -> int:
    value = module.fields.get(name, usual)
    if not isinstance(value, int | float):
        raise ValueError(f"{module.kind} with {name} {str(value)[:20]!r}")
    return int(value)


def _side(module: Module, prefix: str) -> int:
    """What is the same in both directions, such as kW and kH."""
    usual = _number(module, "padding", 0) if prefix == "pad" else 1  # "padding": before there were padW and padH
    sides = {_number(module, f"{prefix}{direction}", usual) for direction in "WH"}
    if len(sides) != 1:
        raise Refused(f"a {module.kind} that is not square")
    return sides.pop()


def _filters(module: Module, weight: Tensor) -> Tensor:
    """The filters of a convolution as (out, in / groups, k, k): some are kept as a matrix."""
    kernel, groups = _side(module, "k"), _number(module, "groups", 1)
    shape = [_number(module, "nOutputPlane", 0), _number(module, "nInputPlane", 0) // max(1, groups), kernel, kernel]
    return shaped(weight.reshape(-1), shape)
