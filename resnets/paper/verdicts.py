"""From recorded runs to what a table says of them: means, bands, claims. Pure functions of lines of results.

A run stands beside the paper's figure only where it is the paper's recipe, whole, or the change that its row is about.
All others are surrogates: they have neither the paper's figure nor a band. Of a claim about the difference of two only
the sign is looked at; one that has none, of a deviation over seeds or of how alike two are, is left out.

A figure of the paper's without a band is judged too, by "no band", which is a failure: nothing says how near to it a
run has to come, so no run can be said to bring it back. A row that has neither is shown and not judged.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev

from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.recipes import departures, is_papers
from resnets.paper.entries import SURROGATES, Band, Claim, Entry, Target
from resnets.paper.lines import Record
from resnets.paper.markdown import seeds_said

MEANS_FROM = 3
"""With so many seeds the mean is held against its band, with fewer each run against a wider one."""

INSIDE, BETTER, OUTSIDE, NO_BAND, SURROGATE, MISSING = (
    "inside the band",
    "better than the band",
    "outside the band",
    "no band",
    "a surrogate",
    "not measured",
)
HOLDS, FAILS, CONTRADICTED, OPEN = "holds", "does not hold", "does not hold (weak)", "not measured"
DIVERGED = "diverged"
FEW = "not judged, too few seeds"
UNJUDGED = (OPEN, FEW)


def is_of(line: Record, planned: ClassifierRecipe) -> bool:
    """Whether the run of `line` is that of `planned`, whatever its precision and hardware."""
    return (
        (line["recipe"], line["model"], line["seed"]) == (planned.name, planned.model, planned.seed)
        and (line["iterations"], line["data"]["name"]) == (planned.iterations, planned.data)
        and line["data"]["validation_images"] == planned.validation_images
        and set(_but_precision(line["departures"])) == set(_but_precision(departures(planned, "fp32")))
    )


def _but_precision(phrases: Iterable[str]) -> list[str]:
    return [phrase for phrase in phrases if not phrase.startswith("precision:")]


def runs_of_entry(entry: Entry, scale: str, seeds: Iterable[int], lines: Sequence[Record]) -> list[Record]:
    """The newest line of each of `seeds`, in their order; those that have none are left out."""
    found = []
    for seed in seeds:
        planned = entry.planned(scale, seed)
        found += [line for line in lines if line.get("recipe") == planned.name and is_of(line, planned)][-1:]
    return found


@dataclass(frozen=True)
class Row:
    """An entry and the runs there are of it."""

    entry: Entry
    scale: str
    runs: list[Record]
    diverged: dict[int, str] = field(default_factory=dict)
    """The seeds that left no line because they diverged, and why."""

    def errors(self, kind: str = "test_error") -> list[float]:
        """One a seed, in percent."""
        return [run[kind] for run in self.runs]

    @property
    def comparable(self) -> bool:
        """Whether all runs are the paper's recipe, whole, or that variant of it which the row is of in the paper, too.

        Then its figure may stand beside them.
        """
        own = self.entry.own
        return self.scale == "paper" and all(
            is_papers([phrase for phrase in run["departures"] if phrase not in own]) for run in self.runs
        )

    @property
    def surrogate(self) -> str | None:
        """What the runs are instead of the paper's, in words."""
        if self.comparable or not self.runs:
            return SURROGATES.get(self.scale)
        return SURROGATES.get(self.scale, "not the paper's recipe")

    @property
    def paper(self) -> float | None:
        return self.entry.paper if self.comparable else None

    @property
    def band(self) -> Band | None:
        """That of the mean or of a single run, as many seeds as there are."""
        if not self.comparable:
            return None
        return self.entry.mean_band if len(self.runs) >= MEANS_FROM else self.entry.band

    @property
    def from_paper(self) -> float | None:
        """How far the mean is from the paper's figure, in points; None where that may not stand beside it."""
        return None if self.paper is None or not self.runs else mean(self.errors()) - self.paper

    @property
    def verdict(self) -> str:
        if self.diverged:  # the other seeds alone would be a choice of the better ones
            return DIVERGED
        if not self.runs:
            return MISSING
        if not self.comparable:
            return SURROGATE
        if self.band is None:
            return "" if self.paper is None else NO_BAND
        low, high = self.band
        errors = [mean(self.errors())] if len(self.runs) >= MEANS_FROM else self.errors()
        if max(errors) > high:
            return OUTSIDE
        return BETTER if min(errors) < low else INSIDE

    @property
    def said(self) -> str:
        """The verdict, and how far from the paper's figure or in which seeds."""
        if self.verdict == NO_BAND:
            return f"{NO_BAND}, {self.from_paper:+.2f}"
        return f"{DIVERGED} in {seeds_said(list(self.diverged))}" if self.diverged else self.verdict

    def to_dict(self) -> Record:
        """All of it as plain values; `paper`, `from_paper` and `band` are None for surrogates."""
        errors, seconds = self.errors(), [run["seconds"] for run in self.runs]
        return {
            "name": self.entry.name,
            "recipe": self.entry.recipe,
            "changes": list(self.entry.changes),
            "paper": self.paper,
            "from_paper": self.from_paper,
            "remark": self.entry.remark,
            "seeds": [run["seed"] for run in self.runs],
            "diverged": list(self.diverged),
            "test_error": errors,
            "mean": mean(errors) if errors else None,
            "std": stdev(errors) if len(errors) > 1 else None,
            "train_error": self.errors("train_error"),
            "band": self.band,
            "verdict": self.verdict,
            "surrogate": self.surrogate,
            "departures": sorted({phrase for run in self.runs for phrase in run["departures"]}),
            "hardware": list(dict.fromkeys(f"{run['device']}, {run['precision']}" for run in self.runs)),
            "hours": mean(seconds) / 3600 if seconds else None,
        }


@dataclass(frozen=True)
class Judged:
    """A claim, what was measured of it, and whether it holds."""

    claim: Claim
    points: list[float]
    """One a seed that both rows have: the difference in points, or of a single row its error in percent."""
    surrogate: bool
    diverged: tuple[int, ...] = ()
    """Seeds that diverged, where the claim counts them as failing."""

    @property
    def summary(self) -> float:
        """What all seeds say together: their mean, or their sample standard deviation."""
        return stdev(self.points) if self.claim.spread else mean(self.points)

    @property
    def asked(self) -> float:
        """What is asked: of a surrogate's difference only that it has the right sign."""
        return 0.0 if self.surrogate and self.claim.than else self.claim.by

    @property
    def verdict(self) -> str:
        if not self.points:
            return HOLDS if self.diverged else OPEN
        if len(self.points) < self.claim.seeds:
            return FEW
        points = self.points if self.claim.every_seed else [self.summary]
        if self.claim.alike:
            points = [abs(value) for value in points]
        under = self.claim.below or self.claim.alike
        holds = max(points) < self.asked if under else min(points) > self.asked
        return HOLDS if holds else CONTRADICTED if self.claim.weak else FAILS

    def to_dict(self) -> Record:
        """As plain values."""
        return {
            "claim": self.claim.text,
            "asked": self.asked,
            "points": self.points,
            "diverged": list(self.diverged),
            "verdict": self.verdict,
            "surrogate": self.surrogate,
        }


def rows_of(
    target: Target,
    scale: str,
    seeds: Iterable[int],
    lines: Sequence[Record],
    diverged: Mapping[str, str] | None = None,
) -> list[Row]:
    """A row for each entry, with the runs of `seeds`. `diverged`: why runs did, by the names of their folders."""
    wanted, lost = list(seeds), diverged or {}

    def of(entry: Entry) -> Row:
        folders = {seed: entry.folder(scale, seed) for seed in wanted}
        why = {seed: lost[folder] for seed, folder in folders.items() if folder in lost}
        return Row(entry, scale, runs_of_entry(entry, scale, wanted, lines), why)

    return [of(entry) for entry in target.entries]


def judged(target: Target, rows: Sequence[Row]) -> list[Judged]:
    """The claims whose entries are among `rows`; of surrogates none about a deviation, or about how alike they are."""
    by_name = {row.entry.name: row for row in rows}
    known = [c for c in target.claims if c.worse in by_name and (c.than is None or c.than in by_name)]
    found = [_judge(claim, by_name) for claim in known]
    return [one for one in found if not (one.surrogate and (one.claim.spread or one.claim.alike))]


def _judge(claim: Claim, rows: dict[str, Row]) -> Judged:
    worse = _errors(rows[claim.worse], claim)
    sides = [rows[claim.worse], *([rows[claim.than]] if claim.than else [])]
    surrogate = not all(side.comparable for side in sides)
    if claim.than is None:
        lost = tuple(rows[claim.worse].diverged) if claim.or_diverges else ()
        return Judged(claim, list(worse.values()), surrogate, lost)
    return Judged(claim, _less(worse, _errors(rows[claim.than], claim)), surrogate)


def _errors(row: Row, claim: Claim) -> dict[int, float]:
    """By seed what the claim is about; of the beginning, which older lines lack, only where that was recorded."""
    if claim.after is None:
        return {run["seed"]: run[claim.error] for run in row.runs}
    began = {run["seed"]: run.get("beginning", {"steps": [], "train_error": []}) for run in row.runs}
    known = {seed: dict(zip(kept["steps"], kept["train_error"], strict=True)) for seed, kept in began.items()}
    return {seed: errors[claim.after] for seed, errors in known.items() if claim.after in errors}


def differences(rows: Sequence[Row]) -> dict[str, list[float]] | None:
    """By its name each row's test error less that of the row that it stands against, in points, one a seed of both.

    None where no row stands against another.
    """
    by_name = {row.entry.name: row for row in rows}
    against = [(row, by_name.get(row.entry.against)) for row in rows if row.entry.against]
    return {row.entry.name: paired(row, other) if other else [] for row, other in against} or None


def paired(row: Row, other: Row, kind: str = "test_error") -> list[float]:
    """The row's error less the other's, in points, one a seed of both."""
    errors = ({run["seed"]: run[kind] for run in one.runs} for one in (row, other))
    return _less(*errors)


def _less(errors: Mapping[int, float], others: Mapping[int, float]) -> list[float]:
    """One less the other, seed by seed."""
    return [error - others[seed] for seed, error in errors.items() if seed in others]


def lost(rows: Sequence[Row], claims: Sequence[Judged]) -> list[Row]:
    """The rows of which a run diverged, but for those of which a claim says that they may."""
    expected = {one.claim.worse for one in claims if one.diverged}
    return [row for row in rows if row.diverged and row.entry.name not in expected]


def failures(rows: Sequence[Row], claims: Sequence[Judged]) -> list[str]:
    """What keeps the whole from being as the paper has it: outside its band or without one, not holding, not there.

    A claim for which there are too few seeds is none: with as many as it wants it is judged.
    """
    found = [f"{row.entry.name}: {why_failed(row)}" for row in rows if row.verdict in (OUTSIDE, NO_BAND, MISSING)]
    found += [f"{row.entry.name}: {why_failed(row)}" for row in lost(rows, claims)]
    return found + [f"{one.claim.text}: {one.verdict}" for one in claims if one.verdict in (FAILS, OPEN)]


def why_failed(row: Row) -> str:
    """Its verdict, and of a figure without a band why that is a failure."""
    if row.verdict != NO_BAND:
        return row.said
    return f"{row.said} points: nothing says how near to the paper's {row.paper:.2f} it has to be"
