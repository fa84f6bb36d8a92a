"""What a recipe stands for: its data, network, batches, losses and evaluation, ready for the loop.

Images travel as uint8 and live on the device; normalising, cropping and flipping happen there, a batch at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from itertools import count as numbers
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.classification.recipe import ClassificationRecipe
from resnets.data.augment import BatchDraws, Stream, crop_flip
from resnets.data.images import ImageSet
from resnets.data.sources import data_home, open_data
from resnets.data.split import hold_out
from resnets.data.statistics import statistics
from resnets.evaluation.metrics import count
from resnets.evaluation.protocols import single_view
from resnets.files import say
from resnets.models.catalog import arguments, row
from resnets.models.factory import create_model
from resnets.models.fused_norm import fused
from resnets.native import Unavailable
from resnets.preprocessing import Preprocessing
from resnets.ranks import on_first, part
from resnets.runtime import autocast
from resnets.training.draws import GENERATOR
from resnets.training.parallel import held, parallel, synchronised


@dataclass(frozen=True)
class Data:
    """The images of a run, on its device, and what was computed from the training images alone."""

    train: ImageSet
    test: ImageSet
    validation: ImageSet | None
    preprocessing: Preprocessing
    record: dict[str, Any]
    """Names, counts and hashes, as the run's record keeps them."""


def load_data(recipe: ClassificationRecipe, device: torch.device) -> Data:
    """Reads the recipe's data, holds validation images out, and computes the normalisation from the rest."""
    size = row(recipe.model).input_size
    train, test = open_data(recipe.data, "train", size), open_data(recipe.data, "test", size)
    record: dict[str, Any] = {"name": recipe.data, "train": train.fingerprint, "test": test.fingerprint}
    validation = None
    if recipe.validation_images:
        kept, held, record["split"] = hold_out(len(train), recipe.validation_images, recipe.seed)
        train, validation = train.subset(kept), train.subset(held)
    record |= {
        "train_images": len(train),
        "test_images": len(test),
        "validation_images": recipe.validation_images,
    }
    mean, std = on_first(lambda: statistics(train, recipe.normalisation, data_home() / "statistics"))
    preprocessing = Preprocessing(crop=size, resize=size, mean=mean, std=std, classes=train.classes)
    on = device
    return Data(train.to(on), test.to(on), validation and validation.to(on), preprocessing, record)


class Classification:
    """One recipe on one device: the four things the loop is handed, and what they share."""

    def __init__(self, recipe: ClassificationRecipe, data: Data, device: torch.device, precision: str) -> None:
        self.recipe, self.data, self.device, self.precision = recipe, data, device, precision
        self.normalise = data.preprocessing.normaliser(device)
        with GENERATOR:
            torch.manual_seed(recipe.seed)
            model = create_model(recipe.model, len(data.train.classes), **recipe.changes).to(device)
        model = model.to(memory_format=torch.channels_last) if recipe.channels_last else model
        self.model = synchronised(model) if recipe.sync_bn else model

    def batches(self, step: int) -> Iterator[BatchDraws]:
        """Which images make this rank's batches of iteration `step` and of those after it, and how each is cut."""
        recipe = self.recipe
        size = recipe.batch_size // recipe.accumulate
        stream = Stream(len(self.data.train), size, recipe.seed, recipe.padding, recipe.flip)
        for number in numbers(step * recipe.accumulate):
            yield BatchDraws(*map(part, stream.batch(number))).to(self.device)

    def inputs(self, batch: BatchDraws) -> tuple[Tensor, Tensor]:
        """The augmented images (batch, 3, H, W) and labels of a batch."""
        recipe, train = self.recipe, self.data.train
        images = self.normalise(train.images[batch.indices])
        images = crop_flip(images, batch.top, batch.left, batch.flip, recipe.padding, recipe.padding_mode)
        memory_format = torch.channels_last if recipe.channels_last else torch.contiguous_format
        return images.contiguous(memory_format=memory_format), train.labels[batch.indices]

    def losses(self, batch: BatchDraws) -> dict[str, Tensor]:
        """Cross entropy, and the training error on the augmented images of this batch, in percent."""
        images, labels = self.inputs(batch)
        with autocast(self.device, self.precision):
            logits = self.network(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.label_smoothing)
        wrong = (logits.detach().argmax(1) != labels).float().mean()
        return {"loss": loss, "train_error": 100 * wrong}

    def evaluate(self) -> dict[str, float]:
        """Test error and, where images are held out, validation error: single view, float32, percent."""
        sets = {"validation_error": self.data.validation, "test_error": self.data.test}
        return {
            name: count(self.scores(images), images.labels).top1_error
            for name, images in sets.items()
            if images is not None
        }

    def scores(self, images: ImageSet) -> Tensor:
        """Probabilities (N, classes) of whole images, float32."""
        return single_view(self.model, images.images, self.normalise)

    @cached_property
    def shared(self) -> nn.Module:
        """The model, its gradients averaged over ranks."""
        recipe = self.recipe
        return parallel(self.model, leaves_out=bool(arguments(recipe.model, **recipe.changes).get("drop_path")))

    @cached_property
    def network(self) -> Callable[[Tensor], Tensor]:
        """The model as training calls it: on the fast path that the recipe asks for, where this machine has it."""
        if self.recipe.fused:
            return _fused(self.shared)
        return _compiled(self.shared) if self.recipe.compile else self.shared

    def hold(self) -> AbstractContextManager[Any]:
        """Within it gradients are added up on this rank and not yet averaged."""
        return held(self.shared)


def _fused(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """`model` with BN, addition and ReLU as one operation; where there is no kernel, a line says so."""
    try:
        with fused():
            pass
    except Unavailable as reason:
        say(f"fused operations are not to be had here, going on without them: {reason}")
        return model

    def call(images: Tensor) -> Tensor:
        with fused():
            return model(images)

    return call


def _compiled(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """`model` through torch.compile; if its first call fails, a line says so and the model is called as it is."""
    network: Callable[[Tensor], Tensor] = torch.compile(model)
    tried = False

    def call(images: Tensor) -> Tensor:
        nonlocal network, tried
        if not tried:
            tried = True
            try:
                return network(images)  # compiles first, so a failure has computed nothing yet
            except Exception as error:
                reason = next(iter(str(error).splitlines()), type(error).__name__)
                say(f"torch.compile does not work here, going on without it: {reason}")
                network = model
        return network(images)

    return call
