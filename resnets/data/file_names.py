"""Names of files: in one form of Unicode, and as bytes where they are no text."""

import unicodedata


def normal(name: str) -> str:
    """`name` in Unicode's form C: some file systems give names back decomposed."""
    return unicodedata.normalize("NFC", name)


def encoded(name: str) -> bytes:
    """UTF-8; bytes that are none, as old archives leave them in names, stay as they are."""
    return name.encode(errors="surrogateescape")
