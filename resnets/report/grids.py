"""Figures of what a network gets wrong: the confusion matrix, and the worst mistakes as pictures."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from resnets.report.style import CELL, INK, MUTED, RULE, class_label, drawable, new_figure, say_empty, styled

_MISTAKES = LinearSegmentedColormap.from_list("mistakes", ["#ffffff", "#fbd9bd", "#e8833a", "#b34700", "#6b2800"])
_WARM = LinearSegmentedColormap.from_list("warm", ["#3b1a6e", "#b8336a", "#f5803e", "#fde968"])
_COUNTED = 20  # up to this many classes a cell has room for its count
_NAMED = 40  # up to this many, the axes have room for every name
_SMALL = 128  # pixels: a smaller picture is enlarged, and its pixels are kept square


@styled
def confusion(matrix: Any, classes: Sequence[str], width: float = 7.0) -> Figure:
    """The confusion matrix, counts (C, C): rows are the true classes, columns what the network said.

    Colour is the share of a row's images that went to a wrong class, in percent; the diagonal is left grey,
    since the right answers would drown the mistakes. Counts stand in the cells up to 20 classes, names on
    the axes up to 40, numbers beyond. `width` is the most that the figure takes, in inches. ValueError
    where the shapes do not fit.
    """
    counts = np.asarray(matrix)
    size = len(classes)
    if not size or counts.shape != (size, size):
        raise ValueError(f"confusion: the matrix has shape {counts.shape}, {size} classes ask for ({size}, {size})")
    labels = [class_label(name, index, 18 if width > 5 else 11) for index, name in enumerate(classes)]
    side = min(width - (1.6 if size <= _NAMED else 1.2), 0.9 * size)
    figure = new_figure(side + 1.4, side + (1.1 if size <= _COUNTED else 0.7))
    axes = figure.add_subplot()
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    share[np.eye(size, dtype=bool)] = np.nan
    most = max(float(np.nanmax(share, initial=0.0)), 0.1)
    colours = _MISTAKES.with_extremes(bad=CELL)
    image = axes.imshow(np.ma.masked_invalid(share), cmap=colours, vmin=0, vmax=most, interpolation="none")
    _name_classes(axes, labels, 72 * side / size)
    if size <= _COUNTED:
        _write_counts(axes, counts, share / most, 72 * side / size)
    else:
        bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
        bar.set_label("images of the true class that went there (%)")
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return figure


def _name_classes(axes: Axes, labels: Sequence[str], cell: float) -> None:
    """Ticks for the classes: names where there is room, upright where they fit a cell of `cell` points."""
    size = len(labels)
    axes.set_xlabel("predicted class" if size <= _NAMED else "predicted class (number)")
    axes.set_ylabel("true class" if size <= _NAMED else "true class (number)")
    if size <= _NAMED:
        small = min(8.5, max(6.0, 0.42 * cell))
        fits = 0.62 * small * max(map(len, labels)) < cell
        turned: dict[str, Any] = {} if fits else {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(size), labels, fontsize=small, **turned)
        axes.set_yticks(range(size), labels, fontsize=small)
        for tick in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            tick.set_parse_math(False)
    else:
        step = next(step for step in (10, 20, 50, 100, 200, 500, 1000, size) if size / step <= 12 or step == size)
        axes.set_xticks(range(0, size, step))
        axes.set_yticks(range(0, size, step))
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set(visible=True, color=RULE)


def _write_counts(axes: Axes, counts: np.ndarray, strength: np.ndarray, cell: float) -> None:
    """The count in each cell, `cell` points wide; wrong cells without images stay blank."""
    digits = max(3, len(f"{counts.max():,}"))
    fontsize = min(9.0, 1.15 * cell / digits)  # a digit is about two thirds as wide as the letters are high
    for row in range(len(counts)):
        for column in range(len(counts)):
            right = row == column
            if not right and not counts[row, column]:
                continue
            colour = MUTED if right else "white" if strength[row, column] > 0.55 else INK
            axes.text(
                column, row, f"{counts[row, column]:,}",
                ha="center", va="center", fontsize=fontsize, color=colour,
                weight="bold" if right else "normal",
            )  # fmt: skip


@styled
def mistakes(images: Any, captions: Sequence[str], width: float = 7.6) -> Figure:
    """A grid of pictures, uint8 (K, 3, H, W) or a list of (3, H, W), over their captions.

    Pictures under 128 pixels are enlarged without smoothing: every pixel is a square. `width` is in inches.
    ValueError where the shapes or the numbers do not fit.
    """
    pictures = [np.asarray(image) for image in images]
    shapes = {picture.shape for picture in pictures}
    if len(pictures) != len(captions) or any(len(shape) != 3 or shape[0] != 3 for shape in shapes):
        raise ValueError(
            f"mistakes: {len(pictures)} images of shapes {sorted(shapes)} for {len(captions)} captions, "
            "wanted (3, H, W) and a caption each"
        )
    columns = max(1, min(len(captions), 6 if width > 5 else 3))
    rows = max(1, math.ceil(len(captions) / columns))
    cell = min(width / columns, 2.4)
    figure = new_figure(cell * columns if len(captions) else width, (cell + 0.42) * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in panels:
        panel.axis("off")
    if not len(captions):
        say_empty(panels[0], "no mistakes to show")
    for panel, picture, caption in zip(panels, pictures, captions, strict=False):  # panels may be left over
        kept = "nearest" if max(picture.shape[1:]) < _SMALL else "antialiased"
        panel.imshow(picture.transpose(1, 2, 0), interpolation=kept)
        lines = textwrap.wrap(drawable(caption, 60), width=max(10, int(13.5 * cell)))
        panel.text(0.5, -0.04, "\n".join(lines[:3]), transform=panel.transAxes, va="top", ha="center", fontsize=7.5)
    return figure


def overlay(image: Any, heat: Any) -> np.ndarray:
    """A picture, uint8 (3, H, W), in grey, and over it where `heat`, float (h, w), is positive: the more, the warmer.

    `heat` is scaled to the picture; its largest value is the warmest colour, whatever it is. uint8 (3, H, W); pictures
    under 128 pixels are enlarged first, as a map has to be smooth.
    """
    picture = Image.fromarray(np.ascontiguousarray(np.asarray(image).transpose(1, 2, 0)))
    factor = max(1, _SMALL // max(picture.size))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    positive = np.maximum(np.asarray(heat, dtype=np.float32), 0)
    strength = np.asarray(Image.fromarray(positive).resize(picture.size, Image.Resampling.BICUBIC))
    strength = np.clip(strength / max(float(positive.max()), 1e-12), 0, 1)[..., None]
    grey = np.asarray(picture.convert("L"), dtype=np.float32)[..., None]
    colour = 255 * _WARM(strength[..., 0])[..., :3]
    mixed = grey + 0.75 * np.sqrt(strength) * (colour - grey)
    return np.clip(mixed.round(), 0, 255).astype(np.uint8).transpose(2, 0, 1)
