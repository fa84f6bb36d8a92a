"""Work divided among processes where `torch.distributed` is initialised; where there is one, nothing happens."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def rank() -> int:
    """The number of this process; 0 where there is one."""
    return dist.get_rank() if _several() else 0


def share(items: Sequence[T]) -> Sequence[T]:
    """This rank's part of `items`: with all ranks', each item exactly once."""
    return items[rank() :: dist.get_world_size()] if _several() else items


def total(rows: Tensor, device: torch.device) -> Tensor:
    """The sum over ranks, on the CPU: where each has filled in its part and left zeros, the whole, bit for bit."""
    if not _several():
        return rows
    there = rows.to(device) if dist.get_backend() == "nccl" else rows.clone()
    dist.all_reduce(there)
    return there.cpu()


def from_first(value: Any) -> Any:
    """What `value` is on rank 0, for all."""
    if _several():
        said = [value]
        dist.broadcast_object_list(said)
        value = said[0]
    return value


def together(work: Callable[[], T]) -> T:
    """`work()`, to its end on every rank: where one raises ValueError or OSError, all raise that of the first."""
    result, error = None, None
    try:
        result = work()
    except (ValueError, OSError) as raised:
        error = raised
    if _several():
        errors: list[Exception | None] = [None] * dist.get_world_size()
        dist.all_gather_object(errors, error)
        error = next((one for one in errors if one), None)
    if error:
        raise error
    return result  # type: ignore[return-value] - None only where `work` returns that


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
