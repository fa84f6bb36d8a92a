"""Weights from elsewhere compute what they compute there: logits beside a pass in numpy in a format's conventions."""

from pathlib import Path
from typing import Any

import caffe_files
import numpy as np
import other_files
import pytest
import torch
import torch7_files
import torchvision
from numpy_nets import WIDTHS, Array, Draw
from PIL import Image
from torch7_files import Kind

from resnets.cli import main
from resnets.models.factory import load
from resnets.models.formats.read import read_content
from resnets.models.layouts import LAYOUTS, Weights
from resnets.models.weights import examine, read_weights

SIDE = 64


def logits(weights: Path | Weights, image: Array) -> Array:
    model: Any = load(weights).double()
    normalise = model.preprocessing.normaliser(torch.device("cpu"))
    with torch.no_grad():
        return model(normalise(torch.from_numpy(image)).double()).numpy()


def assert_same(ours: Array, theirs: Array) -> None:
    """Equal but for the float32 of parameters that were folded, and of the normalised image."""
    assert theirs.std() > 0.05, "logits that depend on nothing prove nothing"
    assert np.abs(ours - theirs).max() < 2e-5 * np.abs(theirs).max()


def by_way_of_ours(path: Path, tmp_path: Path, image: Array) -> Array:
    """The logits after `resnets convert`."""
    out = tmp_path / "ours.safetensors"
    assert main(["convert", str(path), "--out", str(out)]) == 0
    return logits(out, image)


# ------------------------------------------------------------------------------------------------------------
# Caffe


@pytest.fixture(scope="module")
def caffe() -> tuple[list[dict[str, Any]], Array, Array, Array]:
    """The layers, an image, the mean image, and what Caffe makes of them."""
    draw = Draw(1)
    layers, image = caffe_files.resnet(draw), draw.image(SIDE)
    mean = draw.rng.uniform(80, 140, (3, SIDE, SIDE)).astype("f4")
    return layers, image, mean, caffe_files.forward(layers, image, mean)


@pytest.mark.usefixtures("narrow")
def test_caffe(caffe: Any, tmp_path: Path) -> None:
    layers, image, mean, expected = caffe
    path = tmp_path / "ResNet-50-model.caffemodel"
    path.write_bytes(caffe_files.caffemodel(layers))
    (tmp_path / "ResNet_mean.binaryproto").write_bytes(caffe_files.binaryproto(mean))
    weights = read_weights(path)
    assert_same(logits(weights, image), expected)
    assert (weights.model, weights.changes, weights.num_classes) == ("resnet50", {"ceil_mode": True}, 7)
    assert weights.preprocessing is not None
    assert (weights.preprocessing.channels, weights.preprocessing.crop) == ("BGR", SIDE)
    assert "ResNet_mean.binaryproto, SHA-256" in weights.provenance
    assert "MIT" in (weights.licence or "")
    assert_same(by_way_of_ours(path, tmp_path, image), expected)
    path.write_bytes(caffe_files.caffemodel(layers, older=True))  # shapes as Caffe wrote them at first
    older = read_weights(path).state
    assert all(torch.equal(older[name], tensor) for name, tensor in weights.state.items())
    path.write_bytes(caffe_files.caffemodel(layers, parameters=False))
    bare = read_weights(path)
    assert (bare.model, bare.changes) == ("resnet50", {"ceil_mode": True})


@pytest.mark.usefixtures("narrow")
def test_caffes_epsilon_is_that_of_its_layers(tmp_path: Path) -> None:
    draw = Draw(2)
    layers, image = caffe_files.resnet(draw), draw.image(SIDE)
    for layer in layers:
        if layer["type"] == "BatchNorm":
            layer["eps"] = 0.003
    mean = np.full((3, SIDE, SIDE), 110, "f4")
    (tmp_path / "x.caffemodel").write_bytes(caffe_files.caffemodel(layers))
    (tmp_path / "m.binaryproto").write_bytes(caffe_files.binaryproto(mean))
    weights = read_weights(tmp_path / "x.caffemodel")
    assert weights.changes == {"ceil_mode": True, "eps": 0.003}
    assert_same(logits(weights, image), caffe_files.forward(layers, image, mean))


@pytest.mark.slow
@pytest.mark.usefixtures("narrow")
def test_the_letters_of_deeper_nets(tmp_path: Path) -> None:
    """res4b1 to res4b22 of ResNet-101."""
    draw = Draw(3)
    layers, image = caffe_files.resnet(draw, (3, 4, 23, 3)), draw.image(SIDE)
    assert any(layer["name"] == "res4b22_branch2c" for layer in layers)
    (tmp_path / "x.caffemodel").write_bytes(caffe_files.caffemodel(layers))
    (tmp_path / "m.binaryproto").write_bytes(caffe_files.binaryproto(np.full((3, SIDE, SIDE), 120, "f4")))
    assert read_weights(tmp_path / "x.caffemodel").model == "resnet101"
    expected = caffe_files.forward(layers, image, np.full((3, SIDE, SIDE), 120, "f4"))
    assert_same(logits(tmp_path / "x.caffemodel", image), expected)


@pytest.mark.usefixtures("narrow")
def test_without_its_mean_image(caffe: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layers, image, mean, expected = caffe
    path = tmp_path / "x.caffemodel"
    path.write_bytes(caffe_files.caffemodel(layers))
    found = examine(path)
    assert found.weights.preprocessing is None
    assert "--mean FILE" in found.remarks[0]
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    assert main(["predict", str(path), str(tmp_path / "picture.png")]) == 2
    assert "does not say what its network expects" in capsys.readouterr().err
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "mean.binaryproto").write_bytes(caffe_files.binaryproto(mean))
    assert_same(logits(read_weights(path, mean=other / "mean.binaryproto"), image), expected)


@pytest.mark.usefixtures("narrow")
def test_a_stride_elsewhere_is_read_and_a_mixture_refused(caffe: Any, tmp_path: Path) -> None:
    layers, path = [dict(layer) for layer in caffe[0]], tmp_path / "x.caffemodel"
    for layer in layers:
        if layer["name"][:4] in ("res3", "res4", "res5") and layer["name"][4:] in ("a_branch2a", "a_branch2b"):
            layer["param"] = {**layer["param"], "stride": 2 if layer["name"].endswith("b") else 1}
    path.write_bytes(caffe_files.caffemodel(layers))
    assert read_weights(path).model == "resnet50_v1_5"
    for layer in layers:
        if layer["name"] in ("res4a_branch2a", "res4a_branch2b"):
            layer["param"] = {**layer["param"], "stride": 2 if layer["name"].endswith("a") else 1}
    path.write_bytes(caffe_files.caffemodel(layers))
    with pytest.raises(ValueError, match=r"a mixture perhaps: layer3\.0\.conv1 has stride 2 in the file, 1 in"):
        read_weights(path)


# ------------------------------------------------------------------------------------------------------------
# Torch7

NARROW = (3, 4, 6, 3)
TREES: dict[str, tuple[Kind, Any, str, dict[str, Any]]] = {
    "bottlenecks": (Kind(), (NARROW, WIDTHS), "resnet50_v1_5", {}),
    "basic": (Kind(bottleneck=False), ((2, 2, 2, 2), WIDTHS), "resnet18", {}),
    "option C": (
        Kind(bottleneck=False, option="C", eps=0.002, ceil=True),
        (NARROW, WIDTHS),
        "resnet34_c",
        {"eps": 0.002, "ceil_mode": True},
    ),
    "BN after the addition": (
        Kind(order="bn_after_addition"),
        (NARROW, WIDTHS),
        "preact_resnet50",
        {"order": "bn_after_addition", "stride_in": "3x3"},
    ),
    "and no BN on projections": (
        Kind(order="bn_after_addition", norm_on_projection=False, eps=0.003),
        (NARROW, WIDTHS),
        "preact_resnet50",
        {"order": "bn_after_addition", "stride_in": "3x3", "eps": 0.003},
    ),
    "pre-activation": (Kind(order="full"), (NARROW, WIDTHS), "preact_resnet50", {"stride_in": "3x3"}),
    "CIFAR": (Kind(bottleneck=False, option="A"), ((1, 1, 1), (16, 32, 64)), "cifar_resnet8", {}),
}


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("name", TREES)
def test_torch7(name: str, tmp_path: Path) -> None:
    kind, (blocks, widths), model, changes = TREES[name]
    draw = Draw(4)
    large = len(blocks) == 4
    tree = torch7_files.resnet(draw, kind, blocks, widths, classes=10, last=2 if large else 8)
    image = draw.image(SIDE if large else 32)
    mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if large else ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
    unit = 255 if large else 1
    x = (image / unit - np.reshape(mean, (1, 3, 1, 1))) / np.reshape(std, (1, 3, 1, 1))
    path = tmp_path / "model.t7"
    path.write_bytes(torch7_files.t7(tree))
    weights = read_weights(path)
    assert_same(logits(weights, image), torch7_files.forward(tree, x))
    assert (weights.model, weights.changes, weights.num_classes) == (model, changes, 10)
    assert "BSD" in (weights.licence or "")
    if name == "CIFAR":
        assert_same(by_way_of_ours(path, tmp_path, image), torch7_files.forward(tree, x))


@pytest.mark.slow
def test_torch7s_groups(tmp_path: Path) -> None:
    """ResNeXt-50, whose widths cannot be narrowed."""
    draw = Draw(5)
    tree = torch7_files.resnet(draw, Kind(groups=32), NARROW, (64, 128, 256, 512), last=2)
    path, image = tmp_path / "model.t7", draw.image(SIDE)
    path.write_bytes(torch7_files.t7(tree))
    x = (image / 255 - np.reshape((0.485, 0.456, 0.406), (1, 3, 1, 1))) / np.reshape(
        (0.229, 0.224, 0.225), (1, 3, 1, 1)
    )
    assert read_weights(path).model == "resnext50_32x4d"
    assert_same(logits(path, image), torch7_files.forward(tree, x))


@pytest.mark.parametrize("longs", [4, 8])
def test_what_else_torch7_writes(longs: int, tmp_path: Path) -> None:
    """Longs of a 32-bit machine, biases of zeros, matrices for filters, standard deviations, functions, wrappers."""
    draw = Draw(6)
    tree = torch7_files.resnet(draw, Kind(bottleneck=False, option="A"), (1, 1, 1), (16, 32, 64), classes=10, last=8)
    image = draw.image(32)
    x = (image - np.reshape((125.3, 123.0, 113.9), (1, 3, 1, 1))) / np.reshape((63.0, 62.1, 66.7), (1, 3, 1, 1))
    first, norm = tree.modules[:2]
    first.fields["bias"] = draw.vector(16, -1, 1)
    norm.fields["running_std"] = (norm.fields.pop("running_var") + np.float32(1e-5)) ** np.float32(-0.5)
    expected = torch7_files.forward(tree, x)
    first.kind, first.fields["weight"] = "nn.SpatialConvolutionMM", first.fields["weight"].reshape(16, 27)
    tree.modules[3].modules[0].modules[0].modules[0].modules[0].fields["bias"] = np.zeros(16, "f4")
    tree.fields["hook"] = torch7_files.Lua()
    linear = tree.modules[-1].fields
    linear["weight"] = np.asfortranarray(linear["weight"])
    wrapped = torch7_files.Module("nn.DataParallelTable", modules=[tree])
    path = tmp_path / "model.t7"
    path.write_bytes(torch7_files.t7({"epoch": 3, "model": wrapped, "hook": tree.fields["hook"]}, longs, cuda=False))
    assert_same(logits(path, image), expected)


def test_a_mixture_of_units_in_one_tree(tmp_path: Path) -> None:
    draw = Draw(7)
    kinds = [Kind(bottleneck=False, option="A", order=order) for order in ("original", "full")]
    tree, other = (torch7_files.resnet(draw, kind, (2, 2, 2), (16, 32, 64), last=8) for kind in kinds)
    tree.modules[4].modules[1] = other.modules[4].modules[1]
    (tmp_path / "model.t7").write_bytes(torch7_files.t7(tree))
    with pytest.raises(ValueError, match="a mixture of units: A, full, original"):
        read_weights(tmp_path / "model.t7")


# ------------------------------------------------------------------------------------------------------------
# detectron2, Keras


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(("how", "fused"), [("python 2", True), ("protocol 2", False)])
def test_detectron2(how: str, fused: bool, tmp_path: Path) -> None:
    draw = Draw(8)
    blobs, image = other_files.detectron(draw, fused), draw.image(SIDE)
    path = tmp_path / "R-50.pkl"
    path.write_bytes(other_files.PICKLES[how](blobs))
    weights = read_weights(path)
    assert (weights.model, weights.changes, weights.num_classes) == ("resnet50", {}, 7)
    expected = other_files.detectron_forward(blobs, image)
    assert_same(logits(weights, image), expected)


def test_every_protocol_gives_the_same_tensors(tmp_path: Path) -> None:
    blobs = {
        "turned": np.asfortranarray(np.arange(6, dtype="f4").reshape(2, 3)),
        **other_files.detectron(Draw(9), True),
    }
    for name, pickled in other_files.PICKLES.items():
        (tmp_path / "x.pkl").write_bytes(pickled(blobs))
        tensors = read_content(tmp_path / "x.pkl").tensors
        assert list(tensors) == list(blobs)
        assert all(np.array_equal(tensors[key].numpy(), values) for key, values in blobs.items()), name


@pytest.mark.usefixtures("narrow")
def test_keras(tmp_path: Path) -> None:
    draw = Draw(10)
    layers, image = other_files.keras(draw), draw.image(SIDE)
    path, whole = tmp_path / "resnet50_weights_tf_dim_ordering_tf_kernels.h5", tmp_path / "model.h5"
    other_files.write_keras(path, layers)
    weights = read_weights(path)
    assert (weights.model, weights.changes, weights.num_classes) == ("resnet50", {"eps": 1.001e-5}, 7)
    expected = other_files.keras_forward(layers, image)
    assert_same(logits(weights, image), expected)
    assert_same(by_way_of_ours(path, tmp_path, image), expected)
    other_files.write_keras(whole, layers, whole_model=True)
    tensors = read_content(path).tensors
    for name, tensor in read_content(whole).tensors.items():
        assert torch.equal(tensor, tensors.pop(name))
    assert not tensors


# ------------------------------------------------------------------------------------------------------------
# mmpretrain


@pytest.mark.parametrize("depth", [18, pytest.param(50, marks=pytest.mark.slow)])
def test_mmpretrain(depth: int, tmp_path: Path) -> None:
    """Its network of style "pytorch" is torchvision's, under other names and with its own preprocessing."""
    torch.manual_seed(0)
    other = getattr(torchvision.models, f"resnet{depth}")(num_classes=6).eval()
    theirs = {f"head.{k}" if k.startswith("fc.") else f"backbone.{k}": v for k, v in other.state_dict().items()}
    path = tmp_path / "resnet.pth"
    torch.save({"meta": {"epoch": 100}, "state_dict": theirs}, path)
    image = Draw(11).image(SIDE)
    mean, std = (np.reshape(v, (1, 3, 1, 1)) for v in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
    with torch.no_grad():
        expected = other(torch.from_numpy((image - mean) / std).float()).numpy()
    assert_same(logits(path, image), expected)
    assert "mmpretrain" in (read_weights(path).licence or "")


def test_every_layout_is_in_these_tests() -> None:
    assert set(LAYOUTS) == {"torchvision", "timm", "mmpretrain", "akamaster", "caffe", "torch7", "detectron2", "keras"}
