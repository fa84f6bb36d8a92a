"""Photographs trained on and tested by several processes: gloo, on this machine, against one process."""

import json
import os
import signal
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from commands import forks, torchrun, torchrun_done, wait_for_step, workers
from conftest import WIDTHS
from photographs import folder_of, imagenet_in_layouts
from safetensors.torch import load_file
from torch import Tensor

from resnets.classification.run import open_run
from resnets.models import resnet
from resnets.training.journal import read_journal

SMALL = ("imagenet-resnet18", "crop=32", "batch_size=8", "log_every=1", "evaluate_every=4", "precision=fp32")
SHORT = (*SMALL, "iterations=4", "lr=0.01", "bn_batches=2", "sync_bn=true", "mixup=0.2", "jitter=0.4", "milestones=3")
"""So few iterations that rounding has little time to grow."""


def narrow() -> None:
    """In a process of its own: the catalogue's networks with few channels."""
    resnet.WIDTHS = WIDTHS


def begun(ranks: int, folder: Path, *words: str | Path, **environment: str) -> list[BaseProcess]:
    return forks(ranks, folder, *words, prepare=narrow, **environment)


def done(ranks: int, folder: Path, *words: str | Path, **environment: str) -> str:
    """What the first of so many ranks says, when all have ended well."""
    processes = begun(ranks, folder, *words, **environment)
    for process in processes:
        process.join(240)
    said = (folder / "log-0").read_text()
    assert [process.exitcode for process in processes] == [0] * ranks, said
    assert all((folder / f"log-{number}").read_text() == "" for number in range(1, ranks))
    return said


def trained(ranks: int, folder: Path, data: str, *words: str) -> Path:
    done(ranks, folder, "train", *words, f"data={data}", "--out", folder / "run")
    return folder / "run"


def weights(run: Path) -> dict[str, Tensor]:
    return {name: value.double() for name, value in load_file(run / "model.safetensors").items()}


def near(one: Path, other: Path) -> None:
    """The same run but for rounding, which grows from step to step: eight images are few for BN."""
    rows, same = read_journal(one), read_journal(other)
    names = ("step", "epoch", "train_error", "lr")
    assert [[row[n] for n in names] for row in rows] == [pytest.approx([row[n] for n in names]) for row in same]
    assert rows[0]["loss"] == pytest.approx(same[0]["loss"], rel=1e-4)
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in same], rel=1e-2)
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        apart = float((value - theirs[name]).abs().max() / theirs[name].abs().max().clamp(min=1e-2))
        assert apart < (0.05 if "bn" in name else 0.01), (name, apart)


def figures_of(ranks: int, folder: Path, run: Path, data: str) -> Any:
    """The figures of every protocol."""
    protocols = ("--protocol", "single,ten-crop,dense", "--no-cache", "--json")
    return json.loads(done(ranks, folder, "evaluate", run, "--data", data, *protocols).splitlines()[-1])["results"]


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return imagenet_in_layouts(tmp_path_factory.mktemp("layouts"))


@pytest.fixture(scope="module")
def alone(layouts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`SHORT` by one process, from class folders."""
    return trained(1, tmp_path_factory.mktemp("alone") / "one", layouts["folders"], *SHORT)


def test_two_ranks_train_what_one_does(layouts: dict[str, str], alone: Path, tmp_path: Path) -> None:
    """Mixed and varied images, BN over the images of both, its statistics averaged in the end; from archives."""
    two = trained(2, tmp_path / "two", layouts["index"], *SHORT)
    near(two, alone)
    single, *_ = figures_of(2, tmp_path / "tested", two, layouts["index"])
    left = open_run(two).evaluation
    assert left is not None
    assert (single["top1_wrong"], single["images"]) == (left["top1_wrong"], 6)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["folders", "shards"])
def test_four_ranks_train_what_one_does(layout: str, layouts: dict[str, str], alone: Path, tmp_path: Path) -> None:
    near(trained(4, tmp_path / "four", layouts[layout], *SHORT), alone)


@pytest.mark.slow
def test_figures_are_the_same_on_any_number_of_ranks(layouts: dict[str, str], alone: Path, tmp_path: Path) -> None:
    """Every protocol, every figure; from another layout on each."""
    expected = figures_of(1, tmp_path / "one", alone, layouts["folders"])
    assert figures_of(2, tmp_path / "two", alone, layouts["index"]) == expected
    assert figures_of(4, tmp_path / "four", alone, layouts["shards"]) == expected
    assert [result["images"] for result in expected] == [6, 6, 6]


@pytest.mark.slow
def test_a_killed_rank_stopped_and_gone_on_with_by_others(layouts: dict[str, str], tmp_path: Path) -> None:
    """Two ranks, of which one is killed; the same two again, as torchrun does it; stopped; four; then one."""
    rates = ("lr=0.0001", "milestones=20")
    words = (*SMALL, *rates, "iterations=24", "sync_bn=true", "checkpoint_every=3", "bn_batches=2")
    whole = trained(1, tmp_path / "whole", layouts["folders"], *words)
    folder, run = tmp_path / "some", tmp_path / "some" / "run"
    launch = {"TORCHELASTIC_RUN_ID": "one", "RESNETS_RANK_TIMEOUT": "60"}
    line = ("train", *words, f"data={layouts['shards']}", "--out", run)
    killed = begun(2, folder, *line, **launch)
    wait_for_step(killed[0], run, 4)
    killed[1].kill()
    for process in killed:
        process.join(240)
    assert [process.exitcode for process in killed] == [2, -signal.SIGKILL]
    said = (folder / "log-0").read_text().splitlines()[-1]
    assert "rank 1 (process" in said
    assert said.endswith("ended before the others; --resume goes on from the last checkpoint")
    stopped = begun(2, folder, *line, **launch, TORCHELASTIC_RESTART_COUNT="1")
    wait_for_step(stopped[0], run, 7)
    os.kill(stopped[1].pid or 0, signal.SIGTERM)
    for process in stopped:
        process.join(240)
    assert [process.exitcode for process in stopped] == [143, 143]
    processes = begun(4, folder, "train", "--resume", run)
    wait_for_step(processes[0], run, 10)
    processes[3].terminate()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [143] * 4
    done(1, folder, "train", "--resume", run)
    assert [session["ranks"] for session in open_run(run).record["sessions"]] == [2, 2, 4, 1]
    rows, same = read_journal(run), read_journal(whole)
    assert [row["step"] for row in rows] == [row["step"] for row in same]
    early = [(row["loss"], one["loss"]) for row, one in zip(rows[:16], same, strict=False)]
    assert [ours for ours, _ in early] == pytest.approx(
        [theirs for _, theirs in early], rel=1e-3
    )  # later rounding grows


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the ranks in /proc")
def test_torchrun_restarts_what_was_killed(layouts: dict[str, str], tmp_path: Path) -> None:
    """torchrun itself, the net as it is. What it came to is judged alike by any number of ranks."""
    words = (*SMALL, "iterations=24", "lr=0.01", "checkpoint_every=3", "bn_batches=2")
    process = torchrun(2, "train", *words, f"data={layouts['index']}", "--out", tmp_path / "run", restarts=2)
    wait_for_step(process, tmp_path / "run", 4)
    os.kill(workers(process)[1], signal.SIGKILL)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    run = open_run(tmp_path / "run")
    assert [session["ranks"] for session in run.record["sessions"]] == [2, 2]
    assert [row["step"] for row in read_journal(run.folder)] == list(range(1, 25))
    test = (
        "evaluate",
        run.folder,
        "--data",
        layouts["shards"],
        "--protocol",
        "single,ten-crop",
        "--no-cache",
        "--json",
    )
    assert torchrun_done(4, *test) == torchrun_done(1, *test)


@pytest.mark.slow
def test_a_folder_of_pictures_by_two_ranks(alone: Path, tmp_path: Path) -> None:
    """Its recipe, the early word, the start and the linear classifier: as by one, each said once."""
    pictures = folder_of(tmp_path / "pictures", {"cat": 12, "dog": 9})
    small = (
        "model=resnet18",
        "crop=32",
        "batch_size=8",
        "iterations=4",
        "log_every=1",
        "lr=0.01",
        "sync_bn=true",
        "precision=fp32",
    )
    given = ("train", "--data", pictures, "--weights", alone, "frozen=none", *small)
    said = {ranks: done(ranks, tmp_path / str(ranks), *given, "--out", tmp_path / f"run-{ranks}") for ranks in (1, 2)}
    near(tmp_path / "run-2", tmp_path / "run-1")
    one, two = open_run(tmp_path / "run-1"), open_run(tmp_path / "run-2")
    assert one.recipe == two.recipe
    assert one.evaluation is not None
    assert two.evaluation is not None
    assert one.evaluation["baseline"] == two.evaluation["baseline"]
    assert one.evaluation["baseline"]["images"] == one.evaluation["images"]
    for phrase in (
        "fewer than 10 training pictures: dog",
        "the classifier begins as a linear one",
        "a linear classifier on the features of",
    ):
        assert said[1].count(phrase) == said[2].count(phrase) > 0
