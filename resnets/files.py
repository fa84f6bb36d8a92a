"""Files that are whole or not there, folders held alone, and where messages go."""

import errno
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

Log = Callable[[str], None]
"""What takes a message for the user, one line at a time."""


def say(message: str, end: str = "\n") -> None:
    """Print `message` to standard error, where progress and messages go. Where nobody can read them, work goes on."""
    with suppress(OSError):
        print(message, end=end, file=sys.stderr, flush=True)


def counted(number: int, one: str, more: str | None = None) -> str:
    """A number and what it is of, in a message: "1 picture", "2 pictures"; `more` where that is not `one` with an s."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"


def at_home(path: Path | str) -> Path:
    """`path` with the user's home folder for `~`; ValueError where nobody knows that folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: there is no such home folder; name the folder without ~") from None


def caches() -> Path:
    """The folder for what can be had again: `resnets` in the user's cache folder. ValueError where that is nowhere."""
    if sys.platform == "darwin":
        found = Path("~/Library/Caches")
    elif sys.platform == "win32":
        found = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local")
    else:
        found = Path(os.environ.get("XDG_CACHE_HOME", ""))
        # The XDG specification has relative paths ignored.
        found = found if found.is_absolute() else Path("~/.cache")
    return at_home(found) / "resnets"


def write_atomic(path: Path | str, content: bytes | str) -> None:
    """Write `content` (a str as UTF-8) so that `path` holds either all of it or what it held before.

    A temporary file beside `path` is written, brought to the disk and renamed; it is removed on any failure.
    A killed process may leave it behind, hidden; `sweep` removes it. What a link points to is written, the link stays.
    Raises OSError, which names `path`, also where a device or a pipe is there.
    """
    path, given = Path(os.path.realpath(path)), Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "a device or a pipe, allowed is a file", str(given))
    # Not derived from the name of `path`, which may be as long as the file system allows.
    temporary = path.parent / f".{uuid4().hex}.tmp"
    try:
        with naming(given):
            with temporary.open("xb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def sha256_of(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def append_line(path: Path, line: str) -> None:
    """Adds `line` to a text file, whole, on the disk, and behind what another process adds at the same time.

    A last line without an end is one that was cut off as it was written: it goes, and a message says so; unless it is
    whole JSON. Raises OSError, which names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path), path.open("a+b") as file:
        with suppress(ImportError, OSError):  # Windows; a file system without locks
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        begun = file.read().rpartition(b"\n")[2]
        if begun and _is_json(begun):
            line = f"\n{line}"
        elif begun:
            say(f"{path}: the last line was cut off as it was written, and is removed")
            file.truncate(file.seek(0, os.SEEK_END) - len(begun))
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def check_appending(path: Path) -> None:
    """Raises now the OSError that `append_line` would raise after hours of work. It leaves no file, but the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path), path.open("ab") if path.exists() else TemporaryFile(dir=path.parent):
        pass


def _is_json(text: bytes) -> bool:
    with suppress(ValueError):
        json.loads(text)
        return True
    return False


def sweep(folder: Path) -> None:
    """Removes what killed processes left half-written in `folder` and below: nobody may be writing there."""
    for left in folder.rglob(".*.tmp"):
        left.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError raised within names `path`: one from writing to an open file names none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds `folder` against every other process; ValueError where one has it.

    The lock is on the folder itself: it leaves no file and dies with the process.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{folder}: another process is at work there; wait until it has ended") from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)
