"""How the papers train their networks for photographs: one function a paper, which says what it changes in ResNet's.

    resnets train imagenet-resnet50                     the paper's: 600,000 iterations of 256, in fixed steps
    resnets train imagenet-resnet50-plateau             the same, divided by 10 when the error stops falling
    resnets train imagenet-resnet50-modern              what brings these networks furthest; it lists its departures
    resnets train imagenet-resnet50 data=PATH           on other photographs, of any layout of docs/data.md

All this is meant for ImageNet and GPUs: ResNet-50 sees 154 million images. Choices that hold for all, where the papers
are silent: weight decay as `Recipe.decay` says; the mean image and the principal colours are those of the training
photographs, looked at as in testing.
"""

import re
from dataclasses import replace
from typing import Any

from resnets.classification import papers
from resnets.classification.papers import Paper
from resnets.classification.photograph_recipe import PhotographRecipe

IMAGES = 1_281_167
"""Training images of ILSVRC-2012."""
_HELD_OUT = 10_000


def epochs(count: int) -> int:
    """The iterations of 256 images in which `count` epochs of ImageNet are seen: 30 are 150,137."""
    return papers.epochs(count, 256, IMAGES)


# ---------------------------------------------------------------------------------------------------------------
# Recipes


def resnet(model: str, data: str = "imagenet") -> PhotographRecipe:
    """600,000 iterations of 256 images, 0.1 divided by 10 at 150,000 and 300,000 (arXiv:1512.03385, section 3.4).

    "When the error plateaus", says the text; Figure 4 shows where that was. BN's statistics are averaged in the end, as
    those of the released networks are; over how many images they do not say, here 51,200. Expected on ImageNet: what
    Tables 2 to 4 say.
    """
    return PhotographRecipe(
        name=f"imagenet-{model}",
        model=model,
        data=data,
        iterations=600_000,
        batch_size=256,
        lr=0.1,
        milestones=(150_000, 300_000),
        weight_decay=1e-4,
        bn_batches=200,
        evaluate_every=5_000,
    )


def resnet_plateau(model: str, data: str = "imagenet") -> PhotographRecipe:
    """The learning rate divided by 10 when the error on 10,000 held-out training images has stopped falling.

    The paper does not say which error it was. That of the test set is not looked at here; `plateau_error=train_error
    validation_images=0` takes that of the batches, and holds nothing out.
    """
    return replace(resnet(model, data), schedule="plateau", milestones=(), validation_images=_HELD_OUT)


def identity_mappings(model: str, data: str = "imagenet") -> PhotographRecipe:
    """ResNet's, divided by 10 at 30 and 60 epochs (arXiv:1603.05027, section 5); 90 in all, which it does not state."""
    return replace(resnet(model, data), iterations=epochs(90), milestones=(epochs(30), epochs(60)))


def fb_resnet(model: str, data: str = "imagenet") -> PhotographRecipe:
    """90 epochs, divided by 10 at 30 and 60; GoogLeNet's cuts, colours varied (github.com/facebook/fb.resnet.torch).

    Its fully connected layer is drawn as Torch draws it; here, as everywhere, as convolutions are by fan-in.
    """
    return replace(
        identity_mappings(model, data),
        initialisation="fan_out",
        nesterov=True,
        decay="all",
        view="area",
        normalisation="channel_mean_std",
        jitter=0.4,
        colours="imagenet",
        bn_batches=0,
    )


def resnext(model: str, data: str = "imagenet") -> PhotographRecipe:
    """100 epochs, divided by 10 at 30, 60 and 90, all else as fb.resnet.torch has it (arXiv:1611.05431, section 4)."""
    milestones = tuple(map(epochs, (30, 60, 90)))
    return replace(fb_resnet(model, data), iterations=epochs(100), milestones=milestones)


def vgg(model: str, data: str = "imagenet") -> PhotographRecipe:
    """370,000 iterations, 0.01 divided by 10 when the validation error stops falling (arXiv:1409.1556, section 3)."""
    return replace(
        resnet_plateau(model, data),
        iterations=370_000,
        lr=0.01,
        weight_decay=5e-4,
        shorter_side=(256, 512),
        normalisation="channel_mean",
        bn_batches=0,
    )


def modern(model: str, data: str = "imagenet") -> PhotographRecipe:
    """200 epochs along a cosine, after 5 of warm-up; GoogLeNet's cuts, smoothed labels, mixup; the weights averaged.

    Cosine, smoothing, mixup and their strengths: arXiv:1812.01187. Averaged weights: arXiv:1512.00567. Inputs that grow
    from 128 to 224 pixels: arXiv:2104.00298. VGG, which has no BN, keeps its learning rate. No figure is promised.
    """
    return replace(
        resnet(model, data),
        iterations=epochs(200),
        schedule="cosine",
        milestones=(),
        warmup="linear",
        warmup_lr=0.0,
        warmup_iterations=epochs(5),
        lr=0.01 if model.startswith("vgg") else 0.1,
        nesterov=True,
        label_smoothing=0.1,
        mixup=0.2,
        ema=0.9999,
        view="area",
        sizes=(128, 160, 192, 224),
        normalisation="channel_mean_std",
    )


# ---------------------------------------------------------------------------------------------------------------
# Papers

_PLATEAU = ("plateau_error", "plateau_patience", "plateau_improvement")
_ALL = r"(?!cifar_)\w+"


def _paper(**given: Any) -> Paper:
    variants = {"modern": (_ALL, modern), **given.pop("variants", {})}
    return Paper(**{"reports": "one run", "data": ("imagenet",), "silent": (), "variants": variants, **given})


FB_RESNET = _paper(
    title="fb.resnet.torch",
    nets=r"resnet\d+_v1_5|wide_resnet101_2|resnext101_32x8d",
    recipe=fb_resnet,
)
IDENTITY_MAPPINGS = _paper(
    title="Identity Mappings in Deep Residual Networks",
    nets=r"preact_resnet\d+",
    recipe=identity_mappings,
    silent=("iterations", "bn_batches"),
)
WIDE = _paper(
    title="Wide Residual Networks",
    nets=r"wide_resnet50_2",
    recipe=fb_resnet,
)
RESNEXT = _paper(
    title="Aggregated Residual Transformations for Deep Neural Networks",
    nets=r"resnext\d+_\w+",
    recipe=resnext,
)
VGG = _paper(
    title="Very Deep Convolutional Networks for Large-Scale Image Recognition",
    nets=r"vgg\d+",
    recipe=vgg,
    silent=(*_PLATEAU, "validation_images"),
    always="initialisation: He et al. 2015 (paper: the weights of a shallower network)",
)
RESNET = _paper(
    title="Deep Residual Learning for Image Recognition",
    nets=_ALL,
    recipe=resnet,
    variants={"plateau": (_ALL, resnet_plateau)},
    readings=(resnet_plateau,),
    silent=(*_PLATEAU, "validation_images"),
)
PAPERS = (FB_RESNET, IDENTITY_MAPPINGS, WIDE, RESNEXT, VGG, RESNET)
"""The first whose `nets` match a network is its paper."""


def paper_of(model: str) -> Paper:
    """The paper that trains `model` on photographs; ResNet's for whatever no other has."""
    return next((paper for paper in PAPERS if re.fullmatch(paper.nets, model)), RESNET)
