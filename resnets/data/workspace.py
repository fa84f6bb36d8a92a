"""A hidden folder to work in, that is gone afterwards, whatever happens."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def workspace(root: Path, name: str) -> Iterator[Path]:
    """An empty folder `name` in `root`, removed at the end, also when stopped by Ctrl-C or SIGTERM.

    `root` is made where it is missing. What a killed process left in the folder is removed first. ValueError
    where another process is at work in `root`; OSError as the file system raises it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root), _exit_on_sigterm():
        work = root / name
        if work.exists():
            shutil.rmtree(work)
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold `root` alone. The lock is on the folder itself: it leaves no file and dies with the process."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{root}: another process is at work there; wait until it has ended") from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)


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
