"""Figures of documents, drawn from results and from networks by the command of `documents`, never by hand.

The bytes of a PNG differ between versions of matplotlib. So each carries a digest of the data drawn in it, and of
nothing else: where that is the digest of today's data, the figure is up to date.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image, UnidentifiedImageError

from resnets.documents.units import UNITS, draw_units, image, unit_records
from resnets.paper.curves import curves_figure
from resnets.paper.lines import Record, papers_own, read_lines
from resnets.paper.published import test_error
from resnets.paper.studies import STUDIES, draw
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import Row, rows_of
from resnets.report.figures import Curve, degradation, save_png

CIFAR10 = "docs/images/cifar10.png"
SHORT = {name: f"docs/images/{name}-short.png" for name in ("figure6", "shortcuts", "three-times")}
"""By the name of a target the figure of its runs by the short schedule; that of `figure6` shows `table6` too."""
_DIGEST = "SHA-256 of the data"
"""The text in the PNG that holds the digest."""


@dataclass(frozen=True)
class DocumentFigure:
    """A figure that is a function of plain data, and of nothing but them."""

    data: Callable[[Path], list[Record]]
    """From the folder of results to what is drawn; empty where there is nothing to draw, and then no figure."""
    draw: Callable[[list[Record]], Figure]


def cifar10_runs(results: Path) -> list[Record]:
    """The curves of the paper's own runs, the paper's final test error beside each; older lines have no curve."""
    return [
        {"family": net.family, "depth": net.depth, "published": test_error(net.model, "cifar10"), **line["curve"]}
        for net, lines in papers_own(results).items()
        for line in lines
        if "curve" in line
    ]


def draw_cifar10(runs: list[Record]) -> Figure:
    """The paper's Figure 6, as far as its nets have been run."""
    nets: dict[str, dict[int, list[Curve]]] = {"plain": {}, "resnet": {}}
    for run in runs:
        name = f"{run['family']}-{run['depth']}"
        curve = Curve(name, run["steps"], run["train_error"], run["test_error"], run["published"])
        nets[run["family"]].setdefault(run["depth"], []).append(curve)
    return degradation(nets["plain"], nets["resnet"])


def short_runs(what: str, results: Path) -> list[Record]:
    """The curves of the networks of a target by the short schedule."""
    lines = read_lines(results / "cifar10.jsonl")
    rows = rows_of(TARGETS[what], "short", sorted({line["seed"] for line in lines}), lines)
    return [
        {"name": row.entry.name, "seed": run["seed"], "curve": run["curve"]}
        for row in rows
        for run in row.runs
        if "curve" in run
    ]


def draw_short(what: str, runs: list[Record]) -> Figure:
    """Their figure as a surrogate, which it says."""
    target = TARGETS[what]
    entries = {entry.name: entry for entry in target.entries}
    names = dict.fromkeys(run["name"] for run in runs)
    rows = [Row(entries[name], "short", [run for run in runs if run["name"] == name]) for name in names]
    return curves_figure(target, rows, "short")


def newest_study(what: str, results: Path) -> list[Record]:
    """The newest line of a study in `studies.jsonl`, but for what says when and where; none where there is none."""
    lines = [line for line in read_lines(results / "studies.jsonl") if line["study"] == what]
    aside = ("environment", "device", "date", "command")
    return [{name: value for name, value in line.items() if name not in aside} for line in lines[-1:]]


def study_image(what: str) -> str:
    """The path of a study's figure in the checkout."""
    return f"docs/images/studies/{what}.png"


FIGURES: dict[str, DocumentFigure] = {
    CIFAR10: DocumentFigure(cifar10_runs, draw_cifar10),
    **{path: DocumentFigure(partial(short_runs, what), partial(draw_short, what)) for what, path in SHORT.items()},
    **{
        study_image(what): DocumentFigure(partial(newest_study, what), lambda lines: draw(lines[0])) for what in STUDIES
    },
    **{image(figure): DocumentFigure(partial(unit_records, figure), draw_units) for figure in UNITS},
}
"""By path in the checkout."""


def stale_figures(root: Path, results: Path) -> dict[Path, Callable[[], Any]]:
    """Of `FIGURES` in the checkout at `root` those that are not up to date, and what makes each so.

    A figure is drawn where it is absent or of other data, and removed where there is nothing to draw.
    """
    found: dict[Path, Callable[[], Any]] = {}
    for name, figure in FIGURES.items():
        path, data = root / name, figure.data(results)
        if data and _digest_in(path) != digest(data):
            found[path] = partial(_save, figure, data, path)
        elif not data and path.exists():
            found[path] = path.unlink
    return found


def digest(data: list[Record]) -> str:
    """SHA-256 of the data of a figure, in hexadecimal."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _digest_in(path: Path) -> str | None:
    """The digest that the PNG carries, None where there is no such file or no digest in it."""
    try:
        with Image.open(path) as image:
            return image.info.get(_DIGEST)
    except (FileNotFoundError, UnidentifiedImageError):
        return None


def _save(figure: DocumentFigure, data: list[Record], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(figure.draw(data), path, texts={_DIGEST: digest(data)})
