"""The one loop, on a task it does not know: the journal, the windows, events, divergence, what is refused."""

import math
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from toy import BATCH, POINTS, Batch, Toy, toy_recipe

from resnets.training.checkpoint import checkpoints, newest
from resnets.training.draws import seed_draws
from resnets.training.interruption import Stopped
from resnets.training.journal import read_journal
from resnets.training.loop import train
from resnets.training.window import Diverged

FIELDS = ["step", "epoch", "loss", "train_error", "test_error", "lr", "images_per_second"]


def signal_at(step: int) -> Callable[[int], None]:
    """Ctrl-C as the batch of `step` is made; the iteration is still done."""
    return lambda current: signal.raise_signal(signal.SIGINT) if current == step else None


def figures(folder: Path) -> list[dict[str, Any]]:
    """The journal without the speed, the one thing in it that is not repeatable."""
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in read_journal(folder)]


def by_hand(rates: Sequence[float]) -> tuple[list[float], nn.Linear]:
    """The losses of every iteration, one at each of `rates`, and the model after them, from a loop of a few lines."""
    toy = Toy()
    optimizer = torch.optim.SGD(toy.model.parameters(), lr=0.0, momentum=0.9)
    losses, batches = [], toy.batches(0)
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        loss = toy.losses(next(batches))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses, toy.model


def test_a_run_against_a_loop_by_hand(tmp_path: Path) -> None:
    toy = Toy()
    outcome = toy.train(toy_recipe(), tmp_path)
    losses, model = by_hand([0.05] * 20)
    assert torch.equal(toy.model.weight, model.weight)
    assert torch.equal(toy.model.bias, model.bias)
    rows = read_journal(tmp_path)
    assert [row["step"] for row in rows] == [4, 8, 12, 16, 20]
    for row in rows:
        step = row["step"]
        assert list(row) == FIELDS
        assert row["loss"] == pytest.approx(sum(losses[step - 4 : step]) / 4, rel=1e-6)
        assert row["epoch"] == step * BATCH / POINTS
        assert row["lr"] == 0.05
        assert row["images_per_second"] > 0
        assert (row["test_error"] is None) == (step not in (8, 16, 20))
    assert outcome.errors == {"test_error": rows[-1]["test_error"]}
    assert outcome.events == []
    assert outcome.seconds > 0
    assert toy.evaluations == 3
    assert [path.name for path in checkpoints(tmp_path / "checkpoints")] == ["step-00000015.pt", "step-00000020.pt"]


def test_a_milestone_is_how_many_iterations_come_before_it(tmp_path: Path) -> None:
    """As lr is given in the paper, "divided at 32k": so many are done at the rate before."""
    rates = [0.05] * 5 + [0.005] * 6 + [0.0005] * 3
    toy = Toy()
    toy.train(toy_recipe(iterations=14, milestones=(5, 11), log_every=1), tmp_path)
    assert [row["lr"] for row in read_journal(tmp_path)] == pytest.approx(rates)
    _, model = by_hand(rates)
    torch.testing.assert_close(toy.model.weight, model.weight, rtol=1e-6, atol=0)


def test_evaluations_between_log_lines_are_rows_too(tmp_path: Path) -> None:
    losses, _ = by_hand([0.05] * 10)
    Toy().train(toy_recipe(iterations=10, log_every=4, evaluate_every=3), tmp_path)
    rows = read_journal(tmp_path)
    assert [row["step"] for row in rows] == [3, 4, 6, 8, 9, 10]
    assert [row["step"] for row in rows if row["test_error"] is not None] == [3, 6, 9, 10]
    assert rows[2]["loss"] == pytest.approx((losses[4] + losses[5]) / 2, rel=1e-6)
    assert rows[-1]["loss"] == pytest.approx(losses[9], rel=1e-6)


def test_the_loop_knows_no_task(tmp_path: Path) -> None:
    toy = Toy()

    def losses(batch: Batch) -> dict[str, Tensor]:
        loss = toy.losses(batch)["loss"]
        return {"loss": 2 * loss, "boxes": loss, "masks": loss * 0 + 3}

    outcome = train(
        toy.model,
        toy_recipe(),
        tmp_path,
        batches=toy.batches,
        losses=losses,
        evaluate=lambda: {"box_error": 7.0, "test_error": 8.0},
        epoch_size=POINTS,
    )
    assert outcome.errors == {"box_error": 7.0, "test_error": 8.0}
    for row in read_journal(tmp_path):
        assert row["loss"] == pytest.approx(2 * row["boxes"])
        assert row["masks"] == 3
    assert read_journal(tmp_path)[-1]["box_error"] == 7.0


@pytest.mark.parametrize("stop", range(1, 20))
def test_stopped_at_any_step_and_resumed(tmp_path: Path, stop: int) -> None:
    recipe = toy_recipe(evaluate_every=6)
    whole, parts = Toy(), Toy(before=signal_at(stop - 1))
    whole.train(recipe, tmp_path / "whole")
    with pytest.raises(Stopped, match=f"SIGINT after {stop} iterations, state saved$") as stopped:
        parts.train(recipe, tmp_path / "parts")
    assert stopped.value.signum == 2
    state = newest(tmp_path / "parts" / "checkpoints")
    assert state is not None
    assert state.step == stop
    assert parts.steps == list(range(stop))

    again = Toy()
    outcome = again.train(recipe, tmp_path / "parts")
    assert again.steps[0] == stop
    assert torch.equal(again.model.weight, whole.model.weight)
    assert torch.equal(again.model.bias, whole.model.bias)
    assert figures(tmp_path / "parts") == figures(tmp_path / "whole")
    assert outcome.seconds > state.seconds


class Dropping(Toy):
    """The toy with dropout, which draws from torch's generator in training and here in evaluation too."""

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        x, y = batch
        return super().losses(Batch(F.dropout(x, 0.5), y))

    def evaluate(self) -> dict[str, float]:
        torch.rand(self.evaluations + 3)
        return super().evaluate()


@pytest.mark.parametrize("stop", [1, 5, 6, 13, 19])
def test_what_a_network_draws_is_a_function_of_seed_and_step(tmp_path: Path, stop: int) -> None:
    """Stopped, and resumed where the generator stands somewhere else: equal bit for bit, with no state saved."""
    recipe = toy_recipe(evaluate_every=6, seed=3)
    whole, again, other = Dropping(), Dropping(), Dropping()
    torch.manual_seed(1)
    whole.train(recipe, tmp_path / "whole")
    torch.manual_seed(2)
    with pytest.raises(Stopped):
        Dropping(before=signal_at(stop - 1)).train(recipe, tmp_path / "parts")
    torch.manual_seed(3)
    again.train(recipe, tmp_path / "parts")
    assert torch.equal(again.model.weight, whole.model.weight)
    assert torch.equal(again.model.bias, whole.model.bias)
    assert figures(tmp_path / "parts") == figures(tmp_path / "whole")
    other.train(toy_recipe(evaluate_every=6, seed=4), tmp_path / "other")
    assert not torch.equal(other.model.weight, whole.model.weight)


def test_draws_differ_with_seed_and_step() -> None:
    def drawn(seed: int, step: int) -> tuple[float, ...]:
        seed_draws(seed, step, torch.device("cpu"))
        return tuple(torch.rand(4).tolist())

    steps = [(seed, step) for seed in (0, 1, 2**63 - 1) for step in (0, 1, 2, 11, 12, 63_999)]
    assert len({drawn(*at) for at in steps}) == len(steps)
    assert drawn(1, 12) != drawn(11, 2)  # not the digits in a row
    assert [drawn(*at) for at in steps] == [drawn(*at) for at in steps]
    numbers = torch.tensor(
        [drawn(5, step) for step in range(1000)]
    )  # even over steps, and unrelated from one to the next
    assert float((numbers.mean() - 0.5).abs()) < 0.025
    assert float(torch.corrcoef(torch.stack([numbers[:-1, 0], numbers[1:, 0]]))[0, 1].abs()) < 0.1


def test_a_signal_in_the_last_iteration_changes_nothing(tmp_path: Path) -> None:
    Toy(before=signal_at(19)).train(toy_recipe(), tmp_path)
    assert read_journal(tmp_path)[-1]["step"] == 20


def test_a_finished_run_is_evaluated_again_not_trained(tmp_path: Path) -> None:
    first, again = Toy(), Toy()
    outcome = first.train(toy_recipe(), tmp_path)
    rows = (tmp_path / "metrics.jsonl").read_bytes()
    assert again.train(toy_recipe(), tmp_path).errors == outcome.errors
    assert again.steps == []
    assert torch.equal(again.model.weight, first.model.weight)
    assert (tmp_path / "metrics.jsonl").read_bytes() == rows


def test_what_was_written_after_the_checkpoint_is_written_again(tmp_path: Path) -> None:
    Toy().train(toy_recipe(), tmp_path)
    expected, text = figures(tmp_path), (tmp_path / "metrics.jsonl").read_text()
    newest_one = checkpoints(tmp_path / "checkpoints")[-1]
    newest_one.unlink()  # as if killed between 15 and 20 ...
    (tmp_path / "metrics.jsonl").write_text(text + '{"step": 17, "event": "ahead"}\n{"step": 18, "lo')  # ... in a line
    Toy().train(toy_recipe(), tmp_path)
    assert figures(tmp_path) == expected


def test_the_warm_up_ends_once_and_is_recorded(tmp_path: Path) -> None:
    recipe = toy_recipe(warmup_lr=0.01, warmup_error=99.0, iterations=40)
    outcome = Toy().train(recipe, tmp_path / "whole")
    (event,) = outcome.events
    assert 0 < event.step < 40
    journal = read_journal(tmp_path / "whole")
    assert [row for row in journal if "event" in row] == [{"step": event.step, "event": event.text}]
    rates = {row["step"]: row["lr"] for row in journal if "lr" in row}
    assert all(rate == (0.01 if step <= event.step else 0.05) for step, rate in rates.items())
    for stop in (event.step - 1, event.step, event.step + 1):  # the event survives, and happens once
        folder = tmp_path / str(stop)
        with pytest.raises(Stopped):
            Toy(before=signal_at(stop - 1)).train(recipe, folder)
        assert Toy().train(recipe, folder).events == outcome.events
        assert figures(folder) == figures(tmp_path / "whole")


# ---------------------------------------------------------------------------------------------------------------
# Divergence


def poisoned(step: int) -> Toy:
    toy = Toy()
    toy.before = lambda current: setattr(toy, "scale", math.nan if current == step else 1.0)
    return toy


@pytest.mark.parametrize(
    ("step", "kept", "last"),
    [(1, 0, 4), (4, 0, 5), (9, 5, 10), (17, 15, 20)],  # found at a log line, a checkpoint, ...
)
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, step: int, kept: int, last: int) -> None:
    with pytest.raises(Diverged, match=f"^loss not finite in iteration {step + 1}$"):
        poisoned(step).train(toy_recipe(), tmp_path)
    state = newest(tmp_path / "checkpoints")
    assert state is not None
    assert state.step == kept
    for path in checkpoints(tmp_path / "checkpoints"):
        stored = torch.load(path, weights_only=True)
        assert all(bool(tensor.isfinite().all()) for tensor in stored["model"].values())
    note = read_journal(tmp_path)[-1]
    assert note["step"] == last
    assert note["event"] == f"diverged: loss not finite in iteration {step + 1}"
    # The loss was at fault, not the state: without the fault the run goes on from there.
    healthy, whole = Toy(), Toy()
    healthy.train(toy_recipe(), tmp_path)
    whole.train(toy_recipe(), tmp_path / "whole")
    assert torch.equal(healthy.model.weight, whole.model.weight)
    assert figures(tmp_path) == figures(tmp_path / "whole")


def test_weights_that_are_not_finite_never_become_a_checkpoint(tmp_path: Path) -> None:
    """The losses stay finite: a buffer, as BN's running variance, overflows unseen."""
    toy = Toy()
    toy.model.register_buffer("running", torch.zeros(2))

    def overflow(step: int) -> None:
        if step == 6:
            toy.model.get_buffer("running").fill_(math.inf)

    toy.before = overflow
    with pytest.raises(Diverged, match=r"^running not finite in iterations 6 to 8$"):
        toy.train(toy_recipe(), tmp_path)
    assert toy.evaluations == 0  # nothing that is broken is evaluated
    state = newest(tmp_path / "checkpoints")
    assert state is not None
    assert state.step == 5


def test_a_divergence_in_earnest(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"^loss not finite in iteration 2$"):
        Toy().train(toy_recipe(lr=1e30), tmp_path)


# ---------------------------------------------------------------------------------------------------------------
# What is refused


def test_a_checkpoint_of_an_earlier_release_goes_on(tmp_path: Path) -> None:
    """Its recipe lacks fields that have been added since: they are as before."""
    whole, again = Toy(), Toy()
    whole.train(toy_recipe(), tmp_path / "whole")
    with pytest.raises(Stopped):
        Toy(before=signal_at(6)).train(toy_recipe(), tmp_path / "parts")
    path = checkpoints(tmp_path / "parts" / "checkpoints")[-1]
    stored = torch.load(path, weights_only=True)
    del stored["recipe"]["warmup_iterations"]
    torch.save(stored, path)
    with pytest.raises(ValueError, match=r"another recipe: warmup_iterations is 3, was None$"):
        Toy().train(toy_recipe(warmup_iterations=3), tmp_path / "parts")
    again.train(toy_recipe(), tmp_path / "parts")
    assert torch.equal(again.model.weight, whole.model.weight)


def test_another_recipe_is_refused_naming_the_fields(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        Toy(before=signal_at(6)).train(toy_recipe(), tmp_path)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"another recipe: lr is 0\.2, was 0\.05; momentum is 0\.5, was 0\.9$"):
        Toy().train(toy_recipe(lr=0.2, momentum=0.5), tmp_path)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_known_at_once(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    toy = Toy()
    with pytest.raises(OSError, match="checkpoints"):
        toy.train(toy_recipe(), tmp_path)
    assert toy.steps == []


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"loss": 1}', '{"step": "4"}'])
def test_a_damaged_journal_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 4}\n' + line + '\n{"step": 8}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2: not a row"):
        Toy().train(toy_recipe(), tmp_path)


class Reads(TorchDispatchMode):
    """Calls `noted` whenever a value of a tensor is read: by float(), int(), bool(), .item()."""

    def __init__(self, noted: Callable[[], None]) -> None:
        super().__init__()
        self.noted = noted

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            self.noted()
        return func(*args, **(kwargs or {}))


def test_the_host_waits_for_the_device_only_where_it_logs(tmp_path: Path) -> None:
    """Reading a value of a tensor is what makes the host wait."""
    waits: list[int] = []
    toy = Toy()
    recipe = toy_recipe(log_every=10, evaluate_every=20, checkpoint_every=20)
    with Reads(lambda: waits.append(toy.steps[-1] + 1)):
        toy.train(recipe, tmp_path)
    assert set(waits) == {10, 20}
