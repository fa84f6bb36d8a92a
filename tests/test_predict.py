"""Pictures in files: judged as evaluation judges them, drawn without overwriting anything, refused in one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from resnets.classification.predict import predict
from resnets.classification.run import open_run
from resnets.classification.task import Classification, load_data
from resnets.cli import main
from resnets.data.digits import digits
from resnets.models.factory import load


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Forty test images of the digits as PNG files."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = []
    for index, image in enumerate(digits("test").images[:40]):
        paths.append(folder / f"{index:03d}.png")
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(paths[-1])
    return paths


def asked(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Any:
    """What `resnets predict WORDS... --json` answers."""
    assert main(["predict", *map(str, words), "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


def pixels(path: Path | str) -> np.ndarray:
    """RGB, (height, width, 3)."""
    with Image.open(path) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return np.array(picture)


def test_the_same_as_evaluation(run: Path, pictures: list[Path]) -> None:
    """Probabilities of the run's own network and test images, as training evaluates them."""
    opened = open_run(run)
    cpu = torch.device("cpu")
    task = Classification(opened.recipe, load_data(opened.recipe, cpu), cpu, "fp32")
    task.model.load_state_dict(load(run).state_dict())
    expected = task.scores(task.data.test)
    predictions = predict(str(run), pictures)["predictions"]
    assert [p["image"] for p in predictions] == [str(path) for path in pictures]
    for prediction, scores in zip(predictions, expected, strict=False):
        best = scores.sort(descending=True)
        assert [entry["name"] for entry in prediction["classes"]] == [str(int(i)) for i in best.indices[:5]]
        given = [entry["probability"] for entry in prediction["classes"]]
        assert given == pytest.approx(best.values[:5].tolist(), abs=1e-6)


def test_the_contract(run: Path, pictures: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    record = asked(capsys, run, *pictures[:3])
    assert list(record) == ["predictions"]
    for prediction in record["predictions"]:
        assert list(prediction) == ["image", "classes"]
        assert len(prediction["classes"]) == 5
        for entry in prediction["classes"]:
            assert list(entry) == ["name", "probability"]
            assert 0 <= entry["probability"] <= 1
    # One picture or many, in any order: the same.
    alone = asked(capsys, run, pictures[1])["predictions"][0]
    for one, other in zip(alone["classes"], record["predictions"][1]["classes"], strict=True):
        assert one["name"] == other["name"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)
    assert main(["predict", str(run), str(pictures[0])]) == 0
    first = record["predictions"][0]["classes"][0]
    shown = f"{pictures[0]}: {first['name']} {100 * first['probability']:.1f} %"
    assert capsys.readouterr().out.startswith(shown)


def test_drawn_pictures(run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = tmp_path / "wide.jpg"
    Image.effect_noise((700, 100), 50).convert("RGB").save(wide)
    record = asked(capsys, run, pictures[0], wide, "--save", tmp_path / "drawn")
    small, large = (pixels(p["drawn"]) for p in record["predictions"])
    assert small.shape[1] == 320
    assert np.array_equal(small[:320], pixels(pictures[0]).repeat(10, 0).repeat(10, 1))  # enlarged, else as it is
    assert small[320:].min() < 100  # and text below
    assert large.shape[1] == 700
    assert large.shape[0] > 100 + 5 * 18


def test_a_drawing_is_turned_as_the_picture_was_seen(run: Path, tmp_path: Path) -> None:
    upright = Image.new("RGB", (400, 600), "black")
    upright.paste("red", (0, 0, 400, 300))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    path = tmp_path / "turned.jpg"
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
    assert main(["predict", str(run), str(path), "--save", str(tmp_path / "drawn")]) == 0
    drawn = pixels(tmp_path / "drawn" / "turned.png")
    assert drawn.shape[1] == 400
    assert drawn[100, 200].tolist() == pytest.approx([254, 0, 0], abs=8)
    assert drawn[500, 200].tolist() == pytest.approx([0, 0, 0], abs=8)


def test_nothing_is_overwritten(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, source in ((one, pictures[0]), (two, pictures[1])):
        folder.mkdir()
        shutil.copy(source, folder / "same.png")
    originals = [(folder / "same.png").read_bytes() for folder in (one, two)]
    record = asked(capsys, run, one / "same.png", two / "same.png", "--save", one)
    drawn = [Path(p["drawn"]) for p in record["predictions"]]
    assert drawn == [one / "same-2.png", one / "same-3.png"]
    assert [(folder / "same.png").read_bytes() for folder in (one, two)] == originals
    assert all(pixels(path).shape[1] == 320 for path in drawn)
    again = asked(capsys, run, one / "same.png", "--save", one)
    assert again["predictions"][0]["drawn"] == str(one / "same-4.png")


def test_names_in_any_writing(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["Zürich.png", "数字 4.png", "ﺭﻗﻢ.png", "new\nline.png"]
    paths = [Path(shutil.copy(pictures[0], tmp_path / name)) for name in names]
    record = asked(capsys, run, *paths, "--save", tmp_path / "gemalt ✏")
    assert [p["image"] for p in record["predictions"]] == [str(path) for path in paths]
    assert sorted(path.name for path in (tmp_path / "gemalt ✏").iterdir()) == sorted(names)


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "folder", "missing"])
def test_what_is_no_picture(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path = tmp_path / "wrong.png"
    content = {"text": b"not a picture\n", "empty": b"", "cut": pictures[0].read_bytes()[:100]}
    if kind in content:
        path.write_bytes(content[kind])
    elif kind == "folder":
        path.mkdir()
    assert main(["predict", str(run), str(pictures[0]), str(path), "--save", str(tmp_path / "drawn")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(f"resnets predict: {path}: ")
    assert not (tmp_path / "drawn").exists()


def test_the_place_for_drawings_is_a_file(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["predict", str(run), str(pictures[0]), "--save", str(tmp_path / "file")]) == 2
    captured = capsys.readouterr()
    assert (captured.out, len(captured.err.splitlines())) == ("", 1)
    assert (tmp_path / "file").read_text() == "mine"
