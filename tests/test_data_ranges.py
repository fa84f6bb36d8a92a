"""Ranges of bytes from files and from servers on loopback, good and bad ones."""

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from resnets.data import ranges
from resnets.data.ranges import read_all, read_range

CONTENT = bytes(range(256)) * 8


class Server(http.server.ThreadingHTTPServer):
    """Answers each request as the next of `answers` says, then with the last of them for ever."""

    daemon_threads = True

    def __init__(self, *answers: Callable[["Handler", int, int], None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.requests, self.connections = list(answers), 0, set()
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def next(self) -> Callable[["Handler", int, int], None]:
        self.requests += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.connections.add(self.client_address)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        begin, end = (int(asked[1]), int(asked[2]) + 1) if asked else (0, len(CONTENT))
        self.server.next()(self, begin, end)

    def answer(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def good(handler: Handler, begin: int, end: int) -> None:
    said = f"bytes {begin}-{end - 1}/{len(CONTENT)}"
    status = 206 if "Range" in handler.headers else 200
    handler.answer(status, CONTENT[begin:end], Content_Range=said)


def status(code: int, **headers: str) -> Callable[[Handler, int, int], None]:
    return lambda handler, begin, end: handler.answer(code, b"sorry", None, **headers)


def whole(handler: Handler, begin: int, end: int) -> None:
    handler.answer(200, CONTENT)


def cut_short(handler: Handler, begin: int, end: int) -> None:
    said = f"bytes {begin}-{end - 1}/{len(CONTENT)}"
    handler.answer(206, CONTENT[begin : end - 3], length=end - begin, Content_Range=said)
    handler.close_connection = True


def hangs_up(handler: Handler, begin: int, end: int) -> None:
    handler.close_connection = True
    handler.connection.close()


def elsewhere(handler: Handler, begin: int, end: int) -> None:
    handler.answer(206, CONTENT[: end - begin], Content_Range=f"bytes 0-{end - begin - 1}/{len(CONTENT)}")


def too_much(handler: Handler, begin: int, end: int) -> None:
    handler.answer(206, CONTENT[begin : end + 5], Content_Range=f"bytes {begin}-{end - 1}/{len(CONTENT)}")


@contextmanager
def serving(*answers: Callable[[Handler, int, int], None]) -> Iterator[Server]:
    server = Server(*answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "_PAUSES", (0.0, 0.01, 0.01))


def test_ranges_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert read_range(str(path), 5, 300) == CONTENT[5:305]
    assert read_all(str(path)) == CONTENT
    with pytest.raises(ValueError, match=r"file: ends at byte 2048, 20 bytes from 2040 are wanted"):
        read_range(str(path), 2040, 20)
    with pytest.raises(ValueError, match=r"none: cannot be read \(No such file"):
        read_range(str(tmp_path / "none"), 0, 1)
    with pytest.raises(FileNotFoundError):
        read_all(str(tmp_path / "none"))


def test_ranges_of_an_address_over_one_connection_a_thread() -> None:
    with serving(good) as server:
        assert [read_range(f"{server.address}/a b", begin, 7) for begin in (0, 100, 2041)] == [
            CONTENT[begin : begin + 7] for begin in (0, 100, 2041)
        ]
        assert read_all(f"{server.address}/all") == CONTENT
        assert len(server.connections) == 1
        threads = [threading.Thread(target=read_range, args=(f"{server.address}/x", 0, 9)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.connections) == 4


@pytest.mark.parametrize(
    "passing", [status(503), status(429), cut_short, hangs_up], ids=["503", "429", "short", "gone"]
)
def test_what_passes_is_tried_again(passing: Callable[[Handler, int, int], None]) -> None:
    with serving(passing, passing, good) as server:
        assert read_range(f"{server.address}/x", 3, 40) == CONTENT[3:43]
        assert server.requests == 3


@pytest.mark.parametrize("lasting", [status(500), cut_short, hangs_up], ids=["500", "short", "gone"])
def test_what_does_not_pass_ends_in_one_line_after_some_attempts(lasting: Callable[[Handler, int, int], None]) -> None:
    with serving(lasting) as server:
        with pytest.raises(ValueError, match=r"^http://127[^\n]*/x: [^\n]+, tried 4 times$"):
            read_range(f"{server.address}/x", 3, 40)
        assert server.requests == 4


def test_no_server_ends_in_one_line() -> None:
    with serving(good) as server:
        address = server.address
    with pytest.raises(ValueError, match=r"^http://127[^\n]*refused, tried 4 times$"):
        read_range(f"{address}/x", 0, 1)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (whole, "the server ignores Range and would send the whole"),
        (elsewhere, r"the server sends 'bytes 0-39/2048', asked for was bytes 3-42/"),
        (too_much, "the server sends more than the range"),
        (status(404), "the server says 404 Not Found"),
        (status(403), "the server says 403 Forbidden"),
        (status(416), "the server says 416"),
        (status(302, Location="ftp://elsewhere/x"), "redirected to 'ftp://elsewhere/x'"),
        (status(302, Location="/again"), "redirected to 'http://127.*/again', more than 5 times"),
    ],
)
def test_servers_that_cannot_be_used_are_noticed_at_once(bad: Callable, message: str) -> None:
    with serving(bad, good) as server:
        server.answers = [bad] * 7 + [good]
        with pytest.raises(ValueError, match=message):
            read_range(f"{server.address}/x", 3, 40)
        server.answers = [good]  # on a fresh connection, not behind what was left unread
        assert read_range(f"{server.address}/x", 3, 40) == CONTENT[3:43]


def test_a_redirection_is_followed() -> None:
    with serving(good) as there, serving(status(307, Location=f"{there.address}/moved")) as here:
        assert read_range(f"{here.address}/x", 3, 40) == CONTENT[3:43]


def test_an_address_with_nothing_there() -> None:
    with serving(status(404)) as server, pytest.raises(FileNotFoundError):
        read_all(f"{server.address}/x")


def test_pythons_own_server_knows_no_ranges(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}/file"
        assert read_all(address) == CONTENT
        with pytest.raises(ValueError, match="the server ignores Range"):
            read_range(address, 0, 10)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_file_stays_open_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where two threads open it at once, and the cache keeps the other's descriptor."""
    (tmp_path / "file").write_bytes(b"0123456789")
    monkeypatch.setattr(ranges, "_opened", ranges._Descriptor)
    assert read_range(str(tmp_path / "file"), 2, 3) == b"234"


def test_another_file_of_that_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may come to stand for another file: it is replaced, or the process moves to another folder."""
    (tmp_path / "a").write_bytes(b"one")
    monkeypatch.chdir(tmp_path)
    assert read_range("a", 0, 3) == b"one"
    (tmp_path / "b").write_bytes(b"two")
    (tmp_path / "b").replace(tmp_path / "a")
    assert read_range("a", 0, 3) == b"two"
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a").write_bytes(b"six")
    monkeypatch.chdir(tmp_path / "there")
    assert read_range("a", 0, 3) == b"six"
