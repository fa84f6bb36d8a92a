"""A network drawn whole from its definition, in the spirit of Figure 3 of arXiv:1512.03385.

One box a layer, one colour a stage, curved arrows for the shortcuts: solid for an identity, dotted where the
dimensions change. Boxes, sizes and arrows are read off the modules and the layer table. Lengths are inches.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from resnets.files import write_atomic
from resnets.models.catalog import model_spec, row, skeleton
from resnets.models.layers import depth
from resnets.models.outline import Outline, outline
from resnets.report.drawing_columns import Column, Pen
from resnets.report.drawing_plan import (
    ARCS,
    BOX_WIDTH,
    GUTTER,
    LABELS,
    LANES,
    Cell,
    cells,
    columns,
    formulas,
    legend,
    length,
)
from resnets.report.layer_boxes import kind_of_arrow
from resnets.report.style import MUTED, save_png, styled, to_svg
from resnets.report.unit_drawing import text_width

MARGIN, HEAD, LEGEND_LINE = 0.25, 0.95, 0.2
NARROWEST, LONGEST_NOTE = 3.9, 5.0
MOST_PIXELS = 40e6
DOTS = 200
"""To the inch, where that many pixels allow them."""


def draw(network: str | nn.Module, path: str | Path, input_size: int | None = None) -> None:
    """Draw `network`, a name of the catalogue or a module, to `path` as SVG or PNG, as its suffix says.

    `input_size` is the side of the square input in pixels; by default that of the catalogue, 224 for a module
    that is not from there. Raises ValueError for another suffix or an unknown name, OSError as the file system
    does.
    """
    path = Path(path)
    if path.suffix.lower() not in (".svg", ".png"):
        raise ValueError(f"{path}: a drawing ends in {path.suffix or 'nothing'!r}, allowed are .svg and .png")
    figure = network_figure(network, input_size)
    if path.suffix.lower() == ".svg":
        write_atomic(path, to_svg(figure))
    else:
        width, height = figure.get_size_inches()
        save_png(figure, path, dpi=int(min(DOTS, math.sqrt(MOST_PIXELS / (width * height)))))


def network_figure(network: str | nn.Module, input_size: int | None = None) -> Figure:
    """What `draw` saves."""
    name = network if isinstance(network, str) else getattr(network, "spec_name", None)
    title = name or type(network).__name__
    size = input_size or (row(name).input_size if name else 224)
    model = skeleton(network) if isinstance(network, str) else network
    whole = outline(model, size)
    layers = model_spec(network).layers if isinstance(network, str) else depth(list(whole.layers))
    return drawing(title, whole, layers, sum(p.numel() for p in model.parameters()), size)


@styled
def drawing(title: str, whole: Outline, layers: int, params: int, input_size: int) -> Figure:
    """The figure; its size follows from the network. `layers` as its paper counts, `input_size` in pixels."""
    shown = cells(whole)
    box = max(BOX_WIDTH, *(text_width(text) + 0.12 for cell in shown for text in cell.texts))
    arcs, outside = _beside(shown)
    space = GUTTER + outside
    pitch = LABELS + box + arcs + space
    wrapped = columns(shown, pitch)
    tallest = max(length(column) for column in wrapped)
    said = min(LONGEST_NOTE, max(map(text_width, formulas(whole)), default=0.0))
    width = 2 * MARGIN + max(len(wrapped) * pitch - GUTTER, said, NARROWEST - 2 * MARGIN)
    left = (width - len(wrapped) * pitch + GUTTER) / 2
    margin = min(left, width - MARGIN - said)
    notes = list(_notes(whole, width - margin - MARGIN))
    height = HEAD + tallest + MARGIN + LEGEND_LINE * (len(notes) + 1)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    work = sum(layer.multiply_adds for layer in whole.layers)
    axes.text(left, 0.3, title, fontsize=14, fontweight="bold", va="center")
    counts = f"{layers:,} layers · {params:,} parameters\n{work:,} multiply-adds"
    axes.text(left, 0.57, counts, fontsize=7.5, va="center", color=MUTED, linespacing=1.35)
    image = f"{whole.layers[0].in_channels}×{input_size}×{input_size}"
    axes.text(left + LABELS + box / 2, HEAD - 0.11, f"image, {image}", fontsize=7.5, ha="center")
    pen = Pen(axes, whole)
    for i, column in enumerate(wrapped):
        x = left + i * pitch
        continued = i > 0 and wrapped[i - 1][-1].stage == column[0].stage
        pen.column(Column(x, box, arcs, x - GUTTER / 2, HEAD), column, continued)
    _write(axes, notes, margin, HEAD + tallest + MARGIN / 2)
    return figure


def _beside(shown: list[Cell]) -> tuple[float, float]:
    """The room for shortcuts right of the boxes, in their panels and outside of them."""
    wires = {wire.lane for cell in shown for wire in cell.opens}
    if not any(cell.block and cell.block.shortcut for cell in shown):
        return 0.12, 0.0
    return ARCS + (LANES[0] if wires else 0.0), LANES[1] if 1 in wires else 0.0


def _notes(whole: Outline, width: float) -> Iterator[tuple[bool | None, str]]:
    """The lines below: kinds of arrows (dotted or not), then what the units compute."""
    yield from legend(whole)
    for formula in formulas(whole):
        letters = int(len(formula) * width / text_width(formula))
        for line in wrap(formula, letters + 1, subsequent_indent="    "):
            yield None, line


def _write(axes: Axes, notes: list[tuple[bool | None, str]], left: float, top: float) -> None:
    for number, (dotted, text) in enumerate(notes, 1):
        y = top + LEGEND_LINE * number
        if dotted is None:
            axes.text(left, y, text, fontsize=7.5, va="center")
        else:
            kind_of_arrow(axes, left, y, text, dotted)
