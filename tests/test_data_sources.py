"""open_data finds each kind of data by name or path; data_home follows the environment."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from resnets.data.cifar import LAYOUTS
from resnets.data.images import ImageSet
from resnets.data.photographs import Photographs
from resnets.data.shard_writer import write_shards
from resnets.data.shards import Split
from resnets.data.sources import data_home, open_data, open_photographs, open_whole


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESNETS_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


def layout(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).write_bytes(bytes(LAYOUTS["cifar10" if "batch" in file else "cifar100"].sizes()[file]))
    return folder


def pictures(root: Path) -> Path:
    for name in ("train/a", "train/b", "test/a"):
        (root / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(root / name / "x.png")
    return root


def test_digits_need_nothing() -> None:
    assert open_data("digits", "test").name == "digits"


def test_cifar_by_name_and_by_path(home: Path, tmp_path: Path) -> None:
    layout(home / "cifar-10-batches-bin", "test_batch.bin")
    layout(home / "cifar-100-binary", "test.bin")
    assert len(open_data("cifar10", "test").classes) == 10
    assert len(open_data("cifar100", "test").classes) == 100
    inner = layout(tmp_path / "copy" / "cifar-100-binary", "test.bin")
    for path in (inner, inner.parent, layout(tmp_path / "renamed", "test.bin")):
        assert open_data(str(path), "test").name == "cifar100"
    assert open_data(home, "test").name == "cifar10"  # both are there: the first


def test_cifar_that_is_not_there_says_what_to_type(home: Path) -> None:
    for name in ("cifar10", "cifar100"):
        with pytest.raises(ValueError, match=f"{home}.*there is no such file.*type: resnets data fetch {name}$"):
            open_data(name, "train")


def test_a_folder_of_pictures_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "digits")
    assert open_data(str(tmp_path / "digits"), "train", 8).images.shape == (2, 3, 8, 8)
    monkeypatch.chdir(tmp_path)
    assert open_data("./digits", "test").images.shape == (1, 3, 32, 32)
    assert len(open_data("digits", "test")) == 500  # the name comes first
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(open_data("~/digits", "train")) == 2


def test_pictures_as_they_are(home: Path, tmp_path: Path) -> None:
    layout(home / "cifar-10-batches-bin", "test_batch.bin")
    for name in ("digits", "cifar10", home):
        assert isinstance(open_whole(name, "test"), ImageSet)
    found = open_whole(pictures(tmp_path / "folder"), "test")
    assert isinstance(found, Photographs)
    assert (found.names, found.classes, found.labels.tolist()) == (("test/a/x.png",), ("a", "b"), [0])
    flat = open_whole(tmp_path / "folder" / "train" / "a", "test")
    assert isinstance(flat, Photographs)
    assert (flat.names, flat.classes, flat.labels.tolist()) == (("x.png",), (), [-1])
    with pytest.raises(ValueError, match=r"allowed are digits, cifar10, cifar100, a folder.* also imagenet"):
        open_whole(tmp_path / "nowhere", "test")


def test_a_path_is_no_name(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a folder is called, it is that folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("imagenet", "digits"):
        pictures(tmp_path / name)
        for given in (f"./{name}", f"{name}/", Path(name)):
            for opened in (open_whole(given, "test"), open_photographs(given, "test")):
                assert isinstance(opened, Photographs)
                assert opened.names == ("test/a/x.png",)
        assert len(open_data(Path(name), "test")) == 1
    with pytest.raises(ValueError, match="digits are small images in memory, no photographs; allowed are imagenet"):
        open_photographs("digits", "test")


@pytest.mark.parametrize("name", ["cifar", "", "no/such/path", "x" * 5000, "nul\0"])
def test_what_is_neither_name_nor_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="allowed are digits, cifar10, cifar100, a folder"):
        open_data(name or "file", "train")


def test_a_size_that_a_set_does_not_have(home: Path) -> None:
    layout(home / "cifar-10-batches-bin", "test_batch.bin")
    for name in ("digits", "cifar10", str(home)):
        with pytest.raises(ValueError, match="are 32x32, size 64 was asked for"):
            open_data(name, "test", 64)


def test_data_home_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESNETS_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setattr(sys, "platform", "linux")
    assert data_home() == Path("/home/someone/.cache/resnets")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the specification has ignored
    assert data_home() == Path("/home/someone/.cache/resnets")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert data_home() == Path("/caches/resnets")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert data_home() == Path("/home/someone/Library/Caches/resnets")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert data_home() == Path("/local/resnets")
    monkeypatch.setenv("RESNETS_DATA", "~/data")
    assert data_home() == Path("/home/someone/data")


# ---------------------------------------------------------------------------------------------------------------
# Photographs


def test_photographs_of_every_layout_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures(tmp_path / "set")
    rows = [f"{path.relative_to(folder).as_posix()},{path.parent.name}" for path in sorted(folder.rglob("*.png"))]
    lines = ["path,class,split", *(f"{row},{row.split('/')[0]}" for row in rows)]
    (folder / "list.csv").write_text("\n".join(lines))
    expected: dict[Split, Photographs] = {"train": open_photographs(folder, "train")}
    expected["test"] = open_photographs(folder, "test")
    write_shards(expected, tmp_path / "shards", log=lambda _: None)
    monkeypatch.chdir(tmp_path)
    for split, photographs in expected.items():
        assert photographs.names[0] == f"{split}/a/x.png"
        for place in (folder / "list.csv", tmp_path / "shards", "shards", "set/list.csv"):
            assert open_photographs(place, split).fingerprint == photographs.fingerprint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", r"data: 'nowhere' cannot be opened \(No such file.*allowed are imagenet, a folder .* a list"),
        ("a\0b", "cannot be opened"),
        ("note.txt", "data: 'note.txt' is a file, but no list; allowed are"),
        ("imagenet", "imagenet' cannot be opened .*; type: resnets data prepare imagenet --from DIR"),
        ("empty", "empty: 0 classes found"),
        ("archives", "archives: ImageNet's archives; type: resnets data prepare imagenet --from "),
        ("http://127.0.0.1:1/nothing", r"^http://127\.0\.0\.1:1/nothing/train\.index\.json: .* tried 5 times"),
    ],
)
def test_no_photographs(name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("resnets.data.ranges._PAUSES", (0.0,) * 4)
    (tmp_path / "note.txt").write_text("no list")
    (tmp_path / "empty").mkdir()
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "ILSVRC2012_img_train.tar").touch()
    with pytest.raises(ValueError, match=message):
        open_photographs(name, "train")


def test_names_of_classes_that_are_called_by_numbers(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "set")
    (folder / "synsets.csv").write_text("wnid,name\na,first\nb,second\n")
    assert open_photographs(folder, "test").classes == ("first", "second")
    for text in ("wnid,name\na,first\n", "wnid\na\nb\n", "wnid,name\na,x\nb,x\n", ""):
        (folder / "synsets.csv").write_text(text)
        with pytest.raises(ValueError, match=r"synsets\.csv: "):
            open_photographs(folder, "test")
