"""The 6n+2 layer networks for 32x32 images, residual and plain.

A 3x3 convolution with 16 filters, three stages of n blocks on 32x32, 16x16 and 8x8 maps with 16, 32 and 64
filters, global average pooling, one fully connected layer. Option A throughout, so a plain twin has exactly
as many parameters.
Source: arXiv:1512.03385, section 4.2.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.blocks import Basic, Block, MakeShortcut, conv3x3, initialise, shortcuts, stage


class CifarResNet(nn.Module):
    """A 3x3 convolution and three stages of `n` units; with basic ones and 16, 32, 64 filters 6n+2 layers."""

    def __init__(
        self,
        block: Block,
        expansion: int,
        n: int,
        shortcut: MakeShortcut,
        num_classes: int,
        widths: tuple[int, int, int] = (16, 32, 64),
    ) -> None:
        super().__init__()
        first, second, third = (width * expansion for width in widths)
        self.conv1 = conv3x3(3, widths[0])
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = stage(block, widths[0], widths[0], first, n, 1, shortcut)
        self.layer2 = stage(block, first, widths[1], second, n, 2, shortcut)
        self.layer3 = stage(block, second, widths[2], third, n, 2, shortcut)
        self.fc = nn.Linear(third, num_classes)
        initialise(self)

    def forward_features(self, images: Float[Tensor, "N 3 H W"]) -> dict[str, Float[Tensor, "N _ _ _"]]:
        """The maps by name: `stem` and `stage1` (stride 1), `stage2` (stride 2), `stage3` (stride 4)."""
        stem = F.relu(self.bn1(self.conv1(images)), inplace=True)
        stage1 = self.layer1(stem)
        stage2 = self.layer2(stage1)
        return {"stem": stem, "stage1": stage1, "stage2": stage2, "stage3": self.layer3(stage2)}

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N classes"]:
        """Logits (N, num_classes)."""
        x = self.forward_features(images)["stage3"]
        return self.fc(x.mean((2, 3)))


def cifar_resnet(
    depth: int, *, num_classes: int = 10, shortcut: str | None = "A", zeros: str = "end", subsample: str = "stride"
) -> CifarResNet:
    """The network of `depth` = 6n+2 layers, plain with `shortcut=None`. ValueError for any other depth.

    `zeros` and `subsample` are those of `blocks.ZeroPad`.
    """
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth is {depth}, allowed are 6n+2: 8, 14, 20, 26, 32 ...")
    return CifarResNet(Basic, 1, (depth - 2) // 6, shortcuts(shortcut, zeros, subsample=subsample), num_classes)
