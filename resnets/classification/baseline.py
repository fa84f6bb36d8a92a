"""What a person would have without training a network: a linear classifier on the features of the start, as it came."""

import warnings
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.start import first_network, last_whole_map
from resnets.classification.task import Data
from resnets.files import say

MOST = 10_000
"""Training images that it is fitted to, at equal distances; more would change little."""


def linear_baseline(recipe: ClassifierRecipe, data: Data, device: torch.device) -> dict[str, Any] | None:
    """The error of a logistic regression on the features of the recipe's start; None where there is no start.

    The features of an image are the averages over the highest map that is the start's alone (a start may be partial),
    of the image as a test sees it, each brought to mean 0 and deviation 1 over the training images. Fitted to the
    training images, tested on the test images of the run; classes weigh as in training. Returns `test_error` in
    percent, `test_wrong`, `images`, `train_images`, and `features`, the name of the map.
    """
    if recipe.start is None:
        return None
    beginning = first_network(recipe, data.train.classes)
    stage = last_whole_map(recipe, beginning.brought)
    if stage is None:
        return None
    say(f"  a linear classifier on the features of {recipe.start}, for comparison")
    model = beginning.model.to(device)
    every = -(-len(data.train) // MOST)
    train = data.train if every == 1 else data.train.subset(torch.arange(0, len(data.train), every))
    features = {name: _features(model, stage, data, images) for name, images in (("train", train), ("test", data.test))}
    predicted = _fitted(features["train"], train.labels.cpu(), recipe.balance == "weights").predict(
        features["test"].double().numpy()
    )
    wrong = int((torch.as_tensor(predicted) != data.test.labels.cpu()).sum())
    return {
        "test_error": 100 * wrong / len(data.test),
        "test_wrong": wrong,
        "images": len(data.test),
        "train_images": len(train),
        "features": stage,
    }


def _fitted(features: Float[Tensor, "N F"], labels: Tensor, balanced: bool) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = LogisticRegression(max_iter=1000, class_weight="balanced" if balanced else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a thousand iterations are near enough
        return make_pipeline(StandardScaler(), classifier).fit(features.double().numpy(), labels.numpy())


def _features(model: nn.Module, stage: str, data: Data, images: Any) -> Float[Tensor, "N F"]:
    """Of each image, in order: it takes the way of a test, so that it is seen as one."""
    recorder = _Recorder(model, stage, len(data.train.classes))
    data.scores(recorder, images)
    features = torch.cat(recorder.seen)
    assert len(features) == len(images)
    return features


class _Recorder(nn.Module):
    """In the place of a network: keeps the averages over a map, and says nothing of classes."""

    def __init__(self, model: nn.Module, stage: str, classes: int) -> None:
        super().__init__()
        self.model, self.stage, self.classes = model, stage, classes
        self.seen: list[Tensor] = []

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N C"]:
        model: Any = self.model
        self.seen.append(model.forward_features(images)[self.stage].mean((2, 3)).float().cpu())
        return images.new_zeros(len(images), self.classes)
