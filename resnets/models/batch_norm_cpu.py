"""The kernels of `fused_norm` on a CPU: batch_norm.cpp, compiled where it runs. Maps are channels-last."""

from ctypes import CDLL, c_float, c_int, c_int64, c_void_p
from functools import cache
from math import lcm

import torch
from torch import Tensor

from resnets.native import library

GROUP = 64
"""How many values batch_norm.cpp works on at once: a map has to be whole groups of whole pixels."""

Averages = tuple[Tensor | None, Tensor | None]
"""The running mean and variance, C values each."""


@cache
def load() -> CDLL:
    """The compiled kernels; raises `native.Unavailable`."""
    kernels = library("resnets.models", "batch_norm.cpp")
    place, size, moments = c_void_p, [c_int64, c_int64, c_int, c_int], [c_void_p, c_void_p]
    behind = [place, place, c_float, *moments, *moments, c_float]
    kernels.batch_norm_forward.argtypes = [c_int, *[place] * 3, *size, *behind]
    kernels.batch_norm_backward.argtypes = [c_int, *[place] * 6, *size, place, c_float, *moments, *moments]
    return kernels


def fits(x: Tensor) -> bool:
    """Whether the kernels can work on maps `x` (N, C, H, W)."""
    return x.numel() % lcm(GROUP, x.shape[1]) == 0


def forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    averages: Averages,
    momentum: float,
    eps: float,
    added: Tensor | None,
    relu: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """y = relu(BN(x) + added), and the mean and the (biased) variance of each channel; `averages` move."""
    y = torch.empty_like(x)
    mean, variance = torch.empty(2, x.shape[1])
    maps, values, moments = _places(x, added, y), _places(weight, bias), _places(mean, variance, *averages)
    load().batch_norm_forward(_kind(x), *maps, *_size(x), relu, *values, eps, *moments, momentum)
    return y, mean, variance


def backward(
    dy: Tensor,
    second: Tensor | None,
    y: Tensor,
    x: Tensor,
    weight: Tensor,
    mean: Tensor,
    variance: Tensor,
    eps: float,
    relu: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """The gradients of x, weight and bias, and with `keep` that before the ReLU. Of y: dy and, it may be, `second`."""
    dx = torch.empty_like(x)
    kept = torch.empty_like(x) if keep else None
    dweight, dbias = torch.empty(2, x.shape[1])
    maps, values = _places(dy, second, y, x, dx, kept), _places(mean, variance, dweight, dbias)
    load().batch_norm_backward(_kind(x), *maps, *_size(x), relu, *_places(weight), eps, *values)
    return dx, dweight, dbias, kept


def _kind(x: Tensor) -> bool:
    return x.dtype == torch.bfloat16


def _size(x: Tensor) -> tuple[int, int, int]:
    """Rows, channels, and how many threads may work."""
    return x.numel() // x.shape[1], x.shape[1], torch.get_num_threads()


def _places(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]
