"""Folders as people have them, from the check to the page: a result, or a clear word."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from photographs import encoded, textured
from PIL import Image
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
    assert re.search(r"\s%<br>viele/(a/b/)?größe \d+\.jpg</figcaption>", page)  # what its owner calls it
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


@pytest.mark.usefixtures("blank")
def test_pictures_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Two a class and odd ones, some of them in vain: all that is in vain is named at once, and left out when asked."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # Pillow warns of more, and refuses twice as many
    folder, plain = tmp_path / "my set", textured(40, 45)
    for number, name in enumerate(("日本 語/1.jpg", "日本 語/x/y/2.jpg", "two each/1.jpg", "two each/2.jpg")):
        picture(folder / name, number)
    plain.convert("CMYK").save(folder / "日本 語/cmyk.jpg")
    Image.fromarray(np.arange(1800, dtype=np.uint16).reshape(40, 45) * 36).save(folder / "日本 語/deep.png")
    textured(40, 45, 9).save(folder / "two each/exif.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff\xff\xff")
    textured(40, 45, 10).save(folder / "two each/nonsense.jpg", exif=b"Exif\0\0nonsense")
    turned = Image.Exif()
    turned[0x0112] = 6
    textured(30, 41, 5).save(folder / "two each/turned.jpg", exif=turned)
    textured(30, 30, 6).save(folder / "two each/moving.gif", save_all=True, append_images=[textured(30, 30, 7)])
    textured(45, 46, 8).save(folder / "two each/warned of.png")
    damaged = ["two each/bomb.png", "two each/empty.jpg", "two each/ring.jpg"]
    Image.new("1", (64, 64)).save(folder / damaged[0])
    (folder / damaged[1]).touch()
    (folder / damaged[2]).symlink_to("ring.jpg")
    (folder / "two each/loop").symlink_to("..")

    words = ["train", "--data", str(folder), "--weights", "none", *TINY, "iterations=2", "--out", str(tmp_path / "run")]
    assert main(words) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "3 pictures cannot be read: two each/bomb.png (not a readable picture (more pixels than the 4,000" in line
    assert all(name in line for name in damaged)
    assert line.endswith(f"`resnets data check {folder} --quarantine` leaves them out")
    assert main(["data", "check", str(folder), "--quarantine"]) == 0
    assert all(f"\n{name}\n" in (folder / NAME).read_text() for name in damaged)
    assert main(words) == 0
    assert "as asked, model=cifar_resnet8 iterations=24" in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "run"), str(folder), "--json"]) == 2
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert len(record["predictions"]) == 11
    assert [one["image"] for one in record["unreadable"]] == [str(folder / name) for name in damaged]
    assert "Warning" not in err


@pytest.mark.parametrize("words", [["data", "check"], ["train", "--data"]])
def test_one_class(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for number in range(3):
        picture(tmp_path / "set/only" / f"{number}.jpg", number)
    assert main([*words, str(tmp_path / "set")]) == 2
    assert "1 class found, 2 or more sub-folders of pictures expected" in capsys.readouterr().err


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
