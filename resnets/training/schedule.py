"""The learning rate as a pure function of the step, and the one rule of the paper that makes it depend on the error.

Sources: arXiv:1512.03385, section 4.2: for 110 layers, 0.01 until the training error is below 80 %, then 0.1. Its
followers warm up for a number of iterations (arXiv:1603.05027: the first 400), which needs no such rule.
"""

from bisect import bisect_right
from dataclasses import dataclass

from resnets.training.recipe import Recipe


@dataclass(frozen=True)
class Event:
    """Something the learning rate depends on that no function of the step can know: recorded when it happens."""

    step: int
    """The number of iterations done when it happened."""
    kind: str
    """"warm-up ended"."""
    text: str


def learning_rate(recipe: Recipe, step: int, events: list[Event]) -> float:
    """The learning rate of iteration `step` (0 is the first), given what has happened before it."""
    if recipe.warmup_lr is not None and _warming_up(recipe, step, events):
        return recipe.warmup_lr
    if recipe.schedule == "one-cycle":
        return recipe.lr * _one_cycle(step, recipe.iterations, recipe.rise)
    return recipe.lr * recipe.lr_factor ** bisect_right(recipe.milestones, step)


def _warming_up(recipe: Recipe, step: int, events: list[Event]) -> bool:
    if recipe.warmup_iterations is not None:
        return step < recipe.warmup_iterations
    return not any(event.kind == "warm-up ended" for event in events)


def _one_cycle(step: int, iterations: int, rise: float) -> float:
    """A triangle: never zero at the first iteration, one at the peak, just above zero at the last."""
    peak = rise * iterations
    return (step + 1) / (peak + 1) if step < peak else (iterations - step) / (iterations - peak)


def warmup_event(recipe: Recipe, step: int, train_error: float, events: list[Event]) -> Event | None:
    """The end of the warm-up, if `train_error` (percent, over the iterations since the last log line) brings it."""
    if recipe.warmup_lr is None or recipe.warmup_iterations is not None:
        return None
    if events or not train_error < recipe.warmup_error:
        return None
    text = (
        f"training error {train_error:.1f} % is under {recipe.warmup_error:g} %: "
        f"learning rate {recipe.warmup_lr:g} -> {recipe.lr:g}"
    )
    return Event(step, "warm-up ended", text)
