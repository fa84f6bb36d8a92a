"""Lists of photographs: CSV and Parquet, classes and splits, and what is refused by its row."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from photographs import folder_of, photographs_of

from resnets.data.folder import photographs
from resnets.data.lists import listed, write_list


def silent(message: str) -> None:
    pass


def written(folder: Path, text: str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_list_with_classes_and_splits(tmp_path: Path) -> None:
    folder_of(tmp_path, {"cats": 2, "Ärzte": 2})
    rows = ["cats/00.jpg,cat,train", "cats/01.jpg,cat,Test", "Ärzte/01.jpg,Ärzte,training", '"Ärzte/00.jpg",Ärzte,TEST']
    path = written(tmp_path, "\ufeffpath,class,split,note\r\n" + "".join(f"{row},n\r\n" for row in rows))
    train, test = listed(path, "train"), listed(path, "test")
    assert train.classes == test.classes == ("cat", "Ärzte")
    assert (train.names, train.labels.tolist()) == (("cats/00.jpg", "Ärzte/01.jpg"), [0, 1])
    assert (test.names, test.labels.tolist()) == (("cats/01.jpg", "Ärzte/00.jpg"), [0, 1])
    assert test.read(1) == (tmp_path / "Ärzte/00.jpg").read_bytes()
    assert test.size is not None
    assert test.size(1) == (tmp_path / "Ärzte/00.jpg").stat().st_size


def test_numbers_are_labels_and_names_go_with_them(tmp_path: Path) -> None:
    numbers = listed(written(tmp_path, "split,label,path\ntrain,2,a\ntrain,0,b\ntest,1,c\n"), "train")
    assert (numbers.classes, numbers.labels.tolist()) == (("0", "1", "2"), [2, 0])
    named = listed(written(tmp_path, "path,label,class,split\na,1,ant,train\nb,0,bee,train\nc,1,ant,test\n"), "train")
    assert (named.classes, named.labels.tolist()) == (("bee", "ant"), [1, 0])


def test_without_splits_the_test_is_that_of_the_folder(tmp_path: Path) -> None:
    folder_of(tmp_path / "set", {"a": 12, "b": 7})
    rows = [
        f"{path.relative_to(tmp_path / 'set')},{path.parent.name}" for path in sorted((tmp_path / "set").rglob("*.jpg"))
    ]
    path = written(tmp_path / "set", "\n".join(["path,class", *rows]))
    said: list[str] = []
    for split in ("train", "test"):
        expected = photographs(tmp_path / "set", split, silent)
        found = listed(path, split, said.append)
        assert (found.names, found.labels.tolist(), found.classes) == (
            expected.names,
            expected.labels.tolist(),
            expected.classes,
        )
        assert found.fingerprint == expected.fingerprint
    assert said[1].endswith("no column split, so a fifth of each class is the test: 3 of 19 are for test")
    few = written(tmp_path, "path,class\na.png,x\nb.png,y\n")
    with pytest.raises(ValueError, match="no class has a picture to spare for the test; add a column split"):
        listed(few, "test")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Each part in its order, labels and classes as they were, though not sorted; validation is neither of the two."""
    folder_of(tmp_path / "set", {"a, b": 10, "猫": 9})
    train, test = (photographs(tmp_path / "set", split, silent) for split in ("train", "test"))
    train, test = (replace(part, classes=("z", "y, x")) for part in (train, test))
    held, kept = train.subset(torch.tensor([1, 9])), train.subset(torch.tensor([8, 0, 15]))
    path = tmp_path / "runs" / "split.csv"
    path.parent.mkdir()
    write_list(path, {"train": kept, "validation": held, "test": test})
    said: list[str] = []
    for part, found in ((kept, listed(path, "train", said.append)), (test, listed(path, "test", said.append))):
        assert found.names == tuple(str(tmp_path / "set" / name) for name in part.names)
        assert (found.labels.tolist(), found.classes) == (part.labels.tolist(), part.classes)
        assert [found.read(i) for i in range(len(found))] == [part.read(i) for i in range(len(part))]
    assert said == [f"{path}: rows whose split is test are the test, 2 for validation are not read"] * 2
    write_list(path, {"train": kept, "validation": held})
    assert listed(path, "test").labels.tolist() == held.labels.tolist()  # for want of a test


def test_what_cannot_be_listed(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with pytest.raises(ValueError, match=r"list\.csv: not written, for the pictures of set are no files of their own$"):
        write_list(path, {"train": photographs_of([b"1", b"2"])})
    strange = replace(photographs_of([b"1"]), files=(tmp_path / "\udcff.jpg",))
    with pytest.raises(ValueError, match=r"list\.csv: not written, for a picture's name is not UTF-8$"):
        write_list(path, {"train": strange})
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_there_is_named_when_it_is_read(tmp_path: Path) -> None:
    found = listed(written(tmp_path, "path,class,split\na.jpg,x,train\nb.jpg,y,train\n"), "train")
    with pytest.raises(ValueError, match=r"a\.jpg: cannot be read \(No such file or directory\)"):
        found.read(0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no picture is listed in it"),
        ("path,class\n", "no picture is listed in it"),
        ("file,class\na,b\n", "columns file, class; needed are path and label or class, allowed is split"),
        ("path,split\na,train\n", "columns path, split; needed are"),
        ("path,class\na,x\nb\n", "line 3: as many fields as columns are expected, 2"),
        ("path,class\na,x,y\n", "line 2: as many fields as columns are expected, 2"),
        ("path,class\na,x\n,y\n", "line 3: a field is empty, of path, class"),
        ("path,class,split\na,x,\n", "line 2: a field is empty, of path, class, split"),
        ("path,class\na,x\nb,y\na,y\n", "the picture 'a' is listed twice"),
        ("path,class\na,x\nb,x\n", "1 class found, 2 or more"),
        ("path,label\na,0\nb,-1\n", "line 3: label is '-1', allowed are whole numbers from 0"),
        ("path,label\na,0\nb,1.0\n", "line 3: label is '1.0'"),
        ("path,label\na,0\nb,9999999\n", "line 3: label is '9999999'"),
        ("path,label,class\na,0,x\nb,0,y\n", "label 0 is called"),
        ("path,label,class\na,0,x\nb,1,x\n", "1 class found, 2 or more with names of their own"),
        ("path,class,split\na,x,train\nb,y,dev\n", "line 3: split is 'dev', allowed are train and test"),
        ("path,class,split\na,x,test\nb,y,test\n", "no row whose split is train"),
        ('path,class\n"a,x\n', "not a list in CSV"),
    ],
)
def test_what_is_no_list(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^[^\n]*list\.csv[:,][^\n]*{message}"):
        listed(written(tmp_path, text), "train", silent)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.csv: cannot be read \(No such file"):
        listed(tmp_path / "none.csv", "train")
    (tmp_path / "list.csv").write_bytes(b"path,class\n\xff,x\n")
    with pytest.raises(ValueError, match=r"list\.csv: not a list in CSV"):
        listed(tmp_path / "list.csv", "train")


def test_parquet_without_its_package_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ValueError, match=r"list\.parquet: .* need pyarrow; type: pip install 'resnets\[parquet\]'"):
        listed(written(tmp_path, "", "list.parquet"), "train")


def test_parquet_is_as_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns: dict[str, list[Any]] = {
        "label": [1, 0, 1],
        "class": ["ant", "bee", "ant"],
        "path": ["a", "b", "c"],
        "split": ["train", "train", "val"],
        "bytes": [b"x", None, b"z"],
    }
    path = tmp_path / "list.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    rows = zip(*(columns[name] for name in ("label", "class", "path", "split")), strict=True)
    text = "\n".join(["label,class,path,split", *(",".join(map(str, row)) for row in rows)])
    for split in ("train", "test"):
        assert listed(path, split).fingerprint == listed(written(tmp_path, text), split).fingerprint
    columns["class"][1] = None
    parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(ValueError, match=r"list\.parquet, row 2: a field is empty"):
        listed(path, "train")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"list\.parquet: not a list in Parquet"):
        listed(path, "train")
