"""Files that are whole or not there, and where messages go."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

Log = Callable[[str], None]
"""What takes a message for the user, one line at a time."""


def say(message: str, end: str = "\n") -> None:
    """Print `message` to standard error, where progress and messages go. Where nobody can read them, work goes on."""
    with suppress(OSError):
        print(message, end=end, file=sys.stderr, flush=True)


def write_atomic(path: Path | str, content: bytes | str) -> None:
    """Write `content` (a str as UTF-8) so that `path` holds either all of it or what it held before.

    A temporary file beside `path` is written, brought to the disk and renamed; it is removed on any failure.
    A killed process may leave it behind, hidden and ending in `.tmp`. Raises OSError, which names `path`.
    """
    path = Path(path)
    # Not derived from the name of `path`, which may be as long as the file system allows.
    temporary = path.parent / f".{uuid4().hex}.tmp"
    try:
        with naming(path):
            with temporary.open("xb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError raised within names `path`: one from writing to an open file names none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
