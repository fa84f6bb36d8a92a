"""One iteration of the loop: as it is written, or captured once as a CUDA graph and replayed.

On a GPU a small network waits for the host: hundreds of kernels a step, each launched by itself. A graph of the whole
step (augmentation, forward, backward, update), or of several, is launched at once. What changes from step to step, the
batch and the learning rate, is copied into tensors whose place the graph knows.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from resnets.cuda_graphs import Recorder, aside, cuda_graph
from resnets.training.draws import seed_draws
from resnets.training.optimiser import descend

Losses = Callable[[Any], dict[str, Tensor]]


class Told(NamedTuple):
    """The losses of some iterations, on the device, means over their batches."""

    sums: dict[str, Tensor]
    """By name, scalars: the sums over these iterations."""
    each: tuple[Tensor, ...]
    """"loss" of one iteration after the other: scalars, or several in a row."""


NOTHING = Told({}, ())


class Iteration(Protocol):
    """(step, batches, learning rate) -> its losses.

    It may be put off, telling nothing, and be done with later ones, which then tell the losses of all of them.
    """

    def __call__(self, step: int, batches: Sequence[Any], rate: float) -> Told: ...

    def rest(self) -> Told:
        """Does now what was put off, so that the weights can be looked at."""
        ...


class Eager:
    """The iteration as it is written: draw, compute the losses, go down the gradient.

    Of several batches the gradients are added up, all but the last within `hold()`: there ranks need not exchange them.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        seed: int,
        device: torch.device,
        losses: Losses,
        hold: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.optimizer, self.seed, self.device, self.losses, self.hold = optimizer, seed, device, losses, hold

    def __call__(self, step: int, batches: Sequence[Any], rate: float) -> Told:
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("part", 1.0)  # checkpoints of earlier versions have no part
        seed_draws(self.seed, step, self.device)
        losses = self.descend(batches)
        return Told(losses, (losses["loss"],))

    def rest(self) -> Told:
        """Nothing is put off."""
        return NOTHING

    def descend(self, batches: Sequence[Any]) -> dict[str, Tensor]:
        """The part that is the same in every step; its losses by name."""
        self.optimizer.zero_grad(set_to_none=True)
        *earlier, last = batches
        with self.hold():
            found = [self._backward(batch, len(batches)) for batch in earlier]
        found.append(self._backward(last, len(batches)))
        descend(self.optimizer)
        return _sums(found)

    def _backward(self, batch: Any, batches: int) -> dict[str, Tensor]:
        """The gradient of this batch's part of the mean loss; its part of each loss."""
        parts = {name: value / batches for name, value in self.losses(batch).items()}
        parts["loss"].backward()
        return {name: part.detach() for name, part in parts.items()}


class Captured:
    """The same iteration, recorded after some that are done as written; of one batch, a named tuple of tensors or of
    other such tuples.

    `together` iterations are put off until there are so many, and replayed as one graph. They draw (dropout) from one
    seed, that of the first of them.
    """

    WARM_UP = 3
    """Iterations before the recording: libraries choose their kernels, gradients and momentum get their places."""

    def __init__(self, eager: Eager, together: int = 1, recorder: Recorder = cuda_graph) -> None:
        self.eager, self.recorder = eager, recorder
        self.done = 0
        self.replay: Callable[[], None] | None = None
        self.put_off: list[tuple[int, Any, float]] = []
        self.batches: list[Any] = []
        self.rates = torch.zeros(together, device=eager.device)
        self.told = NOTHING
        """By the graph, in tensors that its next replay overwrites."""

    def __call__(self, step: int, batches: Sequence[Any], rate: float) -> Told:
        if self.done < self.WARM_UP:
            self.done += 1
            return self._aside(step, batches, rate)
        (batch,) = batches
        self.put_off.append((step, batch, rate))
        return self._together() if len(self.put_off) == len(self.rates) else NOTHING

    def rest(self) -> Told:
        """As written: fewer than a graph holds."""
        found = [self._aside(step, [batch], rate) for step, batch, rate in self.put_off]
        self.put_off = []
        if not found:
            return NOTHING
        return Told(_sums([told.sums for told in found]), tuple(loss for told in found for loss in told.each))

    def _together(self) -> Told:
        steps, batches, rates = zip(*self.put_off, strict=True)
        self.put_off = []
        if self.replay is None:
            self.batches = [_copy(batch) for batch in batches]
            self.replay = self.recorder(self._work)
        for place, tensor in zip(_tensors(self.batches), _tensors(batches), strict=True):
            place.copy_(tensor)
        for place, rate in zip(self.rates, rates, strict=True):
            place.fill_(rate)
        seed_draws(self.eager.seed, steps[0], self.eager.device)
        self.replay()
        sums, each = self.told
        return Told({name: value.clone() for name, value in sums.items()}, tuple(losses.clone() for losses in each))

    def _work(self) -> None:
        """What is recorded: one iteration for each batch, with the rate that stands in its place."""
        found = []
        for batch, rate in zip(self.batches, self.rates, strict=True):
            for group in self.eager.optimizer.param_groups:
                group["lr"] = rate
            found.append(self.eager.descend([batch]))
        self.told = Told(_sums(found), (torch.stack([losses["loss"] for losses in found]),))

    def _aside(self, step: int, batches: Sequence[Any], rate: float) -> Told:
        """As written."""
        return aside(self.eager.device, lambda: self.eager(step, batches, rate))


def _sums(found: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: sum(losses[name] for losses in found) for name in found[0]}  # type: ignore[misc] - no int


def _tensors(batch: Any) -> list[Tensor]:
    """All that a batch holds, in its order."""
    return [batch] if isinstance(batch, Tensor) else [tensor for part in batch for tensor in _tensors(part)]


def _copy(batch: Any) -> Any:
    return batch.clone() if isinstance(batch, Tensor) else batch._make(map(_copy, batch))
