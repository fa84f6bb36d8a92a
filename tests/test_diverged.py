"""A run that diverged is a result: it is said, not begun again at every call, and plain-110 may."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_verdicts import NET, line

from resnets.classification import run as runs
from resnets.cli import main
from resnets.paper import entries
from resnets.paper.entries import Claim, Entry, Target
from resnets.paper.tabled import claims_lines, notes, table_text
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import Row, failures, judged, lost, rows_of
from resnets.training.journal import divergence
from resnets.training.recipe import override

PLAIN = "cifar10-plain110"
FAILS = Claim(text="fails", worse=PLAIN, by=40.0, error="train_error", or_diverges=True)


def _verdict(claim: Claim, row: Row) -> str:
    (found,) = judged(Target(title="t", source="s", entries=(row.entry,), claims=(claim,)), [row])
    return found.verdict


def test_to_diverge_is_to_fail_to_train() -> None:
    entry, why = Entry(recipe=PLAIN), {1: "loss not finite"}
    assert _verdict(FAILS, Row(entry, "paper", [], why)) == "holds"
    assert _verdict(FAILS, Row(entry, "paper", [])) == "not measured"
    trained, failed = line(PLAIN, 0, 10.0, train=3.0), line(PLAIN, 0, 70.0, train=65.0)
    assert _verdict(FAILS, Row(entry, "paper", [failed], why)) == "holds"
    assert _verdict(FAILS, Row(entry, "paper", [trained], why)) == "does not hold"  # the other seed trains well
    other = Claim(text="little", worse=PLAIN, by=40.0)  # which says nothing of divergence
    assert _verdict(other, Row(entry, "paper", [], why)) == "not measured"
    (claim,) = (claim for claim in TARGETS["figure6"].claims if claim.or_diverges)
    assert (claim.worse, claim.by, claim.weak) == (PLAIN, 40.0, True)


def test_a_row_of_which_a_seed_diverged_is_no_success() -> None:
    entry = Entry(recipe=NET, paper=8.75, band=(7.8, 9.2), mean_band=(8.35, 9.15))
    target = Target(title="t", source="s", entries=(entry,))
    lines = [line(NET, seed, 8.7) for seed in (0, 1)]
    folders = {f"{NET}-seed2": "loss not finite", f"{NET}-short-seed3": "of another scale"}
    (row,) = rows_of(target, "paper", [0, 1, 2, 3], lines, folders)
    assert (row.verdict, row.diverged) == ("diverged", {2: "loss not finite"})
    assert "diverged in seed 2" in table_text([row], "paper")
    assert f"{NET}, seed 2 diverged: loss not finite" in notes([row])
    assert failures([row], []) == [f"{NET}: diverged in seed 2"]
    assert row.to_dict()["diverged"] == [2]
    (whole,) = rows_of(target, "paper", [0, 1], lines, folders)
    assert (whole.verdict, failures([whole], [])) == ("inside the band", [])


def test_where_a_claim_expects_it_nothing_fails() -> None:
    row = Row(Entry(recipe=PLAIN), "paper", [], {0: "loss not finite", 1: "weights not finite"})
    claims = judged(Target(title="t", source="s", entries=(row.entry,), claims=(FAILS,)), [row])
    assert failures([row], claims) == []
    assert (lost([row], claims), lost([row], [])) == ([], [row])
    assert claims_lines(claims) == ["fails: holds (diverged in seeds 0, 1)"]
    assert claims[0].to_dict()["diverged"] == [0, 1]


def test_a_run_that_has_gone_on_has_not_diverged() -> None:
    event = {"step": 5, "event": "diverged: loss not finite"}
    assert divergence([{"step": 4, "loss": 1.0}, event]) == "loss not finite"
    assert divergence([event, {"step": 6, "loss": 1.0}]) is None
    assert divergence([{"step": 5, "event": "the rate is divided"}]) is None
    assert divergence([]) is None


def test_what_diverged_is_not_begun_again_and_said_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ["model=cifar_resnet8", "iterations=4", "milestones=", "evaluate_every=2", "checkpoint_every=4"]
    monkeypatch.setitem(entries.SCALES, "smoke", lambda given: override(entries.seconds_only(given), tiny))
    losses = runs.Classification.losses
    passes: list[int] = []

    def broken(self: runs.Classification, batch: Any) -> Any:
        found = losses(self, batch)
        passes.append(1)
        return {**found, "loss": found["loss"] * float("nan")}

    monkeypatch.setattr(runs.Classification, "losses", broken)
    common = ["figure1", "--scale", "smoke", "--seeds", "0", "--only", "plain20", "--out", str(tmp_path)]
    common += ["--results", str(tmp_path / "lines.jsonl")]
    folder = tmp_path / "cifar10-plain20-smoke-seed0"
    done: list[int] = []
    for verb, status in (("reproduce", 1), ("reproduce", 1), ("plan", 0)):
        assert main([verb, *common, "--json"]) == status
        out, err = capsys.readouterr()
        record = json.loads(out)
        assert str(folder) in record["diverged"]
        assert record["rows"][0]["verdict"] == "diverged"
        assert (f"diverged: {folder}" in err) == bool(status)
        done.append(len(passes))
    assert done[0] > 0
    assert done == done[:1] * 3
    assert main(["plan", *common]) == 0
    out, _ = capsys.readouterr()
    assert f"It is not begun again; `resnets train --resume {folder}` does that" in out

    monkeypatch.setattr(runs.Classification, "losses", losses)
    assert main(["train", "--resume", str(folder)]) == 0
    capsys.readouterr()
    assert main(["reproduce", *common, "--json", "--check"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["verdict"], row["seeds"], row["diverged"]) == ("a surrogate", [0], [])
