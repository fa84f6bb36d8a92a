"""How large gradients are through the depth of a network: do they vanish in deep plain nets?

The paper judges that they do not: with BN they have healthy norms (section 4.1; it gives no figures). Two norms a
layer: that of the loss's gradient with respect to what the layer gives, for one image in the mean (root of the mean
square over images), which is the signal that travels back; and that with respect to its weights, over the norm of the
weights, which is what an update changes.

What a layer gives is taken behind its BN. Before it the norm would say how long the weights are: BN makes its output
the same for weights ten times as long, and the gradient before it a tenth.
"""

import copy
import math
from dataclasses import dataclass, field

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from resnets.runtime import in_double


@dataclass(frozen=True)
class Gradient:
    """Of one convolution of the main path."""

    layer: str
    maps: float
    """Norm of the gradient of one image's loss with respect to the layer's output, behind the BN that follows it."""
    weights: float
    """Norm of the gradient of the mean loss with respect to the weights, over the norm of the weights."""
    length: float
    """Norm of the weights."""


def gradient_norms(model: nn.Module, images: Float[Tensor, "N 3 H W"], labels: Int64[Tensor, "N"]) -> list[Gradient]:
    """In training mode, cross entropy, on a copy: neither weights nor BN's statistics of `model` change."""
    model = copy.deepcopy(model).train()
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and "downsample" not in name.split(".")
    }
    watch = _Watch({module: name for name, module in layers.items()})
    for module in model.modules():
        if module in watch.names:
            module.register_forward_hook(watch.convolved)
        elif isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(watch.normalised)
    F.cross_entropy(model(images), labels).backward()
    return [_gradient(name, watch.maps[name], layers[name].weight) for name in layers if name in watch.maps]


@dataclass
class _Watch:
    """The norms as they come back, by layer; which convolution has spoken last on the way there."""

    names: dict[nn.Module, str]
    layer: str = ""
    output: Tensor | None = None
    maps: dict[str, float] = field(default_factory=dict)

    def convolved(self, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        self.layer, self.output = self.names[module], output
        self._listen(self.layer, output)

    def normalised(self, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if inputs[0] is self.output:
            self._listen(self.layer, output)

    def _listen(self, layer: str, output: Tensor) -> None:
        def back(gradient: Tensor) -> None:
            # Of the mean loss over N images: N times as much of the loss of each. Behind BN it comes back first.
            self.maps.setdefault(layer, math.sqrt(len(gradient) * float(in_double(gradient).square().sum())))

        output.register_hook(back)


def _gradient(name: str, maps: float, weight: Tensor) -> Gradient:
    assert weight.grad is not None
    length = float(in_double(weight.detach()).norm())
    return Gradient(name, maps, float(in_double(weight.grad).norm()) / length, length)
