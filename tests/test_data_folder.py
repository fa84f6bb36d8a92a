"""Folders of pictures: which pictures are found, in which order, in which split, and what is refused."""

import hashlib
import os
import unicodedata
from pathlib import Path

import pytest
import torch
from PIL import Image

from resnets.data.folder import folder
from resnets.data.images import ImageSet
from resnets.data.pictures import read_picture


def picture(path: Path, value: int = 0) -> Path:
    """A picture of one colour, by which it is known again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (value, value, value)).save(path)
    return path


def classes_of(root: Path, counts: dict[str, int]) -> Path:
    """Folders with so many pictures; each picture has a value of its own."""
    value = 0
    for name, count in counts.items():
        for number in range(count):
            picture(root / name / f"{number:03}.png", value)
            value += 1
    return root


def values(images: ImageSet) -> list[int]:
    return images.images[:, 0, 0, 0].tolist()


class Messages(list[str]):
    def __call__(self, message: str) -> None:
        self.append(message)


def test_a_fifth_of_each_class_is_the_test(tmp_path: Path) -> None:
    counts = {"a": 50, "b": 23, "c": 4, "d": 2, "e": 1}
    classes_of(tmp_path, counts)
    said = Messages()
    train, test = folder(tmp_path, 8, "train", said), folder(tmp_path, 8, "test", said)
    assert train.classes == test.classes == tuple("abcde")
    assert torch.bincount(test.labels, minlength=5).tolist() == [10, 4, 1, 1, 0]
    assert torch.bincount(train.labels).tolist() == [40, 19, 3, 1, 1]
    assert sorted(values(train) + values(test)) == list(range(80))
    assert values(train) == sorted(values(train))
    owner = [label for label, count in enumerate(counts.values()) for _ in range(count)]
    for images in (train, test):
        assert images.labels.tolist() == [owner[value] for value in values(images)]
    assert "64 of 80 pictures are for train" in said[0]
    assert "16 of 80 pictures are for test" in said[1]
    assert len(said) == 2


def test_the_split_depends_on_the_names_alone(tmp_path: Path) -> None:
    classes_of(tmp_path / "here", {"a": 30, "b": 30})
    classes_of(tmp_path / "elsewhere" / "train", {"a": 30, "b": 30})
    tested = values(folder(tmp_path / "here", 8, "test", Messages()))
    assert tested == values(folder(tmp_path / "elsewhere", 8, "test", Messages()))
    ranked = sorted(range(30), key=lambda number: hashlib.sha256(f"a/{number:03}.png".encode()).digest())
    assert tested[:6] == sorted(ranked[:6])


@pytest.mark.parametrize("tested", ["test", "val"])
def test_folders_train_and_test(tmp_path: Path, tested: str) -> None:
    classes_of(tmp_path / "train", {"a": 3, "b": 2, "c": 1})
    picture(tmp_path / tested / "c" / "x.png", 100)
    picture(tmp_path / tested / "b" / "y.png", 101)
    said = Messages()
    train, test = folder(tmp_path, 8, "train", said), folder(tmp_path, 8, "test", said)
    assert (values(train), train.labels.tolist()) == ([0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 1, 2])
    assert (values(test), test.labels.tolist()) == ([101, 100], [1, 2])
    assert train.classes == test.classes == ("a", "b", "c")
    assert said == []


def test_test_comes_before_val_and_alone_is_enough_to_evaluate(tmp_path: Path) -> None:
    classes_of(tmp_path / "test", {"a": 1, "b": 1})
    classes_of(tmp_path / "val", {"a": 5, "b": 5})
    said = Messages()
    assert len(folder(tmp_path, 8, "test", said)) == 2
    assert "val is not read" in said[0]
    with pytest.raises(ValueError, match="no folder train"):
        folder(tmp_path, 8, "train", said)


def test_pixels_are_those_of_read_picture(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    for name in ("a/x.png", "a/y.png", "b/z.png", "b/w.png"):
        path = picture(tmp_path / "train" / name)
        pixels = torch.randint(0, 256, (40, 61, 3), generator=generator, dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(path)
    classes_of(tmp_path / "test", {"a": 1})
    found = folder(tmp_path, 24, "train", Messages())
    for index, name in enumerate(("a/x.png", "a/y.png", "b/w.png", "b/z.png")):
        assert torch.equal(found.images[index], read_picture(tmp_path / "train" / name, 24, 24))


def test_the_order_is_that_of_code_points(tmp_path: Path) -> None:
    names = ["B", "Z", "a", "b", "Übung", "été", "日本"]  # "Ü" and "é" come after all of ASCII
    for number, name in enumerate(sorted(names, key=str)):
        picture(tmp_path / "train" / unicodedata.normalize("NFD", name) / "ü 1.png", number)
        picture(tmp_path / "train" / unicodedata.normalize("NFD", name) / "Z.PNG", 100 + number)
    picture(tmp_path / "test" / "été" / "x.jpg")  # composed here, decomposed there
    train = folder(tmp_path, 8, "train", Messages())
    assert train.classes == ("B", "Z", "a", "b", "Übung", "été", "日本")
    assert values(train) == [value for number in range(7) for value in (100 + number, number)]
    assert folder(tmp_path, 8, "test", Messages()).labels.tolist() == [5]


def test_what_is_hidden_is_passed_over_and_the_rest_counted(tmp_path: Path) -> None:
    classes_of(tmp_path / "train", {"a": 2, "b": 2})
    classes_of(tmp_path / "test", {"a": 1})
    hidden = [".hidden.png", ".git/x.png", "a/.thumbs/x.png", "a/._000.png"]
    for name in hidden:
        picture(tmp_path / "train" / name, 200)
    picture(tmp_path / "train" / "a" / "deep" / "er" / "x.png", 50)
    for name in ("a/notes.txt", "b/Thumbs.db", "b/deep/labels.csv"):
        (tmp_path / "train" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "train" / name).touch()
    os.mkfifo(tmp_path / "train" / "b" / "pipe.png")
    said = Messages()
    train = folder(tmp_path, 8, "train", said)
    assert (values(train), train.labels.tolist()) == ([0, 1, 50, 2, 3], [0, 0, 0, 1, 1])
    assert len(said) == 1
    assert "4 files or linked folders ignored" in said[0]


def test_links_are_followed_to_pictures_and_never_round_and_round(tmp_path: Path) -> None:
    classes_of(tmp_path / "data" / "train", {"a": 2, "b": 2})
    classes_of(tmp_path / "data" / "test", {"a": 1})
    classes_of(tmp_path / "far", {"c": 2})
    train = tmp_path / "data" / "train"
    (train / "c").symlink_to(tmp_path / "far" / "c")
    (train / "a" / "linked.png").symlink_to(picture(tmp_path / "other.png", 90))
    (train / "a" / "round").symlink_to(train)
    (train / "a" / "self").symlink_to("self")
    said = Messages()
    found = folder(tmp_path / "data", 8, "train", said)
    assert (values(found), found.labels.tolist()) == ([0, 1, 90, 2, 3, 0, 1], [0, 0, 0, 1, 1, 2, 2])
    assert "2 files or linked folders ignored" in said[0]
    (train / "d").symlink_to(train)
    with pytest.raises(ValueError, match="d: a link to a folder that holds it"):
        folder(tmp_path / "data", 8, "train", said)


def test_a_picture_that_cannot_be_read_is_named_and_nothing_is_skipped(tmp_path: Path) -> None:
    classes_of(tmp_path / "train", {"a": 20, "b": 20})
    classes_of(tmp_path / "test", {"a": 1})
    (tmp_path / "train" / "b" / "004.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"train/b/004\.png: not a readable picture"):
        folder(tmp_path, 8, "train", Messages())
    (tmp_path / "train" / "a" / "005a.jpg").symlink_to("gone.jpg")
    with pytest.raises(ValueError, match=r"train/a/005a\.jpg: not a readable picture \(No such file"):
        folder(tmp_path, 8, "train", Messages())


def test_what_is_not_a_folder_of_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no such folder"):
        folder(tmp_path / "none", 8, "train")
    with pytest.raises(ValueError, match="0 classes found, 2 or more"):
        folder(tmp_path, 8, "train")
    classes_of(tmp_path, {"a": 2})
    with pytest.raises(ValueError, match="1 class found, 2 or more"):
        folder(tmp_path, 8, "train")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "readme.txt").touch()
    with pytest.raises(ValueError, match=r"b: no picture in it, allowed are files named \*\.avif .*\*\.webp$"):
        folder(tmp_path, 8, "train")
    picture(tmp_path / "b" / "x.png")
    with pytest.raises(ValueError, match="size of the pictures is 0"):
        folder(tmp_path, 0, "train")
    assert len(folder(tmp_path, 8, "train", Messages())) == 2


def test_what_may_have_been_meant_is_said(tmp_path: Path) -> None:
    """An archive unpacked into a folder of its own, and pictures that nobody has sorted."""
    classes_of(tmp_path / "set/inner/train", {"ants": 2, "bees": 2})
    classes_of(tmp_path / "set/inner/val", {"ants": 2, "bees": 2})
    with pytest.raises(ValueError, match=r"set: 1 class found, .* expected; perhaps .*set/inner is meant$"):
        folder(tmp_path / "set", 8, "train")
    (tmp_path / "flat").mkdir()
    for name in ("1.png", "2.png"):
        picture(tmp_path / "flat" / name)
    with pytest.raises(ValueError, match=r"expected; its 2 pictures lie in no class's folder$"):
        folder(tmp_path / "flat", 8, "train")


def test_a_test_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    classes_of(tmp_path / "single", {"a": 1, "b": 1})
    with pytest.raises(ValueError, match="no class has a picture to spare"):
        folder(tmp_path / "single", 8, "test")
    classes_of(tmp_path / "both" / "train", {"a": 1, "b": 1})
    classes_of(tmp_path / "both" / "test", {"a": 1, "other": 1})
    with pytest.raises(ValueError, match="test/other: the training pictures have no class of this name"):
        folder(tmp_path / "both", 8, "test")


def test_names_that_cannot_be_told_apart_or_shown_are_refused(tmp_path: Path) -> None:
    classes_of(tmp_path, {"a\nb": 1, "c": 1})
    with pytest.raises(ValueError, match=r"'a\\nb' cannot be shown") as caught:
        folder(tmp_path, 8, "train")
    assert "\n" not in str(caught.value)
    classes_of(tmp_path / "forms", {unicodedata.normalize(form, "é"): 1 for form in ("NFC", "NFD")})
    with pytest.raises(ValueError, match="two sub-folders are both called 'é'"):
        folder(tmp_path / "forms", 8, "train")
