"""Tables and phrases of documents, in Markdown."""

from collections.abc import Iterable, Sequence
from pathlib import Path
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


def surrogate_head(surrogate: str | None) -> str:
    """What stands over the figures of a surrogate, "" over others."""
    return f"**A surrogate: {surrogate}.** Not to be held against the paper's figures." if surrogate else ""


def spread(values: Sequence[float]) -> str:
    """ "8.12 ± 0.10": mean and sample standard deviation; the value alone where there is one."""
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def each(values: Iterable[float]) -> str:
    """ "8.05, 8.19"."""
    return ", ".join(f"{value:.2f}" for value in values)


def signed(values: Iterable[float]) -> str:
    """ "+0.13, -0.20": points of difference."""
    return ", ".join(f"{value:+.2f}" for value in values)


def listed(things: Iterable[object]) -> str:
    """ "0, 1"."""
    return ", ".join(map(str, things))


def seeds_said(seeds: Sequence[int]) -> str:
    """ "seed 3", "seeds 0, 1"."""
    return f"seed{'s' * (len(seeds) > 1)} {listed(seeds)}"


def in_docs(image: str) -> Path:
    """The path of an image as documents in `docs` have it."""
    return Path(image).relative_to("docs")


def conditions(lines: Iterable[Record]) -> str:
    """Hardware, precision and versions of all `lines`, each said once: what lines share is said for all of them."""
    hardware: dict[str, dict[str, dict[str, None]]] = {}
    for line in lines:
        environment = line.get("environment", line)
        commits = hardware.setdefault(f"{line['device']}, {line['precision']}", {}).setdefault(
            _versions(environment), {}
        )
        commits[environment["commit"] or "unknown"] = None
    return " ".join(
        f"On {where}; {'; '.join(f'{versions} at {_commits(list(commits))}' for versions, commits in those.items())}."
        for where, those in hardware.items()
    )


def _versions(environment: Record) -> str:
    return f"torch {environment['torch']}, Python {environment['python']}, resnets {environment['resnets']}"


def _commits(commits: Sequence[str]) -> str:
    return f"commit {commits[0]}" if len(commits) == 1 else f"commits {listed(commits)}"
