"""Shards: ordinary tars that others read too, an index, the same photographs from a disk and from a server."""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from photographs import decoded, encoded, folder_of, photographs_of, textured
from test_data_ranges import Handler, serving

from resnets.cli import main
from resnets.data import new_folder
from resnets.data.folder import photographs
from resnets.data.photographs import Photographs
from resnets.data.pictures import read_picture
from resnets.data.shard_index import ShardIndex
from resnets.data.shard_writer import Reduction, write_shards
from resnets.data.shards import altered, shards
from resnets.data.tars import begins


def silent(message: str) -> None:
    pass


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of photographs, one of them a PNG."""
    root = folder_of(tmp_path_factory.mktemp("pictures") / "set", {"a": 7, "b": 10})
    (root / "a" / "00.jpg").write_bytes(encoded(textured(30, 40), "PNG"))
    return root


def both(root: Path) -> dict[Any, Photographs]:
    return {split: photographs(root, split, silent) for split in ("train", "test")}


@pytest.fixture(scope="module")
def sharded(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in shards of some pictures each; to be read only."""
    return write_shards(both(pictures), tmp_path_factory.mktemp("sharded") / "out", shard_bytes=20_000, log=silent)


def equal(ones: Photographs, others: Photographs) -> bool:
    """Whether two layouts hold the same pictures in the same order."""
    contents = all(ones.read(index) == others.read(index) for index in range(len(ones)))
    return ones.fingerprint == others.fingerprint and contents


def test_shards_hold_what_they_were_made_of_in_its_order(pictures: Path, sharded: Path) -> None:
    assert len(list(sharded.glob("train-*.tar"))) > 2
    for split, expected in both(pictures).items():
        found = shards(sharded, split)
        assert equal(found, expected)
        assert found.size is not None
        assert [found.size(index) for index in range(len(found))] == [
            len(expected.read(index)) for index in range(len(found))
        ]


def webdataset(tar: Path) -> Iterator[dict[str, bytes]]:
    """Samples as WebDataset forms them: members that follow each other and share a name up to its first dot."""
    with tarfile.open(tar, "r:") as archive:
        sample: dict[str, bytes] = {}
        for member in archive:
            key, suffix = member.name.split(".", 1)
            content = archive.extractfile(member)
            assert content is not None
            if sample and sample["__key__"] != key.encode():
                yield sample
                sample = {}
            sample |= {"__key__": key.encode(), suffix: content.read()}
        yield sample


def test_they_are_ordinary_webdataset_tars(pictures: Path, sharded: Path) -> None:
    expected = both(pictures)["train"]
    samples = [sample for tar in sorted(sharded.glob("train-*.tar")) for sample in webdataset(tar)]
    assert {frozenset(sample) for sample in samples} == {
        frozenset({"__key__", "jpg", "cls"}),
        frozenset({"__key__", "png", "cls"}),
    }
    pairs = [(sample.get("jpg") or sample["png"], int(sample["cls"])) for sample in samples]
    assert sorted(pairs) == sorted(
        (expected.read(index), int(expected.labels[index])) for index in range(len(expected))
    )
    labels = [label for _, label in pairs]
    assert labels != sorted(labels), "the classes are mixed, for those who read from end to end"


def test_their_bytes_follow_from_the_pictures_alone(pictures: Path, sharded: Path, tmp_path: Path) -> None:
    again = write_shards(both(pictures), tmp_path / "again", shard_bytes=20_000, log=silent)
    files = {path.name: path.read_bytes() for path in sharded.iterdir()}
    assert {path.name: path.read_bytes() for path in again.iterdir()} == files
    index = json.loads(files["train.index.json"])
    assert {shard["file"]: shard["sha256"] for shard in index["shards"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name.startswith("train-")
    }


def test_pictures_can_be_stored_smaller(pictures: Path, tmp_path: Path) -> None:
    reduction = Reduction(shorter_side=42, quality=95)
    stored = shards(write_shards(both(pictures), tmp_path / "small", reduction, log=silent), "train")
    expected = both(pictures)["train"]
    assert stored.stored == "shorter side 42, JPEG of quality 95"
    assert (stored.names, stored.labels.tolist()) == (expected.names, expected.labels.tolist())
    assert stored.fingerprint != expected.fingerprint
    smaller = 0
    for index, name in enumerate(stored.names):
        own, content = expected.read(index), stored.read(index)
        if min(decoded(own).size) <= 42:
            assert content == own
            continue
        smaller += 1
        assert min(decoded(content).size) == 42
        exact = read_picture(pictures / name, 42, 42).float()
        away = (exact - centre(decoded(content))).square().mean().sqrt()
        assert away < 8
    assert smaller > 3


def centre(picture: Any) -> torch.Tensor:
    left, top = (round((side - 42) / 2) for side in picture.size)
    return torch.from_numpy(np.array(picture.crop((left, top, left + 42, top + 42)))).permute(2, 0, 1).float()


# ---------------------------------------------------------------------------------------------------------------
# From a server


def files_of(folder: Path, asked: list[str]) -> Callable[[Handler, int, int], None]:
    def answer(handler: Handler, begin: int, end: int) -> None:
        path = folder / handler.path.lstrip("/").removeprefix("data/")
        asked.append(handler.path)
        if not path.is_file():
            handler.answer(404, b"")
        elif "Range" in handler.headers:
            content = path.read_bytes()
            handler.answer(206, content[begin:end], Content_Range=f"bytes {begin}-{end - 1}/{len(content)}")
        else:
            handler.answer(200, path.read_bytes())

    return answer


def test_shards_on_a_server(pictures: Path, sharded: Path) -> None:
    asked: list[str] = []
    with serving(files_of(sharded, asked)) as server:
        for split, expected in both(pictures).items():
            asked.clear()
            found = shards(f"{server.address}/data/", split)
            assert asked == [f"/data/{split}.index.json"]
            assert equal(found, expected)
            assert len(asked) == 1 + len(expected)
        with pytest.raises(
            ValueError, match=r"/nothing/train\.index\.json: there is no such index; `resnets data shard`"
        ):
            shards(f"{server.address}/nothing", "train")


def test_an_index_on_a_server_names_shards_beside_it_only(sharded: Path, tmp_path: Path) -> None:
    index = ShardIndex.from_json((sharded / "test.index.json").read_bytes(), "")
    for file in ("../secret.tar", "http://127.0.0.1:1/x.tar", "/etc/passwd", "file:///etc/passwd"):
        moved = replace(index, shards=tuple(replace(shard, file=file) for shard in index.shards))
        (tmp_path / "test.index.json").write_text(moved.to_json())
        with serving(files_of(tmp_path, [])) as server, pytest.raises(ValueError, match="does not lie beside it"):
            shards(f"{server.address}/data", "test")


# ---------------------------------------------------------------------------------------------------------------
# What is damaged or does not fit


@pytest.fixture
def copy(sharded: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in sharded.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_shard_that_was_cut_short_or_is_gone_is_noticed_at_once(copy: Path) -> None:
    tar = copy / "train-000001.tar"
    tar.write_bytes(tar.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"train-000001\.tar: \d+ bytes found, its index says \d+; it was cut short"):
        shards(copy, "train")
    tar.unlink()
    with pytest.raises(ValueError, match=r"train-000001\.tar: a shard of the index cannot be read \(No such file"):
        shards(copy, "train")


def test_a_shard_that_was_altered_is_found_by_the_check(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a picture's metadata, so that all can be decoded as before; with --check the status says it."""
    tar = copy / "train-000001.tar"
    assert altered(copy, "train") == altered(copy, "test") == []
    assert main(["data", "check", str(copy), "--check"]) == 0
    content = tar.read_bytes()
    assert content.count(b"JFIF\0\1\1\0\0\1") > 0
    tar.write_bytes(content.replace(b"JFIF\0\1\1\0\0\1", b"JFIF\0\1\1\0\0\2", 1))
    assert altered(copy, "train") == [str(tar)]
    capsys.readouterr()
    assert main(["data", "check", str(copy), "--check", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["altered"] == [str(tar)]
    assert record["damaged"] == record["open"] == []
    assert main(["data", "check", str(copy)]) == 0
    assert "shards that were altered after they had been written: 1" in capsys.readouterr().out


def test_an_index_of_other_shards_is_noticed_when_a_picture_is_read(copy: Path) -> None:
    one, other = copy / "train-000000.tar", copy / "train-000001.tar"
    size = min(one.stat().st_size, other.stat().st_size)
    index = json.loads((copy / "train.index.json").read_bytes())
    found = shards(copy, "train")
    place = next(p for p in range(len(found)) if index["shard"][p] == 0 and index["offset"][p] > 2000)
    assert index["offset"][place] < size
    content = one.read_bytes()
    one.write_bytes(content[:1024] + content[512:-512])
    with pytest.raises(ValueError, match=rf"train-000000\.tar: {found.names[place]} is not where the index says"):
        shards(copy, "train").read(place)


def changed(**values: Any) -> Callable[[dict[str, Any]], None]:
    """A change of an index, whose digest is made to fit."""

    def change(record: dict[str, Any]) -> None:
        del record["sha256"]
        record.update(values)
        record["sha256"] = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record["labels"].reverse(), "its content is not that of its SHA-256 sum"),
        (lambda record: record.pop("sha256"), "'sha256' is missing"),
        (lambda record: record.update(format="other"), "its format is not resnets-shards-1"),
        (changed(labels=[0]), "its lists are not all of 3 pictures"),
        (changed(size=[1, 1, 10**12]), "lies outside of its shard or classes"),
        (changed(offset=[-1, 512, 512]), "lies outside of its shard or classes"),
        (changed(shard=[0, 0, 9]), "lies outside of its shard or classes"),
        (changed(labels=[0, 1, 2]), "lies outside of its shard or classes"),
        (changed(offset=[2**70, 512, 512]), "too large|too big"),
        (changed(names=["a", "b", "a"]), "two pictures are called 'a'"),
        (changed(shards=[]), "lies outside of its shard or classes"),
        (changed(shards=[{"file": "x"}]), "missing .*argument"),
    ],
)
def test_an_index_that_is_not_whole(change: Callable[[dict[str, Any]], None], message: str, copy: Path) -> None:
    path = copy / "test.index.json"
    record = json.loads(path.read_bytes())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=rf"test\.index\.json: not a whole index of shards \(.*({message})"):
        shards(copy, "test")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_an_index_that_is_none(content: bytes, copy: Path) -> None:
    (copy / "test.index.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"test\.index\.json: not a whole index of shards"):
        shards(copy, "test")


# ---------------------------------------------------------------------------------------------------------------
# Writing


def test_nothing_is_left_of_shards_that_could_not_be_written(tmp_path: Path) -> None:
    good = photographs_of([encoded(textured(40, 40))] * 3)

    def read(index: int) -> bytes:
        if index == 1:
            raise ValueError("set/1.jpg: gone")
        return good.read(index)

    with pytest.raises(ValueError, match=r"set/1\.jpg: gone"):
        write_shards({"train": replace(good, read=read)}, tmp_path / "out", log=silent)
    broken = photographs_of([encoded(textured(40, 40)), b"nothing"])
    with pytest.raises(ValueError, match=r"set/1\.jpg: not a readable picture"):
        write_shards({"train": broken}, tmp_path / "out", Reduction(shorter_side=20), log=silent)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(sharded: Path, pictures: Path) -> None:
    before = {path: path.read_bytes() for path in sharded.iterdir()}
    with pytest.raises(ValueError, match="out: is there already, and nothing is overwritten"):
        write_shards(both(pictures), sharded, log=silent)
    assert {path: path.read_bytes() for path in sharded.iterdir()} == before


def test_room_on_the_disk_is_looked_for_first(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = new_folder.shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000)
    monkeypatch.setattr(new_folder.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match=r"out: 0\.0 GB are needed, the disk has 0\.0 GB left"):
        write_shards(both(pictures), tmp_path / "out", log=silent)
    assert list(tmp_path.iterdir()) == []
    write_shards(both(pictures), tmp_path / "out", Reduction(shorter_side=8), log=silent)  # who knows beforehand


def test_what_cannot_be_sharded(tmp_path: Path) -> None:
    unlabelled = replace(photographs_of([b""]), labels=torch.tensor([-1]))
    with pytest.raises(ValueError, match="set: shards need pictures with labels"):
        write_shards({"train": unlabelled}, tmp_path / "out", log=silent)
    with pytest.raises(ValueError, match="shorter side is 0"):
        Reduction(shorter_side=0)
    with pytest.raises(ValueError, match="quality is 101, allowed is 1 to 100"):
        Reduction(shorter_side=10, quality=101)
    with pytest.raises(ValueError, match="bytes of a shard are 0"):
        write_shards({"train": photographs_of([b""])}, tmp_path / "out", shard_bytes=0, log=silent)


# ---------------------------------------------------------------------------------------------------------------
# Tars of others

Member = tuple[str, bytes]


def tar_of(path: Path, *members: Member | tarfile.TarInfo, kind: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:", format=kind) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_tars_of_others_are_indexed_once(kind: int, tmp_path: Path) -> None:
    folder = tmp_path / "others"
    contents = [encoded(textured(20 + n, 30)) for n in range(5)]
    long = "deep/" * 17 + "er" if kind == tarfile.USTAR_FORMAT else "long" * 30
    tar_of(
        folder / "x-train-0.tar",
        ("0.cls", b"2\n"),
        ("0.jpg", contents[0]),
        ("0.json", b"{}"),
        (f"{long}.jpg", contents[1]),
        (f"{long}.cls", b"0"),
        kind=kind,
    )
    tar_of(folder / "x-train-1.tar", ("0.seg.JPEG", contents[2]), ("0.cls", b"1"), kind=kind)
    tar_of(
        folder / "x-val-0.tar",
        ("a/1.jpg", contents[3]),
        ("a/1.cls", b"3"),
        ("b/1.jpg", contents[4]),
        ("b/1.cls", b"0"),
        kind=kind,
    )
    seen: list[tuple[str, str]] = []
    said: list[str] = []
    for _ in range(2):
        train, test = shards(folder, "train", said.append), shards(folder, "test", said.append)
        assert train.classes == test.classes == ("0", "1", "2", "3")
        assert train.names == ("x-train-0/0", f"x-train-0/{long}", "x-train-1/0")
        assert test.names == ("x-val-0/a/1", "x-val-0/b/1")
        assert [train.read(index) for index in range(3)] + [test.read(index) for index in range(2)] == contents
        assert (train.labels.tolist(), test.labels.tolist()) == ([2, 0, 1], [3, 0])
        seen.append((train.fingerprint, test.fingerprint))
    assert len(said) == 2
    assert seen[0] == seen[1]
    (folder / "classes.txt").write_text("w\nx\ny\nz\nnone of them\n")
    assert shards(folder, "test", silent).classes == ("w", "x", "y", "z", "none of them")


def test_tars_that_come_later_are_not_passed_over(tmp_path: Path) -> None:
    said: list[str] = []
    for number in range(3):
        tar_of(tmp_path / f"train-{number}.tar", ("0.jpg", JPG), ("0.cls", b"1"))
        said.clear()
        assert len(shards(tmp_path, "train", said.append)) == number + 1
        assert any("made anew" in message for message in said) == (number > 0)
    assert len(shards(tmp_path, "train", said.append)) == 3
    assert len(said) == 2
    for name in ("val", "test"):
        tar_of(tmp_path / f"{name}.tar", ("0.jpg", JPG), ("0.cls", b"1"))
    assert shards(tmp_path, "test", said.append).names == ("test/0",)
    assert any("1 with val are not read" in message for message in said)


def link(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return info


JPG = encoded(textured(20, 30))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("0.jpg", JPG)], r"train\.tar: 0: 1 pictures and 0 labels"),
        ([("0.cls", b"1")], r"train\.tar: 0: 0 pictures and 1 labels"),
        ([("0.jpg", JPG), ("0.png", JPG), ("0.cls", b"1")], r"train\.tar: 0: 2 pictures"),
        ([("0.jpg", JPG), ("0.cls", b"cat")], r"train\.tar: 0\.cls: b'cat' is not a label"),
        ([("0.jpg", JPG), ("0.cls", b"9" * 40)], "is not a label"),
        ([("0.jpg", JPG), ("0.cls", b"-1")], "is not a label"),
        ([link("0.jpg"), ("0.cls", b"1")], r"train\.tar: 0: 0 pictures and 1 labels"),
        (
            [("0.jpg", JPG), ("0.cls", b"1"), ("1.cls", b"0"), ("1.jpg", JPG), ("0.jpg", JPG), ("0.cls", b"1")],
            "two samples",
        ),
        ([], "no picture with a label in it"),
    ],
)
def test_tars_that_are_no_samples(members: list[Any], message: str, tmp_path: Path) -> None:
    tar_of(tmp_path / "train.tar", *members)
    with pytest.raises(ValueError, match=message):
        shards(tmp_path, "train", silent)


def test_a_size_in_no_octal_digits_is_no_header() -> None:
    block = bytearray(512)
    block[124:136], block[148:156] = b"00000000009\0", b"000009\0 "
    assert not begins(bytes(block), 9)


def test_tars_that_are_damaged(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "train.tar", ("0.jpg", JPG), ("0.cls", b"1"), ("1.jpg", JPG), ("1.cls", b"1"))
    whole = path.read_bytes()
    second = 512 + -(-len(JPG) // 512) * 512
    huge = tarfile.TarInfo("1.jpg")
    huge.size = 2**33
    for content in (
        b"",
        whole[:100],
        whole[:2000],
        whole[: second + 512],
        whole[: second + 100],
        whole[:second] + b"x" * 512 + whole[second + 512 :],
        whole[: second + 1024] + huge.tobuf(tarfile.GNU_FORMAT) + JPG,
        hashlib.sha256(whole).digest() * 100,
    ):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"^[^\n]*train\.tar: (not an uncompressed tar|ends within|damaged or cut)"
        ):
            shards(tmp_path, "train", silent)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["things.tar"], r"things\.tar: its name must have one of the words train, test and val"),
        (["train-test.tar"], "must have one of the words"),
        (["val.tar"], "no tar for train; its name must have the word train in it"),
    ],
)
def test_tars_of_no_split(names: list[str], message: str, tmp_path: Path) -> None:
    for name in names:
        tar_of(tmp_path / name, ("0.jpg", JPG), ("0.cls", b"1"))
    with pytest.raises(ValueError, match=message):
        shards(tmp_path, "train", silent)


def test_an_index_that_cannot_be_kept_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar_of(tmp_path / "train.tar", ("0.jpg", JPG), ("0.cls", b"1"))

    def refuse(path: Path, content: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("resnets.data.shards.write_atomic", refuse)
    said: list[str] = []
    assert len(shards(tmp_path, "train", said.append)) == len(shards(tmp_path, "train", said.append)) == 1
    assert [bool(re.search("cannot be kept", message)) for message in said] == [False, True] * 2
