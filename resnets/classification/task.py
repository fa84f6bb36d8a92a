"""What a recipe stands for: its network, batches, losses and evaluation, ready for the loop.

What its images are, and what is done to them, its data know: `small_data`, `photograph_data`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property, partial
from itertools import chain, islice, repeat
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.classification.data import Data
from resnets.classification.linear import begin_linear
from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.start import first_network
from resnets.data.images import ImageSet
from resnets.data.mixup import Mixed, mixup, shares
from resnets.data.photographs import Photographs
from resnets.evaluation.metrics import count
from resnets.files import say
from resnets.models.batch_statistics import estimate_anew
from resnets.models.catalog import arguments
from resnets.models.fused_norm import fused
from resnets.models.rounded import rounded
from resnets.native import Unavailable
from resnets.runtime import autocast
from resnets.training.average import ALONE, Alone, Average
from resnets.training.draws import GENERATOR
from resnets.training.parallel import average_statistics, held, parallel, synchronised
from resnets.watch import awaited


class Mixing(NamedTuple):
    """A batch of the data, and the share in which its images are mixed."""

    batch: Any
    share: Tensor


class Classification:
    """One recipe on one device: what the loop is handed, and what that shares."""

    def __init__(self, recipe: ClassifierRecipe, data: Data, device: torch.device, precision: str) -> None:
        self.recipe, self.data, self.device, self.precision = recipe, data, device, precision
        with GENERATOR:
            torch.manual_seed(recipe.seed)
            self.beginning = first_network(recipe, data.train.classes)
        model = self.beginning.model.to(device)
        model = model.to(memory_format=torch.channels_last) if recipe.channels_last else model
        self.model = synchronised(model) if recipe.sync_bn else model
        self.class_weights = _class_weights(data.train).to(device) if recipe.balance == "weights" else None
        self.average: Alone | Average = Average(self.model, recipe.ema) if recipe.ema else ALONE
        """What goes along with the network, is tested in its place, and takes it in the end."""

    def begin(self) -> None:
        """Before the first iteration: what is fitted to the training images, and not trained."""
        if self.recipe.classifier == "fitted":
            begin_linear(self.model, self.beginning.brought, self.recipe, self.data)
            self.average.restore(self.model.state_dict())

    def batches(self, step: int) -> Iterator[Any]:
        """What makes this rank's batches of iteration `step` and of those after it, `accumulate` of them in each."""
        recipe, batches = self.recipe, self.data.batches(self.recipe, step)
        if not recipe.mixup:
            return batches
        each = (repeat(share, recipe.accumulate) for share in shares(recipe.mixup, recipe.seed, step))
        drawn = (torch.full((), share, device=self.device) for share in chain.from_iterable(each))
        return map(Mixing, batches, drawn)

    def inputs(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The augmented images (batch, 3, H, W) and labels of a batch of the data, not mixed."""
        return self.data.inputs(self.recipe, batch)

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Cross entropy, and the training error on the augmented images of this batch, in percent.

        Where images are mixed, each counts for both of its labels, by their shares.
        """
        if isinstance(batch, Mixing):
            return self._mixed_losses(mixup(*self.inputs(batch.batch), batch.share))
        images, labels = self.inputs(batch)
        logits = self._logits(images)
        return {"loss": self._cross_entropy(logits, labels), "train_error": _error(logits, labels)}

    def _mixed_losses(self, mixed: Mixed) -> dict[str, Tensor]:
        logits, share = self._logits(mixed.images), mixed.share
        loss = share * self._cross_entropy(logits, mixed.labels)
        loss = loss + (1 - share) * self._cross_entropy(logits, mixed.others)
        error = share * _error(logits, mixed.labels) + (1 - share) * _error(logits, mixed.others)
        return {"loss": loss, "train_error": error}

    def _logits(self, images: Tensor) -> Tensor:
        with autocast(self.device, self.precision):
            return self.network(images).float()

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing, weights = self.recipe.label_smoothing, self.class_weights
        if weights is None:
            return F.cross_entropy(logits, labels, label_smoothing=smoothing)
        losses = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
        return (weights[labels] * losses).mean()  # not over the weights of the batch: their sum differs among batches

    def evaluate(self) -> dict[str, float]:
        """Test error and, where images are held out, validation error: single view, float32, percent."""
        sets = {"validation_error": self.data.validation, "test_error": self.data.test}
        with self.average.applied():
            return {
                name: count(self.scores(images), images.labels).top1_error
                for name, images in sets.items()
                if images is not None
            }

    def measures(self) -> dict[str, float]:
        """What else stands in a row of the journal."""
        return self.data.measures()

    def scores(self, images: ImageSet | Photographs) -> Tensor:
        """Probabilities (N, classes) of whole images, float32."""
        return self.data.scores(self.model, images)

    def settle(self) -> bool:
        """Training is over: the average, where there is one, becomes the network; BN's statistics are estimated anew.

        For these batches come that would have come next, unmixed, in full precision. Returns whether that was asked
        for: what `evaluate` said before is no longer so.
        """
        self.average.settle()
        self.average = ALONE
        if self.recipe.bn_batches:
            wanted = self.recipe.bn_batches * self.recipe.accumulate
            batches = islice(awaited(self.data.batches(self.recipe, self.recipe.iterations)), wanted)
            estimate_anew(self.model, (self.inputs(batch)[0] for batch in batches))
            average_statistics(self.model)
        return self.recipe.bn_batches > 0

    @cached_property
    def shared(self) -> nn.Module:
        """The model, its gradients averaged over ranks."""
        recipe = self.recipe
        return parallel(self.model, leaves_out=bool(arguments(recipe.model, **recipe.changes).get("drop_path")))

    @cached_property
    def network(self) -> Callable[[Tensor], Tensor]:
        """The model as training calls it: on the fast path that the recipe asks for, where this machine has it."""
        network: Callable[[Tensor], Tensor] = self.shared
        if self.recipe.capture and self.precision == "bf16":
            network = partial(rounded, self.shared)
        if self.recipe.fused:
            return _fused(network, self.device.type)
        return _compiled(network) if self.recipe.compile else network

    def hold(self) -> AbstractContextManager[Any]:
        """Within it gradients are added up on this rank and not yet averaged."""
        return held(self.shared)


def _class_weights(train: Any) -> Tensor:
    """(classes,) inverse to how many training images each class has, 1 on average over the images; 0 without any."""
    counts = torch.bincount(train.labels.cpu(), minlength=len(train.classes)).float()
    there = counts > 0
    return torch.where(there, counts.sum() / (there.sum() * counts.clamp(min=1)), torch.zeros(()))


def _error(logits: Tensor, labels: Tensor) -> Tensor:
    """In percent."""
    return 100 * (logits.detach().argmax(1) != labels).float().mean()


def _fused(model: Callable[[Tensor], Tensor], device: str) -> Callable[[Tensor], Tensor]:
    """`model` with BN, addition and ReLU as one operation; where there is no kernel, a line says so."""
    try:
        with fused(device):
            pass
    except Unavailable as reason:
        say(f"fused operations are not to be had here, going on without them: {reason}")
        return model

    def call(images: Tensor) -> Tensor:
        with fused(device):
            return model(images)

    return call


def _compiled(model: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
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
