"""Residual networks of residual networks: the shortcuts of each level, and the order of additions and ReLU."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from family import settled
from torch import Tensor, nn

from resnets.models.cifar import cifar_resnet
from resnets.models.preact import cifar_preact
from resnets.models.ror import cifar_ror
from resnets.models.wide import cifar_wide

relu = torch.relu


def images() -> Tensor:
    return torch.randn(2, 3, 20, 20, dtype=torch.float64)


def groups(model: Any, levels: int) -> list[Any]:
    found = [model.layer1, model.layer2, model.layer3]
    return [group.units for group in found] if levels == 3 else found


def projected(shortcut: Any, x: Tensor, channels: int, stride: int) -> Tensor:
    """A 1x1 convolution and, around original units, BN."""
    convolution, *norm = shortcut if hasattr(shortcut, "__len__") else [shortcut]
    y = F.conv2d(x, convolution.weight, stride=stride)
    assert y.shape[1] == channels
    return norm[0](y) if norm else y


@pytest.mark.parametrize(
    ("size", "how", "base"),
    [
        (14, {}, cifar_resnet(14)),
        (14, {"over": "preact"}, cifar_preact(14)),
        (16, {"over": "wide", "widening": 2}, cifar_wide((16, 2))),
        (20, {"bottlenecks": True}, cifar_preact(20, bottlenecks=True, order="original", shortcut="B")),
    ],
)
def test_one_level_is_the_network_itself(size: int, how: dict[str, Any], base: nn.Module) -> None:
    torch.manual_seed(0)
    model = settled(cifar_ror(size, levels=1, **how))
    base.load_state_dict(model.state_dict(), strict=True)
    x = images()
    assert torch.equal(model(x), base.double().eval()(x))


@pytest.mark.parametrize("bottlenecks", [False, True])
@pytest.mark.parametrize("levels", [2, 3])
def test_around_original_units(levels: int, bottlenecks: bool) -> None:
    """Figure 2: the last unit of a group adds and leaves its ReLU to the level above; root and middle are 1x1."""
    torch.manual_seed(0)
    model: Any = settled(cifar_ror(20, levels=levels, bottlenecks=bottlenecks))
    factor, x = 4 if bottlenecks else 1, images()
    stem = y = relu(model.bn1(model.conv1(x)))
    for number, group in enumerate(groups(model, levels)):
        start = y
        for unit in group:
            y = unit.branch(y) + unit.downsample(y)
            if unit is not group[-1] or (levels == 2 and number < 2):
                y = relu(y)
        if levels == 3:
            middle = getattr(model, f"layer{number + 1}").downsample
            y = y + projected(middle, start, factor * (16, 32, 64)[number], 1 if number == 0 else 2)
            y = relu(y) if number < 2 else y
    y = relu(y + projected(model.downsample, stem, factor * 64, 4))
    assert torch.allclose(model(x), model.fc(y.mean((2, 3))), atol=1e-10)


@pytest.mark.parametrize("how", [{"over": "preact"}, {"over": "preact", "bottlenecks": True}, {"over": "wide"}])
@pytest.mark.parametrize("levels", [2, 3])
def test_around_preactivated_units(levels: int, how: dict[str, Any]) -> None:
    """Figure 3: nothing follows an addition but the last one, which BN and ReLU do; no BN on root and middle."""
    torch.manual_seed(0)
    model: Any = settled(cifar_ror(22 if how["over"] == "wide" else 20, levels=levels, **how))
    factor, x = 1 if how == {"over": "preact"} else 4, images()
    stem = y = relu(model.bn1(model.conv1(x)))
    for number, group in enumerate(groups(model, levels)):
        start, y = y, group(y)
        if levels == 3:
            middle = getattr(model, f"layer{number + 1}").downsample
            y = y + projected(middle, start, factor * (16, 32, 64)[number], 1 if number == 0 else 2)
    assert isinstance(model.downsample, nn.Conv2d)
    y = relu(model.bn(y + projected(model.downsample, stem, factor * 64, 4)))
    assert torch.allclose(model(x), model.fc(y.mean((2, 3))), atol=1e-10)
