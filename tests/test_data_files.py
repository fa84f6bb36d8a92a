"""write_atomic: all or nothing."""

import os
from pathlib import Path

import pytest

from resnets.files import check_appending, write_atomic


def test_bytes_and_text_are_written_and_replace_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    write_atomic(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if broken == "fsync" else (Path, "replace")), fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to("there")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "there").read_text() == "new"
    assert (tmp_path / "link").is_symlink()


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """Nor is /dev/null, in whose place a file would stand for the whole machine."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a device or a pipe"):
        write_atomic(tmp_path / "pipe", "content")
    assert (tmp_path / "pipe").is_fifo()
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


def test_a_file_that_lines_can_be_added_to_is_left_as_it_is(tmp_path: Path) -> None:
    check_appending(tmp_path / "results" / "new.jsonl")
    assert list((tmp_path / "results").iterdir()) == []
    (tmp_path / "there").write_text("line")
    check_appending(tmp_path / "there")
    assert (tmp_path / "there").read_text() == "line"
    with pytest.raises(OSError, match="Is a directory"):
        check_appending(tmp_path)


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_atomic(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_name_of_the_greatest_length(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("n" * 255), "content")
    assert (tmp_path / ("n" * 255)).read_text() == "content"
