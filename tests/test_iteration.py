"""A captured iteration against the one that is written, on the CPU: only the recording is replaced."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy import Batch, Toy, toy_recipe

from resnets.training.interruption import Stopped
from resnets.training.iteration import NOTHING, Captured, Eager, Told
from resnets.training.journal import read_journal
from resnets.training.losses import read_losses
from resnets.training.optimiser import sgd

RATES = [0.1, 0.1, 0.1, 0.1, 0.02, 0.02, 0.02, 0.004]


def repeat(work: Callable[[], None]) -> Callable[[], None]:
    """What a graph is to the iteration: work done anew, on tensors that it was given once."""
    return work


def overwriting(iteration: Captured) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """As `repeat`, and what is told stands in the same tensors every time, as what a graph computes does."""

    def record(work: Callable[[], None]) -> Callable[[], None]:
        def replay() -> None:
            before = iteration.told
            work()
            if before is NOTHING:
                return
            for place, tensor in zip(before.each, iteration.told.each, strict=True):
                place.copy_(tensor)
            for name, place in before.sums.items():
                place.copy_(iteration.told.sums[name])
            iteration.told = before

        return replay

    return record


def iterations(captured: int, dropout: float = 0.0) -> tuple[list[Told], nn.Module, list[Any]]:
    """What each iteration and the rest return, the model after them, and the batches that `losses` was called with.

    `captured` is how many are recorded together, 0 for none.
    """
    toy, seen = Toy(), []
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))
    optimizer = sgd(model, toy_recipe(nesterov=True, weight_decay=0.01), fused=captured > 0)

    def losses(batch: Batch) -> dict[str, Tensor]:
        seen.append(batch)
        away = model(batch.x) - batch.y
        return {"loss": away.square().mean(), "train_error": away.detach().abs().mean()}

    eager = Eager(optimizer, 7, torch.device("cpu"), losses)
    iteration: Any = Captured(eager, captured) if captured else eager
    if captured:
        iteration.recorder = overwriting(iteration)
    found = []
    for step, (rate, batch) in enumerate(zip(RATES, toy.batches(0), strict=False)):
        found.append(iteration(step, [batch], rate))
    return [*found, iteration.rest()], model, seen


def losses_of(told: list[Told]) -> Tensor:
    """(iterations,) the loss of one after the other."""
    return torch.cat([loss.reshape(-1) for one in told for loss in one.each])


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_captured_iteration_is_the_one_that_is_written(dropout: float) -> None:
    (plain, model, _), (captured, same, _) = iterations(0, dropout), iterations(1, dropout)
    assert plain[-1] == captured[-1] == NOTHING, "nothing is put off"
    sums, same_sums = ([one.sums for one in told] for told in (plain, captured))
    torch.testing.assert_close(same_sums, sums, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(losses_of(captured), losses_of(plain), rtol=1e-6, atol=1e-7)
    for one, other in zip(model.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-7)
    assert len({float(loss) for loss in losses_of(captured)}) == len(RATES), "every loss is kept"


@pytest.mark.parametrize("together", [2, 3, 5, 6])
def test_several_iterations_in_one_graph_are_those_that_are_written(together: int) -> None:
    (plain, model, _), (captured, same, _) = iterations(0), iterations(together)
    whole, over = divmod(len(RATES) - Captured.WARM_UP, together)
    told = [1] * Captured.WARM_UP + whole * [*[0] * (together - 1), together] + [0] * over + [over]
    assert [len(losses_of([one])) if one.each else 0 for one in captured] == told
    written = iter(plain)
    for (sums, _), many in zip(captured, told, strict=True):
        alone = [next(written).sums for _ in range(many)]
        assert bool(sums) == bool(many)
        for name, total in sums.items():
            torch.testing.assert_close(total, torch.stack([one[name] for one in alone]).sum(0), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(losses_of(captured), losses_of(plain), rtol=1e-6, atol=1e-7)
    for one, other in zip(model.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-7)


def test_the_batch_stays_in_its_place() -> None:
    _, _, seen = iterations(captured=1)
    assert len(seen) == len(RATES)
    recorded = seen[Captured.WARM_UP :]
    assert all(batch.x.data_ptr() == recorded[0].x.data_ptr() for batch in recorded)
    assert all(isinstance(batch, Batch) for batch in seen)


def test_the_loop_waits_for_what_a_graph_puts_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log lines at 4, evaluations at 8, checkpoints at 5, Ctrl-C in iteration 12: none falls to a third iteration."""
    plain, stopped = Toy(), Toy(lambda step: signal.raise_signal(signal.SIGINT) if step == 11 else None)
    plain.train(toy_recipe(), tmp_path / "plain")
    monkeypatch.setattr("resnets.training.loop.Eager", lambda *given: Captured(Eager(*given), 3, repeat))
    with pytest.raises(Stopped):
        stopped.train(toy_recipe(), tmp_path / "captured")
    going_on = Toy()
    going_on.train(toy_recipe(), tmp_path / "captured")
    for row, other in zip(*(read_journal(tmp_path / run) for run in ("plain", "captured")), strict=True):
        assert (other["step"], other["test_error"], other["lr"]) == (row["step"], row["test_error"], row["lr"])
        assert (other["loss"], other["train_error"]) == pytest.approx((row["loss"], row["train_error"]), rel=1e-5)
    losses, same = (read_losses(tmp_path / run) for run in ("plain", "captured"))
    assert len(same) == 20
    assert same == pytest.approx(losses, rel=1e-5)
    torch.testing.assert_close(going_on.model.weight, plain.model.weight, rtol=1e-6, atol=1e-7)


def test_capture_is_refused_without_cuda(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="capture is True, allowed on CUDA only: this is cpu"):
        Toy().train(toy_recipe(capture=True), tmp_path)
    assert not list(tmp_path.iterdir())
