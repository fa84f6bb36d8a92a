"""The page of a run and the comparison of several: run folders read, and handed to the report as plain data."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from resnets.classification.examples import Examples
from resnets.classification.recipes import ASIDE, ROUNDING, for_a_folder, is_papers
from resnets.classification.run import Run, open_run
from resnets.evaluation.metrics import wilson
from resnets.files import say
from resnets.report import words
from resnets.report.comparison import differences, write_comparison
from resnets.report.page import RunReport, write_page
from resnets.report.parting import Parting, common_iterations, common_steps, parting_text, where_they_part
from resnets.training.journal import divergence, read_journal
from resnets.training.losses import read_losses

Differences = Sequence[tuple[str, str, list[str]]]
"""Part of the record, field, the values of the runs."""
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
        losses=read_losses(run.folder),
        departures=[] if for_a_folder(run.recipe) else run.record["departures"],
        said=run.record.get("said", ()),
        environment={**_over(sessions), "precision": run.record["precision"], "sessions": len(sessions)}
        if sessions
        else {},
        data=run.record["data"] or {"name": run.recipe.data},
        published=published(run.recipe.model, run.recipe.data) if is_papers(run.record["departures"]) else None,
        evaluation=evaluation and _evaluation(evaluation),
        iterations=run.recipe.iterations,
        seconds=evaluation["seconds"] if evaluation else None,
        diverged=divergence(rows) is not None,
    )


def _over(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    """Where a run took place: of a field that changed between its sessions all values, "A, then B"."""
    merged: dict[str, Any] = {}
    for field in dict.fromkeys(field for session in sessions for field in session):
        values = [session.get(field) for session in sessions]
        changed = [value for value, before in zip(values[1:], values, strict=False) if value != before]
        merged[field] = ", then ".join(map(words.setting, [values[0], *changed])) if changed else values[0]
    return merged


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
        "right": [],
        "confused": {},
    }


def _pictures(run: Run) -> dict[str, Any]:
    """Of the test: the worst mistakes, right answers, and pictures of the most frequent mistakes.

    None, and a line that says why, where the data cannot be had as they were.
    """
    stored = run.evaluation or {}
    try:
        examples = Examples(str(run.folder), run.recipe.data, (run.record["data"] or {}).get("test"))
        return {
            "mistakes": examples.shown(stored["mistakes"]),
            "right": examples.shown(stored.get("right", [])),  # runs of earlier versions kept neither these
            "confused": examples.by_mistake(stored.get("confused", [])),  # nor those
        }
    except (ValueError, OSError) as error:
        say(f"the page has no pictures: {error}")
        return {}


def compare_runs(folders: list[Path], path: Path, published: Published) -> tuple[dict[str, Any], str]:
    """Overlays runs on the page `path`; says where each leaves the first, and in what they were not set up alike.

    A record and a text of it. Raises ValueError with fewer than two runs.
    """
    runs = _told_apart(folders, [describe_run(open_run(folder), published) for folder in folders])
    page = write_comparison(path, runs)
    partings, lines = [], []
    first, *others = runs
    for folder, run in zip(folders[1:], others, strict=True):
        part = where_they_part(first.rows, run.rows, first.losses, run.losses)
        steps, iterations = len(common_steps(first.rows, run.rows)), common_iterations(first.losses, run.losses)
        common = {"common_steps": steps, "common_iterations": iterations}
        more = {"journal": part and part.journal, "losses": part and part.losses}
        told = {name: other and _plain(other) for name, other in more.items()}
        partings.append({"run": str(folder), **common, **_plain(part), **told})
        lines.append(f"{folders[0]} and {folder}: {parting_text(part, steps, iterations)}")
    found = differences(runs)
    lines += ["", "What differs:"] if found else ["", "Recipe, data and environment do not differ in any field."]
    lines += [f"  {part} {field}: {'  |  '.join(values)}" for part, field, values in found]
    why = _reading(found, any(part["step"] for part in partings))
    lines += ["", why] if why else []
    record = {
        "runs": [str(folder) for folder in folders],
        "comparison": str(page),
        "parts_at": partings[0]["step"] if len(partings) == 1 else None,
        "partings": partings,
        "differences": [{"part": part, "field": field, "values": values} for part, field, values in found],
        "reading": why,
    }
    return record, "\n".join([*lines, "", str(page)])


def _told_apart(folders: Sequence[Path], runs: list[RunReport]) -> list[RunReport]:
    """Runs of one recipe and seed are called by their folders, too."""
    titles = [run.title for run in runs]
    return [
        replace(run, title=f"{run.title} ({folder})") if titles.count(run.title) > 1 else run
        for folder, run in zip(folders, runs, strict=True)
    ]


def _reading(found: Differences, parted: bool) -> str:
    """What the differences between runs have to do with their parting, in a sentence; "" where neither is there."""
    recipe = [field for part, field, _ in found if part == "recipe" and field not in ASIDE]
    rounded = (*ROUNDING, "precision")
    other = [field for field in recipe if field not in rounded]
    data = [field for part, field, _ in found if part == "data"]
    rounding = [field for field in recipe if field in rounded]
    rounding += [field for part, field, _ in found if part == "environment" and field != "sessions"]
    if not parted:
        return "Nothing of what differs shows in what the runs have recorded." if found else ""
    if other == ["seed"] and not data:
        return "Only seeds differ: other initialisation, order and cuts, from the first iteration on."
    if other or data:
        return f"They were not trained alike: {', '.join([*other, *(f'data {field}' for field in data)])}."
    if rounding:
        return (
            f"Recipe and data are the same. What differs ({', '.join(rounding)}) changes the last digits, and training "
            "enlarges that."
        )
    return (
        "Nothing that is recorded differs: operations that add in no fixed order, as on a GPU, part equal runs. On a "
        "CPU in float32 equal runs stay equal, bit for bit."
    )


def _plain(part: Parting | None) -> dict[str, Any]:
    """A parting as JSON has it, where no number may be NaN."""
    if part is None:
        return {"step": None, "after": None, "fields": {}}

    def value(given: Any) -> Any:
        return given if words.is_number(given) else str(given)

    fields = {name: [value(a), value(b)] for name, (a, b) in part.fields.items()}
    return {"step": part.step, "after": part.after, "fields": fields}
