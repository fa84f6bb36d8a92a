"""What the paper says of networks that can be counted from the networks themselves: Table 1."""

from collections.abc import Iterator
from pathlib import Path

from resnets.models.catalog import list_models, model_spec
from resnets.paper.architecture import EXACT, TWINS, different_stages
from resnets.paper.lines import Record
from resnets.paper.markdown import listed, table
from resnets.paper.printed import number
from resnets.paper.published import PUBLISHED
from resnets.paper.tabled import aligned
from resnets.paper.tables import DEPTHS, TABLES

NEAR = 0.1
"""Billions of multiply-adds that the paper's figure, of one decimal, may lie from the count."""
_NEAR = f"within {NEAR:g} e9"
_AS_PRINTED, _EXACT, _EQUAL = "as printed", "exact", "equal"


def counts() -> tuple[Record, str, list[str]]:
    """Table 1: layers, parameters and multiply-adds counted, beside what is printed; and what is not as it has to be.

    Parameters of this paper's other networks, too, and plain networks beside their residual twins.
    """
    rows = [_row(f"resnet{depth}", depth) for depth in DEPTHS]
    parameters = [_parameters(name, exact) for name, exact in EXACT.items()]
    twins = [_twins(plain, residual) for plain, residual in TWINS.items()]
    record = {"what": "table1", "rows": rows, "parameters": parameters, "twins": twins}
    parts = [f"{title}\n\n{aligned([head, *lines], sides)}" for title, head, sides, lines in _tables(record)]
    good = (_NEAR, _AS_PRINTED, _EXACT, _EQUAL)
    said = [
        (row["name"], row[key]) for row in (*rows, *parameters, *twins) for key in ("verdict", "blocks") if key in row
    ]
    return record, "\n\n".join(parts), [f"{name}: {verdict}" for name, verdict in said if verdict not in good]


def _row(name: str, depth: int) -> Record:
    spec, printed = model_spec(name), number(TABLES["table1"].column(str(depth))["multiply-adds"])
    assert printed is not None
    near = abs(spec.multiply_adds / 1e9 - printed) <= NEAR
    other = different_stages(name)
    return {
        "name": name,
        "layers": spec.layers,
        "params": spec.params,
        "multiply_adds": spec.multiply_adds,
        "paper": printed,
        "verdict": _NEAR if near else f"more than {NEAR:g} e9 from the paper",
        "blocks": f"not as printed: {listed(other)}" if other else _AS_PRINTED,
    }


def _parameters(name: str, exact: int) -> Record:
    """`printed`: rounded, as the paper has it; None where it prints none."""
    ours = model_spec(name).params
    printed = PUBLISHED[name].params if name in PUBLISHED else None
    verdict = _EXACT if ours == exact else f"{ours - exact:+,} parameters"
    return {"name": name, "params": ours, "exact": exact, "printed": printed, "verdict": verdict}


def _twins(plain: str, residual: str) -> Record:
    sizes = [model_spec(name).params for name in (plain, residual)]
    verdict = _EQUAL if sizes[0] == sizes[1] else f"{sizes[0] - sizes[1]:+,} parameters"
    return {"name": plain, "twin": residual, "params": sizes[0], "twin_params": sizes[1], "verdict": verdict}


def _tables(record: Record) -> Iterator[tuple[str, tuple[str, ...], str, list[tuple[str, ...]]]]:
    """Of each table what it is, its head, to which side its columns keep, and its rows."""
    head = ("network", "layers", "parameters", "multiply-adds", "paper", "verdict", "blocks")
    yield (
        "Table 1, counted from the networks; of these the paper prints blocks and multiply-adds",
        head,
        "lrrrrll",
        [
            (
                *(row["name"], str(row["layers"]), f"{row['params']:,}", f"{row['multiply_adds']:,}"),
                *(f"{row['paper']:g}e9", row["verdict"], row["blocks"]),
            )
            for row in record["rows"]
        ],
    )
    yield (
        "Parameters, beside what follows from the papers' layers by arithmetic: the paper prints none of its networks "
        "for ImageNet, and rounds those for CIFAR-10",
        ("network", "parameters", "by arithmetic", "in print", "verdict"),
        "lrrrl",
        [
            (row["name"], f"{row['params']:,}", f"{row['exact']:,}", row["printed"] or "", row["verdict"])
            for row in record["parameters"]
        ],
    )
    yield (
        "Plain networks beside their residual twins, whose shortcuts (option A) have no parameters",
        ("plain", "parameters", "residual", "parameters", "verdict"),
        "lrlrl",
        [
            (row["name"], f"{row['params']:,}", row["twin"], f"{row['twin_params']:,}", row["verdict"])
            for row in record["twins"]
        ],
    )


def counts_markdown(results: Path) -> str:
    """The same as documents have it."""
    record, _, _ = counts()
    return "\n\n".join(
        f"{title}:\n\n{table(head, sides, [_in_code(row) for row in rows])}"
        for title, head, sides, rows in _tables(record)
    )


def _in_code(row: tuple[str, ...]) -> list[str]:
    """Names of networks as code."""
    return [f"`{cell}`" if cell in list_models() else cell for cell in row]
