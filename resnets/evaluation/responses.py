"""How strongly the layers of a network respond: the quantity of Figure 7.

The standard deviation of what each 3x3 convolution gives after BN and before what follows: before the ReLU, or, for the
last one of a unit, before the addition, where it is the strength of the residual branch.

The paper does not say over what it is taken, nor on which images. Here it is one number a layer, over all images,
places and channels, with BN in inference mode. (Of each channel alone it would tend to BN's scale.)
Source: arXiv:1512.03385, section 4.2, "Analysis of Layer Responses".
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from resnets.evaluation.protocols import inference
from resnets.runtime import in_double


@dataclass
class _Sums:
    """Of the values that one layer has given: how many, their sum, and that of their squares, in float64."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, values: Tensor) -> None:
        exact = in_double(values)
        self.count += values.numel()
        self.total += float(exact.sum())
        self.squares += float(exact.square().sum())

    @property
    def std(self) -> float:
        mean = self.total / self.count
        return math.sqrt(max(0.0, self.squares / self.count - mean**2))


@dataclass
class _Watch:
    """Which convolution has spoken last, and what each has come to behind its BN."""

    names: dict[nn.Module, str]
    layer: str = ""
    output: Tensor | None = None
    sums: dict[str, _Sums] = field(default_factory=dict)

    def convolved(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.layer, self.output = self.names[module], output

    def normalised(self, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if inputs[0] is self.output:
            self.sums.setdefault(self.layer, _Sums()).add(output)


def layer_responses(model: nn.Module, batches: Iterable[Tensor]) -> dict[str, float]:
    """The response of each 3x3 convolution that a BN follows, by name, in the order they are computed.

    `batches` are normalised images (N, 3, H, W) on the model's device. ValueError where there is no such layer,
    or no image.
    """
    names: dict[nn.Module, str] = {
        m: name for name, m in model.named_modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
    }
    watch = _Watch(names)
    hooks = [module.register_forward_hook(watch.convolved) for module in names]
    hooks += [m.register_forward_hook(watch.normalised) for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    try:
        with inference(model):
            for images in batches:
                model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not watch.sums:
        raise ValueError("no 3x3 convolution with BN behind it has responded: the network has none, or saw no image")
    return {name: sums.std for name, sums in watch.sums.items()}
