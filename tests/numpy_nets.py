"""Networks computed with numpy alone, in the conventions of those who publish weights: they owe nothing to ours.

Maps are (N, C, H, W), filters (out, in / groups, k, k), in float64.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray

WIDTHS = (24, 32, 40, 48)
"""Of the bottlenecks of a narrow ResNet: all its layers, few of its numbers."""


def conv(x: Array, filters: Array, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    side = filters.shape[-1]
    windows = sliding_window_view(x, (side, side), axis=(2, 3))[:, :, ::stride, ::stride]
    parts = zip(np.split(windows, groups, axis=1), np.split(filters, groups), strict=True)
    return np.concatenate([np.einsum("nchwij,ocij->nohw", w, f, optimize=True) for w, f in parts], axis=1)


def per_channel(values: Array) -> Array:
    return np.asarray(values, np.float64).reshape(1, -1, 1, 1)


def batch_norm(x: Array, mean: Array, var: Array, eps: float) -> Array:
    return (x - per_channel(mean)) / np.sqrt(per_channel(var) + eps)


def affine(x: Array, scale: Array, shift: Array) -> Array:
    return x * per_channel(scale) + per_channel(shift)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def max_pool(x: Array, side: int, stride: int, padding: int, up: bool) -> Array:
    """`up`: the last window may hang over the edge, where a stride begins within the map."""
    more = -(x.shape[2] + 2 * padding - side) % stride if up else 0
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding + more), (padding, padding + more)), constant_values=-np.inf)
    return sliding_window_view(x, (side, side), axis=(2, 3))[:, :, ::stride, ::stride].max((4, 5))


def mean_pool(x: Array, side: int, stride: int) -> Array:
    return sliding_window_view(x, (side, side), axis=(2, 3))[:, :, ::stride, ::stride].mean((4, 5))


class Draw:
    """Random parameters, float32, under which a signal neither dies nor explodes."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def filters(self, out: int, into: int, side: int) -> Array:
        return (self.rng.standard_normal((out, into, side, side)) * (2 / (into * side * side)) ** 0.5).astype("f4")

    def vector(self, size: int, low: float, high: float) -> Array:
        return self.rng.uniform(low, high, size).astype("f4")

    def norm(self, size: int, spread: float = 1.0) -> dict[str, Array]:
        """Mean, variance, scale and shift of a BN whose inputs have variance `spread`."""
        return {
            "mean": self.vector(size, -0.3, 0.3) * np.float32(spread**0.5),
            "var": self.vector(size, 0.5, 1.5) * np.float32(spread),
            "scale": self.vector(size, 0.3, 0.9) * self.rng.choice(np.array([-1, 1], "f4"), size),
            "shift": self.vector(size, -0.3, 0.3),
        }

    def matrix(self, out: int, into: int) -> Array:
        return (self.rng.standard_normal((out, into)) * into**-0.5).astype("f4")

    def image(self, side: int) -> Array:
        """uint8 (1, 3, side, side), RGB."""
        return self.rng.integers(0, 256, (1, 3, side, side), dtype=np.uint8)
