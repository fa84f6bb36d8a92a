"""Where two runs part: the first step at which their journals differ in any bit, and in what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resnets.report import words
from resnets.report.summary import Row

IGNORED = ("step", "images_per_second", "seconds", "data_wait")
"""What two equal runs may differ in."""


@dataclass(frozen=True)
class Parting:
    """Two runs that are equal up to a step and differ from then on.

    A row of a journal speaks of all iterations since the one before, so the runs part somewhere between the two.
    """

    after: int
    """The last step at which all that both recorded is equal; 0 where there is none."""
    step: int
    """The first at which it is not."""
    fields: dict[str, tuple[Any, Any]]
    """What differs there, the values of either run."""


def common_steps(rows_a: Sequence[Row], rows_b: Sequence[Row]) -> list[int]:
    """The steps that both journals have a measurement of."""
    return sorted(_measured(rows_a).keys() & _measured(rows_b).keys())


def where_they_part(rows_a: Sequence[Row], rows_b: Sequence[Row]) -> Parting | None:
    """Where the second run leaves the first; None where all that both recorded is equal.

    A value that only one of them recorded (a test error, where the other was not evaluated) is no difference, and
    neither are two losses that are not numbers. Speed is not looked at.
    """
    measured_a, measured_b = _measured(rows_a), _measured(rows_b)
    events_a, events_b = _events(rows_a), _events(rows_b)
    common = common_steps(rows_a, rows_b)
    shared = {step for step in events_a.keys() | events_b.keys() if common and step <= common[-1]}
    after = 0
    for step in sorted({*common, *shared}):
        fields = _differences(measured_a.get(step, {}), measured_b.get(step, {}))
        happened = events_a.get(step, ""), events_b.get(step, "")
        if happened[0] != happened[1]:
            fields["event"] = happened
        if fields:
            return Parting(after, step, fields)
        after = step if step in common else after
    return None


def parting_text(parting: Parting | None, common: int) -> str:
    """In a sentence without its subject: "they part in iterations 1 to 100: loss 1.94 and 1.95"."""
    if not common:
        return "the journals have no step in common"
    if parting is None:
        return f"the same in all that both recorded, at {words.plural(common, 'step')}"
    values = (f"{name} {_pair(a, b)}" for name, (a, b) in parting.fields.items())
    return f"they part in iterations {parting.after + 1:,} to {parting.step:,}: {', '.join(values)}"


def _pair(one: Any, other: Any) -> str:
    """Both values, numbers with six figures, or with all where these do not tell them apart."""
    if words.is_number(one) and words.is_number(other):
        short = f"{one:.6g}", f"{other:.6g}"
        one, other = short if short[0] != short[1] else (one, other)
    return " and ".join("nothing" if value == "" else str(value) for value in (one, other))


def _measured(rows: Sequence[Row]) -> dict[int, Mapping[str, Any]]:
    return {int(row["step"]): row for row in rows if "event" not in row}


def _events(rows: Sequence[Row]) -> dict[int, str]:
    """What happened at each step, in one text."""
    found: dict[int, str] = {}
    for row in rows:
        if "event" in row:
            step = int(row["step"])
            found[step] = "; ".join(filter(None, (found.get(step), str(row["event"]))))
    return found


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = [name for name in one if name in other and name not in IGNORED]
    return {name: (one[name], other[name]) for name in names if not _same(one[name], other[name])}


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None or one == other:
        return True
    return not (words.is_number(one) or words.is_number(other))
