"""The recipes of the papers that followed ResNet, number by number, and what a run of theirs departs from."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import torch

from resnets.classification.papers import PAPERS, RESNET, epochs, paper_of, paper_recipe
from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.recipes import (
    CIFAR_NETS,
    PAPER_OF,
    PROTOCOL,
    RECIPES,
    departures,
    is_papers,
    recipe,
)
from resnets.cli import main
from resnets.data.augment import Stream
from resnets.models.catalog import ROWS
from resnets.models.factory import create_model
from resnets.models.stochastic_depth import StochasticDepth
from resnets.training.recipe import override

COLOURS, PIXELS = "channel_mean_std", "pixel_mean"

FACTS: dict[str, dict[str, Any]] = {
    # Identity mappings: iterations, and a short warm-up of every net
    **{
        f"{net}": {
            **{"iterations": 64_000, "milestones": (32_000, 48_000), "batch_size": 128, "weight_decay": 1e-4},
            **{"warmup_lr": 0.01, "warmup_iterations": 400, "nesterov": False, "normalisation": PIXELS},
        }
        for net in ("preact_resnet110", "preact_resnet164", "preact_resnet1001", "resnet164", "resnet1001")
    },
    "preact_resnet1001-batch64": {"batch_size": 64, "iterations": 200 * 50_000 // 64, "warmup_lr": None},
    # Stochastic depth: 500 epochs of 45,000
    "resnet110_sd": {
        **{"iterations": 175_782, "milestones": (87_891, 131_836), "lr_factor": 0.1, "weight_decay": 1e-4},
        **{"nesterov": True, "normalisation": COLOURS, "validation_images": 5_000, "warmup_lr": None},
        **{"padding_mode": "zeros", "changes": {}},
    },
    "resnet110_sd-constant-depth": {"iterations": 175_782, "changes": {"drop_path": 0.0}},
    "resnet1202_sd": {
        **{"iterations": 105_469, "milestones": (52_735, 79_102), "warmup_lr": 0.01, "warmup_iterations": 3_516},
        **{"nesterov": True, "normalisation": COLOURS, "validation_images": 5_000},
    },
    # Wide: 200 epochs of 50,000
    **{
        net: {
            **{"iterations": 78_125, "milestones": (23_438, 46_875, 62_500), "lr_factor": 0.2, "weight_decay": 5e-4},
            **{"nesterov": True, "normalisation": COLOURS, "padding_mode": "reflect", "padding": 4, "batch_size": 128},
            **{"validation_images": 0, "warmup_lr": None, "changes": {}},
        }
        for net in ("wrn_16_8", "wrn_22_8", "wrn_28_10", "wrn_40_1", "wrn_40_2", "wrn_40_4")
    },
    "wrn_28_10-dropout": {"changes": {"dropout": 0.3}, "iterations": 78_125, "padding_mode": "reflect"},
    **{
        net: {
            **{"iterations": 117_188, "milestones": (58_594, 87_891), "lr_factor": 0.1, "weight_decay": 5e-4},
            **{"nesterov": True, "normalisation": COLOURS, "padding_mode": "zeros", "batch_size": 128},
        }
        for net in ("resnext29_8x64d", "resnext29_16x64d")
    },
    "rir18_wide": {
        **{"iterations": 8_200, "milestones": (4_200, 6_200), "batch_size": 500, "weight_decay": 1e-4},
        **{"lr_factor": 0.1, "nesterov": False},
    },
    **{
        net: {"iterations": 195_313, "milestones": (97_657, 146_485), "weight_decay": 1e-4, "changes": {}}
        for net in ("ror3_110", "ror3_164", "ror3_wrn_58_4")
    },
    "ror3_164-sd": {"iterations": 195_313, "changes": {"drop_path": 0.5}},
    "highway19": {"iterations": 64_000, "milestones": (32_000, 48_000), "warmup_lr": None},
    "highway32": {"iterations": 64_000, "milestones": (32_000, 48_000), "warmup_lr": None},
}
"""By the recipe's name behind `cifar10-`: what the papers say of schedule and preprocessing."""


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
@pytest.mark.parametrize("name", FACTS)
def test_the_followers_recipes(name: str, data: str) -> None:
    given = recipe(f"{data}-{name}")
    assert isinstance(given, ClassificationRecipe)
    net = name.partition("-")[0]
    assert (given.name, given.model, given.data) == (f"{data}-{name}", f"cifar_{net}", data)
    as_fb = ("fan_out", "all") if "batch64" in name else ("fan_in", "weights")
    assert (given.lr, given.momentum, given.schedule) == (0.1, 0.9, "steps")
    assert (given.initialisation, given.decay) == as_fb
    assert (given.flip, given.padding, given.label_smoothing) == (True, 4, 0)
    assert {field: getattr(given, field) for field in FACTS[name]} == FACTS[name]


def test_blocks_are_dropped_where_the_row_of_the_paper_says_so() -> None:
    for name, last in (
        ("resnet110_sd", 0.5),
        ("resnet110_sd-constant-depth", None),
        ("ror3_110", None),
        ("ror3_110-sd", 0.5),
        ("ror3_wrn_58_4", 0.5),
    ):
        given = recipe(f"cifar10-{name}")
        with torch.device("meta"):
            model = create_model(given.model, **given.changes)
        survivals = [module.survival for module in model.modules() if isinstance(module, StochasticDepth)]
        assert (survivals[-1] if survivals else None) == last


@pytest.mark.parametrize(("count", "batch_size", "images"), [(3, 128, 1_000), (2, 7, 21), (1, 500, 499), (5, 64, 64)])
def test_epochs_are_the_batches_in_which_they_are_seen(count: int, batch_size: int, images: int) -> None:
    stream = Stream(images, batch_size, 0, 0, False)
    seen = torch.zeros(images, dtype=torch.long)
    steps = 0
    while int(seen.min()) < count:
        seen += torch.bincount(stream.batch(steps).indices, minlength=images)
        steps += 1
    assert epochs(count, batch_size, images) == steps


# ---------------------------------------------------------------------------------------------------------------
# Whose network is whose


def test_every_network_has_its_paper() -> None:
    words = {
        "Deep Residual Learning": (
            "cifar_resnet20",
            "cifar_resnet1202",
            "cifar_plain110",
            "cifar_resnet26",
            "resnet50",
        ),
        "Identity Mappings": ("cifar_preact_resnet110", "cifar_preact_resnet20", "cifar_resnet164", "cifar_resnet1001"),
        "Stochastic Depth": ("cifar_resnet110_sd", "cifar_resnet1202_sd"),
        "Wide Residual": ("cifar_wrn_28_10", "cifar_wrn_40_2", "cifar_wrn_16_4"),
        "Aggregated": ("cifar_resnext29_8x64d", "cifar_resnext29_16x64d"),
        "Resnet in Resnet": ("cifar_rir18_wide",),
        "Networks of Residual": ("cifar_ror3_110", "cifar_ror3_wrn_58_4"),
        "Highway": ("cifar_highway19", "cifar_highway32"),
    }
    for title, nets in words.items():
        assert all(title in paper_of(net).title for net in nets)
    patterns = [paper.nets for paper in PAPERS]
    assert [net for net in CIFAR_NETS if not any(re.fullmatch(pattern, net) for pattern in patterns)] == []


def test_every_paper_says_how_it_reports() -> None:
    papers = {name for name in RECIPES if name.startswith(("cifar", "imagenet")) and "fast" not in name}
    assert set(PROTOCOL) == set(PAPER_OF) == papers
    assert PROTOCOL["cifar10-preact_resnet164"] == PROTOCOL["cifar100-wrn_28_10-dropout"] == "the median of five runs"
    assert PROTOCOL["cifar10-resnext29_8x64d"] == "the mean of ten runs"
    assert "lowest validation error" in PROTOCOL["cifar10-resnet110_sd"]


def test_there_is_a_recipe_for_every_network_on_its_data_sets() -> None:
    for data in ("cifar10", "cifar100"):
        assert {f"{data}-{net.removeprefix('cifar_')}" for net in CIFAR_NETS} <= set(RECIPES)
    assert {f"imagenet-{net}" for net in ROWS if net not in CIFAR_NETS} <= set(RECIPES)
    originals = {net.removeprefix("cifar_") for net in CIFAR_NETS if paper_of(net) is RESNET}
    assert {name.removesuffix("-45k") for name in RECIPES if name.endswith("-45k")} == {
        f"{data}-{net}" for data in ("cifar10", "cifar100") for net in originals
    }
    assert {name for name in RECIPES if name.startswith("digits-")} == {f"digits-{net}" for net in originals}


def test_recipes_of_sizes_that_are_not_listed() -> None:
    assert "cifar10-preact_resnet20" not in RECIPES
    assert recipe("cifar10-preact_resnet20") == paper_recipe("cifar_preact_resnet20")
    given = recipe("cifar100-wrn_16_4-dropout")
    assert (given.name, given.model, given.data) == ("cifar100-wrn_16_4-dropout", "cifar_wrn_16_4", "cifar100")
    for name in ("cifar11-wrn_16_4", "cifar10-wrn_16_4-fast", "cifar10-wrn_15_4", "digits-wrn_16_4", "cifar10-"):
        with pytest.raises(ValueError, match="no recipe is called"):
            recipe(name)


# ---------------------------------------------------------------------------------------------------------------
# Departures


@pytest.mark.parametrize("name", [name for name in FACTS if "-" not in name])
def test_a_papers_recipe_departs_in_nothing_but_what_is_not_built(name: str) -> None:
    always = paper_of(f"cifar_{name}").always
    for data in ("cifar10", "cifar100"):
        phrases = departures(recipe(f"{data}-{name}"), "fp32")
        assert phrases == ([always] if always else [])
        assert is_papers(phrases) == (always is None)
    elsewhere = departures(override(recipe(f"cifar10-{name}"), ["data=digits"]), "bf16")
    assert elsewhere[0] == "data: digits (paper: cifar10, cifar100)"
    assert elsewhere[-1] == "precision: bf16 (paper: fp32)"


def test_what_is_never_the_papers_own() -> None:
    """Its figures must not stand beside such a run."""
    assert {net for net in CIFAR_NETS if paper_of(net).always} == {
        *("cifar_highway19", "cifar_highway32"),
        *(f"cifar_wrn_{size}" for size in ("16_10", "22_8", "22_10", "28_12", "40_1", "40_2", "40_8")),
        *(net for net in CIFAR_NETS if re.fullmatch(r"cifar_wrn_\d+_2_[bl]\d+", net)),
    }


@pytest.mark.parametrize("name", ["resnet20", "preact_resnet110", "preact_resnet20", "wrn_16_4", "wrn_28_10"])
def test_a_short_schedule_departs_in_its_schedule(name: str) -> None:
    """Networks of several papers, trained alike: each departs from its own paper, and in nothing else."""
    short = override(recipe(f"cifar10-{name}"), ["iterations=6400", "milestones=3200,4800"])
    assert [phrase.partition(":")[0] for phrase in departures(short, "fp32")] == ["iterations", "milestones"]
    own = paper_recipe(f"cifar_{name}")
    assert departures(short, "fp32")[0] == f"iterations: 6400 (paper: {own.iterations})"


def test_another_network_is_held_against_its_own_paper() -> None:
    given = override(recipe("cifar10-resnet20"), ["model=cifar_preact_resnet20"])
    assert departures(given, "fp32") == ["warmup_lr: None (paper: 0.01)", "warmup_iterations: None (paper: 400)"]


def test_variants_depart_in_what_they_are() -> None:
    expected = {
        "resnet20-45k": [],  # section 4.2 can be read both ways
        "wrn_28_10-dropout": ["changes.dropout: 0.3 (paper: 0.0)"],
        "resnet110_sd-constant-depth": ["changes.drop_path: 0.0 (paper: 0.5)"],
        "ror3_110-sd": ["changes.drop_path: 0.5 (paper: 0.0)"],
    }
    for name, phrases in expected.items():
        assert departures(recipe(f"cifar10-{name}"), "fp32") == phrases


def test_images_held_out_are_a_departure_where_the_paper_says_how_many() -> None:
    said = {"resnet20": False, "preact_resnet164": False, "resnet110_sd": True, "resnext29_8x64d": True}
    for name, departs in said.items():
        given = recipe(f"cifar10-{name}")
        other = replace(given, validation_images=0 if given.validation_images else 5_000)
        assert [phrase.partition(":")[0] for phrase in departures(other, "fp32")] == ["validation_images"] * departs


# ---------------------------------------------------------------------------------------------------------------
# The list


def test_the_list_has_a_line_for_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    by_name = dict(zip(RECIPES, lines, strict=True))
    assert by_name["cifar10-wrn_28_10"].endswith(" 78,125 iterations of 128  Wide Residual Networks")
    assert by_name["digits-resnet20"].endswith(" 200 iterations of  64  of no paper")
    assert max(map(len, lines)) <= 140
    assert main(["train", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["recipes"]
    assert [row["name"] for row in rows] == list(RECIPES)
    assert rows[0] == {
        **{"name": "cifar10-resnet20", "model": "cifar_resnet20", "data": "cifar10"},
        **{"iterations": 64_000, "batch_size": 128, "paper": RESNET.title, "reports": RESNET.reports},
    }
