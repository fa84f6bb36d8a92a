"""One iteration of the loop: as it is written, or captured once as a CUDA graph and replayed.

On a GPU a small network waits for the host: hundreds of kernels a step, each launched by itself. A graph of the whole
step (augmentation, forward, backward, update), or of several, is launched at once. What changes from step to step, the
batch and the learning rate, is copied into tensors whose place the graph knows.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from resnets.cuda_graphs import Recorder, aside, cuda_graph
from resnets.training.draws import seed_draws
from resnets.training.optimiser import descend

Losses = Callable[[Any], dict[str, Tensor]]


class Iteration(Protocol):
    """(step, batches, learning rate) -> the losses by name, scalars on the device; means, where there are several.

    It may be put off, returning nothing, and be done with later ones, whose losses then are the sums over all of them.
    """

    def __call__(self, step: int, batches: Sequence[Any], rate: float) -> dict[str, Tensor]: ...

    def rest(self) -> dict[str, Tensor]:
        """Does now what was put off, so that the weights can be looked at; the sums of its losses."""
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

    def __call__(self, step: int, batches: Sequence[Any], rate: float) -> dict[str, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("part", 1.0)  # checkpoints of earlier versions have no part
        seed_draws(self.seed, step, self.device)
        return self.descend(batches)

    def rest(self) -> dict[str, Tensor]:
        """Nothing is put off."""
        return {}

    def descend(self, batches: Sequence[Any]) -> dict[str, Tensor]:
        """The part that is the same in every step."""
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
        self.sums: dict[str, Tensor] = {}

    def __call__(self, step: int, batches: Sequence[Any], rate: float) -> dict[str, Tensor]:
        if self.done < self.WARM_UP:
            self.done += 1
            return self._aside(step, batches, rate)
        (batch,) = batches
        self.put_off.append((step, batch, rate))
        return self._together() if len(self.put_off) == len(self.rates) else {}

    def rest(self) -> dict[str, Tensor]:
        """As written: fewer than a graph holds."""
        found = [self._aside(step, [batch], rate) for step, batch, rate in self.put_off]
        self.put_off = []
        return _sums(found) if found else {}

    def _together(self) -> dict[str, Tensor]:
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
        return {name: value.clone() for name, value in self.sums.items()}

    def _work(self) -> None:
        """What is recorded: one iteration for each batch, with the rate that stands in its place."""
        found = []
        for batch, rate in zip(self.batches, self.rates, strict=True):
            for group in self.eager.optimizer.param_groups:
                group["lr"] = rate
            found.append(self.eager.descend([batch]))
        self.sums = _sums(found)

    def _aside(self, step: int, batches: Sequence[Any], rate: float) -> dict[str, Tensor]:
        """As written."""
        return aside(self.eager.device, lambda: self.eager(step, batches, rate))


def _sums(found: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: sum(losses[name] for losses in found) for name in found[0]}  # type: ignore[misc] - no int


def _tensors(batch: Any) -> list[Tensor]:
    """All that a batch holds, in its order."""
    return [batch] if isinstance(batch, Tensor) else [tensor for part in batch for tensor in _tensors(part)]


def _copy(batch: Any) -> Any:
    return batch.clone() if isinstance(batch, Tensor) else batch._make(map(_copy, batch))
