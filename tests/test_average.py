"""The moving average of the weights: against torch's own and a closed form, in the loop, over a stop."""

import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from toy import POINTS, Toy, toy_recipe

from resnets.training.average import ALONE, Average
from resnets.training.interruption import Stopped
from resnets.training.loop import train


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def move(model: nn.Module) -> None:
    """Weights, BN's statistics and its count change."""
    loss = model(torch.randn(5, 3, 4, 4)).square().sum()
    with torch.no_grad():
        for parameter, slope in zip(
            model.parameters(), torch.autograd.grad(loss, list(model.parameters())), strict=True
        ):
            parameter -= 0.01 * slope


def test_it_is_torchs_exponential_average() -> None:
    torch.manual_seed(0)
    model, decay = network(), 0.1  # less than any bound of the first iterations
    average = Average(model, decay)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    theirs.n_averaged += 1  # else its first call only copies
    for done in range(1, 5):
        move(model)
        average.after(done)
        theirs.update_parameters(model)
    expected = theirs.module.state_dict()
    for name, value in average.state().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-7)
        else:
            assert int(value) == 4  # a count is as it was last
    assert not torch.equal(average.state()["0.weight"], model.state_dict()["0.weight"])


def test_the_decay_rises_to_its_value() -> None:
    model, expected, bounds = nn.Linear(1, 1, bias=False), 1.0, []
    model.weight.data.fill_(expected)
    average = Average(model, 0.5)
    for done, value in enumerate((2.0, -3.0, 5.0, 7.0, 11.0, 13.0, 17.0, 19.0, 23.0, 29.0), 1):
        model.weight.data.fill_(value)
        average.after(done)
        bounds.append(min(0.5, (1 + done) / (10 + done)))
        expected = bounds[-1] * expected + (1 - bounds[-1]) * value
        assert float(average.state()["weight"]) == pytest.approx(expected, rel=1e-6)
    assert bounds[0] == 2 / 11
    assert bounds[7] == bounds[9] == 0.5


def test_it_stands_in_for_the_network_and_steps_back() -> None:
    torch.manual_seed(0)
    model = network().eval()
    images = torch.randn(2, 3, 4, 4)
    places = {name: value.data_ptr() for name, value in model.state_dict().items()}
    average = Average(model, 0.9)
    first = model(images)
    model.train()
    move(model)
    model.eval()
    moved = model(images)
    with average.applied():
        assert torch.equal(model(images), first)
    assert torch.equal(model(images), moved)
    assert not torch.equal(first, moved)
    with pytest.raises(RuntimeError, match="on the way"), average.applied():
        raise RuntimeError("on the way")
    assert torch.equal(model(images), moved)
    average.settle()
    assert torch.equal(model(images), first)
    assert {name: value.data_ptr() for name, value in model.state_dict().items()} == places  # as a CUDA graph needs it
    with ALONE.applied():
        assert ALONE.state() == {}


def test_the_loop_counts_the_iterations_that_are_done(tmp_path: Path) -> None:
    """The decay rises with them, so that one more or less would be another average."""

    class Counting(Average):
        def after(self, done: int) -> None:
            told.append(done)
            super().after(done)

    toy, told = Toy(), list[int]()
    parts = {"batches": toy.batches, "losses": toy.losses, "evaluate": toy.evaluate}
    recipe = toy_recipe(ema=0.8)
    train(toy.model, recipe, tmp_path, epoch_size=POINTS, companion=Counting(toy.model, 0.8), **parts)
    assert told == list(range(1, recipe.iterations + 1))


def test_a_run_that_was_stopped_has_the_average_of_one_that_was_not(tmp_path: Path) -> None:
    def run(folder: Path, stop: int = -1) -> dict[str, Tensor]:
        toy = Toy(lambda step: signal.raise_signal(signal.SIGINT) if step == stop else None)
        average = Average(toy.model, 0.8)
        parts = {"batches": toy.batches, "losses": toy.losses, "evaluate": toy.evaluate}
        train(toy.model, toy_recipe(ema=0.8), folder, epoch_size=POINTS, companion=average, **parts)
        return average.state()

    straight = run(tmp_path / "straight")
    with pytest.raises(Stopped):
        run(tmp_path / "stopped", stop=12)
    stopped = run(tmp_path / "stopped")
    assert all(torch.equal(stopped[name], value) for name, value in straight.items())
