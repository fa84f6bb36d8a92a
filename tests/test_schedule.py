"""The learning rate: exact at every boundary, a pure function of the step and the recorded events."""

import itertools
import math
import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, ReduceLROnPlateau, SequentialLR

from resnets.training.recipe import Recipe
from resnets.training.schedule import Event, learning_rate, new_events, warmup_event

ENDED = Event(400, "warm-up ended", "")


def made(**changes: Any) -> Recipe:
    return Recipe(**{"name": "test", "iterations": 64_000, "batch_size": 128, "lr": 0.1, **changes})


PAPER = made(milestones=(32_000, 48_000))


def test_the_papers_steps() -> None:
    expected = {0: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001, 63_999: 0.001}
    for step, rate in expected.items():
        assert learning_rate(PAPER, step, []) == pytest.approx(rate, rel=1e-12)
    rates = [learning_rate(PAPER, step, []) for step in range(0, 64_000, 100)]
    assert len(set(rates)) == 3
    assert learning_rate(replace(PAPER, lr_factor=0.5), 50_000, []) == 0.025


def test_the_warm_up_lasts_until_its_event() -> None:
    given = replace(PAPER, warmup_lr=0.01)
    assert learning_rate(given, 0, []) == learning_rate(given, 40_000, []) == 0.01
    assert learning_rate(given, 400, [ENDED]) == 0.1
    assert learning_rate(given, 32_000, [ENDED]) == pytest.approx(0.01)
    assert learning_rate(given, 0, [Event(1, "another", "")]) == 0.01


def test_the_warm_up_ends_under_the_threshold_not_at_it() -> None:
    given = replace(PAPER, warmup_lr=0.01)
    assert warmup_event(given, 400, 80.0, []) is None
    assert warmup_event(given, 400, math.nan, []) is None
    event = warmup_event(given, 400, math.nextafter(80, 0), [])
    assert event is not None
    assert (event.step, event.kind) == (400, "warm-up ended")
    assert "0.01 -> 0.1" in event.text
    assert warmup_event(given, 500, 10.0, [event]) is None  # only once
    assert warmup_event(PAPER, 400, 10.0, []) is None  # no warm-up


def test_a_warm_up_of_so_many_iterations_asks_for_no_error() -> None:
    """As in arXiv:1603.05027: 0.01 in the first 400 iterations; and as the one above, not counted in the milestones."""
    given = replace(PAPER, warmup_lr=0.01, warmup_iterations=400)
    expected = {0: 0.01, 399: 0.01, 400: 0.1, 31_999: 0.1, 32_000: 0.01, 48_000: 0.001}
    for step, rate in expected.items():
        for events in ([], [ENDED]):
            assert learning_rate(given, step, events) == pytest.approx(rate, rel=1e-12)
    assert warmup_event(given, 100, 0.0, []) is None
    assert learning_rate(replace(given, warmup_lr=None), 0, []) == 0.1


@pytest.mark.parametrize(("iterations", "rise"), [(100, 0.25), (7, 0.5), (200, 0.0), (200, 1.0), (1, 0.25), (3, 0.9)])
def test_one_cycle_is_a_triangle(iterations: int, rise: float) -> None:
    given = made(schedule="one-cycle", iterations=iterations, rise=rise, lr=0.4)
    rates = [learning_rate(given, step, []) for step in range(iterations)]
    assert all(0 < rate <= 0.4 for rate in rates)
    top = rates.index(max(rates))
    assert abs(top - rise * iterations) <= 1
    up, down = rates[: top + 1], rates[top:]
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)
    for line in (up[:-1], down[1:]):  # straight lines
        slopes = [b - a for a, b in itertools.pairwise(line)]
        assert slopes == pytest.approx([slopes[0]] * len(slopes) if slopes else [])


def test_one_cycle_by_hand() -> None:
    given = made(schedule="one-cycle", iterations=8, rise=0.25, lr=3.0)
    # Rises in steps of 1/3 to the peak at 2, then falls to 0 in steps of 1/6: never zero at either end.
    expected = [1, 2, 3, 2.5, 2, 1.5, 1, 0.5]
    assert [learning_rate(given, step, []) for step in range(8)] == pytest.approx(expected)


def test_a_pure_function_of_the_step() -> None:
    warm = replace(PAPER, warmup_lr=0.01)
    for given in (PAPER, made(schedule="one-cycle"), warm, replace(warm, warmup_iterations=400)):
        steps = [47_999, 0, 32_000, 48_000, 0, 47_999]
        rates = [learning_rate(given, step, [ENDED]) for step in steps]
        assert rates == [learning_rate(given, step, [ENDED]) for step in reversed(steps)][::-1]
        assert rates[0] == rates[-1]


# ---------------------------------------------------------------------------------------------------------------
# Plateau


def drops(given: Recipe, errors: list[float], every: int = 100) -> list[int]:
    """After which of `errors`, one each `every` iterations, the learning rate falls."""
    events: list[Event] = []
    found = []
    for number, error in enumerate(errors, 1):
        before = learning_rate(given, number * every, events)
        events += new_events(given, number * every, {given.plateau_error: error}, events)
        if learning_rate(given, number * every, events) < before:
            found.append(number)
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("patience", "improvement"), [(0, 0.0), (2, 0.0), (3, 1.5)])
def test_the_plateau_is_where_torch_sees_it(seed: int, patience: int, improvement: float) -> None:
    noise = random.Random(seed)
    errors = [90 * 0.97**n + noise.uniform(-4, 4) for n in range(80)]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    options = {"factor": 0.1, "threshold_mode": "abs", "eps": 0.0}
    theirs = ReduceLROnPlateau(optimizer, patience=patience, threshold=improvement, **options)
    expected, before = [], 0.1
    for number, error in enumerate(errors, 1):
        theirs.step(error)
        if (rate := optimizer.param_groups[0]["lr"]) < before:
            expected.append(number)
        before = rate
    given = made(schedule="plateau", plateau_patience=100 * (patience + 1), plateau_improvement=improvement)
    assert drops(given, errors) == expected
    assert len(expected) > 1


def test_the_plateau_is_an_event_that_says_why() -> None:
    given = made(schedule="plateau", plateau_patience=200)
    first = new_events(given, 100, {"validation_error": 50.0, "test_error": 9.0}, [])
    assert [(e.step, e.kind, e.text, e.value) for e in first] == [(100, "improved", "", 50.0)]
    assert new_events(given, 200, {"validation_error": 49.9, "train_error": 1.0}, first) == []  # too little
    assert new_events(given, 300, {"train_error": 1.0, "test_error": 1.0}, first) == []  # not measured
    (event,) = new_events(given, 300, {"validation_error": 51.0, "test_error": 1.0}, first)
    assert (event.step, event.kind) == (300, "plateau")
    assert event.text == (
        "validation error 51.00 %, the least was 50.00 %: no longer falling, learning rate 0.1 -> 0.01"
    )
    assert learning_rate(given, 300, [*first, event]) == pytest.approx(0.01)
    assert new_events(made(), 300, {"validation_error": 51.0}, first) == []  # another schedule


def test_a_warm_up_does_not_count_for_the_plateau() -> None:
    given = made(schedule="plateau", plateau_patience=100, warmup_lr=0.01, warmup_iterations=300)
    assert [drops(given, [50.0] * n) for n in (3, 4)] == [[], [4]]
    assert learning_rate(given, 299, []) == 0.01


# ---------------------------------------------------------------------------------------------------------------
# Cosine


def test_warm_up_and_cosine_are_torchs() -> None:
    iterations, warm = 50, 10
    given = made(iterations=iterations, schedule="cosine", warmup="linear", warmup_lr=0.0, warmup_iterations=warm)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    rising = LinearLR(optimizer, start_factor=1 / (warm + 1), total_iters=warm)
    falling = CosineAnnealingLR(optimizer, T_max=iterations - warm)
    theirs = SequentialLR(optimizer, [rising, falling], [warm])
    for step in range(iterations):
        assert learning_rate(given, step, []) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6), step
        optimizer.step()
        theirs.step()
    alone = made(iterations=iterations, schedule="cosine")
    assert learning_rate(alone, 0, []) == 0.1
    assert learning_rate(alone, iterations // 2, []) == pytest.approx(0.05)
    assert 0 < learning_rate(alone, iterations - 1, []) < 1e-3


def test_a_linear_warm_up_begins_where_it_is_told() -> None:
    given = made(warmup="linear", warmup_lr=0.05, warmup_iterations=4)
    assert [learning_rate(given, step, []) for step in range(6)] == pytest.approx([0.06, 0.07, 0.08, 0.09, 0.1, 0.1])
