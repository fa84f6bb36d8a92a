"""The page of a run and the comparison of several: run folders read, and handed to the report as plain data."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from resnets.classification.examples import Examples
from resnets.classification.recipes import is_papers
from resnets.classification.run import Run, open_run
from resnets.evaluation.metrics import wilson
from resnets.files import say
from resnets.report.comparison import where_they_part, write_comparison
from resnets.report.page import RunReport, write_page
from resnets.training.journal import read_journal

Published = Callable[[str, str], float | None]
"""(model, data) -> the paper's test error in percent, None where it has none."""


def report_run(folder: Path, published: Published) -> Path:
    """Writes `report.html` and the figures of the run in `folder`, finished or not; returns the page's path."""
    run = open_run(folder)
    described = describe_run(run, published)
    if described.evaluation:
        described = replace(described, evaluation={**described.evaluation, **_pictures(run)})
    return write_page(folder, described)


def describe_run(run: Run, published: Published) -> RunReport:
    """The run as plain data."""
    sessions = run.record["sessions"]
    evaluation, rows = run.evaluation, read_journal(run.folder)
    return RunReport(
        title=f"{run.recipe.name}, seed {run.recipe.seed}",
        recipe=run.recipe.to_dict(),
        rows=rows,
        departures=run.record["departures"],
        environment={**sessions[-1], "precision": run.record["precision"], "sessions": len(sessions)}
        if sessions
        else {},
        data=run.record["data"] or {"name": run.recipe.data},
        published=published(run.recipe.model, run.recipe.data) if is_papers(run.record["departures"]) else None,
        evaluation=evaluation and _evaluation(evaluation),
        iterations=run.recipe.iterations,
        seconds=evaluation["seconds"] if evaluation else None,
        diverged=bool(rows) and rows[-1].get("event", "").startswith("diverged"),
    )


def _evaluation(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The stored evaluation with an interval for each class, without pictures."""
    return {
        **evaluation,
        "per_class": [
            (e["name"], e["images"], 100 * e["wrong"] / e["images"], *wilson(e["wrong"], e["images"]))
            if e["images"]
            else (e["name"], 0, None, None, None)
            for e in evaluation["per_class"]
        ],
        "confusion": np.array(evaluation["confusion"]),
        "mistakes": [],
    }


def _pictures(run: Run) -> dict[str, Any]:
    """Of the test: the worst mistakes, right answers, and pictures of the most frequent mistakes.

    None, and a line that says why, where the data cannot be had as they were.
    """
    stored = run.evaluation or {}
    try:
        examples = Examples(str(run.folder), run.recipe.data, (run.record["data"] or {}).get("test"))
    except ValueError as error:
        say(f"the page has no pictures: {error}")
        return {}
    return {
        "mistakes": examples.shown(stored["mistakes"]),
        "right": examples.right(),
        "confused": examples.confused(stored["confusion"], stored["mistakes"]),
    }


def compare_runs(folders: list[Path], path: Path, published: Published) -> tuple[dict[str, Any], str]:
    """Overlays runs on the page `path`; for two runs, says at which step they part. A record and a text of it."""
    runs = [describe_run(open_run(folder), published) for folder in folders]
    page = write_comparison(path, runs)
    part = where_they_part(runs[0].rows, runs[1].rows) if len(runs) == 2 else None
    record = {"runs": [str(folder) for folder in folders], "comparison": str(page), "parts_at": part}
    if len(runs) != 2:
        return record, str(page)
    where = "their journals are equal" if part is None else f"they part at iteration {part}"
    return record, f"{page}: {where}"
