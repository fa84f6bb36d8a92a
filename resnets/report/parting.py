"""Where two runs part: the first iteration at which their losses, or their journals, differ in any bit, and in what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from resnets.report import words
from resnets.report.summary import Losses, Row

IGNORED = ("step", "images_per_second", "seconds", "data_wait")
"""What two equal runs may differ in."""
NONE = np.empty(0, np.float32)
"""The losses of a run that has not recorded any."""


@dataclass(frozen=True)
class Parting:
    """Two runs that are equal up to a step and differ from then on.

    By their losses the step is the very next one. A row of a journal speaks of all iterations since the one before, so
    by journals alone the runs part somewhere between the two.
    """

    after: int
    """The last step at which all that both recorded is equal; 0 where there is none."""
    step: int
    """The first at which it is not."""
    fields: dict[str, tuple[Any, Any]]
    """What differs there, the values of either run."""
    journal: "Parting | None" = None
    """What the journals alone say, where the losses say it more exactly."""
    losses: "Parting | None" = None
    """What the losses say, where the journals part before them, as by a learning rate that works in the next."""


def common_steps(rows_a: Sequence[Row], rows_b: Sequence[Row]) -> list[int]:
    """The steps that both journals have a measurement of."""
    return sorted(_measured(rows_a).keys() & _measured(rows_b).keys())


def common_iterations(losses_a: Losses, losses_b: Losses) -> int:
    """The number of iterations whose loss both have recorded."""
    return min(len(losses_a), len(losses_b))


def where_they_part(
    rows_a: Sequence[Row], rows_b: Sequence[Row], losses_a: Losses = NONE, losses_b: Losses = NONE
) -> Parting | None:
    """Where the second run leaves the first; None where all that both recorded is equal.

    Journals and losses are looked at, and what parts first is returned. A value that only one of them recorded (a test
    error, where the other was not evaluated) is no difference, and neither are two losses that are not numbers. Speed
    is not looked at.
    """
    journal, losses = _journals_part(rows_a, rows_b), _losses_part(losses_a, losses_b)
    if journal is not None and (losses is None or journal.step < losses.step):
        return replace(journal, losses=losses)
    if losses is None:
        return None
    return replace(losses, journal=journal)


def _losses_part(losses_a: Losses, losses_b: Losses) -> Parting | None:
    common = common_iterations(losses_a, losses_b)
    one, other = losses_a[:common], losses_b[:common]
    differ = (one.view(np.uint32) != other.view(np.uint32)) & ~(np.isnan(one) & np.isnan(other))
    if not differ.any():
        return None
    before = int(differ.argmax())
    return Parting(before, before + 1, {"loss": (float(one[before]), float(other[before]))})


def _journals_part(rows_a: Sequence[Row], rows_b: Sequence[Row]) -> Parting | None:
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


def parting_text(parting: Parting | None, steps: int, iterations: int = 0) -> str:
    """In a sentence without its subject: "they part in iteration 37: loss 1.94 and 1.95".

    `steps` and `iterations`: how many rows and losses both have recorded. "in iterations 1 to 100", where the journals
    alone are known. After what parts first follows what else there is: of the losses what the journals say of that
    iteration and those after it, of the journals the iteration in which the losses part.
    """
    if parting is None:
        common = [f"at {words.plural(steps, 'step')}"] if steps else []
        common += [f"in the losses of {words.plural(iterations, 'iteration')}"] if iterations else []
        both = "the same in all that both recorded, " + " and ".join(common)
        return both if common else "the journals have no step in common"
    first, last = parting.after + 1, parting.step
    where = f"iteration {last:,}" if first == last else f"iterations {first:,} to {last:,}"
    text = f"they part in {where}: {_values(parting.fields)}"
    if parting.losses:
        return f"{text}; their losses in iteration {parting.losses.step:,}: {_values(parting.losses.fields)}"
    shown = parting.journal
    others = {name: values for name, values in shown.fields.items() if name not in parting.fields} if shown else {}
    return f"{text} (by iteration {shown.step:,} also {_values(others)})" if shown and others else text


def _values(fields: Mapping[str, tuple[Any, Any]]) -> str:
    return ", ".join(f"{name} {_pair(a, b)}" for name, (a, b) in fields.items())


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
