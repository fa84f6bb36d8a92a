"""The figures of targets that the paper shows as error curves: 1, 4 and 6."""

import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from resnets.paper.entries import Target
from resnets.paper.surrogates import surrogate_of
from resnets.paper.verdicts import Row
from resnets.report.curves import Curve, error_curves
from resnets.report.degradation import degradation, training_and_test
from resnets.report.style import save_png, say_surrogate

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
    surrogate = surrogate_of(target.entries, scale)
    kind = scale if scale != "paper" else "other-data" if surrogate else ""
    path = out / f"{'-'.join(filter(None, (what, kind)))}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_png(curves_figure(target, rows, scale), path)


def curves_figure(target: Target, rows: Sequence[Row], scale: str) -> Figure:
    """Error curves as the paper's Figures 1, 4 and 6 have them, or in one panel where a row is none of their nets.

    In one panel are the seeds that all rows have, or all where they have none in common.
    """
    drawn = {row.entry.name: seeds for row in rows if (seeds := _curves(row))}
    named = [match for name in drawn if (match := _NETS.fullmatch(name))]
    surrogate = surrogate_of([row.entry for row in rows], scale)
    if len(named) == len(drawn):
        figure = _in_panels(named, drawn, scale, whole=surrogate is not None, apart=target.apart)
    else:
        figure = error_curves(_paired(drawn), whole=surrogate is not None)
    if surrogate:
        say_surrogate(figure, surrogate)
    return figure


def _curves(row: Row) -> dict[int, Curve]:
    """By seed; older runs have none."""
    return {
        run["seed"]: Curve(f"{row.entry.name}, seed {run['seed']}", **run["curve"], published=row.paper)
        for run in row.runs
        if "curve" in run
    }


def _paired(drawn: dict[str, dict[int, Curve]]) -> list[Curve]:
    common = set.intersection(*map(set, drawn.values()))
    return [curve for seeds in drawn.values() for seed, curve in seeds.items() if seed in common or not common]


def _in_panels(
    named: Sequence[re.Match[str]], drawn: dict[str, dict[int, Curve]], scale: str, whole: bool, apart: bool
) -> Figure:
    """Plain nets at the left, residual ones at the right; or, `apart`, training error and test error of plain nets.

    `whole`: whether all ends have to be seen.
    """
    nets: dict[str, dict[int, list[Curve]]] = {"plain": {}, "resnet": {}}
    bottom, top = _AXES.get((named[0][1], scale), _WHOLE) if named else _WHOLE
    for match in named:
        nets[match[2]].setdefault(int(match[3]), []).extend(drawn[match[0]].values())
    ends = [curve.test_error[-1] or 0.0 for seeds in drawn.values() for curve in seeds.values()]
    if whole and (highest := max(ends, default=0.0)) > top:
        bottom, top = (bottom, _HIGHER) if highest < _HIGHER else _WHOLE
    if apart:
        return training_and_test(nets["plain"], bottom=bottom, top=top)
    return degradation(nets["plain"], nets["resnet"], bottom=bottom, top=top)
