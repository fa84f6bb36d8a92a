"""Torch7's networks: trees of modules as fb.resnet.torch builds them, computed module by module, written to a file.

Files are written by the definition of the format, `File.lua` and `generic/Tensor.c` of torch/torch7.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy_nets import WIDTHS, Array, Draw, affine, batch_norm, conv, max_pool, mean_pool, relu

# ------------------------------------------------------------------------------------------------------------
# Modules


@dataclass(eq=False)
class Module:
    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    modules: list["Module"] = field(default_factory=list)


def sequential(*modules: Module) -> Module:
    return Module("nn.Sequential", modules=list(modules))


def convolution(
    draw: Draw, into: int, out: int, side: int, stride: int = 1, padding: int = 0, groups: int = 1
) -> Module:
    sides = {"kW": side, "kH": side, "dW": stride, "dH": stride, "padW": padding, "padH": padding}
    planes = {"nInputPlane": into, "nOutputPlane": out, "groups": groups}
    return Module("cudnn.SpatialConvolution", {**sides, **planes, "weight": draw.filters(out, into // groups, side)})


def normalisation(draw: Draw, size: int, eps: float = 1e-5) -> Module:
    n = draw.norm(size)
    values = {"running_mean": n["mean"], "running_var": n["var"], "weight": n["scale"], "bias": n["shift"]}
    return Module("nn.SpatialBatchNormalization", {**values, "eps": eps, "momentum": 0.1, "affine": True})


def relu_() -> Module:
    return Module("cudnn.ReLU", {"inplace": True})


@dataclass
class Kind:
    """How units are made, the option of their shortcuts, the order of activation; how the stem pools."""

    bottleneck: bool = True
    option: str = "B"
    order: str = "original"
    eps: float = 1e-5
    norm_on_projection: bool = True
    ceil: bool = False
    groups: int = 1


def _shortcut(draw: Draw, kind: Kind, into: int, out: int, stride: int) -> Module:
    if kind.option == "C" or (kind.option == "B" and into != out):
        projection = convolution(draw, into, out, 1, stride)
        normed = kind.order != "full" and kind.norm_on_projection
        return sequential(projection, *([normalisation(draw, out, kind.eps)] if normed else []))
    if into == out:
        return Module("nn.Identity")
    nothing = Module("nn.MulConstant", {"constant_scalar": 0.0})
    beside = Module("nn.Concat", {"dimension": 2.0}, [Module("nn.Identity"), nothing])
    sides = {"kW": 1, "kH": 1, "dW": stride, "dH": stride, "padW": 0, "padH": 0, "ceil_mode": False}
    return sequential(Module("nn.SpatialAveragePooling", sides), beside)


def _unit(draw: Draw, kind: Kind, into: int, width: int, stride: int, position: str) -> Module:
    """`position`: "very first", "first" of a stage, or "later"."""
    out = width * (4 if kind.bottleneck else 1)
    inner = width * (4 * kind.groups // 64 or 1) if kind.groups > 1 else width
    shapes = [(into, inner, 1, 1), (inner, inner, 3, stride), (inner, out, 1, 1)]
    if not kind.bottleneck:
        shapes = [(into, width, 3, stride), (width, width, 3, 1)]
    before: list[Module] = []
    branch: list[Module] = []
    for number, (a, b, side, by) in enumerate(shapes, 1):
        if kind.order == "full" and not (number == 1 and position == "very first"):
            shared = number == 1 and position == "first"
            (before if shared else branch).extend([normalisation(draw, a, kind.eps), relu_()])
        branch.append(convolution(draw, a, b, side, by, side // 2, kind.groups if side == 3 else 1))
        last = number == len(shapes)
        if kind.order != "full" and not (last and kind.order == "bn_after_addition"):
            branch.append(normalisation(draw, b, kind.eps))
        if kind.order != "full" and not last:
            branch.append(relu_())
    paths = Module("nn.ConcatTable", modules=[sequential(*branch), _shortcut(draw, kind, into, out, stride)])
    after = [normalisation(draw, out, kind.eps)] if kind.order == "bn_after_addition" else []
    end = [] if kind.order == "full" else [relu_()]
    return sequential(*before, paths, Module("nn.CAddTable", {"inplace": True}), *after, *end)


def resnet(
    draw: Draw, kind: Kind, blocks: tuple[int, ...], widths: tuple[int, ...] = WIDTHS, classes: int = 7, last: int = 2
) -> Module:
    """Four stages make a network for ImageNet, three one for CIFAR; `last` is the side of the last maps."""
    large = len(blocks) == 4
    channels = 64 if large else 16
    pad = int(not kind.ceil)
    pool = {"kW": 3, "kH": 3, "dW": 2, "dH": 2, "padW": pad, "padH": pad, "ceil_mode": kind.ceil}
    first = convolution(draw, 3, channels, *((7, 2, 3) if large else (3, 1, 1)))
    modules = [first, normalisation(draw, channels, kind.eps), relu_()]
    modules += [Module("nn.SpatialMaxPooling", pool)] if large else []
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        units = []
        for index in range(count):
            position = "later" if index else "first" if stage else "very first"
            units.append(_unit(draw, kind, channels, width, 2 if stage and not index else 1, position))
            channels = width * (4 if kind.bottleneck else 1)
        modules.append(sequential(*units))
    modules += [normalisation(draw, channels, kind.eps), relu_()] if kind.order == "full" else []
    average = {"kW": last, "kH": last, "dW": 1, "dH": 1, "padW": 0, "padH": 0, "ceil_mode": False}
    linear = {"weight": draw.matrix(classes, channels), "bias": draw.vector(classes, -1, 1)}
    view = Module("nn.View", {"numElements": channels})
    return sequential(*modules, Module("cudnn.SpatialAveragePooling", average), view, Module("nn.Linear", linear))


def forward(module: Module, x: Any) -> Any:
    """What a module makes of its input, in evaluation mode."""
    f = module.fields
    match module.kind.rpartition(".")[2]:
        case "Sequential":
            for child in module.modules:
                x = forward(child, x)
            return x
        case "ConcatTable":
            return [forward(child, x) for child in module.modules]
        case "Concat":
            return np.concatenate([forward(child, x) for child in module.modules], axis=int(f["dimension"]) - 1)
        case "CAddTable":
            return sum(x)
        case "SpatialConvolution":
            y = conv(x, f["weight"].astype(np.float64), f["dW"], f["padW"], f["groups"])
            return affine(y, np.ones(y.shape[1]), f["bias"]) if "bias" in f else y
        case "SpatialBatchNormalization":
            var = f["running_var"] if "running_var" in f else np.float64(f["running_std"]) ** -2 - f["eps"]
            return affine(batch_norm(x, f["running_mean"], var, f["eps"]), f["weight"], f["bias"])
        case "ReLU":
            return relu(x)
        case "SpatialMaxPooling":
            return max_pool(x, f["kW"], f["dW"], f["padW"], f["ceil_mode"])
        case "SpatialAveragePooling":
            return mean_pool(x, f["kW"], f["dW"])
        case "MulConstant":
            return x * f["constant_scalar"]
        case "View":
            return x.reshape(len(x), -1)
        case "Linear":
            return x @ f["weight"].T.astype(np.float64) + f["bias"]
        case "Identity":
            return x
    raise AssertionError(module.kind)


# ------------------------------------------------------------------------------------------------------------
# Files


class Lua:
    """A function of Lua, as bytecode."""


class Writer:
    """`longs`: the bytes of a C `long` on the machine that writes. `cuda`: tensors of the GPU."""

    def __init__(self, longs: int = 8, cuda: bool = True) -> None:
        self.out = bytearray()
        self.long = "q" if longs == 8 else "i"
        self.prefix = "Cuda" if cuda else "Float"
        self.indices: dict[int, int] = {}
        self.kept: list[Any] = []

    def put(self, form: str, *values: Any) -> None:
        self.out += struct.pack(f"<{form}", *values)

    def text(self, text: str) -> None:
        self.put("i", len(text))
        self.out += text.encode()

    def index(self, thing: Any) -> bool:
        """Writes the index of `thing`; whether it is there already."""
        known = id(thing) in self.indices
        self.put("i", self.indices.setdefault(id(thing), len(self.indices) + 1))
        self.kept.append(thing)
        return known

    def named(self, name: str) -> None:
        self.text("V 1")
        self.text(name)

    def write(self, value: Any) -> None:
        match value:
            case None:
                self.put("i", 0)
            case bool():
                self.put("ii", 5, value)
            case int() | float():
                self.put("id", 1, value)
            case str():
                self.put("i", 2)
                self.text(value)
            case dict():
                self.put("i", 3)
                if not self.index(value):
                    self.put("i", len(value))
                    for key, item in value.items():
                        self.write(key)
                        self.write(item)
            case np.ndarray():
                self.tensor(value)
            case Lua():
                self.put("i", 8)
                if not self.index(value):
                    self.text("\x1bLua bytecode")
                    self.write({1: {"name": "upvalue", "value": 3}})
            case Module():
                self.put("i", 4)
                if not self.index(value):
                    self.named(value.kind)
                    children = dict(enumerate(value.modules, 1))
                    self.write({**value.fields, **({"modules": children} if children else {}), "train": False})
            case _:
                raise AssertionError(value)

    def tensor(self, values: Array) -> None:
        self.put("i", 4)
        if self.index(values):
            return
        self.named(f"torch.{self.prefix}Tensor")
        self.put("i", values.ndim)
        self.put(f"{values.ndim}{self.long}", *values.shape)
        self.put(f"{values.ndim}{self.long}", *(s // values.itemsize for s in values.strides))
        self.put(self.long, 1)
        self.put("i", 4)
        if not self.index(values.base if values.base is not None else object()):
            self.named(f"torch.{self.prefix}Storage")
            flat = np.ascontiguousarray(values) if values.flags.c_contiguous else np.ascontiguousarray(values.T)
            self.put(self.long, flat.size)
            self.out += flat.astype("<f4").tobytes()


def t7(value: Any, longs: int = 8, cuda: bool = True) -> bytes:
    writer = Writer(longs, cuda)
    writer.write(value)
    return bytes(writer.out)
