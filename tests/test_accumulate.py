"""An iteration in several passes: the gradient of the whole batch, where nothing normalises over a batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from toy import BATCH, Batch, Toy, toy_recipe

from resnets.training.iteration import Eager
from resnets.training.journal import read_journal
from resnets.training.optimiser import sgd


class Passes(Toy):
    """The toy in float64, its batches in `passes` parts."""

    def __init__(self, passes: int) -> None:
        super().__init__()
        self.x, self.y = self.x.double(), self.y.double()
        self.model.double()
        self.passes = passes

    def batches(self, step: int) -> Iterator[Batch]:
        for x, y in super().batches(step):
            yield from map(Batch, x.chunk(self.passes), y.chunk(self.passes))


@pytest.mark.parametrize("passes", [2, 4])
def test_passes_add_up_to_the_whole_batch(passes: int, tmp_path: Path) -> None:
    whole, parts = Passes(1), Passes(passes)
    whole.train(toy_recipe(), tmp_path / "whole")
    parts.train(toy_recipe(accumulate=passes), tmp_path / "parts")
    torch.testing.assert_close(parts.model.state_dict(), whole.model.state_dict(), rtol=1e-12, atol=1e-13)
    assert parts.steps == whole.steps, "no batch is asked for that is not used"
    for row, same in zip(read_journal(tmp_path / "parts"), read_journal(tmp_path / "whole"), strict=True):
        assert row["step"] == same["step"]
        assert row["loss"] == pytest.approx(same["loss"], rel=1e-6)
        assert row["train_error"] == pytest.approx(same["train_error"])


def test_a_run_in_passes_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    whole = Passes(2)
    whole.train(toy_recipe(accumulate=2), tmp_path / "whole")
    Passes(2).train(toy_recipe(accumulate=2, iterations=10), tmp_path / "parts")
    for path in (tmp_path / "parts" / "checkpoints").iterdir():
        values = torch.load(path, weights_only=True)
        values["recipe"]["iterations"] = 20
        torch.save(values, path)
    again = Passes(2)
    again.train(toy_recipe(accumulate=2), tmp_path / "parts")
    torch.testing.assert_close(again.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)


def test_all_passes_but_the_last_are_held() -> None:
    """Ranks exchange the sum once, with the last."""
    seen: list[bool] = []
    inside = False

    @contextmanager
    def hold() -> Iterator[None]:
        nonlocal inside
        inside = True
        yield
        inside = False

    model = nn.Linear(1, 1)

    def losses(batch: Tensor) -> dict[str, Tensor]:
        seen.append(inside)
        return {"loss": model(batch).mean()}

    eager = Eager(sgd(model, toy_recipe()), 0, torch.device("cpu"), losses, hold)
    eager(0, torch.ones(3, 2, 1).unbind(), 0.1)
    assert seen == [True, True, False]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"accumulate": 3}, f"accumulate is 3, allowed are numbers that divide batch_size {BATCH}"),
        ({"accumulate": 0}, "accumulate is 0, allowed is 1 or more"),
        ({"accumulate": 2, "capture": True}, "capture is True, allowed with accumulate 1 only"),
        ({"replay": 0, "capture": True}, "replay is 0, allowed is 1 or more"),
        ({"replay": 10}, "replay is 10, allowed with capture and without ema only"),
        ({"replay": 10, "capture": True, "ema": 0.9}, "replay is 10, allowed with capture and without ema only"),
        ({"sync_bn": True, "fused": True}, "fused is True, allowed without sync_bn only"),
    ],
)
def test_what_is_refused(changes: dict[str, object], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        toy_recipe(**changes)
