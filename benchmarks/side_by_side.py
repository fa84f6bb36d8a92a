"""What the benchmarks share: how fast a step is, several sides in turn, and the line they end in."""

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from resnets.classification.record import append_result
from resnets.runtime import environment

PEERS = ("simplejpeg", "opencv-python-headless", "opencv-python")
"""What some compare with, by the names of their packages."""
Step = Callable[[], Any]


def seconds(step: Step, iterations: int, device: torch.device) -> float:
    """What `iterations` of `step` take, the device's work included."""
    began = time.perf_counter()
    for _ in range(iterations):
        step()
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()
    return time.perf_counter() - began


def in_turn(sides: dict[str, Step], rounds: int, iterations: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each side in each round, after some iterations that are not counted."""
    for step in sides.values():
        seconds(step, min(5, iterations), device)
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, step in sides.items():
            taken[name].append(seconds(step, iterations, device))
    return taken


def median_ratio(above: list[float], below: list[float]) -> float:
    """The median over rounds: each compares two measurements a few seconds apart."""
    return round(statistics.median(a / b for a, b in zip(above, below, strict=True)), 3)


def warm() -> None:
    """Says that all is made and measuring begins: whoever shares the machine may want to wait from here on."""
    print("warm", flush=True)


def finish(line: dict[str, Any], device: torch.device, results: Path | None) -> None:
    """Prints the line with where it was measured, and adds it to the file `results`."""
    line = {**line, **environment(device, *PEERS), "date": datetime.now(UTC).date().isoformat()}
    if results:
        append_result(results, line)
    print(json.dumps(line))
