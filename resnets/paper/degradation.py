"""The paper's central claim on real images: deeper plain nets train worse, deeper residual nets do not.

    resnets reproduce degradation      about four minutes on two cores with bf16

A surrogate of the paper's Figure 6: the handwritten digits instead of CIFAR-10, 200 iterations instead of 64,000. Plain
and residual nets of 20 and 56 layers with the same recipe, the same images in the same order, and paired seeds. The
verdict is computed from the runs; nothing in it is known beforehand.

Claims (arXiv:1512.03385, section 4.2; both are about the training error, which over-fitting cannot explain):
    plain nets degrade        in every seed the deep net's training error is more than 2 points above the shallow one's
    residual nets do not      in no seed it is
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resnets.classification.recipes import recipe
from resnets.classification.report import describe_run
from resnets.classification.run import RECIPE, Run, carry_out, new_run, open_run, resume, write_json
from resnets.files import say
from resnets.paper.degradation_figure import degradation_figure
from resnets.paper.markdown import signed
from resnets.paper.published import test_error
from resnets.report.style import save_png
from resnets.report.summary import curve

DEPTHS = (20, 56)
FAMILIES = ("plain", "resnet")
WORSE = 2.0
"""Points of training error by which a deeper net has to be worse to be called degraded."""


@dataclass(frozen=True)
class Net:
    """One architecture over all seeds."""

    family: str
    depth: int
    runs: list[Run]

    @property
    def name(self) -> str:
        return f"{self.family}-{self.depth}"

    def errors(self, kind: str) -> list[float]:
        """Final errors, one a seed, in percent; `kind` is "train_error" or "top1_error"."""
        return [evaluation[kind] for run in self.runs if (evaluation := run.evaluation)]


def reproduce(out: Path, seeds: Sequence[int], device: str = "auto") -> tuple[dict[str, Any], str]:
    """Trains what is missing in `out`, draws `degradation.png`, and returns the record and a text of table and verdict.

    A run that was stopped goes on; one that has finished is not repeated.
    """
    nets = [
        Net(family, depth, [_run(out, f"digits-{family}{depth}", seed, device) for seed in seeds])
        for depth in DEPTHS
        for family in FAMILIES
    ]
    figure = out / "degradation.png"
    record = {
        **_verdict(nets),
        "seeds": list(seeds),
        "table": [_row(net) for net in nets],
        "figure": str(figure),
    }
    record |= _totals(nets)
    save_png(degradation_figure(record), figure)
    write_json(out / "degradation.json", record)
    return record, _text(record)


def _run(out: Path, name: str, seed: int, device: str) -> Run:
    folder = out / f"{name}-seed{seed}"
    chosen = replace(recipe(name), seed=seed)
    if not (folder / RECIPE).exists():
        run = new_run(chosen, folder, device)
    elif open_run(folder).recipe != chosen:
        raise ValueError(f"{folder} holds a run of another recipe; --out DIR names another folder")
    else:
        run = resume(folder, [], device)
    if not run.finished:
        carry_out(run)
    else:
        say(f"{folder}: finished already")
    return open_run(folder)


def _verdict(nets: list[Net]) -> dict[str, Any]:
    """How much worse the deep net trains than the shallow one, seed by seed, and what follows."""
    deeper: dict[str, list[float]] = {}
    for family in FAMILIES:
        shallow, deep = (net.errors("train_error") for net in nets if net.family == family)
        deeper[family] = [b - a for a, b in zip(shallow, deep, strict=True)]
    plain, residual = min(deeper["plain"]) > WORSE, max(deeper["resnet"]) <= WORSE
    return {
        "plain_degrades": plain,
        "residual_does_not": residual,
        "degradation": plain and residual,
        "deeper_minus_shallower": deeper,
    }


def _row(net: Net) -> dict[str, Any]:
    train, test = net.errors("train_error"), net.errors("top1_error")
    return {
        "net": net.name,
        "train_error": train,
        "train_error_mean": sum(train) / len(train),
        "test_error": test,
        "test_error_mean": sum(test) / len(test),
        "curves": [_curve(run) for run in net.runs],
    }


def _curve(run: Run) -> dict[str, Any]:
    """The errors of a run by step, so that its figure can be drawn from the record."""
    drawn = curve(describe_run(run, test_error))
    return {"steps": drawn.steps, "train_error": drawn.train_error, "test_error": drawn.test_error}


def _totals(nets: list[Net]) -> dict[str, Any]:
    runs = [run for net in nets for run in net.runs]
    first = runs[0].record
    seconds = sum(evaluation["seconds"] for run in runs if (evaluation := run.evaluation))
    return {
        "seconds": round(seconds, 1),
        "device": first["sessions"][0]["device"],
        "precision": first["precision"],
        "environment": first["sessions"][0],
        "surrogate": "the handwritten digits and a short schedule, not CIFAR-10 and the paper's",
    }


def _text(record: dict[str, Any]) -> str:
    """The table and the verdict as the terminal shows them."""
    lines = [
        "Plain and residual nets on the handwritten digits, error in percent "
        f"(seeds {', '.join(map(str, record['seeds']))})",
        "",
        f"{'net':<12}{'training error':>24}{'test error':>24}",
    ]
    for row in record["table"]:
        cells = [_cell(row[f"{kind}_error"], row[f"{kind}_error_mean"]) for kind in ("train", "test")]
        lines.append(f"{row['net']:<12}{cells[0]:>24}{cells[1]:>24}")
    plain, residual = (record["deeper_minus_shallower"][family] for family in FAMILIES)
    lines += [
        "",
        f"56 layers against 20, training error: plain {signed(plain)}, residual {signed(residual)} points",
        f"Deeper plain nets train worse: {_answer(record['plain_degrades'])}"
        f" (by more than {WORSE:g} points in every seed)",
        f"Deeper residual nets do not:   {_answer(record['residual_does_not'])}"
        f" (by no more than {WORSE:g} points in any seed)",
        f"Verdict: the paper's degradation {'shows' if record['degradation'] else 'does not show'} here. "
        f"A surrogate: {record['surrogate']}.",
        "",
        f"{record['figure']}   {record['seconds']:.0f} s of training, {record['device']}, {record['precision']}",
    ]
    return "\n".join(lines)


def _cell(values: list[float], mean: float) -> str:
    each = ", ".join(f"{value:.1f}" for value in values)
    return f"{mean:.2f}  ({each})" if len(values) > 1 else f"{mean:.2f}"


def _answer(shown: bool) -> str:
    return "yes" if shown else "no "
