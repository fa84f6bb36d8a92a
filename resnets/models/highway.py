"""Highway networks, the gated ancestor: y = H(x) T(x) + x (1 - T(x)).

A transform gate T decides, pixel by pixel and channel by channel, how much of a layer's own work H and how much of its
input goes on. The gate has parameters and can close; the shortcut of a residual network has none and never does.

Nets for 32x32 images: three stages of highway layers of 3x3 convolutions, each but the first opened by an ordinary
convolution that changes the width and closed by 2x2 max pooling (the last by none), then a highway layer of 1x1
convolutions, global average pooling and a fully connected layer. No BN: biases.

The paper does not say how its nets for CIFAR-10 are laid out, only "19 layers, 2.3M parameters" and "32 layers, 1.25M";
layout and widths are chosen here so that the counts agree.
Source: "Highway Networks" (arXiv:1505.00387), sections 2 and 4; "Training Very Deep Networks" (arXiv:1507.06228).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.blocks import Map, Unit, initialise, no_shortcut, nothing, relu_


class Gate(nn.Module):
    """How a highway layer joins its paths: (1 - g) h(x) + g F(x), with g = sigmoid(W x + b) from the layer's input.

    `bias` is where b begins: negative, so that a new layer carries its input. `both=False` gates the shortcut alone,
    (1 - g) h(x) + F(x), as "Identity Mappings" tries.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, kernel: int, bias: float, both: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2)
        self.bias, self.both = bias, both
        self.initialise()

    def initialise(self) -> None:
        """As every convolution here, but with the bias at its beginning."""
        initialise(self)
        assert self.conv.bias is not None
        nn.init.constant_(self.conv.bias, self.bias)

    def forward(self, x: Float[Tensor, "N C H W"], shortcut: Map, branch: Map) -> Float[Tensor, "N D h w"]:
        gate = torch.sigmoid(self.conv(x))
        return (1 - gate) * shortcut(x) + (gate * branch(x) if self.both else branch(x))

    def extra_repr(self) -> str:
        branch = "g F(x)" if self.both else "F(x)"
        return f"(1 - g) h(x) + {branch}; g = sigmoid(W x + b), b from {self.bias:g}"


class HighwayLayer(Unit):
    """One convolution with ReLU and, unless plain, a gate and the way around it."""

    def __init__(self, channels: int, kernel: int, gate_bias: float | None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        self.connect(None if gate_bias is None else nn.Identity())
        self.join = no_shortcut if gate_bias is None else Gate(channels, channels, 1, kernel, gate_bias)
        self.after = nothing

    def branch(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        return relu_(self.conv(x))


class Highway(nn.Module):
    """`layers` convolutions a stage with `widths` filters."""

    def __init__(self, layers: Sequence[int], widths: Sequence[int], gate_bias: float | None, num_classes: int) -> None:
        super().__init__()
        channels = 3
        for number, (count, width) in enumerate(zip(layers, widths, strict=True), 1):
            opening = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True))
            others = (HighwayLayer(width, 3, gate_bias) for _ in range(count - 1))
            setattr(self, f"layer{number}", nn.Sequential(opening, *others))
            channels = width
        self.maxpool = nn.MaxPool2d(2)
        self.last = HighwayLayer(channels, 1, gate_bias)
        self.fc = nn.Linear(channels, num_classes)
        initialise(self)
        for module in self.modules():
            if isinstance(module, Gate):
                module.initialise()

    def forward_features(self, images: Float[Tensor, "N 3 H W"]) -> dict[str, Float[Tensor, "N _ _ _"]]:
        """The maps by name: `stage1` (stride 1), `stage2` (stride 2), `stage3` (stride 4)."""
        stage1 = self.get_submodule("layer1")(images)
        stage2 = self.get_submodule("layer2")(self.maxpool(stage1))
        stage3 = self.get_submodule("layer3")(self.maxpool(stage2))
        return {"stage1": stage1, "stage2": stage2, "stage3": self.last(stage3)}

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N classes"]:
        """Logits (N, num_classes)."""
        return self.fc(self.forward_features(images)["stage3"].mean((2, 3)))


LAYOUTS = {19: ((5, 6, 6), (32, 80, 128)), 32: ((10, 10, 10), (32, 48, 64))}
"""By depth: convolutions and filters of each stage; the 1x1 highway layer and the classifier are the last two."""


def cifar_highway(depth: int, *, num_classes: int = 10, gate_bias: float | None = -2.0) -> Highway:
    """The network of `depth` 19 or 32 layers. ValueError for another depth.

    `gate_bias`: where the gates' biases begin (the paper: -1 to -10 work); None: the plain net, without gates.
    """
    if depth not in LAYOUTS:
        raise ValueError(f"depth is {depth}, allowed are {' and '.join(map(str, LAYOUTS))}")
    layers, widths = LAYOUTS[depth]
    return Highway(layers, widths, gate_bias, num_classes)
