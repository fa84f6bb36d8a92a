"""The blocks on speed, from what the benchmarks have left in `results/bench`."""

from collections.abc import Callable
from pathlib import Path

from resnets.paper.lines import Record, read_lines
from resnets.paper.markdown import conditions, missing, table
from resnets.paper.verdicts import INSIDE, OUTSIDE


def speed(results: Path) -> str:
    """The newest lines of `bench/speed.jsonl`, one for each thing and each machine."""
    lines = read_lines(results / "bench" / "speed.jsonl")
    if not lines:
        return missing("resnets bench training --results results/bench/speed.jsonl")
    newest = {(line["kind"], line["model"], line["batch"], line["device"]): line for line in lines}
    head = ("what", "side", "images/s", "beside the first", "of the limit", "apart", "test error, %")
    rows = [
        (
            f"{kind} of `{model}`, batch {batch}" if number == 0 else "",
            name,
            f"{side['images_per_second']:,.0f}" if side["images_per_second"] >= 100 else side["images_per_second"],
            f"{side['ratio']:.2f}",
            f"{side['share_of_limit']:.0%}",
            f"{side['apart']:.1g}" if "apart" in side else "",
            f"{side['error']:.2f}" if "error" in side else "",
        )
        for (kind, model, batch, _), line in newest.items()
        for number, (name, side) in enumerate(line["sides"].items())
    ]
    return f"{table(head, 'llrrrrr', rows)}\n\nAll sides of a thing in one run, in turn. {conditions(newest.values())}"


def versions(results: Path) -> str:
    """The newest line of `bench/versions.jsonl`: the training step as it was, version by version, in one run."""
    lines = read_lines(results / "bench" / "versions.jsonl")
    if not lines:
        return missing("python benchmarks/versions.py --results results/bench/versions.jsonl")
    line = lines[-1]
    rows = [
        (f"`{version['commit']}`", version["change"], f"{version['images_per_second']:,.0f}", f"{version['ratio']:.2f}")
        for version in line["versions"]
    ]
    head = ("commit", "what was changed", "images/s", "beside the first")
    where = conditions([{**line, "precision": f"the first in fp32, the others in {line['precision']}"}])
    return f"{line['what']}:\n\n{table(head, 'llrr', rows)}\n\nMedians of {line['rounds']} rounds. {where}"


def left_out(results: Path) -> str:
    """The newest lines of `bench/stochastic_depth.jsonl`: what is saved where units are left out."""
    lines = read_lines(results / "bench" / "stochastic_depth.jsonl")
    if not lines:
        return missing("python benchmarks/stochastic_depth.py --results results/bench/stochastic_depth.jsonl")
    newest = {(line["what"], line["device"]): line for line in lines}.values()
    rows = [
        (
            line["what"],
            *(f"{line['milliseconds'][side]:,.1f}" for side in ("constant", "stochastic")),
            f"{line['share_of_time']:.1%}",
            f"{line['share_of_units']:.1%}",
            *_beside_the_paper(line),
        )
        for line in newest
    ]
    shares = ("share of the time", "share of the units computed", "band of the time", "verdict")
    head = ("what", "all units, ms", "some left out, ms", *shares)
    return f"{table(head, 'lrrrrll', rows)}\n\n{conditions(newest)}"


_LEFT_OUT = (0.7, 0.8)
"""Of the time with all units: the paper saves about a quarter (arXiv:1603.09382) with this network and these rates."""
_ITS = ("cifar_resnet110,", "drop_path 0.5")


def _beside_the_paper(line: Record) -> tuple[str, str]:
    """Band and verdict, empty for other networks than the paper's."""
    if not all(words in line["what"] for words in _ITS):
        return "", ""
    low, high = _LEFT_OUT
    return f"{low:.0%} to {high:.0%}", INSIDE if low <= line["share_of_time"] <= high else OUTSIDE


SPEED: dict[str, Callable[[Path], str]] = {"speed": speed, "versions": versions, "left_out": left_out}
"""Blocks by name."""
