"""ResNeXt: a bottleneck split into C paths of width d, transformed alike and summed.

    y = x + T_1(x) + ... + T_C(x)

Figure 3 draws it in three forms that compute the same: (a) C narrow bottlenecks whose outputs are added; (b) their
inner maps concatenated before one 1x1 convolution; (c) one bottleneck whose 3x3 convolution works on C groups of
channels, which is what is trained. In (a) BN comes after the sum ("BN is performed right after the convolutions", but
for the last one "after aggregating the transformations").
`between_forms` turns the weights of (c) into those of the others.
Source: "Aggregated Residual Transformations for Deep Neural Networks" (arXiv:1611.05431), sections 3 and 4.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.blocks import Block, Bottleneck, Unit, conv1x1, conv3x3, relu_, shortcuts
from resnets.models.cifar import CifarResNet
from resnets.models.resnet import ResNet


class Path(nn.Module):
    """One T_i up to its last convolution: 1x1 down to d, 3x3. The stride sits in the 3x3."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv1x1(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N d h w"]:
        return relu_(self.bn2(self.conv2(relu_(self.bn1(self.conv1(x))))))


class SplitTransformMerge(Unit):
    """Forms (a), `concatenate=False`, and (b), `concatenate=True`, of one unit; (c) is a `Bottleneck` with groups."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        stride: int,
        shortcut: nn.Module | None,
        cardinality: int,
        concatenate: bool,
    ) -> None:
        super().__init__()
        inner = width // cardinality
        self.paths = nn.ModuleList(Path(in_channels, inner, stride) for _ in range(cardinality))
        ends = [width] if concatenate else [inner] * cardinality
        self.conv3 = nn.ModuleList(conv1x1(channels, out_channels) for channels in ends)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.connect(shortcut)

    def branch(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        maps = [path(x) for path in self.paths]
        if len(self.conv3) == 1:
            maps = [torch.cat(maps, 1)]
        merged = torch.stack([end(y) for end, y in zip(self.conv3, maps, strict=True)]).sum(0)
        return self.bn3(merged)


FORMS = ("sum", "concatenate", "grouped")
"""Figure 3 (a), (b), (c)."""


def between_forms(unit: dict[str, Tensor], form: str, cardinality: int) -> dict[str, Tensor]:
    """The state of one unit of form (c), "grouped", as that of the same unit in another form of `FORMS`."""
    state = {}
    for name, tensor in unit.items():
        layer = name.split(".")[0]
        if layer in ("conv1", "bn1", "conv2", "bn2"):
            shared = tensor.dim() == 0  # BN's counter
            parts = [tensor] * cardinality if shared else tensor.chunk(cardinality)
            state |= {f"paths.{i}.{name}": part for i, part in enumerate(parts)}
        elif layer == "conv3":
            parts = tensor.chunk(cardinality, 1) if form == "sum" else [tensor]
            state |= {f"conv3.{i}.weight": part for i, part in enumerate(parts)}
        else:
            state[name] = tensor
    return unit if form == "grouped" else state


def aggregated(cardinality: int, base_width: int, form: str, stride_in: str) -> Block:
    """A unit of `cardinality` paths, each `base_width` wide where a ResNet's bottleneck has 64 filters.

    ValueError for another form, or where a form without groups is asked to put its stride elsewhere.
    """
    if form not in FORMS:
        raise ValueError(f"form is {form!r}, allowed are {', '.join(map(repr, FORMS))}")
    if min(cardinality, base_width) < 1:
        raise ValueError(f"cardinality and base_width are {cardinality} and {base_width}, allowed is 1 or more")
    if form != "grouped" and stride_in != "3x3":
        raise ValueError(f"stride_in is {stride_in!r}, form {form!r} allows '3x3'")

    def block(in_channels: int, width: int, out_channels: int, stride: int, shortcut: nn.Module | None) -> Unit:
        shape = (in_channels, width * base_width // 64 * cardinality, out_channels, stride, shortcut)
        if form == "grouped":
            return Bottleneck(*shape, stride_in, groups=cardinality)
        return SplitTransformMerge(*shape, cardinality, concatenate=form == "concatenate")

    return block


def imagenet_resnext(
    blocks: tuple[int, int, int, int],
    *,
    num_classes: int = 1000,
    cardinality: int = 32,
    base_width: int = 4,
    form: str = "grouped",
    shortcut: str | None = "B",
    zeros: str = "end",
    stride_in: str = "3x3",
    ceil_mode: bool = False,
) -> ResNet:
    """ResNeXt-50 (3, 4, 6, 3) and -101 (3, 4, 23, 3), `cardinality` x `base_width`d; plain with `shortcut=None`."""
    block = aggregated(cardinality, base_width, form, stride_in)
    return ResNet(block, 4, blocks, shortcuts(shortcut, zeros), num_classes, ceil_mode)


def cifar_resnext(
    depth: int,
    *,
    num_classes: int = 10,
    cardinality: int = 8,
    base_width: int = 64,
    width: int = 64,
    form: str = "grouped",
    shortcut: str | None = "B",
    zeros: str = "end",
    stride_in: str = "3x3",
) -> CifarResNet:
    """The network of `depth` = 9n+2 layers, 29 in the paper: 64 filters, then stages with 256, 512, 1024 outputs.

    Another `width` than 64 scales all of these, and the paths with them: no net of the paper's, but one that a small
    machine can train.
    """
    if depth < 11 or (depth - 2) % 9:
        raise ValueError(f"depth is {depth}, allowed are 9n+2")
    if width < 1 or width * base_width % 64:
        raise ValueError(f"width is {width}, allowed are those of which base_width / 64 = {base_width}/64 is whole")
    block = aggregated(cardinality, base_width, form, stride_in)
    path = shortcuts(shortcut, zeros)
    return CifarResNet(block, 4, (depth - 2) // 9, path, num_classes, widths=(width, 2 * width, 4 * width))
