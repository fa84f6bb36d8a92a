"""How large gradients are through the depth of a network: do they vanish in deep plain nets?

The paper judges that they do not: with BN they have healthy norms (section 4.1; it gives no figures). Two norms a
layer: that of the loss's gradient with respect to what the convolution gives, for one image in the mean (root of the
mean square over images), which is the signal that travels back; and that with respect to its weights, over the norm of
the weights, which is what an update changes.
"""

import copy
import math
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from resnets.runtime import in_double


@dataclass(frozen=True)
class Gradient:
    """Of one convolution of the main path."""

    layer: str
    maps: float
    """Norm of the gradient of one image's loss with respect to the layer's output."""
    weights: float
    """Norm of the gradient of the mean loss with respect to the weights, over the norm of the weights."""


def gradient_norms(model: nn.Module, images: Float[Tensor, "N 3 H W"], labels: Int64[Tensor, "N"]) -> list[Gradient]:
    """In training mode, cross entropy, on a copy: neither weights nor BN's statistics of `model` change."""
    model = copy.deepcopy(model).train()
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and "downsample" not in name.split(".")
    }
    maps: dict[str, float] = {}

    def watch(name: str) -> None:
        def forward(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            def backward(gradient: Tensor) -> None:
                # Of the mean loss over N images: N times as much of the loss of each.
                maps[name] = math.sqrt(len(gradient) * float(in_double(gradient).square().sum()))

            output.register_hook(backward)

        layers[name].register_forward_hook(forward)

    for name in layers:
        watch(name)
    F.cross_entropy(model(images), labels).backward()
    return [Gradient(name, maps[name], _relative(layers[name].weight)) for name in layers if name in maps]


def _relative(weight: Tensor) -> float:
    assert weight.grad is not None
    return float(in_double(weight.grad).norm() / in_double(weight.detach()).norm())
