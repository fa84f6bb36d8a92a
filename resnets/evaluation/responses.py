"""How strongly the layers of a network respond: the quantity of Figure 7.

The standard deviation of what each 3x3 convolution gives after BN and before what follows: before the ReLU, or, for the
last one of a unit, before the addition, where it is the strength of the residual branch.

The paper does not say over what it is taken, nor on which images. Here it is one number a layer, over all images,
places and channels, with BN in inference mode. (Of each channel alone it would tend to BN's scale.)
Source: arXiv:1512.03385, section 4.2, "Analysis of Layer Responses".
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from resnets.evaluation.behind_norm import Listener
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


def layer_responses(model: nn.Module, batches: Iterable[Tensor]) -> dict[str, float]:
    """The response of each 3x3 convolution that a BN follows, by name, in the order they are computed.

    `batches` are normalised images (N, 3, H, W) on the model's device. ValueError where there is no such layer,
    or no image.
    """
    names: dict[nn.Module, str] = {
        m: name for name, m in model.named_modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
    }
    sums: dict[str, _Sums] = {}
    hooks = Listener(names, lambda layer, output: sums.setdefault(layer, _Sums()).add(output)).attach(model)
    try:
        with inference(model):
            for images in batches:
                model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not sums:
        raise ValueError("no 3x3 convolution with BN behind it has responded: the network has none, or saw no image")
    return {name: of_layer.std for name, of_layer in sums.items()}
