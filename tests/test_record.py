"""The line that a finished run leaves: its curve, from the journal."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from resnets.classification.record import MOST_POINTS, beginning_of, curve_of, result_of
from resnets.classification.run import open_run
from resnets.cli import main


def row(step: int, train: float, test: float | None = None) -> dict[str, Any]:
    return {"step": step, "loss": 1.0, "train_error": train, "test_error": test, "lr": 0.1}


def test_a_point_for_each_evaluation() -> None:
    rows = [
        row(100, 80.0),
        {"step": 100, "event": "warm-up ends"},
        row(200, 60.0),
        row(300, 41.0, 50.126),
        row(400, 30.0),
        row(500, 20.333, 30.0),
        row(600, 10.0, 25.0),
        row(700, 20.0),
        row(710, 9.0, 24.0),  # of ten iterations, where the others are of a hundred
    ]
    assert curve_of(rows) == {
        "steps": [300, 500, 600, 710],
        "train_error": [60.33, 25.17, 10.0, 19.0],
        "test_error": [50.13, 30.0, 25.0, 24.0],
    }


def test_a_journal_without_evaluations() -> None:
    assert curve_of([row(100, 80.0)]) == {"steps": [], "train_error": [], "test_error": []}


@pytest.mark.parametrize("count", [MOST_POINTS - 1, MOST_POINTS, MOST_POINTS + 1, 2 * MOST_POINTS + 1, 1601])
def test_a_long_curve_is_thinned_and_keeps_its_end(count: int) -> None:
    curve = curve_of([row(step, step / 20, step / 10) for step in range(1, count + 1)])
    steps = curve["steps"]
    assert MOST_POINTS / 2 <= len(steps) <= MOST_POINTS
    assert steps[-1] == count
    assert len({later - earlier for earlier, later in pairwise(steps)}) == 1
    assert curve["train_error"] == [round(step / 20, 2) for step in steps]
    assert curve["test_error"] == [round(step / 10, 2) for step in steps]


def test_the_beginning_has_every_log_line() -> None:
    rows = [row(step, step / 20, None) for step in (391, 400, 1000, 1100)]
    rows.insert(1, {"step": 391, "event": "training error 19.6 % is under 80 %: learning rate 0.01 -> 0.1"})
    assert beginning_of(rows) == {"steps": [391, 400, 1000], "train_error": [19.55, 20.0, 50.0]}


def test_the_curve_of_a_run(run: Path) -> None:
    result = result_of(open_run(run))
    journal = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    train = {entry["step"]: entry["train_error"] for entry in journal}
    assert sorted(train) == [5, 10, 15, 20, 24]
    curve = result["curve"]
    assert curve["steps"] == [10, 20, 24]
    expected = [(train[5] + train[10]) / 2, (train[15] + train[20]) / 2, train[24]]
    assert curve["train_error"] == pytest.approx(expected, abs=0.0051)
    assert curve["test_error"][-1] == pytest.approx(result["test_error"], abs=0.0051)


@pytest.mark.usefixtures("blank")
def test_a_run_that_has_finished_can_be_recorded_once_more(copy: Path, tmp_path: Path) -> None:
    """With what a line has learnt to say since the run ended."""
    weights = (copy / "model.safetensors").stat().st_mtime_ns
    assert main(["train", "--resume", str(copy), "--results", str(tmp_path / "lines.jsonl")]) == 0
    (text,) = (tmp_path / "lines.jsonl").read_text().splitlines()
    assert json.loads(text) == json.loads(json.dumps(result_of(open_run(copy))))
    assert json.loads(text)["curve"]["steps"] == [10, 20, 24]
    assert (copy / "model.safetensors").stat().st_mtime_ns == weights
