"""The block that docs/reproduction.md begins with: of each target how much was measured, and what did not come out."""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from resnets.documents.measured import Measured, figure7_records, on_cifar, on_photographs
from resnets.paper.counts import counts
from resnets.paper.lines import Record
from resnets.paper.markdown import each, listed, table
from resnets.paper.photographs import PHOTOGRAPHS
from resnets.paper.tabled import claims_lines
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import (
    BETTER,
    DIVERGED,
    FAILS,
    HOLDS,
    INSIDE,
    NO_BAND,
    OPEN,
    OUTSIDE,
    UNJUDGED,
    Row,
    why_failed,
)

_Share = tuple[int, int]
"""So many, and of how many."""


@dataclass(frozen=True)
class _Short:
    """A row of the table, and in sentences what of it did not come out."""

    name: str
    scale: str
    networks: _Share
    figures: _Share
    claims: _Share
    failed: list[str]


def in_short(results: Path) -> str:
    """How much of each target was measured and how it came out; by name all that did not come out, or was not begun."""
    small, photographs = on_cifar(results), on_photographs(results)
    trained = [*map(_trained, small), *map(_figure7, figure7_records(results)), *map(_trained, photographs)]
    shorts = [_table1(), *trained]
    head = ("what", "scale", "networks measured", "figures inside their band, or better", "claims that hold")
    rows = [
        (
            f"`{one.name}`",
            one.scale,
            *(f"{n} of {of}" if of else "" for n, of in (one.networks, one.figures, one.claims)),
        )
        for one in shorts
    ]
    failed: dict[tuple[str, str], list[str]] = {}
    for one in shorts:
        for text in one.failed:
            failed.setdefault((text, one.scale), []).append(f"`{one.name}`")
    sentences = [f"- {text}. In {listed(names)}; {scale}." for (text, scale), names in failed.items()]
    short = ["What does not come out:", "\n".join(sentences)] if sentences else ["All that was measured comes out."]
    untouched = _untouched({one.name for one in trained})
    counted = _runs([*small, *photographs])
    return "\n\n".join(filter(None, [table(head, "llrrr", rows), counted, *short, untouched]))


def _runs(measured: Sequence[Measured]) -> str:
    """How many runs stand behind the table, of which many belong to several targets."""
    by_scale: dict[str, dict[str, set[int]]] = {}
    for one in measured:
        for row in one.done:
            its = by_scale.setdefault(_said(one.surrogate), {}).setdefault(row.entry.name, set())
            its.update(run["seed"] for run in row.runs)
    return " ".join(
        f"Behind all rows of {scale} stand {sum(map(len, nets.values()))} runs, seeds of each: "
        f"{'; '.join(f'{name} {len(seeds)}' for name, seeds in nets.items())}."
        for scale, nets in by_scale.items()
    )


def _untouched(names: Set[str]) -> str:
    """The targets of which nothing was trained, by name; "" where something was for each."""
    others = ([*TARGETS, "figure7"], PHOTOGRAPHS)
    own, photographs = ([f"`{name}`" for name in these if name not in names] for these in others)
    if len(photographs) == len(PHOTOGRAPHS):
        nothing = f"Nothing was trained for {listed(own)}; nor" if own else "Nothing was trained"
        return (
            f"{nothing}, as there was no ImageNet, for {listed(photographs)}. (At the scale smoke they run, and that "
            "shows nothing else.)"
        )
    return f"Nothing was trained for {listed([*own, *photographs])}." if own or photographs else ""


def _said(surrogate: str | None) -> str:
    return f"{surrogate}, a surrogate" if surrogate else "the paper's recipe"


# ---------------------------------------------------------------------------------------------------------------
# Row by row


def _trained(one: Measured) -> _Short:
    """Of figures that the paper prints, and claims that are judged."""
    judged = [row for row in (*one.done, *one.top5) if row.verdict in (INSIDE, BETTER, OUTSIDE, NO_BAND, DIVERGED)]
    outside = [row for row in judged if row.verdict not in (INSIDE, BETTER)]
    claims = [claim for claim in one.claims if claim.verdict not in UNJUDGED]
    fallen = [claim for claim in claims if claim.verdict != HOLDS]
    rows = [_fallen_row(row) for row in outside]
    return _Short(
        one.name,
        _said(one.surrogate),
        (len(one.done), len(one.rows)),
        (len(judged) - len(outside), len(judged)),
        (len(claims) - len(fallen), len(claims)),
        rows + claims_lines(fallen),
    )


def _fallen_row(row: Row) -> str:
    if row.verdict == NO_BAND:
        return f"{row.entry.name}, {each(row.errors())} %: {why_failed(row)}"
    return f"{row.entry.name} is {row.verdict}: {each(row.errors())} %"


def _figure7(record: Record) -> _Short:
    """Its figures are medians of responses."""
    done = [row for row in record["rows"] if row["medians"]]
    judged = [row for row in done if row["verdict"] in (INSIDE, OUTSIDE)]
    outside = [row for row in judged if row["verdict"] == OUTSIDE]
    claims = [claim for claim in record["claims"] if claim["verdict"] != OPEN]
    fallen = [claim for claim in claims if claim["verdict"] == FAILS]
    rows = [f"{row['network']} is {row['verdict']}: {row['measured']:.2f}" for row in outside]
    return _Short(
        record["what"],
        _said(record["surrogate"]),
        (len(done), len(record["rows"])),
        (len(judged) - len(outside), len(judged)),
        (len(claims) - len(fallen), len(claims)),
        rows + [f"{claim['claim']}: {claim['verdict']}" for claim in fallen],
    )


def _table1() -> _Short:
    """Counted from the networks; a network fails whatever of it is not as printed."""
    record, _, failed = counts()
    rows = record["rows"]
    return _Short(
        record["what"], "computed", _all(rows), (len(rows) - _fallen(rows, failed), len(rows)), (0, 0), failed
    )


def _all(rows: Sequence[Record]) -> _Share:
    return len(rows), len(rows)


def _fallen(rows: Sequence[Record], failed: Sequence[str]) -> int:
    """How many of the rows are in a sentence of what failed, which begins with the name."""
    names = {re.split(r"[^\w.-]", text)[0] for text in failed}
    return sum(row["name"] in names for row in rows)
