"""Which images are held out: for validation by the seed, for a test that nobody provided by their names."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from resnets.data.file_names import encoded, normal

_PURPOSE = 0x56414C49
"""Seeds the generator beside the user's seed: "VALI" in ASCII, a number that no epoch reaches."""


def hold_out(count_total: int, count_held: int, seed: int) -> tuple[Int64[Tensor, "train"], Int64[Tensor, "held"], str]:
    """Split 0..count_total-1 at random: (training indices, held-out indices, hash), both sorted, int64.

    He et al. 2015a, section 4.2, hold out 5,000 of CIFAR-10's 50,000 training images and do not say which;
    here they are the first `count_held` of a random permutation, not balanced by class. The hash is the
    SHA-256, in hex, of the held-out indices in decimal, one a line. ValueError where either part would be
    empty or the seed is negative.
    """
    if not 0 < count_held < count_total:
        raise ValueError(f"held-out images: {count_held} given, allowed are 1 to {count_total - 1}")
    if seed < 0:
        raise ValueError(f"seed is {seed}, allowed are whole numbers from 0")
    order = np.random.default_rng((seed, _PURPOSE)).permutation(count_total)
    held, train = np.sort(order[:count_held]), np.sort(order[count_held:])
    digest = hashlib.sha256("".join(f"{index}\n" for index in held).encode()).hexdigest()
    return torch.from_numpy(train), torch.from_numpy(held), digest


def fifth(names: Sequence[str], split: str) -> frozenset[str]:
    """Of the pictures of one class, those in `split`, "train" or "test", where nobody says which are for the test.

    A fifth is: rounded down but at least one, and one at least stays in training. Which follows from a hash of their
    names alone, in Unicode's form C.
    """
    ranked = sorted(names, key=lambda name: hashlib.sha256(encoded(normal(name))).digest())
    tested = ranked[: min(max(1, len(ranked) // 5), len(ranked) - 1)]
    return frozenset(tested if split == "test" else ranked[len(tested) :])
