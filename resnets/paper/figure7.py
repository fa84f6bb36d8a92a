"""Figure 7 held against measured responses, those of a target's runs or those that `resnets study responses` has left.

Two claims of the paper are looked at: residual networks respond less than plain ones, and deeper ones less than others.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

from resnets.classification.recipes import recipe
from resnets.paper.entries import SURROGATES, Target
from resnets.paper.lines import Record
from resnets.paper.markdown import listed, spread, surrogate_head, table
from resnets.paper.read_off import MEDIANS
from resnets.paper.tabled import aligned
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import FAILS, HOLDS, INSIDE, MISSING, OPEN, OUTSIDE, SURROGATE
from resnets.report.studies import responses
from resnets.report.style import save_png, say_surrogate

NEAR = 0.25
"""By what share of the paper's a median measured here may differ."""
DEEPER = ("cifar_resnet20", "cifar_resnet56", "cifar_resnet110")
SMALLER = (("cifar_resnet20", "cifar_plain20"), ("cifar_resnet56", "cifar_plain56"))
TARGET = Target(
    title="standard deviations of layer responses on CIFAR-10",
    source="arXiv:1512.03385, Figure 7",
    entries=tuple(entry for entry in TARGETS["figure6"].entries if recipe(entry.recipe).model in MEDIANS),
    remark="The paper shows one network of each kind. Its medians are read off the figure, to 0.1.",
)
"""The very runs of Figure 6. It stands apart from `TARGETS`, whose tables are of errors."""


def _band(name: str) -> tuple[float, float]:
    return MEDIANS[name] * (1 - NEAR), MEDIANS[name] * (1 + NEAR)


def _verdict(name: str, found: Record | None) -> str:
    low, high = _band(name)
    return MISSING if found is None else INSIDE if low <= found["median"] <= high else OUTSIDE


def _judged(measured: Mapping[str, Record], names: Collection[str]) -> list[Record]:
    """The paper's claims about pairs of `names`. All ask for a sign only, so that surrogates may be asked too."""
    pairs = [("residual responses are smaller than plain ones", *pair) for pair in SMALLER]
    pairs += [("deeper residual nets respond less", deep, shallow) for shallow, deep in pairwise(DEEPER)]
    said = []
    for claim, less, more in pairs:
        if less not in names or more not in names:
            continue
        both = less in measured and more in measured
        points = [measured[more]["median"] - measured[less]["median"]] if both else []
        verdict = (HOLDS if points[0] > 0 else FAILS) if points else OPEN
        said.append({"claim": f"{claim} ({less}, {more})", "asked": 0.0, "points": points, "verdict": verdict})
    return said


# ---------------------------------------------------------------------------------------------------------------
# As a target

Found = Mapping[str, Sequence[Record]]
"""By name of an entry the networks that were measured, one a seed."""


def figure7(
    target: Target, scale: str, found: Found, remarks: Sequence[str], out: Path | None
) -> tuple[Record, str, list[str]]:
    """The record, a text of it, and what is not as the paper has it or was not measured. Draws it into `out`."""
    models = {entry.name: recipe(entry.recipe).model for entry in target.entries}
    rows = [_row(name, model, scale, found[name]) for name, model in models.items()]
    measured = {row["network"]: {"median": row["measured"]} for row in rows if row["medians"]}
    claims = [] if scale == "smoke" else _judged(measured, models.values())
    claims = [{**one, "surrogate": scale in SURROGATES} for one in claims]
    figure = _drawn(scale, found, out)
    said = [_heading(target, scale), _text(rows, scale), "\n".join(f"{c['claim']}: {c['verdict']}" for c in claims)]
    said += ["\n".join(remarks), target.remark if scale == "paper" else "", str(figure or "")]
    failures = [f"{row['name']}: {row['verdict']}" for row in rows if row["verdict"] in (OUTSIDE, MISSING)]
    failures += [f"{one['claim']}: {one['verdict']}" for one in claims if one["verdict"] in (FAILS, OPEN)]
    record = {
        "what": "figure7",
        "title": target.title,
        "source": target.source,
        "scale": scale,
        "surrogate": SURROGATES.get(scale),
        "rows": rows,
        "claims": claims,
        "remarks": list(remarks),
        "figure": figure and str(figure),
    }
    return record, "\n\n".join(filter(None, said)), failures


def _row(name: str, model: str, scale: str, networks: Sequence[Record]) -> dict[str, Any]:
    """As plain values; `paper` and `band` are None for surrogates, a seed where it was not recorded."""
    medians = [net["median"] for net in networks]
    middle, surrogate = mean(medians) if medians else None, scale in SURROGATES
    verdict = _verdict(model, {"median": middle} if medians else None)
    return {
        "name": name,
        "network": model,
        "paper": None if surrogate else MEDIANS[model],
        "measured": middle,
        "medians": medians,
        "seeds": [_seed(net) for net in networks],
        "images": [net["images"] for net in networks],
        "band": None if surrogate else _band(model),
        "verdict": SURROGATE if surrogate and medians else verdict,
        "surrogate": SURROGATES.get(scale),
    }


def _seed(network: Record) -> int | None:
    return network["run"]["seed"] if "run" in network else None


def _heading(target: Target, scale: str) -> str:
    surrogate = f"\nSURROGATE: {SURROGATES[scale]}" if scale in SURROGATES else ""
    return f"{target.title}; {target.source}; the median over the layers{surrogate}"


def _text(rows: Sequence[Record], scale: str) -> str:
    """In columns; a surrogate has nothing beside it."""
    names = ["name", "measured", "seeds", *(["paper", "band", "verdict"] if scale == "paper" else [])]
    heads = ["network" if name == "name" else name for name in names]
    return aligned([heads, *([_cells(row)[name] for name in names] for row in rows)], "lrlrll"[: len(names)])


def _cells(row: Record) -> dict[str, str]:
    """A row in words."""
    return {
        "name": row["name"],
        "network": row["network"],
        "measured": spread(row["medians"]) if row["medians"] else "",
        "seeds": listed("not recorded" if seed is None else seed for seed in row["seeds"]),
        "paper": f"{row['paper']:g}" if row["paper"] else "",
        "band": "{:.2f} to {:.2f}".format(*row["band"]) if row["band"] else "",
        "verdict": row["verdict"],
    }


def figure7_markdown(record: Record) -> str:
    """The record as documents have it: the rows that were measured, the claims about them, how many rows were not."""
    names = ["network", "measured"] if record["surrogate"] else ["network", "paper", "measured", "band", "verdict"]
    rows = [row for row in record["rows"] if row["medians"]]
    cells = [[_cells(row)[name] for name in names] for row in rows]
    claims = [f"- {one['claim']}: {one['verdict']}." for one in record["claims"] if one["verdict"] != OPEN]
    left = len(record["rows"]) - len(rows)
    without = f"Not measured: {left} of {len(record['rows'])} rows." if left else ""
    sides = "".join("r" if name in ("paper", "measured") else "l" for name in names)
    remark = "" if record["surrogate"] else TARGET.remark
    parts = [surrogate_head(record["surrogate"]), table(names, sides, cells), "\n".join(claims), without, remark]
    return "\n\n".join(filter(None, parts))


def _drawn(scale: str, found: Found, out: Path | None) -> Path | None:
    """The figure, of each network the first seed; None where there is nothing to draw, or nowhere to draw it to."""
    first = {name: networks[0] for name, networks in found.items() if networks}
    if out is None or not first:
        return None
    seeds = {name: _seed(net) for name, net in first.items()}
    figure = responses({
        name if seeds[name] is None else f"{name}, seed {seeds[name]}": net["std"] for name, net in first.items()
    })  # fmt: skip
    if scale in SURROGATES:
        say_surrogate(figure, SURROGATES[scale])
    path = out / ("figure7.png" if scale == "paper" else f"figure7-{scale}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_png(figure, path)
