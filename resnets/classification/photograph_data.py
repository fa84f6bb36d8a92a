"""The photographs of a run: read and cut by threads ahead of their use, mirrored and coloured on the device."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from resnets.classification.photograph_recipe import PhotographRecipe
from resnets.classification.sets import set_apart
from resnets.classification.start import expected_by
from resnets.data.augment import IMAGENET_COLOURS, PrincipalColours, colour_shift, jitter, mirror
from resnets.data.batches import PhotographBatch, PhotographBatches, Waits
from resnets.data.photograph_statistics import photograph_statistics
from resnets.data.photograph_stream import PhotographStream
from resnets.data.photographs import Photographs
from resnets.data.sources import data_home, open_photographs
from resnets.evaluation.protocols import PROTOCOLS
from resnets.evaluation.scores import Execution, photograph_scores
from resnets.files import say
from resnets.models.layouts import Weights
from resnets.preprocessing import Preprocessing
from resnets.ranks import rank, ranks


@dataclass(frozen=True)
class PhotographData:
    """The photographs of a run, and what was computed from the training photographs alone."""

    train: Photographs
    test: Photographs
    validation: Photographs | None
    preprocessing: Preprocessing
    colours: PrincipalColours
    """Along which the colour noise moves."""
    record: dict[str, Any]
    """Names, counts and hashes, as the run's record keeps them."""
    device: torch.device
    _waits: list[Waits] = field(default_factory=list)
    """Of the batches that are being trained on: one, or none before they have begun."""

    def batches(self, recipe: PhotographRecipe, step: int) -> Iterator[PhotographBatch]:
        """This rank's batches of iteration `step` and of those after it, loaded ahead."""
        sizes, size = partial(recipe.size_in, epoch_size=len(self.train)), recipe.batch_size // recipe.accumulate
        stream = PhotographStream(len(self.train), size, recipe.seed, recipe.augmentation, sizes, rank(), ranks())
        batches = PhotographBatches(self.train, stream, self.device)
        self._waits[:] = [batches.waits]
        yield from batches.start(step * recipe.accumulate)

    def inputs(self, recipe: PhotographRecipe, batch: PhotographBatch) -> tuple[Tensor, Tensor]:
        """The augmented images (batch, 3, size, size) and labels of a batch."""
        images = mirror(batch.images, batch.flip)
        images = self.normalise(jitter(images, batch.jitter) if recipe.jitter else images)
        if recipe.colour:
            images = images.add_((batch.colour @ self.per_move)[:, :, None, None])
        memory_format = torch.channels_last if recipe.channels_last else torch.contiguous_format
        return images.contiguous(memory_format=memory_format), batch.labels

    def scores(self, model: nn.Module, images: Photographs) -> Tensor:
        """Probabilities (N, classes) of the middles of photographs, float32, on the CPU: the protocol `single`."""
        protocol = PROTOCOLS["single"](self.preprocessing, (), False)
        execution = Execution(device=self.device)
        scores = photograph_scores(model, len(self.train.classes), self.preprocessing, images, protocol, execution)
        self.measures()  # the loader has not been waited for meanwhile
        return scores.probabilities

    @cached_property
    def normalise(self) -> Callable[[Tensor], Tensor]:
        """From raw images on the device to the network's input."""
        return self.preprocessing.normaliser(self.device)

    @cached_property
    def per_move(self) -> Tensor:
        """What is added to the input's channels for a move along each principal axis of colour, (3, 3)."""
        shift = colour_shift(torch.eye(3), self.colours)
        shift = shift.flip(1) if self.preprocessing.channels == "BGR" else shift
        shift = shift / torch.tensor(self.preprocessing.std)
        return shift.to(self.device)

    def measures(self) -> dict[str, float]:
        """`data_wait`: the part of the time since the last call that was spent waiting for data, in percent."""
        return {"data_wait": round(100 * self._waits[0].share(), 1)} if self._waits else {}


def load_photographs(recipe: PhotographRecipe, device: torch.device) -> PhotographData:
    """Opens the recipe's data, holds validation photographs out, and computes means and colours from the rest.

    ValueError, of one line, where there are no such data, one cannot be read, or training and test differ in classes.
    """
    train, test = open_photographs(recipe.data, "train"), open_photographs(recipe.data, "test")
    if train.classes != test.classes:
        raise ValueError(
            f"{recipe.data}: {len(train.classes)} classes to train on and {len(test.classes)} to test, "
            "they must be the same"
        )
    sets = set_apart(recipe, train, test)
    preprocessing, colours = _statistics(recipe, sets.train, sets.start)
    return PhotographData(sets.train, test, sets.validation, preprocessing, colours, sets.record, device)


def _statistics(
    recipe: PhotographRecipe, train: Photographs, start: Weights | None
) -> tuple[Preprocessing, PrincipalColours]:
    """What is subtracted and divided, and along what colours move: of the training photographs, or as it is given."""
    started = partial(
        expected_by, recipe, start, recipe.crop, recipe.test_side, train.classes, several_sizes=bool(recipe.sizes)
    )
    if recipe.as_started and (recipe.colours == "imagenet" or not recipe.colour):
        return started(), IMAGENET_COLOURS
    say(f"{recipe.data}: means and colours of {recipe.statistics_images or len(train):,} training photographs")
    cache = data_home() / "statistics"
    found = photograph_statistics(train, recipe.crop, recipe.test_side, recipe.statistics_images, cache=cache)
    mean = found.mean_image if recipe.normalisation == "pixel_mean" else found.mean
    std = found.std if recipe.normalisation == "channel_mean_std" else [1.0] * 3
    preprocessing = Preprocessing(crop=recipe.crop, resize=recipe.test_side, mean=mean, std=std, classes=train.classes)
    if recipe.as_started:
        preprocessing = started()
    return preprocessing, IMAGENET_COLOURS if recipe.colours == "imagenet" else found.colours
