"""How the papers train their networks for 32x32 images: one function a paper, which says what it changes in ResNet's.

    resnets train cifar10-preact_resnet164     any of these nets: `cifar10-` or `cifar100-`, and its name
    resnets train --list                       all of them, their lengths, and how their papers report

A GPU is meant: on two cores the smallest nets take hours, most take days.

Choices that hold for all, where the papers are silent: weight decay as `Recipe.decay` says. A schedule in epochs is one
in iterations over the images that are trained on (`epochs`); no batch is short. Our errors are always those of the last
iteration; which ones a paper's tables have is said in `Paper.reports`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from resnets.classification.recipe import ClassificationRecipe, ClassifierRecipe

MakeRecipe = Callable[[str, str], ClassifierRecipe]
"""(model, data) -> the recipe."""


def epochs(count: int, batch_size: int = 128, images: int = 50_000) -> int:
    """The iterations in which `count` epochs of `images` are seen, up to a whole one: 500 of 45,000 are 175,782."""
    return -(-count * images // batch_size)


def _in_epochs(total: int, *milestones: int, batch_size: int = 128, images: int = 50_000) -> dict[str, Any]:
    """The fields of a schedule that a paper gives in epochs."""
    length = partial(epochs, batch_size=batch_size, images=images)
    return {"iterations": length(total), "milestones": tuple(map(length, milestones)), "batch_size": batch_size}


# ---------------------------------------------------------------------------------------------------------------
# Recipes


def resnet(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """64,000 iterations of 128 images, 0.1 divided by 10 at 32,000 and 48,000 (arXiv:1512.03385, section 4.2).

    Two cores with bf16: ResNet-20 about 2.3 hours. Expected on CIFAR-10: what Table 6 says, within half a point.
    """
    return ClassificationRecipe(
        name=f"{data}-{model.removeprefix('cifar_')}",
        model=model,
        data=data,
        iterations=64_000,
        batch_size=128,
        lr=0.1,
        milestones=(32_000, 48_000),
        weight_decay=1e-4,
        # 110 layers: "we use 0.01 to warm up the training until the training error is below 80%"
        warmup_lr=0.01 if model in ("cifar_resnet110", "cifar_plain110") else None,
    )


def resnet_45k(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """ResNet's on 45,000 images, validated on the other 5,000: the other reading of section 4.2."""
    return replace(resnet(model, data), validation_images=5_000)


def identity_mappings(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """ResNet's, with 0.01 for the first 400 iterations of every net (arXiv:1603.05027, appendix)."""
    return replace(resnet(model, data), warmup_lr=0.01, warmup_iterations=400)


def identity_mappings_batch64(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """The released code instead of the paper's: batches of 64, and all else as fb.resnet.torch has it.

    Source of the command, and of the error 4.62: README of KaimingHe/resnet-1k-layers.
    """
    return replace(
        resnet(model, data),
        **_in_epochs(200, 81, 122, batch_size=64),
        initialisation="fan_out",
        nesterov=True,
        decay="all",
        normalisation="channel_mean_std",
    )


def stochastic_depth(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """500 epochs of 45,000 images, 300 for 1,202 layers with 10 at 0.01 before (arXiv:1603.09382, section 4).

    Mean and std, as in the released code.
    """
    deepest = "1202" in model
    lengths = (300, 150, 225) if deepest else (500, 250, 375)
    return replace(
        resnet(model, data),
        **_in_epochs(*lengths, images=45_000),
        validation_images=5_000,
        nesterov=True,
        normalisation="channel_mean_std",
        warmup_lr=0.01 if deepest else None,
        warmup_iterations=epochs(10, images=45_000) if deepest else None,
    )


def constant_depth(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """The same network with all of its blocks in every iteration: the baseline of stochastic depth."""
    return replace(stochastic_depth(model, data), changes={"drop_path": 0.0})


def wide(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """200 epochs, 0.1 times 0.2 at 60, 120 and 160, five times ResNet's weight decay (arXiv:1605.07146, section 3).

    Mean and std, as for Tables 5, 6 and 9. Those before them were made with ZCA whitening, which is not built here.
    """
    return replace(
        resnet(model, data),
        **_in_epochs(200, 60, 120, 160),
        lr_factor=0.2,
        nesterov=True,
        weight_decay=5e-4,
        normalisation="channel_mean_std",
        padding_mode="reflect",
    )


def wide_dropout(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """Dropout of 0.3 between the two convolutions of each block (section 2.4)."""
    return replace(wide(model, data), changes={"dropout": 0.3})


def resnext(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """300 epochs, 0.1 divided by 10 at 150 and 225 (arXiv:1611.05431, section 5.3).

    Nesterov's momentum, mean and std as in the released code; the paper names neither.
    """
    return replace(
        resnet(model, data),
        **_in_epochs(300, 150, 225),
        nesterov=True,
        weight_decay=5e-4,
        normalisation="channel_mean_std",
    )


def rir(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """82 epochs in batches of 500, 0.1 divided by 10 at 42 and 62 (arXiv:1603.08029); all else as ResNet's."""
    return replace(resnet(model, data), **_in_epochs(82, 42, 62, batch_size=500))


def ror(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """500 epochs, 0.1 divided by 10 at 250 and 375 (arXiv:1608.02908), on all 50,000 images.

    What is not known of it here is taken from stochastic depth: Nesterov's momentum, mean and std.
    """
    return replace(
        resnet(model, data),
        **_in_epochs(500, 250, 375),
        nesterov=True,
        normalisation="channel_mean_std",
    )


def ror_sd(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """With stochastic depth, down to 0.5: the rows "+SD" of its tables. RoR-3-WRN58-4 has it from the catalogue."""
    return replace(ror(model, data), changes={"drop_path": 0.5})


# ---------------------------------------------------------------------------------------------------------------
# Papers


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One paper: which nets are its own, how it trains them, and what it reports."""

    title: str
    nets: str
    """A regular expression of their names in the catalogue."""
    recipe: MakeRecipe
    readings: tuple[MakeRecipe, ...] = ()
    """Other ways in which what it says of its recipe can be read: a run is held against the one that comes nearest."""
    variants: dict[str, tuple[str, MakeRecipe]] = field(default_factory=dict)
    """Other recipes of the paper: the suffix of their names, a regular expression of the nets, the recipe."""
    reports: str
    """Which of its errors stand in its tables."""
    data: tuple[str, ...] = ("cifar10", "cifar100")
    silent: tuple[str, ...] = ("validation_images",)
    """Fields that it does not state, or that can be read both ways: a run departs from nothing there."""
    always: str | None = None
    """What every run of its nets departs in: a choice of the paper that is not built, or not known here."""


STOCHASTIC_DEPTH = Paper(
    title="Deep Networks with Stochastic Depth",
    nets=r"cifar_resnet\d+_sd",
    recipe=stochastic_depth,
    variants={"constant-depth": (r"cifar_resnet\d+_sd", constant_depth)},
    reports="one run, at the epoch of the lowest validation error",
    silent=(),
)
IDENTITY_MAPPINGS = Paper(
    title="Identity Mappings in Deep Residual Networks",
    nets=r"cifar_preact_resnet\d+|cifar_resnet(164|1001)|cifar_resnet\d+_\w+",
    recipe=identity_mappings,
    variants={"batch64": ("cifar_preact_resnet1001", identity_mappings_batch64)},
    reports="the median of five runs",
)
WIDE = Paper(
    title="Wide Residual Networks",
    nets=r"cifar_wrn_\d+_\d+",
    recipe=wide,
    variants={"dropout": (r"cifar_wrn_\d+_\d+", wide_dropout)},
    reports="the median of five runs",
)
WIDE_WHITENED = replace(
    WIDE,
    nets=r"cifar_wrn_(16_10|22_8|22_10|28_12|40_1|40_2|40_8|\d+_2_[bl]\d+)",
    reports="not known here",
    always="normalisation: channel_mean_std (paper: ZCA whitening, for this network)",
)
RESNEXT = Paper(
    title="Aggregated Residual Transformations for Deep Neural Networks",
    nets=r"cifar_resnext\d+_\d+x\d+d",
    recipe=resnext,
    reports="the mean of ten runs",
    silent=(),  # 50,000 training images
)
RIR = Paper(
    title="Resnet in Resnet",
    nets=r"cifar_rir\d+_wide",
    recipe=rir,
    reports="not known here",
)
ROR = Paper(
    title="Residual Networks of Residual Networks",
    nets=r"cifar_(pre)?ror3_\w+",
    recipe=ror,
    variants={"sd": (r"cifar_(pre)?ror3_(110|164|wrn_40_\d)", ror_sd)},
    reports="not known here",
)
HIGHWAY = Paper(
    title="Highway Networks",
    nets=r"cifar_highway\d+",
    recipe=resnet,
    reports="the best of several runs, mean and deviation beside it",
    always="recipe: ResNet's (paper: its schedule is not known here)",
)
RESNET = Paper(
    title="Deep Residual Learning for Image Recognition",
    nets=r"cifar_(resnet|plain)\d+",
    recipe=resnet,
    variants={"45k": (r"cifar_(resnet|plain)\d+", resnet_45k)},
    reports="one run; for 110 layers the best of five, mean and deviation beside it",
    data=("cifar10",),
)
PAPERS = (STOCHASTIC_DEPTH, IDENTITY_MAPPINGS, WIDE_WHITENED, WIDE, RESNEXT, RIR, ROR, HIGHWAY, RESNET)
"""The first whose `nets` match a network is its paper."""


def paper_of(model: str) -> Paper:
    """The paper whose own network `model` is; ResNet's for any other network."""
    return next((paper for paper in PAPERS if re.fullmatch(paper.nets, model)), RESNET)


def paper_recipe(model: str, data: str = "cifar10") -> ClassificationRecipe:
    """How `model` is trained in its own paper."""
    made = paper_of(model).recipe(model, data)
    assert isinstance(made, ClassificationRecipe)
    return made
