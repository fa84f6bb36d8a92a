"""The record of a training run of a classifier: what `training.recipe` has, and its network, data and losses.

What is done to images differs between small ones, that live on the device whole (`ClassificationRecipe`, here), and
photographs (`photograph_recipe`).
"""

import math
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal

from resnets.models.catalog import arguments, drops_by_the_batch, row, skeleton
from resnets.models.stages import below
from resnets.training.recipe import PLAIN, Recipe


@dataclass(frozen=True, kw_only=True)
class ClassifierRecipe(Recipe):
    """A training run of a classifier, whatever its images are."""

    model: str
    """A name of the catalogue."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Arguments in which the network differs from its row of the catalogue: `changes.shortcut=B`."""
    data: str
    """A name or a path: what `resnets.data.sources` opens."""
    validation_images: int = 0
    """How many training images are held out, drawn by the seed."""
    initialisation: Literal["fan_in", "fan_out"] = "fan_in"
    """Variance of new convolutions' weights: 2 over the inputs of an output, or 2 over the outputs and the kernel."""
    start: str | None = None
    """Where the weights are from that the network begins with: whatever `find_weights` takes; none: new ones."""
    frozen: str | None = None
    """The last stage that stands still, such as "stage2", with all below it; none: every layer is trained."""
    classifier: Literal["new", "fitted"] = "new"
    """What follows a start of other classes: a classifier that says nothing yet, or one fitted to the start's features,
    a logistic regression (`classification.linear`)."""
    balance: Literal["none", "weights"] = "none"
    """"weights": an image's loss weighs the more, the fewer training images its class has: classes count alike."""
    flip: bool = True
    """Whether images are mirrored at random."""
    label_smoothing: float = 0.0
    mixup: float = 0.0
    """Both parameters of the Beta distribution of the shares in which images are mixed (`data.mixup`); 0: never."""
    bn_batches: int = 0
    """Over how many training batches BN's statistics are averaged in the end; 0: they are those of training."""

    @property
    def as_started(self) -> bool:
        """Whether pictures are normalised as the start's weights expect it."""
        return getattr(self, "normalisation", None) == "start"

    def problems(self) -> list[str]:
        found = super().problems()
        try:
            row(self.model)
        except ValueError as error:
            found.append(f"model is {self.model!r}: {error}")
        else:
            found += (refused := _refused(self.model, self.changes))
            if self.capture and not refused and drops_by_the_batch(self.model, self.changes):
                found.append("capture is True, allowed with drop_per sample only: a graph always does the same units")
        found += [
            f"{f} is {getattr(self, f)}, allowed is 0 or more"
            for f in ("validation_images", "bn_batches")
            if getattr(self, f) < 0
        ]
        if self.start is None and (self.frozen or self.lower_lr != 1):
            found.append("frozen or lower_lr is given, allowed with a start only")
        if self.start is None and self.classifier == "fitted":
            found.append("classifier is fitted, allowed with a start only")
        if self.frozen and self.bn_batches:
            found.append("bn_batches is given, allowed without frozen only: what stands still keeps its statistics")
        if self.frozen and not found and self.frozen not in (stages := below(self.model, **self.changes)):
            found.append(f"frozen is {self.frozen!r}, allowed are {', '.join(stages)}, or none")
        if self.start is None and self.as_started:
            found.append("normalisation is start, allowed with a start only")
        if not 0 <= self.label_smoothing < 1:
            found.append(f"label_smoothing is {self.label_smoothing}, allowed is 0 to under 1")
        if not 0 <= self.mixup < math.inf:
            found.append(f"mixup is {self.mixup}, allowed is a finite number from 0")
        if self.mixup and self.accumulate > 0 and self.batch_size % (least := 2 * self.accumulate):
            given = f"accumulate {self.accumulate} and mixup, which is of pairs,"
            found.append(f"batch_size is {self.batch_size}, allowed with {given} are multiples of {least}")
        if self.schedule == "plateau" and self.plateau_error == "validation_error" and not self.validation_images:
            found.append(
                "plateau_error is validation_error, allowed with validation_images only (or plateau_error=train_error)"
            )
        return found


@dataclass(frozen=True, kw_only=True)
class ClassificationRecipe(ClassifierRecipe):
    """A training run of a classifier of small images; `data` is `digits`, `cifar10`, `cifar100`, or a folder."""

    normalisation: Literal["pixel_mean", "channel_mean", "channel_mean_std", "start"] = "pixel_mean"
    """Subtract the training images' mean at each pixel (ResNet) or in each channel, or the latter and divide by the
    channels' std; or what the weights of `start` expect."""
    padding: int = 4
    """How far the normalised image is padded on each side before the random crop, in pixels."""
    padding_mode: Literal["zeros", "reflect"] = "zeros"
    """With zeros, or with the image mirrored at its edge."""

    def problems(self) -> list[str]:
        found = super().problems()
        if self.padding < 0:
            found.append(f"padding is {self.padding}, allowed is 0 or more")
        with suppress(ValueError):  # an unknown model has been found already
            size = row(self.model).input_size
            if self.padding_mode == "reflect" and self.padding >= size:
                found.append(f"padding is {self.padding}, allowed with padding_mode reflect is 0 to {size - 1}")
        return found


def _refused(model: str, changes: dict[str, Any]) -> list[str]:
    """What is wrong with `changes`: names the network does not know, values that are none, values it does not allow."""
    known = {name: usual for name, usual in arguments(model).items() if type(usual) in PLAIN}
    near = {name: get_close_matches(name, known, n=1) for name in changes if name not in known}
    others = f"{model} can change {', '.join(known)}"
    found = [f"unknown field 'changes.{n}' ({f'did you mean {m[0]!r}?' if m else others})" for n, m in near.items()]
    given = {name: value for name, value in changes.items() if name in known}
    odd = {name: value for name, value in given.items() if not _comparable(value, known[name])}
    found += [f"changes.{name} is {value!r}, allowed is a finite number" for name, value in odd.items()]
    asked = {name: value for name, value in given.items() if name not in odd}
    if asked and (together := _error(model, **asked)):
        apart = (_error(model, **{name: value}) for name, value in asked.items())
        found += [f"changes: {error}" for error in apart if error] or [f"changes: {together}"]
    return found


def _comparable(value: Any, usual: Any) -> bool:
    """Whether the network can be asked about `value`: it is finite, and no word where a number belongs."""
    if isinstance(value, float):
        return math.isfinite(value)
    return type(usual) not in (int, float) or not isinstance(value, str | bool)


@lru_cache(typed=True)  # a recipe is checked whenever it is replaced, and the deepest nets take seconds
def _error(model: str, /, **changes: Any) -> str | None:
    """Why the network cannot be built with these changes; None where it can."""
    try:
        skeleton(model, **changes)
    except ValueError as error:
        return str(error)
    except TypeError as error:  # its own check was not made for such a value
        return f"{', '.join(f'{name} is {value!r}' for name, value in changes.items())}: {error}"
    return None
