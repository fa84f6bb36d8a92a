"""What a person sees of a run while it goes on: one live line on a terminal, one line a log interval in a file."""

import shutil
import sys
import time
from typing import Any

from resnets.files import say

DATA_BINDS = 5.0
"""Percent of the time waiting for data, over which data and not computation decide how fast a run is."""


class Progress:
    """Prints rows of the journal to standard error; as a context it leaves the cursor on a line of its own.

    `label` stands before every line of a run that is not alone; such lines all stay.
    """

    def __init__(self, iterations: int, first: int, label: str = "") -> None:
        self.iterations = iterations
        self.first = first
        self.label = label
        self.live = sys.stderr.isatty() and not label
        self.began = time.perf_counter()
        self._unfinished = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._unfinished:
            say("")

    def show(self, row: dict[str, Any]) -> None:
        """One row; on a terminal a row with an evaluation stays, others are overwritten by the next."""
        line = self._line(row)
        if not self.live or any(row.get(name) is not None for name in ("test_error", "validation_error")):
            self.note(line)
        else:
            width = shutil.get_terminal_size().columns - 1  # what wraps could not be overwritten
            say(f"\r\033[K{line[:width]}", end="")
            self._unfinished = True

    def note(self, text: str) -> None:
        """A line that stays."""
        text = f"{self.label}: {text}" if self.label else text
        say(f"\r\033[K{text}" if self.live else text)
        self._unfinished = False

    def _line(self, row: dict[str, Any]) -> str:
        step = row["step"]
        done = step - self.first
        left = (time.perf_counter() - self.began) * (self.iterations - step) / max(done, 1)
        share = f"{100 * step / self.iterations:3.0f} %" if self.live else ""
        errors = [
            f"{name.removesuffix('_error')} {row[name]:.2f} %"
            for name in ("train_error", "validation_error", "test_error")
            if row.get(name) is not None
        ]
        parts = [
            f"{share} {step}/{self.iterations}".strip(),
            f"epoch {row['epoch']:.1f}",
            f"loss {row['loss']:.3f}",
            f"error {', '.join(errors)}" if errors else "",
            f"lr {row['lr']:.4g}",
            f"{row['images_per_second']:.{0 if row['images_per_second'] >= 10 else 1}f} images/s",
            _binding(row.get("data_wait")),
            f"{duration(left)} left",
        ]
        return "  ".join(part for part in parts if part)


def _binding(wait: float | None) -> str:
    """Who waits for whom: `wait` is the part of the time that was spent waiting for data, in percent."""
    if wait is None:
        return ""
    return f"data binds ({wait:.0f} % waiting)" if wait > DATA_BINDS else "compute binds"


def duration(seconds: float) -> str:
    """Seconds as a person reads them: "8 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
