"""A target's rows and claims, and printed tables, as a terminal and as documents show them."""

from collections.abc import Sequence
from statistics import mean, stdev

from resnets.paper.entries import Band, Target
from resnets.paper.markdown import each, listed, seeds_said, signed, spread, table
from resnets.paper.printed import PaperTable, said
from resnets.paper.surrogates import surrogate_of
from resnets.paper.verdicts import Judged, Row
from resnets.training.progress import duration

_PAPERS = ("paper", "band", "verdict")
"""Columns in which a surrogate has nothing."""
_ALIGNED = {
    "network": "l",
    "paper": "r",
    "measured": "r",
    "training error": "r",
    "difference": "r",
    "band": "l",
    "verdict": "l",
    "hardware": "l",
    "time": "r",
}
Differences = dict[str, list[float]] | None
"""By name of a row what `verdicts.differences` says; None: there is no such column."""


def cells(row: Row, points: Sequence[float] = ()) -> dict[str, str]:
    """A row by the heads of its columns; errors in percent. `points`: its differences to another row, one a seed."""
    errors = row.errors()
    hardware = dict.fromkeys(f"{run['device']}, {run['precision']}" for run in row.runs)
    return {
        "network": row.entry.name,
        "paper": ""
        if row.paper is None
        else f"{row.paper:g}"
        if "read off" in row.entry.remark
        else f"{row.paper:.2f}",
        "measured": _measured(errors, [run["seed"] for run in row.runs]),
        "training error": spread(row.errors("train_error")) if row.runs else "",
        "difference": _difference(points),
        "band": _band(row.band),
        "verdict": row.said,
        "hardware": "; ".join(hardware),
        "time": duration(mean(run["seconds"] for run in row.runs)) if row.runs else "",
    }


def _measured(errors: Sequence[float], seeds: Sequence[int]) -> str:
    if not errors:
        return ""
    if len(errors) == 1:
        return f"{errors[0]:.2f} (seed {seeds[0]})"
    return f"{spread(errors)} ({len(errors)} seeds)"


def _difference(points: Sequence[float]) -> str:
    """ "+0.13 ± 0.22": mean and sample standard deviation over paired seeds."""
    if len(points) < 2:
        return "".join(f"{value:+.2f}" for value in points)
    return f"{mean(points):+.2f} ± {stdev(points):.2f}"


def _band(band: Band | None) -> str:
    return "" if band is None else f"{band[0]:.2f} to {band[1]:.2f}"


def heading(target: Target, scale: str) -> str:
    """What is shown, where it is from, and in capitals what makes it a surrogate."""
    return "\n".join([f"{target.title}; {target.source}; error in %", *label(surrogate_of(target.entries, scale))])


def label(surrogate: str | None) -> list[str]:
    """The line that stands under every heading of a surrogate, none under others."""
    return [f"SURROGATE: {surrogate}"] if surrogate else []


def _columns(scale: str, less: Differences) -> list[str]:
    left_out = (*([] if scale == "paper" else _PAPERS), *(["difference"] if less is None else []))
    return [name for name in _ALIGNED if name not in left_out]


def _lines(rows: Sequence[Row], names: Sequence[str], less: Differences) -> list[list[str]]:
    said = (cells(row, (less or {}).get(row.entry.name, ())) for row in rows)
    return [[found[name] for name in names] for found in said]


def table_text(rows: Sequence[Row], scale: str, less: Differences = None) -> str:
    """The rows in columns of letters of one width."""
    names = _columns(scale, less)
    return aligned([names, *_lines(rows, names, less)], "".join(_ALIGNED[name] for name in names))


def aligned(lines: Sequence[Sequence[str]], alignment: str) -> str:
    """Columns of letters of one width; `alignment` has "l" or "r" for each."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = [">" if side == "r" else "<" for side in alignment]
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)).rstrip()
        for line in lines
    )


def table_markdown(rows: Sequence[Row], scale: str, less: Differences = None) -> str:
    """The rows as documents have them; those that were not run are left out."""
    names = _columns(scale, less)
    lines = _lines([row for row in rows if row.runs], names, less)
    return table(names, "".join(_ALIGNED[name] for name in names), lines)


def claims_lines(claims: Sequence[Judged]) -> list[str]:
    """A sentence for each claim."""
    return [f"{one.claim.text}: {one.verdict}{_points(one)}" for one in claims]


def _points(one: Judged) -> str:
    lost = f"diverged in {seeds_said(one.diverged)}" if one.diverged else ""
    if not one.points:
        return f" ({lost})" if lost else ""
    if one.claim.than is None:
        side = "under" if one.claim.below else "over"
        if one.claim.spread and len(one.points) > 1:
            return f" ({one.summary:.2f} points over {each(one.points)} %; asked is {side} {one.asked:g})"
        return f" ({each(one.points)} %; asked is {side} {one.asked:g}{f'; {lost}' if lost else ''})"
    less_or_more = "less" if one.claim.below or one.claim.alike else "more"
    side = " to either side" if one.claim.alike else ""
    where = " in every seed" if one.claim.every_seed else ""
    return f" ({signed(one.points)} points; asked are {less_or_more} than {one.asked:g}{side}{where})"


def compared(target: Target) -> str:
    """What the column of differences holds, "" where there is none."""
    others = dict.fromkeys(entry.against for entry in target.entries if entry.against)
    if not others:
        return ""
    whose = others.popitem()[0] if len(others) == 1 else "the same network as its paper trains it"
    return f"difference: test error less that of {whose}, seed by seed, in points, over the seeds that both have"


def notes(rows: Sequence[Row]) -> list[str]:
    """What the runs depart in from their papers, each set said once, and remarks on the papers' figures."""
    by_set: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        phrases = tuple(sorted({phrase for run in row.runs for phrase in run["departures"]}))
        if phrases:
            by_set.setdefault(phrases, []).append(row.entry.name)
    found = [
        f"{listed(names)} {'departs' if len(names) == 1 else 'depart'} in: {'; '.join(phrases)}"
        for phrases, names in by_set.items()
    ]
    found += [f"{row.entry.name}, seed {seed} diverged: {why}" for row in rows for seed, why in row.diverged.items()]
    return found + [
        f"{row.entry.name}, the paper: {row.entry.remark}" for row in rows if row.entry.remark and row.comparable
    ]


# ---------------------------------------------------------------------------------------------------------------
# What is printed


def printed_text(printed: PaperTable) -> str:
    """Title and source of a printed table, the table in columns, and what is to be known of it."""
    lines = [printed.head, *_cells_said(printed)]
    parts = [f"{printed.title}; {printed.source}", aligned(lines, _sides(printed)), printed.note]
    return "\n\n".join(filter(None, parts))


def printed_markdown(printed: PaperTable) -> str:
    """The same as documents have it, under its title."""
    parts = [f"**{printed.title}.**", table(printed.head, _sides(printed), _cells_said(printed))]
    return "\n\n".join([*parts, *([f"{printed.note[0].upper()}{printed.note[1:]}."] if printed.note else [])])


def _cells_said(printed: PaperTable) -> list[list[str]]:
    return [[said(cell, printed.decimals) for cell in row] for row in printed.rows]


def _sides(printed: PaperTable) -> str:
    """Columns of numbers keep to the right, with whatever else stands in them; columns of words to the left."""
    columns = list(zip(*printed.rows, strict=True))
    return "".join("r" if any(isinstance(cell, float | int | tuple) for cell in column) else "l" for column in columns)
