"""Numbers and settings as a page writes them; "–" for what is unknown."""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, TypeGuard

UNKNOWN = "–"
_SPACE = "\N{NO-BREAK SPACE}"


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number (a bool is none)."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def percent(value: float | None, digits: int = 2) -> str:
    """ "8.75 %" with a space that does not break."""
    return f"{value:.{digits}f}{_SPACE}%" if value is not None and is_number(value) else UNKNOWN


def count(value: float | None) -> str:
    """ "64,000"."""
    return f"{value:,.0f}" if value is not None and is_number(value) else UNKNOWN


def plural(number: int, word: str) -> str:
    """ "1 image", "10,000 images"."""
    return f"{number:,}{_SPACE}{word}{'' if number == 1 else 's'}"


def interval(low_high: Sequence[float] | None, digits: int = 2) -> str:
    """ "8.21 – 9.32 %", the two ends of an interval given in percent."""
    if low_high is None or not all(is_number(end) for end in low_high):
        return UNKNOWN
    low, high = low_high
    return f"{low:.{digits}f}{_SPACE}–{_SPACE}{high:.{digits}f}{_SPACE}%"


def duration(seconds: float | None) -> str:
    """ "42 s", "3 min 20 s", "1 h 05 min" or "2 d 3 h", whichever says enough."""
    if seconds is None or not is_number(seconds) or seconds < 0:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.{0 if seconds >= 10 else 1}f}{_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{_SPACE}min {rest:02d}{_SPACE}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}{_SPACE}h {minutes:02d}{_SPACE}min"
    return f"{hours // 24}{_SPACE}d {hours % 24}{_SPACE}h"


def flatten(fields: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as one flat table of texts: {"a": {"b": 1}} becomes {"a.b": "1"}."""
    flat: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = setting(value)
    return flat


def setting(value: Any) -> str:
    """One setting as text: yes, no, "–" for None, lists joined by commas, numbers as Python writes them."""
    if value is None or (isinstance(value, list | tuple | Mapping) and not value):
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(setting(item) for item in value)
    return str(value)
