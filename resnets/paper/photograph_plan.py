"""What the ImageNet tables would take: commands, hours on hardware that was measured, disk. Nothing of it is run here.

Hours are of training, in proportion to multiply-adds, from recorded speeds; what decoding pictures costs beside the
network is not in them. Testing adds less than a hundredth.
"""

import shlex
from collections.abc import Sequence
from typing import Any

from resnets.classification.plan import ARCHIVES
from resnets.models.catalog import model_spec
from resnets.paper.costs import Speed, about, disk
from resnets.paper.entries import Entry
from resnets.paper.lines import Record
from resnets.paper.photographs import ENSEMBLE
from resnets.paper.plan import Plan, Planned, changed_words

_ARCHIVES_GB = sum(ARCHIVES.values()) / 1e9
"""Of training and validation, which hold JPEG: the pictures unpacked are as large."""


def photograph_plan(what: str, plan: Plan, speeds: Sequence[Speed]) -> tuple[Record, str]:
    """What is missing of one of `PHOTOGRAPHS`, as a record and a text."""
    if plan.scale == "smoke":
        return _of_moments(plan)
    hardware = {speed.hardware: speed for speed in reversed(speeds)}  # of each the newest
    rows = [_row(given, hardware) for given in plan.missing]
    data = ["resnets data prepare imagenet --from ARCHIVES"]
    commands = [*data, *(row["command"] for row in rows), f"resnets reproduce {what}"]
    if what == ENSEMBLE:
        folders = shlex.join(str(given.folder) for given in plan.missing)
        server = "--submission FILE --synsets meta.mat"
        commands.append(f"resnets evaluate {folders} --data TEST_PICTURES --protocol dense {server}")
    space = (
        f"{_ARCHIVES_GB:.0f} GB of archives, as much again for the pictures in folders (with `--layout index` nothing)"
    )
    runs = sum(disk(given.recipe) for given in plan.missing) / 1e9
    lines = [f"{what}, {plan.target.title}: a plan", "", *map(_line, rows)]
    lines += [
        "",
        *(f"From {speed.said}; other networks in proportion to multiply-adds." for speed in hardware.values()),
    ]
    lines += ["", f"disk: {space}, and {runs:.1f} GB of runs", "", *commands]
    lines += [f"or, on several GPUs: resnets plan {what} --jobs FILE"]
    return {"rows": rows, "commands": commands, "disk_gb": round(2 * _ARCHIVES_GB + runs, 1)}, "\n".join(lines)


def _of_moments(plan: Plan) -> tuple[Record, str]:
    """What is missing where each network is trained for a moment: seconds, but the files are as large as ever."""
    if not plan.missing:
        return {"missing": []}, "no run is missing"
    gigabytes = sum(disk(given.recipe) for given in plan.missing) / 1e9
    names = ", ".join(given.entry.name for given in plan.missing)
    text = f"runs that are missing: {len(plan.missing)}, of seconds each: {names}; up to {gigabytes:.1f} GB on the disk"
    return {"missing": [{"run": str(given.folder)} for given in plan.missing], "disk_gb": round(gigabytes, 1)}, text


def _row(given: Planned, hardware: dict[str, Speed]) -> dict[str, Any]:
    entry, run = given.entry, given.recipe
    images = run.iterations * run.batch_size
    hours = {where: speed.seconds_of(run.model, images) / 3600 for where, speed in hardware.items()}
    return {
        "name": run.model,
        "seed": run.seed,
        "paper": {"top1": entry.paper, "top5": entry.paper_top5},
        "multiply_adds": model_spec(run.model).multiply_adds,
        "iterations": run.iterations,
        "hours": {where: round(value) for where, value in hours.items()},
        "command": shlex.join(["resnets", "train", entry.recipe, *changed_words(given), "--out", str(given.folder)]),
        "said": _paper(entry),
    }


def _paper(entry: Entry) -> str:
    if entry.paper is None:
        return ""
    top5 = "" if entry.paper_top5 is None else f", top-5 {entry.paper_top5:g} %"
    return f"top-1 in the paper {entry.paper:g} %{top5}; "


def _line(row: dict[str, Any]) -> str:
    cost = "; ".join(f"{about(3600 * hours)} on {where}" for where, hours in row["hours"].items())
    return (
        f"{row['name']:<12} seed {row['seed']}: {row['said']}{row['iterations']:,} iterations, "
        f"{cost or 'no speed is recorded'}"
    )
