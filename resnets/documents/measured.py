"""What was measured of each target, from the lines of results: its rows and what follows from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from resnets.data.sources import IMAGENET
from resnets.paper.entries import Target
from resnets.paper.figure7 import TARGET, figure7
from resnets.paper.kept_responses import Responses
from resnets.paper.lines import Record, read_lines, read_runs
from resnets.paper.photograph_claims import judged_photographs, top5_rows
from resnets.paper.photograph_tables import on_data
from resnets.paper.photographs import ENSEMBLE, PHOTOGRAPHS
from resnets.paper.surrogates import surrogate_of
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import Judged, Row, judged, rows_of

SCALES = ("paper", "short")
"""Those that show something: at the scale "smoke" everything runs, and that is all."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of a target at a scale."""

    name: str
    target: Target
    scale: str
    rows: list[Row]
    claims: list[Judged]
    top5: list[Row] = field(default_factory=list)
    """Rows with the top-5 errors of photographs, where the paper prints some."""
    together: Record | None = None
    """The line of the ensemble."""

    @property
    def done(self) -> list[Row]:
        """The rows that have runs."""
        return [row for row in self.rows if row.runs]

    @cached_property
    def surrogate(self) -> str | None:
        """What the runs are instead of the paper's, None where they are the paper's."""
        return surrogate_of(self.target.entries, self.scale)


def on_cifar(results: Path, names: Iterable[str] = TARGETS) -> list[Measured]:
    """Target by target, those of which `cifar10.jsonl` has runs."""
    lines = read_runs(results / "cifar10.jsonl")
    seeds = _seeds(lines)
    found = []
    for name in names:
        target = TARGETS[name]
        for scale in SCALES:
            rows = rows_of(target, scale, seeds, lines)
            one = Measured(name=name, target=target, scale=scale, rows=rows, claims=judged(target, rows))
            if _says_something(one):
                found.append(one)
    return found


def _says_something(one: Measured) -> bool:
    """Whether one of the target's own rows has runs, or a claim has points.

    Rows of Figure 6 that another target only compares its own with say nothing there by themselves.
    """
    borrowed = {entry.recipe for entry in TARGETS["figure6"].entries}
    own = [row for row in one.rows if row.entry.changes or row.entry.recipe not in borrowed]
    return any(row.runs for row in own or one.rows) or any(claim.points for claim in one.claims)


def on_photographs(results: Path) -> list[Measured]:
    """Target by target, those of which `imagenet.jsonl` has networks that were tested: on ImageNet, then on others."""
    lines = read_lines(results / "imagenet.jsonl")
    by_data: dict[str, list[Record]] = {}
    for line in sorted(lines, key=lambda line: (line["data"]["name"] != IMAGENET, line["data"]["name"])):
        by_data.setdefault(line["data"]["name"], []).append(line)
    return [
        found
        for name, target in PHOTOGRAPHS.items()
        for data, mine in by_data.items()
        for scale in SCALES
        if (found := _tested(name, on_data(target, data), scale, mine))
    ]


def _tested(name: str, target: Target, scale: str, lines: Sequence[Record]) -> Measured | None:
    """From the lines of one set of pictures; None where they have no network of the target."""
    ensembles = [line for line in lines if (line.get("ensemble"), line.get("scale")) == (name, scale)]
    together = ensembles[-1] if ensembles else None
    runs = [line for line in lines if "recipe" in line]
    seeds = _seeds(runs)
    if name == ENSEMBLE:  # of one seed, beside which a network has another of its own
        seeds = [together["seed"]] if together else seeds[:1]

    def rows(protocol: str) -> list[Row]:
        return rows_of(target, scale, seeds, [line for line in runs if line.get("protocol") == protocol])

    own = rows(target.protocol)
    if not any(row.runs for row in own):
        return None
    members = [row for row in own if together is None or row.entry.name in together["networks"]]
    claims = judged_photographs(name, target, members, rows("ten-crop"), together, surrogate_of(target.entries, scale))
    top5 = top5_rows(own)
    return Measured(name=name, target=target, scale=scale, rows=own, claims=claims, top5=top5, together=together)


def _seeds(lines: Iterable[Record]) -> list[int]:
    return sorted({line["seed"] for line in lines})


def figure7_records(results: Path) -> list[Record]:
    """What `resnets reproduce figure7` says of the networks in `studies.jsonl`, at each scale that has some."""
    records = []
    for scale in SCALES:
        kept = Responses(target=TARGET, scale=scale, asked=None, source=results / "studies.jsonl", out=results)
        found = kept.found()
        if any(found.values()):
            records.append(figure7(TARGET, scale, found, (), None)[0])
    return records
