"""Several sides of a comparison, each in a process of its own, measured in turn.

What one side sets (its memory, its threads, its compiler) does not reach the others, and what disturbs the machine for
a while disturbs them all.
"""

import ctypes
import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Step = Callable[[], Any]
Side = Callable[[], Step]
"""Makes, in the process where it will run, the step that is timed; it is sent there by pickle."""


@dataclass(frozen=True)
class Times:
    """Of one side: `seconds` of a step in each round."""

    seconds: tuple[float, ...]
    memory: float = 0.0
    """Bytes that its process held at most: on CUDA of the device's memory in tensors, otherwise in all."""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def ratio(self, to: "Times") -> float:
        """How many times faster than `to`: the median over the rounds, each comparing neighbours in time."""
        return statistics.median(theirs / ours for ours, theirs in zip(self.seconds, to.seconds, strict=True))


def in_turn(sides: dict[str, Side], rounds: int, seconds: float) -> dict[str, Times]:
    """Each side for about `seconds` in each of `rounds`, after two steps that are not counted.

    Raises ValueError with the message of a side that fails.
    """
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    try:
        for name, side in sides.items():
            pipes[name], theirs = context.Pipe()
            processes.append(context.Process(target=_serve, args=(side, theirs), daemon=True))
            processes[-1].start()
            theirs.close()
            _asked(name, pipes[name], None)  # made and warmed up one after the other
        steps = {name: max(1, round(seconds / _asked(name, pipe, 1))) for name, pipe in pipes.items()}
        taken: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, pipe in pipes.items():
                taken[name].append(_asked(name, pipe, steps[name]) / steps[name])
        return {name: Times(tuple(values), _asked(name, pipes[name], 0)) for name, values in taken.items()}
    finally:
        for pipe in pipes.values():
            pipe.close()
        for process in processes:
            process.join(5)
            process.kill()


def _asked(name: str, pipe: Connection, steps: int | None) -> float:
    """Seconds that side `name` takes for so many steps; None: until it is ready. 0: bytes that it has held."""
    with suppress(BrokenPipeError):
        pipe.send(steps)
    try:
        answer = pipe.recv()
    except EOFError:
        answer = "its process has died"
    if isinstance(answer, str):
        raise ValueError(f"{name}: {answer}")
    return answer


def _serve(side: Side, pipe: Connection) -> None:
    """The process of one side: answers each number of steps with the seconds they took, 0 with its memory."""
    try:
        step = None
        while True:
            steps = pipe.recv()
            if steps == 0:
                pipe.send(_memory())
                continue
            if step is None:
                step = side()
                _forget_memory()
                steps = 2
            began = time.perf_counter()
            for _ in range(steps):
                step()
            _finish()
            pipe.send(time.perf_counter() - began)
    except EOFError:  # nothing more is asked
        return
    except Exception as error:
        pipe.send(" ".join(str(error).split()) or type(error).__name__)


def _finish() -> None:
    """Waits for an accelerator that has not done its work yet."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()


def _forget_memory() -> None:
    """What making a side took, a plain network to compare with among it, does not count as its memory."""
    import torch

    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError, AttributeError):  # other systems than Linux, other C libraries than GNU's
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the highest is as much as now


def _memory() -> float:
    """Bytes that this process has held at most; 0 where the system does not say."""
    import torch

    if torch.cuda.is_initialized():
        return float(torch.cuda.max_memory_allocated())
    try:  # not getrusage, whose figure a process inherits from the one that started it
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0.0)
