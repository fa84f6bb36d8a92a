"""The recipes for photographs: each paper's, what departs from it, what is refused, and what a file holds."""

import json
import math
import re
from dataclasses import replace

import pytest

from resnets.classification.photograph_papers import IMAGES, epochs, paper_of
from resnets.classification.photograph_recipe import PhotographRecipe, recipe_from
from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.recipes import RECIPES, departures, is_papers, recipe, recipes_record
from resnets.models.catalog import ROWS
from resnets.training.recipe import override

NETS = [name for name in ROWS if not name.startswith("cifar_")]


def made(name: str, *assignments: str) -> PhotographRecipe:
    found = override(recipe(name), list(assignments))
    assert isinstance(found, PhotographRecipe)
    return found


def refused(*assignments: str) -> str:
    with pytest.raises(ValueError, match="wrong in the recipe's fields") as caught:
        override(recipe("imagenet-resnet50"), list(assignments))
    return str(caught.value)


# ---------------------------------------------------------------------------------------------------------------
# Papers


def test_the_papers_own() -> None:
    """arXiv:1512.03385, section 3.4 and Figure 4."""
    paper = made("imagenet-resnet50")
    assert (paper.iterations, paper.batch_size, paper.lr, paper.milestones) == (600_000, 256, 0.1, (150_000, 300_000))
    assert (paper.momentum, paper.weight_decay, paper.decay, paper.warmup_lr) == (0.9, 1e-4, "weights", None)
    assert (paper.crop, paper.test_side, paper.shorter_sides, paper.flip) == (224, 256, (256, 480), True)
    assert (paper.normalisation, paper.colour, paper.view) == ("pixel_mean", 0.1, "shorter-side")
    assert (paper.label_smoothing, paper.mixup, paper.ema, paper.sizes) == (0, 0, 0, ())
    assert paper.iterations * paper.batch_size / IMAGES == pytest.approx(119.9, abs=0.05)


def test_the_papers_in_epochs() -> None:
    """arXiv:1603.05027: 30 and 60 epochs; the code of ResNeXt: 30, 60 and 90 of 100; VGG: 74 epochs, 0.01."""
    assert epochs(30) == math.ceil(30 * 1_281_167 / 256) == 150_137
    assert made("imagenet-preact_resnet200").milestones == (epochs(30), epochs(60))
    next_ = made("imagenet-resnext50_32x4d")
    assert (next_.iterations, next_.milestones) == (epochs(100), (epochs(30), epochs(60), epochs(90)))
    for name in ("resnext50_32x4d", "wide_resnet50_2", "resnet50_v1_5"):
        theirs = made(f"imagenet-{name}")
        assert (theirs.view, theirs.decay, theirs.nesterov) == ("area", "all", True)
        assert (theirs.normalisation, theirs.colours, theirs.jitter) == ("channel_mean_std", "imagenet", 0.4)
        assert departures(theirs, "fp32") == []
    vgg = made("imagenet-vgg16")
    assert (vgg.lr, vgg.weight_decay, vgg.schedule, vgg.shorter_sides) == (0.01, 5e-4, "plateau", (256, 512))
    assert vgg.iterations * 256 / IMAGES == pytest.approx(74, abs=0.1)


def test_every_network_has_its_papers_recipe_and_a_modern_one() -> None:
    listed = {row["name"]: row for row in recipes_record()["recipes"]}
    for net in NETS:
        own, modern = recipe(f"imagenet-{net}"), recipe(f"imagenet-{net}-modern")
        assert own.model == modern.model == net
        phrases = departures(own, "fp32")
        always = paper_of(net).always
        assert phrases == ([always] if always else [])
        assert is_papers(phrases) == (always is None)
        named = {phrase.partition(":")[0] for phrase in departures(modern, "fp32")}
        assert named >= {"schedule", "warmup", "ema", "label_smoothing", "mixup", "sizes"}, net
        assert ("iterations" in named) == ("preact" not in net)  # whose paper does not state them
        assert listed[f"imagenet-{net}"]["paper"] == listed[f"imagenet-{net}-modern"]["paper"] == paper_of(net).title


def test_both_readings_are_the_papers() -> None:
    for net in ("resnet18", "resnet34_c", "plain34", "resnet152"):
        assert f"imagenet-{net}-plateau" in RECIPES
        plateau = made(f"imagenet-{net}-plateau")
        assert (plateau.schedule, plateau.validation_images) == ("plateau", 10_000)
        assert departures(plateau, "fp32") == []
        assert departures(replace(plateau, plateau_patience=5), "fp32") == []  # of which nothing is said
        assert departures(replace(plateau, lr=0.2), "fp32") == ["lr: 0.2 (paper: 0.1)"]
    assert "imagenet-preact_resnet50-plateau" not in RECIPES
    steps = made("imagenet-resnet50", "milestones=100", "data=pictures")
    assert departures(steps, "fp32") == [
        "data: pictures (paper: imagenet)",
        "milestones: 100 (paper: 150000, 300000)",
    ]
    assert departures(made("imagenet-resnet50", "model=cifar_resnet20"), "fp32")[-1].startswith("model: cifar")


# ---------------------------------------------------------------------------------------------------------------
# Fields


def test_sides_are_in_proportion_to_the_crop() -> None:
    half = made("imagenet-resnet50", "crop=112")
    assert (half.test_side, half.shorter_sides) == (128, (128, 240))
    assert (half.augmentation.window, half.augmentation.shorter_side) == (112, (128, 240))
    told = made("imagenet-resnet50", "crop=112", "resize=112", "shorter_side=120,130", "view=area", "area=0.25")
    assert (told.test_side, told.shorter_sides, told.augmentation.area) == (112, (120, 130), (0.25, 1.0))
    for crop in range(32, 400):  # rounding leaves room for the crop
        small = made("imagenet-resnet18", f"crop={crop}")
        assert crop <= small.augmentation.shorter_side[0]
        assert crop <= small.test_side


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("crop=31", "32 or more"),
        ("resize=223", "224 (crop) or more, or none"),
        ("shorter_side=200,300", "two lengths from 224 (crop) on"),
        ("shorter_side=256", "two lengths"),
        ("shorter_side=300,256", "two lengths"),
        ("area=0", "over 0 to 1"),
        ("area=nan", "over 0 to 1"),
        ("statistics_images=0", "1 or more, or none"),
        ("colour=-1", "a finite number from 0"),
        ("jitter=1.5", "0 to 1"),
        ("colours=own", "data or imagenet"),
        ("view=crop", "shorter-side or area"),
        ("images=small", "photographs"),
        ("padding=4", "unknown field 'padding'"),
        ("sizes=128", "without normalisation=pixel_mean"),
        ("schedule=plateau", "with validation_images only (or plateau_error=train_error)"),
    ],
)
def test_wrong_values_are_refused_with_what_is_allowed(text: str, allowed: str) -> None:
    message = refused(text)
    assert message.startswith("1 wrong in the recipe's fields: ")
    assert allowed in message


def test_more_that_is_refused_together() -> None:
    message = refused("normalisation=channel_mean", "sizes=16,224", "capture=true", "crop=1", "lr=x")
    for phrase in ("sizes is 16,224, allowed are sides from 32", "without capture", "crop is 1", "lr is 'x'"):
        assert phrase in message
    assert made("imagenet-resnet50", "schedule=plateau", "plateau_error=train_error").validation_images == 0


def test_a_file_says_which_record_it_is() -> None:
    for name, kind in (("imagenet-resnet50-modern", PhotographRecipe), ("cifar10-resnet20", ClassificationRecipe)):
        written = json.loads(json.dumps(recipe(name).to_dict()))
        read = recipe_from(written)
        assert type(read) is kind
        assert read == recipe(name)
    with pytest.raises(ValueError, match=re.escape("images is 'drawings', allowed is photographs")):
        recipe_from({**recipe("imagenet-resnet50").to_dict(), "images": "drawings"})
