"""Recipes: the paper's numbers, overrides by field, and errors that name all that is wrong at once."""

import json
import math
from dataclasses import fields, replace
from typing import Any

import pytest

from resnets.classification.photograph_recipe import recipe_from
from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.recipes import RECIPES, departures, recipe
from resnets.training.recipe import changed_fields, completed, from_dict, override

PAPER = [f"resnet{depth}" for depth in (20, 32, 44, 56, 110, 1202)] + [f"plain{d}" for d in (20, 32, 44, 56, 110)]


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------------------------------------------------------
# What recipes say


@pytest.mark.parametrize("net", PAPER)
@pytest.mark.parametrize("suffix", ["", "-45k"])
def test_the_papers_recipes(net: str, suffix: str) -> None:
    """arXiv:1512.03385, section 4.2."""
    given = recipe(f"cifar10-{net}{suffix}")
    assert isinstance(given, ClassificationRecipe)
    assert (given.name, given.model, given.data) == (f"cifar10-{net}{suffix}", f"cifar_{net}", "cifar10")
    assert (given.iterations, given.batch_size) == (64_000, 128)
    assert (given.lr, given.lr_factor, given.milestones, given.schedule) == (0.1, 0.1, (32_000, 48_000), "steps")
    assert (given.momentum, given.nesterov, given.weight_decay) == (0.9, False, 1e-4)
    assert (given.padding, given.flip, given.normalisation) == (4, True, "pixel_mean")
    assert (given.padding_mode, given.label_smoothing, given.changes) == ("zeros", 0, {})
    assert given.validation_images == (5_000 if suffix else 0)
    assert (given.warmup_lr, given.warmup_error) == (0.01 if net.endswith("110") else None, 80)
    assert given.warmup_iterations is None


def test_every_recipe_builds_and_survives_json() -> None:
    for name in RECIPES:
        given = recipe(name)
        assert given.name == name
        assert recipe_from(json.loads(json.dumps(given.to_dict()))) == given
    assert {f"cifar10-{net}{suffix}" for net in PAPER for suffix in ("", "-45k")} <= set(RECIPES)
    assert {f"digits-{net}" for net in PAPER} | {"cifar10-resnet20-fast"} <= set(RECIPES)
    assert recipe("cifar10-resnet20-fast").schedule == "one-cycle"


def test_an_unknown_recipe_is_refused_with_the_names_near_it() -> None:
    for name, near in (("cifar10-resnet21", "cifar10-resnet20"), ("digits-plain", "digits-plain20"), ("?", "cifar10-")):
        message = refused(recipe, name)
        assert message.startswith(f"no recipe is called {name!r}; near it are ")
        assert near in message
        assert message.endswith("(`resnets train --list`)")
        assert len(message) < 200


# ---------------------------------------------------------------------------------------------------------------
# Departures


def test_the_papers_recipe_departs_in_nothing() -> None:
    for net in PAPER:
        assert departures(recipe(f"cifar10-{net}"), "fp32") == []


def test_where_a_run_and_how_fast_is_no_departure() -> None:
    changed = override(
        recipe("cifar10-resnet20"),
        ["seed=3", "log_every=7", "evaluate_every=9", "checkpoint_every=11", "channels_last=false", "fused=true"],
    )
    assert departures(changed, "fp32") == []


def test_every_other_choice_is_a_departure_and_named() -> None:
    paper = recipe("cifar10-resnet110")
    changes = {
        "iterations": 6_400,
        "batch_size": 64,
        "accumulate": 2,
        "sync_bn": True,
        "lr": 0.2,
        "schedule": "one-cycle",
        "milestones": (),
        "lr_factor": 0.2,
        "rise": 0.5,
        "warmup_lr": None,
        "warmup_error": 90.0,
        "momentum": 0.8,
        "nesterov": True,
        "weight_decay": 5e-4,
        "normalisation": "channel_mean_std",
        "padding": 2,
        "padding_mode": "reflect",
        "warmup_iterations": 400,
        "flip": False,
        "label_smoothing": 0.1,
        "mixup": 0.2,
        "bn_batches": 200,
        "ema": 0.999,
        "plateau_error": "train_error",
        "plateau_patience": 1_000,
        "plateau_improvement": 0.5,
        "balance": "weights",
        "initialisation": "fan_out",
        "decay": "all" if paper.decay == "weights" else "weights",
    }
    for name, value in changes.items():
        assert [phrase.partition(":")[0] for phrase in departures(replace(paper, **{name: value}), "fp32")] == [name]
    bookkeeping = {"name", "seed", "log_every", "evaluate_every", "checkpoint_every", "channels_last"}
    bookkeeping |= {"compile", "fused", "capture", "replay"}
    elsewhere = {"model", "changes", "data", "precision", "validation_images", "warmup"}
    elsewhere |= {"start", "classifier", "frozen", "lower_lr"}
    assert set(changes) | bookkeeping | elsewhere == {field.name for field in fields(ClassificationRecipe)}
    assert departures(override(paper, ["changes.drop_path=0"]), "fp32") == []  # a whole number for 0.0
    risen = departures(replace(paper, warmup="linear", warmup_iterations=400), "fp32")
    assert [phrase.partition(":")[0] for phrase in risen] == ["warmup", "warmup_iterations"]
    assert departures(replace(paper, lr=0.2), "fp32") == ["lr: 0.2 (paper: 0.1)"]
    assert departures(replace(paper, milestones=()), "fp32") == ["milestones: none (paper: 32000, 48000)"]


def test_every_change_of_the_network_is_a_departure_and_named() -> None:
    paper = recipe("cifar10-resnet20")
    changed = override(paper, ["changes.shortcut=B", "changes.zeros=both"])
    assert departures(changed, "fp32") == ["changes.shortcut: B (paper: A)", "changes.zeros: both (paper: end)"]
    assert departures(override(paper, ["changes.shortcut=A"]), "fp32") == []  # what it is without being told


def test_precision_and_data_are_departures() -> None:
    paper = recipe("cifar10-resnet20")
    assert departures(paper, "bf16") == ["precision: bf16 (paper: fp32)"]
    assert departures(paper, "tf32") == ["precision: tf32 (paper: fp32)"]
    assert departures(replace(paper, data="digits"), "fp32") == ["data: digits (paper: cifar10)"]
    assert departures(replace(paper, data="cifar100"), "fp32") == ["data: cifar100 (paper: cifar10)"]


# ---------------------------------------------------------------------------------------------------------------
# Overrides


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("lr=1e-3", "lr", 1e-3),
        ("lr=1", "lr", 1.0),
        ("iterations=7", "iterations", 7),
        ("milestones=3,5", "milestones", (3, 5)),
        ("milestones=(3, 5)", "milestones", (3, 5)),
        ("milestones=", "milestones", ()),
        ("warmup_lr=none", "warmup_lr", None),
        ("warmup_lr=0.5", "warmup_lr", 0.5),
        ("warmup_iterations=400", "warmup_iterations", 400),
        ("padding_mode=reflect", "padding_mode", "reflect"),
        ("flip=False", "flip", False),
        ("nesterov=true", "nesterov", True),
        ("schedule=one-cycle", "schedule", "one-cycle"),
        ("data=a=b", "data", "a=b"),
        ("model=cifar_resnet8", "model", "cifar_resnet8"),
        (f"seed={2**63 - 1}", "seed", 2**63 - 1),
    ],
)
def test_overrides_are_typed(text: str, name: str, value: Any) -> None:
    changed = override(recipe("cifar10-resnet20"), [text])
    assert getattr(changed, name) == value
    assert type(getattr(changed, name)) is type(value)
    assert replace(changed, **{name: getattr(recipe("cifar10-resnet20"), name)}) == recipe("cifar10-resnet20")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("iterations=1.5", "a whole number"),
        ("iterations=0", "1 or more"),
        ("batch_size=-1", "1 or more"),
        ("log_every=0", "1 or more"),
        ("lr=fast", "a number"),
        ("lr=", "a number"),
        ("lr=nan", "a finite number from 0"),
        ("lr=inf", "a finite number from 0"),
        ("lr=-0.1", "a finite number from 0"),
        ("lr_factor=nan", "a finite number from 0"),
        ("lr_factor=-1", "a finite number from 0"),
        ("weight_decay=inf", "a finite number from 0"),
        ("warmup_lr=nan", "a finite number from 0"),
        ("warmup_lr=-1", "a finite number from 0"),
        ("warmup_lr=soon", "a number or none"),
        ("warmup_iterations=0", "1 or more, or none"),
        ("warmup_iterations=soon", "a whole number or none"),
        ("warmup_error=nan", "0 to 100"),
        ("warmup_error=101", "0 to 100"),
        ("momentum=1", "0 to under 1"),
        ("momentum=nan", "0 to under 1"),
        ("rise=1.1", "0 to 1"),
        ("rise=nan", "0 to 1"),
        ("seed=-1", "0 to 2**63 - 1"),
        (f"seed={2**63}", "0 to 2**63 - 1"),
        ("milestones=5,3", "rising iterations from 1"),
        ("milestones=3,3", "rising iterations from 1"),
        ("milestones=0,3", "rising iterations from 1"),
        ("milestones=a", "whole numbers joined by commas"),
        ("schedule=sine", "steps or plateau or one-cycle or cosine"),
        ("plateau_patience=0", "1 or more"),
        ("plateau_improvement=-1", "a finite number from 0"),
        ("plateau_error=test_error", "validation_error or train_error"),
        ("warmup=linear", "allowed only with warmup_lr and warmup_iterations"),
        ("ema=1", "0 to under 1"),
        ("mixup=nan", "a finite number from 0"),
        ("bn_batches=-1", "0 or more"),
        ("precision=fp16", "auto or fp32 or tf32 or bf16"),
        ("flip=yes", "true or false"),
        ("padding=-1", "0 or more"),
        ("padding_mode=edge", "zeros or reflect"),
        ("changes=B", "each value given as FIELD.NAME=value"),
        ("validation_images=-1", "0 or more"),
        ("label_smoothing=1", "0 to under 1"),
        ("label_smoothing=nan", "0 to under 1"),
        ("normalisation=none", "pixel_mean or channel_mean or channel_mean_std"),
        ("model=cifar_resnet21", "no network is called 'cifar_resnet21'"),
    ],
)
def test_wrong_values_are_refused_with_what_is_allowed(text: str, allowed: str) -> None:
    name, _, value = text.partition("=")
    message = refused(override, recipe("cifar10-resnet20"), [text])
    assert message.startswith(f"1 wrong in the recipe's fields: {name} is ")
    assert allowed in message
    assert value.strip("+").split(",")[0] in message


def test_nesterov_needs_momentum() -> None:
    assert "nesterov" in refused(override, recipe("cifar10-resnet20"), ["nesterov=true", "momentum=0"])


def test_mixup_is_of_pairs() -> None:
    override(recipe("cifar10-resnet20"), ["mixup=0.2", "batch_size=12", "accumulate=3"])
    message = refused(override, recipe("cifar10-resnet20"), ["mixup=0.2", "batch_size=9", "accumulate=3"])
    assert "batch_size is 9, allowed with accumulate 3 and mixup, which is of pairs, are multiples of 6" in message


def test_the_padding_of_a_mirrored_image_is_less_than_the_image() -> None:
    override(recipe("cifar10-resnet20"), ["padding_mode=reflect", "padding=31"])
    message = refused(override, recipe("cifar10-resnet20"), ["padding_mode=reflect", "padding=32"])
    assert "padding is 32, allowed with padding_mode reflect is 0 to 31" in message


def test_changes_are_what_they_look_like() -> None:
    """A network that could be changed in all of them does not exist: its own check is left out."""
    words = {"a=3": 3, "b=0.5": 0.5, "c=1e-3": 1e-3, "d=true": True, "e=False": False, "f=none": None, "g=B": "B"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resnets.classification.recipe._refused", lambda model, changes: [])
        made = override(recipe("cifar10-resnet20"), [f"changes.{word}" for word in words])
        assert made.changes == {word[0]: value for word, value in words.items()}
        assert [type(value) for value in made.changes.values()] == [type(value) for value in words.values()]
        assert from_dict(ClassificationRecipe, json.loads(json.dumps(made.to_dict()))) == made
        more = override(made, ["changes.a=4"])
    assert (more.changes["a"], more.changes["g"], made.changes["a"]) == (4, "B", 3)
    assert recipe("cifar10-resnet20").changes == {}


def test_the_network_says_what_it_cannot_change() -> None:
    wrong = ["changes.shortcat=B", "changes.zeros=middle", "changes.shortcut=D", "changes.name=x", "lr=fast"]
    wrong += ["changes.drop_path=often"]
    message = refused(override, recipe("cifar10-resnet20"), wrong)
    assert message.startswith("6 wrong in the recipe's fields: ")
    for part in (
        "unknown field 'changes.shortcat' (did you mean 'shortcut'?)",
        "unknown field 'changes.name' (cifar_resnet20 can change shortcut, zeros",
        "zeros is 'middle', allowed are 'end' and 'both'",
        "shortcut is 'D', allowed are 'A', 'B', 'C' and None",
        "changes.drop_path is 'often', allowed is a finite number",
        "lr is 'fast'",
    ):
        assert part in message
    for word, part in {
        "changes.dropout=nan": "changes.dropout is nan, allowed is a finite number",
        "changes.kernels=3": "unknown field 'changes.kernels' (cifar_wrn_10_1 can change n, dropout",
    }.items():
        assert part in refused(override, recipe("cifar10-wrn_10_1"), [word])


def test_all_that_is_wrong_is_said_together() -> None:
    wrong = ["lr=fast", "epochs=3", "iterations=0", "moment=0.9", "schedule=sine", "plainly", "name=x", "rise=2"]
    wrong += ["lr.high=3", "change.zeros=both"]
    message = refused(override, recipe("cifar10-resnet20"), ["batch_size=64", *wrong])
    assert message.startswith("10 wrong in the recipe's fields: ")
    for part in ("lr is 'fast'", "'epochs'", "iterations is 0", "'moment'", "'sine'", "'plainly'", "'name'", "rise"):
        assert part in message
    assert "unknown field 'lr.high'" in message
    assert "unknown field 'change.zeros'" in message
    assert "did you mean 'momentum'?" in message
    assert "batch_size" not in message


# ---------------------------------------------------------------------------------------------------------------
# From files


def test_all_that_is_wrong_in_a_file_is_said_together() -> None:
    values = recipe("cifar10-resnet20").to_dict()
    del values["batch_size"]
    values |= {"epochs": 3, "lr": "fast", "seed": True, "rise": False, "milestones": [1.5], "iterations": 2.0}
    values |= {"changes": {"zeros": ["both"]}}
    message = refused(from_dict, ClassificationRecipe, values)
    for part in (
        "'epochs'",
        "'batch_size' is missing",
        "changes is {'zeros': ['both']}",
        "lr is 'fast'",
        "seed is True",
        "rise is False",
        "milestones",
        "iterations is 2.0",
    ):
        assert part in message


def test_ranges_hold_in_a_file_too() -> None:
    values = {**recipe("cifar10-resnet20").to_dict(), "lr": math.nan, "momentum": 2}
    message = refused(from_dict, ClassificationRecipe, values)
    assert "lr is nan" in message
    assert "momentum is 2" in message


def test_a_record_of_an_earlier_release_is_read() -> None:
    """All fields there were before `changes`, `padding_mode` and `warmup_iterations`: what lacks is as it was then."""
    given = {
        **{"name": "cifar10-resnet110", "seed": 3, "iterations": 64000, "batch_size": 128, "lr": 0.1},
        **{"schedule": "steps", "milestones": [32000, 48000], "lr_factor": 0.1, "rise": 0.25},
        **{"warmup_lr": 0.01, "warmup_error": 80.0, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0001},
        **{"decay": "weights", "precision": "auto", "channels_last": True, "compile": False},
        **{"log_every": 100, "evaluate_every": 1000, "checkpoint_every": 500},
        **{"model": "cifar_resnet110", "data": "cifar10", "validation_images": 0, "normalisation": "pixel_mean"},
        **{"padding": 4, "flip": True, "label_smoothing": 0.0},
    }
    read = from_dict(ClassificationRecipe, given)
    assert read == replace(recipe("cifar10-resnet110"), seed=3)
    assert changed_fields(read.to_dict(), completed(ClassificationRecipe, given)) == []
    newer = replace(read, padding_mode="reflect", changes={"zeros": "both"})
    assert changed_fields(newer.to_dict(), completed(ClassificationRecipe, given)) == [
        "padding_mode is 'reflect', was 'zeros'",
        "changes is {'zeros': 'both'}, was {}",
    ]
    del given["model"], given["iterations"]
    assert "'iterations' is missing; field 'model' is missing" in refused(from_dict, ClassificationRecipe, given)


def test_an_integer_is_a_float_too() -> None:
    values = {**recipe("cifar10-resnet20").to_dict(), "lr": 1}
    assert from_dict(ClassificationRecipe, values).lr == 1


def test_changed_fields_are_named_with_both_values() -> None:
    old, new = {"a": 1, "b": [1, 2], "c": None}, {"a": 2, "b": [1, 2], "d": 3}
    assert changed_fields(new, old) == ["a is 2, was 1", "d is 3, was None"]
    assert changed_fields(old, dict(old)) == []


def test_a_graph_cannot_choose_units_for_each_batch() -> None:
    dropped = ["capture=true", "changes.drop_path=0.5"]
    with pytest.raises(ValueError, match="capture is True, allowed with drop_per sample only"):
        override(recipe("cifar10-resnet20"), dropped)
    with pytest.raises(ValueError, match="capture is True, allowed with drop_per sample only"):
        override(recipe("cifar10-resnet110_sd"), ["capture=true"])
    assert override(recipe("cifar10-resnet20"), [*dropped, "changes.drop_per=sample"]).capture
    assert override(recipe("cifar10-resnet20"), ["capture=true", "changes.drop_path=0"]).capture
