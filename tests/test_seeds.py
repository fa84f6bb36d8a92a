"""Several seeds in one process: each comes out as it would alone."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY

from resnets.classification import run as runs
from resnets.classification import seeds, start, task
from resnets.classification.data import load_data
from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.recipes import recipe
from resnets.classification.run import RECORD_FIELDS, carry_out, new_run, write_json
from resnets.classification.seeds import _side_by_side, runs_of
from resnets.cli import main
from resnets.models.weights import read_weights
from resnets.training.draws import seed_draws
from resnets.training.recipe import override

COMMAND = ["train", "digits-resnet20", *TINY, "--seeds", "1..3"]
SHORT = ("iterations=8", "evaluate_every=8")

pytestmark = pytest.mark.usefixtures("blank")


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine with three cores."""
    monkeypatch.setattr(seeds, "cores", lambda: 3)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)


def folder(out: Path, seed: int) -> Path:
    return out / f"digits-resnet20-seed{seed}"


def test_a_run_that_was_begun_goes_on_where_it_is_asked_to(tmp_path: Path) -> None:
    """As `--resume` does; one that has finished needs no device."""
    begun, done = (override(recipe("digits-resnet20"), [*TINY, f"seed={seed}"]) for seed in (1, 2))
    folders = [tmp_path / "begun", tmp_path / "done"]
    for one, path in zip((begun, done), folders, strict=True):
        path.mkdir()
        write_json(path / "recipe.json", one.to_dict())
        write_json(path / "run.json", {**dict.fromkeys(RECORD_FIELDS), "device": "cuda"})
    for name in ("model.safetensors", "evaluation.json"):
        (folders[1] / name).touch()
    assert [run.record["device"] for run in runs_of([begun, done], folders, "cpu")] == ["cpu", "cuda"]


def test_each_seed_comes_out_as_it_would_alone(
    three_threads: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*COMMAND, *SHORT, "--out", str(tmp_path / "together"), "--json"]
    assert main([*words, "--results", str(tmp_path / "r.jsonl")]) == 0
    said = capsys.readouterr()
    assert torch.get_num_threads() == 3, "as before"
    torch.set_num_threads(1)
    record = json.loads(said.out)
    assert [run["seed"] for run in record["runs"]] == [1, 2, 3]
    assert [json.loads(line)["seed"] for line in (tmp_path / "r.jsonl").read_text().splitlines()] == [1, 2, 3]
    assert "3 runs, 3 side by side" in said.err
    assert "seed 2: 8/8  epoch" in said.err
    for run in record["runs"]:
        alone = tmp_path / f"alone{run['seed']}"
        assert main(["train", "digits-resnet20", *TINY, *SHORT, f"seed={run['seed']}", "--out", str(alone)]) == 0
        ours, theirs = read_weights(run["run"]).state, read_weights(alone).state
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        assert (Path(run["run"]) / "report.html").exists()


@pytest.mark.slow
def test_all_stop_together_and_the_same_command_goes_on(
    three_threads: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = threading.Barrier(3, action=lambda: os.kill(os.getpid(), signal.SIGTERM), timeout=60)
    batches = runs.Classification.batches

    def signalled(self: runs.Classification, step: int):
        begun.wait()
        return batches(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(runs.Classification, "batches", signalled)
        assert main([*COMMAND, "--out", str(tmp_path)]) == 143
    assert "the same command goes on" in capsys.readouterr().err
    assert all(list((folder(tmp_path, seed) / "checkpoints").glob("*.pt")) for seed in (1, 2, 3))
    assert not any((folder(tmp_path, seed) / "model.safetensors").exists() for seed in (1, 2, 3))
    assert main([*COMMAND, "--out", str(tmp_path)]) == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.safetensors")}
    assert len(before) == 3
    assert main([*COMMAND, "--out", str(tmp_path)]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before, "what has finished is not run again"


@pytest.mark.slow
def test_a_seed_that_diverges_leaves_the_others_alone(
    three_threads: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = runs.Classification.losses

    def broken(self: runs.Classification, batch: Any):
        found = losses(self, batch)
        return {**found, "loss": found["loss"] * (float("nan") if self.recipe.seed == 2 else 1)}

    monkeypatch.setattr(runs.Classification, "losses", broken)
    assert main([*COMMAND, "--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert f"{folder(tmp_path, 2)}: diverged" in said.out
    assert "1 of 3 runs diverged" in said.err
    assert (folder(tmp_path, 1) / "model.safetensors").exists()
    assert (folder(tmp_path, 3) / "model.safetensors").exists()


def test_a_folder_with_another_run_is_refused(tiny: ClassificationRecipe, tmp_path: Path, capsys) -> None:
    carry_out(new_run(override(tiny, ["seed=2", "iterations=2"]), folder(tmp_path, 2)))
    assert main([*COMMAND, "--out", str(tmp_path)]) == 2
    assert "holds another run: iterations is 24, was 2" in capsys.readouterr().err
    assert not folder(tmp_path, 1).exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["digits-resnet20", "seed=3", "--seeds", "0..1"], "seed and --seeds are given"),
        (["--data", "digits", "seed=3", "--seeds", "0..1"], "seed and --seeds are given"),
        (["--resume", "somewhere", "--seeds", "0..1"], "--out, --seeds and --weights are for new runs"),
        (["digits-resnet20", "--seeds", "4..1"], "seeds is '4..1'"),
    ],
)
def test_what_is_not_allowed(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *words]) == 2
    assert says in capsys.readouterr().err


def test_networks_that_draw_run_one_after_the_other(three_threads: None, tiny: ClassificationRecipe) -> None:
    def how_many(*changes: str) -> int:
        made = [
            new_run(override(tiny, [f"seed={seed}", *changes]), Path(f"no-such-{seed}"), "cpu") for seed in range(5)
        ]
        return _side_by_side(made)

    assert how_many() == how_many("mixup=0.2") == 3
    assert how_many("changes.drop_path=0.2") == 1
    assert how_many("model=cifar_wrn_10_1", "changes.dropout=0.3") == 1


def test_nobody_seeds_the_generator_while_a_network_draws_its_weights(
    tiny: ClassificationRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that trains already wants to seed it just then."""
    other: list[threading.Thread] = []

    def made(*arguments: Any, **changes: Any) -> torch.nn.Module:
        other.append(threading.Thread(target=seed_draws, args=(7, 7, torch.device("cpu"))))
        other[0].start()
        other[0].join(0.2)
        return create_model(*arguments, **changes)

    create_model = start.create_model
    data = load_data(tiny, torch.device("cpu"))
    alone = task.Classification(tiny, data, torch.device("cpu"), "fp32").model.state_dict()
    with monkeypatch.context() as patch:
        patch.setattr(start, "create_model", made)
        disturbed = task.Classification(tiny, data, torch.device("cpu"), "fp32").model.state_dict()
    other[0].join()
    assert all(torch.equal(alone[name], disturbed[name]) for name in alone)


def test_outside_the_main_thread_signals_stay_as_they_are() -> None:
    from resnets.training.interruption import interruption

    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with interruption() as flag:
            seen.append((flag.signum, signal.getsignal(signal.SIGTERM) == before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0, True)]
