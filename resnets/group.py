"""The processes that torchrun starts, as one group: joined, watched while they work, and left.

    torchrun --nproc-per-node 2 -m resnets.cli train digits-resnet20

torchrun, or whatever else starts them, says to each of them in its environment who it is: RANK, WORLD_SIZE, LOCAL_RANK,
LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT. On the CPU they speak through gloo; tensors on CUDA travel by NCCL, each
process having the GPU whose number is its LOCAL_RANK. The first speaks for all; the others' words go nowhere.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from resnets.files import say
from resnets.runtime import cores, resolve_device
from resnets.watch import End, Watch

if TYPE_CHECKING:
    import torch
    from torch.distributed.distributed_c10d import Store

LIMIT = "RESNETS_RANK_TIMEOUT"
"""The environment variable for the seconds in which a missing rank is found."""
USUAL_LIMIT = 40.0


class _Joined:
    """What this process has of its group until it ends: its own connection to the store, and on rank 0 the store."""

    store: "Store | None" = None
    held: "Store | None" = None


def several() -> int:
    """How many processes were started together, 1 where torchrun started none."""
    return _number("WORLD_SIZE", 1)


def own_cores() -> int:
    """How many of this machine's cores are this process's, where several of those started together share it."""
    return max(1, cores() // max(1, _number("LOCAL_WORLD_SIZE", 1)))


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Within it the processes that were started together are one group, for `resnets.ranks`; one alone is as it is.

    `device` is what each is to work on. Raises ValueError where the environment or the device does not fit, and
    ConnectionError where another process has gone.
    """
    if several() == 1:
        yield
        return
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # what is lost is said here, in a line; read as torch loads
    import torch.distributed as dist

    from resnets.ranks import barrier

    rank = _number("RANK", 0)
    watch = _join(rank, several(), device)
    well = False
    try:
        with _mute(rank):
            yield
        barrier()
        well = True
    except RuntimeError as error:
        if not _of_connection(error):
            raise
        raise ConnectionError(f"{watch.lost()}; --resume goes on from the last checkpoint") from None
    finally:
        watch.leave(well)
        dist.destroy_process_group()


def _join(rank: int, count: int, device: str) -> Watch:
    """Meets the other processes; what watches them, begun."""
    import torch
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    from resnets.ranks import Channel

    limit, where = _seconds(), resolve_device(device)
    _check(where)
    if where.type == "cuda":
        torch.cuda.set_device(_number("LOCAL_RANK", 0))
    try:
        store, *_ = next(rendezvous("env://"))
        attempt = f"attempt {_number('TORCHELASTIC_RESTART_COUNT', 0)}"
        _Joined.held = store
        _Joined.store = PrefixStore(f"{attempt} words", store.clone())
        _Joined.store.set_timeout(timedelta(seconds=3))  # it may be the one that hangs
        watch = Watch(PrefixStore(f"{attempt} watch", store.clone()), rank, count, limit, _end(rank))
        backend = "cpu:gloo,cuda:nccl" if where.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=PrefixStore(f"{attempt} group", store), rank=rank, world_size=count)
        Channel.open()
    except RuntimeError as error:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConnectionError(f"{count} processes could not meet at {address}: {reason}") from None
    watch.start()
    return watch


def last_words(text: str) -> None:
    """Says how this process ends: once, where all ranks end alike."""
    store, alone = _Joined.store, os.environ.get("WORLD_SIZE", "1") == "1"
    rank = "0" if alone else os.environ.get("RANK", "0")  # not believed to be a number: that it is none may be `text`
    try:
        if store and rank == "0":
            say(text)
            store.set("words", text)  # and stays until they are heard: the store may be this process's
            store.wait([f"heard/{number}" for number in range(1, several())], timedelta(seconds=3))
        elif store:
            store.wait(["words"], timedelta(seconds=3))
            same = store.get("words").decode() == text
            store.set(f"heard/{rank}", "")
            if same:
                return
    except RuntimeError:  # the others have gone without a word, perhaps with the store
        pass
    if rank != "0" or not store:
        say(text if rank == "0" else f"rank {rank}: {text}")


def launched() -> str | None:
    """A sign of the launch that this process belongs to, the same after torchrun has restarted it; else None."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    words = f"{os.environ['TORCHELASTIC_RUN_ID']} {platform.node()} {os.getppid()}"
    return hashlib.blake2b(words.encode(), digest_size=6).hexdigest()


def restarted() -> bool:
    """Whether torchrun has started this process anew, after one of its group had failed."""
    return _number("TORCHELASTIC_RESTART_COUNT", 0) > 0


@contextmanager
def _mute(rank: int) -> Iterator[None]:
    if rank == 0:
        yield
        return
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _end(rank: int) -> End:
    """Ends this process at once, as its main thread waits in vain: one of the group says why; without a store, each."""
    stream = sys.stderr  # muted later

    def end(text: str, answers: bool) -> None:
        store = _Joined.store if answers else None
        try:
            first = store is None or store.compare_set("ended", "", str(rank)) == str(rank).encode()
        except RuntimeError:
            first = True
        if first:
            with suppress(OSError):  # nobody reads it
                print(f"resnets: {text}; --resume goes on from the last checkpoint", file=stream, flush=True)
        os._exit(2)

    return end


def _check(where: "torch.device") -> None:
    if where.type == "mps":
        raise ValueError(f"device is 'mps', allowed with {several()} processes are cpu and cuda")
    if where.type == "cuda":
        import torch

        if (local := _number("LOCAL_RANK", 0)) >= (there := torch.cuda.device_count()):
            raise ValueError(f"LOCAL_RANK is {local}, allowed is 0 to {there - 1}: one process for each GPU")


def _of_connection(error: RuntimeError) -> bool:
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or "gloo" in str(error)


def _number(name: str, usual: int) -> int:
    text = os.environ.get(name, str(usual))
    if not text.isdecimal():
        raise ValueError(f"{name} is {text!r}, allowed is a whole number")
    return int(text)


def _seconds() -> float:
    text = os.environ.get(LIMIT, str(USUAL_LIMIT))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds < 86400:
        raise ValueError(f"{LIMIT} is {text!r}, allowed are seconds from 1 to 86399")
    return seconds
