"""An ImageNet table as a terminal and as documents show it: top-5 errors beside top-1, and networks together."""

from collections.abc import Sequence

from resnets.paper.lines import Record
from resnets.paper.markdown import spread, table
from resnets.paper.photograph_claims import top5_row
from resnets.paper.tabled import aligned, cells
from resnets.paper.verdicts import Row

_NUMBERS = ("paper", "measured", "paper, top-5", "top-5", "time")
"""The columns that stand at the right."""
_HEADS = {"measured": "top-1", "paper": "paper, top-1"}


def photographs_text(rows: Sequence[Row], surrogate: str | None) -> str:
    """In columns of letters of one width; of a surrogate nothing of the paper's."""
    names = _columns(rows, surrogate)
    return aligned([_heads(names), *_lines(rows, names)], _sides(names))


def photographs_markdown(rows: Sequence[Row], surrogate: str | None) -> str:
    """The same as documents have it; networks that were not tested are left out."""
    names = _columns(rows, surrogate)
    return table(_heads(names), _sides(names), _lines([row for row in rows if row.runs], names))


def _columns(rows: Sequence[Row], surrogate: str | None) -> list[str]:
    printed = any(row.entry.paper_top5 is not None for row in rows)
    of_top5 = ("paper, top-5", "top-5", "band, top-5", "verdict, top-5") if printed else ("top-5",)
    papers = ("paper", "measured", "band", "verdict", *of_top5)
    return ["network", *(papers if surrogate is None else ("measured", "top-5")), "hardware", "time"]


def _heads(names: Sequence[str]) -> list[str]:
    return [_HEADS.get(name, name) for name in names]


def _sides(names: Sequence[str]) -> str:
    return "".join("r" if name in _NUMBERS else "l" for name in names)


def _lines(rows: Sequence[Row], names: Sequence[str]) -> list[list[str]]:
    """Top-1 as `tabled` has it, and top-5 beside it."""
    said = ({**cells(row), **_top5_cells(row)} for row in rows)
    return [[found[name] for name in names] for found in said]


def _top5_cells(row: Row) -> dict[str, str]:
    found = top5_row(row)
    papers = cells(found) if found else {}
    return {
        "top-5": spread(_top5(row)) if row.runs else "",
        **{f"{name}, top-5": papers.get(name, "") for name in ("paper", "band", "verdict")},
    }


def top5_record(row: Row) -> Record:
    """What a record says of a row's top-5 errors."""
    found = top5_row(row)
    band, verdict = (found.band, found.verdict) if found else (None, "")
    paper = found.paper if found else None
    return {"top5_error": _top5(row), "paper_top5": paper, "top5_band": band, "top5_verdict": verdict}


def _top5(row: Row) -> list[float]:
    return [run["top5_error"] for run in row.runs]


def together_text(found: Record | None) -> str:
    """Networks tested as one, "" where none were."""
    if found is None:
        return ""
    text = f"the {len(found['networks'])} together: top-1 error {found['top1_error']:.2f} %, "
    text += f"top-5 error {found['top5_error']:.2f} %"
    return f"{text}; {found['submission']}" if found.get("submission") else text
