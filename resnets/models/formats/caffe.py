"""Caffe's binary files: a trained net (`.caffemodel`) and a mean image (`.binaryproto`).

Both are protocol buffers: fields of a number and one of four kinds. What the messages here are made of:

    net    100 layer (2: layers of the older form)     layer  1 name, 2 type, 7 blobs, parameters from 100 on
    blob   7 shape, 5 and 8 data, 1 to 4 older shape   shape  1 dim

Source: the wire format as Google documents it; `src/caffe/proto/caffe.proto` of BVLC/caffe for the numbers.
"""

import struct
from collections.abc import Iterator

import torch
from torch import Tensor

from resnets.models.formats.content import Content, Cursor, Refused, numbers, shaped

Field = tuple[int, int | memoryview]

PARAMETERS = {
    "Convolution": (
        106,
        {3: "padding", 4: "kernel", 5: "groups", 6: "stride", 18: "dilation"},
        (9, 10, 11, 12, 13, 14),
    ),
    "Pooling": (121, {1: "method", 2: "kernel", 3: "stride", 4: "padding", 13: "rounding"}, (5, 6, 7, 8, 9, 10)),
}
"""By type of layer: its parameters' field in the layer, their numbers and names, and those of the forms with a height
and a width, which no ResNet has."""
DEFAULTS = {
    "Convolution": {"padding": 0, "kernel": 0, "groups": 1, "stride": 1, "dilation": 1},
    "Pooling": {"method": 0, "kernel": 0, "stride": 1, "padding": 0, "rounding": 0},
}
BATCH_NORM, EPS = 139, 1e-5
"""Its parameters' field; the epsilon where none is given."""


def read_caffemodel(content: bytes) -> Content:
    """The blobs of a trained net, called "layer/0", "layer/1", ..., and what its layers are. Raises ValueError."""
    tensors: dict[str, Tensor] = {}
    layers: dict[str, dict[str, int | float | str]] = {}
    for number, value in _fields(content):
        if number == 2:
            raise Refused("a net in Caffe's older form (V1), from before batch normalisation")
        if number == 100:
            name, facts, blobs = _layer(_bytes(value))
            if name in layers:
                raise ValueError(f"two layers are called {name[:40]!r}")
            layers[name] = facts
            tensors |= {f"{name}/{index}": blob for index, blob in enumerate(blobs)}
    if not tensors:
        raise ValueError("no layer with blobs")
    return Content("Caffe", tensors, layers)


def read_mean(content: bytes) -> Tensor:
    """The image in a mean file: float32 (3, H, W), in 0..255 and BGR as Caffe has them. Raises ValueError."""
    image = _blob(memoryview(content)).float()
    while image.dim() > 3 and len(image) == 1:
        image = image[0]
    if image.dim() != 3 or len(image) != 3 or image.shape[1] != image.shape[2]:
        raise ValueError(f"an image of shape {tuple(image.shape)}, allowed is (3, side, side)")
    return image


def _layer(message: memoryview) -> tuple[str, dict[str, int | float | str], list[Tensor]]:
    fields = list(_fields(message))
    text = {number: _bytes(value).tobytes().decode() for number, value in fields if number in (1, 2)}
    kind = text.get(2, "")
    facts: dict[str, int | float | str] = {"type": kind}
    if kind in PARAMETERS:
        facts |= _parameters(kind, fields)
    if kind == "BatchNorm":
        given = [value for number, message in fields if number == BATCH_NORM for value in _floats(_bytes(message), 3)]
        facts["eps"] = given[-1] if given else EPS
    return text.get(1, ""), facts, [_blob(_bytes(value)) for number, value in fields if number == 7]


def _parameters(kind: str, fields: list[Field]) -> dict[str, int]:
    place, names, by_side = PARAMETERS[kind]
    messages = [_bytes(message) for number, message in fields if number == place]
    values = dict(DEFAULTS[kind]) if messages else {}
    for message in messages:
        for inner, value in _fields(message):
            if inner in by_side:
                raise Refused("a layer whose height and width are given apart")
            if inner in names:
                sides = {value} if isinstance(value, int) else set(_varints(value))
                if len(sides) != 1:
                    raise Refused("a layer that is not square")
                values[names[inner]] = sides.pop()
    if "rounding" in values:
        values["ceil"] = int(values.pop("rounding") == 0)
    return values


def _blob(message: memoryview) -> Tensor:
    shape: list[int] = []
    older: dict[int, int] = {}
    singles, doubles = bytearray(), bytearray()
    for number, value in _fields(message):
        if number == 7:
            for inner, dim in _fields(_bytes(value)):
                shape += ([dim] if isinstance(dim, int) else _varints(dim)) if inner == 1 else []
        elif number in (1, 2, 3, 4) and isinstance(value, int):
            older[number] = value
        elif number == 5:
            singles += _bytes(value)
        elif number == 8:
            doubles += _bytes(value)
    values = numbers(singles, torch.float32) if singles else numbers(doubles, torch.float64)
    if older and not shape:
        shape = [older.get(number, 1) for number in (1, 2, 3, 4)]
    return shaped(values, shape or [len(values)])


# ------------------------------------------------------------------------------------------------------------
# The wire format


def _fields(message: bytes | memoryview) -> Iterator[Field]:
    """The fields of a message: their numbers, and an integer or bytes."""
    cursor = Cursor(message)
    while cursor.left:
        key = _varint(cursor)
        kind = key & 7
        if kind == 0:
            yield key >> 3, _varint(cursor)
        elif kind in (1, 5):
            yield key >> 3, cursor.take(8 if kind == 1 else 4)
        elif kind == 2:
            yield key >> 3, cursor.take(_varint(cursor))
        else:
            raise ValueError(f"a field of kind {kind} at byte {cursor.at:,}")


def _varint(cursor: Cursor) -> int:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    value = 0
    for place in range(min(10, cursor.left)):
        byte = cursor.view[cursor.at]
        cursor.at += 1
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value
    raise ValueError(f"a number that ends nowhere, at byte {cursor.at:,}")


def _varints(packed: memoryview) -> list[int]:
    cursor, found = Cursor(packed), []
    while cursor.left:
        found.append(_varint(cursor))
    return found


def _floats(message: memoryview, wanted: int) -> list[float]:
    """The float fields of number `wanted`."""
    return [struct.unpack("<f", v)[0] for n, v in _fields(message) if n == wanted and not isinstance(v, int)]


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where bytes belong")
    return value
