"""Networks that a study looks at, trained, still in training or new, and the images it shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from resnets.classification.photograph_recipe import recipe_from
from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.recipes import departures, is_papers
from resnets.classification.run import RECIPE, open_run
from resnets.classification.trained import preprocessing_of
from resnets.data.images import ImageSet
from resnets.data.sources import data_home, open_data
from resnets.data.statistics import Kind, statistics
from resnets.models.catalog import row
from resnets.models.factory import create_model, load
from resnets.models.layouts import Weights
from resnets.models.weights import read_weights
from resnets.preprocessing import Preprocessing
from resnets.training.checkpoint import newest
from resnets.training.draws import GENERATOR

BATCH = 250
"""Images that go through a network at once; no figure depends on it."""


_AFTER, _CHANGED = " after ", " by a changed recipe"
"""What the names of networks have that were not trained as their papers say."""


@dataclass(frozen=True)
class Subject:
    """A network that is looked at."""

    name: str
    """That of its network; of one that was not trained as its paper says, with what shows that."""
    model: nn.Module
    expected: Preprocessing
    step: int | None
    """The iterations behind it, where it is a run that has not finished."""


def data_of(weights: list[str]) -> str:
    """The data that the first network was trained on; ValueError where nobody says."""
    if weights and (Path(weights[0]) / RECIPE).exists():
        return open_run(Path(weights[0])).recipe.data
    recipe = read_weights(weights[0]).recipe if weights else None
    if not recipe:
        raise ValueError("data: it is not known what the networks were trained on; --data names it")
    return recipe["data"]


def subject(source: str, device: torch.device) -> Subject:
    """The network whose weights `source` names, or the last checkpoint of a run that has not finished."""
    folder = Path(source)
    if (folder / RECIPE).exists() and not (run := open_run(folder)).finished:
        state = newest(folder / "checkpoints")
        if state is None:
            raise ValueError(f"{source} has neither weights nor a checkpoint")
        if not isinstance(run.recipe, ClassificationRecipe):
            raise ValueError(f"{source} is a run on photographs: it can be looked at when it has finished")
        if run.recipe.normalisation == "start":
            raise ValueError(f"{source} began with given weights: it can be looked at when it has finished")
        expected = _expected(run.recipe.data, run.recipe.model, run.recipe.normalisation)
        model = create_model(run.recipe.model, len(expected.classes), **run.recipe.changes)
        model.load_state_dict(state.model)
        return Subject(_after(run.recipe.model, state.step), model.to(device), expected, state.step)
    weights = read_weights(source)
    model = load(weights)
    return Subject(named(weights), model.to(device), preprocessing_of(source, model), None)


def named(weights: Weights) -> str:
    """What a study calls a trained network.

    A surrogate says that it is one, so that it is not taken for a network that was trained as its paper says.
    """
    if weights.recipe is None:
        return weights.model
    given = recipe_from(weights.recipe)
    found = departures(given, "fp32")
    if is_papers(found):
        return weights.model
    if any(phrase.startswith("iterations:") for phrase in found):
        return _after(weights.model, given.iterations)
    return f"{weights.model}{_CHANGED}"


def _after(model: str, iterations: int) -> str:
    return f"{model}{_AFTER}{iterations:,} iterations"


def surrogates_said(names: Sequence[str]) -> str:
    """Which of the networks called so were not trained as their papers say, in words; "" where all were, or are new."""
    how = [f"{_AFTER}{name.partition(_AFTER)[2]}" for name in names if _AFTER in name]
    how += [_CHANGED for name in names if name.endswith(_CHANGED)]
    return f"what is called{' or'.join(dict.fromkeys(how))} was not trained as its paper says" if how else ""


def fresh(name: str, data: str, seed: int, device: torch.device) -> Subject:
    """A network of the catalogue as it is initialised."""
    expected = _expected(data, name, "channel_mean_std")
    with GENERATOR:
        torch.manual_seed(seed)
        model = create_model(name, len(expected.classes))
    return Subject(f"{name}, new", model.to(device), expected, None)


def _expected(data: str, model: str, normalisation: Kind) -> Preprocessing:
    size = row(model).input_size
    train = open_data(data, "train", size)
    mean, std = statistics(train, normalisation, data_home() / "statistics")
    return Preprocessing(crop=size, resize=size, mean=mean, std=std, classes=train.classes)


def images_of(network: Subject, data: str, split: Literal["train", "test"], most: int | None) -> ImageSet:
    """The first `most` images of a split; ValueError where the network knows another number of classes."""
    images = open_data(data, split, network.expected.crop)
    if len(images.classes) != len(network.expected.classes):
        raise ValueError(
            f"{network.name} knows {len(network.expected.classes)} classes, {data} has {len(images.classes)}"
        )
    return images if most is None else images.subset(torch.arange(min(most, len(images))))


def batches_of(network: Subject, images: ImageSet, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Normalised images and labels, `BATCH` at a time."""
    normalise = network.expected.normaliser(device)
    return [
        (normalise(pixels.to(device)), labels.to(device))
        for pixels, labels in zip(images.images.split(BATCH), images.labels.split(BATCH), strict=True)
    ]
