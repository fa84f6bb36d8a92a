"""The ImageNet networks of the paper (Table 1), residual and plain.

Parameter names are torchvision's. Depth counts the convolutions of the main path and the fully connected
layer: 18 and 34 layers of basic blocks, 50, 101 and 152 of bottlenecks.
Source: arXiv:1512.03385, Table 1, Figure 3, sections 3.3 and 4.1; the release
KaimingHe/deep-residual-networks.
"""

from functools import partial

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.blocks import Basic, Block, Bottleneck, MakeShortcut, initialise, shortcuts, stage

WIDTHS = (64, 128, 256, 512)
"""Channels of the 3x3 convolutions in conv2_x to conv5_x."""


def stem_pooling(ceil_mode: bool = False) -> nn.MaxPool2d:
    """3x3 max pooling of stride 2. The release pools without padding and lets the last window hang over the edge."""
    return nn.MaxPool2d(3, stride=2, padding=0 if ceil_mode else 1, ceil_mode=ceil_mode)


class ResNet(nn.Module):
    """7x7 convolution, max pooling, four stages, global average pooling, one fully connected layer."""

    def __init__(
        self,
        block: Block,
        expansion: int,
        blocks: tuple[int, int, int, int],
        shortcut: MakeShortcut,
        num_classes: int,
        ceil_mode: bool,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = stem_pooling(ceil_mode)
        channels = 64
        for i, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True)):
            stride = 1 if i == 0 else 2  # conv2_x: the max pooling has halved the map already
            setattr(
                self,
                f"layer{i + 1}",
                stage(block, channels, width, width * expansion, count, stride, shortcut),
            )
            channels = width * expansion
        self.fc = nn.Linear(channels, num_classes)
        initialise(self)

    def forward_features(self, images: Float[Tensor, "N 3 H W"]) -> dict[str, Float[Tensor, "N _ _ _"]]:
        """The maps by name: `stem` (after max pooling) and `stage1` to `stage4`; strides 4, 4, 8, 16, 32."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(images)), inplace=True))
        maps = {"stem": x}
        for i in range(1, 5):
            x = maps[f"stage{i}"] = self.get_submodule(f"layer{i}")(x)
        return maps

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N classes"]:
        """Logits (N, num_classes)."""
        x = self.forward_features(images)["stage4"]
        return self.fc(x.mean((2, 3)))


def basic_resnet(
    blocks: tuple[int, int, int, int],
    *,
    num_classes: int = 1000,
    shortcut: str | None = "B",
    zeros: str = "end",
    ceil_mode: bool = False,
) -> ResNet:
    """ResNet-18 (2, 2, 2, 2), ResNet-34 (3, 4, 6, 3) and, with `shortcut=None`, their plain twins."""
    return ResNet(Basic, 1, blocks, shortcuts(shortcut, zeros), num_classes, ceil_mode)


def bottleneck_resnet(
    blocks: tuple[int, int, int, int],
    *,
    num_classes: int = 1000,
    shortcut: str | None = "B",
    zeros: str = "end",
    stride_in: str = "1x1",
    ceil_mode: bool = False,
) -> ResNet:
    """ResNet-50 (3, 4, 6, 3), -101 (3, 4, 23, 3), -152 (3, 8, 36, 3)."""
    block = partial(Bottleneck, stride_in=stride_in)
    return ResNet(block, 4, blocks, shortcuts(shortcut, zeros), num_classes, ceil_mode)
