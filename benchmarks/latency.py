"""What one small operation costs at least, alone and in a CUDA graph: the time that a small network is made of.

    python benchmarks/latency.py [--results results/bench/latency.jsonl]

Each of a thousand operations waits for the one before it. Some seconds; on a CPU there is no graph.

Ends in one line of JSON.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from side_by_side import finish, seconds

from resnets.cuda_graphs import aside, cuda_graph
from resnets.runtime import resolve_device

OPERATIONS, ROUNDS = 1000, 7


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--results", type=Path)
    given = arguments.parse_args()
    device = resolve_device("auto")
    values = torch.zeros(1024, device=device)

    def work() -> None:
        for _ in range(OPERATIONS):
            values.add_(1)

    aside(device, work)
    sides: dict[str, Callable[[], None]] = {"alone": work}
    if device.type == "cuda":
        sides["in a graph"] = cuda_graph(work)
    taken = {
        name: statistics.median(seconds(side, 1, device) for _ in range(ROUNDS)) / OPERATIONS
        for name, side in sides.items()
    }
    microseconds = {name: round(1e6 * value, 2) for name, value in taken.items()}
    finish({"what": "an operation on 1,024 values", "microseconds": microseconds}, device, given.results)


if __name__ == "__main__":
    main()
