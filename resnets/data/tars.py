"""What lies where in a tar: its members with their offsets, never unpacked; and whether a place is as was noted."""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

BLOCK = 512
"""Bytes of a header, which stands before the content of every member."""


def members(path: Path, within: tarfile.TarInfo | None = None) -> Iterator[tarfile.TarInfo]:
    """The members of an uncompressed tar, or of the tar that is the member `within` of it.

    The content of a member begins at its `offset_data`, counted from the beginning of its own tar. At a header that is
    broken, and at an end that comes too early, Python's library ends silently; here it is a ValueError.
    """
    name = f"{path}: {within.name}" if within else str(path)
    if within and not is_plain(within):
        raise ValueError(f"{name}: not a file, a tar is expected")
    try:
        with path.open("rb") as whole:
            size = within.size if within else path.stat().st_size
            file = io.BufferedReader(_Part(whole, within.offset_data if within else 0, size))
            with tarfile.open(fileobj=file, mode="r:") as tar:
                while (member := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined] - else it keeps them all: a million for ImageNet
                    if member.isreg() and member.offset_data + member.size > size:
                        raise ValueError(f"{name}: ends within {member.name!r}; it was cut short")
                    yield member
                file.seek(tar.offset)
                if file.read(BLOCK) != bytes(BLOCK):
                    raise ValueError(f"{name}: damaged or cut short at byte {tar.offset}")
    except tarfile.TarError as error:
        raise ValueError(f"{name}: not an uncompressed tar, or one that was damaged or cut short ({error})") from None
    except OSError as error:
        raise ValueError(f"{name}: cannot be read ({error.strerror or error})") from None


class _Part(io.RawIOBase):
    """So many bytes of a file, as a file."""

    def __init__(self, file: io.BufferedReader, begin: int, size: int) -> None:
        self._file, self._begin, self._size, self._at = file, begin, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._begin + self._at)
        content = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def is_plain(member: tarfile.TarInfo) -> bool:
    """Whether a member is a file whose bytes stand in the tar one after the other: no link, no device, no holes."""
    return member.isreg() and not member.issparse()


def begins(block: bytes, size: int) -> bool:
    """Whether `block` is the header of a member of `size` bytes, by its field of the size and its check sum."""
    said, check = (field.strip(b" \0") for field in (block[124:136], block[148:156]))
    if not (re.fullmatch(b"[0-7]+", said) and re.fullmatch(b"[0-7]+", check) and int(said, 8) == size):
        return False
    return int(check, 8) == sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
