"""Tables and phrases of documents, in Markdown."""

from collections.abc import Iterable, Sequence
from statistics import mean, stdev
from typing import Any

from resnets.paper.lines import Record


def table(head: Sequence[str], alignment: str, rows: Iterable[Sequence[Any]]) -> str:
    """A table; `alignment` has "l" or "r" for each column."""
    marks = {"l": "---", "r": "---:"}
    lines = [head, [marks[side] for side in alignment], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def missing(command: str) -> str:
    """What stands where nothing has been measured; `command` measures it."""
    return f"Not measured yet: `{command}`."


def spread(values: Sequence[float]) -> str:
    """ "8.12 ± 0.10": mean and sample standard deviation; the value alone where there is one."""
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def each(values: Iterable[float]) -> str:
    """ "8.05, 8.19"."""
    return ", ".join(f"{value:.2f}" for value in values)


def listed(things: Iterable[object]) -> str:
    """ "0, 1"."""
    return ", ".join(map(str, things))


def conditions(lines: Iterable[Record]) -> str:
    """Hardware, precision and versions of all `lines`, each said once."""
    said = dict.fromkeys(_here(line, line.get("environment", line)) for line in lines)
    return " ".join(said)


def _here(line: Record, environment: Record) -> str:
    versions = f"torch {environment['torch']}, Python {environment['python']}, resnets {environment['resnets']}"
    return f"On {line['device']}, {line['precision']}; {versions} at commit {environment['commit'] or 'unknown'}."
