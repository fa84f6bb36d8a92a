"""What a recipe would take on so many GPUs: hours and cost, what the loader must bring, what GPUs exchange, disk.

    resnets plan cifar10-resnet110 --images-per-second 9000 --price 2.5 --link 50

All follows from one measured figure, the images a second that one GPU trains on, by arithmetic; nothing is measured
here. Two things are taken for granted and said: that a GPU is as fast with its smaller part of a batch, and that the
data come as fast as they are needed.

    B images a batch   P parameters   R GPUs

In each iteration a GPU sends, and gets, 2 (R - 1) / R times 4 P bytes: what a ring needs to add up float32 gradients.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from resnets.classification.photograph_papers import IMAGES
from resnets.classification.recipe import ClassifierRecipe
from resnets.models.catalog import row, skeleton
from resnets.training.checkpoint import KEPT
from resnets.training.losses import BYTES

ARCHIVES = {"train": 147_897_477_120, "val": 6_744_924_160}
"""Bytes of ImageNet's."""
SMALL_IMAGE, PHOTOGRAPH = 3 * 32 * 32, ARCHIVES["train"] / IMAGES
"""Bytes that are read for an image: pixels; and the mean over ImageNet's training archive."""


def plan(
    recipe: ClassifierRecipe,
    images_per_second: float,
    source: str,
    gpus: Sequence[int] = (1, 8, 64),
    price: float | None = None,
    link: float | None = None,
) -> dict[str, Any]:
    """`{"recipe", ..., "rows"}`, one row for each number of GPUs.

    `images_per_second` is that of one GPU, `source` says whose figure it is; `price` is that of a GPU an hour; `link`
    is what a GPU sends to another while it gets as much, in gigabytes a second. ValueError where one is not positive.
    """
    for name, value in (("images_per_second", images_per_second), ("price", price), ("link", link)):
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"{name} is {value}, allowed is a finite number above 0")
    if wrong := [number for number in gpus if number < 1]:
        raise ValueError(f"gpus has {wrong[0]}, allowed is 1 or more")
    params, _ = _sizes(recipe.model, json.dumps(recipe.changes, sort_keys=True))
    size = SMALL_IMAGE if row(recipe.model).input_size == 32 else PHOTOGRAPH
    seen = recipe.iterations * recipe.batch_size
    rows = [_row(number, recipe, params, images_per_second, size, price, link) for number in gpus]
    return {
        "recipe": recipe.name,
        "model": recipe.model,
        "parameters": params,
        "iterations": recipe.iterations,
        "batch_size": recipe.batch_size,
        "images": seen,
        "images_per_second": images_per_second,
        "source": source,
        "price": price,
        "link_gigabytes_per_second": link,
        "bytes_per_image": round(size),
        "data_bytes": sum(ARCHIVES.values()) if recipe.data == "imagenet" else None,
        "folder_bytes": folder_bytes(recipe),
        "rows": rows,
    }


def folder_bytes(recipe: ClassifierRecipe) -> int:
    """Bytes that the folder of a run takes at most, its journal and page aside.

    Two checkpoints and one being written, each with momentum and the weights' moving average if there is one; the final
    weights; and the loss of every iteration.
    """
    params, buffers = _sizes(recipe.model, json.dumps(recipe.changes, sort_keys=True))
    state = 4 * (params + buffers)
    return (KEPT + 1) * (state + 4 * params + (state if recipe.ema else 0)) + state + BYTES * recipe.iterations


@cache
def _sizes(model: str, changes: str) -> tuple[int, int]:
    """How many numbers are in the parameters and in the buffers of a network; `changes` as JSON."""
    network = skeleton(model, **json.loads(changes))
    return sum(p.numel() for p in network.parameters()), sum(b.numel() for b in network.buffers())


def _row(
    gpus: int,
    recipe: ClassifierRecipe,
    params: int,
    images_per_second: float,
    size: float,
    price: float | None,
    link: float | None,
) -> dict[str, Any]:
    """One number of GPUs. `hours` with gradients exchanged while others are computed, `hours_apart` after all are."""
    computing = recipe.batch_size / gpus / images_per_second  # seconds an iteration
    traffic = 2 * (gpus - 1) / gpus * 4 * params
    exchanging = traffic / (link * 1e9) if link else None
    seconds = max(computing, exchanging or 0.0)
    hours = recipe.iterations * seconds / 3600
    return {
        "gpus": gpus,
        "shared": recipe.batch_size % (gpus * recipe.accumulate) == 0,
        "images_a_gpu": recipe.batch_size / gpus,
        "hours": hours,
        "hours_apart": None if exchanging is None else recipe.iterations * (computing + exchanging) / 3600,
        "cost": None if price is None else hours * gpus * price,
        "images_per_second": recipe.batch_size / seconds,
        "read_bytes_per_second": recipe.batch_size / seconds * size,
        "exchanged_bytes_per_iteration": traffic,
        "exchanged_bytes_per_second": traffic / seconds,
    }


def measured(path: Path, model: str) -> tuple[float, str]:
    """The fastest side of the last training of `model` in a file that `resnets bench --results` wrote, and on what.

    ValueError where the file has no such line.
    """
    found = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            if row.get("kind") == "training" and row.get("model") == model:
                speed = max(side["images_per_second"] for side in row["sides"].values())
                found = float(speed), f"{path.name}, {row['date']}: {row['device']}, {row['precision']}"
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{path}, line {number}: not a line of results") from None
    if found is None:
        raise ValueError(f"{path} has no training of {model} (`resnets bench training {model} --results FILE`)")
    return found


def plan_text(record: dict[str, Any]) -> str:
    """The plan as a table, and what it takes for granted."""
    head = (
        f"{record['recipe']}: {record['iterations']:,} iterations of {record['batch_size']} images, {record['model']} "
        f"with {record['parameters']:,} parameters\none GPU: {record['images_per_second']:,.0f} images/s "
        f"({record['source']}); more GPUs by arithmetic, no GPU was measured for this plan\n"
    )
    titles = ["GPUs", "images each", "hours", "cost", "images/s", "to read, MB/s", "exchanged, MB a turn", "MB/s"]
    lines = [titles, *(_cells(row) for row in record["rows"])]
    widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
    table = "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    folder = f"the folder of the run, {_mega(record['folder_bytes'])} MB with the checkpoint being written"
    if record["data_bytes"]:
        folder = f"ImageNet's archives, {_mega(record['data_bytes'])} MB, and as much again in folders; {folder}"
    notes = [
        f"on disk: {folder}",
        f"taken for granted: {record['bytes_per_image']:,} bytes read for an image, a GPU as fast with its part of the "
        "batch, data as fast as they are needed",
    ]
    if record["link_gigabytes_per_second"] is None:
        notes.append("the exchange is taken as hidden behind computation; --link says how fast it is")
    elif any(row["gpus"] > 1 for row in record["rows"]):
        apart = ", ".join(f"{row['hours_apart']:.3g} h on {row['gpus']}" for row in record["rows"] if row["gpus"] > 1)
        notes.append(f"where the exchange is not hidden behind computation: {apart}")
    if odd := [row["gpus"] for row in record["rows"] if not row["shared"]]:
        notes.append(f"{', '.join(map(str, odd))} GPUs do not divide the batch: `train` would refuse")
    return "\n".join([head, table, "", *notes])


def _cells(row: dict[str, Any]) -> list[str]:
    cost = "" if row["cost"] is None else f"{row['cost']:,.2f}"
    return [
        str(row["gpus"]),
        f"{row['images_a_gpu']:g}",
        f"{row['hours']:.3g}",
        cost,
        f"{row['images_per_second']:,.0f}",
        _mega(row["read_bytes_per_second"]),
        _mega(row["exchanged_bytes_per_iteration"]),
        _mega(row["exchanged_bytes_per_second"]),
    ]


def _mega(number: float) -> str:
    return f"{number / 1e6:,.1f}"
