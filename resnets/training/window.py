"""What the loop keeps between two log lines: sums and losses on the device, and the time."""

import math
import time

import numpy as np
import torch
from torch import Tensor, nn

from resnets.ranks import mean
from resnets.training.iteration import Told
from resnets.training.losses import LossRecord
from resnets.training.recipe import Recipe


class Diverged(Exception):
    """Found after `step` iterations: loss or weights are not finite. The last good checkpoint is kept."""

    def __init__(self, text: str, step: int) -> None:
        super().__init__(text)
        self.step = step


class Window:
    """Sums of the losses since the last log line, on the device: adding to them does not wait for it.

    Each rank adds up its own; whenever they are looked at, they become their mean over ranks. The loss of each
    iteration goes to `record`.
    """

    def __init__(self, sums: dict[str, Tensor], start: int, recipe: Recipe, record: LossRecord) -> None:
        self.sums, self.record = sums, record
        self.since = max(start - start % every for every in (recipe.log_every, recipe.evaluate_every))
        """The number of iterations done at the last log line."""
        self.sound = start
        """The number of iterations after which all weights were last seen to be finite."""
        self.fatal: int | None = None
        """The iteration whose loss was the first that is not finite; counted from 1."""

    def add(self, told: Told) -> None:
        """Some iterations' losses."""
        self.record.add(told.each)
        for name, value in told.sums.items():
            value = value.detach().float()
            self.sums[name] = self.sums[name].to(value.device) + value if name in self.sums else value

    def write(self, done: int) -> None:
        """The losses of all iterations done are in their file when this returns."""
        losses = self.record.write()
        if self.fatal is None and not np.isfinite(losses).all():
            self.fatal = done - len(losses) + int(np.isfinite(losses).argmin()) + 1

    def close(self, done: int) -> dict[str, float]:
        """The means since the last log line; a new window begins. Raises `Diverged` unless all are finite."""
        self.sums = mean(self.sums)
        means = {name: float(total) / (done - self.since) for name, total in self.sums.items()}
        self._refuse(self.since, done, [name for name, mean in means.items() if not math.isfinite(mean)])
        self.sums, self.since = {}, done
        return means

    def refuse_nonfinite(self, done: int, model: nn.Module) -> None:
        """Raises `Diverged` unless all sums and all weights are finite: nothing else may become a checkpoint."""
        self.sums = mean(self.sums)
        self._refuse(self.since, done, [n for n, total in self.sums.items() if not math.isfinite(float(total))])
        self._refuse(self.sound, done, [n for n, t in model.state_dict().items() if not bool(torch.isfinite(t).all())])
        self.sound = done

    def _refuse(self, since: int, done: int, names: list[str]) -> None:
        if names and self.fatal is not None:
            raise Diverged(f"loss not finite in iteration {self.fatal}", done)
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise Diverged(f"{names[0]}{more} not finite in iterations {since + 1} to {done}", done)


class Clock:
    """Seconds of a run over all its sessions, and its speed since the last mark."""

    def __init__(self, earlier: float, step: int) -> None:
        self.began = self.marked = time.perf_counter()
        self.earlier, self.step = earlier, step

    def seconds(self) -> float:
        """Since the run began, without the pauses between sessions."""
        return self.earlier + time.perf_counter() - self.began

    def speed(self, done: int) -> float:
        """Iterations a second since the last mark."""
        return (done - self.step) / (time.perf_counter() - self.marked)

    def mark(self, done: int) -> None:
        """A new stretch begins here."""
        self.marked, self.step = time.perf_counter(), done
