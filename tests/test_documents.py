"""Generated blocks: the checkout's documents are up to date, and each block says what its results say."""

import json
from pathlib import Path
from typing import Any

import pytest

from resnets.classification.recipes import departures, recipe
from resnets.documents import filling as documents
from resnets.documents.blocks import BLOCKS
from resnets.documents.filling import fill, main
from resnets.models.catalog import list_models, model_spec
from resnets.models.rows import PAPER
from resnets.paper.lines import read_lines

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    "torch": "2.15.0",
    "python": "3.11.7",
    "resnets": "0.1.0",
    "commit": "abc123",
    "device": "CPU, 2 threads",
}


@pytest.mark.slow  # `make check` does it too
def test_the_documents_of_this_checkout_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert documents.main(["--check"]) == 0, "type: python -m resnets.documents"


def test_every_block_is_used_once() -> None:
    text = "".join(path.read_text() for path in documents.documents(ROOT))
    assert [name for name in BLOCKS if text.count(f"<!-- generated: {name} -->") != 1] == []


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _run(name: str, seed: int, error: float, **changes: Any) -> dict[str, Any]:
    chosen = recipe(name)
    return {
        "recipe": name,
        "model": chosen.model,
        "seed": seed,
        "iterations": chosen.iterations,
        "test_error": error,
        "train_error": 1.0,
        "seconds": 590.0,
        "device": ENVIRONMENT["device"],
        "precision": "bf16",
        "departures": departures(chosen, "bf16"),
        "data": {"name": chosen.data, "validation_images": chosen.validation_images},
        "environment": ENVIRONMENT,
        **changes,
    }


def test_the_papers_own_models_are_counted(tmp_path: Path) -> None:
    text = BLOCKS["models"](tmp_path)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    own = [name for name in list_models() if "arXiv" not in (source := model_spec(name).source) or PAPER in source]
    assert [row.split("`")[1] for row in rows] == own
    assert f"| {model_spec('cifar_resnet20').params:,} |" in next(row for row in rows if "`cifar_resnet20`" in row)


BEFORE = (
    "degradation",
    "cifar10",
    "errors",
    "runs",
    "weights",
    "own-pictures",
    "speed",
    "precision",
    "loading",
    "protocols",
    "decoding",
)


@pytest.mark.parametrize("name", BEFORE)
def test_a_block_without_results_says_so(name: str, tmp_path: Path) -> None:
    assert BLOCKS[name](tmp_path).startswith("Not measured yet: `")


def test_runs_are_grouped_with_mean_and_deviation(tmp_path: Path) -> None:
    fast = [_run("cifar10-resnet20-fast", seed, error) for seed, error in ((2, 8.5), (0, 8.1), (1, 8.3))]
    _write(tmp_path / "cifar10.jsonl", fast)
    text = BLOCKS["runs"](tmp_path)
    (row,) = [line for line in text.splitlines() if "iterations" in line]
    assert "| 0, 1, 2 | 8.30 ± 0.20 | 8.10, 8.30, 8.50 |  | 1.00 ± 0.00 | 9 min 50 s | CPU, 2 threads, bf16 |" in row
    assert text.startswith("## cifar10-resnet20-fast\n")
    assert "torch 2.15.0, Python 3.11.7, resnets 0.1.0 at commit abc123." in text


def test_in_short_runs_stand_together_whatever_they_ran_on(tmp_path: Path) -> None:
    """But not where their precision differs; the name of a recipe stands once."""
    lines = [
        _run("cifar10-resnet20", 0, 8.4),
        _run("cifar10-resnet20", 1, 8.6, device="CPU, 1 thread"),
        _run("cifar10-resnet20", 0, 9.0, precision="fp32", departures=[]),
    ]
    _write(tmp_path / "cifar10.jsonl", lines)
    rows = [line for line in BLOCKS["errors"](tmp_path).splitlines() if "iterations" in line]
    assert rows == [
        "| `cifar10-resnet20` | 64,000 iterations | bf16 | 0, 1 | 8.50 ± 0.14 |",
        "|  | 64,000 iterations | fp32 | 0 | 9.00 |",
    ]


def test_a_seed_that_was_run_anew_counts_once(tmp_path: Path) -> None:
    """The newest of its lines."""
    runs = ((0, 9.0), (1, 8.6), (0, 8.4))
    _write(tmp_path / "cifar10.jsonl", [_run("cifar10-resnet20", seed, error) for seed, error in runs])
    assert "| 0, 1 | 8.50 ± 0.14 | 8.40, 8.60 |" in BLOCKS["runs"](tmp_path)


def test_the_papers_figure_stands_only_beside_the_papers_schedule(tmp_path: Path) -> None:
    usual = departures(recipe("cifar10-resnet20"), "bf16")
    short = ["iterations: 6400 (paper: 64000)", "milestones: 3200, 4800 (paper: 32000, 48000)", *usual]
    lines = [
        _run("cifar10-resnet20", 0, 8.7),
        _run("cifar10-resnet20", 0, 12.0, iterations=6400, departures=short),
        _run("cifar10-resnet20-45k", 0, 9.0),
    ]
    _write(tmp_path / "cifar10.jsonl", lines)
    rows = [line for line in BLOCKS["runs"](tmp_path).splitlines() if "iterations" in line]
    whole, shortened, held_out = (next(r for r in rows if error in r) for error in ("8.70", "12.00", "9.00"))
    assert "| 64,000 iterations |" in whole
    assert "| 8.75 |" in whole
    assert "| 6,400 iterations; milestones: 3200, 4800 |" in shortened
    assert "8.75" not in shortened
    assert "| 64,000 iterations; 5,000 images held out |" in held_out


def test_a_size_that_is_not_listed_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    """Its recipe is made from its name, and its line says what of the network was changed."""
    changed = ["changes.width: 16 (paper: 64)", *departures(recipe("cifar10-resnext29_4x32d"), "bf16")]
    _write(tmp_path / "cifar10.jsonl", [_run("cifar10-resnext29_4x32d", 0, 12.3, departures=changed)])
    assert "; changes.width: 16 |" in BLOCKS["runs"](tmp_path)


def test_own_pictures_stand_beside_the_linear_classifier(tmp_path: Path) -> None:
    """The newest line of each folder, start and seed; 5 wrong of 10 are 23.66 to 76.34 % by Wilson's formula."""
    folder = {"name": "cats", "train_images": 1500, "test_images": 10}
    line = {**_run("cifar10-resnet20", 0, 50.0), "data": folder, "start": None, "baseline": None, "test_images": 10}
    baseline = {"test_wrong": 2, "images": 10}
    lines = [
        {**line, "test_wrong": 9},
        {**line, "test_wrong": 1, "start": "x.safetensors", "baseline": baseline},
        {**line, "test_wrong": 5},
        {**line, "test_wrong": 4, "seed": 1},
    ]
    _write(tmp_path / "own_pictures.jsonl", lines)
    head, marks, nothing, _, started = BLOCKS["own-pictures"](tmp_path).splitlines()[:5]
    assert head.count("|") == marks.count("|") == nothing.count("|") == started.count("|")
    assert nothing.startswith(
        "| `cats` | 1,500 and 10 | nothing | `cifar_resnet20` | 0 | 64,000 | 50.00 (23.66 to 76.34) |"
    )
    assert "| `x.safetensors` |" in started
    assert started.endswith("| 10.00 (1.79 to 40.42) | 20.00 (5.67 to 50.98) |")


def test_the_newest_degradation_with_its_verdict(tmp_path: Path) -> None:
    table = [
        {"net": f"{family}-{depth}", "train_error": [error, error + 1], "test_error": [5.0, 6.0]}
        for family, depth, error in (("plain", 20, 1.0), ("resnet", 20, 0.5), ("plain", 56, 60.0), ("resnet", 56, 0.7))
    ]
    record = {
        "table": table,
        "plain_degrades": True,
        "residual_does_not": True,
        "degradation": True,
        "deeper_minus_shallower": {"plain": [59.0, 59.0], "resnet": [0.2, 0.2]},
        "seeds": [0, 1],
        "seconds": 240.0,
        "device": ENVIRONMENT["device"],
        "precision": "bf16",
        "environment": ENVIRONMENT,
        "surrogate": "the digits",
    }
    old = {**record, "degradation": False, "seeds": [7, 8]}
    _write(tmp_path / "degradation.jsonl", [old, record])
    text = BLOCKS["degradation"](tmp_path)
    assert "| plain-56 | 60.50 ± 0.71 | 5.50 ± 0.71 | 60.00, 61.00 |" in text
    assert "plain +59.00, +59.00 points, residual +0.20, +0.20 points" in text
    assert "**The paper's degradation shows.**" in text
    assert "Seeds 0, 1; 4 min 00 s of training in all. On CPU, 2 threads, bf16; torch 2.15.0" in text
    _write(tmp_path / "degradation.jsonl", [record, old])
    assert "**The paper's degradation does not show.**" in BLOCKS["degradation"](tmp_path)


def test_the_newest_speed_of_each_thing(tmp_path: Path) -> None:
    plain = {"images_per_second": 400.4, "ratio": 1.0, "share_of_limit": 0.251}
    line = {
        "kind": "training",
        "model": "cifar_resnet20",
        "batch": 128,
        "sides": {"plain": plain, "fused": {"images_per_second": 1000.0, "ratio": 2.5, "share_of_limit": 0.6}},
        "device": "CPU, 2 threads",
        "precision": "bf16",
        "environment": ENVIRONMENT,
    }
    newer = {**line, "sides": {"plain": plain, "fused": {**line["sides"]["fused"], "images_per_second": 1100.0}}}
    other = {**line, "kind": "inference", "batch": 1, "sides": {"plain": {**plain, "images_per_second": 7.5}}}
    _write(tmp_path / "bench" / "speed.jsonl", [line, other, newer])
    text = BLOCKS["speed"](tmp_path)
    assert "| training of `cifar_resnet20`, batch 128 | plain | 400 | 1.00 | 25% |" in text
    assert "|  | fused | 1,100 | 2.50 | 60% |" in text
    assert "| inference of `cifar_resnet20`, batch 1 | plain | 7.5 | 1.00 | 25% |" in text
    assert "1,000" not in text
    assert "On CPU, 2 threads, bf16; torch 2.15.0" in text


def test_the_newest_versions_and_what_is_saved_by_leaving_out(tmp_path: Path) -> None:
    here = {**ENVIRONMENT, "device": "CPU, 2 threads", "precision": "bf16", "rounds": 3}
    first = {"commit": "158cd76", "fields": [], "change": "float32", "images_per_second": 300.04, "ratio": 1.0}
    last = {**first, "commit": "HEAD", "change": "now", "images_per_second": 1000.0, "ratio": 2.655}
    older = {**here, "what": "training", "versions": [first]}
    _write(tmp_path / "bench" / "versions.jsonl", [older, {**older, "versions": [first, last]}])
    text = BLOCKS["versions"](tmp_path)
    assert "| `158cd76` | float32 | 300 | 1.00 |\n| `HEAD` | now | 1,000 | 2.65 |" in text
    assert "Medians of 3 rounds. On CPU, 2 threads, the first in fp32, the others in bf16" in text

    step = {**here, "what": "cifar_resnet110, drop_path 0.5", "share_of_time": 0.7654, "share_of_units": 0.75}
    step["milliseconds"] = {"constant": 1234.5, "stochastic": 900.0}
    _write(tmp_path / "bench" / "stochastic_depth.jsonl", [{**step, "share_of_time": 0.9}, step])
    text = BLOCKS["left_out"](tmp_path)
    assert "| cifar_resnet110, drop_path 0.5 | 1,234.5 | 900.0 | 76.5% | 75.0% | 70% to 80% | inside the band |" in text
    assert "90.0%" not in text
    _write(tmp_path / "bench" / "stochastic_depth.jsonl", [{**step, "share_of_time": 0.9}])
    assert "| 90.0% | 75.0% | 70% to 80% | outside the band |" in BLOCKS["left_out"](tmp_path)
    _write(tmp_path / "bench" / "stochastic_depth.jsonl", [{**step, "what": "cifar_resnet56, drop_path 0.5"}])
    assert "| 76.5% | 75.0% |  |  |" in BLOCKS["left_out"](tmp_path)


def test_one_thread_is_called_so_in_earlier_lines_too(tmp_path: Path) -> None:
    """They said "1 threads", and stood in tables apart from the same hardware."""
    _write(tmp_path / "lines.jsonl", [{"device": "CPU, 1 threads"}, {"device": "CPU, 11 threads"}])
    assert [line["device"] for line in read_lines(tmp_path / "lines.jsonl")] == ["CPU, 1 thread", "CPU, 11 threads"]


def test_filling_leaves_the_rest_alone_and_is_repeatable(tmp_path: Path) -> None:
    text = "before\n<!-- generated: speed -->\nold\n<!-- end -->\nafter\n"
    filled = fill(text, tmp_path)
    assert filled.startswith("before\n<!-- generated: speed -->\n\nNot measured yet")
    assert filled.endswith("<!-- end -->\nafter\n")
    assert "old" not in filled
    assert fill(filled, tmp_path) == filled


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<!-- generated: nothing -->\n<!-- end -->", "'nothing', allowed are models"),
        ("<!-- generated: speed -->\n", "end"),
    ],
)
def test_wrong_blocks_are_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        fill(text, tmp_path)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("resnets.documents.images.FIGURES", {})
    monkeypatch.setattr("resnets.documents.filling.counts_json", lambda: "{}\n")
    counts = tmp_path / "resnets" / "models" / "counts.json"
    counts.parent.mkdir(parents=True)
    counts.write_text('{"old": [1, 2, 3]}\n')
    readme = tmp_path / "README.md"
    readme.write_text("<!-- generated: speed -->\n<!-- end -->\n")
    assert main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "README.md: not up to date" in said
    assert "counts.json: not up to date" in said
    assert "old" in counts.read_text()
    assert "Not measured" not in readme.read_text()
    assert main([]) == 0
    assert "Not measured" in readme.read_text()
    assert counts.read_text() == "{}\n"
    assert main(["--check"]) == 0
    _write(tmp_path / "results" / "bench" / "speed.jsonl", [])
    (tmp_path / "results" / "bench" / "speed.jsonl").write_text("{broken\n")
    assert main([]) == 2
    assert "speed.jsonl, line 1" in capsys.readouterr().err
    assert main(["missing.md"]) == 2


def test_the_newest_photographs_of_each_kind(tmp_path: Path) -> None:
    """The lines are as the benchmarks write them: what is compared with what, and no side that was not measured."""
    bench = tmp_path / "bench"
    loaders = {
        **{"what": "loading photographs", "crop": "area", "loader_threads": 1, "pictures": 200, "mean_bytes": 110_000},
        **{"clock": "wall", "images_per_second": {"decode": 410.4, "torchvision": 120.0, "ours": 290.0}},
        **{"ratio": 2.417, "ratio_float": 2.1, "share_of_decoding": 0.712, **ENVIRONMENT},
    }
    speeds = {"loader": 1500.0, "network": 7.9, "both": 7.7}
    network = {**loaders, "together": speeds, "network": "resnet50", "batch": 64, "precision": "bf16"}
    del network["images_per_second"]
    _write(bench / "loading.jsonl", [{**loaders, "ratio": 1.0}, {**network, "both_to_the_slower": 0.978}, loaders])
    text = BLOCKS["loading"](tmp_path)
    assert "| ours | 290.0 | 2.42 times torchvision, 71% of decode, which is of whole pictures |" in text
    assert "| decode | 410.4 |  |" in text
    assert ", 1 thread or worker each." in text
    assert "| `resnet50`, batch 64, threads that load: 1 | 1,500.0 | 7.9 | 7.7 | 98% |" in text
    assert "256" not in text
    assert "1.00 times" not in text
    tested = {"what": "testing resnet50", "dense": {"plain": 1.5, "ours": 3.0, "ratio": 2.01, "apart": 2e-7}}
    _write(bench / "protocols.jsonl", [{**tested, **ENVIRONMENT}])
    assert "| testing resnet50 | dense | 1.50 | 3.00 | 2.01 | 2e-07 |" in BLOCKS["protocols"](tmp_path)
    steps = {"pictures": 4, "mean_bytes": 9_000, "microseconds": {"decode: Pillow": 3300}}
    _write(bench / "decoding.jsonl", [{**steps, **ENVIRONMENT}])
    assert "| decode: Pillow | 3300 |" in BLOCKS["decoding"](tmp_path)
