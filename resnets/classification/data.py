"""The images of a run, small ones or photographs: what training, tests and a linear classifier ask of them."""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from resnets.classification.photograph_data import load_photographs
from resnets.classification.photograph_recipe import PhotographRecipe
from resnets.classification.recipe import ClassificationRecipe, ClassifierRecipe
from resnets.classification.small_data import load_small
from resnets.preprocessing import Preprocessing


@runtime_checkable
class Data(Protocol):
    """The images of a run, of whatever kind, and what was computed from the training images alone."""

    @property
    def train(self) -> Any: ...
    @property
    def test(self) -> Any: ...
    @property
    def validation(self) -> Any: ...
    @property
    def preprocessing(self) -> Preprocessing: ...
    @property
    def record(self) -> dict[str, Any]:
        """Names, counts and hashes, as the run's record keeps them."""
        ...

    def batches(self, recipe: Any, step: int) -> Iterator[Any]:
        """What makes the batch of iteration `step` and those after it."""
        ...

    def inputs(self, recipe: Any, batch: Any) -> tuple[Tensor, Tensor]:
        """The augmented images (batch, 3, H, W) and labels of a batch, on the device."""
        ...

    def scores(self, model: nn.Module, images: Any) -> Tensor:
        """Probabilities (N, classes) of `train`, `test` or `validation`, as a test sees them; float32."""
        ...

    def measures(self) -> dict[str, float]:
        """What else stands in a row of the journal, for the time since the last call."""
        ...


def load_data(recipe: ClassifierRecipe, device: torch.device) -> Data:
    """The recipe's data; ValueError, of one line, where they cannot be had."""
    if isinstance(recipe, PhotographRecipe):
        return load_photographs(recipe, device)
    assert isinstance(recipe, ClassificationRecipe)
    return load_small(recipe, device)
