"""What the papers print under each name of `resnets reproduce`: shown alone, or after what was measured."""

from dataclasses import asdict
from pathlib import Path

from resnets.paper.lines import Record
from resnets.paper.read_off import READ_OFF
from resnets.paper.related_tables import RELATED
from resnets.paper.tabled import printed_markdown, printed_text
from resnets.paper.tables import TABLES

TABLED = {**TABLES, **RELATED}
"""Tables, by name. Those that are brought back have a target, or are computed; the others are printed only."""
_PRINTED = {**TABLED, **READ_OFF}


def alone(what: str) -> tuple[Record, str, list[str]]:
    """A table that nothing here measures yet: a record, a text, and that it was not measured."""
    printed = TABLED[what]
    text = f"{what}, only what is printed; nothing here measures it yet: {printed_text(printed)}"
    return {"what": what, **asdict(printed), "measured": False}, text, [f"{what}: not measured"]


def beside(what: str, record: Record, text: str) -> tuple[Record, str]:
    """What was measured of a table or figure, and after it all that is printed of it.

    A surrogate's record says that it is one: after that nothing comes.
    """
    printed = _PRINTED.get(what)
    if printed is None or record.get("surrogate"):
        return record, text
    return {**record, "printed": asdict(printed)}, f"{text}\n\nIn print: {printed_text(printed)}"


def read_off_markdown(results: Path) -> str:
    """What was read off the figures that are curves or panels, as documents have it."""
    return "\n\n".join(printed_markdown(printed) for name, printed in READ_OFF.items() if name != "figure1")
