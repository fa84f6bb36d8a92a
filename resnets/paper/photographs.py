"""The plans of the ImageNet tables: commands, hours on hardware that was measured, disk. Nothing of it is run here.

Training: 600,000 iterations of 256 crops (section 3.4). Testing: ten crops for Tables 2 and 3, five scales densely for
Tables 4 and 5. Hours are in proportion to multiply-adds, from recorded speeds; what decoding pictures costs beside the
network is not in them.
"""

from collections.abc import Sequence
from typing import Any

from resnets.models.catalog import model_spec
from resnets.paper.costs import COPIES, Speed, about
from resnets.paper.lines import Record
from resnets.paper.published import PUBLISHED

ITERATIONS, BATCH = 600_000, 256
ARCHIVES_GB = 144
"""ImageNet's archives of training and validation, which hold JPEG: the pictures unpacked are as large."""

_DEPTHS = ("resnet50", "resnet101", "resnet152")
_PAIRS = ("plain18", "resnet18_a", "plain34", "resnet34_a")
PHOTOGRAPHS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "figure4": ("training of plain and residual nets on ImageNet", _PAIRS, "single"),
    "table2": ("top-1 error on ImageNet validation, ten crops", _PAIRS, "ten-crop"),
    "table3": (
        "errors on ImageNet validation, ten crops",
        ("plain34", "resnet34_a", "resnet34", "resnet34_c", *_DEPTHS),
        "ten-crop",
    ),
    "table4": (
        "errors of single models on ImageNet validation, dense at five scales",
        ("resnet34", "resnet34_c", *_DEPTHS),
        "dense",
    ),
    "table5": (
        "top-5 error of an ensemble of six on the ImageNet test server",
        ("resnet34", "resnet50", "resnet101", "resnet152"),
        "dense",
    ),
}
"""Title, networks, protocol."""


def photograph_plan(what: str, speeds: Sequence[Speed]) -> tuple[Record, str, list[str]]:
    """The plan of one of `PHOTOGRAPHS`, a text of it, and that nothing of it was measured."""
    title, networks, protocol = PHOTOGRAPHS[what]
    hardware = {speed.hardware: speed for speed in reversed(speeds)}  # of each the newest
    rows = [_row(name, hardware) for name in networks]
    data = ["resnets data prepare imagenet --from ARCHIVES"]
    test = [f"resnets evaluate runs/imagenet-{name}-seed0 --data imagenet --protocol {protocol}" for name in networks]
    lines = [f"{what}, {title}: a plan, {ITERATIONS:,} iterations of {BATCH} crops for each network", ""]
    lines += [_line(row) for row in rows]
    lines += ["", *(f"From {speed.said}." for speed in hardware.values())]
    space = f"{ARCHIVES_GB} GB of archives, and {_gigabytes(networks):.1f} GB of runs"
    lines += ["", f"disk: {space}"]
    lines += ["", *data, *(row["command"] for row in rows), *test]
    record = {"what": what, "title": title, "rows": rows, "commands": [*data, *(r["command"] for r in rows), *test]}
    return {**record, "measured": False}, "\n".join(lines), [f"{what}: not measured"]


def _row(name: str, hardware: dict[str, Speed]) -> dict[str, Any]:
    found = PUBLISHED[name]
    hours = {where: speed.seconds_of(name, ITERATIONS * BATCH) / 3600 for where, speed in hardware.items()}
    return {
        "name": name,
        "paper": {"top1": found.top1, "top5": found.top5, "note": found.note},
        "multiply_adds": model_spec(name).multiply_adds,
        "hours": {where: round(value) for where, value in hours.items()},
        "command": f"resnets train imagenet-{name}",
    }


def _line(row: dict[str, Any]) -> str:
    cost = "; ".join(f"{about(3600 * hours)} on {where}" for where, hours in row["hours"].items())
    paper = f"top-1 in the paper {row['paper']['top1']:g} % ({row['paper']['note']})"
    return f"{row['name']:<12} {paper}; {cost or 'no speed is recorded'}"


def _gigabytes(networks: Sequence[str]) -> float:
    return sum(COPIES * 4 * model_spec(name).params for name in networks) / 1e9
