"""`resnets reproduce` and `resnets plan`: what is missing is found, counted up, run once, and rendered."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from test_verdicts import NET, line

from resnets.classification.recipes import recipe
from resnets.classification.record import append_result
from resnets.cli import main
from resnets.files import alone
from resnets.models.catalog import model_spec
from resnets.paper import reproduce
from resnets.paper.costs import Speed, recorded
from resnets.paper.lines import read_lines
from resnets.paper.photographs import PHOTOGRAPHS
from resnets.paper.plan import commands, plan
from resnets.paper.reproduce import WHAT
from resnets.paper.tables import TABLES
from resnets.paper.targets import TARGETS
from resnets.runtime import device_name, resolve_device, resolve_precision
from resnets.training.recipe import override


def _json(capsys: pytest.CaptureFixture[str], words: list[str], status: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*words, "--json"]) == status
    (said,) = capsys.readouterr().out.splitlines()
    return json.loads(said, parse_constant=pytest.fail)


@pytest.mark.usefixtures("tiny_smoke")
def test_what_is_missing_is_run_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results" / "lines.jsonl"
    common = ["--scale", "smoke", "--seeds", "0", "--out", str(tmp_path / "out"), "--results", str(results)]
    planned = _json(capsys, ["plan", "figure1", *common])
    assert [Path(run["run"]).name for run in planned["missing"]] == [f"cifar10-plain{d}-smoke-seed0" for d in (20, 56)]
    assert all(run["seconds"] >= 0 for run in planned["missing"])
    assert ["timed here" in source for source in planned["cost_from"]] == [True]
    assert not (tmp_path / "out").exists()

    done = _json(capsys, ["reproduce", "figure1", *common, "--check"])
    assert [row["seeds"] for row in done["rows"]] == [[0], [0]]
    assert {row["verdict"] for row in done["rows"]} == {"a surrogate"}
    for row in done["rows"]:
        evaluation = json.loads((tmp_path / "out" / f"{row['name']}-smoke-seed0" / "evaluation.json").read_text())
        assert row["test_error"] == [evaluation["top1_error"]]
    assert Path(done["figure"]).read_bytes().startswith(b"\x89PNG")
    lines = results.read_text().splitlines()
    assert len(lines) == 2

    # Once more nothing is run: neither with the lines nor with the folders alone; and the lines alone are enough.
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/*/model.safetensors")}
    assert _json(capsys, ["reproduce", "figure1", *common])["rows"] == done["rows"]
    assert results.read_text().splitlines() == lines
    again = _json(capsys, ["reproduce", "figure1", *common[:-2], "--results", str(tmp_path / "other.jsonl")])
    assert [row["test_error"] for row in again["rows"]] == [row["test_error"] for row in done["rows"]]
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert _json(capsys, ["plan", "figure6", *common, "--only", "plain56"])["missing"] == []


def test_a_verdict_that_fails_and_one_that_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "lines.jsonl"
    words = ["reproduce", "table6", "--only", "resnet20", "--seeds", "0", "--check", "--results", str(results)]
    for error, status in ((8.42, 0), (9.5, 1)):
        results.write_text(json.dumps(line(NET, 0, error)) + "\n")
        assert main(words) == status
        out, err = capsys.readouterr()
        assert ("inside the band" in out) == (status == 0)
        assert ("cifar10-resnet20: outside the band" in err) == (status == 1)
        assert "8.75" in out


def test_a_figure_without_a_band_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, name = tmp_path / "lines.jsonl", "cifar10-ror3_110"
    results.write_text(json.dumps(line(name, 0, 89.5)) + "\n")
    words = ["reproduce", "ror", "--only", name, "--seeds", "0", "--results", str(results)]
    assert main([*words, "--check"]) == 1
    out, err = capsys.readouterr()
    assert "no band, +84.42" in out  # 5.08 in the paper
    assert f"{name}: no band, +84.42 points: nothing says how near to the paper's 5.08" in err
    (record,) = _json(capsys, words)["rows"]
    assert (record["verdict"], round(record["from_paper"], 2), record["band"]) == ("no band", 84.42, None)


def test_the_job_file_starts_and_resumes_each_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = tmp_path / "jobs.sh"
    words = ["plan", "shortcuts", "--scale", "short", "--seeds", "0..1", "--out", "runs", "--jobs", str(jobs)]
    (tmp_path / "lines.jsonl").write_text(json.dumps({**line(NET, 5, 8.0), "device": "none"}) + "\n")
    record = _json(capsys, [*words, "--results", str(tmp_path / "lines.jsonl")])
    text = jobs.read_text()
    assert f"--array=0-{len(record['missing']) - 1}" in text
    subprocess.run(["bash", "-n", jobs], check=True)
    assert "resnets train cifar10-resnet20 changes.shortcut=B iterations=6400 milestones=3200,4800 " in text
    said = tmp_path / "resnets"
    said.write_text('#!/bin/sh\necho "$@"\n')
    said.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    ran = subprocess.run(["sh", jobs, "3"], capture_output=True, text=True, env=environment, cwd=tmp_path, check=True)
    assert "cifar10-resnet20" in ran.stdout
    assert "seed=1" in ran.stdout
    folder = tmp_path / re.search(r"--out (\S+)", ran.stdout)[1]  # type: ignore[index]
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text("{}")
    ran = subprocess.run(["sh", jobs, "3"], capture_output=True, text=True, env=environment, cwd=tmp_path, check=True)
    assert ran.stdout.startswith(f"train --resume {folder.relative_to(tmp_path)} --results ")
    assert main([*words, "--results", str(tmp_path / "lines.jsonl")]) == 2  # nothing is overwritten


@pytest.mark.parametrize("scale", ["paper", "short", "smoke"])
def test_a_command_makes_the_recipe_that_was_planned(scale: str, tmp_path: Path) -> None:
    made = plan(TARGETS["identity-shortcuts"], scale, [4], [], tmp_path)
    for given, command in zip(made.missing, commands(made, None), strict=True):
        words = command.partition("else resnets train ")[2].split(" --out ")[0].split()
        assert override(recipe(words[0]), words[1:]) == given.recipe


def test_costs_are_in_proportion(tmp_path: Path) -> None:
    lines = [{**line(NET, seed, 8.0), "seconds": seconds} for seed, seconds in enumerate((9_000.0, 12_800.0, 90_000.0))]
    lines.append(line(NET, 0, 8.0, "iterations=20"))  # says nothing about training
    lines.append({**line(NET, 0, 8.0, "changes.drop_path=0.5"), "seconds": 1.0})  # nor this about other networks
    lines.append({"study": "lesions", "device": "CPU"})  # nor what is no run
    lines.append({**lines[2], "protocol": "dense"})  # a run that was tested in another way, too, is one run
    (speed,) = recorded(lines, tmp_path)
    assert speed.images_per_second == 64_000 * 128 / 12_800
    assert speed.seconds(recipe(NET)) == pytest.approx(12_800)
    ratio = model_spec("cifar_resnet110").multiply_adds / model_spec("cifar_resnet20").multiply_adds
    assert speed.seconds(recipe("cifar10-resnet110")) == pytest.approx(12_800 * ratio)
    assert Speed(100.0, "cifar_resnet20", "h", "s").seconds_of("cifar_resnet20", 500) == 5


def test_a_run_costs_what_the_nearest_network_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The network itself, else the nearest of its kind, on this hardware; recorded are runs of another seed."""
    here = resolve_device("auto")
    where = {"device": device_name(here), "precision": resolve_precision("auto", here)}
    seconds = {"plain20": 1_000.0, "plain56": 4_000.0, "resnet20": 9_000.0, "resnet56": 20_000.0}
    lines = [{**line(f"cifar10-{net}", 7, 8.0), **where, "seconds": took} for net, took in seconds.items()]
    lines.append({**line("cifar10-resnet110", 7, 8.0), "device": "another", "seconds": 1.0})
    (tmp_path / "lines.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    words = ["plan", "figure6", "--seeds", "0", "--results", str(tmp_path / "lines.jsonl"), "--out", str(tmp_path)]
    record = _json(capsys, words)
    found = {Path(run["run"]).name.split("-")[1]: (run["from"], run["seconds"]) for run in record["missing"]}
    assert {net: found[net] for net in seconds} == {net: (f"cifar_{net}", took) for net, took in seconds.items()}
    for net, source in (("plain110", "plain56"), ("plain32", "plain20"), ("resnet44", "resnet56")):
        ratio = model_spec(f"cifar_{net}").multiply_adds / model_spec(f"cifar_{source}").multiply_adds
        assert found[net] == (f"cifar_{source}", pytest.approx(seconds[source] * ratio, abs=1))
    assert len(record["cost_from"]) == 4
    assert main(words) == 0
    text = capsys.readouterr().out
    assert re.search(r"cifar10-resnet110, seed 0: 64,000 iterations, about .*, from cifar_resnet56\n", text)
    assert re.search(r"cifar10-resnet56, seed 0: 64,000 iterations, about 5 h 33 min\n", text)
    assert "From a recorded run: 410 images of cifar_resnet56 a second on " in text  # 64,000 x 128 / 20,000


@pytest.mark.parametrize("what", sorted(set(WHAT) - {"list"}))
def test_a_plan_writes_nothing(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the figure of what has been run before."""
    monkeypatch.setattr(reproduce, "speeds_here", lambda *_: [Speed(100.0, "cifar_resnet20", "h", "s")])
    curve = {"steps": [1, 2], "train_error": [50.0, 40.0], "test_error": [50.0, 35.0]}
    entries = [*TARGETS["figure6"].entries, *PHOTOGRAPHS["figure4"].entries]
    more = {"curve": curve, "protocol": "single", "top5_error": 10.0}
    lines = [{**line(entry.recipe, 0, 30.0), **more} for entry in entries]
    (tmp_path / "lines.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for options in ([], ["--out", "."]):
        assert main(["plan", what, "--results", str(tmp_path / "lines.jsonl"), *options]) == 0
    assert list(here.iterdir()) == []


def test_the_list_and_the_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [row["name"] for row in _json(capsys, ["reproduce", "list"])["targets"]]
    assert sorted(names) == sorted(set(WHAT) - {"list"})
    assert {*TABLES, *TARGETS, "degradation", "figure3"} <= set(names)
    for words, says in (
        (["table1", "--scale", "short"], "scale: table1 has nothing of the kind to choose"),
        (["degradation", "--only", "plain20"], "only: degradation has nothing of the kind to choose"),
        (["nothing"], "there is no 'nothing' to reproduce"),
        (["table6", "--scale", "tiny"], "allowed are paper, short, smoke"),
        (["table6", "--only", "resnet21"], "there is no 'resnet21'; there are cifar10-resnet20, "),
        (["choices", "--only", "resnet20,fan-in"], "there is no 'fan-in'; there are cifar10-resnet20, "),
    ):
        assert main(["reproduce", *words]) == 2
        (error,) = capsys.readouterr().err.splitlines()
        assert says in error


def test_what_is_computed_or_only_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = _json(capsys, ["reproduce", "table1", "--check"])["rows"]
    assert [row["params"] for row in rows] == [11_689_512, 21_797_672, 25_557_032, 44_549_160, 60_192_808]
    printed = _json(capsys, ["reproduce", "table9"])
    assert printed["measured"] is False
    assert main(["reproduce", "table9", "--check"]) == 1  # not measured is no success
    drawn = _json(capsys, ["reproduce", "figure3", "--out", str(tmp_path)])
    assert Path(drawn["figure"]).read_text().startswith("<?xml")
    assert [row["layers"] for row in drawn["networks"]] == [19, 34, 34]


def test_the_plan_of_an_imagenet_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "lines.jsonl"
    results.write_text(json.dumps({**line(NET, 0, 8.0), "seconds": 8_192.0}) + "\n")  # 1,000 images a second
    record = _json(capsys, ["plan", "table2", "--results", str(results)])
    row = record["rows"][2]
    assert (row["name"], row["paper"]["top1"]) == ("plain34", 28.54)
    ratio = model_spec("plain34").multiply_adds / model_spec("cifar_resnet20").multiply_adds
    *_, here = (where for where in row["hours"] if where.startswith("CPU, 1 thread"))
    elsewhere = [where for where in row["hours"] if not where.startswith(("CPU", "AMD"))]
    assert row["hours"][here] == pytest.approx(600_000 * 256 * ratio / 1_000 / 3600, abs=1e-3)
    assert elsewhere == ["RTX 3090", "A100", "H200"]
    ratio = model_spec("plain34").multiply_adds / model_spec("resnet34").multiply_adds  # the nearest that timm printed
    assert row["hours"]["RTX 3090"] == pytest.approx(600_000 * 256 * ratio / 2_037 / 3600, abs=1e-3)
    folder = "runs/reproduction/imagenet-plain34-seed0"
    assert f"resnets train imagenet-plain34 seed=0 --out {folder}" in record["commands"]
    assert record["commands"][-1] == f"resnets reproduce table2 --results {results}"
    total = record["total"]
    assert total["runs"] == 4
    for where, hours in total["hours"].items():
        assert hours == pytest.approx(sum(row["hours"][where] for row in record["rows"]))
    # Twice the archives, and of each network three checkpoints with momentum, and weights.
    weights = [4 * model_spec(row["name"]).params for row in record["rows"]]
    assert total["disk_gb"] == pytest.approx((2 * 154_642_401_280 + 7 * sum(weights)) / 1e9, abs=0.1)


def test_a_short_plan_of_imagenet_has_no_time_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "table2", "--scale", "short", "--results", str(tmp_path / "lines.jsonl"), "--out", str(tmp_path)]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert " 0 h" not in text
    (row,) = re.findall(r"^plain18 .* (\d+) min (\d+) s$", text, re.MULTILINE)
    # MLPerf's 7,941 images of ResNet-50, its stride in the 3x3, a second on an H200
    ratio = model_spec("plain18").multiply_adds / model_spec("resnet50_v1_5").multiply_adds
    assert 60 * int(row[0]) + int(row[1]) == pytest.approx(60_000 * 256 * ratio / 7_941, abs=3)
    assert re.search(r"^in all +\d", text, re.MULTILINE)


def test_a_plan_of_table_4_says_what_is_tested_by_ten_crops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "lines.jsonl"
    words = ["plan", "table4", "--results", str(results), "--out", str(tmp_path)]
    assert _json(capsys, words)["ten_crops"] == ["resnet50", "resnet101", "resnet152"]
    results.write_text(json.dumps({**line("imagenet-resnet101", 0, 21.75), "protocol": "ten-crop"}) + "\n")
    assert _json(capsys, words)["ten_crops"] == ["resnet50", "resnet152"]
    assert main(words) == 0
    assert "tested beside dense, by ten crops, for the gain: resnet50, resnet152\n" in capsys.readouterr().out
    for others in (["table3", *words[2:]], [*words[1:], "--scale", "short", "--only", "resnet34"]):
        assert _json(capsys, ["plan", *others])["ten_crops"] == []


def test_the_commands_of_a_plan_are_for_what_was_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--seeds", "1..2", "--scale", "short", "--only", "plain18,plain34", "--out", str(tmp_path)]
    *_, again = _json(capsys, ["plan", "table2", *options])["commands"]
    assert again == f"resnets reproduce table2 {' '.join(options)}"
    together = _json(capsys, ["plan", "table5", "--seeds", "0", "--out", str(tmp_path)])["commands"][-1]
    folders = " ".join(f"{tmp_path}/{entry.folder('paper', 0)}" for entry in PHOTOGRAPHS["table5"].entries)
    assert together.startswith(f"resnets evaluate {folders} --data")


# ---------------------------------------------------------------------------------------------------------------
# Stopped anywhere


def test_a_line_that_was_cut_off_is_no_obstacle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lines.jsonl"
    whole = json.dumps(line(NET, 0, 8.42))
    path.write_text(f"{whole}\n{whole[:200]}")
    assert len(read_lines(path)) == 1
    assert "the last line, 2, is cut off and left out" in capsys.readouterr().err
    append_result(path, {"a": "ä"})
    assert path.read_text() == f'{whole}\n{{"a": "ä"}}\n'
    path.write_text(whole)  # whole, but for its end
    assert len(read_lines(path)) == 1
    append_result(path, {"a": 1})
    assert path.read_text() == f'{whole}\n{{"a": 1}}\n'
    path.write_text(f"{whole[:200]}\n{whole}\n")  # in the middle it is damage
    with pytest.raises(ValueError, match=r"lines.jsonl, line 1: not JSON: '\{\"recipe\""):
        read_lines(path)


def test_lines_of_several_writers_do_not_mix(tmp_path: Path) -> None:
    path, long = tmp_path / "lines.jsonl", "x" * 100_000
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: append_result(path, {"number": number, "text": long}), range(12)))
    assert sorted(one["number"] for one in read_lines(path)) == list(range(12))


@pytest.mark.usefixtures("tiny_smoke")
def test_what_was_stopped_short_of_its_line_gets_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "lines.jsonl"
    words = ["reproduce", "figure1", "--scale", "smoke", "--seeds", "0", "--only", "plain20"]
    words += ["--out", str(tmp_path / "out"), "--results", str(results)]
    done = _json(capsys, words)
    (one,) = read_lines(results)
    results.write_text(results.read_text()[:500])  # killed as the line was written
    (folder,) = (tmp_path / "out").glob("*-seed0")
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert _json(capsys, words)["rows"] == done["rows"]
    assert read_lines(results) == [one]
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    # The job file goes on with a finished run: which adds nothing.
    for _ in range(2):
        assert main(["train", "--resume", str(folder), "--results", str(results)]) == 0
    assert read_lines(results) == [one]


@pytest.mark.usefixtures("tiny_smoke")
def test_another_process_at_work_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["reproduce", "figure1", "--scale", "smoke", "--seeds", "0", "--only", "plain20", "--out", str(tmp_path)]
    folder = tmp_path / "cifar10-plain20-smoke-seed0"
    folder.mkdir()
    with alone(folder):
        assert main(words) == 2
    assert f"{folder}: another process is at work there" in capsys.readouterr().err


@pytest.mark.slow
def test_a_job_over_two_ranks(tmp_path: Path) -> None:
    """torchrun starts them, on the CPU; typed again, the run is not repeated."""
    jobs = tmp_path / "jobs.sh"
    words = ["plan", "figure1", "--scale", "smoke", "--seeds", "0", "--only", "plain20", "--out", str(tmp_path / "out")]
    assert main([*words, "--jobs", str(jobs), "--results", str(tmp_path / "lines.jsonl")]) == 0
    subprocess.run(["bash", "-n", jobs], check=True)
    here = {**os.environ, "GPUS": "2", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    said = [subprocess.run(["sh", jobs, "0"], env=here, capture_output=True, text=True, check=True) for _ in range(2)]
    assert "2 ranks with 8 images a pass each" in said[0].stderr
    assert "ranks" not in said[1].stderr
    assert len(read_lines(tmp_path / "lines.jsonl")) == 1
