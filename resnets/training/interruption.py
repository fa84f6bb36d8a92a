"""Ctrl-C and SIGTERM as a flag, so that the loop stops between two iterations with its state saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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


_active: list[Interruption] = []
"""Those that last, in the main thread."""


@contextmanager
def interruption() -> Iterator[Interruption]:
    """While it lasts, SIGINT and SIGTERM only set the flag.

    Signals come to the main thread. In others it is the flag that lasts there, so that all stop together; where none
    does, signals stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield _active[-1] if _active else Interruption()
        return
    flag = Interruption()
    before = {signum: signal.signal(signum, flag.catch) for signum in (signal.SIGINT, signal.SIGTERM)}
    _active.append(flag)
    try:
        yield flag
    finally:
        _active.remove(flag)
        for signum, handler in before.items():
            signal.signal(signum, handler)
