"""Pictures in files: judged as evaluation judges them, drawn without overwriting anything, refused in one line."""

import csv
import json
import shutil
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from photographs import textured
from PIL import Image
from tested import weights

from resnets.classification.data import load_data
from resnets.classification.evaluate import evaluate
from resnets.classification.predict import predict, save_drawn
from resnets.classification.run import open_run
from resnets.classification.task import Classification
from resnets.classification.trained import preprocessing_of
from resnets.cli import main
from resnets.data.digits import digits
from resnets.data.sources import open_photographs
from resnets.evaluation.protocols import PROTOCOLS
from resnets.evaluation.scores import Execution, photograph_scores
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


def test_the_same_as_evaluation_of_photographs(tmp_path: Path) -> None:
    """Large JPEGs, turned, grey and CMYK ones among them: picture by picture, and counted."""
    folder, made, turned = tmp_path / "set", weights(tmp_path / "net.safetensors"), Image.Exif()
    turned[0x0112] = 6
    for number in range(12):
        picture = textured(*((300, 407), (411, 298), (64, 500))[number % 3], seed=number)
        path = folder / "test" / "abcd"[number % 4] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.convert(("RGB", "CMYK", "L")[number % 5 % 3]).save(path, exif=turned if number % 2 else Image.Exif())
    network = load(made)
    test, expected = open_photographs(folder, "test"), preprocessing_of(str(made), network)
    protocol, execution = PROTOCOLS["single"](expected, (), False), Execution(device=torch.device("cpu"))
    scores = photograph_scores(network, 4, expected, test, protocol, execution).probabilities
    predictions = predict(str(made), [folder / name for name in test.names])["predictions"]
    for prediction, row in zip(predictions, scores, strict=True):
        given = {entry["name"]: entry["probability"] for entry in prediction["classes"]}
        assert [given[name] for name in "abcd"] == pytest.approx(row.tolist(), abs=1e-6)
    (result,) = evaluate([str(made)], str(folder), ["single"])["results"]
    wrong = sum(Path(p["image"]).parent.name != p["classes"][0]["name"] for p in predictions)
    assert 0 < result["top1_wrong"] == wrong < 12


def test_the_contract(run: Path, pictures: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    record = asked(capsys, run, *pictures[:3])
    assert list(record) == ["predictions", "unreadable"]
    assert record["unreadable"] == []
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


def test_a_drawing_shows_what_the_network_saw(tmp_path: Path) -> None:
    """Grey of 16 bits rounded to 8, transparency over white: not what Pillow's `convert` makes of them."""
    ramp, clear = tmp_path / "ramp.png", tmp_path / "clear.png"
    Image.fromarray(np.linspace(0, 65535, 400 * 300).reshape(300, 400).astype(np.uint16)).save(ramp)
    Image.new("RGBA", (400, 300), (0, 0, 0, 0)).save(clear)
    for path, expected in ((ramp, np.linspace(0, 255, 300)), (clear, np.full(300, 255))):
        prediction = {"image": str(path), "classes": [{"name": "a", "probability": 1.0}]}
        drawn = pixels(save_drawn(prediction, tmp_path / "drawn"))
        assert np.abs(drawn[:300, 0, 0] - expected).max() <= 1.5


def test_letters_of_other_alphabets_are_drawn(tmp_path: Path) -> None:
    """A font without them draws the same box for each."""
    path, bands = tmp_path / "grey.png", []
    Image.new("RGB", (400, 30), "grey").save(path)
    for name in ("ü", "š", "Ж", "λ"):
        prediction = {"image": str(path), "classes": [{"name": name, "probability": 0.5}]}
        bands.append(pixels(save_drawn(prediction, tmp_path / "drawn"))[30:].tobytes())
    assert len(set(bands)) == 4


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


@pytest.mark.parametrize("kind", ["text", "empty", "cut"])
def test_what_is_no_picture(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """It is named, the others are judged, and the exit status says that something is wrong."""
    path = tmp_path / "wrong.png"
    path.write_bytes({"text": b"not a picture\n", "empty": b"", "cut": pictures[0].read_bytes()[:100]}[kind])
    words = [str(run), str(path), str(pictures[0])]
    assert main(["predict", *words, "--save", str(tmp_path / "drawn")]) == 2
    captured = capsys.readouterr()
    (line,) = captured.out.splitlines()
    assert line.startswith(f"{pictures[0]}: ")
    (line,) = captured.err.splitlines()
    assert line.startswith(f"resnets predict: {path}: not a readable picture (")
    assert [drawn.name for drawn in (tmp_path / "drawn").iterdir()] == [pictures[0].name]
    assert main(["predict", *words, "--json"]) == 2
    record = json.loads(capsys.readouterr().out)
    assert [p["image"] for p in record["predictions"]] == [str(pictures[0])]
    (unreadable,) = record["unreadable"]
    assert line == f"resnets predict: {path}: {unreadable['reason']}"
    assert main(["predict", str(run), str(path), str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [line, line]


@pytest.mark.parametrize("kind", ["folder", "missing"])
def test_where_there_is_nothing(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path = tmp_path / "wrong"
    if kind == "folder":
        path.mkdir()
    assert main(["predict", str(run), str(pictures[0]), str(path), "--save", str(tmp_path / "drawn")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(f"resnets predict: {path}: ")
    assert not (tmp_path / "drawn").exists()


def test_a_folder_is_its_pictures(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In it and below, by name; in batches of any size the same."""
    folder = tmp_path / "folder"
    for index, name in enumerate(("b.png", "a/2.png", "a/1.png", "Ä.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pictures[index], folder / name)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture")
    monkeypatch.setattr("resnets.evaluation.scores.Execution.images_at_once", lambda self, crop: 3)
    record = asked(capsys, run, folder, pictures[7])
    order = [folder / name for name in ("a/1.png", "a/2.png", "b.png", "Ä.png")] + [pictures[7]]
    assert [p["image"] for p in record["predictions"]] == [str(path) for path in order]
    alone = asked(capsys, run, *(pictures[index] for index in (2, 1, 0, 3, 7)))
    for one, other in zip(record["predictions"], alone["predictions"], strict=True):
        assert [c["name"] for c in one["classes"]] == [c["name"] for c in other["classes"]]
        given, expected = ([c["probability"] for c in p["classes"]] for p in (one, other))
        assert given == pytest.approx(expected, abs=1e-6)
    assert main(["predict", str(run), str(folder)]) == 0
    assert f"{folder}: 1 files or linked folders ignored" in capsys.readouterr().err


def test_standard_input_is_a_picture(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (expected,) = asked(capsys, run, pictures[0])["predictions"]
    for content, status in ((pictures[0].read_bytes(), 0), (b"", 2)):
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(content)))
        assert main(["predict", str(run), "-", "--json", "--save", str(tmp_path)]) == status
        record = json.loads(capsys.readouterr().out)
        if status:
            assert (record["predictions"], record["unreadable"][0]["image"]) == ([], "-")
        else:
            drawn = tmp_path / "standard-input.png"
            assert record["predictions"] == [{**expected, "image": "-", "drawn": str(drawn)}]
            assert np.array_equal(pixels(drawn)[:320], pixels(pictures[0]).repeat(10, 0).repeat(10, 1))


def test_a_table(run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong, comma = tmp_path / "wrong.png", tmp_path / 'a, "b".png'
    wrong.touch()
    shutil.copy(pictures[0], comma)
    record = asked(capsys, run, comma, pictures[1])
    assert main(["predict", str(run), str(wrong), str(comma), str(pictures[1]), "--csv"]) == 2
    *rows, last = csv.DictReader(StringIO(capsys.readouterr().out))
    for row, prediction in zip(rows, record["predictions"], strict=True):
        assert row["image"] == prediction["image"]
        for place, entry in zip(("", "2", "3", "4", "5"), prediction["classes"], strict=True):
            assert row[f"class{place}"] == entry["name"]
            assert float(row[f"probability{place}"]) == pytest.approx(entry["probability"], abs=1e-6)
        assert row["error"] == ""
    assert (last["image"], last["class"]) == (str(wrong), "")
    assert "not a readable picture" in last["error"]
    assert main(["predict", str(run), str(comma), "--csv", "--json"]) == 2


def test_the_place_for_drawings_is_a_file(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["predict", str(run), str(pictures[0]), "--save", str(tmp_path / "file")]) == 2
    captured = capsys.readouterr()
    assert (captured.out, len(captured.err.splitlines())) == ("", 1)
    assert (tmp_path / "file").read_text() == "mine"
