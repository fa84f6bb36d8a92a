"""The learning rate as a pure function of the step, and the two rules of the paper that make it depend on the error.

Sources: arXiv:1512.03385, section 3.4: "divided by 10 when the error plateaus"; section 4.2: for 110 layers, 0.01 until
the training error is below 80 %, then 0.1. Its followers warm up for a number of iterations (arXiv:1603.05027: the
first 400), which needs no such rule. Cosine: arXiv:1608.03983, without restarts.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resnets.training.recipe import Recipe


@dataclass(frozen=True)
class Event:
    """Something the learning rate depends on that no function of the step can know: recorded when it happens."""

    step: int
    """The number of iterations done when it happened."""
    kind: str
    """"warm-up ended"; of the plateau rule "improved" and "plateau"."""
    text: str
    """A line for the journal; empty where it is not worth one."""
    value: float | None = None
    """Of "improved": the error in percent, the least so far."""


def learning_rate(recipe: Recipe, step: int, events: list[Event]) -> float:
    """The learning rate of iteration `step` (0 is the first), given what has happened before it."""
    if recipe.warmup_lr is not None and _warming_up(recipe, step, events):
        return _warmup(recipe, step, recipe.warmup_lr)
    if recipe.schedule == "one-cycle":
        return recipe.lr * _one_cycle(step, recipe.iterations, recipe.rise)
    if recipe.schedule == "cosine":
        first = 0 if recipe.warmup_lr is None else recipe.warmup_iterations or 0
        return recipe.lr * (1 + math.cos(math.pi * (step - first) / (recipe.iterations - first))) / 2
    if recipe.schedule == "plateau":
        return recipe.lr * recipe.lr_factor ** sum(event.kind == "plateau" for event in events)
    return recipe.lr * recipe.lr_factor ** bisect_right(recipe.milestones, step)


def _warmup(recipe: Recipe, step: int, begin: float) -> float:
    """Between `begin` and `lr`, of which the first iteration is over the one and the first after it has the other."""
    if recipe.warmup == "constant":
        return begin
    return begin + (recipe.lr - begin) * (step + 1) / ((recipe.warmup_iterations or 0) + 1)


def _warming_up(recipe: Recipe, step: int, events: list[Event]) -> bool:
    if recipe.warmup_iterations is not None:
        return step < recipe.warmup_iterations
    return not any(event.kind == "warm-up ended" for event in events)


def _one_cycle(step: int, iterations: int, rise: float) -> float:
    """A triangle: never zero at the first iteration, one at the peak, just above zero at the last."""
    peak = rise * iterations
    return (step + 1) / (peak + 1) if step < peak else (iterations - step) / (iterations - peak)


def new_events(recipe: Recipe, step: int, row: Mapping[str, Any], events: list[Event]) -> list[Event]:
    """What a row of the journal brings about after `step` iterations, given what has happened before."""
    found = (
        warmup_event(recipe, step, row.get("train_error", math.nan), events),
        plateau_event(recipe, step, row.get(recipe.plateau_error), events),
    )
    return [event for event in found if event]


def warmup_event(recipe: Recipe, step: int, train_error: float, events: list[Event]) -> Event | None:
    """The end of the warm-up, if `train_error` (percent, over the iterations since the last log line) brings it."""
    if recipe.warmup_lr is None or recipe.warmup_iterations is not None:
        return None
    if not _warming_up(recipe, step, events) or not train_error < recipe.warmup_error:
        return None
    text = (
        f"training error {train_error:.1f} % is under {recipe.warmup_error:g} %: "
        f"learning rate {recipe.warmup_lr:g} -> {recipe.lr:g}"
    )
    return Event(step, "warm-up ended", text)


def plateau_event(recipe: Recipe, step: int, error: float | None, events: list[Event]) -> Event | None:
    """What `error` (percent; None where it was not measured) says: the least so far, or no longer falling.

    The least errors are events too, so that the rule needs nothing else to be kept. After a plateau the patience begins
    anew, and what has to be improved on stays. A warm-up does not count.
    """
    if recipe.schedule != "plateau" or error is None:
        return None
    if recipe.warmup_lr is not None and _warming_up(recipe, step, events):
        return None
    its = [event for event in events if event.kind in ("improved", "plateau")]
    least = min((event.value for event in its if event.value is not None), default=math.inf)
    if error < least - recipe.plateau_improvement:
        return Event(step, "improved", "", error)
    if not its or step - its[-1].step < recipe.plateau_patience:
        return None
    before = learning_rate(recipe, step, events)
    text = (
        f"{recipe.plateau_error.replace('_', ' ')} {error:.2f} %, the least was {least:.2f} %: no longer falling, "
        f"learning rate {before:g} -> {before * recipe.lr_factor:g}"
    )
    return Event(step, "plateau", text)
