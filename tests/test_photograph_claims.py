"""What is asked of the ImageNet tables beside top-1 errors: each claim fails where lines are not the paper's."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_verdicts import line

from resnets.cli import main
from resnets.paper import photograph_tables
from resnets.paper.entries import Target
from resnets.paper.lines import read_lines
from resnets.paper.photograph_claims import (
    claims_about,
    ensemble_claim,
    judged_photographs,
    top5_band,
    top5_rows,
)
from resnets.paper.photographs import PHOTOGRAPHS
from resnets.paper.plan import Plan, Planned
from resnets.paper.verdicts import Row, failures, is_of, judged, rows_of


def papers(what: str, **top1: float) -> list[dict[str, Any]]:
    """Lines with the paper's figures, but for the networks in `top1`."""
    return [
        {
            **line(
                entry.recipe, len(entry.changes), top1.get(entry.recipe.removeprefix("imagenet-"), entry.paper or 0.0)
            ),
            "top5_error": entry.paper_top5,
            "protocol": PHOTOGRAPHS[what].protocol,
        }
        for entry in PHOTOGRAPHS[what].entries
    ]


def rows(what: str, lines: list[dict[str, Any]], scale: str = "paper") -> list[Row]:
    return rows_of(PHOTOGRAPHS[what], scale, [0], lines)


def verdicts(what: str, lines: list[dict[str, Any]], by_ten_crops: list[Row] | None = None) -> dict[str, str]:
    found = claims_about(what, rows(what, lines), by_ten_crops or [])
    return {one.claim.text: one.verdict for one in found}


# ---------------------------------------------------------------------------------------------------------------
# Top-5


@pytest.mark.parametrize("what", ["table3", "table4", "table5"])
def test_top5_errors_are_judged(what: str) -> None:
    lines = papers(what)
    assert failures(top5_rows(rows(what, lines)), []) == []
    wrong = [{**one, "top5_error": 94.9} for one in lines]
    assert failures(top5_rows(rows(what, wrong)), []) == [
        f"{entry.name}, top-5: outside the band" for entry in PHOTOGRAPHS[what].entries
    ]


def test_the_bands_of_top5_are_narrower_as_fewer_mistakes_scatter_less() -> None:
    for entry in PHOTOGRAPHS["table3"].entries:
        low, high = top5_band(entry)
        assert low < (entry.paper_top5 or 0) < high
        assert entry.band is not None
        assert 0.5 < (high - low) / (entry.band[1] - entry.band[0]) < 0.7


def reproduced(
    what: str, lines: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """`resnets reproduce --check` of lines alone, as if ImageNet were there."""
    results = tmp_path / "lines.jsonl"
    results.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    monkeypatch.setattr(photograph_tables, "open_photographs", lambda *_: None)
    assert main(["reproduce", what, "--results", str(results), "--out", str(tmp_path), "--check"]) == status


@pytest.mark.parametrize("what", ["table3", "table4"])
def test_a_check_fails_by_top5_alone(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = papers(what) + (papers("table3") if what == "table4" else [])
    reproduced(what, lines, tmp_path, monkeypatch, 0)
    assert "5.71  " in capsys.readouterr().out
    wrong = [{**one, "top5_error": 94.9} for one in lines]
    reproduced(what, wrong, tmp_path, monkeypatch, 1)
    said = "".join(capsys.readouterr())
    assert "imagenet-resnet152, top-5: outside the band" in said


# ---------------------------------------------------------------------------------------------------------------
# Table 5


def test_members_of_the_ensemble_are_judged_by_table_4() -> None:
    singles = {entry.recipe: (entry.paper, entry.band) for entry in PHOTOGRAPHS["table4"].entries}
    assert {entry.recipe: (entry.paper, entry.band) for entry in PHOTOGRAPHS["table5"].entries} == singles
    found = rows("table5", papers("table5", resnet152=25.0))
    assert failures(found, judged(PHOTOGRAPHS["table5"], found)) == [
        "imagenet-resnet152: outside the band",
        "imagenet-resnet152, another: outside the band",
    ]


@pytest.mark.parametrize(("error", "verdict"), [(4.2, "holds"), (4.49, "does not hold"), (6.0, "does not hold")])
def test_an_ensemble_is_better_than_its_best_network(error: float, verdict: str) -> None:
    found = ensemble_claim(rows("table5", papers("table5")), {"top5_error": error}, None)
    assert (found.claim.worse, found.verdict) == ("imagenet-resnet152", verdict)


def test_the_test_servers_figure_is_compared_with_nothing() -> None:
    target = PHOTOGRAPHS["table5"]
    assert "it is held against nothing here" in target.remark
    assert 3.57 not in {figure for entry in target.entries for figure in (entry.paper, entry.paper_top5)}


@pytest.mark.parametrize(
    ("what", "gain", "together", "failed"),
    [
        ("table5", 0.0, 4.2, None),
        ("table5", 0.0, 4.6, "together they are better than the best of them, in top-5 error: does not hold"),
        ("table4", 2.0, 0.0, None),
        ("table4", 1.0, 0.0, "resnet50 gains by dense testing at five scales, over ten crops: does not hold"),
    ],
)
def test_a_check_of_networks_that_were_trained(
    what: str,
    gain: float,
    together: float,
    failed: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the folders of runs on; training and testing are played."""
    lines = dict(zip([entry.folder("paper", 0) for entry in PHOTOGRAPHS[what].entries], papers(what), strict=True))

    def tested(folder: Path, wanted: photograph_tables.Wanted) -> dict[str, Any]:
        protocol = wanted.target.protocol
        more = gain if protocol == "ten-crop" else 0.0
        return {**lines[folder.name], "test_error": lines[folder.name]["test_error"] + more, "protocol": protocol}

    def ensemble(folders: list[Path], _: photograph_tables.Wanted) -> dict[str, Any]:
        return {"networks": list(map(str, folders)), "top1_error": 19.0, "top5_error": together, "submission": None}

    monkeypatch.setattr(photograph_tables, "open_photographs", lambda *_: None)
    monkeypatch.setattr(photograph_tables, "carry_out_missing", lambda *_: ([], {}))
    monkeypatch.setattr(photograph_tables, "_tested", tested)
    monkeypatch.setattr(photograph_tables, "_ensemble", ensemble)
    words = ["reproduce", what, "--results", str(tmp_path / "lines.jsonl"), "--out", str(tmp_path), "--check"]
    assert main(words) == (1 if failed else 0)
    out, err = capsys.readouterr()
    assert (failed or "") in err
    assert ("it is held against nothing here" in out) == (what == "table5")


def test_networks_that_were_tested_in_another_way_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By ten crops for Table 4, and as an ensemble for Table 5; nothing is tested twice."""
    asked: list[tuple[str, str]] = []

    def tested(folder: Path, wanted: photograph_tables.Wanted) -> dict[str, Any]:
        table = "table3" if wanted.target.protocol == "ten-crop" else wanted.what
        entries = [entry.folder("paper", 0) for entry in PHOTOGRAPHS[table].entries]
        asked.append((wanted.target.protocol, folder.name))
        return {**papers(table)[entries.index(folder.name)], "protocol": wanted.target.protocol}

    results = tmp_path / "lines.jsonl"
    monkeypatch.setattr(photograph_tables, "open_photographs", lambda *_: None)
    monkeypatch.setattr(photograph_tables, "carry_out_missing", lambda *_: ([], {}))
    monkeypatch.setattr(photograph_tables, "_tested", tested)
    together = {"top1_error": 19.0, "top5_error": 4.2}
    monkeypatch.setattr(photograph_tables, "_ensemble", lambda names, _: {"networks": names, **together})
    words = ["--results", str(results), "--out", str(tmp_path), "--check"]
    results.write_text(json.dumps({**papers("table3")[-1], "protocol": "ten-crop"}) + "\n")  # of resnet152
    assert main(["reproduce", "table4", *words]) == 0
    assert [name for protocol, name in asked if protocol == "ten-crop"] == [
        "imagenet-resnet50-seed0",
        "imagenet-resnet101-seed0",
    ]
    assert [one["protocol"] for one in read_lines(results)].count("ten-crop") == 3
    del asked[:]
    assert main(["reproduce", "table4", *words]) == 0  # from the lines alone
    assert asked == []

    assert main(["reproduce", "table5", *words]) == 0
    (line,) = [one for one in read_lines(results) if "ensemble" in one]
    assert line["networks"] == [entry.name for entry in PHOTOGRAPHS["table5"].entries]
    assert (line["ensemble"], line["scale"], line["seed"], line["data"]) == ("table5", "paper", 0, {"name": "imagenet"})
    assert {name: line[name] for name in together} == together


# ---------------------------------------------------------------------------------------------------------------
# Claims


def curves(**train: list[float]) -> list[dict[str, Any]]:
    """Lines of Figure 4 with a point for each phase of the learning rate, and test errors as in its first phase."""
    steps = [60_000, 150_000, 300_000, 600_000]
    early = {"plain18": 50.0, "plain34": 55.0, "resnet18_a": 47.0, "resnet34_a": 44.0}
    return [
        {**one, "curve": {"steps": steps, "train_error": train.get(name, [45.0] * 4), "test_error": [early[name]] * 4}}
        for one in papers("figure4")
        for name in [one["model"]]
    ]


PHASES = "plain34 trains worse than plain18 in each phase of the learning rate, where it is least"
SOONER = "resnet18_a is better than plain18 after a tenth of training"


@pytest.mark.parametrize(
    ("plain34", "verdict"),
    [
        ([55.0, 55.0, 36.0, 32.3], "holds"),
        ([51.0, 51.0, 36.0, 32.3], "does not hold"),
        ([55.0, 55.0, 34.0, 32.3], "does not hold"),
        ([55.0, 55.0, 36.0, 30.0], "does not hold"),
    ],
)
def test_training_error_in_every_phase(plain34: list[float], verdict: str) -> None:
    lines = curves(plain18=[52.0, 52.0, 35.0, 31.0], plain34=plain34)
    assert verdicts("figure4", lines)[PHASES] == verdict


def test_a_tenth_of_training() -> None:
    lines = curves()
    assert verdicts("figure4", lines)[SOONER] == "holds"
    for one in lines:
        if one["model"] == "resnet18_a":
            one["curve"]["test_error"] = [51.0, 40.0, 30.0, 29.0]
    assert verdicts("figure4", lines)[SOONER] == "does not hold"


def test_without_curves_nothing_of_them_is_claimed() -> None:
    assert verdicts("figure4", papers("figure4")) == {PHASES: "not measured", SOONER: "not measured"}


@pytest.mark.parametrize(("error", "verdict"), [(27.88, "holds"), (27.3, "does not hold"), (28.5, "does not hold")])
def test_resnet18_ends_as_plain18(error: float, verdict: str) -> None:
    found = judged(PHOTOGRAPHS["table2"], rows("table2", papers("table2", resnet18_a=error)))
    assert {one.claim.text: one.verdict for one in found}["plain18 and resnet18_a end alike"] == verdict


@pytest.mark.parametrize(("error", "verdict"), [(24.19, "holds"), (23.7, "does not hold"), (25.9, "does not hold")])
def test_spread_of_the_shortcuts(error: float, verdict: str) -> None:
    found = verdicts("table3", papers("table3", resnet34_c=error))
    assert found == {"shortcuts A, B and C of resnet34 lie close together": verdict}


@pytest.mark.parametrize(("error", "failed"), [(21.75, 0), (21.0, 1), (22.6, 1)])
def test_gain_by_dense_testing(error: float, failed: int) -> None:
    ten = rows("table4", papers("table3", resnet101=error))
    found = verdicts("table4", papers("table4"), ten)
    assert len(found) == 6
    assert list(found.values()).count("does not hold") == failed
    assert set(verdicts("table4", papers("table4")).values()) == {"not measured"}


def test_of_surrogates_signs_alone_are_asked() -> None:
    short = {
        w: [Row(row.entry, "short", row.runs) for row in rows(w, papers(w))] for w in ("table2", "table3", "table4")
    }
    assert claims_about("table2", short["table2"]) == claims_about("table3", short["table3"]) == []
    found = claims_about("table4", short["table4"], short["table3"])
    assert [(one.asked, one.verdict) for one in found] == [(0.0, "holds")] * 3


# ---------------------------------------------------------------------------------------------------------------
# What was stopped, and what diverged


def test_a_network_that_was_tested_densely_is_still_tested_by_ten_crops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the command was stopped between the two: the run is no longer missing, and its folder is there."""
    entry = next(entry for entry in PHOTOGRAPHS["table4"].entries if entry.recipe == "imagenet-resnet50")
    given = Planned(entry, entry.planned("paper", 0), tmp_path / "run")

    def planned(target: Target, scale: str, seeds: list[int], lines: list[dict[str, Any]], out: Path) -> Plan:
        recorded = any(is_of(one, given.recipe) for one in lines)
        return Plan(target, scale, seeds, lines, [], [] if recorded else [given])

    monkeypatch.setattr(photograph_tables, "plan", planned)
    results = tmp_path / "lines.jsonl"
    dense, ten = ({**line(entry.recipe, 0, 20.74), "protocol": protocol} for protocol in ("dense", "ten-crop"))
    for lines, expected in (([], [given]), ([dense], [given]), ([dense, ten], [])):
        results.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
        wanted = photograph_tables.Wanted(
            what="table4",
            target=PHOTOGRAPHS["table4"],
            scale="paper",
            seeds=[0],
            out=tmp_path,
            given=None,
            results=results,
        )
        assert wanted.by_ten_crops == expected


def test_a_row_that_diverged_has_no_good_top5_error_either() -> None:
    (first, *_) = rows("table3", papers("table3"))
    (found,) = top5_rows([replace(first, diverged={1: "loss not finite in iteration 3"})])
    assert (found.verdict, found.said) == ("diverged", "diverged in seed 1")


def test_an_ensemble_whose_networks_have_no_lines_claims_nothing() -> None:
    together = {"networks": ["a", "b"], "top5_error": 4.0}
    assert judged_photographs("table5", PHOTOGRAPHS["table5"], rows("table5", []), (), together) == []
