"""Threads ahead of their use: order, bounds, errors."""

import itertools
import threading
import time

import pytest

from resnets.data.in_order import in_order


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    assert list(in_order(slow_at_first, range(20), threads=4, ahead=6)) == [n * n for n in range(20)]


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_no_more_items_are_taken_than_asked_for(ahead: int) -> None:
    taken = itertools.count()
    results = in_order(lambda number: number, (next(taken) for _ in range(100)), threads=2, ahead=ahead)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert next(taken) == 3 + ahead
    results.close()


def test_work_runs_in_several_threads() -> None:
    together = threading.Barrier(3, timeout=20)
    assert len(list(in_order(lambda _: together.wait(), range(3), threads=3, ahead=3))) == 3


def test_an_error_comes_in_its_place_and_ends_the_work() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise ValueError("the third")
        return number

    results = in_order(work, range(100), threads=1, ahead=3)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(results)
    assert len(begun) < 10
