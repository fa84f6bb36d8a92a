"""`resnets bench`: a comparison from its sides to a table and a line of results."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from resnets.bench import evaluation, inference, seeds, training
from resnets.bench.evaluation import Evaluation
from resnets.bench.inference import Inference, apart, errors
from resnets.bench.limits import Copy, MatrixProduct, limit, machine
from resnets.bench.seeds import Seeds
from resnets.bench.timing import Side, Times, in_turn
from resnets.bench.training import Training
from resnets.models.catalog import row
from resnets.runtime import device_name, environment, resolve_device, resolve_precision


class Kind(NamedTuple):
    """Something that is measured."""

    side: Callable[[str, str, int, str], Side]
    """(side, network, batch, precision) -> what runs it."""
    sides: Callable[[str], list[str]]
    """Those of a network that can be had here; the others are held against the first."""
    batches: tuple[int, int | None]
    """The usual number of small images and of large ones; none: not measured."""
    on_cuda: tuple[int, int | None]
    """The same there."""
    precision: str = "auto"
    images: Callable[[int], int] = lambda batch: batch
    """In a step of a side, by the batch."""


KINDS = {
    "training": Kind(Training, training.sides, (128, 16), (128, 256), images=training.images),
    "seeds": Kind(Seeds, lambda model: list(seeds.SIDES), (128, 16), (128, 256), images=seeds.images),
    "inference": Kind(Inference, inference.sides, (128, 16), (1024, 256)),
    "evaluation": Kind(Evaluation, lambda model: list(evaluation.SIDES), (2000, None), (10_000, None), "fp32"),
}


def bench(
    kind: str,
    model: str,
    batch: int | None = None,
    sides: list[str] | None = None,
    rounds: int = 5,
    seconds: float = 5.0,
    data: str | None = None,
) -> dict[str, Any]:
    """Images a second of every side, all measured in one run, each beside the first and beside what the machine can do.

    `kind` is one of `KINDS`; `batch` is the usual one by default; `sides` are all that can be had, the first of them
    always among them; `seconds` each in each of `rounds`. `data`: labelled images on which the weights that the package
    ships of this network are judged on each side of inference. ValueError for another kind, network, side or number.
    """
    if kind not in KINDS:
        raise ValueError(f"bench: {kind!r} is not measured, allowed are {', '.join(KINDS)}")
    device = resolve_device("auto")
    usual = (KINDS[kind].on_cuda if device.type == "cuda" else KINDS[kind].batches)[row(model).input_size > 32]
    if usual is None:
        raise ValueError(f"{kind} of {model} is not measured, allowed are networks for 32x32 images")
    batch = usual if batch is None else batch
    for name, value in (("batch", batch), ("rounds", rounds)):
        if value < 1:
            raise ValueError(f"{name} is {value}, allowed is 1 or more")
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds:g}, allowed is more than 0")
    if data and kind != "inference":
        raise ValueError(f"data is {data!r}, allowed for inference only")
    chosen = _chosen(KINDS[kind].sides(model), sides)
    precision = resolve_precision(KINDS[kind].precision, device)
    costs = _costs(model, data, batch, chosen, precision) if kind == "inference" else {}
    contest: dict[str, Side] = {side: KINDS[kind].side(side, model, batch, precision) for side in chosen}
    times = in_turn({**contest, "product": MatrixProduct(precision), "copy": Copy()}, rounds, seconds)
    here = machine(times.pop("product").median, times.pop("copy").median)
    most = limit(model, here, precision, kind in ("training", "seeds"))
    images = KINDS[kind].images(batch)
    return {
        "kind": kind,
        "model": model,
        "batch": batch,
        "device": device_name(device),
        "precision": precision,
        "sides": {
            name: {**_speed(taken, times[chosen[0]], images, most), **costs.get(name, {})}
            for name, taken in times.items()
        },
        "data": data,
        "limit_images_per_second": round(most, 1),
        "operations_per_second": here.operations,
        "bytes_per_second": here.bytes,
        "rounds": rounds,
        "environment": environment(device, "onnxruntime", "openvino"),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _chosen(known: list[str], asked: list[str] | None) -> list[str]:
    if unknown := [side for side in asked or () if side not in known]:
        raise ValueError(f"sides: {', '.join(map(repr, unknown))}, allowed here are {', '.join(known)}")
    return [side for side in known if asked is None or side in asked or side == known[0]]


def _costs(model: str, data: str | None, batch: int, chosen: list[str], precision: str) -> dict[str, dict[str, float]]:
    """What each side of inference costs in accuracy."""
    wrong = errors(model, data, batch, chosen, precision) if data else {}
    moved = apart(model, batch, chosen, precision)
    by_name = {"apart": moved, "error": wrong}
    return {way: {name: values[way] for name, values in by_name.items() if way in values} for way in chosen}


def _speed(taken: Times, first: Times, images: int, most: float) -> dict[str, float]:
    speed = images / taken.median
    return {
        "images_per_second": round(speed, 1),
        "ratio": round(taken.ratio(first), 3),
        "share_of_limit": round(speed / most, 3),
        "slowest": round(images / max(taken.seconds), 1),
        "fastest": round(images / min(taken.seconds), 1),
        "memory_bytes": taken.memory,
    }


def bench_text(record: dict[str, Any]) -> str:
    """The record as a table."""
    first = next(iter(record["sides"]))
    here = record["environment"]
    lines = [
        f"{record['kind']} of {record['model']}, batch {record['batch']}, {record['precision']}, on {here['device']}",
        f"{'':14} {'images/s':>10} {'beside ' + first:>14} {'of the limit':>13} {'memory':>9}   slowest to fastest",
    ]
    for name, side in record["sides"].items():
        lines.append(
            f"{name:14} {side['images_per_second']:10,.1f} {side['ratio']:14.2f} {side['share_of_limit']:12.0%}"
            f" {side['memory_bytes'] / 1e9:6.2f} GB   {side['slowest']:,.1f} to {side['fastest']:,.1f}"
        )
    for name, side in record["sides"].items():
        if "apart" in side:
            lines.append(f"{name}: logits at most {side['apart']:.2g} standard deviations from those of {first}")
        if "error" in side:
            lines.append(f"{name}: test error {side['error']:.2f} % on {record['data']}")
    lines.append(
        f"limit: {record['limit_images_per_second']:,.0f} images/s, at {record['operations_per_second'] / 1e9:,.0f} "
        f"GFLOP/s and {record['bytes_per_second'] / 1e9:,.1f} GB/s, both measured in the same run"
    )
    return "\n".join(lines)
