"""This paper's Figures 2 and 5: a residual block, and the two kinds that its networks are made of, drawn, counted."""

from pathlib import Path

from torch import nn

from resnets.paper.lines import Record
from resnets.paper.markdown import table
from resnets.paper.tabled import aligned
from resnets.paper.units import BUILDING_BLOCKS, draw_units, unit_records
from resnets.report.style import save_png

SIDE = 56
"""Pixels of the maps that both blocks of Figure 5 are for."""
_HEAD = ("block", "maps between blocks", "weights", "multiply-adds", "beside the basic one", "with a projection")


def building_blocks(figure: str, out: Path) -> tuple[Record, str]:
    """Draws Figure 2 or 5 from the networks themselves into `out`; of the two blocks of Figure 5 the costs, too."""
    out.mkdir(parents=True, exist_ok=True)
    path = save_png(draw_units(unit_records(figure)), out / f"{figure}.png")
    record: Record = {"what": figure, "figure": str(path)}
    if figure == "figure2":
        return record, str(path)
    rows = block_counts()
    lines = [_HEAD, *map(_cells, rows)]
    return {**record, "rows": rows}, f"{aligned(lines, 'lrrrrr')}\n\n{path}"


def block_counts() -> list[Record]:
    """What each block of Figure 5 costs on maps of 56x56, and what a projection for its shortcut would add to that."""
    blocks = [(shown.title, shown.make()) for shown in BUILDING_BLOCKS["figure5"]]
    rows = [_counted(title, block) for title, block in blocks]
    return [{**row, "to_basic": row["weights"] / rows[0]["weights"]} for row in rows]


def _counted(title: str, block: nn.Module) -> Record:
    convolutions = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    weights = sum(conv.weight.numel() for conv in convolutions)
    channels = convolutions[0].in_channels
    return {
        "block": title,
        "channels": channels,
        "weights": weights,
        "multiply_adds": weights * SIDE**2,
        "with_projection": (weights + channels**2) / weights,
    }


def _cells(row: Record) -> tuple[str, ...]:
    times = (f"{row[name]:.2f} times" for name in ("to_basic", "with_projection"))
    return row["block"], f"{row['channels']}", f"{row['weights']:,}", f"{row['multiply_adds']:,}", *times


def building_blocks_markdown(results: Path) -> str:
    """The counts as documents have them."""
    return table(_HEAD, "lrrrrr", map(_cells, block_counts()))
