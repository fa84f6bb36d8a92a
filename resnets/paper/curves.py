"""The figures of targets that the paper shows as error curves: 1, 4 and 6."""

import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from resnets.paper.entries import SURROGATES, Target
from resnets.paper.verdicts import Row
from resnets.report.figures import Curve, degradation, error_curves, save_png

_AXES = {
    ("cifar10", "paper"): (0.0, 20.0),
    ("cifar10", "short"): (0.0, 40.0),
    ("imagenet", "paper"): (20.0, 60.0),
    ("imagenet", "short"): (20.0, 80.0),
}
"""Where the axes begin and end, in percent: the paper's, and others where that would hide a shorter run."""
_WHOLE, _HIGHER = (0.0, 100.0), 70.0
"""Where a shorter run ends so high that those would hide it: all of it, or up to there if that shows the end."""
_NETS = re.compile(r"(cifar10|imagenet)-(plain|resnet)(\d+)(?:_a)?")


def save_curves(what: str, target: Target, rows: Sequence[Row], scale: str, out: Path) -> Path | None:
    """Writes the figure of a target that the paper shows as curves into `out`, where runs have some."""
    if not target.curves or not any("curve" in run for row in rows for run in row.runs):
        return None
    path = out / (f"{what}.png" if scale == "paper" else f"{what}-{scale}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_png(curves_figure(rows, scale), path)


def curves_figure(rows: Sequence[Row], scale: str) -> Figure:
    """Error curves as the paper's Figures 4 and 6 have them, or in one panel where the rows are not their nets."""
    nets: dict[str, dict[int, list[Curve]]] = {"plain": {}, "resnet": {}}
    others, axes = [], _WHOLE
    for row in rows:
        for run in row.runs:
            if "curve" not in run:
                continue
            curve = Curve(f"{row.entry.name}, seed {run['seed']}", **run["curve"], published=row.paper)
            if named := _NETS.fullmatch(row.entry.name):
                nets[named[2]].setdefault(int(named[3]), []).append(curve)
                axes = _AXES.get((named[1], scale), _WHOLE)
            others.append(curve)
    if scale in SURROGATES and others and (highest := max(curve.test_error[-1] or 0.0 for curve in others)) > axes[1]:
        axes = (axes[0], _HIGHER) if highest < _HIGHER else _WHOLE
    if sum(len(seeds) for family in nets.values() for seeds in family.values()) < len(others):
        figure = error_curves(others)
    else:
        figure = degradation(nets["plain"], nets["resnet"], bottom=axes[0], top=axes[1])
    if scale in SURROGATES:
        figure.suptitle(f"A surrogate: {SURROGATES[scale]}", fontsize=10)
    return figure
