"""The actions of `resnets data` from the command line: from drawn archives to every layout, and the check."""

import json
import re
from pathlib import Path

import pytest
import torch
from photographs import encoded, folder_of, textured
from test_data_ranges import serving
from test_data_shards import files_of

from resnets.cli import main
from resnets.data.batches import PhotographBatches
from resnets.data.photograph_stream import PhotographStream
from resnets.data.sources import open_photographs
from resnets.data.views import Augmentation


def said(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def run(*words: str | int | Path) -> int:
    return main([str(word) for word in words])


def test_from_archives_to_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Every layout that the commands make, and a server, give the same batches."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESNETS_DATA", str(tmp_path / "home"))
    assert run("data", "generate", "raw", "--classes", 3, "--train", 5, "--val", 2, "--json") == 0
    assert said(capsys) == {"path": "raw"}
    assert run("data", "prepare", "imagenet", "--from", "raw", "--json") == 0
    assert said(capsys) == {"name": "imagenet", "layout": "folders", "path": str(tmp_path / "home/imagenet")}
    assert run("data", "prepare", "imagenet", "--from", "raw", "--layout", "index", "--out", "index") == 0
    assert run("data", "shard", "imagenet", "shards") == 0
    assert capsys.readouterr().out == "index\nshards: 15 for train, 6 for test\n"
    with serving(files_of(tmp_path / "shards", [])) as server:
        batches = []
        for place in ("imagenet", "index", "shards", server.address):
            photographs = open_photographs(place, "train")
            stream = PhotographStream(len(photographs), 20, 1, Augmentation(), 32)
            batches.append(next(PhotographBatches(photographs, stream, torch.device("cpu"), threads=2).start()))
    for other in batches[1:]:
        assert all(torch.equal(a, b) for a, b in zip(batches[0], other, strict=True))


def test_stored_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "set", {"a": 3, "b": 3})
    assert run("data", "shard", "set", "small", "--shorter-side", 30, "--quality", 80, "--shard-size", 1) == 0
    assert open_photographs("small", "test").stored == "shorter side 30, JPEG of quality 80"
    for words, message in (
        (("set", "small"), "small: is there already"),
        (("set", "other", "--quality", 80), "--quality is of pictures that are made smaller"),
        (("set", "other", "--shorter-side", 0), "shorter side is 0"),
        (("set", "other", "--shard-size", -1), "bytes of a shard are -1000000"),
        (("nowhere", "other"), "data: 'nowhere' cannot be opened"),
    ):
        assert run("data", "shard", *words) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("resnets data: ")
        assert message in last
    assert not (tmp_path / "other").exists()


def test_check_names_all_that_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = folder_of(tmp_path / "set", {"a": 4, "b": 4})
    assert run("data", "check", "set", "--check") == 0
    assert "nothing is damaged" in capsys.readouterr().out
    whole = encoded(textured(60, 60))
    (folder / "a/00.jpg").write_bytes(b"")
    (folder / "a/01.jpg").write_bytes(whole[:-50])
    (folder / "a/02.jpg").write_bytes(whole[:-2] + b"extra" + whole[-2:])
    (folder / "b/00.jpg").write_bytes((folder / "b/01.jpg").read_bytes())
    (folder / "b/02.jpg").write_bytes(encoded(textured(60, 60).convert("CMYK")))
    assert run("data", "check", "set", "--json", "--check") == 1
    record = said(capsys)
    assert sum(record["pictures"].values()) == 8
    assert {one["picture"] for one in record["damaged"]} == {"a/00.jpg", "a/01.jpg"}
    assert all(one["reason"].startswith("not a readable picture (") for one in record["damaged"])
    (complaint,) = record["complaints"]
    assert complaint["picture"] == "a/02.jpg"
    assert re.fullmatch(r"Corrupt JPEG data: \d extraneous bytes before marker 0xd9", complaint["reason"])
    assert record["twice"] == [["b/00.jpg", "b/01.jpg"]] or record["twice"] == [["b/01.jpg", "b/00.jpg"]]
    assert record["kinds"] == {"JPEG RGB": 5, "JPEG CMYK": 1}
    assert run("data", "check", "set") == 0
    text = capsys.readouterr().out
    for line in ("damaged: 2", "complaints: 1", "there twice: 1", "kinds: 5 JPEG RGB, 1 JPEG CMYK"):
        assert line in text.splitlines()


def test_check_of_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("RESNETS_DATA", str(tmp_path))
    assert run("data", "check", "cifar10", "--json") == 0
    assert "there is no such file" in said(capsys)["damaged"][0]["reason"]
