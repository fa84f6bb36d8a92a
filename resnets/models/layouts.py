"""What a file of weights says (`Weights`), and the layouts in which others keep theirs (`LAYOUTS`).

A layout is a function from a table of named tensors to `Weights`, or None where the table is not of that
layout. It looks at a few names and shapes only; `read_weights` then holds every tensor against the network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from resnets.models.catalog import row
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
}
"""Our names of the networks that torchvision has, and its names."""


def _torchvision(state: State) -> Weights | None:
    """github.com/pytorch/vision: ResNet-18 to -152, the stride of a bottleneck in its 3x3."""
    stem = _shape(state, "conv1.weight") == (64, 3, 7, 7)
    if not stem or _shape(state, "layer1.0.conv2.weight") != (64, 64, 3, 3) or len(_shape(state, "fc.weight")) != 2:
        return None
    bottleneck = "layer1.0.conv3.weight" in state
    blocks = tuple(_blocks(state, f"layer{i}") for i in range(1, 5))
    names = [name for name in TORCHVISION if row(name).size == blocks and ("v1_5" in name) == bottleneck]
    if not names:
        return None
    return Weights(
        state=state,
        model=names[0],
        changes={},
        num_classes=_shape(state, "fc.weight")[0],
        # The first weights of every network (IMAGENET1K_V1) and most of what is derived from them.
        preprocessing=Preprocessing(crop=224, resize=256, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        recipe=None,
        licence="BSD-3-Clause (torchvision); the terms of the images it was trained on may apply",
        provenance="torchvision's layout",
    )


LAYOUTS: list[Callable[[State], Weights | None]] = [_akamaster, _torchvision]


def _shape(state: State, name: str) -> tuple[int, ...]:
    """The shape of a tensor of the table, () where there is none of that name."""
    return tuple(state[name].shape) if name in state else ()


def _blocks(state: State, stage: str) -> int:
    """One more than the highest index of a block in `stage`."""
    indices = [name.split(".")[1] for name in state if name.startswith(f"{stage}.")]
    return 1 + max((int(index) for index in indices if index.isdecimal()), default=-1)
