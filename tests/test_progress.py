"""What a person sees of a run: one live line on a terminal, plain lines elsewhere, nothing that stops the work."""

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from toy import Toy, toy_recipe

from resnets.training.progress import Progress, duration


class Screen(io.StringIO):
    """A terminal of 60 columns: what it shows follows from carriage returns and the erasing of lines."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        lines = self.getvalue().split("\n")
        return [line.rpartition("\r\033[K")[2] for line in lines]


def terminal(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "60")
    return screen


def row(step: int, **changes: Any) -> dict[str, Any]:
    values = {"step": step, "epoch": step / 10, "loss": 1.23456, "train_error": 12.3456, "test_error": None}
    return {**values, "lr": 0.1, "images_per_second": 1234.5, **changes}


def test_on_a_terminal_one_line_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    with Progress(200, 0) as progress:
        progress.show(row(10))
        progress.show(row(20))
        assert len(screen.shown()) == 1
        assert screen.shown()[0].startswith("10 % 20/200  epoch 2.0  loss 1.235  error train 12.35 %")
        progress.show(row(30, test_error=45.678))
        assert "test 45.68 %" in screen.shown()[0]  # an evaluation stays
        assert screen.shown()[1] == ""
        progress.note("learning rate changed")
        progress.show(row(40))
        assert screen.shown()[1] == "learning rate changed"
    assert screen.getvalue().endswith("\n")
    assert len(screen.shown()) == 4


def test_a_live_line_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    with Progress(200, 0) as progress:
        progress.show(row(10))
        assert len(screen.shown()[0]) < 60
        progress.show(row(20, test_error=1.0))
    assert "images/s" in screen.shown()[0]  # what stays is whole


def test_the_cursor_ends_on_a_line_of_its_own_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    with contextlib.suppress(RuntimeError), Progress(200, 0) as progress:
        progress.show(row(10))
        raise RuntimeError
    assert screen.getvalue().endswith("\n")
    end = screen.getvalue()
    with Progress(200, 0):
        pass
    assert screen.getvalue() == end  # and leaves no empty line


def test_in_a_file_lines_are_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        with Progress(200, 0) as progress:
            progress.show(row(10))
            progress.show(row(20, test_error=45.678, validation_error=44.0))
            progress.note("learning rate changed")
            progress.show(row(30, images_per_second=0.64))
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0].startswith("10/200  epoch 1.0  loss 1.235  error train 12.35 %  lr 0.1  1234 images/s  ")
    assert "error train 12.35 %, validation 44.00 %, test 45.68 %" in lines[1]
    assert lines[2] == "learning rate changed"
    assert "  0.6 images/s  " in lines[3]
    assert len(lines) == 4
    assert "\033" not in "".join(lines)


def test_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(200, 100)
    progress.began -= 20  # a fifth of what was left when the session began has taken 20 s: 80 s more
    progress.show(row(120))
    assert capsys.readouterr().err.endswith("1 min 20 s left\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_run_goes_on_where_nobody_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is a pipe whose reader has gone, as in `resnets train ... 2>&1 | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    pipe = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stderr", pipe)
    toy = Toy()
    toy.train(toy_recipe(), tmp_path)
    assert toy.steps == list(range(20))
    monkeypatch.undo()
    with pytest.raises(BrokenPipeError):
        pipe.close()


def test_no_line_without_figures_of_the_task(capsys: pytest.CaptureFixture[str]) -> None:
    Progress(200, 0).show({k: v for k, v in row(10).items() if not k.endswith("_error")})
    assert "error" not in capsys.readouterr().err


def test_the_line_says_who_waits_for_whom(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(200, 0) as progress:
        for given in ({}, {"data_wait": 0.4}, {"data_wait": 5.0}, {"data_wait": 42.7}):
            progress.show(row(10, **given))
    lines = capsys.readouterr().err.splitlines()
    assert "binds" not in lines[0]
    assert "  compute binds  " in lines[1]
    assert "  compute binds  " in lines[2]
    assert "  data binds (43 % waiting)  " in lines[3]
