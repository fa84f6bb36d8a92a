"""What the machine could do at most: operations and bytes of a network, counted, and how fast either goes here.

A convolution reads its input x and writes its output y. Training does so three times (forward, gradients of the input,
gradients of the weights), and BN with its ReLU moves y another eight times: three forward, five backward. In inference
BN is part of the convolution. Each layer takes at least the longer of the time of its operations and that of its bytes;
the limit is their sum, with no overlap between layers and nothing kept in a cache.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from resnets.models.catalog import blueprint
from resnets.models.layers import Layer
from resnets.runtime import resolve_device

MATMUL, COPY = {"cpu": 2048, "mps": 4096, "cuda": 8192}, 1 << 28
"""Side of the matrices, by device, and bytes of the block, by which the machine is measured."""


@dataclass(frozen=True)
class Machine:
    """What is measured here."""

    operations: float
    """A second, in a large matrix product: of float32 or, where bfloat16 is used, of that."""
    bytes: float
    """A second, read and written, in a copy too large for any cache."""


@dataclass(frozen=True)
class MatrixProduct:
    """A side of `timing.in_turn`: one product of two square matrices."""

    precision: str

    def __call__(self) -> Callable[[], Any]:
        import torch

        kind = torch.bfloat16 if self.precision == "bf16" else torch.float32
        device = _device()
        a, b = torch.randn(2, MATMUL[device], MATMUL[device], device=device).to(kind)
        return lambda: a @ b


@dataclass(frozen=True)
class Copy:
    """A side of `timing.in_turn`: one copy from memory to memory."""

    def __call__(self) -> Callable[[], Any]:
        import torch

        a, b = torch.rand(2, COPY // 4, device=_device())
        return lambda: b.copy_(a)


def _device() -> str:
    return resolve_device("auto").type


def machine(product_seconds: float, copy_seconds: float) -> Machine:
    """From what the two sides took."""
    return Machine(2 * MATMUL[_device()] ** 3 / product_seconds, 2 * COPY / copy_seconds)


def limit(model: str, here: Machine, precision: str, training: bool) -> float:
    """Images a second that no program with separate layers could exceed on this machine."""
    width = 2 if precision == "bf16" else 4
    rows = [row for row in blueprint(model)[1] if row.multiply_adds]
    seconds = 0.0
    for number, row in enumerate(rows):
        passes = 3 - (number == 0) if training else 1  # nobody asks for the gradient of the images
        operations = 2 * row.multiply_adds * passes
        x, y = _maps(row)
        values = passes * (x + y) + (8 * y if training else 0)
        seconds += max(operations / here.operations, width * values / here.bytes)
    return 1 / seconds


def _maps(row: Layer) -> tuple[int, int]:
    """How many values go into a layer, and come out."""
    height, width = row.output_size
    return row.in_channels * height * width * row.stride**2, row.out_channels * height * width
