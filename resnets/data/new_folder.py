"""A folder that is made whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnets.data.workspace import workspace


@contextmanager
def new_folder(out: Path, needed: int) -> Iterator[Path]:
    """An empty folder to fill, which becomes `out` in one step when all went well and is gone otherwise.

    ValueError where `out` is there already, or its disk has no room for `needed` bytes.
    """
    if out.exists() or out.is_symlink():
        raise ValueError(f"{out}: is there already, and nothing is overwritten; remove it or name another folder")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise ValueError(f"{out}: {needed / 1e9:.1f} GB are needed, the disk has {free / 1e9:.1f} GB left")
    with workspace(out.parent, f".new-{out.name}") as work:
        fresh = work / "fresh"
        fresh.mkdir()
        yield fresh
        if hasattr(os, "sync"):
            os.sync()  # else a power cut could leave the name without the content
        fresh.rename(out)
