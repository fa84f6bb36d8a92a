"""A network's layers as a table, measured from the network itself: shapes, parameters, multiply-adds.

Multiply-adds are the paper's "FLOPs": those of convolutions and fully connected layers, for one image.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Layer:
    """One convolution, pooling or fully connected layer, with the parameters of the BN that follows it."""

    name: str
    kind: str
    """"conv", "max pool" or "fc"."""
    kernel: int
    stride: int
    in_channels: int
    out_channels: int
    output_size: tuple[int, int]
    """(H, W) of the output; (1, 1) for a fully connected layer."""
    parameters: int
    multiply_adds: int
    on_shortcut: bool
    """True for a projection, which the depth of a network does not count."""


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
    norms = dict(_norm_after(model))

    def record(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        rows.append(_row(names[module], module, inputs[0], output, norms.get(module)))

    hooks = [
        module.register_forward_hook(record)
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.Linear)
    ]
    parameter = next(model.parameters())
    image = torch.zeros(1, 3, input_size, input_size, device=parameter.device, dtype=parameter.dtype)
    was_training = model.training
    try:
        with torch.no_grad(), ExitStack() as stack:
            if parameter.is_meta:
                stack.enter_context(_ShapesOnly())
            model.eval()(image)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return rows


def _norm_after(model: nn.Module) -> Iterator[tuple[nn.Module, nn.BatchNorm2d]]:
    """Each convolution with the BN registered right after it: here BN always follows its convolution."""
    modules = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    for first, second in pairwise(modules):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            yield first, second


def _row(name: str, module: nn.Module, x: Tensor, y: Tensor, norm: nn.BatchNorm2d | None) -> Layer:
    parameters = sum(p.numel() for m in (module, norm) if m is not None for p in m.parameters())
    shortcut = "downsample" in name.split(".")
    if isinstance(module, nn.Linear):
        work = module.in_features * module.out_features
        return Layer(name, "fc", 1, 1, x.shape[1], y.shape[1], (1, 1), parameters, work, shortcut)
    assert isinstance(module, nn.Conv2d | nn.MaxPool2d)
    size = (int(y.shape[2]), int(y.shape[3]))
    kernel, stride = _side(module.kernel_size), _side(module.stride)
    if isinstance(module, nn.MaxPool2d):
        return Layer(name, "max pool", kernel, stride, x.shape[1], y.shape[1], size, 0, 0, shortcut)
    work = module.weight.numel() * size[0] * size[1]
    return Layer(name, "conv", kernel, stride, x.shape[1], y.shape[1], size, parameters, work, shortcut)


def _side(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]


def depth(rows: list[Layer]) -> int:
    """Convolutions of the main path plus fully connected layers, as the paper counts."""
    return sum(row.kind in ("conv", "fc") and not row.on_shortcut for row in rows)
