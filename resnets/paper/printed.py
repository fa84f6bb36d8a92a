"""What a printed table is, as data: plain values, joined by name with the catalogue where it has a network's name."""

from dataclasses import dataclass

Cell = str | float | tuple[float, float] | None
"""A word, a number, two numbers between which it lies (of what was read off a curve), or nothing: a dash in print."""


@dataclass(frozen=True)
class PaperTable:
    """One printed table, or what was read off a printed figure."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    source: str = "arXiv:1512.03385"
    note: str = ""
    """What is to be known of its figures."""
    decimals: int = 0
    """Of every fraction, where all are printed with so many; otherwise zeros at the end of one are not kept."""

    def column(self, head: str) -> dict[str, Cell]:
        """The cells under `head` by the first of their rows."""
        place = self.head.index(head)
        return {str(row[0]): row[place] for row in self.rows}


def said(cell: Cell, decimals: int = 0) -> str:
    """ "8.75", "14–15", "–"; with `decimals` 2 "8.80"."""
    if cell is None:
        return "–"
    if isinstance(cell, float) and decimals:
        return f"{cell:.{decimals}f}"
    return "–".join(f"{end:g}" for end in cell) if isinstance(cell, tuple) else str(cell)


def number(cell: Cell) -> float | None:
    """The one number of a cell, None of a dash; ValueError for words and for two numbers."""
    if isinstance(cell, str | tuple):
        raise ValueError(f"{cell!r} is no number")
    return cell
