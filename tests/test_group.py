"""What ranks say to one another, on processes of this machine."""

import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from commands import on_ranks

from resnets import group
from resnets.ranks import barrier, on_first, rank, together, total

LIMIT = 2.0
"""Seconds; a group's own is half an hour."""


def waited() -> str:
    """One works for longer than the group's limit; what the others wait for comes nevertheless."""

    def long() -> str:
        time.sleep(2 * LIMIT)
        return f"rank {rank()}"

    said = on_first(long)
    together(lambda: time.sleep(2 * LIMIT * rank()))
    barrier()
    assert total(torch.tensor([2**60 + rank()])).tolist() == [2**61 + 1]
    return said


def lost() -> None:
    """The same by the group itself, so that the limit is seen to be one."""
    time.sleep(2 * LIMIT * rank())
    dist.barrier()


def test_ranks_wait_for_one_that_works_for_longer_than_the_groups_limit(tmp_path: Path) -> None:
    assert on_ranks(2, waited, tmp_path / "waited", limit=LIMIT) == ["rank 0", "rank 0"]
    first, _ = on_ranks(2, lost, tmp_path / "lost", limit=LIMIT)
    assert "Error" in first


@pytest.mark.parametrize(("here", "share"), [(None, 16), ("1", 16), ("8", 2), ("3", 5), ("32", 1), ("0", 16)])
def test_ranks_of_one_machine_share_its_cores(here: str | None, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "cores", lambda: 16)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if here is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", here)
    assert group.own_cores() == share
