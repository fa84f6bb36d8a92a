"""The kernels of `fused_norm` on CUDA, in Triton. Maps are channels-last: rows = N H W, C channels side by side.

    R rows and L channels a tile   P programs along the rows, each with two sums for every channel

What batch_norm.cpp does, by the same formulas: forward reads x twice and `added` once and writes y; backward reads dy
and y once or twice and x twice, and writes dx. Sums are taken by P programs and then, in their order, by one: P follows
from the shape alone, and so do all results.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from resnets.models.batch_norm_cpu import Averages

TILE, LANES, PROGRAMS, TOGETHER = 4096, 128, 512, 64
"""Values of a tile, channels of a tile at most, programs along the rows at most, sums that are added up at once."""


def fits(x: Tensor) -> bool:
    """Whether the kernels can work on maps `x`: on all."""
    return True


# ------------------------------------------------------------------------------------------------------------
# What is called


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
    rows, channels, programs, blocks, tile, sum_up = _cut(x)
    y = torch.empty_like(x)
    sums = x.new_empty((programs, 2, channels), dtype=torch.float32)
    mean, variance, scale, shift = x.new_empty((4, channels), dtype=torch.float32)
    _moments[programs, blocks](x, sums, rows, channels, **tile)
    of_channels = (weight, bias, mean, variance, scale, shift, *averages)
    _after_moments[(blocks,)](x, sums, *of_channels, momentum, eps, rows, channels, programs, **sum_up)
    tile["RELU"] = relu
    _normalise[triton.cdiv(rows, tile["R"]), blocks](x, added, y, scale, shift, rows, channels, **tile)
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
    rows, channels, programs, blocks, tile, sum_up = _cut(x)
    tile["RELU"] = relu
    dx = torch.empty_like(x)
    kept = torch.empty_like(x) if keep else None
    sums = x.new_empty((programs, 2, channels), dtype=torch.float32)
    dweight, dbias, a, b, c = x.new_empty((5, channels), dtype=torch.float32)
    _products[programs, blocks](dy, second, y, x, kept, mean, sums, rows, channels, **tile)
    of_channels = (weight, mean, variance, dweight, dbias, a, b, c)
    _after_products[(blocks,)](sums, *of_channels, eps, rows, channels, programs, **sum_up)
    maps = (dy, second, y, x, kept, dx)
    _descend[triton.cdiv(rows, tile["R"]), blocks](*maps, a, b, c, rows, channels, **tile)
    return dx, dweight, dbias, kept


def _cut(x: Tensor) -> tuple[int, int, int, int, dict[str, Any], dict[str, Any]]:
    """Rows, channels, how many programs share the rows out, in how many blocks the channels are cut, and what kernels
    are compiled for: a tile, and the sums that are added up."""
    channels = x.shape[1]
    rows, lanes = x.numel() // channels, min(LANES, triton.next_power_of_2(channels))
    height = TILE // lanes
    programs, blocks = min(PROGRAMS, triton.cdiv(rows, height)), triton.cdiv(channels, lanes)
    return rows, channels, programs, blocks, {"R": height, "L": lanes}, {"TOGETHER": TOGETHER, "L": lanes}


# ------------------------------------------------------------------------------------------------------------
# Tiles


@triton.jit
def _tile(first, c, rows, channels, R: tl.constexpr):
    """The places of a tile in memory, and which of them are in the map."""
    row = first + tl.arange(0, R)
    return row.to(tl.int64)[:, None] * channels + c[None, :], (row < rows)[:, None] & (c < channels)[None, :]


@triton.jit
def _read(map, places, inside):
    return tl.load(map + places, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _write(map, places, inside, values):
    tl.store(map + places, values.to(map.dtype.element_ty), mask=inside)


@triton.jit
def _total(sums, which, c, channels, programs, TOGETHER: tl.constexpr, L: tl.constexpr):
    """One of the two sums over all programs."""
    total = tl.zeros((L,), tl.float32)
    for first in range(0, programs, TOGETHER):
        program = first + tl.arange(0, TOGETHER)
        inside = (program < programs)[:, None] & (c < channels)[None, :]
        total += tl.sum(_read(sums, (2 * program + which)[:, None] * channels + c[None, :], inside), 0)
    return total


@triton.jit
def _keep(sums, c, channels, one, other):
    """The two sums of this program."""
    place = 2 * tl.program_id(0) * channels + c
    tl.store(sums + place, one, mask=c < channels)
    tl.store(sums + place + channels, other, mask=c < channels)


# ------------------------------------------------------------------------------------------------------------
# Forward. The first row is taken off before squaring, lest large means eat the digits.


@triton.jit
def _moments(x, sums, rows, channels, R: tl.constexpr, L: tl.constexpr):
    c = tl.program_id(1) * L + tl.arange(0, L)
    base = _read(x, c, c < channels)
    total, squares = tl.zeros((L,), tl.float32), tl.zeros((L,), tl.float32)
    for first in range(tl.program_id(0) * R, rows, tl.num_programs(0) * R):
        places, inside = _tile(first, c, rows, channels, R)
        d = tl.where(inside, _read(x, places, inside) - base[None, :], 0.0)
        total += tl.sum(d, 0)
        squares += tl.sum(d * d, 0)
    _keep(sums, c, channels, total, squares)


@triton.jit
def _after_moments(
    x,
    sums,
    weight,
    bias,
    mean,
    variance,
    scale,
    shift,
    running_mean,
    running_variance,
    momentum,
    eps,
    rows,
    channels,
    programs,
    TOGETHER: tl.constexpr,
    L: tl.constexpr,
):
    c = tl.program_id(0) * L + tl.arange(0, L)
    inside = c < channels
    offset = _total(sums, 0, c, channels, programs, TOGETHER, L) / rows
    spread = _total(sums, 1, c, channels, programs, TOGETHER, L) / rows - offset * offset
    spread = tl.where(spread < 0, 0.0, spread)  # a sum that is not a number stays what it is
    middle = _read(x, c, inside) + offset
    s = _read(weight, c, inside) / tl.sqrt(spread + eps)
    _write(mean, c, inside, middle)
    _write(variance, c, inside, spread)
    _write(scale, c, inside, s)
    _write(shift, c, inside, _read(bias, c, inside) - middle * s)
    if running_mean is not None:
        before = _read(running_mean, c, inside)
        _write(running_mean, c, inside, before + momentum * (middle - before))
    if running_variance is not None:
        before = _read(running_variance, c, inside)
        _write(running_variance, c, inside, before + momentum * (spread * (rows / (rows - 1)) - before))


@triton.jit
def _normalise(x, added, y, scale, shift, rows, channels, RELU: tl.constexpr, R: tl.constexpr, L: tl.constexpr):
    c = tl.program_id(1) * L + tl.arange(0, L)
    places, inside = _tile(tl.program_id(0) * R, c, rows, channels, R)
    out = _read(x, places, inside) * _read(scale, c, c < channels)[None, :] + _read(shift, c, c < channels)[None, :]
    if added is not None:
        out += _read(added, places, inside)
    if RELU:
        out = tl.where(out < 0, 0.0, out)
    _write(y, places, inside, out)


# ------------------------------------------------------------------------------------------------------------
# Backward: with g the gradient before the ReLU, dx = a g + b x + c, a to c of each channel


@triton.jit
def _gradient(dy, second, y, places, inside, RELU: tl.constexpr):
    g = _read(dy, places, inside)
    if second is not None:
        g += _read(second, places, inside)
    if RELU:
        g = tl.where(_read(y, places, inside) <= 0, 0.0, g)
    return g


@triton.jit
def _products(dy, second, y, x, kept, mean, sums, rows, channels, RELU: tl.constexpr, R: tl.constexpr, L: tl.constexpr):
    c = tl.program_id(1) * L + tl.arange(0, L)
    middle = _read(mean, c, c < channels)
    total, products = tl.zeros((L,), tl.float32), tl.zeros((L,), tl.float32)
    for first in range(tl.program_id(0) * R, rows, tl.num_programs(0) * R):
        places, inside = _tile(first, c, rows, channels, R)
        g = _gradient(dy, second, y, places, inside, RELU)
        if kept is not None:
            _write(kept, places, inside, g)
        total += tl.sum(g, 0)
        products += tl.sum(g * (_read(x, places, inside) - middle[None, :]), 0)
    _keep(sums, c, channels, total, products)


@triton.jit
def _after_products(
    sums,
    weight,
    mean,
    variance,
    dweight,
    dbias,
    a,
    b,
    c_,
    eps,
    rows,
    channels,
    programs,
    TOGETHER: tl.constexpr,
    L: tl.constexpr,
):
    c = tl.program_id(0) * L + tl.arange(0, L)
    inside = c < channels
    total = _total(sums, 0, c, channels, programs, TOGETHER, L)
    products = _total(sums, 1, c, channels, programs, TOGETHER, L)
    inverse = 1 / tl.sqrt(_read(variance, c, inside) + eps)
    scale = _read(weight, c, inside) * inverse
    slope = -scale * inverse * inverse * products / rows
    _write(dweight, c, inside, products * inverse)
    _write(dbias, c, inside, total)
    _write(a, c, inside, scale)
    _write(b, c, inside, slope)
    _write(c_, c, inside, -scale * total / rows - slope * _read(mean, c, inside))


@triton.jit
def _descend(
    dy, second, y, x, kept, dx, a, b, c_, rows, channels, RELU: tl.constexpr, R: tl.constexpr, L: tl.constexpr
):
    c = tl.program_id(1) * L + tl.arange(0, L)
    places, inside = _tile(tl.program_id(0) * R, c, rows, channels, R)
    if kept is None:  # noqa: SIM108 - Triton compiles the branch that is taken, and no other
        g = _gradient(dy, second, y, places, inside, RELU)
    else:
        g = _read(kept, places, inside)
    of_x = _read(x, places, inside) * _read(b, c, c < channels)[None, :] + _read(c_, c, c < channels)[None, :]
    _write(dx, places, inside, g * _read(a, c, c < channels)[None, :] + of_x)
