"""A linear classifier on the features of a start: what training is compared with, and what a new classifier begins as.

It is what a person would have without training a network: a logistic regression. A network that begins with it has
features and classifier that go together from the first iteration on, where one that begins with nothing said bends
features that were good to a classifier that is not (Kumar et al. 2022, arXiv:2202.10054: linear probing, then fine
tuning).
"""

import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnets.classification.data import Data
from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.start import first_network, last_whole_map
from resnets.evaluation.metrics import chance
from resnets.files import say
from resnets.models.batch_statistics import estimate_anew
from resnets.models.factory import classifier_of
from resnets.ranks import on_first
from resnets.training.draws import GENERATOR
from resnets.training.parallel import average_statistics
from resnets.watch import awaited

MOST = 10_000
"""Training images that it is fitted to, at equal distances; more would change little."""


@dataclass(frozen=True)
class Linear:
    """Logits from features, in float64."""

    weight: Float[Tensor, "C F"]
    bias: Float[Tensor, " C"]

    def __call__(self, features: Float[Tensor, "N F"]) -> Float[Tensor, "N C"]:
        return features.double() @ self.weight.T + self.bias


# ---------------------------------------------------------------------------------------------------------------
# Beside a result


def linear_baseline(
    recipe: ClassifierRecipe, data: Data, device: torch.device, scores: Float[Tensor, "N C"]
) -> dict[str, Any] | None:
    """The error of a logistic regression on the features of the recipe's start; None where there is no start.

    The features of an image are the averages over the highest map that is the start's alone (a start may be partial),
    of the image as a test sees it. Fitted to the training images, tested on the test images of the run; classes weigh
    as in training. `scores` of the test images are the trained network's.

    Returns `test_error` in percent, `test_wrong`, `images`, `train_images`, `features`, the name of the map; and how
    many test images only it and only the network get right, `only_it` and `only_network`, with `chance`, how likely
    that is for two that are equally good (`metrics.chance`).
    """
    if recipe.start is None:
        return None
    with GENERATOR:  # it draws, perhaps as another seed draws its first weights
        beginning = first_network(recipe, data.train.classes)
    stage = last_whole_map(recipe, beginning.brought)
    if stage is None:
        return None
    say(f"  a linear classifier on the features of {recipe.start}, for comparison")
    model = beginning.model.to(device)
    averages = partial(_averages, model, stage)
    linear = _fitted(recipe, data, model, averages)
    labels = data.test.labels.cpu()
    right, network = (
        said.argmax(1) == labels for said in (linear(_features(model, averages, data, data.test)), scores.cpu())
    )
    wrong, only_it, only_network = (int(which.sum()) for which in (~right, right & ~network, network & ~right))
    return {
        "test_error": 100 * wrong / len(data.test),
        "test_wrong": wrong,
        "images": len(data.test),
        "train_images": len(_few(data.train)),
        "features": stage,
        "only_it": only_it,
        "only_network": only_network,
        "chance": chance(only_it, only_network),
    }


def _averages(model: Any, stage: str, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N F"]:
    """Over a map."""
    return model.forward_features(images)[stage].mean((2, 3))


# ---------------------------------------------------------------------------------------------------------------
# To begin with


def begin_linear(model: nn.Module, brought: Collection[str], recipe: ClassifierRecipe, data: Data) -> None:
    """The classifier becomes a logistic regression on what the rest of the network makes of the training images.

    They are seen as a test sees them; new BN gets the statistics of training batches first. `brought` names the
    parameters that the start has brought: a classifier among them stays. Every rank calls it, and the first fits for
    all.
    """
    name = classifier_of(model)
    if f"{name}.weight" in brought:
        return
    say("  the classifier begins as a linear one on the features of the network as it begins")
    _estimate_new(model, brought, recipe, data)
    linear = on_first(lambda: _fitted(recipe, data, model, partial(_before, model, name)))
    classifier = model.get_submodule(name)
    assert isinstance(classifier, nn.Linear)
    with torch.no_grad():
        classifier.weight.copy_(linear.weight)
        classifier.bias.copy_(linear.bias)


def _estimate_new(model: nn.Module, brought: Collection[str], recipe: ClassifierRecipe, data: Data) -> None:
    """Statistics for the BN that the start has not brought, over an epoch, or over `MOST` images of it."""
    norms = {name: layer for name, layer in model.named_modules() if isinstance(layer, _BatchNorm)}
    if new := [layer for name, layer in norms.items() if f"{name}.weight" not in brought]:
        iterations = -(-min(len(data.train), MOST) // recipe.batch_size)
        batches = islice(awaited(data.batches(recipe, 0)), iterations * recipe.accumulate)
        estimate_anew(model, (data.inputs(recipe, batch)[0] for batch in batches), new)
        average_statistics(model)


def _before(model: nn.Module, classifier: str, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N F"]:
    """What reaches the classifier."""
    seen: list[Tensor] = []
    handle = model.get_submodule(classifier).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        model(images)
    finally:
        handle.remove()
    return seen[0]


# ---------------------------------------------------------------------------------------------------------------
# Features and fit


def _few(train: Any) -> Any:
    return train if len(train) <= MOST else train.subset(torch.arange(MOST) * len(train) // MOST)


def _fitted(recipe: ClassifierRecipe, data: Data, model: nn.Module, features: Callable[[Tensor], Tensor]) -> Linear:
    train = _few(data.train)
    seen = _features(model, features, data, train)
    return fit_linear(seen, train.labels.cpu(), len(data.train.classes), recipe.balance == "weights")


def fit_linear(features: Float[Tensor, "N F"], labels: Int[Tensor, " N"], classes: int, balanced: bool) -> Linear:
    """A logistic regression (scikit-learn's, C = 1) on features brought to mean 0 and deviation 1, both in one map.

    `balanced`: classes count alike, however many images they have. A class without any has weights of zero and the
    smallest bias.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    regression = LogisticRegression(max_iter=1000, class_weight="balanced" if balanced else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a thousand iterations are near enough
        regression.fit(scaler.fit_transform(features.double().numpy()), labels.numpy())
    there, mean, deviation = (torch.as_tensor(a) for a in (regression.classes_, scaler.mean_, scaler.scale_))
    rows, biases = torch.as_tensor(regression.coef_), torch.as_tensor(regression.intercept_)
    if len(there) == 2:  # one logit, for the second
        rows, biases = torch.cat([-rows, rows]) / 2, torch.cat([-biases, biases]) / 2
    rows = rows / deviation
    biases = biases - rows @ mean
    weight, bias = rows.new_zeros(classes, rows.shape[1]), biases.min().expand(classes).clone()
    weight[there], bias[there] = rows, biases
    return Linear(weight, bias)


def _features(model: nn.Module, features: Callable[[Tensor], Tensor], data: Data, images: Any) -> Float[Tensor, "N F"]:
    """Of each image, in order: it takes the way of a test, so that it is seen as one."""
    recorder = _Recorder(model, features, len(data.train.classes))
    data.scores(recorder, images)
    seen = torch.cat(recorder.seen)
    assert len(seen) == len(images)
    return seen


class _Recorder(nn.Module):
    """In the place of a network: keeps features, and says nothing of classes."""

    def __init__(self, model: nn.Module, features: Callable[[Tensor], Tensor], classes: int) -> None:
        super().__init__()
        self.model, self.features, self.classes = model, features, classes
        self.seen: list[Tensor] = []

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N C"]:
        self.seen.append(self.features(images).float().cpu())
        return images.new_zeros(len(images), self.classes)
