"""What a layer gives: a convolution, behind the BN that follows it directly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Told = Callable[[str, Tensor], None]
"""Takes the name of a layer and what it gives."""


def _nothing(layer: str, output: Tensor) -> None:
    pass


@dataclass
class Listener:
    """Hears the convolutions called `names` and the BN behind them, as a network computes."""

    names: Mapping[nn.Module, str]
    normalised: Told
    """Of what BN makes of a layer's output."""
    convolved: Told = _nothing
    """Of that output itself, before it."""
    layer: str = ""
    output: Tensor | None = None

    def attach(self, model: nn.Module) -> list[RemovableHandle]:
        """Hears `model` until the handles are removed."""
        hooks = [module.register_forward_hook(self._convolved) for module in self.names]
        norms = (module for module in model.modules() if isinstance(module, nn.BatchNorm2d))
        return hooks + [norm.register_forward_hook(self._normalised) for norm in norms]

    def _convolved(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.layer, self.output = self.names[module], output
        self.convolved(self.layer, output)

    def _normalised(self, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if inputs[0] is self.output:
            self.normalised(self.layer, output)
