"""Folders as people have them, from the check to the page: a result, or a clear word."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import TINY
from photographs import encoded, textured
from test_cli_files import mount

from resnets.cli import main
from resnets.data.quarantine import NAME
from resnets.data.sources import open_photographs


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(textured(40 + seed % 7, 44, seed=seed)))


COUNTS = {"Zürich 🏔": 2, "猫": 2, "single": 1, "viele": 25}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes of very different sizes, names in several writings, pictures in folders within folders."""
    root = tmp_path_factory.mktemp("odd") / "meine Bilder"
    seed = 0
    for name, count in COUNTS.items():
        for number in range(count):
            seed += 1
            deep = "a/b/" if number % 2 else ""
            picture(root / name / f"{deep}größe {number}.jpg", seed)
    return root


def test_from_the_check_to_the_page(odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["data", "check", str(odd), "--check"]) == 0
    text = capsys.readouterr().out
    assert "classes: 4, with 1 (Zürich 🏔) to 20 (viele) pictures for training" in text
    assert "so uneven that the error of all says little of small classes" in text
    assert "without a test picture: single" in text
    run = tmp_path / "run"
    assert main(["train", "--data", str(odd), *TINY, "--out", str(run), "--json"]) == 0
    said = capsys.readouterr().err
    assert "departs from the paper" not in said
    assert "a recipe made for these pictures, which is no paper's" in said
    page = (run / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in COUNTS)
    assert "Departures from the paper" not in page
    assert main(["evaluate", str(run), "--data", str(odd), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    # The list that the run left is the same split, for others and for us.
    assert main(["evaluate", str(run), "--data", str(run / "split.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == [result]
    assert (run / "split.csv").read_text(encoding="utf-8").count(",train\n") == 2 + 20 + 1
    found = {entry["name"]: (entry["images"], entry["wrong"]) for entry in result["per_class"]}
    assert {name: images for name, (images, _) in found.items()} == {"Zürich 🏔": 1, "猫": 1, "single": 0, "viele": 5}
    # The same answers one by one, through files alone.
    assert main(["predict", str(run), str(odd), "--json"]) == 0
    predictions = json.loads(capsys.readouterr().out)["predictions"]
    assert len(predictions) == sum(COUNTS.values())
    assert {name for p in predictions for name in [p["classes"][0]["name"]]} <= set(COUNTS)
    # Where the test is another one since, the page does not show wrong pictures.
    assert "Some right answers" in page
    (odd / NAME).write_text(open_photographs(odd, "test").names[0] + "\n", encoding="utf-8")
    assert main(["report", str(run)]) == 0
    assert "the page has no pictures" in capsys.readouterr().err
    assert "Some right answers" not in (run / "report.html").read_text(encoding="utf-8")
    (odd / NAME).unlink()


@pytest.mark.parametrize("words", [["data", "check"], ["train", "--data"]])
def test_one_class(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for number in range(3):
        picture(tmp_path / "set/only" / f"{number}.jpg", number)
    assert main([*words, str(tmp_path / "set")]) == 2
    assert "1 classes found, 2 or more sub-folders of pictures expected" in capsys.readouterr().err


def test_pictures_in_no_class_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "loose.jpg", "loose.PNG"):
        picture(tmp_path / "set" / name, len(name) + ord(name[0]))
    assert main(["data", "check", str(tmp_path / "set")]) == 0
    assert f"{tmp_path / 'set'}: 2 pictures ignored that lie in no class's folder" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Reading is enough for all but the quarantine, which says so."""
    folder = tmp_path / "set"
    for name, seed in (("a/1.jpg", 1), ("a/2.jpg", 2), ("b/1.jpg", 3), ("b/2.jpg", 4)):
        picture(folder / name, seed)
    (folder / "a/empty.jpg").touch()
    mount("--bind", folder, folder)
    try:
        mount("-o", "remount,ro,bind", folder)
        assert main(["data", "check", str(folder)]) == 0
        capsys.readouterr()
        assert main(["data", "check", str(folder), "--quarantine"]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == (f"resnets data: {folder / NAME}: Read-only file system")
    finally:
        subprocess.run(["umount", str(folder)], check=True)
