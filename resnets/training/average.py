"""A moving average of the weights, that goes along with training: what the loop tells of every iteration.

Source: Polyak and Juditsky 1992; with a decay, as Szegedy et al. (arXiv:1512.00567, section 8) and EfficientNet's
recipes have it. BN's statistics are averaged as the weights are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


@runtime_checkable
class Companion(Protocol):
    """What goes along with a network in training, and is kept in its checkpoints."""

    def after(self, done: int) -> None:
        """`done` iterations have been done."""
        ...

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs to go on, bit for bit."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from what `state` returned."""
        ...


class Alone:
    """Nothing goes along."""

    def after(self, done: int) -> None:
        """Nothing happens."""

    def state(self) -> dict[str, Tensor]:
        """Nothing is kept."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """There is nothing."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network as it is."""
        yield

    def settle(self) -> None:
        """The network stays as it is."""


ALONE = Alone()


class Average:
    """a <- d a + (1 - d) w after each iteration, over all of a network's parameters and statistics.

    d is `decay`, but in iteration n no more than (1 + n) / (10 + n): the first weights, which are random, are soon
    forgotten. What are no floating-point numbers, counts, are as they were last.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        assert 0 < decay < 1
        self.decay = decay
        self._live = model.state_dict()  # shares its memory with the network, which stays where it is
        self._average = {name: value.clone() for name, value in self._live.items()}

    @torch.no_grad()
    def after(self, done: int) -> None:
        """The average goes on; the host does not wait for the device."""
        decay = min(self.decay, (1 + done) / (10 + done))
        floating = [name for name, value in self._live.items() if value.is_floating_point()]
        averages, values = ([tensors[name] for name in floating] for tensors in (self._average, self._live))
        get_ema_multi_avg_fn(decay)(averages, values, done)  # all tensors in a few kernels
        for name in self._live.keys() - floating:
            self._average[name].copy_(self._live[name])

    def state(self) -> dict[str, Tensor]:
        """The average by name."""
        return self._average

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a `state`; KeyError where it is not of this network."""
        _copy(state, self._average)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the network has the average for its weights; afterwards it is as it was, bit for bit."""
        weights = {name: value.clone() for name, value in self._live.items()}
        self.settle()
        try:
            yield
        finally:
            _copy(weights, self._live)

    def settle(self) -> None:
        """The average takes the place of the weights."""
        _copy(self._average, self._live)


@torch.no_grad()
def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    for name, value in target.items():
        value.copy_(source[name])
