"""Checkpoints: whole, checked, and never code; a damaged one is passed over aloud."""

import io
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toy import Toy, toy_recipe

from resnets.training.checkpoint import State, checkpoints, newest, save
from resnets.training.interruption import Interruption, Stopped, interruption
from resnets.training.schedule import Event


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints after 15 and 20 iterations."""
    Toy().train(toy_recipe(warmup_lr=0.01, warmup_error=99.0), tmp_path)
    return tmp_path / "checkpoints"


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_in(what: str) -> Callable[[bytes], bytes]:
    """One bit of the stored numbers flips: torch reads such a file without a word."""

    def flip(content: bytes) -> bytes:
        weight = torch.load(io.BytesIO(content), weights_only=True)["model"]["weight"]
        number = weight.numpy().tobytes()
        where = content.index(number)
        damaged = bytearray(content)
        damaged[where] ^= 1
        assert not torch.equal(torch.load(io.BytesIO(damaged), weights_only=True)["model"]["weight"], weight)
        return bytes(damaged)

    return flip


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"not a checkpoint",
        lambda content: bytes(len(content)),
        lambda content: content[:-1],
        cut,
        flip_in("weight"),
    ],
    ids=["empty", "text", "zeros", "one byte short", "half", "one bit"],
)
def test_a_damaged_checkpoint_falls_back_and_says_so(
    folder: Path, damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    before, last = checkpoints(folder)
    last.write_bytes(damage(last.read_bytes()))
    state = newest(folder)
    assert state is not None
    assert state.step == 15
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert str(last) in said[0]
    assert "damaged" in said[0]
    before.write_bytes(damage(before.read_bytes()))
    with pytest.raises(ValueError, match=f"{folder}: none of the 2 checkpoints can be read"):
        newest(folder)


def test_a_run_goes_on_from_the_one_before(folder: Path) -> None:
    whole = {path.name: torch.load(path, weights_only=True) for path in checkpoints(folder)}
    checkpoints(folder)[-1].write_bytes(b"")
    Toy().train(toy_recipe(warmup_lr=0.01, warmup_error=99.0), folder.parent)
    again = torch.load(folder / "step-00000020.pt", weights_only=True)
    for name, tensor in whole["step-00000020.pt"]["model"].items():
        assert torch.equal(again["model"][name], tensor)


def test_a_checkpoint_that_would_run_code_does_not(folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "ran"),)

    torch.save({"model": Evil()}, checkpoints(folder)[-1])
    state = newest(folder)
    assert state is not None
    assert state.step == 15
    assert not (tmp_path / "ran").exists()


def test_a_file_of_other_fields_is_damaged(folder: Path) -> None:
    torch.save({"step": 20}, checkpoints(folder)[-1])
    state = newest(folder)
    assert state is not None
    assert state.step == 15


def test_what_is_saved_is_what_is_read(tmp_path: Path) -> None:
    events = [Event(3, "warm-up ended", "text")]
    state = State(7, {"lr": 0.1}, {"w": torch.arange(3.0)}, {"state": {}}, events, {"loss": torch.tensor(2.0)}, 1.5)
    assert save(tmp_path / "checkpoints", state).name == "step-00000007.pt"
    read = newest(tmp_path / "checkpoints")
    assert read is not None
    assert (read.step, read.recipe, read.events, read.seconds) == (7, {"lr": 0.1}, events, 1.5)
    assert torch.equal(read.model["w"], torch.arange(3.0))
    assert float(read.window["loss"]) == 2.0
    assert newest(tmp_path / "nothing here") is None


def test_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 30, 4_000):
        save(tmp_path, State(step, {}, {}, {}, [], {}, 0.0))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000030.pt", "step-00004000.pt"]


# ---------------------------------------------------------------------------------------------------------------
# Signals


def test_signals_are_flags_and_handlers_come_back() -> None:
    before = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    with interruption() as flag:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert flag.signum == signal.SIGINT  # what came first
    with interruption() as flag:
        assert flag.signum == 0
        signal.raise_signal(signal.SIGTERM)
        assert flag.signum == signal.SIGTERM
        signal.raise_signal(signal.SIGTERM)  # a manager that repeats itself does not lose the state
        assert flag.signum == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)] == before


def test_outside_the_main_thread_signals_stay_as_they_are() -> None:
    seen: list[Interruption] = []

    def work() -> None:
        with interruption() as flag:
            seen.append(flag)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [flag.signum for flag in seen] == [0]


def test_stopped_says_by_what_and_where() -> None:
    assert str(Stopped(signal.SIGTERM, 12)) == "stopped by SIGTERM after 12 iterations, state saved"
