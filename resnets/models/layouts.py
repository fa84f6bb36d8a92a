"""What a file of weights says (`Weights`), and the layouts in which others publish theirs: a row each, in `LAYOUTS`.

A row says which names it knows and how its tensors are turned (`names`), and its conventions: which network its files
are of, what differs in it, what is done to a picture first, whose terms apply. `ELSEWHERE` says what others publish
that is not read, and why.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from resnets.models.formats.content import Content
from resnets.models.names import (
    Names,
    State,
    akamaster_names,
    as_it_is,
    caffe_names,
    caffe_places,
    caffe_state,
    detectron_names,
    detectron_state,
    keras_names,
    keras_state,
    mmpretrain_names,
    timm_names,
    timm_state,
    torchvision_names,
)
from resnets.models.names_torch7 import torch7_names, torch7_places, torch7_shows, torch7_state
from resnets.models.pixels import CIFAR10, CIFAR100, DETECTRON, IMAGENET, KERAS, OPENMMLAB, Pixels
from resnets.preprocessing import Preprocessing


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
    missing: tuple[str, ...] = ()
    """The tensors of the network that are not there, but for `num_batches_tracked`; () where it is whole."""


# ------------------------------------------------------------------------------------------------------------
# Layouts


def _nothing(content: Content) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one project lays out its weights, and the conventions of the networks they are of."""

    name: str
    carries: str
    """For the table in the documents: which files, of which networks."""
    formats: tuple[str, ...]
    names: Callable[[Content], Names]
    """Theirs to ours, of those of a file's tensors that it knows."""
    state: Callable[[State, Content], State] = as_it_is
    """The tensors, by our names where there is one, turned and folded."""
    shows: Callable[[Content], dict[str, Any]] = _nothing
    """Arguments of the network that a file itself shows."""
    places: Callable[[Content], Names] | None = None
    """Theirs to ours, of layers of which the file says more than their tensors."""
    needs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the network that no file shows, but all of these have."""
    networks: str = ".*"
    """A pattern of the catalogue's names: what else has its names of tensors follows other conventions."""
    small: bool = False
    """Whether networks for 32x32 images are among them."""
    large: bool = True
    """Whether networks for ImageNet are."""
    pixels: Pixels | None = IMAGENET
    """For ImageNet; None: a mean image."""
    small_pixels: dict[int, Pixels] = field(default_factory=dict)
    """For 32x32 images, by the number of classes."""
    called: str = "(?!)"
    """A pattern by which a file may name the project, in its own words."""
    licence: str
    provenance: str
    attached: str
    """For the table: what is set on the network and attached to it."""
    checked: str
    """For the table: how."""


WITH_PYTORCH = ("PyTorch", "safetensors", "pickle")
FROM_THE_RELEASE = {"stride_in": "1x1"}
RELEASED = r"resnet(50|101|152)(_v1_5)?"

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            name="torchvision",
            carries="state dicts of torchvision, and of timm where it has the same nets: ResNet, wide ResNet, "
            "ResNeXt, VGG",
            formats=WITH_PYTORCH,
            names=torchvision_names,
            needs={"stride_in": "3x3"},
            licence="BSD-3-Clause (torchvision) or Apache-2.0 (timm); the terms of the images it was trained on "
            "may apply",
            provenance="torchvision's layout",
            attached="stride in the 3x3; RGB, ImageNet's mean and deviation",
            checked="logits of every network against torchvision's and timm's own",
        ),
        Layout(
            name="timm",
            carries="state dicts of timm's VGG",
            formats=WITH_PYTORCH,
            names=timm_names,
            state=timm_state,
            needs={"stride_in": "3x3"},
            licence="Apache-2.0 (timm); the terms of the images it was trained on may apply",
            provenance="github.com/huggingface/pytorch-image-models",
            attached="its convolutions of 7x7 maps as fully connected layers; RGB, ImageNet's mean and deviation",
            checked="logits against timm's own",
        ),
        Layout(
            name="mmpretrain",
            carries="`.pth` of mmpretrain and mmcls: ResNet and ResNeXt of style `pytorch`",
            formats=WITH_PYTORCH,
            names=mmpretrain_names,
            needs={"stride_in": "3x3"},
            pixels=OPENMMLAB,
            licence="Apache-2.0 (mmpretrain); the terms of the images it was trained on may apply",
            provenance="github.com/open-mmlab/mmpretrain",
            attached="stride in the 3x3; RGB, its mean and deviation in 0..255",
            checked="logits against torchvision's network of the same tensors, under mmpretrain's names",
        ),
        Layout(
            name="akamaster",
            carries="`.th` of akamaster/pytorch_resnet_cifar10: ResNet-20 to -1202 for CIFAR",
            formats=WITH_PYTORCH,
            names=akamaster_names,
            needs={"zeros": "both"},
            small=True,
            large=False,
            small_pixels={10: IMAGENET, 100: IMAGENET},
            licence="BSD-2-Clause, Copyright (c) 2018, Yerlan Idelbayev",
            provenance="github.com/akamaster/pytorch_resnet_cifar10",
            attached="option A with zeros on both sides; RGB, ImageNet's mean and deviation, as they were trained",
            checked="the published files of ResNet-20 and -32: their test error is their authors' figure",
        ),
        Layout(
            name="caffe",
            carries="`.caffemodel` of KaimingHe/deep-residual-networks: ResNet-50, -101, -152, with its `.binaryproto`",
            formats=("Caffe",),
            names=caffe_names,
            state=caffe_state,
            places=caffe_places,
            networks=RELEASED,
            needs={**FROM_THE_RELEASE, "ceil_mode": True},
            pixels=None,
            called=r"\bcaffe",
            licence="MIT (KaimingHe/deep-residual-networks)",
            provenance="github.com/KaimingHe/deep-residual-networks",
            attached="stride in the first 1x1, pooling that rounds up, epsilon as its layers say; the bias of "
            "ResNet-50's first convolution folded; BGR, the mean image subtracted",
            checked="logits against a pass in numpy that follows the layers of the file as Caffe does; files "
            "written with Google's protobuf",
        ),
        Layout(
            name="torch7",
            carries="`.t7` of fb.resnet.torch: ResNet-18 to -152, the published ResNet-50 (BN after the addition), "
            "ResNet-200 (pre-activation), nets for CIFAR; of ResNeXt, form C",
            formats=("Torch7",),
            names=torch7_names,
            state=torch7_state,
            shows=torch7_shows,
            places=torch7_places,
            small=True,
            small_pixels={10: CIFAR10, 100: CIFAR100},
            licence="BSD-3-Clause (fb.resnet.torch)",
            provenance="github.com/facebookarchive/fb.resnet.torch",
            attached="stride, epsilon, shortcuts and order of activation as the modules say; RGB, its mean and "
            "deviation",
            checked="logits against a pass in numpy that follows the modules of the file as Torch7 does, with longs "
            "of 8 and of 4 bytes",
        ),
        Layout(
            name="detectron2",
            carries="`.pkl` of detectron2 and Detectron: `MSRA/R-50`, `R-101`, with the names of Caffe2",
            formats=("pickle",),
            names=detectron_names,
            state=detectron_state,
            networks=RELEASED,
            needs=FROM_THE_RELEASE,
            pixels=DETECTRON,
            called=r"\bdetectron",
            licence="CC BY-SA 3.0 (detectron2's model zoo), from weights under MIT (KaimingHe/deep-residual-networks)",
            provenance="github.com/facebookresearch/detectron2, MSRA",
            attached="stride in the first 1x1; a scale and a shift alone as a BN that does nothing else; BGR, its "
            "means in 0..255",
            checked="logits against a pass in numpy with detectron2's conventions, of pickles as Python 2 and 3 "
            "write them",
        ),
        Layout(
            name="keras",
            carries="`.h5` of Keras applications: ResNet50, ResNet101, ResNet152",
            formats=("Keras",),
            names=keras_names,
            state=keras_state,
            networks=RELEASED,
            needs={**FROM_THE_RELEASE, "eps": 1.001e-5},
            pixels=KERAS,
            called=r"\bkeras",
            licence="MIT (weights of KaimingHe/deep-residual-networks), Apache-2.0 (Keras)",
            provenance="Keras applications",
            attached="stride in the first 1x1, epsilon 1.001e-5, biases folded; BGR, its means in 0..255",
            checked="logits against a pass in numpy with Keras' axes and paddings; files written with h5py",
        ),
    )
}

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

ELSEWHERE = {
    "timm resnetv2_18 to _152": "another pre-activation net: the stem's BN and ReLU come after its max pooling, the "
    "same only where no scale is negative, and in 18 and 34 the first shortcut goes past them",
    "timm resnetv2_*_bit, *_gn, *_evos, *_frn": "other normalisations than BN, some on standardised weights",
    "timm resnet*c, *d, *s, *t": "a stem of three 3x3 convolutions; in d and t averages before the projections",
    "timm resnetaa50, resnetblur50": "TAKEN FOR resnet50_v1_5, with other logits, where no config.json lies beside "
    "them: no tensor shows that they average or blur where it has a stride",
    "nets with a bottleneck's stride in the 1x1, under torchvision's or mmpretrain's names": "TAKEN FOR ..._v1_5, with "
    "other logits: no tensor shows a stride; `--model resnet50`, or `--origin` where they are of the release, says it",
    "timm resnet50_gn": "group normalisation",
    "timm seresnet*, ecaresnet*, skresnet*": "attention within the units",
    "timm resnet14t, 26, 200 and resnext101_32x16d, 32x32d": "sizes that are not in the catalogue",
    "torchvision, timm vgg11, vgg13": "sizes that are not in the catalogue",
    "torchvision, timm vgg*_bn": "BN, which VGG here has not",
    "Keras ResNet50V2 to 152V2": "another pre-activation net: no BN in the stem, strides in the last unit of a stage",
    "Keras' ResNet50 of before 2019 (layers res2a_branch2a ...)": "programs of that time compute it with other "
    "paddings and epsilons, one from the other; the release itself is read",
    "Keras' .weights.h5 and .keras": "the names of the layers are not in them",
    "detectron2's own names (backbone.bottom_up.res2 ...), FAIR/X-101-32x8d": "detectors; weights whose means and "
    "deviations differ from file to file",
    ".t7 of resnet-1k-layers, wide-residual-networks": "other trees of modules than fb.resnet.torch's",
}
"""What is not read, and why."""


def large_inputs() -> Iterator[Layout]:
    """Those whose networks are given values of 0 to 255, not values of about 1."""
    return (layout for layout in LAYOUTS.values() if layout.pixels is None or max(layout.pixels.std) < 0.02)
