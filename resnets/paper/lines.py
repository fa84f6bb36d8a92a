"""The lines of results files, as documents need them: read, grouped, and those of the paper's own runs."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from resnets.classification.recipes import is_papers
from resnets.files import say

Record = dict[str, Any]


@dataclass(frozen=True, order=True)
class Net:
    """A network of the paper's Figure 6; plain ones come first, shallow ones before deep ones."""

    family: str
    """"plain" or "resnet"."""
    depth: int

    @property
    def model(self) -> str:
        """Its name in the catalogue."""
        return f"cifar_{self.family}{self.depth}"

    @property
    def title(self) -> str:
        """Its name in a sentence."""
        return f"{'ResNet' if self.family == 'resnet' else self.family}-{self.depth}"


def papers_own(results: Path) -> dict[Net, list[Record]]:
    """The runs of `cifar10.jsonl` that are the paper's recipe, whole, on all training images; of each net by seed.

    Of several lines with one seed the newest stands: the others are the same run, recorded or made once more.
    """
    newest: dict[tuple[Net, int], Record] = {}
    for line in read_runs(results / "cifar10.jsonl"):
        all_of_it = line["data"]["name"] == "cifar10" and not line["data"]["validation_images"]
        if (
            all_of_it
            and is_papers(line["departures"])
            and (named := re.fullmatch(r"cifar_(plain|resnet)(\d+)", line["model"]))
        ):
            newest[Net(named[1], int(named[2])), line["seed"]] = line
    found: dict[Net, list[Record]] = {}
    for net, seed in sorted(newest):
        found.setdefault(net, []).append(newest[net, seed])
    return found


def grouped(lines: Iterable[Record], key: Callable[[Record], Any]) -> list[tuple[Any, list[Record]]]:
    """Lines by `key`, the groups in the order of the keys, in each the lines by seed."""
    return [(k, list(group)) for k, group in groupby(sorted(lines, key=lambda x: (key(x), x["seed"])), key=key)]


def read_runs(path: Path) -> list[Record]:
    """Those of runs: `resnets reproduce figure7` may have added measured responses to the same file."""
    return [line for line in read_lines(path) if "study" not in line]


def read_lines(path: Path) -> list[Record]:
    """The lines of a results file, none where it is not there; ValueError, naming the line, where one is damaged.

    A last line without an end is being written, or was cut off then: it is left out, and a message says so.
    """
    if not path.exists():
        return []
    lines = []
    *whole, last = path.read_bytes().split(b"\n")
    there = [*whole, last] if last else whole
    for number, line in enumerate(there, 1):
        try:
            lines.append(json.loads(line.replace(b", 1 threads", b", 1 thread")))  # as earlier versions wrote
        except ValueError:  # no JSON, or no UTF-8
            if number <= len(whole):
                raise ValueError(f"{path}, line {number}: not JSON: {line[:60].decode(errors='replace')!r}") from None
            say(f"{path}: the last line, {number}, is cut off and left out")
    return lines
