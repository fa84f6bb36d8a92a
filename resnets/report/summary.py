"""What a run amounts to: its record as plain data, and the figures quoted of it. Nothing here draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from resnets.report import words
from resnets.report.curves import Curve

Row = Mapping[str, Any]
Losses = Float32[np.ndarray, " _"]
"""(iterations,), in another run perhaps more or fewer."""
_UNLIKELY = 0.05
"""What is said of chance, below it and from it on."""


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What the page of a run is made of: plain data, all errors in percent."""

    title: str
    recipe: Mapping[str, Any]
    """Field to value; values may be nested mappings."""
    rows: Sequence[Row]
    """The journal: `step epoch loss train_error test_error lr images_per_second` and perhaps
    `validation_error`, each but `step` may be None or absent; rows with `event` (a text) and `step` record
    what happened."""
    losses: Losses = field(default_factory=lambda: np.empty(0, np.float32))
    """Of each iteration from the first on, as far as they are recorded: runs of earlier versions have none."""
    departures: Sequence[str] = ()
    """What the run departs from the paper in, a sentence each."""
    said: Sequence[str] = ()
    """What was found of the data before training, and why the recipe is as it is, a line each."""
    environment: Mapping[str, Any]
    """Hardware and versions; its `device` is named at the top of the page."""
    data: Mapping[str, Any]
    """Name, counts, hashes; may be nested."""
    published: float | None = None
    """The paper's test error for this network."""
    evaluation: Mapping[str, Any] | None = None
    """None before the run is finished, or `images`, `top1_error`, `top5_error` (or None), `interval` (low,
    high), and perhaps `per_class` [(name, images, error, low, high)], a line for each class in
    their order, its last three None where the class has no images; `confusion` (C, C), rows the true classes;
    `mistakes`, the worst first: [{image uint8 (3, H, W), true, predicted, probability 0 to 1, index}], perhaps with
    `map`, float (h, w), what speaks for the predicted class where; `right`, the same of right answers; `confused`, by
    (true, predicted) pictures uint8 (3, H, W) of that mistake; `baseline`, None or `test_error` and `features` of a
    linear classifier on the features that training began with, and perhaps `only_it`, `only_network` and `chance`."""
    iterations: int | None = None
    """How many steps the recipe asks for."""
    seconds: float | None = None
    """How long the run took."""
    diverged: bool = False
    """Whether the run was given up; a last row whose loss is not finite says so too."""


def measured(run: RunReport) -> list[Row]:
    """The journal's rows that record a measurement, by step; the last one where a step repeats."""
    rows = {int(row["step"]): row for row in run.rows if "event" not in row}
    return [rows[step] for step in sorted(rows)]


def curve(run: RunReport) -> Curve:
    """The errors of the journal as the figures want them."""
    rows = measured(run)
    steps = [int(row["step"]) for row in rows]
    train, test, validation = ([row.get(f"{kind}_error") for row in rows] for kind in ("train", "test", "validation"))
    return Curve(run.title, steps, train, test, run.published, validation)


def status(run: RunReport) -> tuple[str, str]:
    """A word (finished, stopped, diverged) and the sentence that says at which step."""
    rows = measured(run)
    bad = [int(row["step"]) for row in rows if "loss" in row and not words.is_number(row["loss"])]
    if run.diverged or bad:  # the row in which a loss is not finite may never have been written
        said = [step for step, text in events(run) if text.startswith("diverged")]
        return "diverged", f"Diverged at step {[*bad, *said, *(row['step'] for row in rows[-1:]), 0][0]:,}"
    if not rows:
        return "stopped", "No step is recorded yet"
    step = int(rows[-1]["step"])
    if run.evaluation is not None or (run.iterations is not None and step >= run.iterations):
        return "finished", f"Finished at step {step:,}"
    return "stopped", f"Stopped at step {step:,}" + (f" of {run.iterations:,}" if run.iterations else "")


def last(rows: Sequence[Row], field: str) -> tuple[int, float] | None:
    """The last row that has a finite number in `field`: its step and that number."""
    return next(((int(row["step"]), row[field]) for row in reversed(rows) if words.is_number(row.get(field))), None)


def best(rows: Sequence[Row], field: str) -> tuple[int, float] | None:
    """The first row with the least finite number in `field`: its step and that number."""
    found = [(row[field], int(row["step"])) for row in rows if words.is_number(row.get(field))]
    error, step = min(found, default=(0.0, None))
    return None if step is None else (step, error)


def events(run: RunReport) -> list[tuple[int, str]]:
    """What happened on the way: the journal's events, each with its step."""
    return [(int(row["step"]), str(row["event"])) for row in run.rows if "event" in row]


def class_names(evaluation: Mapping[str, Any]) -> list[str]:
    """The names of the classes; numbers where the confusion matrix has more classes than there are names."""
    names = [str(line[0]) for line in evaluation.get("per_class") or []]
    matrix = evaluation.get("confusion")
    return names if matrix is None or len(matrix) == len(names) else [str(n) for n in range(len(matrix))]


def headlines(run: RunReport) -> list[tuple[str, str, str]]:
    """The figures at the top of the page: label, value, remark."""
    rows = measured(run)
    final = rows[-1] if rows else {}
    lines = [_test_headline(run, rows)]
    if run.evaluation and (baseline := run.evaluation.get("baseline")):
        remark = f"on the features of the start ({baseline['features']}), without training the network"
        if run.evaluation["top1_error"] > baseline["test_error"]:
            remark += f"; the trained one is worse{may_be_chance(baseline)}"
        lines.append(("A linear classifier", words.percent(baseline["test_error"]), remark))
    if run.published is not None:
        lines.append(("Test error in the paper", words.percent(run.published), _against_paper(run)))
    if found := last(rows, "train_error"):
        lines.append(("Training error", words.percent(found[1]), f"at step {found[0]:,}, on augmented mini-batches"))
    if (found := last(rows, "validation_error")) and (least := best(rows, "validation_error")):
        remark = f"at step {found[0]:,}; the least was {words.percent(least[1])} at step {least[0]:,}"
        lines.append(("Validation error", words.percent(found[1]), remark))
    classes = len(class_names(run.evaluation or {}))
    if run.evaluation and run.evaluation.get("top5_error") is not None and not 0 < classes <= 5:
        lines.append(("Top-5 test error", words.percent(run.evaluation["top5_error"]), "last iteration"))
    remarks = [f"of {run.iterations:,}"] if run.iterations and final.get("step", 0) < run.iterations else []
    remarks += [f"{final['epoch']:,.1f} epochs"] if words.is_number(final.get("epoch")) else []
    lines.append(("Iterations", words.count(final.get("step", 0)), ", ".join(remarks)))
    speeds = [row["images_per_second"] for row in rows if words.is_number(row.get("images_per_second"))]
    remarks = [str(run.environment["device"])] if run.environment.get("device") else []
    if speeds:
        speed = float(np.median(speeds))
        remarks.append(f"{speed:,.{0 if speed >= 10 else 1}f} training images a second")
    lines.append(("Time", words.duration(run.seconds), "; ".join(remarks)))
    return lines


def may_be_chance(baseline: Mapping[str, Any]) -> str:
    """What is to be added where a network is worse than `baseline`: whether that could as well be chance."""
    if baseline.get("chance", 0.0) < _UNLIKELY:
        return ""
    it, network = baseline["only_it"], baseline["only_network"]
    return f", which may be chance (of pictures that one has right, it has {it}, the trained one {network})"


def _test_headline(run: RunReport, rows: Sequence[Row]) -> tuple[str, str, str]:
    if run.evaluation:
        remark = f"95 % interval {words.interval(run.evaluation.get('interval'))}"
        return "Test error", words.percent(run.evaluation["top1_error"]), remark
    found = last(rows, "test_error")
    if not found:
        return "Test error", words.UNKNOWN, "not measured yet"
    return "Test error so far", words.percent(found[1]), f"at step {found[0]:,}"


def _against_paper(run: RunReport) -> str:
    """Where the paper's figure lies with respect to the interval measured here."""
    ends = (run.evaluation or {}).get("interval")
    if ends is None or run.published is None:
        return "published for this network"
    if ends[0] <= run.published <= ends[1]:
        return "inside the interval measured here"
    return f"{'below' if run.published < ends[0] else 'above'} the interval measured here"


def classes(per_class: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """The rows of the table of classes, the worst first; `strip` has places in percent of its length."""
    top = max([float(line[4]) for line in per_class if line[4] is not None] + [1e-9])
    lines = []
    for number, (name, images, error, low, high) in enumerate(per_class):
        places = None if error is None else (low, high - low, error)
        strip = places and [f"{100 * place / top:.2f}" for place in places]
        line = {"number": number, "name": name, "images": images, "error": error, "strip": strip}
        lines.append({**line, "interval": None if error is None else (low, high), "top": top})
    return sorted(lines, key=lambda line: -1.0 if line["error"] is None else line["error"], reverse=True)


def confused(evaluation: Mapping[str, Any], most: int = 10) -> list[tuple[str, str, int, float]]:
    """The most frequent mistakes: true class, predicted class, images, share of the true class in percent."""
    if evaluation.get("confusion") is None:
        return []
    counts = np.array(evaluation["confusion"])
    names = class_names(evaluation)
    images = np.maximum(counts.sum(axis=1), 1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(names)) for place in order]
    return [
        (names[true], names[said], int(counts[true, said]), 100 * float(counts[true, said] / images[true]))
        for true, said in pairs
        if counts[true, said]
    ]
