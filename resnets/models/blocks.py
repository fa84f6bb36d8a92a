"""What every residual network here is made of: shortcuts, units, stages, initialisation.

    y = f(join(h(x), F(x)))      h the shortcut, F the residual branch, f what follows

In this paper the two paths are joined by addition and f is ReLU. The papers that followed changed h, F, f or the way
they are joined, one at a time, and so do the other files of this folder.

Shapes: N images, C channels, H and W the sides of a map. Convolutions carry no bias: BN's shift takes its
place.
Source: "Deep Residual Learning for Image Recognition" (arXiv:1512.03385), sections 3.2, 3.3 and 4.1; the general form
is that of "Identity Mappings in Deep Residual Networks" (arXiv:1603.05027), section 2.
"""

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SHORTCUTS = ("A", "B", "C", None)
"""The paper's options: identity with zero padding, projection where shapes change, projection everywhere;
None: plain."""


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps H and W (divides them by `stride`)."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, groups=groups, bias=False)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution: a projection of the channels."""
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


# ------------------------------------------------------------------------------------------------------------
# Shortcuts


class ZeroPad(nn.Module):
    """Option A where shapes change: every `stride`-th pixel, and zeros for the channels that are new.

    The paper does not say where the zeros go. `zeros="end"` puts them after the channels (as
    fb.resnet.torch), `zeros="both"` half before and half after (as akamaster's CIFAR weights were trained).
    `subsample="mean"` averages each `stride` by `stride` pixels instead (the code of stochastic depth).
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, zeros: str = "end", subsample: str = "stride"
    ) -> None:
        super().__init__()
        new = out_channels - in_channels
        self.before = new // 2 if zeros == "both" else 0
        self.after = new - self.before
        self.stride, self.subsample = stride, subsample

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        if self.stride > 1:  # not x[:, :, ::2, ::2], whose gradient loses the memory format
            mean = self.subsample == "mean"
            x = F.avg_pool2d(x, self.stride if mean else 1, self.stride, ceil_mode=mean)
        return F.pad(x, (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        return f"before={self.before}, after={self.after}, stride={self.stride}, subsample={self.subsample!r}"


MakeShortcut = Callable[[int, int, int], nn.Module | None]
"""(in_channels, out_channels, stride) -> the shortcut of one unit; None for a plain one."""


def shortcuts(option: str | None, zeros: str = "end", *, subsample: str = "stride", norm: bool = True) -> MakeShortcut:
    """The paper's shortcut `option` (section 4.1), one of `SHORTCUTS`, as a builder of one unit's shortcut.

    `zeros` ("end" or "both") and `subsample` ("stride" or "mean") are those of `ZeroPad`; `norm`: whether BN follows
    a projection. Raises ValueError for another value.
    """
    if option not in SHORTCUTS:
        raise ValueError(f"shortcut is {option!r}, allowed are 'A', 'B', 'C' and None (plain)")
    if zeros not in ("end", "both"):
        raise ValueError(f"zeros is {zeros!r}, allowed are 'end' and 'both'")
    if subsample not in ("stride", "mean"):
        raise ValueError(f"subsample is {subsample!r}, allowed are 'stride' and 'mean'")

    def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
        if option is None:
            return None
        same_shape = stride == 1 and in_channels == out_channels
        if same_shape and option != "C":
            return nn.Identity()
        if option == "A":
            return ZeroPad(in_channels, out_channels, stride, zeros, subsample)
        projection = conv1x1(in_channels, out_channels, stride)
        return nn.Sequential(projection, nn.BatchNorm2d(out_channels)) if norm else projection

    return shortcut


# ------------------------------------------------------------------------------------------------------------
# Units: y = ReLU(F(x) + h(x)), equations (1) and (2); without a shortcut, y = ReLU(F(x))

Map = Callable[[Tensor], Tensor]
"""From a batch of maps to another one."""


def add(x: Tensor, shortcut: Map, branch: Map) -> Tensor:
    """How the paper joins the two paths: F(x) + h(x)."""
    return branch(x) + shortcut(x)


def no_shortcut(x: Tensor, shortcut: Map | None, branch: Map) -> Tensor:
    """A plain unit: F(x) alone."""
    return branch(x)


def relu_(x: Tensor) -> Tensor:
    """ReLU in place."""
    return F.relu(x, inplace=True)


def nothing(x: Tensor) -> Tensor:
    """The maps as they are: f where it is the identity."""
    return x


class Unit(nn.Module):
    """One residual unit, y = after(join(x, downsample, branch)); kinds of units differ in their `branch`."""

    join: Callable[..., Tensor]
    """(x, shortcut, branch) -> both paths as one; it need not call either. Where it is a module, its `extra_repr` is
    the equation and, after a semicolon, what its letters stand for."""
    after: Map
    """f: what follows where the paths have met."""
    holds_units = False
    """Whether the branch is itself made of residual units."""
    letters = ""
    """What letters in its equation stand for, where it needs to be said."""

    def connect(self, shortcut: nn.Module | None) -> None:
        """Ends a unit's `__init__`: the shortcut comes last, and has torchvision's name, as its parameters have."""
        self.downsample = shortcut
        self.join = no_shortcut if shortcut is None else add
        self.after = relu_

    def branch(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        """F(x)."""
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        return self.after(self.join(x, self.downsample, self.branch))


class Basic(Unit):
    """Figure 5, left: two 3x3 convolutions. The stride sits in the first."""

    def __init__(
        self, in_channels: int, width: int, out_channels: int, stride: int, shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.connect(shortcut)

    def branch(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        x = relu_(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(x))


class Bottleneck(Unit):
    """Figure 5, right: 1x1 down to `width`, 3x3, 1x1 up to `out_channels`.

    `stride_in="1x1"` is the paper and its release; "3x3" is the later variant ("v1.5": fb.resnet.torch,
    torchvision). `groups`: the 3x3 convolution works on so many groups of channels (ResNeXt).
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        stride: int,
        shortcut: nn.Module | None,
        stride_in: str = "1x1",
        groups: int = 1,
    ) -> None:
        super().__init__()
        if stride_in not in ("1x1", "3x3"):
            raise ValueError(f"stride_in is {stride_in!r}, allowed are '1x1' and '3x3'")
        self.conv1 = conv1x1(in_channels, width, stride if stride_in == "1x1" else 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride if stride_in == "3x3" else 1, groups)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv1x1(width, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.connect(shortcut)

    def branch(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        x = relu_(self.bn1(self.conv1(x)))
        x = relu_(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


Block = Callable[[int, int, int, int, nn.Module | None], Unit]
"""(in_channels, width, out_channels, stride, shortcut) -> one unit."""


def stage(
    block: Block,
    in_channels: int,
    width: int,
    out_channels: int,
    blocks: int,
    stride: int,
    shortcut: MakeShortcut,
    first: Block | None = None,
) -> nn.Sequential:
    """`blocks` units on maps of one size; the first (made by `first`, where given) may change the shape."""
    beginning = (first or block)(in_channels, width, out_channels, stride, shortcut(in_channels, out_channels, stride))
    others = (
        block(out_channels, width, out_channels, 1, shortcut(out_channels, out_channels, 1)) for _ in range(blocks - 1)
    )
    return nn.Sequential(beginning, *others)


# ------------------------------------------------------------------------------------------------------------
# Initialisation


def initialise(model: nn.Module) -> None:
    """All of a network's initialisation.

    | layer          | weights                        | bias |
    |----------------|--------------------------------|------|
    | convolution    | N(0, 2 / (kernel^2 * inputs))  | 0    |
    | fully connected| N(0, 2 / inputs)               | 0    |
    | BN             | 1                              | 0    |

    He et al. 2015 (arXiv:1502.01852), the forward derivation (fan-in). The paper says no more than "as in
    [13]"; fan-in, and the same rule for the fully connected layer, are choices made here.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


def to_fan_out(layers: Iterable[nn.Module]) -> None:
    """Convolutions that were drawn by `initialise` get the variance 2 / (kernel^2 * outputs): the backward derivation.

    The draws stay and are scaled, so that a seed gives the same network but for this choice. In groups, too, all
    outputs count, as in fb.resnet.torch and in PyTorch.
    """
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            outputs, inputs = layer.weight.shape[:2]
            with torch.no_grad():
                layer.weight.mul_(math.sqrt(inputs / outputs))


# ------------------------------------------------------------------------------------------------------------
# Normalisation


def batch_norm(model: nn.Module, *, eps: float = 1e-5) -> None:
    """Sets what every BN adds to the variance: others' weights were trained with another number.

    Raises ValueError unless it is positive and under 0.1.
    """
    if not 0 < eps < 0.1:
        raise ValueError(f"eps is {eps}, allowed is more than 0 and less than 0.1")
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = eps
