"""What stands for the paper's runs on ImageNet and is not them says so everywhere, and never beside its figures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from test_verdicts import line

from resnets.cli import main
from resnets.paper import curves
from resnets.paper.photograph_tables import draw_imagenet
from resnets.paper.photographs import PHOTOGRAPHS

PRINTED = re.compile(r"27\.94|27\.88|28\.54|25\.03|31\.4|3\.57|paper top-1|paper, top")


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    capsys.readouterr()
    assert main(list(words)) == status
    return capsys.readouterr().out


def record(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    return json.loads(said(capsys, *words, "--json", status=status), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--scale", "short"], "a tenth of the paper's iterations"),
        (["--photographs", "OTHER"], "data: OTHER (paper: imagenet)"),
        (["--scale", "short", "--photographs", "OTHER"], "iterations; data: OTHER (paper: imagenet)"),
        (["--scale", "smoke"], "shows only that everything runs"),
    ],
)
def test_a_plan(options: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "table2", *options, "--out", str(tmp_path)]
    text, found = said(capsys, *words), record(capsys, *words)
    assert re.search(f"^SURROGATE: .*{re.escape(what)}", text, re.MULTILINE)
    assert what in found["surrogate"]
    assert not PRINTED.search(text)
    assert not PRINTED.search(json.dumps(found))


def test_a_plan_of_the_papers_own_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "table2", "--photographs", "imagenet", "--out", str(tmp_path)]
    text, found = said(capsys, *words), record(capsys, *words)
    assert "SURROGATE" not in text
    assert "27.94" in text
    assert found["surrogate"] is None
    assert found["rows"][0]["paper"] == {"top1": 27.94, "top5": None}


def test_other_pictures_at_the_papers_scale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_imagenet(tmp_path)
    other = tmp_path / "imagenet-drawn"
    results = tmp_path / "lines.jsonl"
    curve = {"steps": [1, 2], "train_error": [90.0, 80.0], "test_error": [90.0, 75.0]}
    lines = [
        {**line(entry.recipe, 0, 75.0, f"data={other}"), "curve": curve, "protocol": "single", "top5_error": 50.0}
        for entry in PHOTOGRAPHS["figure4"].entries
    ]
    results.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    drawn: list[Figure] = []
    monkeypatch.setattr(curves, "save_png", lambda figure, path: drawn.append(figure) or path)
    words = ["reproduce", "figure4", "--photographs", str(other), "--results", str(results), "--out", str(tmp_path)]
    text, found = said(capsys, *words), record(capsys, *words)
    what = f"data: {other} (paper: imagenet)"
    assert f"\nSURROGATE: {what}\n" in text
    assert not PRINTED.search(text)
    assert found["surrogate"] == what
    assert Path(found["figure"]).name == "figure4-other-data.png"
    assert " ".join(drawn[0].get_suptitle().split()) == f"A surrogate: {what}"
    assert drawn[0].axes[0].get_ylim()[1] > 75  # the paper's axes would hide such an end
