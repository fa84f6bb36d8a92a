"""The journal of a run, `metrics.jsonl`: one line of JSON each time the loop logs, and one for each event.

A row has `step epoch loss train_error test_error lr images_per_second` (errors in percent; `test_error`, and
`validation_error` where images are held out, null between evaluations), and where data are loaded along the way
`data_wait`, the part of the time spent waiting for them, in percent. An event has `step` and `event`.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnets.files import naming, write_atomic
from resnets.ranks import on_first

FILE = "metrics.jsonl"
DIVERGED = "diverged: "
"""How the event begins with which a run ends that diverged."""


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """The rows of the run in `folder`, in order; none where there is no journal.

    A last line that a killed run left incomplete is passed over; ValueError, naming the line, for any other damage.
    """
    path = folder / FILE
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [_parse(line) for line in lines]
    for number, row in enumerate(rows[:-1], 1):
        if row is None:
            raise ValueError(f"{path}, line {number}: not a row of the journal: {lines[number - 1][:60]!r}")
    return [row for row in rows if row is not None]


def divergence(rows: Sequence[dict[str, Any]]) -> str | None:
    """Why the run that ends with these rows diverged, None where it has not, or has gone on since."""
    last = rows[-1].get("event", "") if rows else ""
    return last.removeprefix(DIVERGED) if last.startswith(DIVERGED) else None


def last_row(folder: Path) -> dict[str, Any]:
    """The last row that is not an event; ValueError where there is none."""
    rows = [row for row in read_journal(folder) if "event" not in row]
    if not rows:
        raise ValueError(f"{folder / FILE}: the journal of this run is missing or has no rows")
    return rows[-1]


def _parse(line: str) -> dict[str, Any] | None:
    """The row in `line`, None where there is none."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None


class Journal:
    """Appends rows; opened at a step, it first drops what a stopped run wrote after that step.

    Of several ranks the first writes, while the others wait.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.path = folder / FILE
        on_first(lambda: self._drop_after(folder, step))

    def _drop_after(self, folder: Path, step: int) -> None:
        rows = [row for row in read_journal(folder) if row["step"] <= step]
        write_atomic(self.path, "".join(f"{json.dumps(row)}\n" for row in rows))

    def write(self, row: dict[str, Any]) -> None:
        """Appends one row; it is on the disk when this returns."""
        on_first(lambda: self._append(row))

    def _append(self, row: dict[str, Any]) -> None:
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
