"""What a network begins with: weights trained before, whole or in part, a new classifier, layers that stand still."""

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, cast

from torch import Tensor, nn

from resnets.classification.recipe import ClassifierRecipe
from resnets.models.blocks import Unit, to_fan_out
from resnets.models.catalog import skeleton
from resnets.models.factory import classifier_of, create_model, find_weights
from resnets.models.layouts import Weights
from resnets.models.stages import below, parts_of
from resnets.models.stochastic_depth import is_residual
from resnets.preprocessing import Preprocessing


@dataclass(frozen=True)
class Beginning:
    """A network as training finds it."""

    model: nn.Module
    changes: dict[str, Any]
    """The arguments in which it differs from its row of the catalogue, those that the weights bring included."""
    brought: frozenset[str] = frozenset()
    """The parameters that the weights brought, by name."""

    @property
    def text(self) -> str:
        """How much the weights brought, and in which parts something is new."""
        names = [name for name, _ in self.model.named_parameters()]
        new = Counter(name.partition(".")[0] for name in names if name not in self.brought)
        parts = ", ".join(f"{part} ({count})" for part, count in new.items())
        still = sum(not parameter.requires_grad for parameter in self.model.parameters())
        return (
            f"{len(self.brought)} of {len(names)} tensors begin with what the start brought, {still} of them stand "
            f"still; new: {parts or 'none'}"
        )


def read_start(recipe: ClassifierRecipe) -> Weights | None:
    """The weights of `recipe.start`, that may lack tensors; ValueError, of one line, where they cannot be had."""
    return None if recipe.start is None else find_start(recipe.model, recipe.start)


def find_start(model: str, start: str) -> Weights:
    """The weights called `start`, that may lack tensors of `model`, but not what BN needs to make use of the others.

    ValueError, of one line, where they cannot be had, or have scales of a BN without its statistics.
    """
    found = find_weights(model, start, partial=True)
    norms = {name.rpartition(".")[0] for name in found.missing if name.endswith((".running_mean", ".running_var"))}
    if half := sorted(norm for norm in norms if f"{norm}.weight" in found.state):
        raise ValueError(
            f"{start}: has the parameters of {half[0]} but not its statistics (running_mean, running_var), "
            f"without which nobody knows what the layers above were trained on; so of {len(half)} layers"
        )
    return found


def start_record(weights: Weights | None) -> dict[str, Any]:
    """What the record of a run says of its start, {} without one: a digest, so that it goes on with the same only."""
    if weights is None:
        return {}
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.state.items()):
        digest.update(name.encode() + b"\0" + str(tensor.dtype).encode() + b"\0")
        digest.update(tensor.detach().contiguous().reshape(-1).float().numpy().data)
    return {"start": digest.hexdigest()}


def expected_by(
    recipe: ClassifierRecipe,
    weights: Weights | None,
    crop: int,
    resize: int,
    classes: tuple[str, ...],
    several_sizes: bool = False,
) -> Preprocessing:
    """What the weights of the start expect of a picture: mean, std and order of channels, for another crop and classes.

    `several_sizes`: in training images are of others too, which no mean image fits. ValueError where nobody says what
    they expect.
    """
    expected = weights and weights.preprocessing
    if expected is None:
        raise ValueError(
            f"normalisation is start, but the weights of {recipe.start} do not say what they expect; "
            "normalisation=channel_mean_std takes mean and std of the pictures"
        )
    if expected.crop != crop or several_sizes:
        expected = expected.with_channel_mean()
    return replace(expected, crop=crop, resize=resize, classes=classes)


def first_network(recipe: ClassifierRecipe, classes: tuple[str, ...]) -> Beginning:
    """The network of `recipe` for `classes`, with new parameters but for those that its start brings.

    The classifier is new, unless the weights are of the same classes; what is new begins quietly. ValueError where the
    start cannot be had, is of another network, or lacks what is to stand still.
    """
    weights = read_start(recipe)
    if weights is None:
        new = create_model(recipe.model, len(classes), **recipe.changes)
        if recipe.initialisation == "fan_out":
            to_fan_out(new.modules())
        return Beginning(new, recipe.changes)
    if weights.preprocessing is None or weights.preprocessing.classes != classes:
        weights = _without_classifier(weights)
    # As if whole: what is new, `text` says.
    model: Any = create_model(
        recipe.model, weights=replace(weights, missing=(), num_classes=len(classes)), **recipe.changes
    )
    brought = frozenset(name for name, _ in model.named_parameters() if name in weights.state)
    if recipe.initialisation == "fan_out":
        to_fan_out(layer for name, layer in model.named_modules() if f"{name}.weight" not in brought)
    _quieten(model, brought)
    _hold(model, recipe, brought)
    return Beginning(model, model.changes, brought)


def _without_classifier(weights: Weights) -> Weights:
    head = f"{classifier_of(skeleton(weights.model, weights.num_classes, **weights.changes))}."
    state = {name: tensor for name, tensor in weights.state.items() if not name.startswith(head)}
    return replace(weights, state=state)


def _quieten(model: nn.Module, brought: frozenset[str]) -> None:
    """A new classifier and the last layers of new residual branches begin at zero: nothing is said before it is learnt.

    With classifiers of random weights the first gradients would be large, and spoil what was brought. Of branches it is
    Goyal et al. 2017 (arXiv:1706.02677, section 5.1): each new unit begins as its shortcut.
    """
    new = {name.removesuffix(".weight") for name, _ in model.named_parameters() if name not in brought}
    silent = [classifier_of(model)]
    for name, unit in model.named_modules():
        if isinstance(unit, Unit) and is_residual(unit) and not unit.holds_units:
            silent += [f"{name}.{own}" for own, layer in unit.named_children() if own != "downsample" and _has(layer)][
                -1:
            ]
    for name in new.intersection(silent):
        nn.init.zeros_(cast(Tensor, model.get_submodule(name).weight))


def _has(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d | nn.BatchNorm2d)


def _hold(model: nn.Module, recipe: ClassifierRecipe, brought: frozenset[str]) -> None:
    """The modules up to `recipe.frozen` stand still: no gradients, and in inference mode, BN's statistics too.

    Whatever changes the mode of the network puts it back module by module (`models.modes`).
    """
    if recipe.frozen is None:
        return
    lower = below(recipe.model, **recipe.changes)[recipe.frozen]
    if lacking := sorted(lower - brought):
        raise ValueError(f"frozen is {recipe.frozen!r}, but the start lacks {lacking[0]}, which would never be trained")
    for part in parts_of(model, lower):
        part.requires_grad_(False).eval()


def last_whole_map(recipe: ClassifierRecipe, brought: frozenset[str]) -> str | None:
    """The highest map of `forward_features` that depends on nothing but what a start brought; None where none does."""
    maps = [name for name, needed in below(recipe.model, **recipe.changes).items() if needed <= brought]
    return maps[-1] if maps else None
