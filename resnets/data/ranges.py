"""Files read in ranges of bytes, from a disk or over HTTP, by many threads at once."""

import http.client
import os
import re
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from resnets.version import __version__

_SECONDS = 20
"""How long to wait for a connection, and for the next bytes."""
_PAUSES = (0.1, 0.5, 2.0, 5.0)
"""Seconds between attempts, of which there is one more."""
_REDIRECTIONS = 5
_OPEN_FILES = 128


def is_address(text: str | Path) -> bool:
    """Whether `text` is to be asked for over HTTP."""
    return str(text).startswith(("http://", "https://"))


def read_range(source: str, offset: int, size: int) -> bytes:
    """`size` bytes of a file, or of what is at an address, from `offset` on; ValueError, of one line, otherwise."""
    if is_address(source):
        return _ask(source, (offset, size))
    try:
        content = _pread(source, size, offset)
    except OSError as error:
        raise ValueError(f"{source}: cannot be read ({error.strerror})") from None
    if len(content) != size:
        raise ValueError(f"{source}: ends at byte {offset + len(content)}, {size} bytes from {offset} are wanted")
    return content


def read_all(source: str) -> bytes:
    """The whole of a file, or of what is at an address; FileNotFoundError where it is not there, else ValueError."""
    if is_address(source):
        return _ask(source, None)
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{source}: cannot be read ({error.strerror})") from None


def _pread(path: str, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        found = Path(path).stat()
        # Held while it is read: another thread may have opened it too, and the cache keeps one.
        file = _opened(path, found.st_dev, found.st_ino)
        return os.pread(file.number, size, offset)
    with Path(path).open("rb", buffering=0) as file:  # Windows
        file.seek(offset)
        return file.read(size)


class _Descriptor:
    """An open file, closed when nobody holds it any more: the one at `path` as long as that is the same file."""

    def __init__(self, path: str, device: int, inode: int) -> None:
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


_opened = lru_cache(maxsize=_OPEN_FILES)(_Descriptor)


# ---------------------------------------------------------------------------------------------------------------
# HTTP


class _Connection:
    """To one host, closed when nobody holds it any more, as when its thread has ended."""

    def __init__(self, address: SplitResult) -> None:
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        self.open = kind(address.netloc, timeout=_SECONDS)

    def __del__(self) -> None:
        if hasattr(self, "open"):
            self.open.close()


class _Connections(threading.local):
    """The connections of a thread, by scheme and host: each is used again and again."""

    def __init__(self) -> None:
        self._by_host: dict[tuple[str, str], _Connection] = {}

    def to(self, address: SplitResult) -> http.client.HTTPConnection:
        key = (address.scheme, address.netloc)
        if key not in self._by_host:
            self._by_host[key] = _Connection(address)
        return self._by_host[key].open

    def drop(self, address: SplitResult) -> None:
        self._by_host.pop((address.scheme, address.netloc), None)


_connections = _Connections()


class _TryAgain(Exception):
    """What may pass: a broken connection, an answer cut short, a server that is busy."""


def _ask(address: str, wanted: tuple[int, int] | None) -> bytes:
    """The bytes at `address`: all, or so many from a place on. What may pass is tried again, a few times."""
    for pause in (*_PAUSES, None):
        try:
            return _answer(address, wanted)
        except _TryAgain as error:
            if pause is None:
                raise ValueError(f"{address}: {error}, tried {len(_PAUSES) + 1} times") from None
            time.sleep(pause)
    raise AssertionError


def _answer(address: str, wanted: tuple[int, int] | None) -> bytes:
    headers = {"User-Agent": f"resnets/{__version__}", "Accept-Encoding": "identity"}
    if wanted:
        headers["Range"] = f"bytes={wanted[0]}-{wanted[0] + wanted[1] - 1}"
    place = address
    for _ in range(_REDIRECTIONS + 1):
        parts = urlsplit(place)
        try:
            response = _response(parts, headers)
            if response.status in (301, 302, 303, 307, 308):
                response.read()
                place = urljoin(place, response.headers.get("Location", ""))
                if not is_address(place):
                    break
                continue
            return _content(response, address, wanted)
        except (FileNotFoundError, _TryAgain, ValueError):
            _connections.drop(parts)  # what is left unread would be taken for the next answer
            raise
        except (http.client.HTTPException, OSError) as error:
            _connections.drop(parts)
            raise _TryAgain(str(error) or type(error).__name__) from None
    raise ValueError(f"{address}: redirected to {place!r}, more than {_REDIRECTIONS} times or to nowhere")


def _response(parts: SplitResult, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    connection = _connections.to(parts)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, headers=headers)
    return connection.getresponse()


def _content(response: http.client.HTTPResponse, address: str, wanted: tuple[int, int] | None) -> bytes:
    """The body of an answer that is the one asked for."""
    status = response.status
    if status == 404 and not wanted:
        raise FileNotFoundError(address)
    if status == 429 or status >= 500:
        raise _TryAgain(f"the server says {status} {response.reason}")
    if wanted and status == 200:
        raise ValueError(f"{address}: the server ignores Range and would send the whole; it must serve byte ranges")
    if status != (206 if wanted else 200):
        raise ValueError(f"{address}: the server says {status} {response.reason}")
    if wanted:
        _check_range(response.headers.get("Content-Range", ""), address, *wanted)
    content = response.read() if wanted is None else response.read(wanted[1])
    if wanted and len(content) != wanted[1]:
        raise _TryAgain(f"{len(content)} bytes came, {wanted[1]} were promised")
    if wanted and response.read(1):
        raise ValueError(f"{address}: the server sends more than the range that was asked for")
    return content


def _check_range(said: str, address: str, offset: int, size: int) -> None:
    asked = f"bytes {offset}-{offset + size - 1}/"
    if not re.fullmatch(re.escape(asked) + r"(\d+|\*)", said):
        raise ValueError(f"{address}: the server sends {said!r}, asked for was {asked}")
