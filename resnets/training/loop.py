"""The one training loop. It knows no task: it is handed batches, losses and an evaluation.

One turn: set the learning rate, seed what is drawn, compute the losses, go down the gradient. Everything else happens
every so many turns: a line in the journal, an evaluation, a checkpoint. The host waits for the device only there.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from resnets.ranks import Agreed
from resnets.training.average import ALONE, Companion
from resnets.training.checkpoint import State, newest, save
from resnets.training.interruption import Stopped, interruption
from resnets.training.iteration import Captured, Eager, Iteration
from resnets.training.journal import DIVERGED, Journal
from resnets.training.losses import LossRecord
from resnets.training.optimiser import sgd
from resnets.training.parallel import average_statistics, check
from resnets.training.progress import Progress
from resnets.training.recipe import Recipe, changed_fields, completed
from resnets.training.schedule import Event, learning_rate, new_events
from resnets.training.window import Clock, Diverged, Window
from resnets.watch import marked


@dataclass(frozen=True)
class Outcome:
    """A finished run: `seconds` over all its sessions, `errors` of the last evaluation, `events` in order."""

    seconds: float
    errors: dict[str, float]
    events: list[Event]


def train(
    model: nn.Module,
    recipe: Recipe,
    folder: Path,
    *,
    batches: Callable[[int], Iterator[Any]],
    losses: Callable[[Any], dict[str, Tensor]],
    evaluate: Callable[[], dict[str, float]],
    epoch_size: int,
    begin: Callable[[], None] = lambda: None,
    hold: Callable[[], AbstractContextManager[Any]] = nullcontext,
    label: str = "",
    companion: Companion = ALONE,
    measures: Callable[[], dict[str, float]] = dict,
    slower: Collection[str] = frozenset(),
) -> Outcome:
    """Trains `model` to the end of `recipe`, going on from the newest checkpoint in `folder` if there is one.

    `batches(step)` yields the batches of iteration `step` and of those after it, `recipe.accumulate` for each, and of
    each batch this rank's part. `losses(batch)` returns scalars by name: "loss" is descended; each is averaged over the
    iterations between two log lines and written to the journal, and "loss" of every iteration to `losses.f32`. What is
    drawn there from torch's generators follows from the seed and the step.
    `evaluate()` returns errors by name, in percent. `epoch_size` is the number of images in an epoch.
    `begin()` is called before the first iteration, and not where a run goes on.
    `hold()`: within it gradients are added up on this rank and not yet averaged among ranks.
    `label` stands before every line of progress, where several runs share the screen.
    `companion` is told of every iteration, and has its part in the checkpoints: a moving average of the weights.
    `measures()` returns what else a row of the journal holds, for the iterations since the last one.
    `slower` names the parameters whose learning rate is a part of the others' (`optimiser.sgd`).

    Raises `Diverged` where loss or weights are not finite, `Stopped` after a signal (state saved), ValueError where
    the checkpoint belongs to another recipe or the ranks cannot share out the batch.
    """
    device = next(model.parameters()).device
    check(recipe, device)
    optimizer = sgd(model, recipe, recipe.capture, slower)
    eager = Eager(optimizer, recipe.seed, device, losses, hold)
    iteration: Iteration = Captured(eager, recipe.replay) if recipe.capture else eager
    state = newest(folder / "checkpoints")
    if state is None:  # saved at once, so that a folder that cannot be written is known before any work is done
        state = State.beginning(recipe)
        save(folder / "checkpoints", state)
    if changed := changed_fields(recipe.to_dict(), completed(type(recipe), state.recipe)):
        raise ValueError(f"{folder}: the checkpoint was made with another recipe: {'; '.join(changed)}")
    if state.step == 0:
        begin()
    state.restore(model, optimizer, companion)

    start, events = state.step, list(state.events)
    journal, progress = Journal(folder, start), Progress(recipe.iterations, start, label)
    record = LossRecord(folder, start)
    window, clock = Window(state.window, start, recipe, record), Clock(state.seconds, start)
    errors = evaluate() if start == recipe.iterations else {}
    passes = zip(*[batches(start)] * recipe.accumulate, strict=True)

    agreed = Agreed()
    with interruption() as stop, progress, _noted(journal):
        for step, its in zip(range(start, recipe.iterations), marked(passes), strict=False):
            rate = learning_rate(recipe, step, events)
            window.add(iteration(step, its, rate))
            average_statistics(model)
            signum = agreed(stop.signum)

            done = step + 1
            companion.after(done)
            last = done == recipe.iterations
            evaluating = last or done % recipe.evaluate_every == 0
            logging = evaluating or done % recipe.log_every == 0
            saving = last or signum or done % recipe.checkpoint_every == 0
            if logging or saving:
                window.add(iteration.rest())
                window.write(done)
            if logging:
                means, speed, measured = window.close(done), clock.speed(done), measures()
                if evaluating:
                    window.refuse_nonfinite(done, model)
                errors = evaluate() if evaluating else {}
                row = {"step": done, "epoch": done * recipe.batch_size / epoch_size, **means}
                row |= {
                    "test_error": None,
                    **errors,
                    "lr": rate,
                    "images_per_second": speed * recipe.batch_size,
                    **measured,
                }
                journal.write(row)
                progress.show(row)
                for event in new_events(recipe, done, row, events):
                    events.append(event)
                    if not event.text:
                        continue
                    journal.write({"step": done, "event": event.text})
                    progress.note(f"iteration {done}: {event.text}")
                clock.mark(done)  # evaluating and logging are not counted in images_per_second
            if saving:
                window.refuse_nonfinite(done, model)
                record.settle()
                state = State(
                    done,
                    recipe.to_dict(),
                    model.state_dict(),
                    optimizer.state_dict(),
                    events,
                    window.sums,
                    clock.seconds(),
                    companion.state(),
                )
                save(folder / "checkpoints", state)
            if signum and not last:
                raise Stopped(signum, done)
    return Outcome(clock.seconds(), errors, events)


@contextmanager
def _noted(journal: Journal) -> Iterator[None]:
    """A divergence goes into the journal before it ends the run."""
    try:
        yield
    except Diverged as error:
        journal.write({"step": error.step, "event": f"{DIVERGED}{error}"})
        raise
