"""Figures of documents that older code drew, or of which older results do not say what is drawn."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnets.documents import drawing_code, images
from resnets.documents.drawing_code import digest_of_code, drawn_with, stripped
from resnets.documents.images import (
    DEGRADATION,
    FIGURE_3,
    FIGURES,
    NETWORK,
    demonstration,
    draw_demonstration,
    stale_figures,
)
from resnets.paper.figure3 import outlines
from resnets.report import drawing
from resnets.report.drawing import DOTS
from resnets.report.side_by_side import side_by_side
from resnets.report.style import save_png

CURVE = {"steps": [100, 200], "train_error": [50.0, 5.0], "test_error": [None, 9.0]}
SURROGATE = "the handwritten digits and a short schedule, not CIFAR-10 and the paper's"


def record(**row: Any) -> dict[str, Any]:
    """A line of the demonstration, of which the figure shows no more than nets, curves and the surrogate."""
    nets = [f"{family}-{depth}" for depth in (20, 56) for family in ("plain", "resnet")]
    return {"surrogate": SURROGATE, "table": [{"net": net, "train_error": [5.0], **row} for net in nets]}


def write(root: Path, line: dict[str, Any]) -> None:
    (root / "results").mkdir(exist_ok=True)
    (root / "results" / "degradation.jsonl").write_text(json.dumps(line) + "\n")


def stale(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in stale_figures(root, root / "results")]


def draw(root: Path) -> None:
    for mend in stale_figures(root, root / "results").values():
        mend()


# ---------------------------------------------------------------------------------------------------------------
# The code


def test_what_is_left_out_of_code() -> None:
    source = (
        '"""A file."""\n\nX = "# no comment"  # a comment\n"""What X is.\n\nMore."""\n\n'
        'def f() -> str:\n    """A docstring."""\n    # why\n    return """a\n# text"""\n'
    )
    kept = 'X = "# no comment"\ndef f() -> str:\n    return """a\n# text"""'
    assert stripped(source) == kept


def test_a_figure_counts_on_what_its_code_imports_to_draw_with() -> None:
    curves = ["resnets.report.curves", "resnets.report.degradation", "resnets.report.style"]
    assert drawn_with(("resnets.report.degradation",)) == curves
    assert drawn_with(("resnets.paper.study_figures",)) == [
        "resnets.paper.study_figures",
        "resnets.report.studies",
        "resnets.report.style",
    ]


def test_no_figure_counts_on_all_drawing_code() -> None:
    """`report.figures` names everything there is; through it a curve would depend on how units are drawn."""
    for figure in FIGURES.values():
        assert "resnets.report.style" in drawn_with(figure.code)
        assert "resnets.report.figures" not in drawn_with(figure.code)


def test_the_digest_follows_the_code_and_not_its_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = tmp_path / "resnets" / "report"
    report.mkdir(parents=True)
    (report / "a.py").write_text("from resnets.report import b\n")
    (report / "c.py").write_text("")
    monkeypatch.setattr(drawing_code, "_ROOT", tmp_path)

    def now(text: str) -> str:
        (report / "b.py").write_text(text)
        digest_of_code.cache_clear()
        return digest_of_code(("resnets.report.a",))

    try:
        first = now("WIDTH = 1\n")
        assert now('"""Why."""\n\nWIDTH = 1  # inch\n') == first
        assert now("WIDTH = 2\n") != first
        (report / "c.py").write_text("WIDTH = 3\n")
        assert now("WIDTH = 1\n") == first
    finally:
        digest_of_code.cache_clear()


def test_a_figure_of_older_code_is_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "FIGURES", {DEGRADATION: FIGURES[DEGRADATION]})
    write(tmp_path, record(curves=[CURVE]))
    assert stale(tmp_path) == [DEGRADATION]
    draw(tmp_path)
    assert stale(tmp_path) == []
    before = (tmp_path / DEGRADATION).read_bytes()
    monkeypatch.setattr(images, "digest_of_code", lambda modules: "another")
    assert stale(tmp_path) == [DEGRADATION]
    draw(tmp_path)
    assert stale(tmp_path) == []
    monkeypatch.undo()
    monkeypatch.setattr(images, "FIGURES", {DEGRADATION: FIGURES[DEGRADATION]})
    draw(tmp_path)
    assert (tmp_path / DEGRADATION).read_bytes() == before


# ---------------------------------------------------------------------------------------------------------------
# The demonstration and networks


def test_the_demonstration_says_of_what_it_is(tmp_path: Path) -> None:
    write(tmp_path, record(curves=[CURVE, CURVE]))
    drawn = demonstration(tmp_path / "results")
    assert drawn
    figure = draw_demonstration(drawn)
    assert figure.get_suptitle() == f"A surrogate: {SURROGATE}"
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Plain networks", "Residual networks"]
    lines = {str(one.get_gid()) for axes in figure.axes for one in axes.lines}
    assert {"plain:20:test:mean", "plain:56:train:1", "ResNet:56:test:mean"} <= lines


def test_a_demonstration_recorded_without_curves_keeps_its_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "FIGURES", {DEGRADATION: FIGURES[DEGRADATION]})
    write(tmp_path, record(curves=[CURVE]))
    draw(tmp_path)
    write(tmp_path, record())
    assert demonstration(tmp_path / "results") is None
    assert stale(tmp_path) == []
    (tmp_path / "results" / "degradation.jsonl").unlink()
    draw(tmp_path)
    assert not (tmp_path / DEGRADATION).exists()


def test_the_network_is_drawn_as_the_command_draws_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "FIGURES", {NETWORK: FIGURES[NETWORK]})
    draw(tmp_path)
    assert stale(tmp_path) == []
    drawing.draw("cifar_resnet20", tmp_path / "network.png")
    with Image.open(tmp_path / NETWORK) as ours, Image.open(tmp_path / "network.png") as theirs:
        assert ours.size == theirs.size
        assert ours.tobytes() == theirs.tobytes()


def test_figure_3_is_reduced_to_a_palette_that_does_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "FIGURES", {FIGURE_3: FIGURES[FIGURE_3]})
    draw(tmp_path)
    assert stale(tmp_path) == [], "the digests are kept"
    path = tmp_path / FIGURE_3
    assert path.stat().st_size < 300_000
    save_png(side_by_side(outlines()), tmp_path / "whole.png", dpi=DOTS)
    with Image.open(path) as ours, Image.open(tmp_path / "whole.png") as whole:
        assert ours.size == whole.size
        one, other = (np.asarray(image.convert("RGB")).astype(int) for image in (ours, whole))
    apart = np.abs(one - other).max(-1)
    assert apart.max() < 48
    assert (apart > 8).mean() < 0.01
