"""The figure of the degradation of plain nets: the paper's Figure 6, with every seed that was run."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resnets.report.curves import (
    PAPER_TOP,
    Curve,
    Points,
    draw_line,
    final_error,
    finite_points,
    frame,
    mark_published,
    published_entry,
    training_label,
    windows,
)
from resnets.report.style import COLOURS, MUTED, new_figure, styled


@styled
def degradation(
    plain: Mapping[int, Sequence[Curve]],
    residual: Mapping[int, Sequence[Curve]],
    until: int | None = None,
    top: float = PAPER_TOP,
    bottom: float = 0.0,
    width: float = 9.0,
) -> Figure:
    """The paper's Figure 6: plain nets left, residual nets right, one colour a depth; percent by iteration.

    Each mapping goes from depth to the runs of that depth, one a seed: thin lines, their mean over the
    steps that all seeds recorded thick; training dashed, test bold, the paper's final test error a mark at
    the right edge. The axes go from `bottom` to `top`. A family without runs has no panel. `width` is in
    inches. ValueError where neither has.
    """
    families = {"plain": plain, "ResNet": residual}
    shown = {word: nets for word, nets in families.items() if any(nets.values())}
    if not shown:
        raise ValueError("degradation: no run was given")
    depths = sorted({depth for nets in shown.values() for depth in nets})
    figure = new_figure(width, 0.45 * width)
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    averaged = 1
    for axes, (word, nets) in zip(panels, shown.items(), strict=True):
        for depth in sorted(nets):
            colour = COLOURS[depths.index(depth) % len(COLOURS)]
            averaged = max(averaged, _draw_seeds(axes, nets[depth], f"{word}:{depth}", colour))
            if published := _published(nets[depth], top):
                mark_published(axes, published[0], f"{word}:{depth}:published", colour)
        frame(axes, [run for seeds in nets.values() for run in seeds], until, top)
        axes.set_ylim(bottom, top)
        axes.set_title(f"{'Plain' if word == 'plain' else 'Residual'} networks")
        axes.tick_params(labelleft=True)
        _say_hidden(axes, nets, top)
    for axes in panels[1:]:
        axes.set_ylabel("")
    handles = _depth_legend(depths, [seeds for nets in shown.values() for seeds in nets.values()], averaged, top)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5))
    return figure


def _published(seeds: Sequence[Curve], top: float) -> list[float]:
    """What the paper says of a net, once a seed, where the figure reaches that far."""
    return [run.published for run in seeds if run.published is not None and run.published <= top]


def _draw_seeds(axes: Axes, seeds: Sequence[Curve], gid: str, colour: str) -> int:
    """Seeds thin, their mean thick; returns how many journal rows a point of a training curve stands for."""
    averaged = 1
    for kind, dashed, weight in (("train", True, 1.3), ("test", False, 2.4)):
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


def _say_hidden(axes: Axes, nets: Mapping[int, Sequence[Curve]], top: float) -> None:
    """Name the depths that end above the top of the figure, as the paper does for plain-110."""
    lines = []
    for depth in sorted(nets):
        ends = [end for run in nets[depth] if (end := final_error(run)) is not None]
        if ends and np.mean(ends) > top:
            lines.append(f"{depth} layers: above the figure, {np.mean(ends):.1f} % at the end")
    axes.text(
        0.98, 0.98, "\n".join(lines), transform=axes.transAxes,
        ha="right", va="top", fontsize=8.5, color=MUTED,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2},
    )  # fmt: skip


def _depth_legend(depths: Sequence[int], nets: Sequence[Sequence[Curve]], averaged: int, top: float) -> list[Line2D]:
    """An entry for each depth and for each manner of line that the figure has; `nets` are the seeds of each."""
    entries = [
        Line2D([], [], color=COLOURS[index % len(COLOURS)], linewidth=2.4, label=f"{depth} layers")
        for index, depth in enumerate(depths)
    ]
    entries.append(Line2D([], [], color=MUTED, linewidth=1.3, linestyle=(0, (4, 1.6)), label=training_label(averaged)))
    entries.append(Line2D([], [], color=MUTED, linewidth=2.4, label="test"))
    if any(len(seeds) > 1 for seeds in nets):
        entries.append(Line2D([], [], color=MUTED, linewidth=0.6, alpha=0.6, label="one seed"))
    if any(_published(seeds, top) for seeds in nets):
        entries.append(published_entry(MUTED))
    return entries
