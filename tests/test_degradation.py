"""The demonstration: a verdict that follows from figures, and runs that are never made twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY

from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.recipes import recipe
from resnets.classification.run import Run
from resnets.cli import main
from resnets.paper import degradation
from resnets.paper.degradation import Net
from resnets.training.recipe import override


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The four nets with two iterations each, and eight layers for 20, fourteen for 56."""

    def tiny(name: str) -> ClassifierRecipe:
        model = name.replace("digits-", "cifar_").replace("20", "8").replace("56", "14")
        chosen = override(recipe(name), [*TINY, f"model={model}", "iterations=2", "evaluate_every=2"])
        return replace(chosen, name=name)

    monkeypatch.setattr(degradation, "recipe", tiny)


@pytest.mark.usefixtures("short", "blank")
def test_four_nets_and_a_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["reproduce", "degradation", "--out", str(tmp_path), "--seeds", "3", "--json"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    assert [row["net"] for row in record["table"]] == ["plain-20", "resnet-20", "plain-56", "resnet-56"]
    assert record["seeds"] == [3]
    assert (tmp_path / "degradation.png").read_bytes().startswith(b"\x89PNG")
    folders = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert folders == [f"digits-{net}-seed3" for net in ("plain20", "plain56", "resnet20", "resnet56")]
    for row in record["table"]:
        family, depth = row["net"].split("-")
        evaluation = json.loads((tmp_path / f"digits-{family}{depth}-seed3" / "evaluation.json").read_text())
        assert row["train_error"] == [evaluation["train_error"]]
        assert row["test_error"] == [evaluation["top1_error"]]

    # Once more: what has finished stays, what has not is finished.
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/model.safetensors")}
    unfinished = tmp_path / "digits-plain56-seed3" / "model.safetensors"
    unfinished.unlink()
    assert main(words[:-1]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("finished already") == 3
    assert "Verdict: " in captured.out
    changed = {path for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp}
    assert changed == {unfinished}


@pytest.mark.usefixtures("short", "blank")
def test_a_run_of_another_recipe_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "digits-plain20-seed0"
    assert main(["train", "digits-plain20", *TINY, "iterations=3", "--out", str(folder)]) == 0
    capsys.readouterr()
    assert main(["reproduce", "degradation", "--out", str(tmp_path), "--seeds", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{folder} holds a run of another recipe; --out DIR" in line


@pytest.mark.parametrize(
    ("figures", "plain", "residual"),
    [
        # training errors of plain-20, plain-56, resnet-20, resnet-56, one a seed
        (([0.1, 0.1], [62.0, 81.0], [0.1, 0.2], [0.5, 0.3]), True, True),
        (([0.1, 0.1], [62.0, 2.0], [0.1, 0.2], [0.5, 0.3]), False, True),  # in one seed the plain net did as well
        (([0.1, 0.1], [62.0, 81.0], [0.1, 0.2], [0.5, 3.0]), True, False),  # in one the residual did not
        (([0.1, 0.1], [0.1, 0.1], [0.1, 0.2], [26.0, 26.0]), False, False),
        (([0.0, 0.0], [2.0, 3.0], [0.0, 0.0], [0.0, 0.0]), False, True),  # two points are not more than two
        (([0.0, 0.0], [3.0, 3.0], [0.0, 0.0], [2.0, 2.1]), True, False),  # nor for residual nets
    ],
)
def test_the_verdict_follows_from_the_figures(
    monkeypatch: pytest.MonkeyPatch, figures: tuple[list[float], ...], plain: bool, residual: bool
) -> None:
    monkeypatch.setattr(Run, "evaluation", property(lambda self: {"train_error": self.record["train_error"]}))

    def net(family: str, depth: int, errors: list[float]) -> Net:
        given: Any = recipe("digits-resnet20")
        return Net(family, depth, [Run(Path(), given, {"train_error": error}) for error in errors])

    nets = [net(*named) for named in zip(("plain", "plain", "resnet", "resnet"), (20, 56) * 2, figures, strict=True)]
    verdict = degradation._verdict(nets)
    assert (verdict["plain_degrades"], verdict["residual_does_not"]) == (plain, residual)
    assert verdict["degradation"] is (plain and residual)
    shallow, deep = figures[0], figures[1]
    assert verdict["deeper_minus_shallower"]["plain"] == [b - a for a, b in zip(shallow, deep, strict=True)]
