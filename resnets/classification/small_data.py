"""The small images of a run: on its device whole, where they are normalised, cut and mirrored, a batch at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.sets import set_apart
from resnets.classification.start import expected_by
from resnets.data.augment import BatchDraws, Stream, crop_flip
from resnets.data.images import ImageSet
from resnets.data.sources import data_home, open_data
from resnets.data.statistics import statistics
from resnets.evaluation.protocols import single_view
from resnets.models.catalog import row
from resnets.preprocessing import Preprocessing
from resnets.ranks import part


@dataclass(frozen=True)
class SmallData:
    """The images of a run, and what was computed from the training images alone."""

    train: ImageSet
    test: ImageSet
    validation: ImageSet | None
    preprocessing: Preprocessing
    record: dict[str, Any]
    """Names, counts and hashes, as the run's record keeps them."""

    def batches(self, recipe: ClassificationRecipe, step: int) -> Iterator[BatchDraws]:
        """Which images make this rank's batches of iteration `step` and of those after it, and how each is cut."""
        size = recipe.batch_size // recipe.accumulate
        stream = Stream(len(self.train), size, recipe.seed, recipe.padding, recipe.flip)
        for number in count(step * recipe.accumulate):
            yield BatchDraws(*map(part, stream.batch(number))).to(self.train.images.device)

    def inputs(self, recipe: ClassificationRecipe, batch: BatchDraws) -> tuple[Tensor, Tensor]:
        """The augmented images (batch, 3, H, W) and labels of a batch."""
        images = self.normalise(self.train.images[batch.indices])
        images = crop_flip(images, batch.top, batch.left, batch.flip, recipe.padding, recipe.padding_mode)
        memory_format = torch.channels_last if recipe.channels_last else torch.contiguous_format
        return images.contiguous(memory_format=memory_format), self.train.labels[batch.indices]

    def scores(self, model: nn.Module, images: ImageSet) -> Tensor:
        """Probabilities (N, classes) of whole images, float32."""
        return single_view(model, images.images, self.normalise)

    @cached_property
    def normalise(self) -> Callable[[Tensor], Tensor]:
        """From raw images on the device to the network's input."""
        return self.preprocessing.normaliser(self.train.images.device)

    def measures(self) -> dict[str, float]:
        """Nothing is waited for: the images are there."""
        return {}


def load_small(recipe: ClassificationRecipe, device: torch.device) -> SmallData:
    """Reads the recipe's data, holds validation images out, and computes the normalisation from the rest."""
    size = row(recipe.model).input_size
    train, test = open_data(recipe.data, "train", size), open_data(recipe.data, "test", size)
    sets = set_apart(recipe, train, test)
    if recipe.normalisation == "start":
        preprocessing = expected_by(recipe, sets.start, size, size, train.classes)
    else:
        kind = recipe.normalisation
        mean, std = statistics(sets.train, kind, data_home() / "statistics")
        preprocessing = Preprocessing(crop=size, resize=size, mean=mean, std=std, classes=train.classes)
    validation = sets.validation and sets.validation.to(device)
    return SmallData(sets.train.to(device), test.to(device), validation, preprocessing, sets.record)
