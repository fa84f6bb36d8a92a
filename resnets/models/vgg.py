"""VGG-16 and -19, the deepest plain nets before residual ones: the paper's measure of cost, and detection's of gain.

Five stages of 3x3 convolutions with bias and ReLU, each closed by 2x2 max pooling, and three fully connected layers
with dropout between them. No BN. Parameter names are torchvision's. Initialised as every network here; the paper
began with the weights of a shallower net.
Source: "Very Deep Convolutional Networks for Large-Scale Image Recognition" (arXiv:1409.1556), Table 1, D and E.
"""

from collections.abc import Iterable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.blocks import initialise

WIDTHS = (64, 128, 256, 512, 512)
LAYOUTS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""By depth: the convolutions of each stage."""


def _features(counts: Iterable[int]) -> Iterable[nn.Module]:
    channels = 3
    for width, count in zip(WIDTHS, counts, strict=True):
        for _ in range(count):
            yield nn.Conv2d(channels, width, 3, padding=1)
            yield nn.ReLU(inplace=True)
            channels = width
        yield nn.MaxPool2d(2)


class VGG(nn.Module):
    """`counts` convolutions a stage."""

    def __init__(self, counts: Iterable[int], num_classes: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(*_features(counts))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        initialise(self)

    def forward_features(self, images: Float[Tensor, "N 3 H W"]) -> dict[str, Float[Tensor, "N _ _ _"]]:
        """The maps by name: `stage1` to `stage5`, each before its pooling (strides 1, 2, 4, 8, 16), and `pool5`."""
        x, maps = images, {}
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                maps[f"stage{len(maps) + 1}"] = x
            x = layer(x)
        return {**maps, "pool5": x}

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N classes"]:
        """Logits (N, num_classes). Images of another size than 224 are averaged to 7x7 before the classifier."""
        x = F.adaptive_avg_pool2d(self.forward_features(images)["pool5"], 7)
        return self.classifier(x.flatten(1))


def vgg(depth: int, *, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """The network of `depth` 16 or 19 layers. ValueError for another depth, or a dropout outside 0 to under 1."""
    if depth not in LAYOUTS:
        raise ValueError(f"depth is {depth}, allowed are {' and '.join(map(str, LAYOUTS))}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}, allowed is 0 to under 1")
    return VGG(LAYOUTS[depth], num_classes, dropout)
