"""Work divided among processes, the ranks of `torch.distributed`; where there is one, nothing happens.

Whatever all ranks need to agree on goes through here: the same calls in the same order on every rank. It travels by a
channel of its own (`group` opens it), on which a rank may be waited for as long as it takes: one may write, draw or
judge for all, or be slower than the others by hours. That it is alive at all, `watch` sees.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")


class Channel:
    """By what ranks speak to one another; the group of all, with its limit of minutes, until one is opened."""

    group: "dist.ProcessGroup | None" = None

    @classmethod
    def open(cls) -> None:
        """Every rank, once all have met."""
        opened = dist.new_group(backend="gloo", timeout=timedelta(days=365))
        assert isinstance(opened, dist.ProcessGroup)
        cls.group = opened


def rank() -> int:
    """The number of this process; 0 where there is one."""
    return dist.get_rank() if _joined() else 0


def ranks() -> int:
    """How many processes there are."""
    return dist.get_world_size() if _joined() else 1


# ---------------------------------------------------------------------------------------------------------------
# Parts


def share(items: Sequence[T]) -> Sequence[T]:
    """This rank's part of `items`: with all ranks', each item exactly once."""
    return items[rank() :: ranks()] if _several() else items


def part(rows: Tensor) -> Tensor:
    """This rank's equal part of `rows` (as many as ranks divide), in a row: all ranks', joined, are the whole."""
    if not _several():
        return rows
    assert len(rows) % ranks() == 0
    return rows.chunk(ranks())[rank()]


def each(items: Sequence[T], work: Callable[[T], R]) -> list[R]:
    """`work` of each of `items`, done on one rank or another, in order and for all."""
    own = [work(item) for item in share(items)]
    if not _several():
        return own
    found: list[list[R]] = [[]] * ranks()
    dist.all_gather_object(found, own, group=Channel.group)
    return [found[number % ranks()][number // ranks()] for number in range(len(items))]


def total(rows: Tensor) -> Tensor:
    """The sum over ranks of a tensor on the CPU: of integers, or where each has filled in its part, exactly."""
    if not _several():
        return rows
    rows = rows.clone()
    dist.all_reduce(rows, group=Channel.group)
    return rows


def mean(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The mean over ranks of scalars by name, which all ranks have; where there is one rank, as they are."""
    if not _several() or not values:
        return values
    rows = torch.stack([value.detach().double().cpu() for value in values.values()])
    means = total(rows) / ranks()
    return {name: value.float() for name, value in zip(values, means, strict=True)}


# ---------------------------------------------------------------------------------------------------------------
# What all know


def from_first(value: Any) -> Any:
    """What `value` is on rank 0, for all."""
    if _several():
        said = [value]
        dist.broadcast_object_list(said, group=Channel.group)
        value = said[0]
    return value


def on_first(work: Callable[[], T]) -> T:
    """What `work()` gives on rank 0, which alone does it, for all; where it raises ValueError or OSError, all do."""
    if not _several():
        return work()
    result, error = None, None
    if rank() == 0:
        try:
            with apart():
                result = work()
        except (ValueError, OSError) as raised:
            error = raised
    result, error = from_first((result, error))
    if error:
        raise error
    return result  # type: ignore[return-value] - None only where `work` returns that


def together(work: Callable[[], T]) -> T:
    """`work()`, to its end on every rank: where one raises ValueError or OSError, all raise that of the first."""
    result, error = None, None
    try:
        result = work()
    except (ValueError, OSError) as raised:
        error = raised
    if _several():
        errors: list[Exception | None] = [None] * ranks()
        dist.all_gather_object(errors, error, group=Channel.group)
        error = next((one for one in errors if one), None)
    if error:
        raise error
    return result  # type: ignore[return-value] - None only where `work` returns that


def barrier() -> None:
    """Until all ranks are here."""
    if _several():
        dist.barrier(group=Channel.group)


class Agreed:
    """Whether any rank has said something, found out without waiting: what is said in one turn all know in the next.

    So that all ranks stop after the same iteration. Where there is one rank, it knows at once.
    """

    def __init__(self) -> None:
        self._asked: tuple[dist.Work, Tensor] | None = None

    def __call__(self, number: int) -> int:
        """The largest `number` of the turn before, 0 in the first; every rank takes every turn."""
        if not _several():
            return number
        before = self._answer()
        flag = torch.tensor([number])
        work = dist.all_reduce(flag, dist.ReduceOp.MAX, group=Channel.group, async_op=True)
        assert work is not None
        self._asked = work, flag
        return before

    def _answer(self) -> int:
        if self._asked is None:
            return 0
        work, flag = self._asked
        work.wait()
        return int(flag)


_apart = ContextVar("apart", default=False)


@contextmanager
def apart() -> Iterator[None]:
    """Within it this rank is alone: nothing is shared out, nobody is waited for. For what one rank does for all."""
    before = _apart.set(True)
    try:
        yield
    finally:
        _apart.reset(before)


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _several() -> bool:
    """Whether work is to be shared out, here and now."""
    return _joined() and not _apart.get()
