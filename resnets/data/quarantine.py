"""Pictures that are left out: those named in a file `quarantine.txt` that lies with a set.

One name a line, as messages call the pictures: from the folder of the set on. Lines that begin with "# " say why. What
is for training and what is for the test is decided first, so leaving one out moves no other.
"""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from resnets.data.file_names import normal
from resnets.data.photographs import Photographs
from resnets.files import Log, write_atomic

NAME = "quarantine.txt"
_HEAD = "# Pictures that are left out in training and testing: one name a line. `resnets data check` wrote the first.\n"


def quarantine_of(data: Path) -> Path:
    """The file that names what is left out of the set at `data`: in its folder, or beside a list."""
    return (data if data.is_dir() else data.parent) / NAME


def quarantined(data: Path) -> frozenset[str]:
    """The names in the file; none where there is no file. ValueError, of one line, where it cannot be read."""
    path = quarantine_of(data)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    return frozenset(normal(line) for line in lines if line.strip() and not line.startswith("# "))


def kept(names: Iterable[str], data: Path, log: Log) -> Tensor | None:
    """Of the pictures called `names`, the indices (int64) of those that are not left out; None where all are kept.

    Says how many are not. ValueError where nothing would be kept.
    """
    out = quarantined(data)
    wanted = [normal(name) not in out for name in names]
    if all(wanted):
        return None
    if not any(wanted):
        raise ValueError(f"{quarantine_of(data)}: names every picture, so none would be left")
    log(f"{data}: {len(wanted) - sum(wanted)} of {len(wanted)} pictures are left out, named in {quarantine_of(data)}")
    return torch.tensor(wanted).nonzero()[:, 0]


def without_quarantined(photographs: Photographs, data: Path, log: Log) -> Photographs:
    """The set without what is left out; ValueError as `kept`."""
    indices = kept(photographs.names, data, log)
    return photographs if indices is None else photographs.subset(indices)


def add_to_quarantine(data: Path, entries: Iterable[tuple[str, str]], remarks: Iterable[str]) -> tuple[Path, int]:
    """Adds (name, why) to the file, and `remarks` as lines that leave nothing out; what stands there stays.

    Returns the file and how many names are new. OSError as the file system raises it; ValueError where a name is not
    UTF-8, after all others have been added.
    """
    path, known = quarantine_of(data), quarantined(data)
    old = path.read_text(encoding="utf-8") if path.exists() else _HEAD
    old += "" if old.endswith("\n") or not old else "\n"
    found = [(name, why) for name, why in entries if normal(name) not in known]
    new = [(name, why) for name, why in found if _is_text(name)]
    lines = [f"# {_one_line(why)}\n{name}\n" for name, why in new]
    lines += [line for line in (f"# {_one_line(remark)}\n" for remark in remarks) if line not in old]
    if lines:
        write_atomic(path, old + "".join(lines))
    if odd := [name for name, _ in found if not _is_text(name)]:
        raise ValueError(f"{path}: cannot hold {odd[0]!r}, a name that is not UTF-8; rename the picture, or remove it")
    return path, len(new)


def _is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8: other bytes in a file's name are kept as half of a surrogate pair."""
    return not any("\udc80" <= letter <= "\udcff" for letter in name)


def _one_line(text: str) -> str:
    return " ".join(text.split())
