"""What the ImageNet tables would take: commands, hours on hardware that was measured, disk. Nothing of it is run here.

Hours are of training on one device: from recorded speeds, and from some that others print, each of the network itself
or of the nearest, in proportion to multiply-adds. What decoding pictures costs beside the network is not in them. Nor
is testing: at the paper's scale it adds less than a hundredth.
"""

import shlex
from collections.abc import Sequence
from typing import Any

from resnets.classification.plan import ARCHIVES, folder_bytes
from resnets.models.catalog import model_spec
from resnets.paper.costs import Speed, about, nearest, published, sources
from resnets.paper.lines import Record
from resnets.paper.photographs import ENSEMBLE
from resnets.paper.plan import Plan, Planned, changed_words
from resnets.paper.surrogates import surrogate_of
from resnets.paper.tabled import aligned, label

_ARCHIVES_GB = sum(ARCHIVES.values()) / 1e9
"""Of training and validation, which hold JPEG: the pictures unpacked are as large."""


def photograph_plan(
    what: str, plan: Plan, recorded: Sequence[Speed], options: Sequence[str], by_ten_crops: Sequence[Planned]
) -> tuple[Record, str]:
    """What is missing of one of `PHOTOGRAPHS`, as a record and a text.

    `options`: the words of the command line that asked for it, which belong to the commands that go on from here;
    `by_ten_crops`: the runs that are tested so, too.
    """
    surrogate = surrogate_of(plan.target.entries, plan.scale)
    if plan.scale == "smoke":
        return _of_moments(plan, surrogate)
    hardware: dict[str, list[Speed]] = {}
    for speed in (*recorded, *published()):
        hardware.setdefault(speed.hardware, []).append(speed)
    rows = [_row(given, hardware, surrogate) for given in plan.missing]
    runs = sum(folder_bytes(given.recipe) for given in plan.missing) / 1e9
    total = {
        "runs": len(rows),
        "hours": {where: round(sum(row["hours"][where] for row in rows), 3) for where in hardware},
        "disk_gb": round(2 * _ARCHIVES_GB + runs, 1),
    }
    commands = ["resnets data prepare imagenet --from ARCHIVES"]
    asked = shlex.join([what, *options])
    commands += [*(row["command"] for row in rows), f"resnets reproduce {asked}"]
    if what == ENSEMBLE:
        server = "--submission FILE --synsets meta.mat"
        commands.append(f"resnets evaluate {_folders(plan)} --data TEST_PICTURES --protocol dense {server}")
    space = (
        f"{_ARCHIVES_GB:.0f} GB of archives, as much again for the pictures in folders (with `--layout index` nothing)"
        f", and {runs:.1f} GB of runs; in all {total['disk_gb']:.0f} GB"
    )
    also = [given.entry.name.removeprefix("imagenet-") for given in by_ten_crops]
    parts = [
        "\n".join([f"{what}, {plan.target.title}: a plan", *label(surrogate)]),
        *([_table(rows, total["hours"], surrogate), _sources(plan, hardware)] if rows else ["no run is missing"]),
        f"tested beside {plan.target.protocol}, by ten crops, for the gain: {', '.join(also)}" if also else "",
        f"disk: {space}",
        "" if surrogate else plan.target.remark,
        "\n".join([*commands, f"or, on several GPUs: resnets plan {asked} --jobs FILE"]),
    ]
    record = {"rows": rows, "total": total, "ten_crops": also, "commands": commands}
    return record, "\n\n".join(filter(None, parts))


def _folders(plan: Plan) -> str:
    """Of all runs, finished or not, in the order of the table."""
    runs = [*plan.finished, *plan.missing]
    return shlex.join(str(given.folder) for entry in plan.target.entries for given in runs if given.entry == entry)


def _of_moments(plan: Plan, surrogate: str | None) -> tuple[Record, str]:
    """What is missing where each network is trained for a moment: seconds, but the files are as large as ever."""
    if not plan.missing:
        return {"missing": []}, "\n".join([*label(surrogate), "no run is missing"])
    gigabytes = sum(folder_bytes(given.recipe) for given in plan.missing) / 1e9
    names = ", ".join(given.entry.name for given in plan.missing)
    text = f"runs that are missing: {len(plan.missing)}, of seconds each: {names}; up to {gigabytes:.1f} GB on the disk"
    text = "\n".join([*label(surrogate), text])
    return {"missing": [{"run": str(given.folder)} for given in plan.missing], "disk_gb": round(gigabytes, 1)}, text


def _row(given: Planned, hardware: dict[str, list[Speed]], surrogate: str | None) -> dict[str, Any]:
    entry, run = given.entry, given.recipe
    images = run.iterations * run.batch_size
    hours = {
        where: nearest(run.model, speeds).seconds_of(run.model, images) / 3600 for where, speeds in hardware.items()
    }
    return {
        "name": run.model,
        "seed": run.seed,
        "paper": None if surrogate else {"top1": entry.paper, "top5": entry.paper_top5},
        "multiply_adds": model_spec(run.model).multiply_adds,
        "iterations": run.iterations,
        "hours": {where: round(value, 3) for where, value in hours.items()},
        "command": shlex.join(["resnets", "train", entry.recipe, *changed_words(given), "--out", str(given.folder)]),
    }


def _table(rows: Sequence[dict[str, Any]], total: dict[str, float], surrogate: str | None) -> str:
    """Networks with the paper's errors in percent, unless they are surrogates, and the time on each hardware."""
    where = list(total)
    papers = () if surrogate else ("paper top-1", "top-5")
    head = ("network", "seed", *papers, "iterations", *where)
    lines = [
        (
            row["name"],
            str(row["seed"]),
            *("" if error is None else f"{error:g}" for error in (row["paper"] or {}).values()),
            f"{row['iterations']:,}",
            *(about(3600 * row["hours"][name]) for name in where),
        )
        for row in rows
    ]
    lines.append(("in all", "", *("" for _ in (*papers, "iterations")), *(about(3600 * total[name]) for name in where)))
    return aligned([head, *lines], "l" + "r" * (len(head) - 1))


def _sources(plan: Plan, hardware: dict[str, list[Speed]]) -> str:
    """Where the speeds that were used come from."""
    models = [given.recipe.model for given in plan.missing]
    used = [nearest(model, speeds) for speeds in hardware.values() for model in models]
    return "\n".join(["Of one device, one after the other, in proportion to multiply-adds.", *sources(used)])
