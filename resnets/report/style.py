"""One look for every figure, and the ways a figure leaves this room: PNG, SVG, text for a data URI.

Figures are made with matplotlib's objects, never with pyplot, so nothing is kept alive behind the caller's
back. The style is applied while a figure is drawn and while it is saved, and the caller's own settings
return after.
"""

import base64
import io
import math
import textwrap
from collections.abc import Callable, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.layout_engine import ConstrainedLayoutEngine

from resnets.files import write_atomic

P = ParamSpec("P")

INK, MUTED, RULE, CELL = "#1c2330", "#5c6675", "#d9dde3", "#eceef1"

# Okabe and Ito's palette, told apart by colour-blind readers; without its yellow, invisible on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#3c3c3c", "#8c510a")

# matplotlib brings DejaVu Sans, which has no East Asian scripts; the first of these that is installed has.
_MORE_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Source Han Sans",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
)

_LOOK = {
    "figure.facecolor": "white",
    "figure.constrained_layout.use": False,
    "axes.facecolor": "white",
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9.5,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$5 bill$"
    "text.usetex": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
    "svg.fonttype": "path",  # a page shows the same letters on a machine without these fonts
    "svg.hashsalt": "resnets",  # the same figure gives the same bytes
}


@cache
def families() -> tuple[str, ...]:
    """The fonts that figures use: DejaVu Sans, then one for East Asian scripts if any is installed."""
    here = {entry.name for entry in font_manager.fontManager.ttflist}
    return "DejaVu Sans", *[name for name in _MORE_FONTS if name in here][:1]


@cache
def _fonts() -> list[FT2Font]:
    return [font_manager.get_font(font_manager.findfont(name)) for name in families()]


def can_draw(text: str) -> bool:
    """Whether the figures' fonts have a glyph for every character of `text`."""
    return all(character.isprintable() and _has_glyph(character) for character in text)


def _has_glyph(character: str) -> bool:
    return any(font.get_char_index(ord(character)) for font in _fonts())


def font_file(text: str) -> str:
    """The file of the first of the figures' fonts that can draw all of `text`, or else most of it."""
    letters = [ord(letter) for letter in text]
    best = max(_fonts(), key=lambda font: sum(bool(font.get_char_index(letter)) for letter in letters))
    return str(best.fname)


def drawable(text: str, longest: int = 60) -> str:
    """`text` on one line, at most `longest` letters, a white square for each that no font here can draw."""
    text = " ".join(str(text).split())
    text = "".join(letter if can_draw(letter) else "□" for letter in text)
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def class_label(name: str, index: int, longest: int = 18) -> str:
    """What a figure writes for class `index`: its name, or "class 7" where the fonts cannot draw the name."""
    text = " ".join(str(name).split())
    return drawable(text, longest) if text and can_draw(text) else f"class {index}"


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """A decorator: `draw` runs under the shared style, whatever the caller's matplotlib settings are."""

    @wraps(draw)
    def draw_in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(_settings()):
            return draw(*args, **kwargs)

    return draw_in_style


def _settings() -> Any:
    return {**_LOOK, "font.family": list(families())}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` inches that arranges its parts by itself."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))


def say_empty(axes: Axes, text: str) -> None:
    """Write `text` in the middle of axes that have nothing to show."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED)


def say_surrogate(figure: Figure, text: str) -> None:
    """Write over `figure` that it is no figure of the paper's, but, as `text` says, a surrogate."""
    letters = int(figure.get_figwidth() / 0.076)  # one of them is about 0.076 inches wide
    figure.suptitle(textwrap.fill(f"A surrogate: {text}", letters), fontsize=10, color=INK)


def thousands(value: float, _position: object = None) -> str:
    """A tick's label for a count of iterations: 500, 32k, 6.4k, 1.2M."""
    if not math.isfinite(value):
        return ""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def save_png(figure: Figure, path: Path, dpi: int = 150, texts: Mapping[str, str] | None = None) -> Path:
    """Write `figure` to `path` as PNG at `dpi` dots an inch, whole or not at all; returns `path`.

    `texts` go into the file by name, beside the picture.
    """
    write_atomic(path, _render(figure, "png", dpi, texts))
    return path


def to_svg(figure: Figure) -> str:
    """`figure` as SVG text, letters as outlines, without a date: equal figures give equal text."""
    return _render(figure, "svg", 150).decode()


def to_png_base64(figure: Figure, dpi: int = 150) -> str:
    """`figure` as a PNG at `dpi` dots an inch, in base64, as a data URI wants it."""
    return base64.b64encode(_render(figure, "png", dpi)).decode("ascii")


def _render(figure: Figure, kind: str, dpi: int, texts: Mapping[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else dict(texts or {})
    with matplotlib.rc_context(_settings()):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()
