"""What the command line answers when the file system refuses: full, read-only, or nobody reads the pipe."""

import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from commands import command, figures, fork, start, wait_for_step
from conftest import TINY

from resnets import doctor
from resnets.classification.record import append_result
from resnets.classification.run import open_run
from resnets.cli import main
from resnets.training.checkpoint import checkpoints, newest

TRAIN = ["train", "digits-resnet20", *TINY]

pytestmark = pytest.mark.usefixtures("blank")


def mount(*words: str | Path) -> None:
    """As root on Linux; elsewhere the test is skipped."""
    try:
        subprocess.run(["mount", *map(str, words)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"mount is not possible here: {error}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1.5 MB: room for two checkpoints of `TINY`, but not for the third beside them."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=1536k", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def read_only(copy: Path) -> Iterator[Path]:
    """A run that lacks its last iterations, in a folder that cannot be written, not even by root."""
    for name in ("model.safetensors", "evaluation.json"):
        (copy / name).unlink()
    checkpoints(copy / "checkpoints")[-1].unlink()
    mount("--bind", copy, copy)
    try:
        mount("-o", "remount,ro,bind", copy)
        yield copy
    finally:
        subprocess.run(["umount", str(copy)], check=True)


def all_sound(folder: Path) -> None:
    """Every checkpoint can be read and is finite."""
    for path in checkpoints(folder / "checkpoints"):
        state = torch.load(path, weights_only=True)
        assert all(bool(tensor.isfinite().all()) for tensor in state["model"].values())


def test_a_full_disk(run: Path, disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = disk / "run"
    assert main([*TRAIN, "--out", str(folder)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == (
        f"resnets train: {folder / 'checkpoints' / 'step-00000021.pt'}: No space left on device"
    )
    assert "Traceback" not in captured.err
    state = newest(folder / "checkpoints")
    assert state is not None
    assert state.step == 14
    all_sound(folder)
    assert not list(folder.rglob(".*.tmp"))
    # No room was made: the same line again. Then some was, and the run ends as if nothing had been.
    assert main(["train", "--resume", str(folder)]) == 2
    mount("-o", "remount,size=20m", disk)
    assert main(["train", "--resume", str(folder)]) == 0
    assert (folder / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()
    assert figures(folder) == figures(run)
    assert (folder / "losses.f32").read_bytes() == (run / "losses.f32").read_bytes()


def test_a_file_that_may_not_grow(run: Path, tmp_path: Path) -> None:
    """The same without being root: from some moment on no file may grow beyond 100,000 bytes."""
    if not hasattr(resource, "prlimit"):
        pytest.skip("prlimit is Linux's")
    folder, log = tmp_path / "run", tmp_path / "log"
    process = fork(log, *TRAIN, "iterations=400", "--out", folder)
    wait_for_step(process, folder, 10)
    assert process.pid
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
    process.join()
    assert process.exitcode == 2
    (line,) = (line for line in log.read_text().splitlines() if line.startswith("resnets train: "))
    assert line.startswith(f"resnets train: {folder / 'checkpoints'}/step-")
    assert line.endswith(": File too large")
    assert log.read_text().endswith(f"{line}\n")
    state = newest(folder / "checkpoints")
    assert state is not None
    assert state.step >= 7
    all_sound(folder)
    assert not (folder / "model.safetensors").exists()
    assert open_run(folder).recipe.iterations == 400


def test_a_read_only_run(read_only: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["train", "--resume"], ["report"]):
        assert main([*words, str(read_only)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert line.startswith(f"resnets {words[0]}: {read_only}/")
        assert line.endswith(": Read-only file system")


def test_a_read_only_place(read_only: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        [*TRAIN, "--out", str(read_only / "new")],
        ["describe", "cifar_resnet20", "--draw", str(read_only / "net.svg")],
        ["compare", str(read_only), str(read_only), "--out", str(read_only / "both.html")],
    ):
        assert main(words) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert str(read_only) in line
        assert "Read-only file system" in line


def test_nobody_reads(tmp_path: Path) -> None:
    """`resnets models | head -1` is quiet and done."""
    process = start("models")
    assert process.stdout
    assert process.stdout.readline().startswith("name")
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == ""
    assert process.wait() == 0
    process.stderr.close()


def test_a_verdict_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """`resnets doctor --check | head -0` ends with the verdict's status."""
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(doctor, "examine", lambda: ({"problems": ["something"]}, "something is wrong"))
    with os.fdopen(writer, "w") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        assert main(["doctor", "--check"]) == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_stream_that_is_closed(closed: str, tmp_path: Path) -> None:
    """Its words go nowhere, and none into another stream."""
    line = shlex.join([sys.executable, "-m", "resnets.cli", "describe", "nosuch"])
    done = subprocess.run(["sh", "-c", f"{line} {closed}"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == (closed != "2>&-")


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK"])
def test_a_group_that_is_said_wrongly(name: str) -> None:
    done = command("describe", "nosuch", env={"WORLD_SIZE": "2", "RANK": "1", name: "x"})
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_output_that_cannot_be_written() -> None:
    with Path("/dev/full").open("w") as full:
        done = command("models", stdout=full)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "No space left on device" in line


@pytest.mark.slow
def test_a_run_whose_messages_nobody_reads_goes_on(run: Path, tmp_path: Path) -> None:
    """As in `resnets train ... 2>&1 | head -1`: messages are lost, the work is not."""
    reader, writer = os.pipe()
    os.close(reader)
    done = command(*TRAIN, "--out", tmp_path / "run", stderr=writer)
    os.close(writer)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{tmp_path / 'run'}: test error ")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


def test_in_a_terminal_of_another_encoding(run: Path, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "数字.png"
    Image.new("RGB", (32, 32)).save(path)
    done = command("predict", run, path, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u6570\\u5b57.png: " in done.stdout


def test_a_results_file_is_only_added_to(tmp_path: Path) -> None:
    results = tmp_path / "deep" / "results.jsonl"
    for name in ("one", "zwölf"):
        append_result(results, {"recipe": name})
    assert results.read_text(encoding="utf-8") == '{"recipe": "one"}\n{"recipe": "zwölf"}\n'
