"""Work recorded once as a CUDA graph: launched at once, where the host would launch hundreds of kernels one by one."""

from collections.abc import Callable
from functools import cache
from threading import Lock, get_ident
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Recorder = Callable[[Callable[[], None]], Callable[[], None]]
"""From work on tensors that stay in their places to the same work, done at every call."""

_RECORDING = Lock()
"""One recording at a time: it begins by waiting for the whole device, which would end another thread's."""


def cuda_graph(work: Callable[[], None]) -> Callable[[], None]:
    """Records `work`, without doing it, as a CUDA graph; returns its replay.

    On a stream of its own: graphs recorded on one stream share scratch memory, and could not be replayed side by side.
    """
    import torch

    graph = torch.cuda.CUDAGraph()
    # "thread_local": other threads, which may be training other seeds, go on.
    with _RECORDING, torch.cuda.graph(graph, stream=torch.cuda.Stream(), capture_error_mode="thread_local"):
        work()
    return graph.replay


def aside(device: "torch.device", work: Callable[[], T]) -> T:
    """Does `work` on another stream, as PyTorch wants what comes before a recording; elsewhere simply does it."""
    import torch

    if device.type != "cuda":
        return work()
    stream, here = _stream(get_ident()), torch.cuda.current_stream()
    stream.wait_stream(here)
    with torch.cuda.stream(stream):
        done = work()
    here.wait_stream(stream)
    return done


@cache
def _stream(thread: int) -> "torch.cuda.Stream":
    """A thread's second stream. Always the same one: each keeps the memory that was freed on it."""
    import torch

    return torch.cuda.Stream()
