"""The actions of `resnets data` from the command line: from drawn archives to every layout, and the check."""

import json
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from photographs import encoded, folder_of, textured
from PIL import Image
from test_data_ranges import serving
from test_data_shards import files_of

from resnets.cli import main
from resnets.data.batches import PhotographBatches
from resnets.data.photograph_stream import PhotographStream
from resnets.data.pictures import decode_whole
from resnets.data.quarantine import add_to_quarantine, quarantined
from resnets.data.sources import open_data, open_photographs
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
    assert {"picture": "b/02.jpg", "reason": "CMYK, becomes RGB"} in record["odd"]
    assert run("data", "check", "set") == 0
    text = capsys.readouterr().out
    for line in ("damaged: 2", "complaints: 1", "there twice: 1", "kinds: 5 JPEG RGB, 1 JPEG CMYK"):
        assert line in text.splitlines()


def odd_folder(root: Path) -> Path:
    """Every oddity that a folder of pictures may have, in the training pictures of class a."""
    folder_of(root / "train", {"a": 2, "b": 3})
    folder_of(root / "test", {"a": 1, "b": 1})
    a, picture = root / "train/a", textured(60, 50, seed=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    (a / "turned.jpg").write_bytes(encoded(textured(60, 50, seed=91), exif=exif))
    grey = np.asarray(textured(60, 50, seed=92).convert("L")).astype(np.uint16) * 257
    (a / "sixteen.png").write_bytes(encoded(Image.fromarray(grey), "PNG"))
    (a / "sixteen colours.png").write_bytes(png(8, 8, np.arange(3 * 64, dtype=">u2").tobytes(), bits=16))
    frames = [textured(60, 50, seed=seed) for seed in (93, 94, 95)]
    (a / "moving.gif").write_bytes(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    (a / "named.jpg").write_bytes(encoded(picture, "PNG"))
    clear = textured(60, 50, seed=96)
    clear.putalpha(128)
    (a / "clear.png").write_bytes(encoded(clear, "PNG"))
    (a / "empty.jpg").write_bytes(b"")
    (a / "bomb.png").write_bytes(bomb(20_000, 20_000))
    (a / "loop.jpg").symlink_to("loop.jpg")
    (a / "round").symlink_to(a)
    (root / "train/b/again.jpg").write_bytes((a / "turned.jpg").read_bytes())
    (root / "test/a/leak.jpg").write_bytes((root / "train/b/02.jpg").read_bytes())
    (root / "test/b/alike.jpg").write_bytes(encoded(picture.resize((100, 120)), quality=40))
    return root


def bomb(width: int, height: int) -> bytes:
    """A PNG of some bytes that says it has so many pixels."""
    return png(width, height, b"", bits=8)


def png(width: int, height: int, rows: bytes, bits: int) -> bytes:
    """By the definition, as Pillow writes no colours of 16 bits; a filter's number, 0, stands before each row."""
    head = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    size = width * 3 * bits // 8
    filtered = b"".join(b"\0" + rows[first : first + size] for first in range(0, len(rows), size))
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(filtered)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_check_finds_everything_and_the_quarantine_is_honoured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    odd_folder(tmp_path / "set")
    assert run("data", "check", "set", "--json", "--check") == 1
    record = said(capsys)
    damaged = {f"train/a/{name}" for name in ("empty.jpg", "bomb.png", "loop.jpg")}
    assert {one["picture"] for one in record["damaged"]} == damaged
    reasons = {one["picture"]: one["reason"] for one in record["damaged"]}
    assert "more pixels than the 178,956,970 that are decoded at most" in reasons["train/a/bomb.png"]
    turned = "turned, as its EXIF data ask for"
    assert {(one["picture"], one["reason"]) for one in record["odd"]} == {
        ("train/a/turned.jpg", turned),
        ("train/b/again.jpg", turned),
        ("train/a/sixteen.png", "16 bits, become 8"),
        ("train/a/sixteen colours.png", "16 bits, become 8"),
        ("train/a/moving.gif", "3 frames, the first is taken"),
        ("train/a/named.jpg", "PNG, but called .jpg"),
        ("train/a/clear.png", "transparent, laid over white"),
    }
    assert record["two_classes"] == [
        {"same": "bytes", "pictures": ["train/a/turned.jpg", "train/b/again.jpg"]},
        {"same": "bytes", "pictures": ["train/b/02.jpg", "test/a/leak.jpg"]},
        {"same": "look", "pictures": ["train/a/named.jpg", "test/b/alike.jpg"]},
    ]
    # `folder_of` draws the same pictures in train and test: there are two leaks more.
    leaks = {
        ("train/a/00.jpg", "test/a/00.jpg"),
        ("train/b/00.jpg", "test/b/00.jpg"),
        ("train/b/02.jpg", "test/a/leak.jpg"),
    }
    assert {(*one["train"], *one["test"]) for one in record["in_both"] if one["same"] == "bytes"} == leaks
    alike = [one for one in record["in_both"] if one["same"] == "look"]
    assert alike == [{"same": "look", "train": ["train/a/named.jpg"], "test": ["test/b/alike.jpg"]}]
    out = damaged | {train for train, _ in leaks}
    assert set(record["open"]) == out
    assert record["classes"] == {"a": {"train": 11, "test": 2}, "b": {"train": 4, "test": 2}}
    capsys.readouterr()

    with pytest.raises(ValueError, match=r"cannot be read|not a readable picture"):
        open_data("set", "train", 32)
    whole = open_photographs("set", "train")
    assert run("data", "check", "set", "--quarantine", "--check") == 0
    assert f"set/quarantine.txt: {len(out)} pictures added" in capsys.readouterr().out
    lines = (tmp_path / "set/quarantine.txt").read_text().splitlines()
    assert {line for line in lines if line[0] != "#"} == out
    assert "# near, not left out: train/a/named.jpg = test/b/alike.jpg" in lines
    messages: list[str] = []
    small, large = open_data("set", "train", 32, messages.append), open_photographs("set", "train", messages.append)
    assert set(large.names) == set(whole.names) - out
    assert small.labels.tolist() == large.labels.tolist() == [0] * 7 + [1] * 2
    wanted = [decode_whole(whole.read(whole.names.index(name)), name) for name in large.names]
    assert all(np.array_equal(decode_whole(large.read(i), ""), pixels) for i, pixels in enumerate(wanted))
    left_out = "set: 6 of 15 pictures are left out, named in set/quarantine.txt"
    assert messages.count(left_out) == 2
    assert len(open_photographs("set", "test")) == 4

    before = (tmp_path / "set/quarantine.txt").read_bytes()
    assert run("data", "check", "set", "--json", "--quarantine") == 0
    again = said(capsys)
    assert (set(again["quarantined"]), again["open"], again["added"]) == (out, [], 0)
    assert (tmp_path / "set/quarantine.txt").read_bytes() == before
    assert run("data", "check", "set", "--check") == 0


def test_a_quarantine_moves_nothing_from_training_to_the_test(tmp_path: Path) -> None:
    folder_of(tmp_path / "set", {"a": 10, "b": 10})
    before = {split: open_photographs(tmp_path / "set", split).names for split in ("train", "test")}
    out = {before["train"][3], before["test"][0]}
    (tmp_path / "set/quarantine.txt").write_text("# mine\n\n" + "".join(f"{name}\n" for name in out))
    for split in ("train", "test"):
        assert open_photographs(tmp_path / "set", split).names == tuple(n for n in before[split] if n not in out)
    (tmp_path / "set/quarantine.txt").write_text("\n".join(before["test"]))
    with pytest.raises(ValueError, match=r"quarantine.txt: names every picture, so none would be left"):
        open_photographs(tmp_path / "set", "test")
    (tmp_path / "set/quarantine.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"quarantine.txt: cannot be read"):
        open_photographs(tmp_path / "set", "train")


def test_a_quarantine_written_by_hand_keeps_its_last_line(tmp_path: Path) -> None:
    """Even without an end; a name may begin with a #."""
    folder_of(tmp_path / "set", {"a": 10, "#1": 10})
    first, *others = open_photographs(tmp_path / "set", "train").names
    assert first.startswith("#1/")
    (tmp_path / "set/quarantine.txt").write_text(others[-1])
    path, added = add_to_quarantine(tmp_path / "set", [(first, "damaged")], [])
    assert (path.name, added) == ("quarantine.txt", 1)
    assert open_photographs(tmp_path / "set", "train").names == tuple(others[:-1])
    assert add_to_quarantine(tmp_path / "set", [(first, "damaged")], [])[1] == 0


def test_a_name_that_is_no_text_is_named_and_the_others_are_left_out(tmp_path: Path) -> None:
    odd = os.fsdecode(b"a/caf\xe9.png")
    with pytest.raises(ValueError, match=r"quarantine.txt: cannot hold 'a/caf.*not UTF-8; rename the picture"):
        add_to_quarantine(tmp_path, [(odd, "damaged"), ("a/b.png", "damaged")], [])
    assert quarantined(tmp_path) == {"a/b.png"}


def test_check_of_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("RESNETS_DATA", str(tmp_path))
    assert run("data", "check", "cifar10", "--json") == 0
    assert "there is no such file" in said(capsys)["damaged"][0]["reason"]
    assert run("data", "check", "cifar10", "--quarantine") == 2
    assert "a quarantine is for pictures in folders" in capsys.readouterr().err
