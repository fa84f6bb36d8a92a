"""Several runs side by side: their curves in one figure, their final errors, the settings that differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from resnets.files import write_atomic
from resnets.report import words
from resnets.report.figures import error_curves, save_png
from resnets.report.page import picture, render
from resnets.report.summary import Row, RunReport, best, curve, last, measured, status


def write_comparison(path: Path, runs: Sequence[RunReport]) -> Path:
    """Write the comparison of `runs` to `path`, one HTML file that needs nothing else, and a PNG beside it.

    The first run is the one that the others are held against. Returns `path`. ValueError with fewer than
    two runs.
    """
    if len(runs) < 2:
        raise ValueError(f"a comparison needs two runs or more, {len(runs)} given")
    curves = [curve(run) for run in runs]

    def draw(width: float) -> Figure:
        return error_curves(curves, width=width)

    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(draw(7.6), path.with_suffix(".png"))
    contents = {
        "title": f"Comparison of {len(runs)} runs",
        "picture": picture(draw),
        "names": [run.title for run in runs],
        "lines": [_line(run) for run in runs],
        "partings": [_parting(runs[0], run) for run in runs[1:]],
        "differences": differences(runs),
        "published": any(run.published is not None for run in runs),
        "validation": any(best(measured(run), "validation_error") for run in runs),
    }
    write_atomic(path, render("comparison.html", **contents))
    return path


def where_they_part(rows_a: Sequence[Row], rows_b: Sequence[Row]) -> int | None:
    """The first step, of those in both journals, at which the losses differ in any bit; None where none does.

    Speed and time are not looked at, nor are events; two losses that are not numbers count as equal.
    """
    losses_a, losses_b = _losses(rows_a), _losses(rows_b)
    common = sorted(losses_a.keys() & losses_b.keys())
    return next((step for step in common if not _same(losses_a[step], losses_b[step])), None)


def _losses(rows: Sequence[Row]) -> dict[int, Any]:
    return {int(row["step"]): row["loss"] for row in rows if "loss" in row}


def _same(one: Any, other: Any) -> bool:
    return one == other or not (words.is_number(one) or words.is_number(other))


def differences(runs: Sequence[RunReport]) -> list[tuple[str, str, list[str]]]:
    """The settings in which `runs` are not all alike: part of the record, field, a text for each run."""
    found = []
    for part in ("recipe", "data", "environment"):
        tables = [words.flatten(getattr(run, part)) for run in runs]
        for field in dict.fromkeys(field for table in tables for field in table):
            values = [table.get(field, words.UNKNOWN) for table in tables]
            if len(set(values)) > 1:
                found.append((part, field, values))
    departures = ["; ".join(run.departures) or words.UNKNOWN for run in runs]
    return found + ([("departures", "from the paper", departures)] if len(set(departures)) > 1 else [])


def _line(run: RunReport) -> Mapping[str, Any]:
    """One run's row in the table of final figures."""
    rows = measured(run)
    evaluation = run.evaluation or {}
    so_far = last(rows, "test_error")
    return {
        "name": run.title,
        "status": status(run),
        "final": bool(run.evaluation),
        "test": evaluation.get("top1_error", so_far and so_far[1]),
        "interval": evaluation.get("interval"),
        "train": (last(rows, "train_error") or (0, None))[1],
        "validation": (last(rows, "validation_error") or (0, None))[1],
        "published": run.published,
        "iterations": rows[-1]["step"] if rows else 0,
        "seconds": run.seconds,
    }


def _parting(first: RunReport, other: RunReport) -> tuple[str, str]:
    """The other run's name, and in words where its loss leaves that of the first."""
    step = where_they_part(first.rows, other.rows)
    common = _losses(first.rows).keys() & _losses(other.rows).keys()
    if not common:
        return other.title, "the journals have no step in common"
    if step is None:
        return other.title, f"the same loss at all of the {len(common):,} steps that both recorded"
    return other.title, f"the loss differs for the first time at step {step:,}"
