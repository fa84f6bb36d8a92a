"""A network's layers as a table, measured from the network itself: shapes, parameters, multiply-adds.

Multiply-adds are the paper's "FLOPs": those of convolutions and fully connected layers, for one image.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from resnets.models.modes import modes_kept


@dataclass(frozen=True)
class Layer:
    """One convolution, pooling or fully connected layer, with the parameters of the BN on its output; or a BN alone."""

    name: str
    kind: str
    """"conv", "max pool", "fc" or, where it does not follow a convolution, "BN"."""
    kernel: int
    stride: int
    in_channels: int
    out_channels: int
    output_size: tuple[int, int]
    """(H, W) of the output; (1, 1) for a fully connected layer."""
    parameters: int
    multiply_adds: int
    on_shortcut: bool
    """True for a projection or a gate, which the depth of a network does not count."""
    groups: int = 1
    """Of channels, in a convolution."""


SHORTCUT_PARTS = {"downsample", "join"}
"""Parts of a module's name that say that it belongs to a shortcut, or to how two paths join."""


class _ShapesOnly(TorchFunctionMode):
    """Leaves out what no shape depends on: torch takes seconds to initialise and normalise meta tensors."""

    _unchanged = (nn.init.kaiming_uniform_, Tensor.normal_, Tensor.uniform_, Tensor.fill_, F.batch_norm)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in self._unchanged:
            return args[0] if args else (kwargs or {})["tensor"]
        # The mean of a meta tensor imports torch's compiler (a second); a sum has the same shape.
        return (Tensor.sum if func is Tensor.mean else func)(*args, **(kwargs or {}))


@contextmanager
def shapes_only() -> Iterator[None]:
    """Within it networks are built on the meta device: names and shapes, no memory, no initialisation."""
    with torch.device("meta"), _ShapesOnly():
        yield


def layers(model: nn.Module, input_size: int) -> list[Layer]:
    """The layers of `model` in the order they are computed, for one image of `input_size` pixels a side.

    A model on the meta device is counted without memory or arithmetic.
    """
    rows: list[Layer] = []
    names = {module: name for name, module in model.named_modules()}
    last = None  # the output of the layer before, and how often it had been changed in place

    def record(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal last
        x = inputs[0]
        follows = last is not None and x is last[0] and x._version == last[1]
        last = (output, output._version)
        if isinstance(module, nn.BatchNorm2d) and follows and rows[-1].kind == "conv":
            rows[-1] = replace(rows[-1], parameters=rows[-1].parameters + _parameters(module))
        else:
            rows.append(_row(names[module], module, x, output))

    kinds = nn.Conv2d | nn.BatchNorm2d | nn.MaxPool2d | nn.Linear
    hooks = [module.register_forward_hook(record) for module in model.modules() if isinstance(module, kinds)]
    parameter = next(model.parameters())
    image = torch.zeros(1, 3, input_size, input_size, device=parameter.device, dtype=parameter.dtype)
    try:
        with modes_kept(model), torch.no_grad(), ExitStack() as stack:
            if parameter.is_meta:
                stack.enter_context(_ShapesOnly())
            model.eval()(image)
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def _row(name: str, module: nn.Module, x: Tensor, y: Tensor) -> Layer:
    kind, kernel, stride, work, groups = "BN", 1, 1, 0, 1
    height, width = (y.shape[2], y.shape[3]) if y.dim() == 4 else (1, 1)
    if isinstance(module, nn.Linear):
        kind, work = "fc", module.weight.numel()
    elif isinstance(module, nn.Conv2d):
        kind, kernel, stride = "conv", _side(module.kernel_size), _side(module.stride)
        work, groups = module.weight.numel() * height * width, module.groups
    elif isinstance(module, nn.MaxPool2d):
        kind, kernel, stride = "max pool", _side(module.kernel_size), _side(module.stride)
    shortcut = not SHORTCUT_PARTS.isdisjoint(name.split("."))
    channels = (x.shape[1], y.shape[1])
    return Layer(name, kind, kernel, stride, *channels, (height, width), _parameters(module), work, shortcut, groups)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _side(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]


def depth(rows: list[Layer]) -> int:
    """Convolutions of the main path plus fully connected layers, as the paper counts."""
    return sum(row.kind in ("conv", "fc") and not row.on_shortcut for row in rows)
