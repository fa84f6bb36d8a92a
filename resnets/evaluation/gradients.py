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
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from resnets.evaluation.behind_norm import Listener
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
    maps: dict[str, float] = {}

    def listen(layer: str, output: Tensor) -> None:
        def back(gradient: Tensor) -> None:
            # Of the mean loss over N images: N times as much of the loss of each. Behind BN it comes back first.
            maps.setdefault(layer, math.sqrt(len(gradient) * float(in_double(gradient).square().sum())))

        output.register_hook(back)

    Listener({module: name for name, module in layers.items()}, listen, listen).attach(model)
    F.cross_entropy(model(images), labels).backward()
    return [_gradient(name, maps[name], layers[name].weight) for name in layers if name in maps]


def _gradient(name: str, maps: float, weight: Tensor) -> Gradient:
    assert weight.grad is not None
    length = float(in_double(weight.detach()).norm())
    return Gradient(name, maps, float(in_double(weight.grad).norm()) / length, length)
