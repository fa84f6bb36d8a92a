"""torchvision's published weights, where the address is a server of this test: checksum, cache, and a clear line."""

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from photographs import folder_of
from torchvision.models import ResNet18_Weights

from resnets.cli import main
from resnets.models import fetched
from resnets.models.factory import create_model, find_weights


class Server(ThreadingHTTPServer):
    content: bytes | None = b""
    """None: silence, once connected."""
    status = 200
    missing = 0
    """Bytes that are promised and do not come."""
    asked = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        server.asked += 1
        if server.content is None:
            threading.Event().wait(3)
            return
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.content) + server.missing))
        self.end_headers()
        self.wfile.write(server.content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def published() -> tuple[bytes, Any]:
    """A file as torchvision publishes them, of a network of its own, and that network."""
    torch.manual_seed(5)
    network = torchvision.models.resnet18().eval()
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    return buffer.getvalue(), network


@pytest.fixture
def server(published: tuple[bytes, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Has the file under a name with its checksum, where torchvision says that its ResNet-18 is."""
    made = Server(("127.0.0.1", 0), Handler)
    made.content = published[0]
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    digest = hashlib.sha256(published[0]).hexdigest()[:8]
    address = f"http://127.0.0.1:{made.server_port}/models/resnet18-{digest}.pth"
    monkeypatch.setattr(ResNet18_Weights.IMAGENET1K_V1.value, "url", address)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    yield made
    made.shutdown()
    made.server_close()


def cached(home: Path) -> list[Path]:
    return list((home / "home/hub/checkpoints").iterdir())


def test_fetched_once_and_the_network_that_was_published(
    server: Server, published: tuple[bytes, Any], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    images = torch.rand(2, 3, 64, 64)
    for _ in range(2):
        model = create_model("resnet18", weights="torchvision").eval()
        with torch.no_grad():
            torch.testing.assert_close(model(images), published[1](images), rtol=1e-5, atol=1e-5)
    assert server.asked == 1
    out, err = capsys.readouterr()
    assert out == ""  # which is for results
    assert err.count("fetching, into") == 1
    (path,) = cached(tmp_path)
    assert path.read_bytes() == published[0]
    preprocessing = find_weights("resnet18", "torchvision").preprocessing
    assert preprocessing is not None
    assert (preprocessing.crop, preprocessing.resize, len(preprocessing.classes)) == (224, 256, 1000)


@pytest.mark.parametrize("answer", ["another file", "half", "not there", "silence", "nobody"])
def test_where_they_cannot_be_had(
    answer: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """One line, exit status 2, nothing in the cache nor in the place of the run."""
    assert server.content is not None
    if answer == "another file":
        server.content = server.content[:-1] + bytes([server.content[-1] ^ 1])
    elif answer == "half":
        server.content, server.missing = server.content[:1000], 1000
    elif answer == "not there":
        server.content, server.status = b"no such file", 404
    elif answer == "silence":
        server.content = None
        monkeypatch.setattr(fetched, "_SECONDS", 0.2)
    else:
        address = ResNet18_Weights.IMAGENET1K_V1.value.url.replace(str(server.server_port), "9")
        monkeypatch.setattr(ResNet18_Weights.IMAGENET1K_V1.value, "url", address)
    data = folder_of(tmp_path / "set", {"a": 3, "b": 3})
    words = ["train", "--data", str(data), "--weights", "torchvision", "--out", str(tmp_path / "run")]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    reason = {
        "another file": "invalid hash value",
        "half": "invalid hash value",
        "not there": "HTTP Error 404",
        "silence": "timed out",
        "nobody": "Connection refused",
    }[answer]
    last = err.splitlines()[-1]
    assert last.startswith("resnets train: http://127.0.0.1")
    assert "cannot be had" in last
    assert reason in last
    assert last.endswith("--weights takes a file, too, of any layout that `resnets convert` reads")
    assert cached(tmp_path) == []
    assert not (tmp_path / "run").exists()


def test_a_damaged_cache_is_named(server: Server, tmp_path: Path) -> None:
    find_weights("resnet18", "torchvision")
    (path,) = cached(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"resnet18-[0-9a-f]{8}\.pth: damaged, its SHA-256 begins with .*; remove it"):
        find_weights("resnet18", "torchvision")
    assert server.asked == 1


def test_a_run_begins_with_them(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """ResNet-18, whole: a new classifier, and the linear one beside it."""
    data = folder_of(tmp_path / "set", {"a": 6, "b": 6})
    short = ["iterations=2", "batch_size=4", "warmup_iterations=1", "evaluate_every=2", "log_every=1", "precision=fp32"]
    words = ["train", "--data", str(data), "--weights", "torchvision", *short, "--out", str(tmp_path / "run"), "--json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert (result["model"], result["baseline"]["features"]) == ("resnet18", "stage4")
    assert "new: fc (2)" in err
    assert server.asked == 1
