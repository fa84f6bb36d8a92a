"""numpy's arrays and dtypes as their pickles describe them: made by us, of what is there."""

from typing import Any

import torch
from torch import Tensor

from resnets.models.formats.content import Deferred, numbers, shaped

DTYPES = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "b1": torch.bool,
}


class Kind:
    """A numpy dtype: "f4", and its byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = _text(code)
        self.order = "<"

    def build(self, state: Any) -> None:
        self.order = _text(state[1])

    def torch(self) -> torch.dtype:
        if self.order not in "<|=" or self.code not in DTYPES:
            raise ValueError(f"an array of {self.order}{self.code[:20]!r}, which is not read")
        return DTYPES[self.code]


class Array(Deferred):
    """A numpy array as its pickle describes it."""

    def __init__(self, *_: Any) -> None:
        self.described: Any = None

    def build(self, state: Any) -> None:
        self.described = state

    def count(self) -> int:
        return len(self.described[4])

    def tensor(self) -> Tensor:
        try:
            _, shape, kind, by_columns, raw = self.described
            # Python 2 wrote bytes as text, each character a byte.
            values = numbers(raw.encode("latin-1") if isinstance(raw, str) else raw, kind.torch())
            turned = shaped(values, [int(side) for side in (shape[::-1] if by_columns else shape)])
        except (TypeError, AttributeError):
            raise ValueError("an array that is not described as numpy does") from None
        return turned.permute(*reversed(range(len(shape)))) if by_columns else turned


def from_buffer(raw: Any, kind: Kind, shape: Any, order: str) -> Array:
    """What numpy's newer pickles call."""
    array = Array()
    array.build((None, shape, kind, order == "F", raw))
    return array


def _text(value: Any) -> str:
    # Anything else may be nested, and its text twice as long at each depth.
    if not isinstance(value, str | bytes):
        raise ValueError(f"{type(value).__name__} where a text belongs")
    return value.decode("latin-1") if isinstance(value, bytes) else value
