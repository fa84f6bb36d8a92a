"""The blocks of docs/reproduction.md: each target as far as it was measured, from the lines of results."""

from collections.abc import Callable, Sequence
from pathlib import Path

from resnets.documents.conclusions import conclusion
from resnets.documents.images import SHORT, short_runs
from resnets.documents.in_short import in_short
from resnets.documents.measured import Measured, on_cifar, on_photographs
from resnets.documents.studied import studied
from resnets.paper.building_blocks import building_blocks_markdown
from resnets.paper.counts import counts_markdown
from resnets.paper.entries import SURROGATES
from resnets.paper.markdown import conditions, in_docs, listed, missing, surrogate_head, table
from resnets.paper.photograph_tabled import photographs_markdown, together_text
from resnets.paper.photographs import ENSEMBLE, PHOTOGRAPHS
from resnets.paper.reproduce import listing
from resnets.paper.tabled import claims_lines, compared, notes, table_markdown
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import differences

# ---------------------------------------------------------------------------------------------------------------
# Target by target


def reproduced(results: Path) -> str:
    """All targets of which something was measured, at the paper's scale and at shorter ones."""
    there = [*on_cifar(results), *on_photographs(results)]
    parts = {name: _section(name, there) for name in (*TARGETS, *PHOTOGRAPHS) if name != "choices"}
    for name, image in SHORT.items():
        if short_runs(name, results):
            parts[name] += f"\n\n![The curves of `{name}`, {SURROGATES['short']}]({in_docs(image)})"
    return "\n\n".join(filter(None, parts.values())) or missing(_COMMAND)


_COMMAND = "resnets reproduce table6 --results results/cifar10.jsonl"


def choices(results: Path) -> str:
    """What it changes to read the paper otherwise where it is silent."""
    found = _section("choices", on_cifar(results, ["choices"]))
    return found or missing("resnets reproduce choices --scale short --results results/cifar10.jsonl")


def _section(name: str, there: Sequence[Measured]) -> str:
    """All of a target, empty where nothing was measured."""
    scales = [_scale(one) for one in there if one.name == name]
    target = TARGETS[name] if name in TARGETS else PHOTOGRAPHS[name]
    title = [f"### `{name}`: {target.title}", f"{target.source}. {target.remark}".strip()]
    return "\n\n".join([*title, *scales]) if scales else ""


def _scale(one: Measured) -> str:
    shown = [claim for claim in one.claims if claim.points]
    column = compared(one.target) if differences(one.done) else ""
    sentences = (column, together_text(one.together), *claims_lines(shown), *notes(one.done))
    said = "\n".join(f"- {text}." for text in sentences if text)
    where = conditions(run for row in one.done for run in row.runs)
    parts = [surrogate_head(one.surrogate), _table(one), said, conclusion(one.name, one.rows), _left_out(one), where]
    return "\n\n".join(filter(None, parts))


def _table(one: Measured) -> str:
    if one.name in PHOTOGRAPHS:
        return photographs_markdown(one.rows, one.surrogate)
    return table_markdown(one.rows, one.scale, differences(one.done))


def _left_out(one: Measured) -> str:
    """What is still to be measured."""
    left = [row.entry.name for row in one.rows if not row.runs]
    parts = [f"{len(left)} of {len(one.rows)} rows ({listed(left)})"] if left else []
    if one.name == ENSEMBLE and one.together is None:
        parts.append("the networks together")
    return f"Not measured: {', '.join(parts)}." if parts else ""


# ---------------------------------------------------------------------------------------------------------------
# What there is


def listed_targets(results: Path) -> str:
    """What there is to reproduce."""
    rows = [(f"`{row['name']}`", row["title"], row["how"]) for row in listing()]
    return table(("name", "what", "how"), "lll", rows)


REPRODUCTION: dict[str, Callable[[Path], str]] = {
    "in-short": in_short,
    "targets": listed_targets,
    "counts": counts_markdown,
    "building-blocks": building_blocks_markdown,
    "reproduced": reproduced,
    "choices": choices,
    "studied": studied,
}
"""By the name of the block."""
