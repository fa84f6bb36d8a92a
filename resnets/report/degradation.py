"""Error curves of plain and residual nets in panels, as the paper's Figures 1, 4 and 6 have them, with every seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resnets.report.curves import (
    PAPER_TOP,
    Curve,
    Points,
    draw_line,
    finite_points,
    frame,
    last_finite,
    mark_published,
    published_entry,
    training_label,
    windows,
)
from resnets.report.style import COLOURS, MUTED, new_figure, say_empty, styled

Nets = Mapping[int, Sequence[Curve]]
"""From depth to the runs of that depth, one a seed."""

_DEEP = 110  # deeper nets stand in a panel of their own, beside this one
_LATE = 35 / 64  # of the iterations, where that panel begins: before, both nets would hide each other
_BOTH = ("train", "test")


@dataclass(frozen=True)
class _Panel:
    """What one panel shows."""

    title: str
    family: str
    """"plain" or "ResNet": what the names of its lines begin with."""
    nets: Nets
    kinds: tuple[str, ...] = _BOTH
    """Of the errors."""
    label: str = "error (%)"
    since: float = 0.0
    """Which part of the iterations is left out at the left."""


@styled
def degradation(
    plain: Nets, residual: Nets, until: int | None = None, top: float = PAPER_TOP, bottom: float = 0.0
) -> Figure:
    """The paper's Figure 6: plain nets, residual nets to 110 layers, and 110 layers beside deeper ones.

    One colour a depth, percent by iteration: seeds thin, their mean over the steps that all seeds recorded thick;
    training dashed, test bold, the paper's final test error a mark at the right edge. The axes go from `bottom`
    to `top`, those of the third panel from where the paper's begin. What has no run has no panel. ValueError where
    there is no run at all.
    """
    plain, residual = _with_runs(plain), _with_runs(residual)
    usual = {depth: seeds for depth, seeds in residual.items() if depth <= _DEEP}
    deeper = {depth: seeds for depth, seeds in residual.items() if depth >= _DEEP} if len(usual) < len(residual) else {}
    names = " and ".join(f"ResNet-{depth}" for depth in sorted(deeper))
    panels = [
        _Panel("Plain networks", "plain", plain),
        _Panel("Residual networks", "ResNet", usual),
        _Panel(names, "ResNet", deeper, since=_LATE),
    ]
    return _drawn([panel for panel in panels if panel.nets], until, top, bottom)


@styled
def training_and_test(plain: Nets, until: int | None = None, top: float = PAPER_TOP, bottom: float = 0.0) -> Figure:
    """The paper's Figure 1: plain nets, training error at the left and test error at the right.

    Lines and axes are those of `degradation`. ValueError where there is no run.
    """
    nets = _with_runs(plain)
    panels = [
        _Panel(f"Plain networks: {word} error", "plain", nets, (kind,), f"{word} error (%)")
        for kind, word in (("train", "training"), ("test", "test"))
    ]
    return _drawn(panels if nets else [], until, top, bottom)


def _with_runs(nets: Nets) -> Nets:
    return {depth: seeds for depth, seeds in nets.items() if seeds}


def _drawn(panels: Sequence[_Panel], until: int | None, top: float, bottom: float) -> Figure:
    if not panels:
        raise ValueError("degradation: no run was given")
    depths = sorted({depth for panel in panels for depth in panel.nets})
    colours = {depth: COLOURS[index % len(COLOURS)] for index, depth in enumerate(depths)}
    hidden = [_hidden(panel, top) for panel in panels]
    figure = new_figure(9.0 if len(panels) < 3 else 12.0, 4.05 + 0.17 * max(map(len, hidden)))
    shown = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    averaged = 1
    for axes, panel, lines in zip(shown, panels, hidden, strict=True):
        averaged = max(averaged, _draw_panel(axes, panel, colours, until, top))
        axes.set_ylim(bottom, top)
        axes.annotate(
            "\n".join(lines), (0, 0), xytext=(0, -38), xycoords="axes fraction", textcoords="offset points",
            va="top", fontsize=8.5, color=MUTED, linespacing=1.35,
        )  # fmt: skip
    for axes, panel, before in zip(shown[1:], panels[1:], panels, strict=False):
        if panel.label == before.label:
            axes.set_ylabel("")
    handles = _legend(panels, colours, averaged, top)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5))
    return figure


def _draw_panel(axes: Axes, panel: _Panel, colours: Mapping[int, str], until: int | None, top: float) -> int:
    """Draw a panel; returns how many journal rows a point of a training curve stands for."""
    averaged = 1
    for depth, seeds in sorted(panel.nets.items()):
        gid = f"{panel.family}:{depth}"
        averaged = max(averaged, _draw_seeds(axes, seeds, panel.kinds, gid, colours[depth]))
    if not any(len(np.asarray(line.get_xdata())) for line in axes.lines):
        say_empty(axes, "nothing measured yet")
    for depth, seeds in sorted(panel.nets.items()):
        if published := _published(panel, seeds, top):
            mark_published(axes, published[0], f"{panel.family}:{depth}:published", colours[depth])
    frame(axes, [run for seeds in panel.nets.values() for run in seeds], until, top)
    axes.set_xlim(left=panel.since * axes.get_xlim()[1])
    axes.set_title(panel.title)
    axes.set_ylabel(panel.label)
    axes.tick_params(labelleft=True)
    return averaged


def _published(panel: _Panel, seeds: Sequence[Curve], top: float) -> list[float]:
    """What the paper says of a net's test error, once a seed, where the figure shows that and reaches that far."""
    if "test" not in panel.kinds:
        return []
    return [run.published for run in seeds if run.published is not None and run.published <= top]


def _draw_seeds(axes: Axes, seeds: Sequence[Curve], kinds: Sequence[str], gid: str, colour: str) -> int:
    """Seeds thin, their mean thick; returns how many journal rows a point of a training curve stands for."""
    averaged = 1
    for kind in kinds:
        dashed, weight = (True, 1.3) if kind == "train" else (False, 2.4)
        points = [finite_points(run.steps, getattr(run, f"{kind}_error")) for run in seeds]
        for index, one in enumerate(points if len(points) > 1 else []):
            thin, k = windows(one, 2) if dashed else (one, 1)
            averaged = max(averaged, k)
            draw_line(axes, thin, f"{gid}:{kind}:{index}", colour, 0.6, dashed, alpha=0.45)
        mean, k = windows(_mean(points), 2) if dashed else (_mean(points), 1)
        averaged = max(averaged, k)
        draw_line(axes, mean, f"{gid}:{kind}:mean", colour, weight, dashed)
    return averaged


def _mean(curves: Sequence[Points]) -> Points:
    """The mean of several curves at the steps that all of them have."""
    if not curves:
        return np.empty(0), np.empty(0)
    common = sorted(set.intersection(*(set(x.tolist()) for x, _ in curves)))
    values = [dict(zip(x.tolist(), y.tolist(), strict=True)) for x, y in curves]
    return np.array(common), np.array([np.mean([one[step] for one in values]) for step in common])


def _hidden(panel: _Panel, top: float) -> list[str]:
    """A line for each depth that ends above the top of the figure; the paper says so of plain-110.

    It stands below the axes: inside there may be curves anywhere.
    """
    lines = []
    for depth, seeds in sorted(panel.nets.items()):
        ends = [end for run in seeds if (end := _end(run, panel.kinds)) is not None]
        if ends and np.mean(ends) > top:
            lines.append(f"{depth} layers: above the figure, {np.mean(ends):.1f} % at the end")
    return lines


def _end(run: Curve, kinds: Sequence[str]) -> float | None:
    """The last error of a run of the kinds that a panel shows, test before training."""
    ends = [last_finite(getattr(run, f"{kind}_error")) for kind in reversed(kinds)]
    return next((end for end in ends if end is not None), None)


def _legend(panels: Sequence[_Panel], colours: Mapping[int, str], averaged: int, top: float) -> list[Line2D]:
    """An entry for each depth and for each manner of line that the figure has."""
    entries = [
        Line2D([], [], color=colour, linewidth=2.4, label=f"{depth} layers") for depth, colour in colours.items()
    ]
    entries.append(Line2D([], [], color=MUTED, linewidth=1.3, linestyle=(0, (4, 1.6)), label=training_label(averaged)))
    entries.append(Line2D([], [], color=MUTED, linewidth=2.4, label="test"))
    nets = [(panel, seeds) for panel in panels for seeds in panel.nets.values()]
    if any(len(seeds) > 1 for _, seeds in nets):
        entries.append(Line2D([], [], color=MUTED, linewidth=0.6, alpha=0.6, label="one seed"))
    if any(_published(panel, seeds, top) for panel, seeds in nets):
        entries.append(published_entry(MUTED))
    return entries
