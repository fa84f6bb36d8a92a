"""The networks against torchvision's: an implementation that owes nothing to ours."""

from typing import cast

import pytest
import torch
import torchvision
from family import settled
from torch import nn

from resnets.models.catalog import skeleton
from resnets.models.layouts import TORCHVISION


def same_weights(name: str, other: nn.Module) -> nn.Module:
    ours = skeleton(name)
    ours.load_state_dict(other.state_dict(), strict=True, assign=True)
    return ours.eval()


def assert_equal_logits(ours: nn.Module, other: nn.Module, size: int, images: int = 2) -> None:
    x = torch.randn(images, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        mine, theirs = ours(x), other(x)
    assert theirs.std() > 1e-3, "logits that depend on nothing prove nothing"
    assert torch.isfinite(theirs).all()
    assert (mine - theirs).abs().max() < 1e-10 * max(1.0, theirs.abs().max().item())


QUICK = {"resnet18": 224, "resnet34": 64, "resnet50_v1_5": 65, "resnext50_32x4d": 64}
"""Networks for every day, and the side of the images."""


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *QUICK.items(),
        *(pytest.param(name, 64, marks=pytest.mark.slow) for name in TORCHVISION if name not in QUICK),
    ],
)
def test_logits_are_torchvisions(name: str, size: int) -> None:
    torch.manual_seed(0)
    other = settled(getattr(torchvision.models, TORCHVISION[name])())
    ours = same_weights(name, other)
    assert list(ours.state_dict()) == list(other.state_dict())
    assert_equal_logits(ours, other, size, images=1 if size == 224 else 2)


def test_the_papers_stride_is_torchvisions_moved_to_the_1x1() -> None:
    torch.manual_seed(0)
    other = settled(torchvision.models.resnet50())
    ours = same_weights("resnet50", other)
    with pytest.raises(AssertionError):
        assert_equal_logits(ours, other, 64)
    for i in (2, 3, 4):
        block = other.get_submodule(f"layer{i}.0")
        cast(nn.Conv2d, block.conv1).stride, cast(nn.Conv2d, block.conv2).stride = (2, 2), (1, 1)
    assert_equal_logits(ours, other, 64)
