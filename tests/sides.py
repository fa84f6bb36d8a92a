"""Sides of a comparison that need nothing but the standard library: processes that run them are quick to start."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Sleep:
    """A side that takes so long and leaves the number of its process."""

    seconds: float
    folder: Path

    def __call__(self) -> Callable[[], Any]:
        (self.folder / str(os.getpid())).touch()
        return lambda: time.sleep(self.seconds)


@dataclass(frozen=True)
class Broken:
    late: bool

    def __call__(self) -> Callable[[], Any]:
        if not self.late:
            raise ValueError("no such\nengine")
        return lambda: os._exit(3)


@dataclass(frozen=True)
class Heavy:
    """Takes much memory while it is made, and none afterwards."""

    size: int

    def __call__(self) -> Callable[[], None]:
        ballast = b"\1" * self.size
        assert len(ballast) == self.size
        return lambda: None
