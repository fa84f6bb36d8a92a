"""The learning rate: exact at every boundary, a pure function of the step and the recorded events."""

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest

from resnets.training.recipe import Recipe
from resnets.training.schedule import Event, learning_rate, warmup_event

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
