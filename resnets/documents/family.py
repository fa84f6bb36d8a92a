"""The blocks of docs/family.md: of each paper the units, the networks beside what it prints, and how it trains them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from resnets.classification.papers import PAPERS, RESNET, Paper, paper_of
from resnets.documents.images import unit_image
from resnets.models import rows
from resnets.models.catalog import ModelSpec, list_models, model_spec
from resnets.paper.lines import Record, read_runs
from resnets.paper.markdown import conditions, listed, missing, signed, spread, table
from resnets.paper.published import PUBLISHED, Published, columns
from resnets.paper.units import panels
from resnets.report.unit_drawing import units_width


@dataclass(frozen=True)
class Section:
    """What the document shows of one paper."""

    source: str
    """How the catalogue names the paper."""
    figures: dict[str, str]
    """Its figures in `units.UNITS`, and what they show in words."""


SECTIONS = {
    "vgg": Section(rows.VERY_DEEP, {"vgg": "A stage of VGG-16: convolutions with ReLU, then max pooling"}),
    "highway": Section(rows.HIGHWAY, {"highway": "A plain layer, and a highway layer with its gate"}),
    "resnet": Section(rows.PAPER, {"resnet": "A plain unit, and residual ones: basic and bottleneck, options A and B"}),
    "identity": Section(
        rows.IDENTITY,
        {
            "identity-shortcuts": "The original unit, and five other shortcuts",
            "identity-orders": "Five orders of convolution, BN, ReLU and the addition",
            "identity-bottlenecks": "Full pre-activation in bottlenecks, without and with a projection",
        },
    ),
    "stochastic_depth": Section(rows.STOCHASTIC, {"stochastic-depth": "Units whose branches are scaled, at test"}),
    "rir": Section(rows.RIR, {"rir": "Units of RiR, and one with the shortcut in its initial weights"}),
    "wide": Section(rows.WIDE, {"wide": "Seven kinds of units, one of them with dropout, and the first of a group"}),
    "ror": Section(rows.ROR, {"ror": "A small RoR-3, with shortcuts on three levels"}),
    "resnext": Section(rows.NEXT, {"resnext": "Three forms of one unit: summed, concatenated, in groups"}),
}
"""In order of time."""
HEADS = {
    "network": "l",
    "layers": "r",
    "parameters": "r",
    "in the paper": "r",
    "multiply-adds": "r",
    "CIFAR-10": "r",
    "CIFAR-100": "r",
    "top-1": "r",
    "top-5": "r",
    "described in": "l",
    "note": "l",
}
"""The columns of a paper's table, and to which side they keep."""


def sourced(source: str) -> Iterator[tuple[ModelSpec, str]]:
    """The networks of a paper, and where in it they stand; with the first paper's go those that no paper has."""
    for spec in map(model_spec, list_models()):
        before, found, after = spec.source.partition(source)
        if found:
            yield spec, before.removesuffix(", after ") or after.removeprefix(", ")
        elif source == rows.PAPER and "arXiv" not in spec.source:
            yield spec, spec.source


def paper(name: str, results: Path) -> str:
    """A paper's figures, networks and recipes."""
    section = SECTIONS[name]
    pictures = [_picture(figure, words) for figure, words in section.figures.items()]
    networks = [spec for spec, _ in sourced(section.source)]
    return "\n\n".join([*pictures, _networks(section.source), *_recipes([spec.name for spec in networks])])


def _networks(source: str) -> str:
    """The table of a paper's networks, without the columns in which nothing would stand."""
    lines = []
    for spec, place in sourced(source):
        counts = {"layers": spec.layers, "parameters": spec.params, "multiply-adds": spec.multiply_adds}
        printed = columns(PUBLISHED.get(spec.name, Published()))
        line = {"network": f"`{spec.name}`", **{head: f"{count:,}" for head, count in counts.items()}, **printed}
        lines.append({**line, "described in": place})
    heads = [head for head in HEADS if any(line[head] for line in lines)]
    return table(heads, "".join(HEADS[head] for head in heads), [[line[head] for head in heads] for line in lines])


def _picture(figure: str, words: str) -> str:
    """As wide as its letters ask for: 96 pixels an inch."""
    width = round(96 * units_width(panels(figure)))
    return f'<img src="{unit_image(figure).removeprefix("docs/")}" width="{width}" alt="{words}">'


def _recipes(networks: list[str]) -> Iterator[str]:
    """Sentences on how the paper's nets for small images are trained, for each way that it has."""
    own: dict[int, list[str]] = {}
    for network in networks:
        if network.startswith("cifar_"):
            own.setdefault(PAPERS.index(paper_of(network)), []).append(network.removeprefix("cifar_"))
    for number, nets in own.items():
        yield _sentences(PAPERS[number], nets)


def _sentences(how: Paper, nets: list[str]) -> str:
    names = listed(f"`{data}-{nets[0]}`" for data in how.data)
    found = [f"Recipes: {names}{f', and so on: {len(nets)} nets' if len(nets) > 1 else ''}."]
    for suffix, (pattern, _) in how.variants.items():
        first = next(net for net in nets if re.fullmatch(pattern, f"cifar_{net}"))
        found.append(f"Also `{how.data[0]}-{first}-{suffix}`.")
    found.append(f"Its tables give {how.reports}." if how.reports != "not known here" else "")
    found.append(f"All runs depart from it in this: {how.always}." if how.always else "")
    return " ".join(filter(None, found))


# ---------------------------------------------------------------------------------------------------------------
# What was measured here

BASELINES = {
    r"cifar_resnet(\d+)_\w+": r"cifar_resnet\1",
    r"cifar_preact_resnet(\d+)": r"cifar_resnet\1",
    r"cifar_wrn_(\d+)_\d+": r"cifar_wrn_\1_1",
    r"cifar_ror3_(\d+)": r"cifar_resnet\1",
    r"cifar_preror3_(\d+)": r"cifar_preact_resnet\1",
    r"cifar_ror3_(wrn_\w+)": r"cifar_\1",
}
"""Whose change a network is: patterns of names, and the name of what was changed."""
FIRST = "resnets train cifar10-preact_resnet20 iterations=6400 milestones=3200,4800 --results results/cifar10.jsonl"


def runs(results: Path) -> str:
    """The runs of the family in `cifar10.jsonl`, each way beside the runs of what it changes: seed by seed."""
    lines = read_runs(results / "cifar10.jsonl")
    ours: dict[tuple[str, str, int], list[Record]] = {}
    for line in lines:
        if paper_of(line["model"]) is not RESNET or _changes(line):
            ours.setdefault((line["model"], _changes(line), line["iterations"]), []).append(line)
    if not ours:
        return missing(FIRST)
    body, shown = [], []
    for (model, changes, iterations), group in sorted(ours.items()):
        base = baseline(model) if not changes else model
        twins = {
            line["seed"]: line["test_error"]
            for line in lines
            if (line["model"], line["iterations"]) == (base, iterations) and _only_shorter(line)
        }
        found = {line["seed"]: line["test_error"] for line in sorted(group, key=lambda line: line["seed"])}
        both = [seed for seed in found if seed in twins]
        body.append(
            (
                f"`{model}`{f', {changes}' if changes else ''}",
                listed(dict.fromkeys(f"`{line['recipe']}`" for line in group)),
                f"{iterations:,}",
                listed(found),
                spread(list(found.values())),
                f"`{base}` {spread([twins[seed] for seed in both])}" if both else "",
                signed(found[seed] - twins[seed] for seed in both),
            )
        )
        shown += group
    head = ("network", "recipe", "iterations", "seeds", "test error, %", "what it changes", "difference of each seed")
    return f"{table(head, 'llrlrrl', body)}\n\n{conditions(shown)}"


def baseline(model: str) -> str | None:
    """The network of which `model` is a change, None where that is not one network."""
    found = (re.sub(pattern, name, model) for pattern, name in BASELINES.items() if re.fullmatch(pattern, model))
    return next((name for name in found if name != model), None)


def _changes(line: Record) -> str:
    """What was changed in the network by hand, as the line's departures say it."""
    prefix = "changes."
    phrases = (phrase.partition(" (paper:")[0] for phrase in line["departures"] if phrase.startswith(prefix))
    return "; ".join(phrase.removeprefix(prefix) for phrase in phrases)


def _only_shorter(line: Record) -> bool:
    """Whether a run is its paper's recipe but for its length and precision, on all training images."""
    fields = {phrase.partition(":")[0] for phrase in line["departures"]}
    return fields <= {"iterations", "milestones", "precision"} and not line["data"]["validation_images"]


FAMILY: dict[str, Callable[[Path], str]] = {
    **{f"family_{name}": partial(paper, name) for name in SECTIONS},
    "family_runs": runs,
}
"""Blocks by name."""
