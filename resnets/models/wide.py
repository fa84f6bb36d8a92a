"""Wide residual networks: fewer, wider pre-activation units, with dropout between their convolutions.

WRN-d-k has a 3x3 convolution with 16 filters and three groups of N units with 16k, 32k and 64k filters. d counts the
convolutions, a 1x1 projection in each group among them (with k = 1 the first group needs none, and d is the same):
d = 3lN + 4 for units of l convolutions, 6N + 4 for the usual B(3,3). Table 2, which compares kinds of units, has
d = 6N + 4 for all of them.
For ImageNet the paper widens the original units, not these.
Source: "Wide Residual Networks" (arXiv:1605.07146v4), sections 2 and 3, Tables 1 to 3 and 8.
"""

from functools import partial

from torch import nn

from resnets.models.blocks import Bottleneck, Unit, shortcuts
from resnets.models.layers import Layer
from resnets.models.preact import PreActResNet, PreActUnit
from resnets.models.resnet import ResNet


def depth(rows: list[Layer]) -> int:
    """d of WRN-d-k."""
    groups = {row.name.partition(".")[0] for row in rows if row.name.startswith("layer")}
    return sum(row.kind == "conv" and not row.on_shortcut for row in rows) + len(groups)


def depth_in_table_2(rows: list[Layer]) -> int:
    """d of Table 2: two for each unit, whatever it is made of, and four."""
    return 2 * len({row.name.rpartition(".")[0] for row in rows if row.name.startswith("layer")}) + 4


def unit(
    in_channels: int, width: int, out_channels: int, stride: int, shortcut: nn.Module | None, kernels, **how
) -> Unit:
    """B(M): convolutions of the `kernels` M, all with `out_channels` filters."""
    return PreActUnit(in_channels, kernels, [out_channels] * len(kernels), stride, shortcut, **how)


def cifar_wide(
    size: tuple[int, int],
    *,
    num_classes: int = 10,
    kernels: tuple[int, ...] = (3, 3),
    n: int | None = None,
    dropout: float = 0.0,
    shortcut: str | None = "B",
    zeros: str = "end",
) -> PreActResNet:
    """WRN-d-k for `size` = (d, k). `kernels` (1, 3, 1) are the paper's B(1,3,1); its `dropout` is 0.3 on CIFAR.

    `n`: units a group, where they are not to follow from d. ValueError for a depth that is not 3lN + 4, a width or
    `n` under 1, kernels that are not odd, or dropout outside 0 to under 1.
    """
    depth, widening = size
    if not kernels or any(kernel % 2 == 0 or kernel < 1 for kernel in kernels):
        raise ValueError(f"kernels is {kernels}, allowed are odd sides")
    step = 3 * len(kernels)
    if n is None:
        n, rest = divmod(depth - 4, step)
        if n < 1 or rest:
            raise ValueError(f"depth is {depth}, allowed are {step}N+4")
    if n < 1:
        raise ValueError(f"n is {n}, allowed is 1 or more")
    if widening < 1:
        raise ValueError(f"width is {widening}, allowed is 1 or more")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}, allowed is 0 to under 1")
    widths = tuple(widening * width for width in (16, 32, 64))
    block = partial(unit, kernels=kernels, dropout=dropout)
    path = shortcuts(shortcut, zeros, norm=False)
    return PreActResNet(block, "full", 16, widths, 1, (n, n, n), path, num_classes)


def imagenet_wide(
    blocks: tuple[int, int, int, int],
    *,
    num_classes: int = 1000,
    widening: int = 2,
    shortcut: str | None = "B",
    zeros: str = "end",
    stride_in: str = "3x3",
    ceil_mode: bool = False,
) -> ResNet:
    """WRN-50-2 and -101-2: bottlenecks whose inner convolutions are `widening` times as wide (ValueError under 1)."""
    if widening < 1:
        raise ValueError(f"widening is {widening}, allowed is 1 or more")

    def block(in_channels: int, width: int, out_channels: int, stride: int, shortcut: nn.Module | None) -> Unit:
        return Bottleneck(in_channels, widening * width, out_channels, stride, shortcut, stride_in)

    return ResNet(block, 4, blocks, shortcuts(shortcut, zeros), num_classes, ceil_mode)
