"""From a call in a trace to what a drawing says of it: the kind of operation, and its words."""

from typing import Any

import torch
from torch import fx, nn

Said = tuple[str, str]
"""Kind (one of those of `unit_graph.Node`) and words."""
SIGNS = {"add": "+", "iadd": "+", "mul": "×", "sub": "−"}


def said(call: fx.Node, module: nn.Module | None, inputs: int) -> Said | None:
    """What `call`, of `module` or of a function, does with so many `inputs`; None where it hands them on unchanged."""
    if call.op in ("placeholder", "output"):
        _, count, *sides = call.meta["size"]
        return {"placeholder": "input"}.get(call.op, "output"), f"{count} {'channels' if sides else 'outputs'}"
    return _function(call, inputs) if module is None else _layer(module)


def _layer(module: nn.Module) -> Said | None:
    match module:
        case nn.Conv2d():
            return "conv", _conv(module.kernel_size[0], module.out_channels, module.stride[0], module.groups)
        case nn.BatchNorm2d():
            return "BN", "BN"
        case nn.ReLU():
            return "ReLU", "ReLU"
        case nn.Dropout():
            return "dropout", f"dropout {module.p:g}"
        case nn.MaxPool2d():
            return "pool", f"max pool, /{module.stride}"
        case nn.Linear():
            return "fc", f"fc, {module.out_features}"
        case nn.Identity():
            return None
    return "other", type(module).__name__


def _function(call: fx.Node, inputs: int) -> Said | None:
    name = (call.target if isinstance(call.target, str) else call.target.__name__).strip("_")
    match name:
        case "relu":
            return "ReLU", "ReLU"
        case "sigmoid":
            return "sigmoid", "sigmoid"
        case "dropout":
            return "dropout", f"dropout {call.kwargs['p']:g}"
        case "conv2d":
            return "conv", _conv_of_computed_weights(call)
        case "pad":
            zeros = sum(_numbers(call.args[1])[4:])
            return ("zeros", f"{zeros} zero channels") if zeros else None
        case "avg_pool2d":
            return _average(_numbers(call.args[1:]))
        case "mean":
            return "pool", "average pool"
        case "getitem":
            return _part(call.args[1])
        case "cat":
            return ("concat", f"concatenate: {call.meta['size'][1]}") if inputs > 1 else None
        case "stack":
            return None
        case "sum" if _stacked(call):
            return ("add", "+") if inputs > 1 else None
        case _ if name in SIGNS:
            return _arithmetic(name, call, inputs)
    return "other", name


def _conv(kernel: Any, filters: int, stride: Any, groups: int) -> str:
    text = f"{kernel}×{kernel} conv, {filters}"
    return text + (f", /{stride}" if stride > 1 else "") + (f", {groups} groups" if groups > 1 else "")


def _conv_of_computed_weights(call: fx.Node) -> str:
    """What the weights are computed from stands below."""
    _, weight, _, stride, _, _, groups = call.args
    assert isinstance(weight, fx.Node)
    assert isinstance(groups, int)
    filters, _, kernel, _ = weight.meta["size"]
    return f"{_conv(kernel, filters, _numbers(stride)[0], groups)}\n{_formula(weight)}"


def _formula(part: Any) -> str:
    if not isinstance(part, fx.Node):
        return f"{part:g}"
    if part.op == "get_attr":
        return str(part.target).rpartition(".")[2]
    return f" {SIGNS[getattr(part.target, '__name__', '')]} ".join(map(_formula, part.args))


def _part(index: Any) -> Said | None:
    """Some of the channels."""
    channels = index[1]
    return ("pick", f"first {channels.stop} channels") if channels != slice(None) else None


def _average(sizes: list[int]) -> Said | None:
    """Of a square with the side that comes first; a step as long, or the one behind it. A side of 1 only picks."""
    side, step = sizes[0], sizes[-1]
    if side > 1:
        return "pool", f"average pool, /{side}"
    return ("pick", f"1 of {step}×{step} pixels") if step > 1 else None


def _arithmetic(name: str, call: fx.Node, inputs: int) -> Said:
    sign = SIGNS[name]
    if inputs > 1:
        return {"+": "add", "×": "multiply"}.get(sign, "other"), sign
    (number,) = (part for part in call.args if isinstance(part, int | float))
    reversed_ = name == "sub" and not isinstance(call.args[0], fx.Node)
    return "scale", f"{number:.3g} {sign}" if reversed_ else f"{sign} {number:.3g}"


def _numbers(values: Any) -> list[int]:
    return [value for value in values if isinstance(value, int)]


def _stacked(call: fx.Node) -> bool:
    """Whether several maps were put on one stack only to be summed."""
    stack = call.args[0]
    return isinstance(stack, fx.Node) and stack.target is torch.stack
