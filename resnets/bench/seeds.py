"""How fast several seeds train: one after the other with all threads, beside all at once with a thread each.

| side             | what it is                                                                     |
|------------------|--------------------------------------------------------------------------------|
| `alone`          | one seed after the other: as many iterations as there are seeds, all threads    |
| `together`       | `resnets train --seeds`: one iteration of each seed, side by side               |
| `fused`          | `alone` with `fused=true`                                                       |
| `fused-together` | `together` with `fused=true`                                                    |

There are as many seeds as cores, on a GPU four; there `fused` is with `capture=true replay=10`, and each seed has a
stream.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch

from resnets.bench import training
from resnets.bench.timing import Step
from resnets.bench.training import Training
from resnets.runtime import cores, resolve_device

SIDES = ("alone", "together", "fused", "fused-together")
_STRETCH = 4
"""Steps of `Training` between two meetings of seeds that run side by side; runs never wait for each other."""


@dataclass(frozen=True)
class Seeds:
    """A side of `timing.in_turn`: `images(batch)` images trained on."""

    side: str
    model: str
    batch: int
    precision: str

    def __call__(self) -> Step:
        if resolve_device("auto").type not in ("cpu", "cuda"):
            raise ValueError(f"several seeds at once are for CPUs and CUDA, this is {resolve_device('auto').type}")
        quick = "replayed" if resolve_device("auto").type == "cuda" else "fused"
        path = quick if "fused" in self.side else "eager"
        if "together" not in self.side:
            step = Training(path, self.model, self.batch, self.precision)()
            return lambda: _stretch(step, seeds())
        steps = [Training(path, self.model, self.batch, self.precision)() for _ in range(seeds())]
        if resolve_device("auto").type == "cpu":
            torch.set_num_threads(1)
            pool = ThreadPoolExecutor(len(steps), initializer=torch.set_num_threads, initargs=(1,))
        else:
            pool = ThreadPoolExecutor(len(steps), initializer=_on_a_stream)
        return lambda: _side_by_side(pool, steps)


def seeds() -> int:
    """How many train."""
    return cores() if resolve_device("auto").type == "cpu" else 4


def images(batch: int) -> int:
    """Trained on in one step of a side."""
    return training.images(batch) * seeds() * _STRETCH


def _stretch(step: Step, times: int = 1) -> None:
    for _ in range(times * _STRETCH):
        step()


def _side_by_side(pool: ThreadPoolExecutor, steps: Sequence[Step]) -> None:
    list(pool.map(_stretch, steps))


def _on_a_stream() -> None:
    torch.cuda.set_stream(torch.cuda.Stream())
