"""Ctrl-C and SIGTERM as a flag, so that the loop stops between two iterations with its state saved."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stopped(Exception):
    """The run was asked to stop and has saved its state; `signum` is what asked."""

    def __init__(self, signum: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name} after {step} iterations, state saved")
        self.signum = signum


class Interruption:
    """`signum` is the signal that came first, 0 while none has. Ctrl-C after it stops at once, without saving."""

    def __init__(self) -> None:
        self.signum = 0

    def catch(self, signum: int, frame: FrameType | None) -> None:
        if self.signum and signum == signal.SIGINT:
            raise KeyboardInterrupt
        self.signum = self.signum or signum


@contextmanager
def interruption() -> Iterator[Interruption]:
    """While it lasts, SIGINT and SIGTERM only set the flag. Outside the main thread signals stay as they are."""
    flag = Interruption()
    before: dict[int, Any] = {}
    try:
        for signum in (signal.SIGINT, signal.SIGTERM):
            before[signum] = signal.signal(signum, flag.catch)
    except ValueError:  # not the main thread
        pass
    try:
        yield flag
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
