"""A captured iteration against the one that is written, on the CPU: only the recording is replaced."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from toy import Toy, toy_recipe

from resnets.training.iteration import Captured, Eager
from resnets.training.optimiser import sgd

RATES = [0.1, 0.1, 0.1, 0.1, 0.02, 0.02, 0.02, 0.004]


class Batch(NamedTuple):
    x: Tensor
    y: Tensor


def repeat(work: Callable[[], None]) -> Callable[[], None]:
    """What a graph is to the iteration: work done anew, on tensors that it was given once."""
    return work


def iterations(captured: bool, dropout: float = 0.0) -> tuple[list[Tensor], nn.Module, list[Any]]:
    """The losses of each iteration, the model after them, and the batches that `losses` was called with."""
    toy, seen = Toy(), []
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))
    optimizer = sgd(model, toy_recipe(nesterov=True, weight_decay=0.01), fused=captured)

    def losses(batch: Batch) -> dict[str, Tensor]:
        seen.append(batch)
        away = model(batch.x) - batch.y
        return {"loss": away.square().mean(), "train_error": away.detach().abs().mean()}

    eager = Eager(optimizer, 7, torch.device("cpu"), losses)
    iteration = Captured(eager, repeat) if captured else eager
    found = []
    for step, (rate, batch) in enumerate(zip(RATES, toy.batches(0), strict=False)):
        found.append(iteration(step, [Batch(*batch)], rate))
    return [scalars["loss"].detach() for scalars in found], model, seen


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_captured_iteration_is_the_one_that_is_written(dropout: float) -> None:
    (plain, model, _), (captured, same, _) = iterations(False, dropout), iterations(True, dropout)
    torch.testing.assert_close(captured, plain, rtol=1e-6, atol=1e-7)
    for one, other in zip(model.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-7)
    assert len({float(loss) for loss in captured}) == len(RATES), "every loss is kept, none is written over"


def test_the_batch_stays_in_its_place() -> None:
    _, _, seen = iterations(captured=True)
    assert len(seen) == len(RATES)
    recorded = seen[Captured.WARM_UP :]
    assert all(batch.x.data_ptr() == recorded[0].x.data_ptr() for batch in recorded)
    assert all(isinstance(batch, Batch) for batch in seen)


def test_capture_is_refused_without_cuda(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="capture is True, allowed on CUDA only: this is cpu"):
        Toy().train(toy_recipe(capture=True), tmp_path)
    assert not list(tmp_path.iterdir())
