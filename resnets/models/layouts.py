"""What a file of weights says (`Weights`), and the layouts in which others keep theirs (`LAYOUTS`).

A layout is a function from a table of named tensors to `Weights`, or None where the table is not of that
layout. It looks at a few names and shapes only; `read_weights` then holds every tensor against the network.
`ELSEWHERE` says what others publish under like names that is not read, and why.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor

from resnets.models.catalog import row
from resnets.models.layers import shapes_only
from resnets.preprocessing import Preprocessing

State = dict[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """The parameters and running statistics of a network, and all that is needed to use them."""

    state: State
    """By parameter name, as `state_dict` of the network has them (`num_batches_tracked` may be absent)."""
    model: str
    """The catalogue's name of the network."""
    changes: dict[str, Any]
    """The arguments in which it differs from the catalogue's row, such as {"zeros": "both"}."""
    num_classes: int
    preprocessing: Preprocessing | None
    """What it expects of a picture; None where nobody says."""
    recipe: dict[str, Any] | None
    """How it was trained; None where nobody says."""
    licence: str | None
    provenance: str
    """Where the weights are from, in words."""


CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
"""In [0, 1], RGB: what torchvision's networks expect, and akamaster's took over for CIFAR-10."""


def _akamaster(state: State) -> Weights | None:
    """github.com/akamaster/pytorch_resnet_cifar10: 6n+2 layers, option A with zeros on both sides."""
    if _shape(state, "conv1.weight") != (16, 3, 3, 3) or _shape(state, "linear.weight")[1:] != (64,):
        return None
    depth = 6 * _blocks(state, "layer1") + 2
    num_classes = _shape(state, "linear.weight")[0]
    classes = CIFAR10 if num_classes == 10 else ()
    return Weights(
        state={name.replace("linear.", "fc."): tensor for name, tensor in state.items()},
        model=f"cifar_resnet{depth}",
        changes={"zeros": "both"},
        num_classes=num_classes,
        preprocessing=Preprocessing(crop=32, resize=32, mean=IMAGENET_MEAN, std=IMAGENET_STD, classes=classes),
        recipe=None,
        licence="BSD-2-Clause, Copyright (c) 2018, Yerlan Idelbayev",
        provenance="github.com/akamaster/pytorch_resnet_cifar10",
    )


TORCHVISION = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50_v1_5": "resnet50",
    "resnet101_v1_5": "resnet101",
    "resnet152_v1_5": "resnet152",
    "wide_resnet50_2": "wide_resnet50_2",
    "wide_resnet101_2": "wide_resnet101_2",
    "resnext50_32x4d": "resnext50_32x4d",
    "resnext101_32x8d": "resnext101_32x8d",
    "resnext101_64x4d": "resnext101_64x4d",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
}
"""Our names of the networks that torchvision has, and its names."""

TIMM = {**TORCHVISION, "resnext101_32x4d": "resnext101_32x4d"}
"""The same for timm, which has torchvision's networks under the same names, and one more."""


def _torchvision(state: State) -> Weights | None:
    """github.com/pytorch/vision: ResNet, wide ResNet, ResNeXt (a bottleneck's stride in its 3x3), VGG; and timm's."""
    model = _residual(state) or _vgg(state)
    if model is None:
        return None
    return Weights(
        state=state,
        model=model,
        changes={},
        num_classes=_shape(state, "classifier.6.weight" if model.startswith("vgg") else "fc.weight")[0],
        # The first weights of every network (IMAGENET1K_V1) and most of what is derived from them.
        preprocessing=Preprocessing(
            crop=224, resize=232 if model == "resnext101_64x4d" else 256, mean=IMAGENET_MEAN, std=IMAGENET_STD
        ),
        recipe=None,
        licence="BSD-3-Clause (torchvision) or Apache-2.0 (timm); the terms of the images it was trained on may apply",
        provenance="torchvision's layout",
    )


def _residual(state: State) -> str | None:
    """The network with as many units a stage as `state` has, whose first convolutions have the same shapes."""
    blocks = tuple(_blocks(state, f"layer{stage}") for stage in range(1, 5))
    alike = (
        name
        for name in TIMM
        if row(name).size == blocks and all(_shape(state, key) == shape for key, shape in _beginning(name).items())
    )
    return next(alike, None) if len(_shape(state, "fc.weight")) == 2 else None


@cache
def _beginning(name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of the convolutions in the stem and the first unit of `name`."""
    with shapes_only():
        short = row(name).builder((1, 1, 1, 1), **row(name).arguments)
    return {key: tuple(p.shape) for key, p in short.named_parameters() if re.match(r"(layer1\.0\.)?conv", key)}


def _vgg(state: State) -> str | None:
    """The network with as many convolutions as `state` has; none that has BN."""
    depth = 3 + sum(re.fullmatch(r"features\.\d+\.weight", key) is not None for key in state)
    normalised = any(key.startswith("features.") and key.endswith("running_mean") for key in state)
    classifier = len(_shape(state, "classifier.6.weight")) == 2
    return f"vgg{depth}" if f"vgg{depth}" in TIMM and classifier and not normalised else None


def _timm_vgg(state: State) -> Weights | None:
    """github.com/huggingface/pytorch-image-models: VGG's first fully connected layers kept as convolutions."""
    theirs = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}
    if not all(f"{name}.weight" in state for name in theirs):
        return None
    renamed = {}
    for key, tensor in state.items():
        layer, _, kind = key.rpartition(".")
        within = layer in theirs and kind == "weight" and tensor.dim() == 4
        renamed[f"{theirs.get(layer, layer)}.{kind}"] = tensor.flatten(1) if within else tensor
    return _torchvision(renamed)


LAYOUTS: list[Callable[[State], Weights | None]] = [_akamaster, _torchvision, _timm_vgg]

ELSEWHERE = {
    "timm resnetv2_18 to _152": "another pre-activation net: the stem's BN and ReLU come after its max pooling, the "
    "same only where no scale is negative, and in 18 and 34 the first shortcut goes past them",
    "timm resnetv2_*_bit, *_gn, *_evos, *_frn": "other normalisations than BN, some on standardised weights",
    "timm resnet*c, *d, *s, *t": "a stem of three 3x3 convolutions; in d and t averages before the projections",
    "timm resnetaa50, resnetblur50": "TAKEN FOR resnet50_v1_5, with other logits: no tensor shows that they average or "
    "blur where it has a stride",
    "nets with a bottleneck's stride in the 1x1, under torchvision's names": "TAKEN FOR ..._v1_5, with other logits: "
    "no tensor shows a stride",
    "timm resnet50_gn": "group normalisation",
    "timm seresnet*, ecaresnet*, skresnet*": "attention within the units",
    "timm resnet14t, 26, 200 and resnext101_32x16d, 32x32d": "sizes that are not in the catalogue",
    "torchvision, timm vgg11, vgg13": "sizes that are not in the catalogue",
    "torchvision, timm vgg*_bn": "BN, which VGG here has not",
    "KaimingHe's .caffemodel; .t7 of fb.resnet.torch, resnet-1k-layers, ResNeXt, wide-residual-networks": "files of "
    "Caffe and Torch7, not PyTorch's",
}
"""What is not read, and why."""


def _shape(state: State, name: str) -> tuple[int, ...]:
    """The shape of a tensor of the table, () where there is none of that name."""
    return tuple(state[name].shape) if name in state else ()


def _blocks(state: State, stage: str) -> int:
    """One more than the highest index of a block in `stage`."""
    indices = [name.split(".")[1] for name in state if name.startswith(f"{stage}.")]
    return 1 + max((int(index) for index in indices if index.isdecimal()), default=-1)
