"""Figures of what happens inside networks: responses, lesions, gradients, grown networks, the line between solutions.

All are functions of plain data, as `results/studies.jsonl` has them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from resnets.report.style import COLOURS, INK, MUTED, drawable, new_figure, styled

Numbers = Sequence[float]
_FAR = 10.0
"""A response larger than that, where BN begins with 1, would leave no room for others on a linear axis."""


@styled
def responses(networks: Mapping[str, Numbers], width: float = 7.6) -> Figure:
    """The paper's Figure 7: the standard deviation of each layer's response; above in their order, below sorted.

    On logarithmic axes where one layer would flatten all others to the ground.
    """
    figure = new_figure(width, 0.72 * width)
    panels = figure.subplots(2, 1)
    titles = ("in the order of the layers", "sorted by size")
    for axes, title, ordered in zip(panels, titles, (list, _descending), strict=True):
        for index, (name, values) in enumerate(networks.items()):
            shown = ordered(values)
            _line(axes, range(1, len(shown) + 1), shown, f"{title[:6].strip()}:{name}", index)
        axes.set_title(f"Responses {title}")
        axes.set_ylabel("standard deviation")
        if max(map(max, networks.values())) > _FAR:
            _logarithmic(axes)
        else:
            axes.set_ylim(bottom=0)
        _whole_numbers(axes)
    panels[1].set_xlabel("3×3 convolution")
    _names(figure, networks)
    return figure


def _descending(values: Numbers) -> list[float]:
    return sorted(values, reverse=True)


@styled
def lesions(networks: Mapping[str, tuple[float, Mapping[str, float]]], width: float = 7.6) -> Figure:
    """Test error with one unit taken out, for each network (error of the whole, errors by unit); percent."""
    figure = new_figure(width, 0.5 * width)
    axes = figure.add_subplot()
    for index, (name, (whole, errors)) in enumerate(networks.items()):
        places = range(1, len(errors) + 1)
        _line(axes, places, list(errors.values()), f"lesion:{name}", index, marker="o", style="none", size=6)
        axes.axhline(whole, color=COLOURS[index % len(COLOURS)], linewidth=1.0, linestyle=(0, (4, 1.6)))
        axes.annotate(
            f"whole, {whole:.2f} %", (1.0, whole), xycoords=axes.get_yaxis_transform(), xytext=(-4, 4),
            textcoords="offset points", ha="right", va="bottom", fontsize=8.5, color=MUTED,
        )  # fmt: skip
    only = next(iter(networks.values()))[1]
    if len(networks) == 1:
        axes.set_xticks(range(1, len(only) + 1), list(only), rotation=30 if len(only) > 12 else 0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("the unit that is taken out")
    axes.set_ylabel("test error (%)")
    axes.grid(axis="y")
    _names(figure, networks)
    return figure


@styled
def gradients(networks: Mapping[str, tuple[Numbers, Numbers]], width: float = 7.6) -> Figure:
    """Gradient norms through the depth of networks (with respect to maps, and to weights), on logarithmic axes."""
    figure = new_figure(width, 0.5 * width)
    panels = figure.subplots(1, 2)
    titles = ("Of the layers' outputs", "Of the weights, relative")
    for place, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for index, (name, norms) in enumerate(networks.items()):
            _line(axes, range(1, len(norms[place]) + 1), norms[place], f"{place}:{name}", index)
        _logarithmic(axes)
        axes.set_title(title)
        axes.set_xlabel("layer")
        _whole_numbers(axes)
    panels[0].set_ylabel("norm of the gradient")
    _names(figure, networks)
    return figure


@styled
def learning(networks: Mapping[str, tuple[Sequence[int], Sequence[Numbers]]], width: float = 7.6) -> Figure:
    """Gradient norms of the layers' outputs while networks learn: a panel each, a line for each step (steps, norms)."""
    rows = -(-len(networks) // 2)
    figure = new_figure(width, 0.45 * width * rows + 0.4)
    grid = figure.subplots(rows, min(len(networks), 2), sharey=True, squeeze=False)
    panels = grid.flatten()[: len(networks)]
    for empty in grid.flatten()[len(networks) :]:
        empty.set_axis_off()
    moments = list(dict.fromkeys(step for steps, _ in networks.values() for step in steps))
    for axes, (name, (steps, norms)) in zip(panels, networks.items(), strict=True):
        for step, values in zip(steps, norms, strict=True):
            _line(axes, range(1, len(values) + 1), values, f"{name}:{step}", moments.index(step))
        axes.set_title(drawable(name, 24))
        axes.set_xlabel("layer")
        _whole_numbers(axes)
    for axes in panels:
        _logarithmic(axes)
    for axes in grid[:, 0]:
        axes.set_ylabel("norm of the gradient")
    _names(figure, {f"{step:,} iterations" if step else "before training": step for step in moments})
    return figure


@styled
def growth(
    steps: Numbers, losses: Numbers, strengths: Mapping[str, Numbers], without: Numbers, width: float = 7.6
) -> Figure:
    """What training makes of units that began at zero: the loss left, how strongly each responds right.

    `without`: the loss of the network that has none of them, trained on in the same way.
    """
    figure = new_figure(width, 0.45 * width)
    left, right = figure.subplots(1, 2)
    for values, style, label in ((losses, "-", "with the new units"), (without, (0, (4, 1.6)), "without them")):
        _line(left, steps, values, label, 0, style=style, label=label)
        left.lines[-1].set_color(INK)  # colours are those of the units
    left.legend(frameon=False, loc="best")
    left.set_title("Training loss")
    left.set_ylabel("cross entropy")
    left.set_ylim(bottom=0)
    for index, (name, values) in enumerate(strengths.items()):
        _line(right, steps, values, f"unit:{name}", index)
    right.set_title("Responses of the new units")
    right.set_ylabel("standard deviation of F(x)")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("iterations since the construction")
        _whole_numbers(axes)
    _names(figure, strengths)
    return figure


@styled
def line(points: Sequence[Mapping[str, float]], ends: tuple[str, str], width: float = 7.6) -> Figure:
    """Loss left and error right along the line between two solutions, at "share" of the way; training dashed."""
    figure = new_figure(width, 0.45 * width)
    shares = [point["share"] for point in points]
    panels = figure.subplots(1, 2)
    for axes, kind, label in zip(panels, ("loss", "error"), ("loss", "error (%)"), strict=True):
        for part, style in (("train", (0, (4, 1.6))), ("test", "-")):
            values = [point[f"{part}_{kind}"] for point in points]
            _line(axes, shares, values, f"{part}:{kind}", 0, style=style, label=part)
        for end in (0.0, 1.0):
            axes.axvline(end, color=MUTED, linewidth=0.8, linestyle=(0, (1, 1.5)))
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("share of the way")
        axes.grid(axis="y")
    names = (f"{end}: {drawable(name, 56)}" for end, name in enumerate(ends))
    handles = [line for line in panels[0].lines if line.get_label() in ("train", "test")]
    figure.legend(handles=handles, loc="outside lower left", ncols=2, title="\n".join(names), alignment="left")
    return figure


def _line(
    axes: Axes,
    x: Sequence[float],
    y: Numbers,
    gid: str,
    index: int,
    marker: str | None = None,
    style: object = "-",
    label: str | None = None,
    size: float = 3.5,
) -> None:
    axes.plot(
        np.asarray(x), np.asarray(y), color=COLOURS[index % len(COLOURS)], linewidth=1.6, linestyle=style, gid=gid,
        marker=marker or ("o" if len(y) < 40 and style == "-" else None), markersize=size, label=label,
    )  # fmt: skip
    axes.grid(axis="y")


def _logarithmic(axes: Axes) -> None:
    """What has been drawn; with marks enough to be read, however narrow the range."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(numticks=7) if high > 100 * low else LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _whole_numbers(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))


_SHORT = 26
"""Letters of a name of which three have room side by side."""


def _names(figure: Figure, networks: Mapping[str, object]) -> None:
    """A legend of the networks by colour."""
    handles = [
        figure.axes[0].plot([], [], color=COLOURS[index % len(COLOURS)], linewidth=1.6, label=drawable(name, 48))[0]
        for index, name in enumerate(networks)
    ]
    columns = 3 if max(map(len, networks)) <= _SHORT else 2
    figure.legend(handles=handles, loc="outside lower left", ncols=min(columns, len(handles)), labelcolor=INK)
