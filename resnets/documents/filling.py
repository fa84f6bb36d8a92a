"""Figures in documents, filled in by a command from results and computed facts, never by hand.

    python -m resnets.documents             in the checkout: fills README.md and docs/*.md, draws docs/images,
                                            counts the networks for the catalogue
    python -m resnets.documents --check     exit status 1 where one of them is not up to date

What stands between `<!-- generated: NAME -->` and `<!-- end -->` is replaced; the names are those of `BLOCKS`. The
images are those of `FIGURES`.
"""

import argparse
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from resnets.documents.blocks import BLOCKS
from resnets.documents.images import stale_figures
from resnets.files import say, write_atomic
from resnets.models.catalog import COUNTS, counts_json

_BLOCK = re.compile(r"<!-- generated: (?P<name>[\w-]+) -->\n(?P<content>.*?)<!-- end -->", re.DOTALL)
_OPENING = re.compile(r"<!-- generated: ([\w-]+) -->")


def fill(text: str, results: Path) -> str:
    """`text` with all its blocks made anew. ValueError for a name there is not, or a block without its end."""
    names = [match["name"] for match in _BLOCK.finditer(text)]
    if unclosed := [name for name in _OPENING.findall(text) if name not in names]:
        raise ValueError(f"block {unclosed[0]!r} has no `<!-- end -->`")
    if unknown := [name for name in names if name not in BLOCKS]:
        raise ValueError(f"there is no block {unknown[0]!r}, allowed are {', '.join(BLOCKS)}")

    def replaced(match: re.Match[str]) -> str:
        return f"<!-- generated: {match['name']} -->\n\n{BLOCKS[match['name']](results)}\n\n<!-- end -->"

    return _BLOCK.sub(replaced, text)


def documents(root: Path) -> list[Path]:
    """The documents of the checkout at `root`."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def stale(paths: Iterable[Path], results: Path) -> dict[Path, str]:
    """Of the documents at `paths` those that are not up to date, and what they should be."""
    found: dict[Path, str] = {}
    for path in paths:
        before = path.read_text(encoding="utf-8")
        try:
            after = fill(before, results)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if after != before:
            found[path] = after
    return found


def stale_counts(root: Path) -> dict[Path, str]:
    """The catalogue's file of counts and what it should be, where it is not."""
    path, after = root / "resnets" / "models" / COUNTS, counts_json()
    return {} if path.exists() and path.read_text(encoding="utf-8") == after else {path: after}


def main(words: list[str]) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m resnets.documents", description="fills generated blocks")
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="default README.md, docs/*.md and images")
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 where one is not up to date")
    arguments = parser.parse_args(words)
    root, results = Path(), Path("results")
    try:
        found = {} if arguments.files else stale_counts(root)
        found |= stale(arguments.files or documents(root), results)
        mending = {path: partial(write_atomic, path, text) for path, text in found.items()}
        mending |= {} if arguments.files else stale_figures(root, results)
        for path, mend in mending.items():
            if not arguments.check:
                mend()
            said = "not up to date; `python -m resnets.documents`" if arguments.check else "brought up to date"
            say(f"{path}: {said}")
    except (ValueError, OSError) as error:
        say(f"documents: {error}")
        return 2
    return 1 if mending and arguments.check else 0
