"""Figures of documents, drawn from results and from networks by the command of `documents`, never by hand.

The bytes of a PNG differ between versions of matplotlib. So each carries two digests, of the data drawn in it and of
the code that drew it, and of nothing else: where they are those of today, the figure is up to date.
"""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from resnets.documents.curve_figures import draw_cifar10, draw_short
from resnets.documents.drawing_code import digest_of_code
from resnets.documents.measured import on_cifar
from resnets.files import write_atomic
from resnets.models.catalog import model_spec, row, skeleton
from resnets.models.outline import outline
from resnets.paper.degradation_figure import degradation_figure
from resnets.paper.figure3 import outlines
from resnets.paper.lines import Record, papers_own, read_lines
from resnets.paper.published import test_error
from resnets.paper.studies import STUDIES
from resnets.paper.study_figures import draw
from resnets.paper.units import BUILDING_BLOCKS, UNITS, draw_units, unit_records
from resnets.report.drawing import DOTS, network_figure
from resnets.report.side_by_side import side_by_side
from resnets.report.style import save_png

CIFAR10 = "docs/images/cifar10.png"
SHORT = {
    name: f"docs/images/{name}-short.png" for name in ("figure1", "figure6", "shortcuts", "three-times", "warm-up")
}
"""By the name of a target the figure of its runs by the short schedule; that of `figure6` shows `table6` too."""
DEGRADATION, NETWORK = "docs/images/degradation.png", "docs/images/network.png"
FIGURE_3 = "docs/images/figure3.png"
_DRAWN = "cifar_resnet20"
"""The network of that figure."""
_DATA, _CODE = "SHA-256 of the data", "SHA-256 of the drawing code"
"""The texts in the PNG that hold the digests."""


def _units(figure: str, results: Path) -> list[Record]:
    """Nothing of them was measured."""
    return unit_records(figure)


def unit_image(figure: str) -> str:
    """The path of one of `units.UNITS` or `units.BUILDING_BLOCKS` in the checkout."""
    return f"docs/images/units/{figure}.png"


@dataclass(frozen=True)
class DocumentFigure:
    """A figure that is a function of plain data, and of nothing but them."""

    data: Callable[[Path], list[Record] | None]
    """From the folder of results to what is drawn; empty where there is nothing to draw, and then no figure.

    None where the results are older than the habit of recording what is drawn: the figure stays as it is.
    """
    draw: Callable[[list[Record]], Figure]
    code: tuple[str, ...]
    """The modules that draw it; those of `resnets.report` that they import count, too."""
    dots: int = 150
    """To the inch."""
    colours: int | None = None
    """At most so many are kept, for a smaller file."""


def cifar10_runs(results: Path) -> list[Record]:
    """The curves of the paper's own runs, the paper's final test error beside each; older lines have no curve."""
    return [
        {"family": net.family, "depth": net.depth, "published": test_error(net.model, "cifar10"), **line["curve"]}
        for net, lines in papers_own(results).items()
        for line in lines
        if "curve" in line
    ]


def short_runs(what: str, results: Path) -> list[Record]:
    """The curves of the networks of a target by the short schedule."""
    return [
        {"name": row.entry.name, "seed": run["seed"], "curve": run["curve"]}
        for one in on_cifar(results, [what])
        if one.scale == "short"
        for row in one.rows
        for run in row.runs
        if "curve" in run
    ]


def newest_study(what: str, results: Path) -> list[Record]:
    """The newest line of a study in `studies.jsonl`, but for what says when and where; none where there is none."""
    lines = [line for line in read_lines(results / "studies.jsonl") if line.get("study") == what]
    aside = ("environment", "device", "date", "command")
    return [{name: value for name, value in line.items() if name not in aside} for line in lines[-1:]]


def demonstration(results: Path) -> list[Record] | None:
    """The curves of the newest demonstration on digits, and of what they are a surrogate; older lines have none."""
    lines = read_lines(results / "degradation.jsonl")[-1:]
    if any("curves" not in row for line in lines for row in line["table"]):
        return None
    drawn = [[{"net": row["net"], "curves": row["curves"]} for row in line["table"]] for line in lines]
    return [{"table": table, "surrogate": line["surrogate"]} for table, line in zip(drawn, lines, strict=True)]


def draw_demonstration(lines: list[Record]) -> Figure:
    """Its figure."""
    return degradation_figure(lines[0])


def network(results: Path) -> list[Record]:
    """What the drawing of a network shows of it. Nothing of it was measured."""
    spec, size = model_spec(_DRAWN), row(_DRAWN).input_size
    counts = {"layers": spec.layers, "parameters": spec.params, "input_size": size}
    return [{"network": _DRAWN, **counts, "outline": asdict(outline(skeleton(_DRAWN), size))}]


def draw_network(records: list[Record]) -> Figure:
    """Drawn from its definition, of which the records tell all."""
    return network_figure(records[0]["network"])


def figure_3(results: Path) -> list[Record]:
    """What Figure 3 shows of its networks. Nothing of it was measured."""
    return [{"title": title, "outline": asdict(whole)} for title, whole in outlines().items()]


def draw_figure_3(records: list[Record]) -> Figure:
    """Drawn from the networks, of which the records tell all."""
    return side_by_side(outlines())


def study_image(what: str) -> str:
    """The path of a study's figure in the checkout."""
    return f"docs/images/studies/{what}.png"


def draw_study(lines: list[Record]) -> Figure:
    """The figure of that line."""
    return draw(lines[0])


_CURVES = ("resnets.documents.curve_figures", "resnets.report.degradation")
_TARGETS = (*_CURVES, "resnets.paper.curves", "resnets.paper.entries")
_DEMONSTRATION = ("resnets.paper.degradation_figure",)
_STUDIES = ("resnets.paper.study_figures",)
_UNITS = ("resnets.report.unit_drawing",)
_NETWORK = ("resnets.report.drawing",)
_FIGURE_3 = ("resnets.report.side_by_side",)

FIGURES: dict[str, DocumentFigure] = {
    CIFAR10: DocumentFigure(cifar10_runs, draw_cifar10, _CURVES),
    **{
        path: DocumentFigure(partial(short_runs, what), partial(draw_short, what), _TARGETS)
        for what, path in SHORT.items()
    },
    DEGRADATION: DocumentFigure(demonstration, draw_demonstration, _DEMONSTRATION),
    NETWORK: DocumentFigure(network, draw_network, _NETWORK, DOTS),
    FIGURE_3: DocumentFigure(figure_3, draw_figure_3, _FIGURE_3, DOTS, colours=256),
    **{study_image(what): DocumentFigure(partial(newest_study, what), draw_study, _STUDIES) for what in STUDIES},
    **{
        unit_image(figure): DocumentFigure(partial(_units, figure), draw_units, _UNITS)
        for figure in (*UNITS, *BUILDING_BLOCKS)
    },
}
"""By path in the checkout."""


def stale_figures(root: Path, results: Path) -> dict[Path, Callable[[], Any]]:
    """Of `FIGURES` in the checkout at `root` those that are not up to date, and what makes each so.

    A figure is drawn where it is absent, of other data or by other code, and removed where there is nothing to draw.
    """
    found: dict[Path, Callable[[], Any]] = {}
    for name, figure in FIGURES.items():
        path, data = root / name, figure.data(results)
        if data and _texts_in(path) != _texts(figure, data):
            found[path] = partial(_save, figure, data, path)
        elif data == [] and path.exists():
            found[path] = path.unlink
    return found


def digest(data: list[Record]) -> str:
    """SHA-256 of the data of a figure, in hexadecimal."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _texts(figure: DocumentFigure, data: list[Record]) -> dict[str, str]:
    """What the PNG of a figure carries today."""
    return {_DATA: digest(data), _CODE: digest_of_code(figure.code)}


def _texts_in(path: Path) -> dict[str, str | None]:
    """What the PNG carries: None for what is not in it, nothing where there is no such file."""
    try:
        with Image.open(path) as image:
            return {name: image.info.get(name) for name in (_DATA, _CODE)}
    except (FileNotFoundError, UnidentifiedImageError):
        return {}


def _save(figure: DocumentFigure, data: list[Record], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = _texts(figure, data)
    save_png(figure.draw(data), path, dpi=figure.dots, texts=texts)
    if figure.colours:
        _keep_colours(path, figure.colours, texts)


def _keep_colours(path: Path, most: int, texts: dict[str, str]) -> None:
    """Writes the PNG again with a palette of the `most` colours that are nearest to its own, and with `texts`."""
    kept, buffer = PngInfo(), io.BytesIO()
    for name, text in texts.items():
        kept.add_text(name, text)
    with Image.open(path) as image:
        image.convert("RGB").quantize(most, dither=Image.Dither.NONE).save(buffer, "png", optimize=True, pnginfo=kept)
    write_atomic(path, buffer.getvalue())
