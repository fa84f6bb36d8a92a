"""What lies where in a tar: its members with their offsets, never unpacked; and whether a place is as was noted."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

BLOCK = 512
"""Bytes of a header, which stands before the content of every member."""


def members(path: Path) -> Iterator[tarfile.TarInfo]:
    """The members of an uncompressed tar, whose content is at `offset_data`; ValueError where it is damaged."""
    with path.open("rb") as file:
        yield from members_of(file, str(path), path.stat().st_size)


def members_of(file: IO[bytes], name: str, size: int) -> Iterator[tarfile.TarInfo]:
    """The members of the tar that is the whole of `file`, of `size` bytes; offsets count from its beginning.

    Python's library ends silently at a header that is broken and at an end that comes too early; both are errors here.
    """
    try:
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
        raise ValueError(f"{name}: not an uncompressed tar, damaged or cut short ({error})") from None
    except OSError as error:
        raise ValueError(f"{name}: cannot be read ({error.strerror or error})") from None


def is_plain(member: tarfile.TarInfo) -> bool:
    """Whether a member is a file whose bytes stand in the tar one after the other: no link, no device, no holes."""
    return member.isreg() and not member.issparse()


def begins(block: bytes, size: int) -> bool:
    """Whether `block` is the header of a member of `size` bytes, by its field of the size and its check sum."""
    said, check = (field.strip(b" \0") for field in (block[124:136], block[148:156]))
    if not (said.isdigit() and check.isdigit() and int(said, 8) == size):
        return False
    return int(check, 8) == sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
