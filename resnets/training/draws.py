"""What a network draws in training (dropout, dropped blocks): a pure function of (seed, step), with nothing to save."""

import hashlib
from threading import Lock

import torch

from resnets.ranks import rank

GENERATOR = Lock()
"""torch's generator on the CPU is one for all threads: held while it is seeded, and while a network draws its first
weights. What a network draws in training is not held: networks that do so are not trained side by side."""


def seed_draws(seed: int, step: int, device: torch.device) -> None:
    """Seeds what a network on `device` draws from in iteration `step`: the generators of the CPU and of `device`.

    Every rank draws for itself: its images are others.

    It takes some microseconds and does not wait for the device. torch.manual_seed would take hundreds where CUDA is
    installed but not in use, as it then notes where it was called from.
    """
    words = f"{seed} {step} {rank()}" if rank() else f"{seed} {step}"
    number = int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big")
    with GENERATOR:
        torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)
