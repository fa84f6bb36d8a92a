"""Files that are whole or not there, and where messages go."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

Log = Callable[[str], None]
"""What takes a message for the user, one line at a time."""


def say(message: str) -> None:
    """Print `message` to standard error, where progress and messages go."""
    print(message, file=sys.stderr, flush=True)


def write_atomic(path: Path | str, content: bytes | str) -> None:
    """Write `content` (a str as UTF-8) so that `path` holds either all of it or what it held before.

    A temporary file beside `path` is written, brought to the disk and renamed; it is removed on any failure.
    A killed process may leave it behind, hidden and ending in `.tmp`. Raises OSError as the file system does.
    """
    path = Path(path)
    # Not derived from the name of `path`, which may be as long as the file system allows.
    temporary = path.parent / f".{uuid4().hex}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
