"""The test server's file: written out by hand, numbered by the development kit, with and without labels."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from tested import EXPECTED, photograph, photographs, weights

from resnets.classification.submission import Submission, prepare, read_numbers
from resnets.cli import main
from resnets.data.folder import is_flat, unlabelled
from resnets.data.folder import photographs as open_folder
from resnets.data.photographs import Photographs
from resnets.models.weights import read_weights, write_weights

WNIDS = ("n01440764", "n01443537", "n02119789", "n03255030")
NUMBERS = {"n02119789": 1, "n01443537": 2, "n03255030": 3, "n01440764": 4}
"""In the kit's own order."""


def silent(message: str) -> None:
    pass


def lines(path: Path) -> Path:
    path.write_text("".join(f"{wnid} {number} some words\n" for wnid, number in NUMBERS.items()))
    return path


def kit(path: Path, number: str = "ILSVRC2012_ID") -> Path:
    """As MATLAB writes the array; the kit of 2012 has inner nodes behind the classes."""
    inner = {"n00001740": 5}
    fields = [(number, "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = [(n, wnid, "some words", 1 if wnid in inner else 0) for wnid, n in (NUMBERS | inner).items()]
    savemat(path, {"synsets": np.array(rows, dtype=fields).reshape(-1, 1)})
    return path


def test_by_hand(tmp_path: Path) -> None:
    """Six classes, three pictures, of which the second comes first by its file name."""
    scores = torch.tensor(
        [[0.1, 0.3, 0.2, 0.05, 0.15, 0.2], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [0.5, 0.4, 0.1, 0.0, 0.0, 0.0]]
    )
    Submission(tmp_path / "out.txt", [1, 0, 2], [11, 12, 13, 14, 15, 16]).write(scores)
    assert (tmp_path / "out.txt").read_bytes() == b"16 11 12 13 14\n12 13 16 15 11\n11 12 13 14 15\n"
    with pytest.raises(ValueError, match="not numbers"):
        Submission(tmp_path / "nan.txt", [0], [1, 2]).write(torch.tensor([[torch.nan, 0.5]]))
    assert not (tmp_path / "nan.txt").exists()


@pytest.mark.parametrize("name", ["map_clsloc.txt", "meta.mat", "meta_clsloc.mat"])
def test_the_kits_numbers(tmp_path: Path, name: str) -> None:
    if name.endswith(".txt"):
        path = lines(tmp_path / name)
    else:
        path = kit(tmp_path / name, "ILSVRC2012_ID" if name == "meta.mat" else "ILSVRC2015_CLSLOC_ID")
    numbers = read_numbers(path)
    assert {wnid: numbers[wnid] for wnid in NUMBERS} == NUMBERS


def pictures(*names: str) -> Photographs:
    return Photographs("set", names, torch.zeros(len(names), dtype=torch.int64), WNIDS, lambda index: b"")


def test_the_order_is_that_of_the_file_names(tmp_path: Path) -> None:
    found = pictures("x/val_3.JPEG", "a/val_10.JPEG", "x/val_1.JPEG", "b/val_2.JPEG")
    file = prepare(tmp_path / "out.txt", lines(tmp_path / "map.txt"), found, WNIDS, 4, silent)
    assert file.order == [2, 1, 3, 0]
    assert file.numbers == [4, 2, 1, 3]


def test_classes_in_words_are_in_the_order_of_wordnet_numbers(tmp_path: Path) -> None:
    said: list[str] = []
    for classes in (("tench", "goldfish", "kit fox", "dumbbell"), ()):
        for synsets in (lines(tmp_path / "map.txt"), kit(tmp_path / "meta.mat")):
            file = prepare(tmp_path / "out.txt", synsets, pictures("a", "b"), classes, 4, said.append)
            assert file.numbers == [4, 2, 1, 3]
    assert said[0] == f"submission: classes are taken to be in the order of the WordNet numbers in {tmp_path}/map.txt"


def test_what_is_refused(tmp_path: Path) -> None:
    synsets, out = lines(tmp_path / "map.txt"), tmp_path / "out.txt"
    with pytest.raises(ValueError, match=r"two pictures are called 1\.png"):
        prepare(out, synsets, pictures("a/1.png", "b/1.png"), WNIDS, 4, silent)
    with pytest.raises(ValueError, match=r"map\.txt is there already; nothing is overwritten"):
        prepare(synsets, synsets, pictures("a"), WNIDS, 4, silent)
    with pytest.raises(ValueError, match="nowhere is no folder"):
        prepare(tmp_path / "nowhere" / "out.txt", synsets, pictures("a"), WNIDS, 4, silent)
    with pytest.raises(ValueError, match="3 of the networks' 4 classes have a number; n99999999 has none"):
        prepare(out, synsets, pictures("a"), (*WNIDS[:3], "n99999999"), 4, silent)
    with pytest.raises(ValueError, match="4 of the networks' 7 classes have a number"):
        prepare(out, synsets, pictures("a"), (), 7, silent)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("words.txt", b"n01440764 tench\n"),
        ("zero.txt", b"n01440764 0\n"),
        ("names.txt", b"tench 1\n"),
        ("empty.txt", b""),
        ("twice.txt", b"n01440764 1\nn01443537 1\n"),
        ("binary.txt", bytes(range(256))),
        ("cut.mat", b"MATLAB 5.0 MAT-file"),
        ("empty.mat", b""),
    ],
)
def test_files_that_number_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name) as caught:
        read_numbers(tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"nowhere\.txt: cannot be read"):
        read_numbers(tmp_path / "nowhere.txt")


# ---------------------------------------------------------------------------------------------------------------
# The command


def test_pictures_without_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flat folder, as the server's pictures come; checked with the same pictures in folders of classes."""
    (tmp_path / "flat").mkdir()
    for index in range(12):
        photograph(index).save(tmp_path / "flat" / f"{index:03}.png")
    network, synsets = weights(tmp_path / "net.safetensors"), lines(tmp_path / "map.txt")
    words = ["evaluate", str(network), "--data", str(tmp_path / "flat"), "--protocol", "ten-crop"]
    out = tmp_path / "out.txt"
    assert main([*words, "--submission", str(out), "--synsets", str(synsets), "--json"]) == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert record["images"] == 12
    (result,) = record["results"]
    assert (result["protocol"], result["top1_error"], result["top5_error"]) == ("ten-crop", None, None)
    rows = [[int(word) for word in line.split()] for line in out.read_text().splitlines()]
    assert [sorted(row) for row in rows] == [[1, 2, 3, 4]] * 12
    assert len({row[0] for row in rows}) > 1

    photographs(tmp_path / "labelled", 12, EXPECTED.classes)
    assert main(["evaluate", *words[1:3], str(tmp_path / "labelled"), *words[4:], "--json"]) == 0
    (counted,) = json.loads(capsys.readouterr().out)["results"]
    label = {number: sorted(NUMBERS).index(wnid) for wnid, number in NUMBERS.items()}
    assert counted["top1_wrong"] == sum(label[row[0]] != index % 4 for index, row in enumerate(rows))

    assert main([*words, "--submission", str(out), "--synsets", str(synsets)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(words) == 2
    assert "pictures without labels, allowed for a submission only" in capsys.readouterr().err
    assert main([*words, "--submission", str(tmp_path / "new.txt"), "--synsets", str(synsets)]) == 0
    assert capsys.readouterr().out == "ten-crop: pictures without labels, so there are no errors\n"
    assert (tmp_path / "new.txt").read_bytes() == out.read_bytes()


def test_with_labels_there_are_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Folders called by WordNet numbers, and published weights, whose classes are words in their order."""
    photographs(tmp_path / "pictures", 12, WNIDS)
    network, synsets, out = weights(tmp_path / "net.safetensors"), kit(tmp_path / "meta.mat"), tmp_path / "out.txt"
    words = ["evaluate", str(network), "--data", str(tmp_path / "pictures")]
    assert main([*words, "--submission", str(out), "--synsets", str(synsets)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("single: top-1 error ")
    assert "its classes are taken to be those of" in captured.err
    assert len(out.read_text().splitlines()) == 12
    # So are numbers from 0, which others' shards have for classes.
    numbered = tmp_path / "numbered"
    photographs(numbered, 12, ("0", "1", "2", "3"))
    assert main(["evaluate", str(network), "--data", str(numbered)]) == 0
    captured = capsys.readouterr()
    assert "its classes are taken to be those of" in captured.err
    assert "in the order of their numbers" in captured.err
    assert captured.out.startswith("single: top-1 error ")
    shutil.move(numbered / "test" / "3", numbered / "test" / "4")
    assert main(["evaluate", str(network), "--data", str(numbered)]) == 2
    assert "they must be the same" in capsys.readouterr().err
    # Words beside other words stay an error.
    shutil.move(tmp_path / "pictures" / "test" / WNIDS[0], tmp_path / "pictures" / "test" / "tench")
    assert main(words) == 2
    assert "they must be the same" in capsys.readouterr().err


def test_options_that_do_not_go_together(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photographs(tmp_path / "pictures", 4)
    synsets = ["--submission", str(tmp_path / "out.txt"), "--synsets", str(lines(tmp_path / "map.txt"))]
    network = str(weights(tmp_path / "net.safetensors"))
    for words, said in (
        ([str(run), "--data", "digits", *synsets], "digits holds images without file names"),
        (
            [network, "--data", str(tmp_path / "pictures"), *synsets[:2]],
            "submission and synsets belong together",
        ),
        (
            [network, "--data", str(tmp_path / "pictures"), "--protocol", "single,ten-crop", *synsets],
            "submission: of one protocol, 2 are asked for",
        ),
    ):
        assert main(["evaluate", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
    assert not (tmp_path / "out.txt").exists()


def test_an_ensemble_agrees_in_itself_where_there_are_no_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flat").mkdir()
    photograph(0).save(tmp_path / "flat" / "1.png")
    one, other = weights(tmp_path / "one.safetensors"), tmp_path / "other.safetensors"
    given = read_weights(one)
    assert given.preprocessing
    write_weights(other, replace(given, preprocessing=replace(given.preprocessing, classes=tuple("wxyz"))))
    synsets = ["--submission", str(tmp_path / "out.txt"), "--synsets", str(lines(tmp_path / "map.txt"))]
    assert main(["evaluate", str(one), str(other), "--data", str(tmp_path / "flat"), *synsets]) == 2
    assert "they must be the same" in capsys.readouterr().err


def test_a_flat_folder(tmp_path: Path) -> None:
    photographs(tmp_path / "labelled", 4)
    assert not is_flat(tmp_path / "labelled")
    assert not is_flat(tmp_path)
    flat = tmp_path / "flat"
    flat.mkdir()
    assert not is_flat(flat)
    for index, name in enumerate(("b.png", "a.JPEG", ".hidden.png", "list.txt")):
        photograph(index).save(flat / name, "PNG")
    assert is_flat(flat)
    said: list[str] = []
    found = unlabelled(flat, said.append)
    assert found.names == ("a.JPEG", "b.png")
    assert found.labels.tolist() == [-1, -1]
    assert found.classes == ()
    assert found.read(1) == (flat / "b.png").read_bytes()
    assert said == [f"{flat}: 1 files or linked folders ignored, whose names do not end like a picture's"]
    assert len(open_folder(tmp_path / "labelled", "test")) == 4
