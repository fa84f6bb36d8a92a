"""In inference, a convolution with the addition and the ReLU behind it as one operation.

    y = relu(W x + b + z)        z the shortcut's map, where there is one

Step by step, a network whose BN is folded writes a map, reads it to add another one, and again for the ReLU. oneDNN (on
a CPU) and cuDNN (on CUDA) do all of it while they still have the convolution's values; PyTorch calls them so from
compiled code only. Here the places are found in the network's graph, which needs no compiling.

On a CPU the weights also lie as oneDNN wants them, which it otherwise brings about anew in every call.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

Operation = Callable[[Tensor, Tensor | None, bool], Tensor]
"""(x, z, whether there is a ReLU) -> y."""


def joined(network: fx.GraphModule, device: str) -> fx.GraphModule:
    """`network`, which is changed: each convolution does what alone follows it, an addition, a ReLU or both.

    Its weights stay where they are, and as they are, from here on. ValueError where PyTorch has no such operation for
    `device`.
    """
    if not joins(device):
        raise ValueError(f"convolutions do nothing but convolve on {device}, allowed are CUDA and CPUs with oneDNN")
    graph = network.graph
    for node in list(graph.nodes):
        if node.op == "call_module" and type(conv := network.get_submodule(str(node.target))) is nn.Conv2d:
            _join(network, node, MAKERS[device](conv))
    graph.lint()
    network.recompile()
    return network


def joins(device: str) -> bool:
    """Whether this PyTorch has such operations for `device`; the layout of oneDNN's weights is no public function."""
    if device == "cpu":
        return torch.backends.mkldnn.is_available() and hasattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")  # type: ignore[attr-defined]
    return device in MAKERS


def _join(network: fx.GraphModule, node: fx.Node, operation: Operation) -> None:
    """The call `node` of a convolution, with what follows, becomes one of its operation."""
    steps, added = [node], None
    if (after := _alone(node)) and after.target in _ADD and len(after.all_input_nodes) == 2 and not after.kwargs:
        (added,) = (other for other in after.all_input_nodes if other is not node)
        steps.append(after)
    relu = False
    if (after := _alone(steps[-1])) and _is_relu(network, after):
        steps.append(after)
        relu = True
    network.add_submodule(str(node.target), Joined(operation))
    with network.graph.inserting_before(steps[-1]):  # where the other map is there, too
        call = network.graph.call_module(str(node.target), (node.args[0], added, relu))
    steps[-1].replace_all_uses_with(call)
    for step in reversed(steps):
        network.graph.erase_node(step)


_ADD = (operator.add, operator.iadd, torch.add)
_RELU = (F.relu, F.relu_, torch.relu, torch.relu_)


def _alone(node: fx.Node) -> fx.Node | None:
    """What takes the values of `node`, if it is one only."""
    users = list(node.users)
    return users[0] if len(users) == 1 else None


def _is_relu(network: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(network.get_submodule(str(node.target)), nn.ReLU)
    return node.target in _RELU


class Joined(nn.Module):
    """The operation in a network."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, x: Tensor, added: Tensor | None = None, relu: bool = False) -> Tensor:
        return self.operation(x, added, relu)


# ------------------------------------------------------------------------------------------------------------
# The operation, by device


_SHAPES = 4
"""For so many shapes of what comes a layout of the weights is kept: each is as large as they are."""


def _one_dnn(conv: nn.Conv2d) -> Operation:
    """By oneDNN. The weights are laid out for the shape of x, and kept for the last few."""
    parameters = (_pairs(conv.padding), _pairs(conv.stride), _pairs(conv.dilation), conv.groups)
    laid_out: dict[torch.Size, Tensor] = {}

    def operation(x: Tensor, added: Tensor | None, relu: bool) -> Tensor:
        if x.shape not in laid_out:
            if len(laid_out) == _SHAPES:
                del laid_out[next(iter(laid_out))]
            lay_out = torch._C._nn.mkldnn_reorder_conv2d_weight  # type: ignore[attr-defined]
            laid_out[x.shape] = lay_out(conv.weight.to_mkldnn(), *parameters, list(x.shape))
        given = (laid_out[x.shape], conv.bias, *parameters)
        convolve: Any = torch.ops.mkldnn._convolution_pointwise
        if added is None:
            return convolve(x, *given, "relu" if relu else "none", [], "")
        return convolve.binary(x, added, *given, "add", 1.0, "relu" if relu else None, [], None)

    return operation


def _cu_dnn(conv: nn.Conv2d) -> Operation:
    """By cuDNN, which joins only what ends in a ReLU."""
    parameters = (_pairs(conv.stride), _pairs(conv.padding), _pairs(conv.dilation), conv.groups)

    def operation(x: Tensor, added: Tensor | None, relu: bool) -> Tensor:
        if not relu:
            return conv(x) if added is None else conv(x) + added
        if added is None:
            return torch.cudnn_convolution_relu(x, conv.weight, conv.bias, *parameters)
        return torch.cudnn_convolution_add_relu(x, conv.weight, added, 1.0, conv.bias, *parameters)

    return operation


def _pairs(values: str | tuple[int, ...]) -> list[int]:
    assert not isinstance(values, str), "no network here pads by a word"
    return list(values)


MAKERS: dict[str, Callable[[nn.Conv2d], Operation]] = {"cpu": _one_dnn, "cuda": _cu_dnn}
"""By device: from a convolution to its operation."""
