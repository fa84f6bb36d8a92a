"""What a network draws in training (dropout, dropped blocks): a pure function of (seed, step), with nothing to save."""

import hashlib

import torch


def seed_draws(seed: int, step: int, device: torch.device) -> None:
    """Seeds what a network on `device` draws from in iteration `step`: the generators of the CPU and of `device`.

    It takes some microseconds and does not wait for the device. torch.manual_seed would take hundreds where CUDA is
    installed but not in use, as it then notes where it was called from.
    """
    number = int.from_bytes(hashlib.blake2b(f"{seed} {step}".encode(), digest_size=8).digest(), "big")
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)
