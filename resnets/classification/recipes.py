"""Recipes for classification by name, and what a run departs from its network's paper in.

    resnets train cifar10-resnet20            the paper's, on all 50,000 training images
    resnets train cifar10-resnet20-45k        5,000 of them held out as a validation set
    resnets train cifar10-wrn_28_10           those of other papers: `papers.py`
    resnets train cifar10-resnet20-fast       one cycle, about ten minutes on two cores
    resnets train digits-resnet20             the handwritten digits, nothing to download
    resnets train imagenet-resnet50           photographs: `photograph_papers.py`

A recipe is made when it is asked for, not before.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any

from resnets.classification import photograph_papers
from resnets.classification.papers import RESNET, MakeRecipe, Paper, paper_of, paper_recipe
from resnets.classification.photograph_recipe import PhotographRecipe
from resnets.classification.recipe import ClassificationRecipe, ClassifierRecipe
from resnets.models.catalog import ROWS, arguments, row

# ---------------------------------------------------------------------------------------------------------------
# Recipes of no paper


def cifar10_resnet20_fast() -> ClassificationRecipe:
    """ResNet-20 on CIFAR-10 in about ten minutes on two cores with bf16. Expected: `EXPECTED_TEST_ERROR`."""
    return replace(
        paper_recipe("cifar_resnet20"),
        name="cifar10-resnet20-fast",
        iterations=4_400,
        schedule="one-cycle",
        milestones=(),
        lr=0.2,
        nesterov=True,
        weight_decay=5e-4,
        normalisation="channel_mean_std",
        evaluate_every=1_100,
    )


def digits(model: str) -> ClassificationRecipe:
    """The handwritten digits: ten epochs of 1,297 images, a minute or less on two cores."""
    return ClassificationRecipe(
        name=f"digits-{model.removeprefix('cifar_')}",
        model=model,
        data="digits",
        iterations=200,
        batch_size=64,
        lr=0.1,
        schedule="one-cycle",
        weight_decay=1e-4,
        flip=False,  # a mirrored digit is another sign
        padding=2,
        log_every=20,
        evaluate_every=100,
        checkpoint_every=100,
    )


EXPECTED_TEST_ERROR = {"cifar10-resnet20-fast": (11.4, 12.6)}
"""Percent, lowest and highest: what the runs in `results/` showed over seeds, widened by what seeds differ."""


def expected_test_error(given: ClassifierRecipe) -> tuple[float, float] | None:
    """What a recipe is expected to reach; None where nobody has said, or where more than its seed is changed."""
    if given.name not in EXPECTED_TEST_ERROR or replace(given, seed=0) != recipe(given.name):
        return None
    return EXPECTED_TEST_ERROR[given.name]


# ---------------------------------------------------------------------------------------------------------------
# Names

Make = Callable[[], ClassifierRecipe]
CIFAR_NETS = [name for name in ROWS if name.startswith("cifar_")]
IMAGENET, IMAGENET_NETS = "imagenet", [name for name in ROWS if name not in CIFAR_NETS]
NETS = {"cifar10": CIFAR_NETS, "cifar100": CIFAR_NETS, IMAGENET: IMAGENET_NETS}
"""By the data of a recipe, the networks of the catalogue that have one."""


def _paper_on(net: str, data: str) -> Paper:
    return photograph_papers.paper_of(net) if data == IMAGENET else paper_of(net)


def _of(net: str, data: str) -> Iterator[tuple[str, Make]]:
    """The recipes of a network that are its paper's, by name: its own, then the variants."""
    name, paper = f"{data}-{net.removeprefix('cifar_')}", _paper_on(net, data)
    yield name, partial(paper.recipe, net, data)
    for suffix, (nets, make) in paper.variants.items():
        if re.fullmatch(nets, net):
            yield f"{name}-{suffix}", partial(_variant, suffix, make, net, data)


def _variant(suffix: str, make: MakeRecipe, net: str, data: str) -> ClassifierRecipe:
    made = make(net, data)
    return replace(made, name=f"{made.name}-{suffix}")


PAPER_OF = {name: _paper_on(net, data) for data, nets in NETS.items() for net in nets for name, _ in _of(net, data)}
"""The paper behind each recipe that is a paper's."""

PROTOCOL = {name: paper.reports for name, paper in PAPER_OF.items()}
"""Which error that paper gives in its tables; ours are those of the last iteration of every run."""

RECIPES: dict[str, Make] = {
    **{name: make for data, nets in NETS.items() for net in nets for name, make in _of(net, data)},
    "cifar10-resnet20-fast": cifar10_resnet20_fast,
    **{f"digits-{net.removeprefix('cifar_')}": partial(digits, net) for net in CIFAR_NETS if paper_of(net) is RESNET},
}


def recipe(name: str) -> ClassifierRecipe:
    """The recipe called `name`, of a network listed or not; ValueError, with names near it, where there is none."""
    make = RECIPES.get(name) or _unlisted(name)
    if make is None:
        near = get_close_matches(name, RECIPES, n=4, cutoff=0.4) or list(RECIPES)[:4]
        raise ValueError(f"no recipe is called {name!r}; near it are {', '.join(near)} (`resnets train --list`)")
    return make()


def _unlisted(name: str) -> Make | None:
    """A recipe for a size that the catalogue can build and does not list, such as `cifar10-preact_resnet20`."""
    data, _, rest = name.partition("-")
    net = f"cifar_{rest.partition('-')[0]}"
    if data not in ("cifar10", "cifar100"):
        return None
    try:
        row(net)
    except ValueError:
        return None
    return dict(_of(net, data)).get(name)


def recipes_record() -> dict[str, Any]:
    """All recipes: {"recipes": [{"name", "model", "data", "iterations", "batch_size", "paper", "reports"}]}.

    `paper` and `reports` (which of its errors stand in its tables) are None where the recipe is no paper's.
    """
    rows = []
    for name in RECIPES:
        made, paper = recipe(name), PAPER_OF.get(name)
        fields = {field: getattr(made, field) for field in ("name", "model", "data", "iterations", "batch_size")}
        rows.append({**fields, "paper": paper and paper.title, "reports": paper and paper.reports})
    return {"recipes": rows}


def recipes_text() -> str:
    """All recipes, one a line."""
    rows = recipes_record()["recipes"]
    width = max(len(row["name"]) for row in rows)
    return "\n".join(
        f"{row['name']:<{width}}  {row['iterations']:>9,} iterations of {row['batch_size']:>3}  "
        f"{row['paper'] or 'of no paper'}"
        for row in rows
    )


# ---------------------------------------------------------------------------------------------------------------
# Departures

ASIDE = ("name", "log_every", "evaluate_every", "checkpoint_every")
"""Fields that change nothing in what is computed."""
ROUNDING = ("channels_last", "compile", "fused", "capture", "replay")
"""Fields that change how it is rounded, and how fast it is."""
BOOKKEEPING = ("seed", "data", *ASIDE, *ROUNDING)
"""Fields that change where, how fast or on what a run takes place, not what the paper's recipe is."""


def departures(given: ClassifierRecipe, precision: str) -> list[str]:
    """Which choices of its network's own paper a run departs from, the choice of the paper behind each."""
    photographs = isinstance(given, PhotographRecipe)
    paper = photograph_papers.paper_of(given.model) if photographs else paper_of(given.model)
    phrases = min((_against(make, paper, given) for make in (paper.recipe, *paper.readings)), key=len)
    if given.data not in paper.data:
        phrases.insert(0, f"data: {given.data} (paper: {', '.join(paper.data)})")
    if paper.always:
        phrases.append(paper.always)
    if precision != "fp32":
        phrases.append(f"precision: {precision} (paper: fp32)")
    size = row(given.model).input_size
    if size != (224 if photographs else 32):
        phrases.append(f"model: {given.model} is a network for {size}-pixel images")
    return phrases


def _against(make: MakeRecipe, paper: Paper, given: ClassifierRecipe) -> list[str]:
    """In which fields `given` differs from the recipe that `make` makes for its network and data."""
    ours, theirs = _choices(given), _choices(make(given.model, given.data))
    return [
        f"{name}: {_text(ours[name])} (paper: {_text(value)})"
        for name, value in theirs.items()
        if name not in (*BOOKKEEPING, *paper.silent, "precision") and _text(ours[name]) != _text(value)
    ]


FOLDER = "folder"
"""With this and a hyphen begin the names of recipes that were made for somebody's pictures, not taken from a paper."""


def for_a_folder(given: ClassifierRecipe) -> bool:
    """Whether a recipe was made for a folder of pictures: in what it departs from a paper is nobody's concern."""
    return given.name.startswith(f"{FOLDER}-")


def is_papers(phrases: list[str]) -> bool:
    """Whether a run with these departures is the paper's own recipe, whole: its figure may stand beside the paper's."""
    return all(phrase.startswith("precision:") for phrase in phrases)


def _choices(given: ClassifierRecipe) -> dict[str, Any]:
    """Field to value; a field of its own for everything that can be changed in the network."""
    network = arguments(given.model, **given.changes)
    fields = {name: value for name, value in given.to_dict().items() if name != "changes"}
    return {**fields, **{f"changes.{name}": value for name, value in network.items()}}


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple | list) else str(value)
