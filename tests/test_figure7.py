"""`resnets reproduce figure7`: runs of Figure 6, trained once, measured once, drawn and judged."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_reproduction import WHERE
from test_verdicts import line

from resnets.cli import main
from resnets.documents.blocks import BLOCKS
from resnets.paper import figure7, kept_responses, reproduce
from resnets.paper.costs import Speed
from resnets.paper.entries import SURROGATES
from resnets.paper.lines import read_lines, read_runs
from resnets.paper.targets import TARGETS

PLAIN, RESIDUAL = "cifar10-plain20", "cifar10-resnet20"


def asked(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def network(name: str, seed: int, median: float) -> dict[str, Any]:
    """As a run of `name` was measured."""
    of_run = {k: v for k, v in line(name, seed, 8.0).items() if k in ("recipe", "model", "seed", "iterations")}
    run = {**of_run, "data": line(name, seed, 8.0)["data"], "departures": []}
    std = [median + 1, median, median - 0.5]
    return {"name": run["model"], "layers": ["a", "b", "c"], "std": std, "median": median, "images": 10_000, "run": run}


def write(path: Path, *networks: dict[str, Any]) -> None:
    path.write_text(json.dumps({"study": "responses", "data": "cifar10", "networks": networks}) + "\n")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs without timing anything."""
    monkeypatch.setattr(reproduce, "speeds_here", lambda *_: [Speed(100.0, "cifar_resnet20", "h", "s")])


@pytest.mark.usefixtures("tiny_smoke", "quick")
def test_from_nothing_to_the_figure_and_nothing_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, results = tmp_path / "out", tmp_path / "lines.jsonl"
    words = ["figure7", "--scale", "smoke", "--only", "plain20,resnet20", "--out", out]
    planned = asked(capsys, "plan", *words)
    assert [Path(run["run"]).name for run in planned["missing"]] == [
        f"{name}-smoke-seed0" for name in (PLAIN, RESIDUAL)
    ]
    assert planned["missing"][0]["seconds"] >= 0
    assert not out.exists()

    assert main(["reproduce", "figure6", "--scale", "smoke", "--seeds", "0", *map(str, words[3:])]) == 0
    trained = {path: path.stat().st_mtime_ns for path in out.glob("*/model.safetensors")}
    assert len(trained) == 2
    planned = asked(capsys, "plan", *words)
    assert planned["missing"] == []  # the very runs of Figure 6
    assert "finished, to be measured by `resnets reproduce figure7`" in planned["remarks"][0]
    assert not (out / kept_responses.KEPT).exists()

    done = asked(capsys, "reproduce", *words, "--check")
    assert [row["name"] for row in done["rows"]] == [PLAIN, RESIDUAL]
    assert [row["seeds"] for row in done["rows"]] == [[0], [0]]
    assert {row["verdict"] for row in done["rows"]} == {"a surrogate"}
    assert {(row["paper"], row["band"]) for row in done["rows"]} == {(None, None)}
    assert done["surrogate"] == SURROGATES["smoke"]
    assert Path(done["figure"]) == out / "figure7-smoke.png"
    assert Path(done["figure"]).read_bytes().startswith(b"\x89PNG")
    kept = (out / kept_responses.KEPT).read_text()
    assert [one["networks"][0]["median"] for one in read_lines(out / kept_responses.KEPT)] == [
        row["measured"] for row in done["rows"]
    ]

    # Once more nothing is run or measured; results that are named are told what is known.
    assert asked(capsys, "reproduce", *words, "--results", results)["rows"] == done["rows"]
    assert (out / kept_responses.KEPT).read_text() == kept
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    lines = results.read_text()
    assert [len(one["networks"]) for one in read_lines(results) if "study" in one] == [2]  # in one line
    assert [one["recipe"] for one in read_runs(results)] == [PLAIN, RESIDUAL]
    assert main(["reproduce", *map(str, words), "--results", str(results)]) == 0
    assert f"SURROGATE: {SURROGATES['smoke']}" in capsys.readouterr().out
    assert results.read_text() == lines
    # The lines alone are enough, without any folder.
    words[-1] = tmp_path / "elsewhere"
    assert asked(capsys, "plan", *words, "--results", results)["missing"] == []


@pytest.mark.usefixtures("tiny_smoke", "quick")
def test_what_is_missing_is_trained_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "lines.jsonl"
    words = ["--scale", "smoke", "--only", "resnet20", "--seeds", "1..2", "--out", tmp_path, "--results", results]
    done = asked(capsys, "reproduce", "figure7", *words)
    (row,) = done["rows"]
    assert row["seeds"] == [1, 2]
    assert row["measured"] == pytest.approx(sum(row["medians"]) / 2)
    assert done["remarks"] == [f"{results} had no line of `resnets study responses`"]
    assert [one.get("study", "run") for one in read_lines(results)] == ["run", "run", "responses"]


@pytest.mark.usefixtures("quick")
def test_seeds_and_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "lines.jsonl"
    words = ["figure7", "--results", results, "--out", tmp_path / "none"]
    nets = [("plain20", 1.8), ("plain56", 1.5), ("resnet20", 1.4), ("resnet56", 1.2), ("resnet110", 0.9)]
    write(results, *(network(f"cifar10-{name}", 0, median) for name, median in nets))
    record = asked(capsys, "plan", *words)
    assert {row["verdict"] for row in record["rows"]} == {"inside the band"}
    assert [claim["verdict"] for claim in record["claims"]] == ["holds"] * 4
    assert record["missing"] == []
    assert main(["reproduce", *map(str, words), "--check"]) == 0  # nothing is trained
    assert (tmp_path / "none" / "figure7.png").exists()
    record = asked(capsys, "plan", *words, "--seeds", "0..1", "--only", "resnet20,plain20")
    assert [Path(run["run"]).name for run in record["missing"]] == [f"{name}-seed1" for name in (PLAIN, RESIDUAL)]
    assert len(record["claims"]) == 1
    # Another scale is another network.
    assert len(asked(capsys, "plan", *words, "--scale", "short")["missing"]) == 5

    write(results, *(network(f"cifar10-{name}", 0, median) for name, median in [*nets[:-1], ("resnet110", 1.3)]))
    assert main(["reproduce", *map(str, words), "--check"]) == 1
    err = capsys.readouterr().err
    assert "cifar10-resnet110: outside the band" in err
    assert "deeper residual nets respond less (cifar_resnet110, cifar_resnet56): does not hold" in err


@pytest.mark.usefixtures("quick")
def test_a_run_that_left_no_weights_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "lines.jsonl"
    results.write_text(json.dumps(line(RESIDUAL, 0, 8.5)) + "\n")
    words = ["--results", str(results), "--out", str(tmp_path), "--only", "plain20,resnet20"]
    assert main(["plan", "figure7", *words]) == 0
    text = capsys.readouterr().out
    assert f"{results} had no line of `resnets study responses`" in text
    assert f"recorded, but without weights in {tmp_path}, and so to be run again: {RESIDUAL}\n" in text
    assert "runs that are missing: 2" in text


def test_the_runs_are_those_of_figure_6_and_documents_may_read_the_same_file(tmp_path: Path) -> None:
    assert set(figure7.TARGET.entries) <= set(TARGETS["figure6"].entries)
    assert len(figure7.TARGET.entries) == len(figure7.MEDIANS)
    write(tmp_path / "cifar10.jsonl", network(RESIDUAL, 0, 1.4))
    (tmp_path / "studies.jsonl").write_text(json.dumps(line(RESIDUAL, 0, 8.5)) + "\n")
    for block in ("reproduced", "studied"):
        assert BLOCKS[block](tmp_path).startswith("Not measured yet")
    assert BLOCKS["in-short"](tmp_path).count("\n| `") == 1  # Table 1, which is computed


def test_a_surrogate_stands_in_the_document_without_the_papers_figures(tmp_path: Path) -> None:
    tenth = ("iterations: 6400 (paper: 64000)", "milestones: 3200, 4800 (paper: 32000, 48000)")
    short = network(RESIDUAL, 0, 9.5)
    run = {**short["run"], "iterations": 6400, "departures": list(tenth)}
    short = {**short, "name": "cifar_resnet20 after 6,400 iterations", "run": run}
    study = {"study": "responses", "data": "cifar10", "networks": [short], **WHERE}
    (tmp_path / "studies.jsonl").write_text(json.dumps(study) + "\n")
    said = BLOCKS["studied"](tmp_path).partition("### Figure 7 beside the paper")[2]
    assert f"**A surrogate: {SURROGATES['short']}.**" in said
    assert "| network | measured |\n| --- | ---: |\n| cifar_resnet20 | 9.50 |\n\nNot measured: 4 of 5 rows." in said
    row = "| `figure7` | a tenth of the paper's iterations, a surrogate | 1 of 5 |  |  |"
    assert row in BLOCKS["in-short"](tmp_path)
