"""ResNet in ResNet: two streams, one with shortcuts and one without, within residual units.

    r' = s(W_rr r + W_tr t + h(r))      the residual stream
    t' = s(W_rt r + W_tt t)             the transient stream, which can forget

s is BN and ReLU after the sum, h the identity (with zeros for new channels). With the streams side by side, x = [r, t],
the four convolutions are one, and such a generalised layer is a residual unit whose branch is that convolution and
whose shortcut is [h(r), 0]. "ResNet Init" has no shortcut: the identity is part of the convolution's initial weights,
and decay pulls towards it, not towards zero. That computes the same; both forms are here, with the same parameters.
A unit of RiR is a basic residual unit, its two convolutions made generalised layers.

Where the paper is silent, or was not at hand: the outer shortcut is that of the residual stream too, so that the
transient one has none; a layer's initial weights are drawn with the fan-in of both streams; 18 layers are a 3x3
convolution, stages of 4, 6 and 6 generalised layers, and the classifier, with 48, 96 and 192 filters a stream.
Source: "Resnet in Resnet: Generalizing Residual Architectures" (arXiv:1603.08029).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.blocks import Unit, ZeroPad, conv3x3, initialise, relu_

FORMS = ("streams", "resnet_init")


class ResidualStream(nn.Module):
    """[h(r), 0] of x = [r, t]: option A for the residual stream, nothing for the transient one."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stream = in_channels // 2
        self.pad = ZeroPad(self.stream, out_channels, stride)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        return self.pad(x[:, : self.stream])


class PartialIdentity(nn.Conv2d):
    """A 3x3 convolution of both streams to whose weights the identity of the residual stream is added.

    The parameter is what training adds to the identity, so weight decay leaves the identity alone.
    """

    identity: Tensor

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, 3, stride, padding=1, bias=False)
        identity = torch.zeros_like(self.weight, requires_grad=False)
        for channel in range(in_channels // 2):
            identity[channel, channel, 1, 1] = 1
        self.register_buffer("identity", identity, persistent=False)

    def forward(self, input: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        return self._conv_forward(input, self.weight + self.identity, None)


class GeneralisedLayer(Unit):
    """One layer of both streams. `inner=False`: an ordinary convolution; `relu=False`: its sum is BN's alone."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, form: str, inner: bool, relu: bool) -> None:
        super().__init__()
        explicit = inner and form == "streams"
        layer = conv3x3 if explicit or not inner else PartialIdentity
        self.conv1 = layer(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.connect(ResidualStream(in_channels, out_channels, stride) if explicit else None)
        self.after = self._activate if relu else self._normalise

    def branch(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        return self.conv1(x)

    def _activate(self, x: Tensor) -> Tensor:
        return relu_(self.bn1(x))

    def _normalise(self, x: Tensor) -> Tensor:
        return self.bn1(x)


class RiRUnit(Unit):
    """Two generalised layers and, with `outer`, a shortcut around both; ReLU follows the addition."""

    letters = "x = [r, t], two streams"

    def __init__(self, in_channels: int, out_channels: int, stride: int, form: str, inner: bool, outer: bool) -> None:
        super().__init__()
        self.layer1 = GeneralisedLayer(in_channels, out_channels, stride, form, inner, relu=True)
        self.layer2 = GeneralisedLayer(out_channels, out_channels, 1, form, inner, relu=False)
        self.connect(ResidualStream(in_channels, out_channels, stride) if outer else None)

    def branch(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D h w"]:
        return self.layer2(self.layer1(x))


class RiR(nn.Module):
    """`units` a stage with `widths` filters in each of the two streams."""

    def __init__(
        self, units: Sequence[int], widths: Sequence[int], form: str, inner: bool, outer: bool, num_classes: int
    ) -> None:
        super().__init__()
        channels = 2 * widths[0]
        self.conv1 = conv3x3(3, channels)
        self.bn1 = nn.BatchNorm2d(channels)
        for number, (count, width) in enumerate(zip(units, widths, strict=True), 1):
            stage = nn.Sequential()
            for first in [True] + [False] * (count - 1):
                stride = 2 if first and number > 1 else 1
                stage.append(RiRUnit(channels, 2 * width, stride, form, inner, outer))
                channels = 2 * width
            self.add_module(f"layer{number}", stage)
        self.fc = nn.Linear(channels, num_classes)
        initialise(self)

    def forward_features(self, images: Float[Tensor, "N 3 H W"]) -> dict[str, Float[Tensor, "N _ _ _"]]:
        """The maps by name, both streams in each: `stem` and `stage1` (stride 1), `stage2` (2), `stage3` (4)."""
        maps = {"stem": relu_(self.bn1(self.conv1(images)))}
        for number in (1, 2, 3):
            maps[f"stage{number}"] = self.get_submodule(f"layer{number}")(list(maps.values())[-1])
        return maps

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N classes"]:
        """Logits (N, num_classes)."""
        return self.fc(self.forward_features(images)["stage3"].mean((2, 3)))


def cifar_rir(
    widths: tuple[int, int, int],
    *,
    num_classes: int = 10,
    form: str = "streams",
    inner: bool = True,
    outer: bool = True,
) -> RiR:
    """The 18-layer network with `widths` filters a stream; `form` is one of `FORMS` (ValueError otherwise).

    `inner` and `outer` say which shortcuts there are: both RiR, `inner` alone the paper's ResNet Init net, `outer`
    alone a residual and neither an ordinary convolutional net.
    """
    if form not in FORMS:
        raise ValueError(f"form is {form!r}, allowed are {', '.join(map(repr, FORMS))}")
    return RiR((2, 3, 3), widths, form, inner, outer, num_classes)
