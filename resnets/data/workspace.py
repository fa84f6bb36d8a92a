"""A hidden folder to work in, that is gone afterwards, whatever happens."""

import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnets.files import alone


@contextmanager
def workspace(root: Path, name: str) -> Iterator[Path]:
    """An empty folder `name` in `root`, removed at the end, also when stopped by Ctrl-C or SIGTERM.

    `root` is made where it is missing. What a killed process left in the folder is removed first. ValueError
    where another process is at work in `root`; OSError as the file system raises it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with alone(root), _exit_on_sigterm():
        work = root / name
        if work.exists():
            shutil.rmtree(work)
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into SystemExit(143), so that it unwinds; a handler that the caller set is left alone."""
    in_charge = threading.current_thread() is threading.main_thread()
    if not in_charge or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
