"""Figures of the report: what is drawn is the data, looked up in the axes rather than in pixels."""

import gc
import math
import sys
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from resnets.report import figures, style
from resnets.report.curves import sensible_top
from resnets.report.figures import Curve, overlay


def line(figure: Figure, gid: str, panel: int = 0) -> Line2D:
    (found,) = [one for one in figure.axes[panel].lines if one.get_gid() == gid]
    return found


def points(figure: Figure, gid: str) -> np.ndarray:
    """What the line is drawn through, (N, 2), in the first panel."""
    return np.asarray(line(figure, gid).get_xydata(), dtype=float)


def texts(figure: Figure) -> str:
    inside = [text.get_text() for axes in figure.axes for text in axes.texts]
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()] + list(figure.legends)
    return " | ".join(inside + [text.get_text() for legend in legends if legend for text in legend.get_texts()])


def curve(name: str = "net", count: int = 10, final: float = 8.0, published: float | None = None) -> Curve:
    steps = [100 * (index + 1) for index in range(count)]
    train = [final + 50 / (index + 1) - 50 / count for index in range(count)]
    test = [error + 1 if index % 3 == 0 or index == count - 1 else None for index, error in enumerate(train)]
    return Curve(name, steps, train, test, published)


def test_error_curves_hold_the_data() -> None:
    run = curve(published=8.75)
    figure = figures.error_curves([run], title="a title")
    train, test = line(figure, "train:0"), line(figure, "test:0")
    np.testing.assert_allclose(points(figure, "train:0"), np.array([run.steps, run.train_error], dtype=float).T)
    kept = [(x, y) for x, y in zip(run.steps, run.test_error, strict=True) if y is not None]
    np.testing.assert_allclose(points(figure, "test:0"), np.array(kept, dtype=float))
    assert train.is_dashed()
    assert not test.is_dashed()
    assert test.get_linewidth() > train.get_linewidth()
    assert points(figure, "published:0").tolist() == [[1, 8.75]]
    assert figure.axes[0].get_ylim() == (0, 20)
    assert "8.75" in texts(figure)


def test_none_and_nan_are_left_out() -> None:
    run = Curve("net", [1, 2, 3], [50.0, math.nan, None], [None, None, None])
    figure = figures.error_curves([run])
    assert points(figure, "train:0").tolist() == [[1, 50]]
    assert line(figure, "train:0").get_marker() == "o"
    assert "test" not in texts(figure)


def test_a_long_training_curve_is_averaged_and_says_so() -> None:
    run = curve(count=1201)
    figure = figures.error_curves([run])
    drawn = points(figure, "train:0")
    assert len(drawn) == 301  # windows of four rows, the last of one
    np.testing.assert_allclose(drawn[0], [250, float(np.mean(np.array(run.train_error[:4], dtype=float)))])
    np.testing.assert_allclose(drawn[-1], np.array([run.steps[-1], run.train_error[-1]], dtype=float))
    assert "means of 4 rows" in texts(figure)
    assert len(points(figure, "test:0")) == 401


def test_the_top_is_the_papers_unless_it_hides_everything() -> None:
    assert sensible_top([curve(final=6.4)]) == 20
    assert sensible_top([curve(final=13.3), curve(final=62)]) == 20
    assert sensible_top([curve(final=60)]) == 100
    assert sensible_top([curve(final=25)]) == 40
    assert sensible_top([curve(final=0.0)]) == 2
    short = Curve("short", [1, 2, 3], [70.0, 30.0, 10.0], [None, None, 12.0])
    assert sensible_top([short]) == 60  # most of it would be hidden
    assert sensible_top([short, curve(final=6.4)]) == 20
    assert sensible_top([curve(final=13.3), curve(final=62)], whole=True) == 80  # above the end of every run
    assert sensible_top([curve(final=13.3), curve(final=17)], whole=True) == 20
    assert sensible_top([curve(final=13.3), curve(final=95)], whole=True) == 100
    assert sensible_top([Curve("net", [], [], [])]) == 100


def test_a_run_above_the_figure_is_named() -> None:
    figure = figures.error_curves([curve("good"), curve("plain-110", final=62)])
    assert "plain-110 (above, at 63.0 %)" in texts(figure)


@pytest.mark.parametrize("count", [1, 2, 20])
@pytest.mark.parametrize("width", [4.3, 7.6])
def test_any_number_of_runs_can_be_saved(count: int, width: float, tmp_path: Path) -> None:
    runs = [curve(f"run {index} " + "long " * 20, published=8.0) for index in range(count)]
    figure = figures.error_curves(runs, until=2000, width=width)
    assert figure.axes[0].get_xlim() == (0, 2000)
    path = figures.save_png(figure, tmp_path / "figure.png", dpi=50)
    with Image.open(path) as image:
        assert image.width == round(50 * width)


def test_validation_is_drawn() -> None:
    run = Curve("net", [1, 2], [5.0, 4.0], [None, 6.0], None, [8.0, 7.0])
    assert points(figures.error_curves([run]), "validation:0").tolist() == [[1, 8], [2, 7]]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="no run"):
        figures.error_curves([])
    with pytest.raises(ValueError, match="train_error has 1 values for 2 steps"):
        Curve("net", [1, 2], [1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        figures.confusion(np.zeros((2, 3)), ["a", "b"])
    with pytest.raises(ValueError, match="captions"):
        figures.mistakes(np.zeros((2, 3, 8, 8), np.uint8), ["one"])


def test_learning_rate() -> None:
    events = [(20, "warm-up ends"), (21, "x" * 500)]
    figure = figures.learning_rate([10, 20, 30], [0.01, 0.01, 0.1], events)
    assert points(figure, "rate").tolist() == [[0, 0.01], [10, 0.01], [20, 0.01], [30, 0.1]]
    assert line(figure, "rate").get_drawstyle() == "steps-pre"
    assert figure.axes[0].get_yscale() == "log"
    assert points(figure, "event:1")[:, 0].tolist() == [20, 20]
    assert "step 20: warm-up ends" in texts(figure)
    figures.to_svg(figure)


def test_a_learning_rate_that_falls_all_the_time_is_a_line() -> None:
    """On a logarithmic axis the end of a cosine, a ten-thousandth of a millionth, would leave no room for the rest."""
    rates: list[float | None] = [0.05 * (1 + math.cos(math.pi * step / 200)) for step in range(10, 201, 10)]
    figure = figures.learning_rate([*range(10, 201, 10)], rates)
    assert figure.axes[0].get_yscale() == "linear"
    assert line(figure, "rate").get_drawstyle() == "default"
    assert points(figure, "rate")[:, 1].tolist() == rates


@pytest.mark.parametrize("rates", [[], [0.1], [0.0, 0.0], [0.1, 0.0], [0.1, 0.1], [None, math.nan]])
def test_learning_rates_of_every_kind(rates: list[float | None]) -> None:
    figures.to_svg(figures.learning_rate([*range(1, len(rates) + 1)], rates))


@pytest.mark.parametrize("classes", [1, 2, 10, 20, 21, 40, 41, 100])
def test_confusion(classes: int) -> None:
    matrix = np.arange(classes**2).reshape(classes, classes) + 1
    figure = figures.confusion(matrix, [f"a rather long class name {index}" for index in range(classes)])
    shown = figure.axes[0].images[0].get_array()
    assert shown is not None
    share = 100 * matrix / matrix.sum(axis=1, keepdims=True)
    off = ~np.eye(classes, dtype=bool)
    np.testing.assert_allclose(np.asarray(shown)[off], share[off])
    assert np.ma.getmaskarray(shown).sum() == classes  # the diagonal has a colour of its own
    assert len(figure.axes[0].texts) == (classes**2 if classes <= 20 else 0)
    figures.to_svg(figure)


def test_confusion_without_mistakes_or_images() -> None:
    figure = figures.confusion(np.zeros((3, 3), int), ["a", "b", "c"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "0", "0"]
    figures.to_png_base64(figure)


def test_mistakes_show_honest_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8)).astype(np.uint8)
    figure = figures.mistakes(images, [f"cat taken for $dog$ {index}" for index in range(7)])
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(shown) == 7
    np.testing.assert_array_equal(np.asarray(shown[3].get_array()), images[3].transpose(1, 2, 0))
    assert shown[3].get_interpolation() == "nearest"
    figures.to_png_base64(figure)
    figures.to_png_base64(figures.mistakes([], []))


def test_mistakes_of_several_sizes() -> None:
    pictures = [np.zeros((3, 200, 100), np.uint8), np.zeros((3, 8, 8), np.uint8)]
    figures.to_png_base64(figures.mistakes(pictures, ["a", "b"]), dpi=50)


def test_names_that_no_font_can_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "_MORE_FONTS", ())
    style.families.cache_clear()
    style._fonts.cache_clear()
    try:
        assert style.families() == ("DejaVu Sans",)
        assert style.class_label("猫", 3) == "class 3"
        assert style.class_label("  naïve\nü ", 3) == "naïve ü"
        assert style.class_label("", 3) == style.class_label("\udcff", 3) == "class 3"
        assert style.drawable("a猫\x00b") == "a□□b"
        assert style.drawable("x" * 99, 10) == "x" * 9 + "…"
        figures.to_svg(figures.confusion(np.eye(2), ["猫", "🐕 $a^b$"]))
        figures.to_png_base64(figures.error_curves([curve("猫\x07"), curve("$\\undefined{$")]))
        figures.to_png_base64(figures.mistakes(np.zeros((1, 3, 8, 8), np.uint8), ["नमस्ते 猫"]))
    finally:
        monkeypatch.undo()
        style.families.cache_clear()
        style._fonts.cache_clear()


def test_names_in_whatever_fonts_are_here() -> None:
    figures.to_png_base64(figures.confusion(np.eye(4), ["猫", "$5", "🐕", "עברית"]))


def test_outputs(tmp_path: Path) -> None:
    figure = figures.error_curves([curve()])
    svg = figures.to_svg(figure)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert svg == figures.to_svg(figures.error_curves([curve()]))
    assert b64decode(figures.to_png_base64(figure)).startswith(b"\x89PNG")
    path = figures.save_png(figure, tmp_path / "f.png", texts={"a name": "a text"})
    with Image.open(path) as image:
        assert image.width == round(150 * figure.get_figwidth())
        assert image.info["a name"] == "a text"


def test_nothing_global_changes_and_nothing_leaks() -> None:
    before = dict(matplotlib.rcParams)
    with_pyplot = "matplotlib.pyplot" in sys.modules
    figures_before = living_figures()
    for _ in range(5):
        figures.to_svg(figures.error_curves([curve()]))
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == with_pyplot
    assert living_figures() <= figures_before + 1


def living_figures() -> int:
    gc.collect()
    return sum(issubclass(type(thing), Figure) for thing in gc.get_objects())


def test_the_callers_settings_do_not_matter() -> None:
    plain = figures.to_svg(figures.error_curves([curve()]))
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.grid": True, "savefig.dpi": 20}):
        assert figures.to_svg(figures.error_curves([curve()])) == plain


def test_overlay_is_warm_where_the_map_is_positive_and_grey_elsewhere() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 160, 200), dtype=np.uint8)
    heat = np.full((4, 5), -3.0, dtype=np.float32)
    grey = overlay(image, heat)
    assert grey.shape == (3, 160, 200)
    assert np.array_equal(grey[0], grey[1])
    assert np.array_equal(grey[0], np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L")))
    heat[0, 4] = 7.0
    warm = overlay(image, heat)
    assert np.array_equal(warm[:, 80:, :80], grey[:, 80:, :80])
    corner = warm[:, 10:30, 170:190].astype(int)
    assert (corner[0] - corner[2]).min() > 40
    assert np.array_equal(overlay(image, 100 * heat), warm)
    assert overlay(image[:, :32, :32], heat).shape == (3, 128, 128)
