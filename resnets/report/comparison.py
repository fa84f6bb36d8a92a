"""Several runs side by side: their curves in one figure, their final errors, the settings that differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from resnets.files import write_atomic
from resnets.report import words
from resnets.report.figures import error_curves, save_png
from resnets.report.page import picture, render
from resnets.report.parting import common_iterations, common_steps, parting_text, where_they_part
from resnets.report.summary import RunReport, best, curve, last, measured, status


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


def differences(runs: Sequence[RunReport]) -> list[tuple[str, str, list[str]]]:
    """The settings in which `runs` are not all alike: part of the record, field, a text for each run.

    Of departures from the paper those that not all have.
    """
    found = []
    for part in ("recipe", "data", "environment"):
        tables = [words.flatten(getattr(run, part)) for run in runs]
        for field in dict.fromkeys(field for table in tables for field in table):
            values = [table.get(field, words.UNKNOWN) for table in tables]
            if len(set(values)) > 1:
                found.append((part, field, values))
    shared = set.intersection(*(set(run.departures) for run in runs))
    departures = ["; ".join(d for d in run.departures if d not in shared) or words.UNKNOWN for run in runs]
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
    """The other run's name, and in words where it leaves the first."""
    part = where_they_part(first.rows, other.rows, first.losses, other.losses)
    steps, iterations = len(common_steps(first.rows, other.rows)), common_iterations(first.losses, other.losses)
    return other.title, parting_text(part, steps, iterations)
