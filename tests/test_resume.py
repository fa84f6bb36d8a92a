"""Runs that are killed or stopped, and go on: the final weights are those of a run that was not, bit for bit."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from commands import evaluation, figures, fork, last_step, start, wait_for_step
from conftest import TINY

from resnets.classification.run import open_run
from resnets.training.checkpoint import newest
from resnets.training.journal import read_journal

SHORT = ("train", "digits-resnet20", *TINY, "iterations=50", "batch_size=8", "evaluate_every=30")
WARM_UP = (*SHORT, "schedule=steps", "warmup_lr=0.001", "warmup_error=88", "seed=2")
"""The rule of the 110-layer net: in the middle of the run the training error falls under the threshold."""
DRAWING = (*SHORT, "schedule=steps", "warmup_lr=0.01", "warmup_iterations=12", "changes.drop_path=0.5")
"""A network that draws in training: blocks are left out at random."""


def finish(log: Path, *words: str | Path) -> None:
    process = fork(log, *words)
    process.join()
    assert process.exitcode == 0, log.read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`SHORT`, not interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    finish(folder.parent / "log", *SHORT, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def whole_warm_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`WARM_UP`, not interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    finish(folder.parent / "log", *WARM_UP, "--out", folder)
    return folder


def same(one: Path, other: Path) -> None:
    """Weights and all that is stored with them bit for bit, and every loss; journal and evaluation but for the time.

    Promised for equal numbers of threads, so those are looked at first.
    """
    assert {session["threads"] for folder in (one, other) for session in open_run(folder).record["sessions"]} == {1}
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert figures(one) == figures(other)
    assert (one / "losses.f32").read_bytes() == (other / "losses.f32").read_bytes()
    assert evaluation(one) == evaluation(other)


@pytest.fixture(autouse=True)
def _repeatable(request: pytest.FixtureRequest) -> None:
    """Where runs are killed is drawn, and drawn alike when a test is run again."""
    random.seed(request.node.name)


def kill(log: Path, folder: Path, step: int, jitter: float, *words: str | Path) -> int:
    """Runs `words`, kills it up to `jitter` seconds after the journal reached `step`, and returns where that was."""
    process = fork(log, *words)
    wait_for_step(process, folder, step)
    time.sleep(random.uniform(0, jitter))
    process.kill()
    process.join()
    assert process.exitcode in (-signal.SIGKILL, 0)  # 0: where the machine is busy it may have ended before
    return last_step(folder)


def test_killed_again_and_again(whole: Path, tmp_path: Path) -> None:
    folder, log = tmp_path / "run", tmp_path / "log"
    kill(log, folder, 0, 0.3, *SHORT, "--out", folder)  # perhaps before there is a folder
    begin = ("train", "--resume", folder) if (folder / "recipe.json").exists() else (*SHORT, "--out", folder)
    kill(log, folder, 5, 0.05, *begin)
    kill(log, folder, random.choice(range(10, 35, 5)), 0.05, "train", "--resume", folder)
    finish(log, "train", "--resume", folder)
    same(folder, whole)
    assert not list(folder.rglob(".*.tmp"))


@pytest.mark.slow
def test_killed_before_and_after_the_warm_up_has_ended(whole_warm_up: Path, tmp_path: Path) -> None:
    folder, log = tmp_path / "run", tmp_path / "log"
    (event,) = (row for row in read_journal(whole_warm_up) if "event" in row)
    assert 15 <= event["step"] <= 40
    reached = kill(log, folder, 5, 0.01, *WARM_UP, "--out", folder)
    assert reached < event["step"]
    assert not any("event" in row for row in read_journal(folder))
    kill(log, folder, event["step"] - 5, 0.1, "train", "--resume", folder)
    kill(log, folder, event["step"] + 5, 0.05, "train", "--resume", folder)  # the event follows the row of its step
    assert event in read_journal(folder)
    finish(log, "train", "--resume", folder)
    same(folder, whole_warm_up)
    rates = [row["lr"] for row in read_journal(folder) if "lr" in row]
    assert set(rates) == {0.001, 0.1}


@pytest.mark.slow
def test_killed_where_the_network_draws(tmp_path: Path) -> None:
    """What it draws is a function of seed and step: nothing of it is saved."""
    whole, folder, log = tmp_path / "whole", tmp_path / "run", tmp_path / "log"
    finish(log, *DRAWING, "--out", whole)
    kill(log, folder, 10, 0.05, *DRAWING, "--out", folder)
    kill(log, folder, 25, 0.05, "train", "--resume", folder)
    finish(log, "train", "--resume", folder)
    same(folder, whole)
    rates = {row["step"]: row["lr"] for row in read_journal(folder)}
    assert rates == {step: 0.01 if step <= 12 else 0.1 for step in rates}


def test_stopped_with_the_state_saved(whole: Path, tmp_path: Path) -> None:
    """SIGTERM to a new interpreter, then Ctrl-C; then to the end."""
    folder, log = tmp_path / "run", tmp_path / "log"
    process = start(*SHORT, "--json", "--out", folder)
    wait_for_step(process, folder, 5)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert (process.returncode, out) == (143, "")
    _saved(folder, err, "SIGTERM")
    again = fork(log, "train", "--resume", folder)
    wait_for_step(again, folder, 20)
    os.kill(again.pid or 0, signal.SIGINT)
    again.join()
    assert again.exitcode == 130
    _saved(folder, log.read_text(), "SIGINT")
    finish(log, "train", "--resume", folder)
    same(folder, whole)
    assert len(open_run(folder).record["sessions"]) == 3


def _saved(folder: Path, said: str, signal_name: str) -> None:
    """The run in `folder` was stopped and said so last; what it did is in its newest checkpoint."""
    state = newest(folder / "checkpoints")
    assert state is not None
    last = said.splitlines()[-1]
    assert f"stopped by {signal_name} after {state.step} iterations, state saved" in last
    assert f"`resnets train --resume {folder}`" in last
    assert 0 <= state.step - last_step(folder) < 5  # the very step: nothing that was done is lost
    assert not (folder / "model.safetensors").exists()


def test_stopped_before_the_first_iteration(whole: Path, tmp_path: Path) -> None:
    """The signal comes while the data are read or the network is made: no state to save, none is lost."""
    folder, log = tmp_path / "run", tmp_path / "log"
    process = fork(log, *SHORT, "--out", folder)
    patience = time.monotonic() + 120
    while not folder.exists():
        assert process.exitcode is None, log.read_text()
        assert time.monotonic() < patience
        time.sleep(0.001)
    process.terminate()
    process.join()
    assert process.exitcode == 143
    assert "Traceback" not in log.read_text()
    begin = ("train", "--resume", folder) if (folder / "recipe.json").exists() else (*SHORT, "--out", folder)
    finish(log, *begin)
    same(folder, whole)


def test_a_run_that_was_killed_as_it_ended_is_finished(whole: Path, tmp_path: Path) -> None:
    """The last checkpoint is there, the weights are not: nothing is trained again."""
    folder, log = Path(shutil.copytree(whole, tmp_path / "run")), tmp_path / "log"
    before = (folder / "metrics.jsonl").read_bytes()
    (folder / "model.safetensors").unlink()
    (folder / "evaluation.json").unlink()
    finish(log, "train", "--resume", folder)
    assert (folder / "metrics.jsonl").read_bytes() == before
    same(folder, whole)


def test_a_run_that_goes_on_already_is_left_alone(tmp_path: Path) -> None:
    folder, log = tmp_path / "run", tmp_path / "log"
    process = fork(log, *SHORT, "--out", folder)
    wait_for_step(process, folder, 5)
    os.kill(process.pid or 0, signal.SIGSTOP)  # so that it cannot end meanwhile
    second = fork(tmp_path / "second", "train", "--resume", folder)
    second.join()
    process.kill()
    assert second.exitcode == 2
    said = (tmp_path / "second").read_text()
    assert said == f"resnets train: {folder}: another process is at work there; wait until it has ended\n"


@pytest.mark.slow
def test_110_layers_killed_inside_the_warm_up(tmp_path: Path) -> None:
    words = ("train", "digits-resnet110", *TINY[1:], "iterations=40", "batch_size=8", "schedule=steps")
    words = (*words, "warmup_lr=0.01", "warmup_error=88")
    whole, folder, log = tmp_path / "whole", tmp_path / "run", tmp_path / "log"
    finish(log, *words, "--out", whole)
    (event,) = (row for row in read_journal(whole) if "event" in row)
    kill(log, folder, 5, 1.0, *words, "--out", folder)
    for _ in range(3):
        kill(log, folder, min(event["step"], last_step(folder) + 5), 1.0, "train", "--resume", folder)
    finish(log, "train", "--resume", folder)
    same(folder, whole)
