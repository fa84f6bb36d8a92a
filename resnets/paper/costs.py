"""What runs will cost before they start: from recorded runs of this hardware, or from a few iterations timed here.

A run costs what the network itself has cost before. Where it has not been run, time is taken to be in proportion to
multiply-adds, which is about right for nets of one kind on one machine, and the plan says which net that was.
"""

import math
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F

from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.recipes import RECIPES, recipe
from resnets.models.catalog import model_spec, row
from resnets.models.factory import create_model
from resnets.paper.lines import Record, read_lines
from resnets.paper.published import SPEEDS
from resnets.runtime import autocast, device_name, resolve_device, resolve_precision, set_precision
from resnets.training.draws import GENERATOR
from resnets.training.optimiser import descend, sgd
from resnets.training.progress import duration

LONG = 500
"""Iterations of a recorded run from which on its speed is that of training, and not of what stands around it."""


@dataclass(frozen=True)
class Speed:
    """How fast some hardware trained some network, and how that is known."""

    images_per_second: float
    model: str
    hardware: str
    source: str

    def seconds(self, run: ClassifierRecipe) -> float:
        """Of a whole run."""
        return self.seconds_of(run.model, run.iterations * run.batch_size)

    def seconds_of(self, model: str, images: int) -> float:
        """Of so many images through another network, in proportion to multiply-adds."""
        ratio = model_spec(model).multiply_adds / model_spec(self.model).multiply_adds
        return images * ratio / self.images_per_second

    @property
    def said(self) -> str:
        """The source in a sentence."""
        return f"{self.source}: {self.images_per_second:,.0f} images of {self.model} a second on {self.hardware}"


def recorded(lines: Sequence[Record], results: Path) -> list[Speed]:
    """All speeds that were recorded, on whatever hardware: of whole runs, then of benchmarks, the newest first.

    Of several runs of one network the median: a machine that has other work now and then trains slowly then.
    """
    speeds: dict[tuple[str, str], list[float]] = {}
    runs = {(line["recipe"], line["seed"], line["seconds"]): line for line in lines if "recipe" in line}
    for line in reversed(runs.values()):  # photographs have a line for each way in which a run was tested
        if line.get("iterations", 0) >= LONG and (images := _images(line)):
            speeds.setdefault((line["model"], _hardware(line)), []).append(images / line["seconds"])
    found = []
    for (model, where), several in speeds.items():
        source = "a recorded run" if len(several) == 1 else f"the median of {len(several)} recorded runs"
        found.append(Speed(median(several), model, where, source))
    for line in reversed(read_lines(results / "bench" / "speed.jsonl")):
        if line["kind"] == "training" and "eager" in line["sides"]:
            where = _hardware(line)
            speed = line["sides"]["eager"]["images_per_second"]
            found.append(Speed(speed, line["model"], where, "`resnets bench training`"))
    return found


def _hardware(line: Record) -> str:
    """Device and precision; the oldest lines have "1 threads"."""
    device = re.sub(r"(?<!\d)1 threads", "1 thread", line["device"])
    return f"{device}, {line['precision']}"


def _images(line: Record) -> int:
    """How many images a recorded run was trained on; 0 where that is not known, or its network was a changed one."""
    if any(phrase.startswith("changes") for phrase in line["departures"]):
        return 0
    changed = [phrase.split()[1] for phrase in line["departures"] if phrase.startswith("batch_size:")]
    if not changed and line["recipe"] not in RECIPES:
        return 0
    return line["iterations"] * int(changed[0] if changed else recipe(line["recipe"]).batch_size)


def speeds_here(runs: Sequence[ClassifierRecipe], known: Sequence[Speed], device: str) -> list[Speed]:
    """The speeds that the cost of `runs` follows from: all recorded on this hardware, else one timed now.

    What is timed is the smallest of the runs.
    """
    where = resolve_device(device)
    precision = resolve_precision("auto", where)
    hardware = f"{device_name(where)}, {precision}"
    if here := [speed for speed in known if speed.hardware == hardware]:
        return here
    smallest = min(runs, key=lambda run: model_spec(run.model).multiply_adds)
    return [Speed(_timed(smallest, where, precision), smallest.model, hardware, "timed here just now")]


def published() -> list[Speed]:
    """What others print of training on ImageNet's images."""
    return [
        Speed(float(speed), model, hardware, source)
        for hardware, source, speeds in SPEEDS
        for model, speed in speeds.items()
    ]


def nearest(model: str, speeds: Sequence[Speed]) -> Speed:
    """The speed of `model` itself, else of a network of its kind, else of any: that nearest in multiply-adds.

    Of equal ones the first.
    """

    def distance(speed: Speed) -> tuple[bool, bool, float]:
        ratio = model_spec(speed.model).multiply_adds / model_spec(model).multiply_adds
        return speed.model != model, _kind(speed.model) != _kind(model), abs(math.log(ratio))

    return min(speeds, key=distance)


def _kind(model: str) -> tuple[object, bool]:
    """What builds the network, and whether it is a plain one."""
    entry = row(model)
    return entry.builder, entry.arguments.get("shortcut", "") is None


def sources(speeds: Iterable[Speed]) -> list[str]:
    """A sentence for each of the speeds, those said twice once."""
    return [f"From {speed.said}." for speed in dict.fromkeys(speeds)]


def _timed(run: ClassifierRecipe, device: torch.device, precision: str, iterations: int = 3) -> float:
    """Images a second over some iterations on random images, after one that is not counted."""
    set_precision(precision)
    size = row(run.model).input_size
    with GENERATOR:
        torch.manual_seed(0)
        model = create_model(run.model, **run.changes).to(device).to(memory_format=torch.channels_last)
        images = torch.randn(run.batch_size, 3, size, size).to(device, memory_format=torch.channels_last)
        labels = torch.randint(0, 10, (run.batch_size,)).to(device)
    optimizer = sgd(model, run)
    began = 0.0
    for number in range(iterations + 1):
        if number == 1:
            began = time.perf_counter()
        with autocast(device, precision):
            loss = F.cross_entropy(model(images).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        descend(optimizer)
        loss.item()  # which waits for the device
    return iterations * run.batch_size / (time.perf_counter() - began)


def about(seconds: float) -> str:
    """A time that is estimated, in words: in days from two of them on."""
    return duration(seconds) if seconds < 2 * 86_400 else f"{seconds / 86_400:,.0f} days"
