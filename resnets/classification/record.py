"""What a finished run leaves for the tables: one line of a results file, `results/*.jsonl`.

Documents take their figures from these lines by a command, never by hand.
"""

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from resnets.classification.recipes import expected_test_error
from resnets.classification.run import Run
from resnets.files import append_line
from resnets.training.journal import read_journal

MOST_POINTS = 150
"""No curve in a line is longer: a figure of several runs shows no more."""
BEGINNING = 1000
"""Iterations, some epochs of CIFAR-10, of which more is kept: whether a network begins to learn at all."""


def result_of(run: Run) -> dict[str, Any]:
    """Command, seed, hardware, versions, data hashes, seconds and figures of a finished run, its curve among them.

    Errors are in percent.
    """
    evaluation = run.evaluation
    assert evaluation is not None
    sessions, journal = run.record["sessions"], read_journal(run.folder)
    return {
        "recipe": run.recipe.name,
        "model": run.recipe.model,
        "seed": run.recipe.seed,
        "iterations": run.recipe.iterations,
        "start": run.recipe.start,
        "test_error": evaluation["top1_error"],
        "test_wrong": evaluation["top1_wrong"],
        "test_images": evaluation["images"],
        "expected_test_error": expected_test_error(run.recipe),
        "validation_error": evaluation["validation_error"],
        "train_error": evaluation["train_error"],
        "baseline": evaluation.get("baseline"),
        "curve": curve_of(journal),
        "beginning": beginning_of(journal),
        "seconds": round(evaluation["seconds"], 1),
        "sessions": len(sessions),
        "device": sessions[-1]["device"],
        "precision": run.record["precision"],
        "command": run.record["command"],
        "departures": run.record["departures"],
        "data": run.record["data"],
        "environment": sessions[-1],
        "date": datetime.now(UTC).date().isoformat(),
    }


def curve_of(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """`{"steps", "train_error", "test_error"}` of a journal: a point for each evaluation, errors with two decimals.

    The training error of a point is the mean over all iterations since the evaluation before. Of more evaluations than
    `MOST_POINTS` every k-th stands there, counted back from the last.
    """
    points: list[tuple[int, float, float]] = []
    wrong, from_step, last = 0.0, 0, 0  # a row is of the iterations since the row before, more of them or fewer
    for row in rows:
        if "event" in row:
            continue
        wrong += row["train_error"] * (row["step"] - last)
        last = row["step"]
        if row["test_error"] is not None:
            points.append((last, round(wrong / (last - from_step), 2), round(row["test_error"], 2)))
            wrong, from_step = 0.0, last
    every = max(1, math.ceil(len(points) / MOST_POINTS))
    shown = points[(len(points) - 1) % every :: every]
    return {name: [point[i] for point in shown] for i, name in enumerate(("steps", "train_error", "test_error"))}


def beginning_of(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """`{"steps", "train_error"}` of the first `BEGINNING` iterations of a journal, a point for each log line."""
    shown = [row for row in rows if "event" not in row and row["step"] <= BEGINNING]
    return {"steps": [row["step"] for row in shown], "train_error": [round(row["train_error"], 2) for row in shown]}


def append_result(path: Path, result: dict[str, Any]) -> None:
    """Adds the line to a results file; results are only ever added."""
    append_line(path, json.dumps(result, ensure_ascii=False))


def append_once(path: Path, result: dict[str, Any]) -> None:
    """The same, unless the line is there already, of another day perhaps: of a finished run that is asked for again."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    wanted = json.dumps({**result, "date": None}, ensure_ascii=False)
    for line in lines:
        with suppress(ValueError, TypeError):
            if json.dumps({**json.loads(line), "date": None}, ensure_ascii=False) == wanted:
                return
    append_result(path, result)
