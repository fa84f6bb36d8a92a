"""Caffe's nets: a ResNet layer by layer as in the release's prototxt, computed as Caffe does, and written to a file.

Files are written with Google's protobuf, from the numbers that caffe.proto gives the fields.
"""

from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy_nets import WIDTHS, Array, Draw, affine, batch_norm, conv, max_pool, mean_pool, relu

# ------------------------------------------------------------------------------------------------------------
# Messages

FIELDS = {
    "BlobShape": {"dim": (1, "int64*")},
    "BlobProto": {
        **{"num": (1, "int32"), "channels": (2, "int32"), "height": (3, "int32"), "width": (4, "int32")},
        **{"data": (5, "float*"), "diff": (6, "float*"), "shape": (7, "BlobShape"), "double_data": (8, "double*")},
    },
    "ConvolutionParameter": {
        **{"num_output": (1, "uint32"), "bias_term": (2, "bool"), "pad": (3, "uint32+"), "kernel_size": (4, "uint32+")},
        **{"group": (5, "uint32"), "stride": (6, "uint32+")},
    },
    "PoolingParameter": {"pool": (1, "int32"), "kernel_size": (2, "uint32"), "stride": (3, "uint32")},
    "BatchNormParameter": {"use_global_stats": (1, "bool"), "eps": (3, "float")},
    "LayerParameter": {
        **{"name": (1, "string"), "type": (2, "string"), "bottom": (3, "string+"), "top": (4, "string+")},
        **{"blobs": (7, "BlobProto+"), "phase": (10, "int32"), "loss_weight": (5, "float+")},
        "convolution_param": (106, "ConvolutionParameter"),
        "pooling_param": (121, "PoolingParameter"),
        "batch_norm_param": (139, "BatchNormParameter"),
    },
    "V1LayerParameter": {"name": (4, "string"), "blobs": (6, "BlobProto+")},
    "NetParameter": {
        **{
            "name": (1, "string"),
            "input": (3, "string+"),
            "input_dim": (4, "int32+"),
            "layer": (100, "LayerParameter+"),
        },
        "layers": (2, "V1LayerParameter+"),
    },
}
"""Number and kind; "+" is repeated, "*" repeated and packed."""


def _messages() -> dict[str, Any]:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="caffe_test.proto", package="caffe", syntax="proto2")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            plain = kind.rstrip("+*")
            added = message.field.add(name=field, number=number)
            added.label = kinds.LABEL_OPTIONAL if plain == kind else kinds.LABEL_REPEATED
            if plain in FIELDS:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".caffe.{plain}"
            else:
                added.type = getattr(kinds, f"TYPE_{plain.upper()}")
            if kind.endswith("*"):
                added.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"caffe.{name}")) for name in FIELDS}


MESSAGES = _messages()


def blob(values: Array, older: bool = False) -> Any:
    """`older`: the shape as four numbers, ones in front, as Caffe wrote it before there was `BlobShape`."""
    message = MESSAGES["BlobProto"](data=np.asarray(values, "f4").ravel())
    if older:
        shape = (1,) * (4 - np.ndim(values)) + np.shape(values)
        message.num, message.channels, message.height, message.width = shape
    else:
        message.shape.dim.extend(np.shape(values))
    return message


def caffemodel(layers: list[dict[str, Any]], older: bool = False, parameters: bool = True) -> bytes:
    """`older`: see `blob`; without `parameters` the layers are blobs and nothing else, as some tools strip them."""
    net = MESSAGES["NetParameter"](name="ResNet-50", input=["data"], input_dim=[1, 3, 224, 224])
    for layer in layers:
        message = net.layer.add(name=layer["name"], type=layer["type"], bottom=layer["bottom"], top=[layer["top"]])
        message.phase = 1
        message.blobs.extend(blob(values, older) for values in layer.get("blobs", ()))
        if not parameters:
            continue
        if layer["type"] == "Convolution":
            p, has_bias = layer["param"], len(layer["blobs"]) > 1
            parameter = message.convolution_param
            parameter.num_output, parameter.bias_term, parameter.group = len(layer["blobs"][0]), has_bias, 1
            parameter.kernel_size.append(p["kernel"])
            parameter.stride.append(p["stride"])
            parameter.pad.append(p["pad"])
        elif layer["type"] == "Pooling":
            parameter = message.pooling_param
            parameter.pool, parameter.kernel_size, parameter.stride = (
                layer["param"][k] for k in ("pool", "kernel", "stride")
            )
        elif layer["type"] == "BatchNorm":
            message.batch_norm_param.use_global_stats = True
            if "eps" in layer:
                message.batch_norm_param.eps = layer["eps"]
    return net.SerializeToString()


def binaryproto(mean: Array, older: bool = True) -> bytes:
    """A mean image (3, side, side), BGR, as `compute_image_mean` writes it."""
    return blob(mean, older).SerializeToString()


# ------------------------------------------------------------------------------------------------------------
# The net


def resnet(draw: Draw, blocks: tuple[int, ...] = (3, 4, 6, 3), classes: int = 7, last: int = 2) -> list[dict[str, Any]]:
    """The layers of a bottleneck ResNet in the order of the prototxt; `last` is the side of the last maps."""
    layers: list[dict[str, Any]] = []

    def add(name: str, kind: str, bottom: list[str], top: str, **more: Any) -> str:
        layers.append({"name": name, "type": kind, "bottom": bottom, "top": top, **more})
        return top

    def conv_bn(name: str, bottom: str, out: int, kernel: int, stride: int, *, spread: float = 1.0) -> str:
        into = 3 if name == "conv1" else channels[bottom]
        blobs = [draw.filters(out, into, kernel)]
        if name == "conv1":  # ResNet-50's first convolution has a bias
            blobs.append(draw.vector(out, -9, 9))
        add(
            name,
            "Convolution",
            [bottom],
            name,
            blobs=blobs,
            param={"kernel": kernel, "stride": stride, "pad": kernel // 2},
        )
        channels[name] = out
        norm = draw.norm(out, spread)
        suffix = name.removeprefix("res") if name != "conv1" else "_conv1"
        count = np.float32(draw.rng.uniform(900, 1100))  # sums, and of how many
        sums = [norm["mean"] * count, norm["var"] * count, np.full(1, count)]
        add(f"bn{suffix}", "BatchNorm", [name], name, blobs=sums)
        add(f"scale{suffix}", "Scale", [name], name, blobs=[norm["scale"], norm["shift"]])
        return name

    def letters(stage: int, count: int) -> list[str]:
        """a, b, c, ... as in ResNet-50; a, b1, b2, ... in the long stages of the deeper ones."""
        long = count > 6 or (stage == 3 and count > 4)
        return ["a", *(f"b{i}" for i in range(1, count))] if long else [chr(97 + i) for i in range(count)]

    channels: dict[str, int] = {}
    top = conv_bn("conv1", "data", 64, 7, 2, spread=6000.0)
    add("conv1_relu", "ReLU", [top], top)
    top = add("pool1", "Pooling", [top], "pool1", param={"pool": 0, "kernel": 3, "stride": 2})
    channels[top] = 64
    for stage, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True), 2):
        for letter in letters(stage, count):
            unit, stride = f"res{stage}{letter}", 2 if letter == "a" and stage > 2 else 1
            shortcut = conv_bn(f"{unit}_branch1", top, 4 * width, 1, stride) if letter == "a" else top
            for part, out, kernel, by in (("2a", width, 1, stride), ("2b", width, 3, 1), ("2c", 4 * width, 1, 1)):
                top = conv_bn(f"{unit}_branch{part}", top, out, kernel, by)
                if part != "2c":
                    add(f"{unit}_branch{part}_relu", "ReLU", [top], top)
            top = add(unit, "Eltwise", [shortcut, top], unit)
            channels[top] = 4 * width
            add(f"{unit}_relu", "ReLU", [top], top)
    top = add("pool5", "Pooling", [top], "pool5", param={"pool": 1, "kernel": last, "stride": 1})
    blobs = [draw.matrix(classes, 4 * WIDTHS[-1]), draw.vector(classes, -1, 1)]
    add("fc1000", "InnerProduct", [top], "fc1000", blobs=blobs)
    return layers


def forward(layers: list[dict[str, Any]], image: Array, mean: Array) -> Array:
    """Logits of an image, uint8 RGB (N, 3, side, side): BGR, the mean image subtracted, then the layers."""
    tops: dict[str, Any] = {"data": image[:, ::-1].astype(np.float64) - mean}
    for layer in layers:
        x, blobs, p = tops[layer["bottom"][0]], layer.get("blobs", ()), layer.get("param", {})
        match layer["type"]:
            case "Convolution":
                x = conv(x, blobs[0].astype(np.float64), p["stride"], p["pad"])
                x = affine(x, np.ones(x.shape[1]), blobs[1]) if len(blobs) > 1 else x
            case "BatchNorm":
                count = np.float64(blobs[2][0])
                x = batch_norm(x, blobs[0] / count, blobs[1] / count, layer.get("eps", 1e-5))
            case "Scale":
                x = affine(x, *blobs)
            case "ReLU":
                x = relu(x)
            case "Pooling":
                x = mean_pool(x, p["kernel"], 1) if p["pool"] else max_pool(x, p["kernel"], p["stride"], 0, up=True)
            case "Eltwise":
                x = sum(tops[bottom] for bottom in layer["bottom"])
            case "InnerProduct":
                x = x.reshape(len(x), -1) @ blobs[0].T.astype(np.float64) + blobs[1]
        tops[layer["top"]] = x
    return tops["fc1000"]
