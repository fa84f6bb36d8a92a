"""Where two runs part: the first step, the field, and what was set up differently. Journals are made by hand."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY

from resnets.cli import main
from resnets.report.parting import Parting, common_steps, parting_text, where_they_part
from resnets.training.journal import read_journal


def journal(steps: int) -> list[dict[str, Any]]:
    return [
        {
            "step": step,
            "loss": 100 / step,
            "train_error": 90 - step / 100,
            "test_error": 80.0 if step % 200 == 0 else None,
            "lr": 0.1,
            "images_per_second": 1000.0 + step,
        }
        for step in range(100, steps + 1, 100)
    ]


def changed(rows: list[dict[str, Any]], step: int, **values: Any) -> list[dict[str, Any]]:
    return [{**row, **values} if row["step"] >= step else row for row in rows]


def test_equal_runs_do_not_part() -> None:
    one = journal(500)
    assert where_they_part(one, changed(one, 100, images_per_second=9.0, seconds=1)) is None
    assert where_they_part(one, one[:2]) is None
    assert where_they_part([], one) is None
    nan = changed(one, 100, loss=math.nan)
    assert where_they_part(nan, nan) is None
    assert where_they_part(one, changed(one, 300, test_error=None)) is None  # not evaluated is no difference


@pytest.mark.parametrize("field", ["loss", "train_error", "lr"])
def test_the_first_step_and_the_field(field: str) -> None:
    one = journal(500)
    value = one[2][field]
    least = math.nextafter(value, math.inf)
    assert where_they_part(one, changed(one, 300, **{field: least})) == Parting(200, 300, {field: (value, least)})


def test_journals_of_other_steps() -> None:
    one = journal(600)
    sparse = [row for row in changed(one, 300, loss=7.0) if row["step"] % 200 == 0]
    assert common_steps(one, sparse) == [200, 400, 600]
    part = where_they_part(one, sparse)
    assert part == Parting(200, 400, {"loss": (0.25, 7.0)})
    assert parting_text(part, 3) == "they part in iterations 201 to 400: loss 0.25 and 7"
    assert parting_text(None, 0) == "the journals have no step in common"


def test_a_loss_that_is_no_number_differs_from_one_that_is() -> None:
    one = journal(500)
    part = where_they_part(one, changed(one, 300, loss=math.nan))
    assert part is not None
    assert (part.after, part.step, list(part.fields)) == (200, 300, ["loss"])


def test_an_event_that_one_of_them_has() -> None:
    one = journal(500)
    warm = [*one[:4], {"step": 400, "event": "the warm-up ends"}, one[4]]
    assert where_they_part(one, warm) == Parting(300, 400, {"event": ("", "the warm-up ends")})
    assert where_they_part(warm, warm) is None
    late = [*one, {"step": 900, "event": "diverged"}]
    assert where_they_part(one, late) is None  # after all that both have
    assert parting_text(where_they_part(one, warm), 5).endswith("event nothing and the warm-up ends")


@pytest.mark.usefixtures("blank")
def test_the_command_on_runs_that_differ_in_one_field(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    assert main(["train", "digits-resnet20", *TINY, "milestones=", "lr=0.05", "--out", str(other)]) == 0
    capsys.readouterr()
    words = ["compare", str(run), str(other), "--out", str(tmp_path / "c.html")]
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    (parting,) = record["partings"]
    ours, theirs = ([row for row in read_journal(folder) if "event" not in row] for folder in (run, other))
    assert record["parts_at"] == parting["step"] == 5
    assert parting["fields"]["loss"] == [ours[0]["loss"], theirs[0]["loss"]]
    assert "lr" in parting["fields"]
    settings = {(row["part"], row["field"]): row["values"] for row in record["differences"]}
    assert settings["recipe", "lr"] == ["0.1", "0.05"]
    assert {part for part, _ in settings} == {"recipe", "departures"}
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "they part in iterations 1 to 5: " in text
    assert "  recipe lr: 0.1  |  0.05" in text
    assert "They were not trained alike: lr.\n" in text
    (departures,) = [line for line in text.splitlines() if line.startswith("  departures")]
    assert "lr: 0.05" in departures
    assert "iterations" not in departures  # both have it
    page = (tmp_path / "c.html").read_text()
    assert all(f"digits-resnet20, seed 0 ({folder})" in page for folder in (run, other))


def test_hardware_that_changed_between_sessions_shows(
    run: Path, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / "run.json"
    record = json.loads(path.read_text())
    (session,) = record["sessions"]
    record["sessions"] = [session, {**session, "device": "another, 2 threads", "torch": "9.9"}]
    path.write_text(json.dumps(record))
    assert main(["compare", str(run), str(copy), "--out", str(tmp_path / "c.html"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parts_at"] is None
    settings = {row["field"]: row["values"] for row in found["differences"]}
    assert settings["device"] == [session["device"], f"{session['device']}, then another, 2 threads"]
    assert settings["torch"][1].endswith(", then 9.9")
    assert settings["sessions"] == ["1", "2"]
    assert found["reading"] == "Nothing of what differs shows in what the runs have recorded."


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("run.json", {}, "Nothing that is recorded differs: operations that add in no fixed order"),
        ("run.json", {"threads": 8}, "the same. What differs (threads) changes the last digits"),
        ("recipe.json", {"fused": True, "log_every": 7}, "the same. What differs (fused) changes the last digits"),
        ("recipe.json", {"seed": 3}, "Only seeds differ"),
        ("recipe.json", {"seed": 3, "lr": 0.2}, "They were not trained alike: seed, lr."),
        ("data", {"train": "ab12"}, "They were not trained alike: data train."),
    ],
)
def test_what_the_differences_have_to_do_with_it(
    file: str, changes: dict[str, Any], says: str, run: Path, copy: Path, tmp_path: Path, capsys: Any
) -> None:
    path = copy / ("run.json" if file == "data" else file)
    record = json.loads(path.read_text())
    place = {"recipe.json": record, "run.json": record.get("sessions", [{}])[-1], "data": record.get("data")}[file]
    place.update(changes)
    path.write_text(json.dumps(record))
    journal = copy / "metrics.jsonl"
    first, *rest = journal.read_text().splitlines()
    journal.write_text("\n".join([json.dumps({**json.loads(first), "loss": 1.25}), *rest, ""]))
    capsys.readouterr()
    assert main(["compare", str(run), str(copy), "--out", str(tmp_path / "c.html")]) == 0
    text = capsys.readouterr().out
    assert "they part in iterations 1 to 5: loss " in text
    assert says in text


def test_numbers_are_as_long_as_they_need_to_be() -> None:
    part = Parting(0, 1, {"loss": (2.718281828459045, 2.7), "lr": (0.1, 0.100000000001)})
    assert parting_text(part, 1).endswith("loss 2.71828 and 2.7, lr 0.1 and 0.100000000001")
