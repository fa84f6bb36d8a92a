"""Figures over iterations: error curves as the paper draws them, and the learning rate.

The paper's figures 1 and 6 set the manner: errors in percent against iterations, training dashed, test bold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from resnets.report.style import COLOURS, INK, MUTED, drawable, new_figure, say_empty, styled, thousands

Points = tuple[np.ndarray, np.ndarray]

PAPER_TOP = 20.0  # percent: the top of the paper's figures for CIFAR-10
_TOPS = (1.0, 2.0, 5.0, 10.0, PAPER_TOP, 30.0, 40.0, 60.0, 80.0, 100.0)
_ARROW = MarkerStyle(4)  # a caret to the left, its tip on the value
_MOST_POINTS = 400  # a curve of this many points is as fine as the figure is wide
_MOST_POINTS_AMONG = 150  # with several runs, finer curves would hide each other
_FEW_RATES = 8  # of the learning rate: so many are steps, more fall all the time


@dataclass(frozen=True)
class Curve:
    """The errors of one run, in percent, by iteration; None where nothing was evaluated.

    Every list of errors is as long as `steps` (ValueError otherwise); `validation_error` may be empty.
    """

    name: str
    steps: Sequence[int]
    train_error: Sequence[float | None]
    test_error: Sequence[float | None]
    published: float | None = None
    """The paper's final test error for this network, in percent: a mark at the right edge."""
    validation_error: Sequence[float | None] = ()

    def __post_init__(self) -> None:
        for field in ("train_error", "test_error", "validation_error"):
            length = len(getattr(self, field))
            if length != len(self.steps) and (field != "validation_error" or length):
                raise ValueError(f"curve {self.name!r}: {field} has {length} values for {len(self.steps)} steps")


@styled
def error_curves(
    runs: Sequence[Curve],
    title: str | None = None,
    until: int | None = None,
    width: float = 7.6,
    whole: bool = False,
) -> Figure:
    """Training (dashed) and test error (bold) of `runs`, in percent, against iterations, up to `until`.

    The top is the paper's 20 %, or another where that would hide all runs or flatten them, or, `whole`, the end of any.
    A training curve of more than 400 points (150 where there are several runs) is averaged over windows, and the legend
    says over how many rows. `width` is in inches. ValueError where there is no run. Manner: the paper's Figures 1, 6.
    """
    if not runs:
        raise ValueError("error_curves: no run was given")
    top = sensible_top(runs, whole)
    handles = _legend(runs, top, longest=int((width - 0.8) / 0.068))
    wide = width > 5
    inside = wide and len(runs) == 1
    letters = max([len(str(handle.get_label())) for handle in handles], default=1)
    columns = max(1, min(3, int(width / (0.068 * letters + 0.7))))  # a letter is about 0.068 inches wide
    below = 0.0 if inside else 0.18 * math.ceil(len(handles) / columns)
    figure = new_figure(width, width * (0.54 if wide else 0.8) + below)
    axes = figure.add_subplot()
    measured = [_draw_run(axes, run, index, len(runs), top) for index, run in enumerate(runs)]
    frame(axes, runs, until, top)
    if title:
        axes.set_title(drawable(title, 90))
    if not any(measured):
        say_empty(axes, "nothing measured yet")
    if handles and inside:
        axes.legend(handles=handles, loc="upper right").set_zorder(5)
    elif handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=columns)
    return figure


def sensible_top(runs: Sequence[Curve], whole: bool = False) -> float:
    """The top of the error axis in percent: the paper's 20 where half of some run's training is under it.

    `whole`: one that is above the ends of all runs.
    """
    ends = [end for run in runs if (end := final_error(run)) is not None]
    if not ends:
        return 100.0
    if whole and max(ends) > PAPER_TOP:
        return next((top for top in _TOPS if top >= 1.1 * max(ends)), 100.0)
    shown = min(_middle(run) for run in runs)
    if min(ends) <= 0.9 * PAPER_TOP and max(ends) >= 3 and shown <= PAPER_TOP:
        return PAPER_TOP
    wanted = 1.5 * (min(ends) if min(ends) > PAPER_TOP else max(*ends, shown if shown > PAPER_TOP else 0.0))
    return next((top for top in _TOPS if top >= wanted), 100.0)


def _middle(run: Curve) -> float:
    """The median of the training error over the whole run."""
    return median([e for e in run.train_error if e is not None and math.isfinite(e)] or [0.0])


def final_error(run: Curve) -> float | None:
    """The last finite error of the first kind that there is: test, validation, training."""
    ends = map(last_finite, (run.test_error, run.validation_error, run.train_error))
    return next((end for end in ends if end is not None), None)


def last_finite(errors: Sequence[float | None]) -> float | None:
    """The last of `errors` that is finite; None where none is."""
    return next((value for value in reversed(errors) if value is not None and math.isfinite(value)), None)


def finite_points(steps: Sequence[int], values: Sequence[float | None]) -> Points:
    """The steps at which there is a finite value, and those values."""
    pairs = [(x, y) for x, y in zip(steps, values, strict=False) if y is not None and math.isfinite(y)]
    x, y = np.array(pairs, dtype=float).reshape(-1, 2).T
    return x, y


def windows(points: Points, among: int) -> tuple[Points, int]:
    """Means over windows of k neighbouring points, few enough for one curve `among` several; and k."""
    x, y = points
    most = _MOST_POINTS if among == 1 else _MOST_POINTS_AMONG
    k = max(1, math.ceil(len(x) / most))
    starts = np.arange(0, len(x), k)
    if k == 1:
        return points, 1
    sizes = np.diff(np.append(starts, len(x)))
    return (np.add.reduceat(x, starts) / sizes, np.add.reduceat(y, starts) / sizes), k


def _draw_run(axes: Axes, run: Curve, index: int, among: int, top: float) -> bool:
    """Draw one run; returns whether there was anything measured to draw."""
    colour = COLOURS[index % len(COLOURS)]
    train, _ = windows(finite_points(run.steps, run.train_error), among)
    draw_line(axes, train, f"train:{index}", colour, 1.0, dashed=True)
    validation = finite_points(run.steps, run.validation_error)
    draw_line(axes, validation, f"validation:{index}", colour if among > 1 else COLOURS[2], 1.2)
    test = finite_points(run.steps, run.test_error)
    (bold,) = draw_line(axes, test, f"test:{index}", colour, 2.3)
    if marker := _marker(index):
        bold.set(marker=marker, markersize=5, markevery=0.1)
    if run.published is not None and run.published <= top:
        mark_published(axes, run.published, f"published:{index}", colour)
    return any(len(points[0]) for points in (train, validation, test))


def _marker(index: int) -> str:
    """More runs than colours: the next ones wear marks, of which the first need none."""
    beyond = index // len(COLOURS)
    return "os^vD"[(beyond - 1) % 5] if beyond else ""


def draw_line(
    axes: Axes, points: Points, gid: str, colour: str, weight: float, dashed: bool = False, alpha: float = 1.0
) -> list[Line2D]:
    x, y = points
    style = (0, (4, 1.6)) if dashed else "-"
    marker = "o" if len(x) == 1 else None  # a line of one point would not be seen
    return axes.plot(
        x,
        y,
        color=colour,
        linewidth=weight,
        linestyle=style,
        marker=marker,
        markersize=4,
        alpha=alpha,
        gid=gid,
    )


def mark_published(axes: Axes, error: float, gid: str, colour: str) -> None:
    """A mark at the right edge of the axes: the paper's final test error."""
    edge = axes.get_yaxis_transform()
    axes.plot([1.0], [error], marker=_ARROW, transform=edge, color=colour, ms=8, clip_on=False, zorder=6, gid=gid)


def published_entry(colour: str, value: str = "") -> Line2D:
    """The legend's entry for that mark."""
    label = f"the paper's final test error{value}"
    return Line2D([], [], color=colour, marker=_ARROW, linestyle="none", label=label)


def frame(axes: Axes, runs: Sequence[Curve], until: int | None, top: float) -> None:
    last = until or max((max(run.steps) for run in runs if len(run.steps)), default=1)
    axes.set_xlim(0, max(last, 1))
    axes.set_ylim(0, top)
    axes.set_ylabel("error (%)")
    axes.set_xlabel("iterations")
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(axis="y")


def training_label(averaged: int) -> str:
    """The legend's word for training curves of which each point is the mean of `averaged` journal rows."""
    return "training" if averaged == 1 else f"training (means of {averaged} rows)"


def _legend(runs: Sequence[Curve], top: float, longest: int) -> list[Line2D]:
    """An entry for each of several runs, `longest` letters at most, and one for each manner of line."""
    several = len(runs) > 1
    entries = []
    for index, run in enumerate(runs if several else []):
        end = final_error(run)
        hidden = f" (above, at {end:.1f} %)" if end is not None and end > top else ""
        label = drawable(run.name, min(48, longest - len(hidden))) + hidden
        colour = COLOURS[index % len(COLOURS)]
        entries.append(Line2D([], [], color=colour, linewidth=2.3, label=label, marker=_marker(index), markersize=5))
    grey = MUTED if several else COLOURS[0]
    train = [finite_points(run.steps, run.train_error) for run in runs]
    if any(len(x) for x, _ in train):
        label = training_label(max(windows(points, len(runs))[1] for points in train))
        entries.append(Line2D([], [], color=grey, linewidth=1.0, linestyle=(0, (4, 1.6)), label=label))
    if any(len(finite_points(run.steps, run.validation_error)[0]) for run in runs):
        colour = MUTED if several else COLOURS[2]
        entries.append(Line2D([], [], color=colour, linewidth=1.2, label="validation"))
    if any(len(finite_points(run.steps, run.test_error)[0]) for run in runs):
        entries.append(Line2D([], [], color=grey, linewidth=2.3, label="test"))
    published = [run.published for run in runs if run.published is not None and run.published <= top]
    if published:
        entries.append(published_entry(grey, "" if several else f", {published[0]:g} %"))
    return entries


@styled
def learning_rate(
    steps: Sequence[int],
    rates: Sequence[float | None],
    events: Sequence[tuple[int, str]] = (),
    until: int | None = None,
    width: float = 7.6,
    texts: bool = True,
) -> Figure:
    """The learning rate by iteration, and `events` as numbered vertical lines, their `texts` below the axes.

    Steps between few rates are drawn as such, on a logarithmic axis where they differ by more than three times and none
    is zero: a rate recorded at step s holds for the steps before s, since a journal row speaks of the steps that it
    closes. More than `_FEW_RATES` are a schedule that falls all the time: a line, on an axis from zero. `width` is in
    inches.
    """
    longest = int(12.5 * width)  # letters that fit
    below = [f"{n}   step {step:,}: {drawable(text, longest)}" for n, (step, text) in enumerate(events, 1) if texts]
    figure = new_figure(width, (2.1 if width > 5 else 2.4) + 0.17 * len(below))
    axes = figure.add_subplot()
    x, y = finite_points(steps, rates)
    smooth = len(np.unique(y)) > _FEW_RATES
    if smooth:
        axes.plot(x, y, color=COLOURS[0], linewidth=1.8, gid="rate")
    elif len(x):
        axes.step(np.append(0.0, x), np.append(y[0], y), where="pre", color=COLOURS[0], linewidth=1.8, gid="rate")
    else:
        say_empty(axes, "nothing recorded yet")
    last = until or max([1, *steps, *(step for step, _ in events)])
    axes.set_xlim(0, last)
    _rate_axis(axes, y, smooth)
    for number, (step, _) in enumerate(events, 1):
        axes.axvline(step, color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), gid=f"event:{number}")
        close = number > 1 and abs(step - events[number - 2][0]) < last / 50
        place = (step, 1.0)
        axes.annotate(
            str(number), place, xytext=(7 if close else 0, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom", fontsize=8, color=INK,
        )  # fmt: skip
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.set_xlabel("iterations")
    axes.annotate(
        "\n".join(below), (0, 0), xytext=(0, -38), xycoords="axes fraction", textcoords="offset points",
        va="top", fontsize=8.5, color=INK, linespacing=1.35,
    )  # fmt: skip
    return figure


def _rate_axis(axes: Axes, rates: np.ndarray, smooth: bool) -> None:
    axes.set_ylabel("learning rate")
    axes.grid(axis="y")
    if not smooth and len(rates) and rates.min() > 0 and rates.max() / rates.min() > 3:
        axes.set_yscale("log")
        axes.set_ylim(rates.min() / 1.8, rates.max() * 1.8)
        axes.yaxis.set_major_locator(LogLocator(numticks=7))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif len(rates):
        axes.set_ylim(min(0.0, 1.1 * rates.min()), 1.15 * rates.max() or 1.0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
