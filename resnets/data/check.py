"""Every picture of a set decoded: which are damaged, which are odd, which are there twice."""

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from resnets.data import cifar
from resnets.data.in_order import in_order
from resnets.data.integrity import fault
from resnets.data.jpeg import complaint
from resnets.data.photographs import Photographs
from resnets.data.pictures import decode_whole
from resnets.data.shards import Split
from resnets.data.sources import data_home, open_photographs
from resnets.files import Log, say
from resnets.runtime import cores

_SPLITS: tuple[Split, ...] = ("train", "test")
_SHOWN = 20
"""Of the pictures that something is said of, those that the text names; the record has all."""


class _Seen(NamedTuple):
    """What was seen of one picture."""

    name: str
    damage: str | None
    complaint: str | None
    kind: str
    digest: bytes


def check(name_or_path: str, log: Log = say) -> dict[str, Any]:
    """Decodes all pictures of both splits as training and testing do; returns what is to be said of them.

    `pictures` by split; `damaged`, which no training gets past; `complaints`, where JPEG's decoder found something
    that does not fit but Pillow, as everybody, goes on; `kinds`, such as "JPEG CMYK"; `twice`, groups of pictures with
    the same bytes. CIFAR's files are held against their sums. ValueError, of one line, where there is no such data.
    """
    path = data_home() if name_or_path in cifar.LAYOUTS else Path(name_or_path).expanduser()
    layout = name_or_path if name_or_path in cifar.LAYOUTS else cifar.recognise(path)
    if layout:
        home = path / cifar.LAYOUTS[layout].folder
        damage = fault(layout, home if home.is_dir() else path)
        return {"data": name_or_path, "damaged": [{"picture": layout, "reason": damage}] if damage else []}
    sets = {split: open_photographs(name_or_path, split, log) for split in _SPLITS}
    seen = [one for photographs in sets.values() for one in _look(photographs, log)]
    groups: defaultdict[bytes, list[str]] = defaultdict(list)
    for one in seen:
        groups[one.digest].append(one.name)
    return {
        "data": name_or_path,
        "pictures": {split: len(photographs) for split, photographs in sets.items()},
        "damaged": [{"picture": one.name, "reason": one.damage} for one in seen if one.damage],
        "complaints": [{"picture": one.name, "reason": one.complaint} for one in seen if one.complaint],
        "kinds": dict(Counter(one.kind for one in seen if not one.damage).most_common()),
        "twice": [names for names in groups.values() if len(names) > 1],
    }


def check_text(record: dict[str, Any]) -> str:
    """The record for people."""
    counts = ", ".join(f"{count} for {split}" for split, count in record.get("pictures", {}).items())
    lines = [f"{record['data']}: {counts or 'held against the sums of its files'}"]
    if kinds := record.get("kinds"):
        lines.append("kinds: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items()))
    for title in ("damaged", "complaints"):
        if found := record.get(title):
            lines += [f"{title}: {len(found)}", *_some([f"{one['picture']}: {one['reason']}" for one in found])]
    if twice := record.get("twice"):
        lines += [f"there twice: {len(twice)}", *_some([" = ".join(names) for names in twice])]
    if not record["damaged"]:
        lines.append("nothing is damaged")
    return "\n".join(lines)


def _some(lines: list[str]) -> list[str]:
    more = [f"  and {len(lines) - _SHOWN} more, all of them with --json"] if len(lines) > _SHOWN else []
    return [f"  {line}" for line in lines[:_SHOWN]] + more


def _look(photographs: Photographs, log: Log) -> Iterator[_Seen]:
    """All pictures, decoded by threads."""

    def look(index: int) -> _Seen:
        name = photographs.names[index]
        try:
            content = photographs.read(index)
            decode_whole(content, photographs.where(index))
        except ValueError as error:
            reason = str(error).removeprefix(f"{photographs.where(index)}: ")
            return _Seen(name, reason, None, "", f"{photographs.name}/{name}".encode())
        with Image.open(io.BytesIO(content)) as picture:
            kind = f"{picture.format} {picture.mode}"
        return _Seen(name, None, complaint(content), kind, hashlib.sha256(content).digest())

    with closing(in_order(look, range(len(photographs)), cores(), 4 * cores())) as seen:
        for count, one in enumerate(seen, 1):
            yield one
            if count % 10_000 == 0:
                log(f"{photographs.name}: {count} of {len(photographs)} pictures looked at")
