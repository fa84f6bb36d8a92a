"""The blocks of docs/reproduction.md: each target as far as it was measured, from the lines of results."""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from resnets.documents.conclusions import conclusion
from resnets.documents.images import SHORT, short_runs
from resnets.documents.studied import studied
from resnets.paper.building_blocks import building_blocks_markdown
from resnets.paper.counts import counts_markdown
from resnets.paper.entries import SURROGATES, Target
from resnets.paper.lines import Record, read_runs
from resnets.paper.markdown import conditions, each, in_docs, listed, missing, table
from resnets.paper.photographs import PHOTOGRAPHS
from resnets.paper.reproduce import listing
from resnets.paper.tabled import claims_lines, compared, notes, table_markdown
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import (
    BETTER,
    HOLDS,
    INSIDE,
    OUTSIDE,
    UNJUDGED,
    Judged,
    Row,
    differences,
    judged,
    rows_of,
)


@dataclass(frozen=True)
class _Measured:
    """What was measured of a target at a scale."""

    name: str
    target: Target
    scale: str
    rows: list[Row]

    @property
    def done(self) -> list[Row]:
        """The rows that have runs."""
        return [row for row in self.rows if row.runs]

    @property
    def claims(self) -> list[Judged]:
        return judged(self.target, self.rows)

    @property
    def surrogate(self) -> str:
        """What the runs are instead of the paper's, "" where they are the paper's."""
        return SURROGATES.get(self.scale, "")


def _measured(lines: Sequence[Record], names: Iterable[str] = TARGETS) -> list[_Measured]:
    """Target by target at the paper's scale and at the short one, where there are runs at all."""
    seeds = sorted({line["seed"] for line in lines})
    found = [
        _Measured(name, TARGETS[name], scale, rows_of(TARGETS[name], scale, seeds, lines))
        for name in names
        for scale in ("paper", "short")
    ]
    return [one for one in found if one.done]


# ---------------------------------------------------------------------------------------------------------------
# In short


def in_short(results: Path) -> str:
    """How much of each target was measured and how it came out; by name all that did not come out, or was not begun."""
    measured = _measured(read_runs(results / "cifar10.jsonl"))
    if not measured:
        return missing(_COMMAND)
    head = ("what", "scale", "networks measured", "inside their band, or better", "claims that hold")
    rows = [(f"`{one.name}`", _scale_said(one), *_counts(one)) for one in measured]
    failed: dict[tuple[str, str], list[str]] = {}
    for one in measured:
        for text in _failed(one):
            failed.setdefault((text, _scale_said(one)), []).append(f"`{one.name}`")
    sentences = [f"- {text}. In {listed(names)}; {scale}." for (text, scale), names in failed.items()]
    short = ["What does not come out:", "\n".join(sentences)] if sentences else ["All that was measured comes out."]
    return "\n\n".join([table(head, "llrrr", rows), *short, _untouched({one.name for one in measured})])


def _untouched(measured: Set[str]) -> str:
    """The targets of which nothing was measured, by name."""
    own = [f"`{name}`" for name in TARGETS if name not in measured]
    photographs = [f"`{name}`" for name in PHOTOGRAPHS]
    return (
        f"Nothing was trained for {listed(own)}; nor, as there was no ImageNet, for {listed(photographs)}, but at the "
        "scale smoke, which shows only that everything runs."
    )


def _scale_said(one: _Measured) -> str:
    return f"{one.surrogate}, a surrogate" if one.surrogate else "the paper's recipe"


def _counts(one: _Measured) -> tuple[str, str, str]:
    """Networks measured, those of them inside their band, claims that hold; each of how many there are."""
    verdicts = [row.verdict for row in one.done if row.verdict in (INSIDE, BETTER, OUTSIDE)]
    claims = [claim.verdict for claim in one.claims if claim.verdict not in UNJUDGED]
    return (
        _of(len(one.done), len(one.rows)),
        _of(len(verdicts) - verdicts.count(OUTSIDE), len(verdicts)),
        _of(claims.count(HOLDS), len(claims)),
    )


def _of(number: int, among: int) -> str:
    return f"{number} of {among}" if among else ""


def _failed(one: _Measured) -> list[str]:
    """Rows outside their bands, and claims that do not hold."""
    rows = [f"{row.entry.name} is {row.verdict}: {each(row.errors())} %" for row in one.done if row.verdict == OUTSIDE]
    return rows + claims_lines([claim for claim in one.claims if claim.verdict not in (HOLDS, *UNJUDGED)])


# ---------------------------------------------------------------------------------------------------------------
# Target by target


def reproduced(results: Path) -> str:
    """All targets of which something was measured, at the paper's scale and at shorter ones."""
    lines = read_runs(results / "cifar10.jsonl")
    parts = {name: _target(name, lines) for name in TARGETS if name != "choices"}
    for name, image in SHORT.items():
        if short_runs(name, results):
            parts[name] += f"\n\n![The curves of `{name}`, {SURROGATES['short']}]({in_docs(image)})"
    return "\n\n".join(filter(None, parts.values())) or missing(_COMMAND)


_COMMAND = "resnets reproduce table6 --results results/cifar10.jsonl"


def choices(results: Path) -> str:
    """What it changes to read the paper otherwise where it is silent."""
    found = _target("choices", read_runs(results / "cifar10.jsonl"))
    return found or missing("resnets reproduce choices --scale short --results results/cifar10.jsonl")


def _target(name: str, lines: Sequence[Record]) -> str:
    """A section, empty where nothing was measured."""
    scales = [_scale(one) for one in _measured(lines, [name])]
    target = TARGETS[name]
    title = [f"### `{name}`: {target.title}", f"{target.source}. {target.remark}".strip()]
    return "\n\n".join([*title, *scales]) if scales else ""


def _scale(one: _Measured) -> str:
    shown = [claim for claim in one.claims if claim.points]
    sentences = filter(None, (compared(one.target), *claims_lines(shown), *notes(one.done)))
    said = "\n".join(f"- {text}." for text in sentences)
    head = f"**A surrogate: {one.surrogate}.** Not to be held against the paper's figures." if one.surrogate else ""
    columns = table_markdown(one.rows, one.scale, differences(one.rows))
    left = len(one.rows) - len(one.done)
    without = f"Not measured: {left} of {len(one.rows)} rows." if left else ""
    where = conditions(run for row in one.done for run in row.runs)
    return "\n\n".join(filter(None, [head, columns, said, conclusion(one.name, one.rows), without, where]))


# ---------------------------------------------------------------------------------------------------------------
# What there is


def listed_targets(results: Path) -> str:
    """What there is to reproduce."""
    rows = [(f"`{row['name']}`", row["title"], row["how"]) for row in listing()]
    return table(("name", "what", "how"), "lll", rows)


REPRODUCTION: dict[str, Callable[[Path], str]] = {
    "in-short": in_short,
    "targets": listed_targets,
    "counts": counts_markdown,
    "building-blocks": building_blocks_markdown,
    "reproduced": reproduced,
    "choices": choices,
    "studied": studied,
}
"""By the name of the block."""
