"""The loss of every iteration: what is in its file, whatever happened to the run, and what the file costs the loop."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import on_ranks
from test_loop import by_hand, poisoned, signal_at
from toy import Toy, toy_recipe

from resnets.training.checkpoint import checkpoints
from resnets.training.interruption import Stopped
from resnets.training.journal import read_journal
from resnets.training.losses import LossRecord, read_losses
from resnets.training.window import Diverged

FILE = "losses.f32"


def bits(losses: list[float]) -> bytes:
    """As the file has them."""
    return np.array(losses, "<f4").tobytes()


def test_they_are_those_of_a_loop_by_hand(tmp_path: Path) -> None:
    Toy().train(toy_recipe(), tmp_path)
    losses, _ = by_hand([0.05] * 20)
    assert (tmp_path / FILE).read_bytes() == bits(losses)
    assert read_losses(tmp_path).tolist() == losses
    for row in read_journal(tmp_path):
        assert row["loss"] == pytest.approx(np.mean(losses[row["step"] - 4 : row["step"]]), rel=1e-6)


def test_of_several_passes_it_is_the_mean(tmp_path: Path) -> None:
    recipe = toy_recipe(accumulate=2, log_every=1, evaluate_every=1)
    Toy().train(recipe, tmp_path)
    rows = [row["loss"] for row in read_journal(tmp_path)]
    assert read_losses(tmp_path).tolist() == rows
    assert len(rows) == 20


def test_they_are_brought_over_only_where_the_loop_logs_or_saves(tmp_path: Path) -> None:
    """Log lines at 4 and evaluations at 8, checkpoints at 5: until then they are kept where they are."""
    seen: list[int] = []
    toy = Toy(lambda step: seen.append((tmp_path / FILE).stat().st_size // 4))
    toy.train(toy_recipe(), tmp_path)
    assert seen == [0, 0, 0, 0, 4, 5, 5, 5, 8, 8, 10, 10, 12, 12, 12, 15, 16, 16, 16, 16]


@pytest.mark.parametrize("stop", [1, 4, 6, 13, 19])
def test_stopped_and_gone_on_with(tmp_path: Path, stop: int) -> None:
    Toy().train(toy_recipe(), tmp_path / "whole")
    with pytest.raises(Stopped):
        Toy(signal_at(stop - 1)).train(toy_recipe(), tmp_path / "parts")
    assert len(read_losses(tmp_path / "parts")) == stop
    Toy().train(toy_recipe(), tmp_path / "parts")
    assert (tmp_path / "parts" / FILE).read_bytes() == (tmp_path / "whole" / FILE).read_bytes()


@pytest.mark.parametrize("ahead", [b"", b"\1", bits([1.0, math.nan]) + b"\1\2\3"])
def test_killed_after_a_checkpoint(tmp_path: Path, ahead: bytes) -> None:
    """What was written after it, perhaps in the middle of a number, is written again."""
    Toy().train(toy_recipe(), tmp_path)
    path = tmp_path / FILE
    whole = path.read_bytes()
    checkpoints(tmp_path / "checkpoints")[-1].unlink()
    path.write_bytes(whole[: 4 * 15] + ahead)
    assert len(read_losses(tmp_path)) == 15 + len(ahead) // 4
    Toy().train(toy_recipe(), tmp_path)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("left", [None, 0, 9, 4 * 14 + 3])
def test_a_run_of_an_earlier_version_goes_on(tmp_path: Path, left: int | None) -> None:
    """It has no file; or one that is too short. What comes would not be in its place: nothing is added."""
    whole = Toy()
    whole.train(toy_recipe(), tmp_path)
    path = tmp_path / FILE
    losses = path.read_bytes()
    checkpoints(tmp_path / "checkpoints")[-1].unlink()
    path.unlink()
    if left is not None:
        path.write_bytes(losses[:left])
    again = Toy()
    again.train(toy_recipe(), tmp_path)
    assert torch.equal(again.model.weight, whole.model.weight)
    assert path.exists() == (left is not None)
    assert bits(read_losses(tmp_path).tolist()) == losses[: (left or 0) // 4 * 4]


def test_begun_anew_it_is_empty(tmp_path: Path) -> None:
    """Killed before the first checkpoint but that of the beginning."""
    (tmp_path / FILE).write_bytes(bits([7.0] * 30))
    Toy().train(toy_recipe(), tmp_path)
    assert (tmp_path / FILE).read_bytes() == bits(by_hand([0.05] * 20)[0])


def test_a_run_that_diverges_has_written_them(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"^loss not finite in iteration 10$"):
        poisoned(9).train(toy_recipe(log_every=20, evaluate_every=20, checkpoint_every=20), tmp_path)
    losses, _ = by_hand([0.05] * 9)
    found = read_losses(tmp_path)
    assert found[:9].tolist() == losses
    assert np.isnan(found[9:]).all()
    assert len(found) == 20
    Toy().train(toy_recipe(log_every=20, evaluate_every=20, checkpoint_every=20), tmp_path)
    assert (tmp_path / FILE).read_bytes() == bits(by_hand([0.05] * 20)[0])


def test_what_is_not_finite_beside_a_finite_loss_is_in_an_interval(tmp_path: Path) -> None:
    toy = Toy()
    losses = toy.losses
    toy.losses = lambda batch: {**losses(batch), "train_error": torch.tensor(math.inf)}
    with pytest.raises(Diverged, match=r"^train_error not finite in iterations 1 to 4$"):
        toy.train(toy_recipe(), tmp_path)
    assert np.isfinite(read_losses(tmp_path)).all()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(OSError, match=FILE):
        Toy().train(toy_recipe(), tmp_path)


def written(folder: Path) -> list[float]:
    """By two ranks, of which each has its own losses: 1, 2 and 3 on one, 3, 5 and 7 on the other."""
    rank = torch.distributed.get_rank()
    record = LossRecord(folder, 0)
    record.add([torch.tensor(1.0 + 2 * rank), torch.tensor([2.0, 3.0]) + torch.tensor([3.0, 4.0]) * rank])
    means = record.write()
    record.add([torch.tensor(math.nan if rank else 4.0)])
    record.write()
    record.settle()
    return means.tolist()


def test_of_two_ranks_the_first_writes_the_means(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    assert on_ranks(2, written, tmp_path / "meeting", folder) == [[2.0, 3.5, 5.0]] * 2
    found = read_losses(folder).tolist()
    assert found[:3] == [2.0, 3.5, 5.0]
    assert math.isnan(found[3])
    assert len(found) == 4
