"""Where two runs part: the first step, the field, and what was set up differently. Most journals are made by hand."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY
from toy import Batch, Toy, toy_recipe

from resnets.cli import main
from resnets.report.parting import NONE, Parting, common_iterations, common_steps, parting_text, where_they_part
from resnets.training.journal import read_journal
from resnets.training.losses import read_losses


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


# ---------------------------------------------------------------------------------------------------------------
# By the loss of every iteration


def single(*losses: float) -> np.ndarray:
    return np.array(losses, np.float32)


LOSSES = single(4, 3, 2, 1)
NOT_A_NUMBER = np.array([0x40800000, 0x40400000, 0x7FC00000, 0x3F800000], np.uint32).view(np.float32)
"""As `LOSSES`, but for the third."""
ANOTHER = np.array([0x40800000, 0x40400000, 0xFFC00001, 0x3F800000], np.uint32).view(np.float32)


@pytest.mark.parametrize(
    ("one", "other", "step"),
    [
        (LOSSES, LOSSES, None),
        (LOSSES, LOSSES[:2], None),
        (LOSSES, NONE, None),
        (NOT_A_NUMBER, ANOTHER, None),
        (LOSSES, NOT_A_NUMBER, 3),
        (LOSSES, single(4, 3, 2, np.nextafter(np.float32(1), np.float32(2))), 4),
        (LOSSES, single(5, 3, 2, 1), 1),
        (LOSSES, single(4, 9, 7), 2),
        (single(0.0), single(-0.0), 1),
        (single(math.inf, 1), single(math.inf, 2), 2),
    ],
)
def test_the_first_iteration_whose_losses_differ_in_a_bit(one: Any, other: Any, step: int | None) -> None:
    part = where_they_part([], [], one, other)
    assert (part and (part.after, part.step)) == (step and (step - 1, step))
    assert part is None or list(part.fields) == ["loss"]
    assert common_iterations(one, other) == min(len(one), len(other))


def test_what_parts_first_is_said() -> None:
    """Journals by hundreds: they part in the row of 300, by which losses have parted, or have not yet."""
    one, losses = journal(500), np.ones(500, np.float32)
    other = changed(one, 300, lr=0.05, loss=0.5)

    def parting(iteration: int) -> Parting | None:
        return where_they_part(one, other, losses, np.where(np.arange(500) < iteration - 1, losses, single(0.5)))

    by_rows = where_they_part(one, other)
    assert by_rows == Parting(200, 300, {"loss": (100 / 300, 0.5), "lr": (0.1, 0.05)})
    assert by_rows is not None
    assert parting(301) == replace(by_rows, losses=Parting(300, 301, {"loss": (1.0, 0.5)}))
    for iteration in (300, 237, 201, 150):
        part = parting(iteration)
        assert part == Parting(iteration - 1, iteration, {"loss": (1.0, 0.5)}, by_rows)
        text = f"they part in iteration {iteration}: loss 1 and 0.5 (by iteration 300 also lr 0.1 and 0.05)"
        assert parting_text(part, 5, 500) == text
    assert where_they_part(one, one, losses, 2 * losses) == Parting(0, 1, {"loss": (1.0, 2.0)})


def test_where_the_journals_part_first_the_losses_are_said_too() -> None:
    """A learning rate that changes in the last iteration of a row works in the one after it."""
    one, losses = journal(500), np.ones(500, np.float32)
    slower = [{**row, "lr": row["lr"] / 10} if row["step"] >= 300 else row for row in one]
    later = losses.copy()
    later[300:] = 1.5
    part = where_they_part(one, slower, losses, later)
    assert part is not None
    assert part.losses is not None
    assert (part.after, part.step, part.losses.step) == (200, 300, 301)
    said = parting_text(part, 5, 500)
    assert said.startswith("they part in iterations 201 to 300: lr ")
    assert said.endswith("; their losses in iteration 301: loss 1 and 1.5")
    same = where_they_part(one, slower, losses, losses)
    assert same is not None
    assert same.losses is None


def test_in_words_what_is_the_same() -> None:
    assert parting_text(None, 5, 0) == "the same in all that both recorded, at 5\N{NO-BREAK SPACE}steps"
    both = "the same in all that both recorded, at 1 step and in the losses of 1,200 iterations"
    assert parting_text(None, 1, 1200).replace("\N{NO-BREAK SPACE}", " ") == both
    alone = "the same in all that both recorded, in the losses of 3 iterations"
    assert parting_text(None, 0, 3).replace("\N{NO-BREAK SPACE}", " ") == alone


class Perturbed(Toy):
    """The toy, the batch of one iteration of which, counted from 1, is another by a hair."""

    wrong = False

    def __init__(self, iteration: int) -> None:
        super().__init__(lambda step: setattr(self, "wrong", step == iteration - 1))

    def losses(self, batch: Batch) -> Any:
        x, y = batch
        return super().losses(Batch(x * 1.001 if self.wrong else x, y))


def trained(folder: Path, toy: Toy, **changes: Any) -> tuple[list[dict[str, Any]], np.ndarray]:
    toy.train(toy_recipe(log_every=10, evaluate_every=20, **changes), folder)
    return read_journal(folder), read_losses(folder)


@pytest.mark.parametrize("iteration", [1, 7, 10, 13, 20])
def test_runs_of_which_one_sees_another_batch(tmp_path: Path, iteration: int) -> None:
    (rows, losses), (others, same) = trained(tmp_path / "1", Toy()), trained(tmp_path / "2", Perturbed(iteration))
    part = where_they_part(rows, others, losses, same)
    assert part is not None
    assert (part.after, part.step, list(part.fields)) == (iteration - 1, iteration, ["loss"])
    assert part.journal == where_they_part(rows, others)
    assert part.journal is not None
    assert part.journal.step == -(-iteration // 10) * 10


@pytest.mark.parametrize("milestone", [3, 8, 12, 18])
def test_runs_of_which_one_divides_its_rate(tmp_path: Path, milestone: int) -> None:
    """So many iterations are alike; the next goes less far down, from the same loss; the one after it begins there."""
    one = trained(tmp_path / "one", Toy())
    other = trained(tmp_path / "other", Toy(), milestones=(milestone,))
    part = where_they_part(one[0], other[0], one[1], other[1])
    assert part is not None
    assert part.step == milestone + 2
    assert part.journal is not None
    assert part.journal.fields["lr"] == pytest.approx((0.05, 0.005))


@pytest.mark.usefixtures("blank")
def test_a_loss_that_differs_is_on_the_page_and_in_the_record(
    run: Path, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal is the same: only the losses tell."""
    path = copy / "losses.f32"
    losses = np.fromfile(path, "<f4")
    assert len(losses) == 24
    before, losses[16] = float(losses[16]), 1.25
    losses[20] = math.nan
    losses.tofile(path)
    words = ["compare", str(run), str(copy), "--out", str(tmp_path / "c.html")]
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    (parting,) = record["partings"]
    assert record["parts_at"] == 17
    assert (parting["after"], parting["step"], parting["journal"]) == (16, 17, None)
    assert parting["fields"] == {"loss": [before, 1.25]}
    assert (parting["common_steps"], parting["common_iterations"]) == (5, 24)
    assert main(words) == 0
    said = f"they part in iteration 17: loss {before:.6g} and 1.25"
    assert f"{said}\n" in capsys.readouterr().out
    assert f": {said}.</li>" in (tmp_path / "c.html").read_text()
    losses[16], losses[20] = math.nan, losses[16]
    losses.tofile(path)
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert record["partings"][0]["fields"] == {"loss": [before, "nan"]}


@pytest.mark.usefixtures("blank")
@pytest.mark.parametrize("older", ["one", "both"])
def test_runs_of_earlier_versions_are_compared_by_their_journals(
    older: str, run: Path, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Path(shutil.copytree(run, tmp_path / "first"))
    for folder in (copy, first) if older == "both" else (copy,):
        (folder / "losses.f32").unlink()
    journal = copy / "metrics.jsonl"
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    rows[2]["loss"] = 1.25
    journal.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = ["compare", str(first), str(copy), "--out", str(tmp_path / "c.html")]
    assert main([*words, "--json"]) == 0
    (parting,) = json.loads(capsys.readouterr().out)["partings"]
    assert (parting["after"], parting["step"], parting["journal"]) == (10, 15, None)
    assert (parting["common_steps"], parting["common_iterations"]) == (5, 0)
    assert main(words) == 0
    assert "they part in iterations 11 to 15: loss " in capsys.readouterr().out


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
    assert record["parts_at"] == parting["step"] == 2  # the first losses are those of the same weights
    assert parting["fields"] == {"loss": [float(read_losses(folder)[1]) for folder in (run, other)]}
    assert (parting["journal"]["after"], parting["journal"]["step"]) == (0, 5)
    assert parting["journal"]["fields"]["loss"] == [ours[0]["loss"], theirs[0]["loss"]]
    assert "lr" in parting["journal"]["fields"]
    settings = {(row["part"], row["field"]): row["values"] for row in record["differences"]}
    assert settings["recipe", "lr"] == ["0.1", "0.05"]
    assert {part for part, _ in settings} == {"recipe", "departures"}
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "they part in iteration 2: loss " in text
    assert "(by iteration 5 also " in text
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
