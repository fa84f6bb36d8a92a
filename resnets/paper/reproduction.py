"""The blocks of docs/reproduction.md: each target as far as it was measured, from the lines of results."""

from collections.abc import Callable
from pathlib import Path

from resnets.paper.counts import counts_markdown
from resnets.paper.entries import SURROGATES, Target
from resnets.paper.lines import Record, read_lines
from resnets.paper.markdown import conditions, missing, table
from resnets.paper.reproduce import listing
from resnets.paper.tabled import claims_lines, notes, table_markdown
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import OPEN, judged, rows_of


def reproduced(results: Path) -> str:
    """All targets of which something was measured, at the paper's scale and at shorter ones."""
    lines = read_lines(results / "cifar10.jsonl")
    parts = [_target(name, target, lines) for name, target in TARGETS.items()]
    return "\n\n".join(filter(None, parts)) or missing("resnets reproduce table6 --results results/cifar10.jsonl")


def _target(name: str, target: Target, lines: list[Record]) -> str:
    """A section, empty where nothing was measured."""
    scales = [part for scale in ("paper", "short") if (part := _scale(target, scale, lines))]
    if not scales:
        return ""
    return "\n\n".join([f"### `{name}`: {target.title}", f"{target.source}. {target.remark}".strip(), *scales])


def _scale(target: Target, scale: str, lines: list[Record]) -> str:
    rows = rows_of(target, scale, sorted({line["seed"] for line in lines}), lines)
    measured, surrogate = [row for row in rows if row.runs], scale in SURROGATES
    if not measured:
        return ""
    shown = [one for one in judged(target, rows) if one.verdict != OPEN]
    said = [f"- {text}." for text in (*claims_lines(shown), *notes(measured))]
    head = f"**A surrogate: {SURROGATES[scale]}.** Not to be held against the paper's figures.\n\n" if surrogate else ""
    without = f"Not measured: {len(rows) - len(measured)} of {len(rows)} rows." if len(measured) < len(rows) else ""
    where = conditions(run for row in measured for run in row.runs)
    return "\n\n".join(filter(None, [head + table_markdown(rows, scale), "\n".join(said), without, where]))


def listed_targets(results: Path) -> str:
    """What there is to reproduce."""
    rows = [(f"`{row['name']}`", row["title"], row["how"]) for row in listing()]
    return table(("name", "what", "how"), "lll", rows)


REPRODUCTION: dict[str, Callable[[Path], str]] = {
    "targets": listed_targets,
    "counts": counts_markdown,
    "reproduced": reproduced,
}
"""By the name of the block."""
