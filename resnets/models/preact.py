"""Identity mappings: pre-activation networks, and what the paper tries on the way there.

    x' = x + F(x)      with nothing after the addition: every unit adds to one sum, x_L = x_l + F_l + ... + F_{L-1}

The general unit is x' = f(h(x) + F(x)). Section 4 changes f, by moving BN and ReLU (Figure 4, Table 2); section 3
changes h (Figure 2, Table 1). Both tables are rows here.

Three choices. The stem keeps its BN and ReLU ("right after conv1 and before splitting into two paths"), so the first
unit begins with its convolution; what the others have before their first convolution, the network has once more at
its end. Where a unit projects its shortcut, its first activation feeds both paths, and in full pre-activation no BN
follows the projection: so the authors' code; the paper does not say. Nets of basic units have option A, those of
bottlenecks option B.
Source: "Identity Mappings in Deep Residual Networks" (arXiv:1603.05027); the code KaimingHe/resnet-1k-layers.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.blocks import (
    Block,
    MakeShortcut,
    Map,
    Unit,
    ZeroPad,
    conv3x3,
    initialise,
    nothing,
    relu_,
    shortcuts,
    stage,
)
from resnets.models.cifar import CifarResNet, cifar_resnet
from resnets.models.highway import Gate
from resnets.models.resnet import WIDTHS, stem_pooling
from resnets.models.stochastic_depth import units

# ------------------------------------------------------------------------------------------------------------
# Figure 4, Table 2: the order of activation

ORDERS = {
    "original": ("conv bn relu", 1),
    "bn_after_addition": ("conv bn relu", 2),
    "relu_before_addition": ("conv bn relu", 0),
    "relu_only": ("relu conv bn", 0),
    "full": ("bn relu conv", 0),
}
"""(a) to (e): all go round one circle of convolution, BN and ReLU, once for each convolution. They differ in where a
unit begins, and in how many of its last steps come after the addition."""


class PreActUnit(Unit):
    """Convolutions of some `kernels` and `widths` with their BN and ReLU in one of the `ORDERS`.

    `activated`: the input has been activated already, as that of a network's first unit has. `strided`: the number of
    the convolution that has the stride. `dropout`: the part of the maps set to zero before each convolution but the
    first (wide residual networks).
    """

    def __init__(
        self,
        in_channels: int,
        kernels: Sequence[int],
        widths: Sequence[int],
        stride: int,
        shortcut: nn.Module | None,
        order: str = "full",
        activated: bool = False,
        strided: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        circle, following = _order(order)
        steps = list(_steps(circle, len(kernels), dropout > 0))
        begin, end = circle.index("conv"), len(steps) - following
        first = [] if activated else steps[:begin]
        inside, self.joined = steps[begin:end], steps[end:]
        projects = shortcut is not None and not isinstance(shortcut, nn.Identity | ZeroPad)
        self.before = first if projects else []
        self.inside = inside if projects else [*first, *inside]
        self.relu = nn.ReLU(inplace=begin != 1)  # "relu_only" activates what the shortcut needs as it is
        self.dropout = nn.Dropout(dropout)
        channels = in_channels
        for number, (kernel, width) in enumerate(zip(kernels, widths, strict=True), 1):
            by = stride if number == strided else 1
            self.add_module(f"conv{number}", nn.Conv2d(channels, width, kernel, by, padding=kernel // 2, bias=False))
            self.add_module(f"bn{number}", nn.BatchNorm2d(channels if circle[0] == "bn" else width))
            channels = width
        if activated and "bn1" in steps[:begin]:
            del self.bn1
        self.connect(shortcut)
        self.after = {0: nothing, 1: relu_, 2: partial(self._through, self.joined)}[following]

    def branch(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        return self._through(self.inside, x)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        return super().forward(self._through(self.before, x))

    def _through(self, steps: Iterable[str], x: Tensor) -> Tensor:
        for step in steps:
            x = getattr(self, step)(x)
        return x


def _order(name: str) -> tuple[list[str], int]:
    if name not in ORDERS:
        raise ValueError(f"order is {name!r}, allowed are {', '.join(map(repr, ORDERS))}")
    circle, following = ORDERS[name]
    return circle.split(), following


def _steps(circle: Sequence[str], convolutions: int, dropout: bool) -> Iterable[str]:
    """The names of a unit's layers in order: "bn1", "relu", "conv1", "bn2", "relu", "dropout", "conv2"."""
    for number in range(1, convolutions + 1):
        for step in circle:
            if step == "conv" and dropout and number > 1:
                yield "dropout"
            yield step if step == "relu" else f"{step}{number}"


# ------------------------------------------------------------------------------------------------------------
# Networks


def basic(in_channels: int, width: int, out_channels: int, stride: int, shortcut: nn.Module | None, **how) -> Unit:
    """Two 3x3 convolutions; `how` are arguments of `PreActUnit`."""
    return PreActUnit(in_channels, (3, 3), (width, out_channels), stride, shortcut, **how)


def bottleneck(in_channels: int, width: int, out_channels: int, stride: int, shortcut: nn.Module | None, **how) -> Unit:
    """1x1 down to `width`, 3x3, 1x1 up to `out_channels`."""
    return PreActUnit(in_channels, (1, 3, 1), (width, width, out_channels), stride, shortcut, **how)


class PreActResNet(nn.Module):
    """A stem, stages of units of one kind, the activation that the last unit lacks, pooling and a classifier.

    `stem` filters in the first convolution: 3x3 for small images, 7x7 with max pooling for `imagenet`.
    """

    def __init__(
        self,
        block: Callable[..., Unit],
        order: str,
        stem: int,
        widths: Sequence[int],
        expansion: int,
        blocks: Sequence[int],
        shortcut: MakeShortcut,
        num_classes: int,
        imagenet: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False) if imagenet else conv3x3(3, stem)
        self.bn1 = nn.BatchNorm2d(stem)
        self.maxpool = stem_pooling() if imagenet else nn.Identity()
        unit: Block = partial(block, order=order)
        channels = stem
        self.stages = [f"layer{number}" for number in range(1, len(widths) + 1)]
        for name, width, count in zip(self.stages, widths, blocks, strict=True):
            first = partial(unit, activated=True) if name == "layer1" else unit
            stride = 1 if name == "layer1" else 2
            self.add_module(name, stage(unit, channels, width, width * expansion, count, stride, shortcut, first=first))
            channels = width * expansion
        circle, _ = _order(order)
        self.bn = nn.BatchNorm2d(channels) if circle[0] == "bn" else nn.Identity()
        self.last = nothing if circle[0] == "conv" else F.relu
        self.fc = nn.Linear(channels, num_classes)
        initialise(self)

    def forward_features(self, images: Float[Tensor, "N 3 H W"]) -> dict[str, Float[Tensor, "N _ _ _"]]:
        """The maps by name: `stem`, and `stage1` to the last, of which that one is activated and the others are sums.

        Strides: for small images 1, 1, 2, 4; for ImageNet 4, 4, 8, 16, 32.
        """
        x = self.maxpool(relu_(self.bn1(self.conv1(images))))
        maps = {"stem": x}
        for number, name in enumerate(self.stages, 1):
            x = maps[f"stage{number}"] = self.get_submodule(name)(x)
        maps[f"stage{len(self.stages)}"] = self.last(self.bn(x))
        return maps

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N classes"]:
        """Logits (N, num_classes)."""
        return self.fc(self.forward_features(images)[f"stage{len(self.stages)}"].mean((2, 3)))


def cifar_preact(
    depth: int,
    *,
    num_classes: int = 10,
    bottlenecks: bool = False,
    order: str = "full",
    shortcut: str | None = "A",
    zeros: str = "end",
) -> PreActResNet:
    """The network of `depth` = 6n+2 layers of basic units, or 9n+2 of bottlenecks, with 16, 32, 64 filters.

    `order` is one of `ORDERS`. ValueError for any other depth or order.
    """
    kind, layers, expansion = (bottleneck, 3, 4) if bottlenecks else (basic, 2, 1)
    if depth < 3 * layers + 2 or (depth - 2) % (3 * layers):
        raise ValueError(f"depth is {depth}, allowed are {3 * layers}n+2")
    n = (depth - 2) // (3 * layers)
    path = shortcuts(shortcut, zeros, norm=order != "full")
    return PreActResNet(kind, order, 16, (16, 32, 64), expansion, (n, n, n), path, num_classes)


def imagenet_preact(
    blocks: tuple[int, int, int, int],
    *,
    num_classes: int = 1000,
    bottlenecks: bool = True,
    order: str = "full",
    shortcut: str | None = "B",
    zeros: str = "end",
    stride_in: str = "1x1",
) -> PreActResNet:
    """Pre-activation ResNet-18 to -200 by their blocks a stage; -200 is (3, 24, 36, 3).

    `stride_in` is that of `blocks.Bottleneck`.
    """
    if stride_in not in ("1x1", "3x3"):
        raise ValueError(f"stride_in is {stride_in!r}, allowed are '1x1' and '3x3'")
    kind = partial(bottleneck, strided=1 if stride_in == "1x1" else 2) if bottlenecks else basic
    path = shortcuts(shortcut, zeros, norm=order != "full")
    return PreActResNet(kind, order, 64, WIDTHS, 4 if bottlenecks else 1, blocks, path, num_classes, imagenet=True)


# ------------------------------------------------------------------------------------------------------------
# Figure 2, Table 1: what else the shortcut could be


class Scaling(nn.Module):
    """Constant scaling: a h(x) + b F(x)."""

    def __init__(self, shortcut: float, branch: float) -> None:
        super().__init__()
        self.shortcut, self.branch = shortcut, branch

    def forward(self, x: Float[Tensor, "N C H W"], shortcut: Map, branch: Map) -> Float[Tensor, "N D h w"]:
        return self.shortcut * shortcut(x) + self.branch * branch(x)

    def extra_repr(self) -> str:
        return f"{self.shortcut:g} h(x) + {self.branch:g} F(x)"


class ShortcutDropout(nn.Module):
    """Dropout on the shortcut: in expectation a scaling by 1 - `rate`."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Float[Tensor, "N C H W"], shortcut: Map, branch: Map) -> Float[Tensor, "N D h w"]:
        return F.dropout(shortcut(x), self.rate, self.training) + branch(x)

    def extra_repr(self) -> str:
        return f"dropout(h(x)) + F(x); dropout of {self.rate:g}"


MANIPULATIONS = ("scaling", "exclusive_gating", "shortcut_gating", "dropout")
"""Figure 2 (b), (c), (d), (f); (a) is the network itself, (e), a convolution on every shortcut, its option C."""


def cifar_manipulated(
    depth: int,
    *,
    manipulation: str,
    num_classes: int = 10,
    shortcut_scale: float = 0.5,
    branch_scale: float = 0.5,
    gate_bias: float = -6.0,
    dropout: float = 0.5,
) -> CifarResNet:
    """`cifar_resnet(depth)` with one of the `MANIPULATIONS` on every shortcut, before the addition and its ReLU.

    Gates are 1x1 convolutions of the unit's input whose biases begin at `gate_bias`. ValueError for another value.
    """
    if manipulation not in MANIPULATIONS:
        raise ValueError(f"manipulation is {manipulation!r}, allowed are {', '.join(MANIPULATIONS)}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}, allowed is 0 to under 1")
    model = cifar_resnet(depth, num_classes=num_classes)
    for unit in units(model):
        first = unit.get_submodule("conv1")
        assert isinstance(first, nn.Conv2d)
        gate = partial(Gate, first.in_channels, first.out_channels, first.stride[0], 1, gate_bias)
        join = {
            "scaling": partial(Scaling, shortcut_scale, branch_scale),
            "exclusive_gating": gate,
            "shortcut_gating": partial(gate, both=False),
            "dropout": partial(ShortcutDropout, dropout),
        }
        unit.join = join[manipulation]()
    return model
