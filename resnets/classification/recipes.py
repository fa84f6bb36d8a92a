"""Recipes for classification: functions that return a frozen record, by name.

    resnets train cifar10-resnet20            the paper's, on all 50,000 training images
    resnets train cifar10-resnet20-45k        5,000 of them held out as a validation set
    resnets train cifar10-resnet20-fast       one cycle, about ten minutes on two cores
    resnets train digits-resnet20             the handwritten digits, nothing to download

The paper: arXiv:1512.03385, section 4.2.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from resnets.models.catalog import ROWS, row
from resnets.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class ClassificationRecipe(Recipe):
    """A training run of a classifier of small images."""

    model: str
    """A name of the catalogue."""
    data: str
    """`digits`, `cifar10`, `cifar100`, or the path of a folder of pictures."""
    validation_images: int = 0
    """How many training images are held out, drawn by the seed."""
    normalisation: Literal["pixel_mean", "channel_mean_std"] = "pixel_mean"
    """Subtract the training images' mean at each pixel (the paper), or their channels' mean and divide by their std."""
    padding: int = 4
    """Zeros on each side of the normalised image before the random crop, in pixels."""
    flip: bool = True
    """Whether images are mirrored at random."""
    label_smoothing: float = 0.0

    def problems(self) -> list[str]:
        found = super().problems()
        try:
            row(self.model)
        except ValueError as error:
            found.append(f"model is {self.model!r}: {error}")
        found += [
            f"{f} is {getattr(self, f)}, allowed is 0 or more"
            for f in ("validation_images", "padding")
            if getattr(self, f) < 0
        ]
        if not 0 <= self.label_smoothing < 1:
            found.append(f"label_smoothing is {self.label_smoothing}, allowed is 0 to under 1")
        return found


# ---------------------------------------------------------------------------------------------------------------
# The paper's recipe


def cifar(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """The paper's recipe for its CIFAR nets: 64,000 iterations of 128 images, 0.1 divided by 10 at 32,000 and 48,000.

    Two cores with bf16: ResNet-20 about 2.3 hours. Expected on CIFAR-10: what Table 6 says, within half a point.
    """
    network = model.removeprefix("cifar_")
    return ClassificationRecipe(
        name=f"{data}-{network}",
        model=model,
        data=data,
        iterations=64_000,
        batch_size=128,
        lr=0.1,
        milestones=(32_000, 48_000),
        weight_decay=1e-4,
        # 110 layers: "we use 0.01 to warm up the training until the training error is below 80%"
        warmup_lr=0.01 if network.endswith("110") else None,
    )


def held_out(recipe: ClassificationRecipe) -> ClassificationRecipe:
    """The same on 45,000 images, validated on the other 5,000."""
    return replace(recipe, name=f"{recipe.name}-45k", validation_images=5_000)


# ---------------------------------------------------------------------------------------------------------------
# Others


def cifar10_resnet20_fast() -> ClassificationRecipe:
    """ResNet-20 on CIFAR-10 in about ten minutes on two cores with bf16. Expected: `EXPECTED_TEST_ERROR`."""
    return replace(
        cifar("cifar_resnet20"),
        name="cifar10-resnet20-fast",
        iterations=4_400,
        schedule="one-cycle",
        milestones=(),
        lr=0.2,
        nesterov=True,
        weight_decay=5e-4,
        normalisation="channel_mean_std",
        evaluate_every=1_100,
    )


def digits(model: str) -> ClassificationRecipe:
    """The handwritten digits: ten epochs of 1,297 images, a minute or less on two cores."""
    return ClassificationRecipe(
        name=f"digits-{model.removeprefix('cifar_')}",
        model=model,
        data="digits",
        iterations=200,
        batch_size=64,
        lr=0.1,
        schedule="one-cycle",
        weight_decay=1e-4,
        flip=False,  # a mirrored digit is another sign
        padding=2,
        log_every=20,
        evaluate_every=100,
        checkpoint_every=100,
    )


def folder(path: str) -> ClassificationRecipe:
    """A folder of small pictures, one sub-folder a class, as 32x32 images through ResNet-20."""
    return replace(
        cifar10_resnet20_fast(),
        name="folder-resnet20",
        data=path,
        iterations=2_000,
        batch_size=64,
        evaluate_every=500,
    )


CIFAR_NETS = [name for name in ROWS if name.startswith("cifar_")]

RECIPES: dict[str, Callable[[], ClassificationRecipe]] = {
    **{f"cifar10-{net.removeprefix('cifar_')}": partial(cifar, net) for net in CIFAR_NETS},
    **{f"cifar10-{net.removeprefix('cifar_')}-45k": lambda net=net: held_out(cifar(net)) for net in CIFAR_NETS},
    "cifar10-resnet20-fast": cifar10_resnet20_fast,
    **{f"digits-{net.removeprefix('cifar_')}": partial(digits, net) for net in CIFAR_NETS},
}


EXPECTED_TEST_ERROR = {"cifar10-resnet20-fast": (11.4, 12.6)}
"""Percent, lowest and highest: what the runs in `results/` showed over seeds, widened by what seeds differ."""


def expected_test_error(given: ClassificationRecipe) -> tuple[float, float] | None:
    """What a recipe is expected to reach; None where nobody has said, or where more than its seed is changed."""
    if given.name not in EXPECTED_TEST_ERROR or replace(given, seed=0) != recipe(given.name):
        return None
    return EXPECTED_TEST_ERROR[given.name]


def recipe(name: str) -> ClassificationRecipe:
    """The recipe called `name`; ValueError with all names where there is none."""
    if name not in RECIPES:
        raise ValueError(f"no recipe is called {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]()


# ---------------------------------------------------------------------------------------------------------------
# Departures

BOOKKEEPING = (
    "name",
    "seed",
    "data",
    "log_every",
    "evaluate_every",
    "checkpoint_every",
    "channels_last",
    "compile",
)
"""Fields that change where, how fast or on what a run takes place, not what the paper's recipe is."""


def departures(given: ClassificationRecipe, precision: str) -> list[str]:
    """Which of the paper's choices for this network a run departs from, the choice of the paper behind each."""
    paper = cifar(given.model)
    phrases = [
        f"{field}: {_text(getattr(given, field))} (paper: {_text(value)})"
        for field, value in paper.to_dict().items()
        if field not in (*BOOKKEEPING, "precision", "validation_images")
        and _text(getattr(given, field)) != _text(value)
    ]
    if given.data != "cifar10":
        phrases.insert(0, f"data: {given.data} (paper: cifar10)")
    if precision != "fp32":
        phrases.append(f"precision: {precision} (paper: fp32)")
    if row(given.model).input_size != 32:
        phrases.append(f"model: {given.model} is a network for {row(given.model).input_size}-pixel images")
    return phrases


def is_papers(phrases: list[str]) -> bool:
    """Whether a run with these departures is the paper's own recipe, whole: its figure may stand beside the paper's."""
    return all(phrase.startswith("precision:") for phrase in phrases)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple | list) else str(value)
