"""The 6n+2 layer networks for 32x32 images, residual and plain.

A 3x3 convolution with 16 filters, three stages of n blocks on 32x32, 16x16 and 8x8 maps with 16, 32 and 64
filters, global average pooling, one fully connected layer. Option A throughout, so a plain twin has exactly
as many parameters.
Source: arXiv:1512.03385, section 4.2.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.blocks import Basic, MakeShortcut, conv3x3, initialise, shortcuts, stage


class CifarResNet(nn.Module):
    """`n` basic blocks a stage: 6n+2 layers."""

    def __init__(self, n: int, shortcut: MakeShortcut, num_classes: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(3, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stage(Basic, 16, 16, 16, n, 1, shortcut)
        self.layer2 = stage(Basic, 16, 32, 32, n, 2, shortcut)
        self.layer3 = stage(Basic, 32, 64, 64, n, 2, shortcut)
        self.fc = nn.Linear(64, num_classes)
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


def cifar_resnet(depth: int, *, num_classes: int = 10, shortcut: str | None = "A", zeros: str = "end") -> CifarResNet:
    """The network of `depth` = 6n+2 layers, plain with `shortcut=None`. ValueError for any other depth."""
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth is {depth}, allowed are 6n+2: 8, 14, 20, 26, 32 ...")
    return CifarResNet((depth - 2) // 6, shortcuts(shortcut, zeros), num_classes)
