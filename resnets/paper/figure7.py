"""Figure 7 held against measured responses: the lines that `resnets study responses` has left."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from resnets.paper.lines import Record, read_lines
from resnets.paper.markdown import table
from resnets.paper.tabled import aligned
from resnets.paper.verdicts import FAILS, HOLDS, INSIDE, MISSING, OPEN, OUTSIDE

MEDIANS = {
    "cifar_plain20": 1.85,
    "cifar_plain56": 1.6,
    "cifar_resnet20": 1.55,
    "cifar_resnet56": 1.1,
    "cifar_resnet110": 0.92,
}
"""The response in the middle of the paper's sorted panel, read off: +-0.1."""
NEAR = 0.25
"""By what share of the paper's a median measured here may differ."""
DEEPER = ("cifar_resnet20", "cifar_resnet56", "cifar_resnet110")
SMALLER = (("cifar_resnet20", "cifar_plain20"), ("cifar_resnet56", "cifar_plain56"))


def newest_responses(results: Path) -> dict[str, Record]:
    """By name the newest networks in `results` whose responses were measured on CIFAR-10, all test images."""
    lines = [line for line in read_lines(results / "studies.jsonl") if line["study"] == "responses"]
    whole = [line for line in lines if line["data"] == "cifar10"]
    return {net["name"]: net for line in whole for net in line["networks"] if net["images"] == 10_000}


def rows_of(measured: dict[str, Record]) -> list[list[str]]:
    """Name, the paper's median, that measured here, band, verdict."""
    rows = []
    for name, paper in MEDIANS.items():
        low, high = paper * (1 - NEAR), paper * (1 + NEAR)
        found = measured.get(name)
        verdict = MISSING
        if found:
            verdict = INSIDE if low <= found["median"] <= high else OUTSIDE
        rows.append(
            [name, f"{paper:g}", f"{found['median']:.2f}" if found else "", f"{low:.2f} to {high:.2f}", verdict]
        )
    return rows


def claims_of(measured: dict[str, Record]) -> list[str]:
    """The paper's two claims, pair by pair."""
    pairs = [("residual responses are smaller than plain ones", *pair) for pair in SMALLER]
    pairs += [("deeper residual nets respond less", deep, shallow) for shallow, deep in pairwise(DEEPER)]
    said = []
    for claim, less, more in pairs:
        if less in measured and more in measured:
            holds = measured[less]["median"] < measured[more]["median"]
            verdict = HOLDS if holds else FAILS
        else:
            verdict = OPEN
        said.append(f"{claim} ({less}, {more}): {verdict}")
    return said


def figure7(results: Path) -> tuple[Record, str, list[str]]:
    """The record, a text of it, and what is not as the paper has it or was not measured."""
    measured = newest_responses(results)
    rows, claims = rows_of(measured), claims_of(measured)
    head = ["network", "paper", "measured", "band", "verdict"]
    missing = [name for name in MEDIANS if name not in measured]
    title = "Figure 7, standard deviations of layer responses: the median over the layers"
    parts = [title, aligned([head, *rows], "lrrll"), "\n".join(claims)]
    if missing:
        parts.append(
            f"measured by `resnets study responses RUN --results {results / 'studies.jsonl'}`, once runs are there"
        )
    bad = (OUTSIDE, MISSING, FAILS)
    failures = [f"{row[0]}: {row[-1]}" for row in rows if row[-1] in bad]
    failures += [claim for claim in claims if claim.endswith(bad)]
    record = {"what": "figure7", "rows": [dict(zip(head, row, strict=True)) for row in rows], "claims": claims}
    return record, "\n\n".join(parts), failures


def figure7_markdown(rows: Sequence[Sequence[str]]) -> str:
    """The rows that were measured, as documents have them."""
    head = ("network", "paper", "measured", "band", "verdict")
    return table(head, "lrrll", [row for row in rows if row[2]])
