"""What is wrong with a person's pictures, said before training takes its time."""

import math
from typing import Any

from resnets.data.check import check
from resnets.data.ranges import is_address
from resnets.files import counted

MOST = 20_000
"""Sets up to this size are decoded whole before training begins."""
FEW = 10
_SHOWN = 5


def early_word(path: str, count: int) -> list[str]:
    """What to know of the pictures at `path`, `count` of them for training, before that begins: a line each.

    ValueError, of one line, where there are none, or some cannot be read, which it names.
    """
    if is_address(path) or count > MOST:
        return [f"so many pictures are not all decoded beforehand; `resnets data check {path}` does that"]
    return words_of(path, check(path, log=lambda line: None))


def words_of(path: str, record: dict[str, Any]) -> list[str]:
    """The same of what `resnets.data.check.check` has found."""
    mend = f"`resnets data check {path} --quarantine` leaves them out"
    out = set(record.get("quarantined", ()))
    damaged = [f"{one['picture']} ({one['reason']})" for one in record["damaged"] if one["picture"] not in out]
    if damaged:
        raise ValueError(f"{path}: {counted(len(damaged), 'picture')} cannot be read: {_some(damaged)}; {mend}")
    words = _words_on_classes(record)
    for same, verbs, phrase, remedy in (
        ("bytes", ("is", "are"), "in the test too, so the test error will be too good", f"; {mend}"),
        ("look", ("looks", "look"), "like a test picture, so the test error may be too good", ""),
    ):
        found = [name for one in record.get("in_both", ()) if one["same"] == same for name in one["train"]]
        if found := [name for name in found if name not in out]:
            said = f"{counted(len(found), 'training picture')} {verbs[len(found) > 1]}"
            words.append(f"{said} {phrase}: {_some(found)}{remedy}")
    for same, what in (("bytes", "the same picture is"), ("look", "pictures that look alike are")):
        if groups := [one["pictures"] for one in record.get("two_classes", ()) if one["same"] == same]:
            words.append(f"{what} in two classes: {_some([' = '.join(names) for names in groups])}")
    return words


def _words_on_classes(record: dict[str, Any]) -> list[str]:
    classes = record.get("classes", {})
    words = []
    if few := {name: count["train"] for name, count in classes.items() if count["train"] < FEW}:
        named = _some([f"{name} ({count})" for name, count in few.items()])
        words.append(f"fewer than {FEW} training pictures: {named}; expect little of these classes")
    if untested := [name for name, count in classes.items() if not count["test"]]:
        words.append(f"no test picture: {_some(untested)}; the test error says nothing of these classes")
    tested = record.get("pictures", {}).get("test", 0)
    if 0 < tested < 400:
        points = 98 / math.sqrt(tested)  # half of a 95 % interval around 50 %
        words.append(f"{counted(tested, 'test picture')}: an error is known to about {points:.0f} points at most")
    return words


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
