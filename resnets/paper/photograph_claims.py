"""What is asked of the ImageNet tables beside top-1 errors: top-5, curves, the gain of a protocol, the ensemble.

Pure functions of rows, like `verdicts.py`, whose rows and claims these are. Of surrogates only signs are asked; what
has none, a spread or a difference that is to be small, is asked of the paper's recipe alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean

from resnets.paper.entries import Band, Claim, Entry, Target
from resnets.paper.lines import Record
from resnets.paper.verdicts import Judged, Row, judged, paired

GAIN_OF = ("imagenet-resnet50", "imagenet-resnet101", "imagenet-resnet152")
"""The networks of Table 4 of which Table 3 has the same one by ten crops and the gain is asked."""
_GAIN = (1.5, 2.5)
"""Points of top-1 error; the papers' are 2.11, 1.88 and 2.05."""
_SPREAD = 1.2

# ---------------------------------------------------------------------------------------------------------------
# Top-5


def top5_row(row: Row) -> Row | None:
    """The row with top-5 errors where it has top-1 errors, None where the paper prints no top-5 error."""
    entry = row.entry
    if entry.paper_top5 is None:
        return None
    band = top5_band(entry)
    of_top5 = replace(entry, label=f"{entry.name}, top-5", paper=entry.paper_top5, remark="", band=band, mean_band=band)
    runs = [{**run, "test_error": run["top5_error"]} for run in row.runs]
    return Row(of_top5, row.scale, runs, row.diverged)


def top5_rows(rows: Sequence[Row]) -> list[Row]:
    """Those of networks that were tested."""
    return [found for row in rows if row.runs and (found := top5_row(row))]


def top5_band(entry: Entry) -> Band:
    """Around the paper's top-5 error, as wide as chance makes it beside top-1.

    Bands are known for top-1 only. Mistakes that are counted among n pictures scatter by sqrt(p (1 - p) / n): the width
    for top-1 is taken in that proportion, which makes 0.5 points about 0.3 and 0.7 about 0.45.
    """
    assert entry.paper is not None
    assert entry.paper_top5 is not None
    assert entry.band is not None
    near = (entry.band[1] - entry.band[0]) / 2 * _scatter(entry.paper_top5) / _scatter(entry.paper)
    return round(entry.paper_top5 - near, 2), round(entry.paper_top5 + near, 2)


def _scatter(error: float) -> float:
    return math.sqrt(error * (100 - error))


# ---------------------------------------------------------------------------------------------------------------
# Claims


def judged_photographs(
    what: str,
    target: Target,
    rows: Sequence[Row],
    by_ten_crops: Sequence[Row] = (),
    together: Record | None = None,
    surrogate: str | None = None,
) -> list[Judged]:
    """All that is claimed of the rows of one of the tables, or the figure, and of its networks `together`."""
    claims = judged(target, rows) + claims_about(what, rows, by_ten_crops)
    several = together is not None and len(together["networks"]) > 1 and any(row.runs for row in rows)
    return [*claims, ensemble_claim(rows, together, surrogate)] if together and several else claims


def claims_about(what: str, rows: Sequence[Row], by_ten_crops: Sequence[Row] = ()) -> list[Judged]:
    """The claims about one of the tables, or the figure, whose networks are among `rows`.

    `by_ten_crops`: the same networks tested so.
    """
    if what == "table4":
        return _gains(rows, by_ten_crops)
    by_name = {row.entry.name.removeprefix("imagenet-"): row for row in rows}
    return [
        found
        for names, judge in _CLAIMS.get(what, ())
        if all(name in by_name for name in names)
        if (found := judge(*(by_name[name] for name in names)))
    ]


def ensemble_claim(rows: Sequence[Row], together: Record, surrogate: str | None) -> Judged:
    """That the networks together are better than the best of them that was tested, each by its top-5 error."""
    found = [(run["top5_error"], row.entry.name) for row in rows for run in row.runs]
    least, best = min(found)
    claim = Claim(text="together they are better than the best of them, in top-5 error", worse=best, than="together")
    return Judged(claim, [least - together["top5_error"]], surrogate is not None)


def _in_every_phase(deeper: Row, shallower: Row) -> Judged:
    """Of each seed that phase of the learning rate in which the difference of the training errors is least."""
    text = "plain34 trains worse than plain18 in each phase of the learning rate, where it is least"
    points = [
        min(a - b for a, b in zip(*phases, strict=True))
        for one, other in _pairs(deeper, shallower)
        if all(phases := [_by_phase(row, run) for row, run in ((deeper, one), (shallower, other))])
    ]
    return _judged(text, deeper, shallower, points=points)


def _by_phase(row: Row, run: Record) -> list[float]:
    """The mean training error of each phase of the learning rate; nothing where a phase has no point."""
    planned = row.entry.planned(row.scale, run["seed"])
    phases: list[list[float]] = [[] for _ in range(len(planned.milestones) + 1)]
    for step, error in _points(run, "train_error"):
        phases[sum(step > milestone for milestone in planned.milestones)].append(error)
    return [mean(errors) for errors in phases] if all(phases) else []


def _sooner(plain: Row, residual: Row) -> Judged:
    text = "resnet18_a is better than plain18 after a tenth of training"
    points = [
        early[0] - early[1]
        for one, other in _pairs(plain, residual)
        if len(early := [error for run in (one, other) if (error := _after_a_tenth(run)) is not None]) == 2
    ]
    return _judged(text, plain, residual, points=points)


def _after_a_tenth(run: Record) -> float | None:
    late = [error for step, error in _points(run, "test_error") if step >= run["iterations"] / 10]
    return late[0] if late else None


def _spread(*options: Row) -> Judged | None:
    """Between the greatest and the least of the means of the seeds."""
    ends = [mean(row.errors()) for row in options if row.runs]
    points = [max(ends) - min(ends)] if len(ends) == len(options) else []
    judged = _judged(
        "shortcuts A, B and C of resnet34 lie close together", *options, points=points, by=_SPREAD, below=True
    )
    return None if judged.surrogate else judged


def _gains(rows: Sequence[Row], by_ten_crops: Sequence[Row]) -> list[Judged]:
    ten = {row.entry.name: row for row in by_ten_crops}
    found = []
    for row in rows:
        name = row.entry.name
        if name not in GAIN_OF:
            continue
        other = ten.get(name, Row(row.entry, row.scale, []))
        points = paired(other, row)
        text = f"{name.removeprefix('imagenet-')} gains by dense testing at five scales, over ten crops"
        found.append(_judged(text, other, row, points=points, by=_GAIN[0]))
        if not found[-1].surrogate:
            found.append(_judged(f"{text}, not too much", other, row, points=points, by=_GAIN[1], below=True))
    return found


_CLAIMS: dict[str, tuple[tuple[tuple[str, ...], Callable[..., Judged | None]], ...]] = {
    "figure4": ((("plain34", "plain18"), _in_every_phase), (("plain18", "resnet18_a"), _sooner)),
    "table3": ((("resnet34_a", "resnet34", "resnet34_c"), _spread),),
}
"""By table or figure: the networks, and what is asked of them."""

# ---------------------------------------------------------------------------------------------------------------
# Parts


def _judged(text: str, worse: Row, *others: Row, points: list[float], by: float = 0.0, below: bool = False) -> Judged:
    claim = Claim(text=text, worse=worse.entry.name, than=others[-1].entry.name, by=by, below=below)
    return Judged(claim, points, not all(row.comparable for row in (worse, *others)))


def _pairs(one: Row, other: Row) -> list[tuple[Record, Record]]:
    """The runs of each seed that both have."""
    theirs = {run["seed"]: run for run in other.runs}
    return [(run, theirs[run["seed"]]) for run in one.runs if run["seed"] in theirs]


def _points(run: Record, kind: str) -> list[tuple[int, float]]:
    """Of a run's curve; older lines have none."""
    curve = run.get("curve", {"steps": [], kind: []})
    return [(step, error) for step, error in zip(curve["steps"], curve[kind], strict=True) if error is not None]
