"""Keras' weights in HDF5 (`.h5`): those of a network, or of a whole model of Keras 2.

Read with pyfive, which is Python throughout: a file cannot make it do what a library in C can be made to do. It is
handed the file through a reader that gives out no more than a few times the file's size, so that neither memory nor
time are the file's to choose; numbers are taken only where they lie in one piece and uncompressed, as Keras writes
them. Layers and weights are told by their places, `layer/.../kernel:0`.
Source: keras-team/keras, `saving/legacy/hdf5_format.py`.
"""

import math
import warnings
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from resnets.models.formats.content import Content, Refused, Room, numbers, shaped

READINGS = 6
"""How many times its size may be read out of a file; indices are read more than once."""
DEEPEST = 8
"""Groups within groups."""
DTYPES = {"<f2": torch.float16, "<f4": torch.float32, "<f8": torch.float64}


class Metered(BytesIO):
    """Bytes of which no more than so many are given out."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.rest = READINGS * len(content) + (1 << 16)

    def read(self, size: int | None = -1, /) -> bytes:
        given = super().read(size)
        self.rest -= len(given) + 8
        if self.rest < 0:
            raise ValueError(f"more than {READINGS} times its size is read: it refers to itself")
        return given


def read_keras(content: bytes) -> Content:
    """The weights of a network, called "layer/kernel". Raises ValueError, also where pyfive is not installed."""
    try:
        import pyfive
    except ImportError:
        raise Refused("HDF5 is read with pyfive, which is not installed: pip install 'resnets[convert]'") from None
    try:
        with warnings.catch_warnings(), pyfive.File(Metered(content)) as file:
            warnings.simplefilter("error")
            root = file.get("model_weights", file)
            if not isinstance(root, pyfive.Group):
                raise Refused("holds no groups of weights")
            if "layers" in root or "_layer_checkpoint_dependencies" in root:
                raise Refused(
                    "weights as Keras 3 keeps them (.weights.h5), without the layers' names; "
                    "allowed are those of `model.save_weights` with a name that ends in .h5, of Keras 2"
                )
            tensors: dict[str, Tensor] = {}
            room = Room(len(content))
            for layer in root:
                _collect(root[layer], layer, tensors, room, 1)
    except ValueError:
        raise
    except Exception as error:  # of damaged files, nearly everything there is
        raise ValueError(f"{type(error).__name__}: {str(error)[:80]}") from None
    if not tensors:
        raise Refused("holds no weights of Keras")
    return Content("Keras", tensors)


def _collect(found: Any, layer: str, tensors: dict[str, Tensor], room: Room, depth: int) -> None:
    """The data sets in and below `found`, as weights of `layer`."""
    import pyfive

    if depth > DEEPEST or len(tensors) > 100_000:
        raise ValueError("more groups than a network has layers")
    if isinstance(found, pyfive.Dataset):
        name = f"{layer}/{found.name.rpartition('/')[2].partition(':')[0]}"
        if name in tensors:
            raise ValueError(f"two weights are called {name[:60]!r}")
        tensors[name] = _values(found, room)
    elif isinstance(found, pyfive.Group):
        for inner in found:
            _collect(found[inner], layer, tensors, room, depth + 1)


def _values(found: Any, room: Room) -> Tensor:
    code, shape = found.dtype.str, tuple(int(side) for side in found.shape)
    if code not in DTYPES:
        raise ValueError(f"{found.name[:60]!r} holds {code[:20]!r}, allowed are {', '.join(DTYPES)}")
    if found.chunks is not None:
        raise Refused(f"{found.name[:60]!r} is kept in chunks, perhaps compressed; Keras writes weights in one piece")
    count = math.prod(shape) * DTYPES[code].itemsize
    if any(side < 0 for side in shape) or count > room.left:
        raise ValueError(f"{found.name[:60]!r} has shape {shape[:6]}, which is more than the file holds")
    room.take(count)  # what was never written takes memory, too
    return shaped(numbers(found[()].tobytes(), DTYPES[code]), shape)
