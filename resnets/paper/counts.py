"""What the paper says of networks that can be counted from the networks themselves: Table 1."""

from pathlib import Path

from resnets.models.catalog import model_spec
from resnets.paper.lines import Record
from resnets.paper.markdown import table
from resnets.paper.tables import TABLES

NEAR = 0.1
"""Billions of multiply-adds that the paper's figure, of one decimal, may lie from the count."""
_NEAR = f"within {NEAR:g} e9"


def counts() -> tuple[Record, str, list[str]]:
    """Table 1: layers, parameters and multiply-adds counted, beside what is printed; and which are not near it."""
    rows = [_row(str(name), float(str(printed))) for name, printed in TABLES["table1"].rows]
    head = f"{'network':<10}  {'layers':>6}  {'parameters':>10}  {'multiply-adds':>14}  {'paper':>9}  verdict"
    lines = [
        f"{row['name']:<10}  {row['layers']:>6}  {row['params']:>10,}  {row['multiply_adds']:>14,}"
        f"  {row['paper']:>5} e9  {row['verdict']}"
        for row in rows
    ]
    title = "Table 1, counted from the networks; the paper prints the multiply-adds only"
    failures = [f"{row['name']}: {row['verdict']}" for row in rows if row["verdict"] != _NEAR]
    return {"what": "table1", "rows": rows}, "\n".join([title, "", head, *lines]), failures


def _row(name: str, printed: float) -> Record:
    spec = model_spec(name)
    near = abs(spec.multiply_adds / 1e9 - printed) <= NEAR
    return {
        "name": name,
        "layers": spec.layers,
        "params": spec.params,
        "multiply_adds": spec.multiply_adds,
        "paper": printed,
        "verdict": _NEAR if near else f"more than {NEAR:g} e9 from the paper",
    }


def counts_markdown(results: Path) -> str:
    """The same as documents have it."""
    record, _, _ = counts()
    rows = [
        (
            f"`{r['name']}`",
            r["layers"],
            f"{r['params']:,}",
            f"{r['multiply_adds']:,}",
            f"{r['paper']:g}e9",
            r["verdict"],
        )
        for r in record["rows"]
    ]
    return table(("network", "layers", "parameters", "multiply-adds", "paper", "verdict"), "lrrrrl", rows)
