"""Residual networks of residual networks: shortcuts around groups of units, and around all of them.

    level 1, root      from the stem to the end
    level 2, middle    around each of the three groups
    level 3, final     around each unit: the network as it was

RoR-m has m levels: 1 is the original network, 2 adds the root, 3 the middle too. Root and middle are 1x1 convolutions
(Figure 2). Around original units a ReLU follows each middle and, at the end, both additions: the last unit of a group
leaves its own to the level above. Around pre-activation and wide units BN and ReLU come only after the last addition.

Choices: projections are followed by BN where the network's own are; the final level keeps the network's own option.
Widely used re-implementations replace the strided units by max pooling between the groups, which the figure does not.
Source: "Residual Networks of Residual Networks: Multilevel Residual Networks" (arXiv:1608.02908v2), section 3.
"""

from collections.abc import Sequence
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.blocks import MakeShortcut, Map, Unit, initialise, nothing, relu_, shortcuts
from resnets.models.cifar import CifarResNet, cifar_resnet
from resnets.models.preact import PreActResNet, cifar_preact
from resnets.models.wide import cifar_wide


class Level(Unit):
    """A group of units as the branch of a unit: a shortcut around all of them."""

    holds_units = True

    def __init__(self, group: nn.Sequential, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.units = group
        self.connect(shortcut)
        self.after = hand_over(group[-1])

    def branch(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        return self.units(x)


def hand_over(unit: nn.Module) -> Map:
    """What `unit` does where its paths have met; from now on it leaves that to the level above."""
    assert isinstance(unit, Unit)
    after, unit.after = unit.after, nothing
    return after


class RoR(nn.Module):
    """The layers of `net`, a root shortcut around them and, with three levels, one around each group.

    `outputs` are the channels that the groups give; `projection` makes the shortcuts.
    """

    def __init__(
        self, net: CifarResNet | PreActResNet, levels: int, outputs: Sequence[int], projection: MakeShortcut
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = net.conv1, net.bn1
        channels = stem = net.bn1.num_features
        last: nn.Module = self
        for number, width in enumerate(outputs, 1):
            group = cast(nn.Sequential, net.get_submodule(f"layer{number}"))
            middle = projection(channels, width, 1 if number == 1 else 2)
            self.add_module(f"layer{number}", Level(group, middle) if levels == 3 else group)
            last = self.get_submodule(f"layer{number}") if levels == 3 else group[-1]
            channels = width
        self.downsample = cast(nn.Module, projection(stem, channels, 4))
        self.activate = hand_over(last)
        self.bn = net.bn if isinstance(net, PreActResNet) else nn.Identity()
        self.last = net.last if isinstance(net, PreActResNet) else nothing
        self.fc = net.fc
        initialise(self)

    def forward_features(self, images: Float[Tensor, "N 3 H W"]) -> dict[str, Float[Tensor, "N _ _ _"]]:
        """The maps by name: `stem` and `stage1` (stride 1), `stage2` (stride 2), `stage3` (stride 4)."""
        stem = relu_(self.bn1(self.conv1(images)))
        stage1 = self.get_submodule("layer1")(stem)
        stage2 = self.get_submodule("layer2")(stage1)
        stage3 = self.get_submodule("layer3")(stage2) + self.downsample(stem)
        return {"stem": stem, "stage1": stage1, "stage2": stage2, "stage3": self.last(self.bn(self.activate(stage3)))}

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N classes"]:
        """Logits (N, num_classes)."""
        return self.fc(self.forward_features(images)["stage3"].mean((2, 3)))


def cifar_ror(
    depth: int,
    *,
    levels: int = 3,
    over: str = "resnet",
    bottlenecks: bool = False,
    widening: int = 4,
    num_classes: int = 10,
) -> nn.Module:
    """RoR with `levels` 1 to 3 over a net of `depth` layers: "resnet", "preact" or "wide" (`widening` times).

    `bottlenecks`: units of three convolutions, 9n+2 layers; not for "wide". ValueError for any other value.
    """
    if levels not in (1, 2, 3):
        raise ValueError(f"levels is {levels}, allowed are 1, 2 and 3")
    if over not in ("resnet", "preact", "wide"):
        raise ValueError(f"over is {over!r}, allowed are 'resnet', 'preact' and 'wide'")
    if over == "wide" and bottlenecks:
        raise ValueError("bottlenecks is True, over 'wide' allowed is False")
    post = over == "resnet"
    net: CifarResNet | PreActResNet
    if over == "wide":
        net = cifar_wide((depth, widening), num_classes=num_classes)
    elif post and not bottlenecks:
        net = cifar_resnet(depth, num_classes=num_classes)
    else:
        option, order = "B" if bottlenecks else "A", "original" if post else "full"
        net = cifar_preact(depth, num_classes=num_classes, bottlenecks=bottlenecks, order=order, shortcut=option)
    if levels == 1:
        return net
    factor = widening if over == "wide" else 4 if bottlenecks else 1
    return RoR(net, levels, [factor * width for width in (16, 32, 64)], shortcuts("C", norm=post))
