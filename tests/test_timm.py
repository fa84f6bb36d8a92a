"""timm's networks: those in torchvision's layout, VGG, and those that are other nets than their names suggest."""

from typing import Any

import pytest
import timm
import torch
from family import count, net, settled
from timm.layers.create_conv2d import create_conv2d
from timm.layers.norm_act import BatchNormAct2d
from timm.models.resnetv2 import ResNetV2
from torch import Tensor, nn

from resnets.models.catalog import skeleton
from resnets.models.factory import create_model
from resnets.models.layouts import ELSEWHERE, TIMM
from resnets.models.preact import imagenet_preact
from resnets.models.recognise import recognise

QUICK = ("resnet18", "resnext50_32x4d")


def theirs(name: str, **how: Any) -> nn.Module:
    return timm.create_model(name, **how)


def same(ours: nn.Module, other: nn.Module, side: int = 64) -> bool:
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    with torch.no_grad():
        mine, expected = ours(x), other(x)
    assert expected.std() > 1e-3, "logits that depend on nothing prove nothing"
    return bool((mine - expected).abs().max() < 1e-10 * max(1.0, expected.abs().max().item()))


@pytest.mark.parametrize(("ours", "name"), TIMM.items())
def test_state_dicts_are_recognised(ours: str, name: str) -> None:
    with torch.device("meta"):
        state = theirs(name, num_classes=7).state_dict()
    weights = recognise(dict(state), "x.pth").weights
    assert (weights.model, weights.changes, weights.num_classes) == (ours, {}, 7)


@pytest.mark.parametrize(
    ("ours", "name"),
    [pytest.param(o, name, marks=() if name in QUICK else pytest.mark.slow) for o, name in TIMM.items()],
)
def test_logits_are_timms(ours: str, name: str) -> None:
    torch.manual_seed(0)
    other = settled(theirs(name, num_classes=7))
    model = skeleton(ours, 7)
    model.load_state_dict(recognise(other.state_dict(), "x.pth").weights.state, strict=True, assign=True)
    # Of other images timm's VGG averages the last maps, ours and torchvision's what enters the classifier.
    assert same(model.eval(), other, 224 if name.startswith("vgg") else 64)


def test_vggs_first_fully_connected_layers_are_convolutions_there() -> None:
    """The rows of a 7x7 convolution over 7x7 maps are those of a fully connected layer over its pixels."""
    with torch.device("meta"):
        state = theirs("vgg16").state_dict()
    weight = torch.zeros(4096, 512, 7, 7)
    assert weight.shape == state["pre_logits.fc1.weight"].shape
    weight[:16] = torch.randint(-2, 3, (16, 512, 7, 7))  # so that sums are exact
    fc = recognise({**state, "pre_logits.fc1.weight": weight}, "x.pth").weights.state["classifier.0.weight"]
    x = torch.randint(-2, 3, (1, 512, 7, 7)).float()
    assert torch.equal(x.flatten(1) @ fc[:16].T, torch.conv2d(x, weight[:16]).flatten(1))


# ------------------------------------------------------------------------------------------------------------
# Other nets


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("resnetv2_50", "unknown layout"),
        ("resnetv2_50x1_bit", "unknown layout"),
        ("resnet50c", "unknown layout"),
        ("resnet50d", "unknown layout"),
        ("resnet26", "unknown layout"),
        ("resnet200", "unknown layout"),
        ("resnext101_32x16d", "unknown layout"),
        ("vgg11", "unknown layout"),
        ("vgg16_bn", "unknown layout"),
        ("resnet50_gn", "does not fit resnet50_v1_5: missing: bn1.running_mean"),
        ("seresnet50", r"does not fit resnet50_v1_5: left over: layer1\.0\.se\.fc1\.weight"),
    ],
)
def test_other_networks_are_refused(name: str, what: str) -> None:
    with torch.device("meta"):
        state = dict(theirs(name).state_dict())
    with pytest.raises(ValueError, match=rf"^x\.pth: {what}"):
        recognise(state, "x.pth")


@pytest.mark.parametrize("averages", ["resnetaa50", "resnetblur50"])
def test_what_no_tensor_shows_is_said(averages: str) -> None:
    """Their tensors are ResNet-50's to the last name, their logits are not."""
    with torch.device("meta"):
        shapes = [{k: v.shape for k, v in theirs(name).state_dict().items()} for name in (averages, "resnet50")]
    assert shapes[0] == shapes[1]
    assert any(averages in what and "TAKEN FOR resnet50_v1_5" in why for what, why in ELSEWHERE.items())


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of timm's pre-activation nets under our names."""
    ours = {}
    for key, value in state.items():
        parts = key.replace("stages.", "layer").replace("blocks.", "").replace("norm", "bn").split(".")
        if parts[0].startswith("layer"):
            parts[0] = f"layer{int(parts[0].removeprefix('layer')) + 1}"
        name = ".".join(parts).replace("downsample.conv", "downsample").replace("stem.conv", "conv1")
        name = name.replace("head.fc", "fc").replace("layer1.0.bn1", "bn1")
        ours[name] = value.flatten(1) if name == "fc.weight" else value
    return ours


@pytest.mark.parametrize("bottlenecks", [True, False])
def test_their_preactivation_net_differs_in_its_beginning(bottlenecks: bool) -> None:
    """Theirs pools before BN and ReLU: with positive scales that is the same, with a negative one it is not.

    And this activation is in their first unit, whose shortcut goes past it if it is an identity (no bottleneck's is).
    """
    torch.manual_seed(0)
    widths = (256, 512, 1024, 2048) if bottlenecks else (64, 128, 256, 512)
    how: Any = {"conv_layer": create_conv2d, "norm_layer": BatchNormAct2d, "num_classes": 7, "basic": not bottlenecks}
    other = settled(ResNetV2([1, 2, 1, 1], widths, bottle_ratio=0.25 if bottlenecks else 1.0, **how))
    ours = imagenet_preact((1, 2, 1, 1), bottlenecks=bottlenecks, stride_in="3x3", num_classes=7).double().eval()

    def equal() -> bool:
        ours.load_state_dict(renamed(other.state_dict()), strict=True)
        return same(ours, other)

    if not bottlenecks:
        assert not equal()
        first: Any = other.get_submodule("stages.0.blocks.0")
        first.downsample = nn.Identity()  # of what is activated, as their projections are
    assert equal()
    with torch.no_grad():
        other.get_parameter("stages.0.blocks.0.norm1.weight")[:32] *= -1
    assert not equal()


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_their_preactivation_nets_have_as_many_parameters(depth: int) -> None:
    with torch.device("meta"):
        assert count(theirs(f"resnetv2_{depth}")) == count(net(f"preact_resnet{depth}"))


def test_no_tensor_shows_a_stride() -> None:
    """So `create_model` is asked for one of the two by name, and does not take the other's weights."""
    weights = recognise(net("resnet50").state_dict(), "x.pth").weights
    assert weights.model == "resnet50_v1_5"
    assert any("stride in the 1x1" in what and "TAKEN FOR ..._v1_5" in why for what, why in ELSEWHERE.items())
    with pytest.raises(ValueError, match="weights of resnet50_v1_5 are not weights of resnet50"):
        create_model("resnet50", weights=weights)
