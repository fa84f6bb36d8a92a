"""Every picture of a set decoded: which are damaged, odd, there twice or nearly so, in training and test alike."""

import hashlib
import io
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from resnets.data import cifar
from resnets.data.in_order import in_order
from resnets.data.integrity import fault
from resnets.data.jpeg import complaint
from resnets.data.near import mark, near
from resnets.data.photographs import Photographs
from resnets.data.pictures import LARGEST_VIEW, decode_whole
from resnets.data.quarantine import add_to_quarantine, quarantined
from resnets.data.ranges import is_address
from resnets.data.shards import Split, altered, is_sharded
from resnets.data.sources import IMAGENET, data_home, open_photographs
from resnets.files import Log, at_home, say
from resnets.runtime import cores

_SPLITS: tuple[Split, ...] = ("train", "test")
_SHOWN = 20
"""Of the pictures that something is said of, those that the text names; the record has all."""
_ORIENTATION = 0x0112
_NARROW = LARGEST_VIEW // 640**2
"""How many times as long as wide a picture may be for tests at the paper's scales."""
_TOO_NARROW = LARGEST_VIEW // 256**2
"""And for any test, at the shorter side of which it is whole."""
_UNEVEN = 10
"""From so many times as many pictures in one class as in another, a line says what that does to the error."""


class _Seen(NamedTuple):
    """What was seen of one picture."""

    name: str
    split: Split
    label: int
    damage: str | None
    complaint: str | None
    kind: str
    odd: tuple[str, ...]
    digest: bytes
    mark: np.ndarray | None


def check(name_or_path: str, quarantine: bool = False, log: Log = say) -> dict[str, Any]:
    """Decodes all pictures of both splits as training and testing do; returns what is to be said of them.

    `pictures` by split and `classes` by name and split, as they are numbered without what is in quarantine; `damaged`,
    which no training gets past; `complaints`, where JPEG's decoder found something that does not fit but Pillow, as
    everybody, goes on; `kinds`, such as "JPEG CMYK"; `odd`, what is done to a picture or wrong with its name; `twice`,
    groups of pictures with the same bytes, and `near`, groups that look alike; `in_both`, what of these groups is in
    training and in the test, and `two_classes`, what is in several, so that a label is wrong or classes are hard to
    tell apart; `quarantined`, the pictures named in the set's `quarantine.txt`; `open`, damaged pictures and training
    pictures with the bytes of a test picture that are not. With `quarantine` these are added to the file. `altered`:
    shards on a disk that are not what was written, as their sums say, even if all that is in them can be decoded.

    CIFAR's files are held against their sums. ValueError, of one line, where there is no such data.
    """
    path = data_home() if name_or_path in cifar.LAYOUTS else at_home(name_or_path)
    layout = name_or_path if name_or_path in cifar.LAYOUTS else cifar.recognise(path)
    if quarantine and (layout or is_address(name_or_path)):
        raise ValueError(f"{name_or_path}: a quarantine is for pictures in folders, lists and shards on a disk")
    if layout:
        home = path / cifar.LAYOUTS[layout].folder
        damage = fault(layout, home if home.is_dir() else path)
        found = [{"picture": layout, "reason": damage}] if damage else []
        return {"data": name_or_path, "damaged": found, "open": [one["picture"] for one in found]}
    Image.init()  # not by several threads at once
    place = data_home() / name_or_path if name_or_path == IMAGENET else path
    sets: dict[Split, Photographs] = {
        split: open_photographs(name_or_path, split, log, everything=True) for split in _SPLITS
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # twice as many pixels are refused
        seen = [one for split in _SPLITS for one in _look(sets[split], split, log)]
    record = {"data": name_or_path, **_said(sets, seen)}
    remote = is_address(name_or_path)
    record["altered"] = (
        [] if remote or not is_sharded(place) else [a for split in _SPLITS for a in altered(place, split)]
    )
    out = frozenset() if remote else quarantined(place)
    record["quarantined"] = [one.name for one in seen if one.name in out]
    wrong = _wrong(record)
    record["open"] = [name for name in wrong if name not in out]
    if quarantine:
        near_by = [
            f"near, not left out: {' = '.join(_pictures_of(group))}"
            for group in record["in_both"]
            if group["same"] == "look"
        ]
        file, added = add_to_quarantine(place, wrong.items(), near_by)
        record |= {"quarantine": str(file), "added": added}
    return record


def _said(sets: dict[Split, Photographs], seen: list[_Seen]) -> dict[str, Any]:
    counts = {split: Counter(photographs.labels.tolist()) for split, photographs in sets.items()}
    classes = enumerate(sets["train"].classes)
    equal = _groups(one.digest for one in seen)
    whole = [place for place, one in enumerate(seen) if one.mark is not None]
    marks = [mark for place in whole if (mark := seen[place].mark) is not None]
    alike = [[whole[place] for place in group] for group in (near(np.stack(marks)) if marks else [])]
    alike = [group for group in alike if len({seen[place].digest for place in group}) > 1]
    return {
        "pictures": {split: len(photographs) for split, photographs in sets.items()},
        "classes": {name: {split: counts[split][label] for split in _SPLITS} for label, name in classes},
        "damaged": [{"picture": one.name, "reason": one.damage} for one in seen if one.damage],
        "complaints": [{"picture": one.name, "reason": one.complaint} for one in seen if one.complaint],
        "kinds": dict(Counter(one.kind for one in seen if not one.damage).most_common()),
        "odd": [{"picture": one.name, "reason": reason} for one in seen for reason in one.odd],
        "twice": [[seen[place].name for place in group] for group in equal],
        "near": [[seen[place].name for place in group] for group in alike],
        "in_both": [*_in_both(seen, equal, "bytes"), *_in_both(seen, alike, "look")],
        "two_classes": [*_two_classes(seen, equal, "bytes"), *_two_classes(seen, alike, "look")],
    }


def _groups(keys: Iterable[bytes]) -> list[list[int]]:
    places: defaultdict[bytes, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    return [group for group in places.values() if len(group) > 1]


def _in_both(seen: list[_Seen], groups: list[list[int]], same: str) -> list[dict[str, Any]]:
    """Of the groups those with pictures of both splits; `same` is what they have in common."""
    found = []
    for group in groups:
        names = {split: [seen[place].name for place in group if seen[place].split == split] for split in _SPLITS}
        if all(names.values()):
            found.append({"same": same, **names})
    return found


def _two_classes(seen: list[_Seen], groups: list[list[int]], same: str) -> list[dict[str, Any]]:
    """Of the groups those with pictures of several classes."""
    found = [group for group in groups if len({seen[place].label for place in group}) > 1]
    return [{"same": same, "pictures": [seen[place].name for place in group]} for group in found]


def _wrong(record: dict[str, Any]) -> dict[str, str]:
    """What should be left out, and why."""
    wrong = {one["picture"]: one["reason"] for one in record["damaged"]}
    for group in record["in_both"]:
        if group["same"] == "bytes":
            wrong |= dict.fromkeys(group["train"], f"the same as {group['test'][0]}, which is for the test")
    return wrong


def _pictures_of(group: dict[str, Any]) -> list[str]:
    return group["pictures"] if "pictures" in group else [*group["train"], *group["test"]]


# ---------------------------------------------------------------------------------------------------------------
# In words


def check_text(record: dict[str, Any]) -> str:
    """The record for people."""
    counts = ", ".join(f"{count} for {split}" for split, count in record.get("pictures", {}).items())
    lines = [f"{record['data']}: {counts or 'held against the sums of its files'}"]
    lines += _classes_text(record.get("classes", {}))
    if kinds := record.get("kinds"):
        lines.append("kinds: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items()))
    for title in ("damaged", "complaints", "odd"):
        if found := record.get(title):
            lines += [f"{title}: {len(found)}", *_some([f"{one['picture']}: {one['reason']}" for one in found])]
    for key, title in {"twice": "there twice", "near": "look alike"}.items():
        if groups := record.get(key):
            lines += [f"{title}: {len(groups)}", *_some([" = ".join(names) for names in groups])]
    for key, title in {"two_classes": "in two classes", "in_both": "in training and test"}.items():
        if groups := record.get(key):
            shown = [f"{' = '.join(_pictures_of(one))} (the same {one['same']})" for one in groups]
            lines += [f"{title}: {len(groups)}", *_some(shown)]
    if out := record.get("quarantined"):
        lines.append(f"left out already: {len(out)}")
    if shards := record.get("altered"):
        lines += [f"shards that were altered after they had been written: {len(shards)}", *_some(shards)]
    elif not record["damaged"]:
        lines.append("nothing is damaged")
    if "quarantine" in record:
        lines.append(f"{record['quarantine']}: {record['added']} pictures added, which are left out from now on")
    elif record.get("open") and "pictures" in record:
        remedy = "" if is_address(record["data"]) else ": --quarantine does it"
        lines.append(f"{len(record['open'])} should be left out{remedy}")
    return "\n".join(lines)


def _classes_text(classes: dict[str, dict[str, int]]) -> list[str]:
    if not classes:
        return []
    ranked = sorted(classes, key=lambda name: classes[name]["train"])
    (few, least), (many, most) = ((name, classes[name]["train"]) for name in (ranked[0], ranked[-1]))
    lines = [f"classes: {len(classes)}, with {least} ({few}) to {most} ({many}) pictures for training"]
    if most >= _UNEVEN * least:
        lines.append("  so uneven that the error of all says little of small classes; look at that of each class")
    if untested := [name for name in classes if not classes[name]["test"]]:
        lines.append(f"  without a test picture: {', '.join(untested[:_SHOWN])}")
    return lines


def _some(lines: list[str]) -> list[str]:
    more = [f"  and {len(lines) - _SHOWN} more, all of them with --json"] if len(lines) > _SHOWN else []
    return [f"  {line}" for line in lines[:_SHOWN]] + more


# ---------------------------------------------------------------------------------------------------------------
# One picture


def _look(photographs: Photographs, split: Split, log: Log) -> Iterator[_Seen]:
    """All pictures, decoded by threads."""
    labels: Sequence[int] = photographs.labels.tolist()

    def look(index: int) -> _Seen:
        name, label = photographs.names[index], labels[index]
        try:
            content = photographs.read(index)
            pixels = decode_whole(content, photographs.where(index))
        except ValueError as error:
            reason = str(error).removeprefix(f"{photographs.where(index)}: ")
            return _Seen(name, split, label, reason, None, "", (), f"{split}/{name}".encode(), None)
        if (longest := max(pixels.shape[:2])) > _TOO_NARROW * (shortest := min(pixels.shape[:2])):
            reason = f"{longest} pixels long and {shortest} wide, too narrow to be tested"
            return _Seen(name, split, label, reason, None, "", (), f"{split}/{name}".encode(), None)
        with Image.open(io.BytesIO(content)) as picture:
            kind, odd = f"{picture.format} {picture.mode}", tuple(_odd(picture, name))
        digest = hashlib.sha256(content).digest()
        return _Seen(name, split, label, None, complaint(content), kind, odd, digest, mark(pixels))

    with closing(in_order(look, range(len(photographs)), cores(), 4 * cores())) as seen:
        for count, one in enumerate(seen, 1):
            yield one
            if count % 10_000 == 0:
                log(f"{photographs.name}: {count} of {len(photographs)} pictures looked at")


def _odd(picture: Image.Image, name: str) -> Iterator[str]:
    """What is done to a picture before it is shown, and what is wrong with its name."""
    said = Image.registered_extensions().get(Path(name).suffix.lower())
    kind = "JPEG" if picture.format == "MPO" else picture.format  # cameras write several JPEGs into one
    if said not in (None, kind):
        yield f"{kind}, but called {Path(name).suffix}"
    if max(picture.size) > _NARROW * min(picture.size):
        yield f"{picture.width}x{picture.height} pixels, too long and narrow for tests at large scales"
    if picture.mode == "CMYK":
        yield "CMYK, becomes RGB"
    if picture.mode == "I" or any(";16" in str(tile) for tile in getattr(picture, "tile", ())):
        yield "16 bits, become 8"
    if picture.has_transparency_data:
        yield "transparent, laid over white"
    if (frames := getattr(picture, "n_frames", 1)) > 1 and picture.format != "MPO":
        yield f"{frames} frames, the first is taken"
    if picture.getexif().get(_ORIENTATION, 1) in range(2, 9):
        yield "turned, as its EXIF data ask for"
