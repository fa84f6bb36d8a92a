"""Keras' and detectron2's ResNet-50: their tensors under their names, computed as they do, written to files."""

import pickle
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy_nets import WIDTHS, Array, Draw, affine, batch_norm, conv, max_pool, relu

BLOCKS = (3, 4, 6, 3)

# ------------------------------------------------------------------------------------------------------------
# Keras: (N, H, W, C), filters (k, k, in, out), every convolution with a bias


def keras(draw: Draw, classes: int = 7) -> dict[str, dict[str, Array]]:
    """The weights by layer."""
    layers: dict[str, dict[str, Array]] = {}

    def conv_bn(name: str, into: int, out: int, side: int, spread: float = 1.0) -> None:
        kernel = draw.filters(out, into, side).transpose(2, 3, 1, 0)
        layers[f"{name}_conv"] = {"kernel": kernel, "bias": draw.vector(out, -0.5, 0.5) * np.float32(spread**0.5)}
        n = draw.norm(out, spread)
        values = {"gamma": n["scale"], "beta": n["shift"], "moving_mean": n["mean"], "moving_variance": n["var"]}
        layers[f"{name}_bn"] = values

    conv_bn("conv1", 3, 64, 7, spread=6000.0)
    channels = 64
    for stage, (width, count) in enumerate(zip(WIDTHS, BLOCKS, strict=True), 2):
        for block in range(1, count + 1):
            unit = f"conv{stage}_block{block}"
            if block == 1:
                conv_bn(f"{unit}_0", channels, 4 * width, 1)
            for number, (into, out, side) in enumerate(
                ((channels, width, 1), (width, width, 3), (width, 4 * width, 1)), 1
            ):
                conv_bn(f"{unit}_{number}", into, out, side)
            channels = 4 * width
    layers["predictions"] = {"kernel": draw.matrix(classes, channels).T, "bias": draw.vector(classes, -1, 1)}
    return layers


def keras_forward(layers: dict[str, dict[str, Array]], image: Array) -> Array:
    """Logits of an image, uint8 RGB (N, 3, side, side), as `preprocess_input` and the network compute them."""

    def conv_bn(x: Array, name: str, stride: int, pad: int) -> Array:
        c, n = layers[f"{name}_conv"], layers[f"{name}_bn"]
        y = conv(x.transpose(0, 3, 1, 2), c["kernel"].transpose(3, 2, 0, 1).astype(np.float64), stride, pad)
        y = affine(y, np.ones(y.shape[1]), c["bias"])
        y = affine(batch_norm(y, n["moving_mean"], n["moving_variance"], 1.001e-5), n["gamma"], n["beta"])
        return y.transpose(0, 2, 3, 1)

    x = image.transpose(0, 2, 3, 1)[..., ::-1].astype(np.float64) - (103.939, 116.779, 123.68)
    x = np.pad(relu(conv_bn(x, "conv1", 2, 3)), ((0, 0), (1, 1), (1, 1), (0, 0)))  # with zeros, then a valid pooling
    x = max_pool(x.transpose(0, 3, 1, 2), 3, 2, 0, up=False).transpose(0, 2, 3, 1)
    for stage, count in enumerate(BLOCKS, 2):
        for block in range(1, count + 1):
            unit, stride = f"conv{stage}_block{block}", 2 if block == 1 and stage > 2 else 1
            shortcut = conv_bn(x, f"{unit}_0", stride, 0) if block == 1 else x
            y = relu(conv_bn(x, f"{unit}_1", stride, 0))
            y = relu(conv_bn(y, f"{unit}_2", 1, 1))
            x = relu(conv_bn(y, f"{unit}_3", 1, 0) + shortcut)
    top = layers["predictions"]
    return x.mean((1, 2)) @ top["kernel"].astype(np.float64) + top["bias"]


def write_keras(path: Path, layers: dict[str, dict[str, Array]], whole_model: bool = False) -> None:
    """As Keras 2 saves weights, or a whole model: also layers without weights have their groups."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        names = ["input_1", *layers, "avg_pool"]
        root.attrs["layer_names"] = [name.encode() for name in names]
        root.attrs["backend"], root.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        for name in names:
            group, weights = root.create_group(name), layers.get(name, {})
            group.attrs["weight_names"] = [f"{name}/{weight}:0".encode() for weight in weights]
            for weight, values in weights.items():
                group.create_dataset(f"{name}/{weight}:0", data=values)
        if whole_model:
            file.attrs["model_config"] = b'{"class_name": "Model"}'
            file.create_group("optimizer_weights").create_dataset("iterations:0", data=np.int64(7))


# ------------------------------------------------------------------------------------------------------------
# detectron2: Caffe2's names; BN whole, or folded into a scale and a shift as in Detectron


def detectron(draw: Draw, fused: bool, classes: int = 7) -> dict[str, Array]:
    blobs: dict[str, Array] = {}

    def conv_bn(name: str, into: int, out: int, side: int, spread: float = 1.0) -> None:
        blobs[f"{name}_w"] = draw.filters(out, into, side)
        n, norm = draw.norm(out, spread), "res_conv1_bn" if name == "conv1" else f"{name}_bn"
        scale = n["scale"] / np.sqrt(n["var"] + np.float32(1e-5))
        if fused:
            blobs.update({f"{norm}_s": scale, f"{norm}_b": n["shift"] - n["mean"] * scale})
        else:
            blobs.update({f"{norm}_gamma": n["scale"], f"{norm}_beta": n["shift"]})
            blobs.update({f"{norm}_running_mean": n["mean"], f"{norm}_running_var": n["var"]})

    conv_bn("conv1", 3, 64, 7, spread=6000.0)
    if fused:
        blobs["conv1_b"] = draw.vector(64, -2, 2)
        blobs["conv1_w_momentum"] = np.zeros_like(blobs["conv1_w"])
    channels = 64
    for stage, (width, count) in enumerate(zip(WIDTHS, BLOCKS, strict=True), 2):
        for index in range(count):
            unit = f"res{stage}_{index}"
            if not index:
                conv_bn(f"{unit}_branch1", channels, 4 * width, 1)
            for part, into, out, side in (
                ("a", channels, width, 1),
                ("b", width, width, 3),
                ("c", width, 4 * width, 1),
            ):
                conv_bn(f"{unit}_branch2{part}", into, out, side)
            channels = 4 * width
    blobs["fc1000_w"], blobs["fc1000_b"] = draw.matrix(classes, channels), draw.vector(classes, -1, 1)
    return blobs


def detectron_forward(blobs: dict[str, Array], image: Array) -> Array:
    def conv_bn(x: Array, name: str, stride: int, pad: int) -> Array:
        y = conv(x, blobs[f"{name}_w"].astype(np.float64), stride, pad)
        y = affine(y, np.ones(y.shape[1]), blobs[f"{name}_b"]) if f"{name}_b" in blobs else y
        norm = "res_conv1_bn" if name == "conv1" else f"{name}_bn"
        if f"{norm}_s" in blobs:
            return affine(y, blobs[f"{norm}_s"], blobs[f"{norm}_b"])
        y = batch_norm(y, blobs[f"{norm}_running_mean"], blobs[f"{norm}_running_var"], 1e-5)
        return affine(y, blobs[f"{norm}_gamma"], blobs[f"{norm}_beta"])

    x = image[:, ::-1].astype(np.float64) - np.reshape((103.53, 116.28, 123.675), (1, 3, 1, 1))
    x = max_pool(relu(conv_bn(x, "conv1", 2, 3)), 3, 2, 1, up=False)
    for stage, count in enumerate(BLOCKS, 2):
        for index in range(count):
            unit, stride = f"res{stage}_{index}", 2 if not index and stage > 2 else 1
            shortcut = conv_bn(x, f"{unit}_branch1", stride, 0) if not index else x
            y = relu(conv_bn(x, f"{unit}_branch2a", stride, 0))
            y = relu(conv_bn(y, f"{unit}_branch2b", 1, 1))
            x = relu(conv_bn(y, f"{unit}_branch2c", 1, 0) + shortcut)
    return x.mean((2, 3)) @ blobs["fc1000_w"].T.astype(np.float64) + blobs["fc1000_b"]


def python_2(blobs: dict[str, Array]) -> bytes:
    """{"blobs": ...} as Python 2 pickled it, protocol 2: text and bytes are one kind, each character a byte."""

    def text(content: bytes) -> bytes:
        short = len(content) < 256
        return (b"U" + bytes([len(content)]) if short else b"T" + struct.pack("<i", len(content))) + content

    def whole(number: int) -> bytes:
        return b"K" + bytes([number]) if number < 256 else b"J" + struct.pack("<i", number)

    def array(values: Array) -> bytes:
        shape = b"(" + b"".join(map(whole, values.shape)) + b"t"
        empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85" + text(b"b") + b"tR"
        kind = (
            b"cnumpy\ndtype\n("
            + text(b"f4")
            + b"K\x00K\x01tR(K\x03"
            + text(b"<")
            + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        )
        return empty + b"(K\x01" + shape + kind + b"\x89" + text(values.astype("<f4").tobytes()) + b"tb"

    items = b"".join(text(name.encode()) + array(values) for name, values in blobs.items())
    return b"\x80\x02}(" + text(b"blobs") + b"}(" + items + b"uu."


PICKLES: dict[str, Any] = {
    "protocol 0": lambda blobs: pickle.dumps({"blobs": blobs}, 0),
    "protocol 2": lambda blobs: pickle.dumps(blobs, 2),
    "protocol 4": lambda blobs: pickle.dumps({"model": blobs, "__author__": "Caffe2"}, 4),
    "protocol 5": lambda blobs: pickle.dumps(blobs, 5),
    "python 2": python_2,
}
