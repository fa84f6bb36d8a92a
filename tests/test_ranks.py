"""Several processes that train one network: gloo, on this machine. What they come to is held against one process."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from commands import figures, fork, forks, last_step, torchrun, torchrun_done, wait_for_step, workers
from conftest import TINY
from safetensors.torch import load_file
from torch import Tensor

from resnets.classification.run import open_run
from resnets.training.checkpoint import newest
from resnets.training.journal import read_journal
from resnets.training.losses import read_losses

FEW = (*TINY, "iterations=4", "lr=0.01", "log_every=1", "evaluate_every=4", "changes.shortcut=A")
"""So few iterations that rounding has no time to grow."""
LONG = (*TINY, "iterations=50", "batch_size=8", "evaluate_every=30")


def ends(processes: list[BaseProcess]) -> list[int | None]:
    """The exit statuses, when all have ended."""
    for process in processes:
        process.join(240)
    return [process.exitcode for process in processes]


def trained(ranks: int, folder: Path, *words: str) -> Path:
    """The folder of a run by so many ranks, to its end."""
    processes = forks(ranks, folder, "train", "digits-resnet20", *words, "--out", folder / "run")
    assert ends(processes) == [0] * ranks, (folder / "log-0").read_text()
    return folder / "run"


def weights(run: Path) -> dict[str, Tensor]:
    return {name: value.double() for name, value in load_file(run / "model.safetensors").items()}


def far(one: dict[str, Tensor], other: dict[str, Tensor], part: str = "") -> float:
    """The largest difference of tensors whose names contain `part`, in units of their largest value."""
    assert one.keys() == other.keys()
    names = [name for name in one if part in name and "num_batches" not in name]
    assert names
    return max(float((one[n] - other[n]).abs().max() / other[n].abs().max().clamp(min=1e-2)) for n in names)


def learned(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if "running" not in name}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`FEW` by one process."""
    return trained(1, tmp_path_factory.mktemp("alone") / "whole", *FEW)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`FEW` by two ranks, BN over the images of each."""
    return trained(2, tmp_path_factory.mktemp("two") / "two", *FEW)


def test_two_ranks_are_two_passes_of_one(alone: Path, two: Path, tmp_path: Path) -> None:
    """BN's groups are the same eight images, so are gradients; with the whole batch in one group they are others."""
    passes = trained(1, tmp_path / "passes", *FEW, "accumulate=2")
    assert far(learned(weights(two)), learned(weights(passes))) < 1e-3
    assert far(learned(weights(alone)), learned(weights(passes))) > 1e-2
    for row, same in zip(read_journal(two), read_journal(passes), strict=True):
        assert row["loss"] == pytest.approx(same["loss"], rel=1e-4)
        assert row["train_error"] == pytest.approx(same["train_error"])
        assert {name: row[name] for name in ("step", "epoch", "lr")} == {n: same[n] for n in ("step", "epoch", "lr")}
    for run in (two, passes):  # a log line for each iteration
        assert read_losses(run).tolist() == [row["loss"] for row in read_journal(run)]


def test_the_first_speaks_and_writes(alone: Path, two: Path) -> None:
    """A run by two has the files and fields of a run by one, and says as much."""
    assert sorted(p.name for p in two.rglob("*")) == sorted(p.name for p in alone.rglob("*"))
    assert (two.parent / "log-1").read_text() == ""
    said = (two.parent / "log-0").read_text().splitlines()
    assert said[0].endswith("on cpu in fp32, 2 ranks with 8 images a pass each")
    assert len(said) == len((alone.parent / "log-0").read_text().splitlines())
    one, other = open_run(alone), open_run(two)
    assert one.recipe == other.recipe
    assert [run.record["sessions"][0]["ranks"] for run in (one, other)] == [1, 2]
    assert one.evaluation is not None
    assert other.evaluation is not None
    assert one.evaluation["images"] == other.evaluation["images"] == 500


def test_the_saved_statistics_are_the_mean_over_ranks(alone: Path, two: Path) -> None:
    """At the stem it is that of all images, but for the weights, which have hardly moved."""
    assert far(weights(two), weights(alone), "bn1.running_mean") < 5e-3


def test_synchronised_statistics_are_those_of_the_whole_batch(alone: Path, two: Path, tmp_path: Path) -> None:
    both = trained(2, tmp_path / "both", *FEW, "sync_bn=true")
    assert far(weights(both), weights(alone)) < 1e-3
    assert far(weights(two), weights(alone)) > 1e-2
    for row, same in zip(figures(both), figures(alone), strict=True):
        assert row["loss"] == pytest.approx(same["loss"], rel=1e-4)


def test_units_that_are_left_out_and_passes_that_are_added_up(tmp_path: Path) -> None:
    """Ranks draw for themselves, so a unit may take part on one only."""
    run = trained(2, tmp_path / "drawing", *FEW, "changes.drop_path=0.6", "accumulate=2")
    assert len(read_journal(run)) == 4


# ---------------------------------------------------------------------------------------------------------------
# Stopped, killed, gone on with


def test_begun_on_two_stopped_and_gone_on_with_by_one(tmp_path: Path) -> None:
    """One rank is asked to stop, both do so after the same iteration; what one process makes of it is the same run."""
    whole = trained(1, tmp_path / "whole", *LONG, "sync_bn=true", "lr=0.01")
    folder = tmp_path / "two"
    words = ("train", "digits-resnet20", *LONG, "sync_bn=true", "lr=0.01", "--out", folder / "run")
    processes = forks(2, folder, *words)
    wait_for_step(processes[0], folder / "run", 5)
    processes[1].terminate()
    assert ends(processes) == [143, 143]
    state = newest(folder / "run" / "checkpoints")
    assert state is not None
    assert 5 <= state.step < 50
    said = (folder / "log-0").read_text().splitlines()[-1]
    assert said.startswith(f"resnets train: stopped by SIGTERM after {state.step} iterations, state saved")
    assert (folder / "log-1").read_text() == ""
    log = tmp_path / "log"
    assert ends([fork(log, "train", "--resume", folder / "run")]) == [0], log.read_text()
    assert [session["ranks"] for session in open_run(folder / "run").record["sessions"]] == [2, 1]
    rows, same = figures(folder / "run"), figures(whole)
    assert [row["step"] for row in rows] == [row["step"] for row in same]
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in same], rel=0.02)
    losses = read_losses(folder / "run")
    assert len(losses) == 50
    assert losses == pytest.approx(read_losses(whole), rel=0.1)


@pytest.mark.slow
def test_a_killed_rank_is_named_and_the_restarted_ones_go_on(tmp_path: Path) -> None:
    """As torchrun does it: the same command again, with the number of the restart."""
    folder = tmp_path / "two"
    words = ("train", "digits-resnet20", *LONG, "--out", folder / "run")
    launch: dict[str, Any] = {"TORCHELASTIC_RUN_ID": "one", "RESNETS_RANK_TIMEOUT": "10"}
    processes = forks(2, folder, *words, **launch)
    wait_for_step(processes[0], folder / "run", 10)
    processes[1].kill()
    assert ends(processes) == [2, -signal.SIGKILL]
    said = (folder / "log-0").read_text().splitlines()[-1]
    assert said.startswith(f"resnets train: rank 1 (process {processes[1].pid} on ")
    assert said.endswith("ended before the others; --resume goes on from the last checkpoint")
    reached = last_step(folder / "run")

    again = forks(2, folder, *words, **{**launch, "TORCHELASTIC_RUN_ID": "other"}, TORCHELASTIC_RESTART_COUNT="1")
    assert ends(again) == [2, 2]
    said = (folder / "log-0").read_text().splitlines()[-1]
    assert said.startswith(f"resnets train: {folder / 'run'} exists"), "the run of another launch is refused"
    assert "exists" not in (folder / "log-1").read_text(), "all say the same, so one does"

    again = forks(2, folder, *words, **launch, TORCHELASTIC_RESTART_COUNT="1")
    assert ends(again) == [0, 0]
    assert [row["step"] for row in read_journal(folder / "run")] == list(range(5, 51, 5))
    assert 10 <= reached < 50
    assert len(open_run(folder / "run").record["sessions"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [1, 0])
def test_a_stopped_rank_is_named(stopped: int, tmp_path: Path) -> None:
    """Rank 0 too, which without torchrun holds the store: there is nothing left by which ranks could hear of others."""
    folder = tmp_path / "two"
    words = ("train", "digits-resnet20", *LONG, "iterations=5000", "--out", folder / "run")
    processes = forks(2, folder, *words, RESNETS_RANK_TIMEOUT="20")
    wait_for_step(processes[0], folder / "run", 5)
    time.sleep(2)  # until all have heard that the first iteration is over
    began = time.monotonic()
    os.kill(processes[stopped].pid or 0, signal.SIGSTOP)
    other = 1 - stopped
    (status,) = ends([processes[other]])
    took = time.monotonic() - began
    processes[stopped].kill()
    (said,) = [line for line in (folder / f"log-{other}").read_text().splitlines() if line.startswith("resnets: ")]
    assert status == 2
    assert took < 60
    name = f"rank 1 (process {processes[1].pid} on " if stopped else "rank 0, or the machine that holds the store, "
    assert said.startswith(f"resnets: {name}")
    assert said.endswith("did not answer for 20 s; --resume goes on from the last checkpoint")


# ---------------------------------------------------------------------------------------------------------------
# Refused


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("train", "digits-resnet20", *TINY, "batch_size=15"),
            "train: batch_size is 15, allowed with 2 ranks are multiples of 2",
        ),
        (
            ("train", "digits-resnet20", *TINY, "batch_size=15", "accumulate=3"),
            "train: batch_size is 15, allowed with 2 ranks and accumulate 3 are multiples of 6",
        ),
        (
            ("train", "digits-resnet20", *TINY, "mixup=0.2", "batch_size=6"),
            "train: batch_size is 6, allowed with 2 ranks and mixup, which is of pairs, are multiples of 4",
        ),
        (
            ("train", "digits-resnet20", *TINY, "--seeds", "0..1"),
            "train: seeds is '0..1' with 2 ranks; allowed is one of them",
        ),
        (("models",), "models: started as 2 processes, allowed for train and evaluate only"),
    ],
)
def test_what_ranks_do_not_do(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    """One line, from the first; nothing is left behind."""
    out = ("--out", str(tmp_path / "run")) if words[0] == "train" else ()
    assert ends(forks(2, tmp_path, *words, *out)) == [2, 2]
    assert (tmp_path / "log-0").read_text() == f"resnets {line}\n"
    assert (tmp_path / "log-1").read_text() in ("", f"rank 1: resnets {line}\n")  # by itself where the first has gone
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------------------------------------------------------
# torchrun itself


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the ranks in /proc")
def test_torchrun_restarts_what_was_killed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = torchrun(2, "train", "digits-resnet20", *LONG, "iterations=100", "--json", "--out", run, restarts=2)
    wait_for_step(process, run, 10)
    os.kill(workers(process)[1], signal.SIGKILL)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == 1
    sessions = open_run(run).record["sessions"]
    assert [session["ranks"] for session in sessions] == [2, 2]
    assert sessions[0]["launch"] == sessions[1]["launch"]
    assert [row["step"] for row in read_journal(run)] == list(range(5, 101, 5))
    (error,) = {line for line in err.splitlines() if line.startswith(("resnets train: rank", "rank "))} or {""}
    assert error == "" or "rank 1 (process" in error  # torchrun may be quicker


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the ranks in /proc")
def test_sigterm_to_torchrun_saves_the_state_and_four_go_on(tmp_path: Path) -> None:
    """Bit for bit the same on two ranks; on four the same but for rounding."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    words = ("train", "digits-resnet20", *LONG, "sync_bn=true", "lr=0.01")
    torchrun_done(2, *words, "--out", whole)
    process = torchrun(2, *words, "--out", run)
    wait_for_step(process, run, 10)
    process.terminate()
    _, err = process.communicate(timeout=600)
    assert process.returncode != 0
    state = newest(run / "checkpoints")
    assert state is not None
    assert state.step < 50
    assert f"stopped by SIGTERM after {state.step} iterations, state saved" in err
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    torchrun_done(2, "train", "--resume", run)
    assert far(weights(run), weights(whole)) == 0
    torchrun_done(4, "train", "--resume", copy)
    rows, same = figures(copy), figures(whole)
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in same], rel=0.02)
    test = ("evaluate", run, "--data", "digits", "--json", "--no-cache")
    assert torchrun_done(2, *test) == torchrun_done(1, *test)


@pytest.fixture
def machines() -> Iterator[tuple[str, str]]:
    """Two network namespaces joined by a cable: to the processes in them, two machines of one network."""
    names = ("resnets0", "resnets1")
    if sys.platform != "linux" or not shutil.which("ip") or _ip(f"netns add {names[0]}"):
        pytest.skip("needs Linux, ip and the right to make network namespaces")
    try:
        _ip(f"netns add {names[1]}")
        _ip("link add cable0 type veth peer name cable1")
        for number, name in enumerate(names):
            _ip(f"link set cable{number} netns {name}")
            _ip(f"-n {name} address add 10.77.0.{number + 1}/24 dev cable{number}")
            for device in ("lo", f"cable{number}"):
                _ip(f"-n {name} link set {device} up")
        yield names
    finally:
        for name in names:
            _ip(f"netns delete {name}")


def _ip(words: str) -> int:
    return subprocess.run(["ip", *words.split()], capture_output=True).returncode


@pytest.mark.slow
@pytest.mark.parametrize("how", ["static", "c10d"])
def test_two_machines(how: str, machines: tuple[str, str], tmp_path: Path) -> None:
    """Two ranks on each. They share the data, no folder: the second machine has none of the run and makes none."""
    static = "--master-addr=10.77.0.1 --master-port=29500 --node-rank={}"
    elastic = "--rdzv-backend=c10d --rdzv-endpoint=10.77.0.1:29500 --rdzv-id=7 --local-addr=10.77.0.{} --rdzv-conf={}"
    begun = []
    for number, name in enumerate(machines):
        holds = f"is_host={number == 0}"  # the name of both leads to neither's address, by which torchrun would tell
        meeting = static.format(number) if how == "static" else elastic.format(number + 1, holds)
        line = ["ip", "netns", "exec", name, sys.executable, "-m", "torch.distributed.run", "--nnodes=2"]
        line += ["--nproc-per-node=2", *meeting.split(), "-m", "resnets.cli", "train", "digits-resnet20", *FEW]
        environment = {**os.environ, "GLOO_SOCKET_IFNAME": f"cable{number}", "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = str(Path(__file__).parents[1])
        (folder := tmp_path / name).mkdir()
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        begun.append(subprocess.Popen([*line, "--out", "run"], cwd=folder, env=environment, **pipes))
    said = [process.communicate(timeout=600) for process in begun]
    assert [process.returncode for process in begun] == [0, 0], said
    runs = [tmp_path / name / "run" for name in machines if (tmp_path / name / "run").exists()]
    assert len(runs) == 1
    run = open_run(runs[0])
    assert run.finished
    assert run.record["sessions"][0]["ranks"] == 4
    assert sum("test error" in out for out, _ in said) == 1
