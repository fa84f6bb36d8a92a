"""Error curves in panels as the paper's Figures 1 and 6 have them: which panels and lines, what stands beside them."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from test_report_figures import curve, line, points, texts

from resnets.report import figures
from resnets.report.figures import Curve
from resnets.report.style import say_surrogate


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def gids(figure: Figure, panel: int) -> set[str]:
    """Of the thick lines and the marks of a panel."""
    names = [str(one.get_gid()) for one in figure.axes[panel].lines]
    return {name for name in names if name.endswith(("mean", "published"))}


def test_degradation() -> None:
    plain = {20: [curve(final=9.0), curve(final=10.0)], 56: [curve(final=13.0)], 110: [curve(final=64.0)]}
    residual = {20: [curve(final=8.0)]}
    figure = figures.degradation(plain, residual)
    mean = line(figure, "plain:20:train:mean")
    np.testing.assert_allclose(points(figure, "plain:20:train:mean")[-1, 1], 9.5)
    assert mean.is_dashed()
    thin = line(figure, "plain:20:test:0")
    assert thin.get_linewidth() < line(figure, "plain:20:test:mean").get_linewidth()
    ours = line(figure, "ResNet:20:test:mean", panel=1)
    assert ours.get_color() == line(figure, "plain:20:test:mean").get_color()
    assert "110 layers: above the figure" in texts(figure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Plain networks", "Residual networks"]
    figures.to_svg(figures.degradation(plain, {}))


def test_the_papers_end_is_marked_beside_each_net() -> None:
    plain = {20: [curve(final=9.0, published=9.7)] * 2, 56: [curve(final=13.0, published=25.0)]}
    residual = {20: [curve(final=8.0, published=8.75)], 110: [curve(final=6.0)]}
    figure = figures.degradation(plain, residual)
    marks = [[str(one.get_gid()) for one in axes.lines if "published" in str(one.get_gid())] for axes in figure.axes]
    assert marks == [["plain:20:published"], ["ResNet:20:published"]]  # 25 % is above the figure
    mark = line(figure, "ResNet:20:published", panel=1)
    np.testing.assert_array_equal(mark.get_xydata(), [[1, 8.75]])
    assert mark.get_color() == line(figure, "ResNet:20:test:mean", panel=1).get_color()
    assert "the paper's final test error" in texts(figure)
    assert "the paper's final test error" not in texts(figures.degradation({20: [curve()]}, residual | {20: [curve()]}))


def test_a_family_without_runs_has_no_panel() -> None:
    figure = figures.degradation({20: []}, {20: [curve()]})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Residual networks"]
    assert figure.axes[0].get_ylabel() == "error (%)"


def test_the_mean_is_over_steps_that_all_seeds_have() -> None:
    seeds = [
        Curve("a", [1, 2, 3], [4.0, 4.0, 4.0], [None] * 3),
        Curve("b", [2, 3], [6.0, math.nan], [None] * 2),
    ]
    figure = figures.degradation({20: seeds}, {})
    assert points(figure, "plain:20:train:mean").tolist() == [[2, 5]]


def test_the_third_panel_has_110_layers_beside_deeper_nets() -> None:
    """From where the paper's begins; those to 110 layers keep the second one."""
    plain = {20: [curve(final=9.0)]}
    residual = {20: [curve(final=8.0)], 110: [curve(final=6.0, published=6.43)], 1202: [curve(final=7.0)]}
    figure = figures.degradation(plain, residual, until=64_000)
    assert titles(figure) == ["Plain networks", "Residual networks", "ResNet-110 and ResNet-1202"]
    deep = {"ResNet:110:test:mean", "ResNet:110:train:mean", "ResNet:110:published"}
    assert gids(figure, 1) == {"ResNet:20:test:mean", "ResNet:20:train:mean", *deep}
    assert gids(figure, 2) == {"ResNet:1202:test:mean", "ResNet:1202:train:mean", *deep}
    assert [axes.get_xlim() for axes in figure.axes] == [(0, 64_000), (0, 64_000), (35_000, 64_000)]
    colours = {line(figure, "ResNet:110:test:mean", panel).get_color() for panel in (1, 2)}
    assert len(colours) == 1
    assert line(figure, "ResNet:1202:test:mean", 2).get_color() not in colours
    assert titles(figures.degradation({}, {110: residual[110]})) == ["Residual networks"]
    assert titles(figures.degradation({}, {1202: residual[1202], 20: []})) == ["ResNet-1202"]


def test_figure_1_has_training_at_the_left_and_test_at_the_right() -> None:
    plain = {20: [curve(final=9.0, published=9.7)] * 2, 56: [curve(final=13.0, published=13.3)]}
    figure = figures.training_and_test(plain, until=1000)
    assert titles(figure) == ["Plain networks: training error", "Plain networks: test error"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["training error (%)", "test error (%)"]
    assert gids(figure, 0) == {"plain:20:train:mean", "plain:56:train:mean"}
    marks = {"plain:20:published", "plain:56:published"}
    assert gids(figure, 1) == {"plain:20:test:mean", "plain:56:test:mean", *marks}
    assert line(figure, "plain:20:train:mean").is_dashed()
    assert not line(figure, "plain:20:test:mean", 1).is_dashed()
    assert {axes.get_xlim() for axes in figure.axes} == {(0, 1000)}
    figures.to_svg(figure)


def test_a_panel_in_which_nothing_was_measured_says_so() -> None:
    untested = Curve("net", [1, 2], [9.0, 8.0], [None, None], 9.7)
    left, right = figures.training_and_test({20: [untested]}).axes
    assert [text.get_text() for text in right.texts if text.get_text()] == ["nothing measured yet"]
    assert not [text.get_text() for text in left.texts if text.get_text()]
    with pytest.raises(ValueError, match="no run"):
        figures.training_and_test({20: []})
    with pytest.raises(ValueError, match="no run"):
        figures.degradation({}, {})


def test_each_panel_names_what_ends_above_it_and_nothing_is_under_the_note() -> None:
    failing = Curve("plain-110", [1, 2], [70.0, 15.0], [80.0, 64.0])
    figure = figures.training_and_test({20: [curve(final=9.0)], 110: [failing]})
    figure.draw_without_rendering()  # arranges the parts
    notes = [[note for note in axes.texts if note.get_text()] for axes in figure.axes]
    assert notes[0] == []
    (note,) = notes[1]
    assert note.get_text() == "110 layers: above the figure, 64.0 % at the end"
    box = note.get_window_extent()
    assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
    assert not any(box.overlaps(axes.xaxis.label.get_window_extent()) for axes in figure.axes)
    assert not any(box.overlaps(legend.get_window_extent()) for legend in figure.legends)
    assert box.y0 > 0


def test_a_surrogate_says_so_within_the_figure() -> None:
    figure = figures.training_and_test({20: [curve()]})
    say_surrogate(figure, "as many words as it takes to fill more than one line of a figure, " * 3)
    assert figure.get_suptitle().startswith("A surrogate: as many words")
    figure.draw_without_rendering()
    (title,) = [text for text in figure.texts if text.get_text().startswith("A surrogate")]
    box = title.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
