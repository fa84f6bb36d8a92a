"""Work done by threads ahead of its use, its results in the order of its items."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int, ahead: int) -> Generator[R, None, None]:
    """`work` of each item, in the order of `items`, whatever the number of threads.

    Up to `ahead` items are taken and begun before their results are asked for. What `work` raises is raised where its
    result would have come; what was begun behind it is dropped.
    """
    assert threads >= 1
    assert ahead >= 0
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
