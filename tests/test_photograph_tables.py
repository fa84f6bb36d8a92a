"""The ImageNet tables: the paper's rows; at the scale "smoke" they run from drawn archives to a table, once."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_verdicts import line

from resnets.classification.recipes import recipe
from resnets.classification.run import open_run
from resnets.cli import main
from resnets.paper import photograph_tables
from resnets.paper.curves import curves_figure
from resnets.paper.photograph_tables import Wanted
from resnets.paper.photographs import PHOTOGRAPHS
from resnets.paper.published import FIGURE_4, PUBLISHED
from resnets.paper.tables import TABLES
from resnets.paper.verdicts import failures, judged, rows_of


def _json(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    assert main([*words, "--json"]) == status
    out, err = capsys.readouterr()
    return json.loads(out, parse_constant=pytest.fail), err


# ---------------------------------------------------------------------------------------------------------------
# Rows


def test_the_rows_are_the_papers() -> None:
    for what in ("table3", "table4"):
        printed = {row[0]: row[1:] for row in TABLES[what].rows}
        for entry in PHOTOGRAPHS[what].entries:
            assert (entry.paper, entry.paper_top5) == printed[entry.recipe.removeprefix("imagenet-")]
            assert entry.band is not None
            assert entry.band[0] < (entry.paper or 0) < entry.band[1]
    for entry in PHOTOGRAPHS["table2"].entries:
        assert entry.paper == PUBLISHED[entry.recipe.removeprefix("imagenet-")].top1
    assert {entry.recipe.removeprefix("imagenet-"): entry.paper for entry in PHOTOGRAPHS["figure4"].entries} == FIGURE_4
    six = [entry.planned("paper", 0) for entry in PHOTOGRAPHS["table5"].entries]
    assert len({(run.model, run.seed) for run in six}) == 6
    assert sum(run.model == "resnet152" for run in six) == 2
    for target in PHOTOGRAPHS.values():
        names = [entry.name for entry in target.entries]
        assert {name for claim in target.claims for name in (claim.worse, claim.than)} <= set(names)
        assert all(entry.planned("paper", 0) == recipe(entry.recipe) for entry in target.entries if not entry.changes)


def test_verdicts_of_a_whole_table() -> None:
    target = PHOTOGRAPHS["table3"]
    lines = [line(entry.recipe, 0, entry.paper or 0.0) for entry in target.entries]
    rows = rows_of(target, "paper", [0], lines)
    assert {row.verdict for row in rows} == {"inside the band"}
    assert failures(rows, judged(target, rows)) == []
    worse = [{**one, "test_error": 26.0} if one["model"] == "resnet101" else one for one in lines]
    rows = rows_of(target, "paper", [0], worse)
    assert failures(rows, judged(target, rows)) == [
        "imagenet-resnet101: outside the band",
        "resnet101 is better than resnet50: does not hold",
    ]


def test_figure_4_has_the_papers_axes() -> None:
    target = PHOTOGRAPHS["figure4"]
    curve = {"steps": [1, 2], "train_error": [50.0, 40.0], "test_error": [50.0, 35.0]}
    rows = rows_of(target, "paper", [0], [{**line(e.recipe, 0, 30.0), "curve": curve} for e in target.entries])
    left, right = curves_figure(target, rows, "paper").axes
    assert (left.get_title("left"), right.get_title("left")) == ("Plain networks", "Residual networks")
    assert left.get_ylim() == right.get_ylim() == (20, 60)
    assert len([one for one in left.lines if one.get_gid() and "test:mean" in str(one.get_gid())]) == 2


def test_results_and_folders_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Wanted(
        what="table3",
        target=PHOTOGRAPHS["table3"],
        scale="smoke",
        seeds=[0],
        out=tmp_path,
        given=None,
        results=tmp_path / "none.jsonl",
    )
    made = wanted.plan
    assert len(made.missing) == 7
    monkeypatch.setattr(photograph_tables, "plan", None)
    assert wanted.plan is made


# ---------------------------------------------------------------------------------------------------------------
# From drawn archives to a table


@pytest.mark.usefixtures("narrow")
def test_a_table_on_drawn_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["table3", "--scale", "smoke", "--only", "plain34,resnet50", "--out", str(out)]
    planned, _ = _json(capsys, "plan", *words)
    assert [Path(one["run"]).name for one in planned["missing"]] == [
        "imagenet-plain34-smoke-seed0",
        "imagenet-resnet50-smoke-seed0",
    ]
    assert not out.exists()

    record, _ = _json(capsys, "reproduce", *words, "--check")
    assert "shows only that everything runs" in record["surrogate"]
    for row in record["rows"]:
        assert (row["paper"], row["band"], row["verdict"]) == (None, None, "a surrogate")
        run = open_run(out / f"{row['recipe']}-smoke-seed0")
        evaluated, _ = _json(
            capsys, "evaluate", str(run.folder), "--data", record["data"], "--protocol", "ten-crop", "--no-cache"
        )
        (found,) = evaluated["results"]
        assert ([found["top1_error"]], [found["top5_error"]]) == (row["test_error"], row["top5_error"])
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("*/model.safetensors")}
    assert len(stamps) == 2
    again, err = _json(capsys, "reproduce", *words)
    assert again["rows"] == record["rows"]
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert "no run is missing" in err
    assert main(["reproduce", *words]) == 0
    out_text = capsys.readouterr().out
    assert "SURROGATE" in out_text
    assert "28.54" not in out_text

    # Lines of networks that were tested are enough, and say by which protocol.
    lines = tmp_path / "lines.jsonl"
    _json(capsys, "reproduce", *words, "--results", str(lines))
    shutil.rmtree(out / "imagenet-plain34-smoke-seed0")
    shutil.rmtree(out / "imagenet-resnet50-smoke-seed0")
    once_more, _ = _json(capsys, "reproduce", *words, "--results", str(lines))
    assert once_more["rows"] == record["rows"]
    planned, _ = _json(capsys, "plan", "table4", *words[1:4], "resnet50", *words[5:], "--results", str(lines))
    assert len(planned["missing"]) == 1  # tested otherwise


@pytest.mark.usefixtures("narrow")
def test_an_ensemble_and_its_submission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--scale", "smoke", "--only", "resnet34,resnet34_c", "--out", str(tmp_path)]
    record, _ = _json(capsys, "reproduce", "table5", *words)
    together = record["ensemble"]
    evaluated, _ = _json(
        capsys, "evaluate", *together["networks"], "--data", record["data"], "--protocol", "dense", "--no-cache"
    )
    assert evaluated["results"][0]["top5_error"] == together["top5_error"]
    rows = [text.split() for text in Path(together["submission"]).read_text().splitlines()]
    assert len(rows) == evaluated["images"]
    assert all(len(set(row)) == 5 and set(row) <= set("123456") for row in rows)
    assert main(["reproduce", "table5", *words, "--seeds", "0..1"]) == 2
    assert "allowed is one" in capsys.readouterr().err


@pytest.mark.usefixtures("narrow")
def test_figure_4_on_drawn_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--scale", "smoke", "--only", "plain18,resnet18_a", "--out", str(tmp_path)]
    record, _ = _json(capsys, "reproduce", "figure4", *words)
    with Image.open(record["figure"]) as figure:
        assert figure.width > 500


def test_without_imagenet_nothing_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    record, _ = _json(capsys, "reproduce", "table4", "--out", str(out))
    assert record["measured"] is False
    assert not out.exists()
    assert main(["reproduce", "table4", "--out", str(out), "--check"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"^resnet152 +0 +19\.38 +4\.49 ", said, re.MULTILINE)
    assert "Nothing is run: " in said
    assert "resnets data prepare imagenet --from ARCHIVES" in said
    assert main(["reproduce", "table6", "--photographs", "somewhere"]) == 2
    assert "photographs is 'somewhere', allowed for figure4, " in capsys.readouterr().err
    jobs = tmp_path / "jobs.sh"
    _json(capsys, "plan", "table2", "--jobs", str(jobs))
    assert "resnets train imagenet-resnet34_a seed=0" in jobs.read_text()
