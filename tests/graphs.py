"""Small networks of every kind through torch.export, torch.compile, and to ONNX and OpenVINO by way of the former.

In a process of their own (tests/test_graphs.py runs this file): the compiler changes how PyTorch works after it, which
tests of bit-equal runs would notice.
"""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tested
import torch
from family import SMALL, images, settled, unchecked
from torch import nn

from resnets.bench.inference import answer
from resnets.classification import export
from resnets.classification.predict import predict
from resnets.cli import main
from resnets.models.inference import ready
from resnets.preprocessing import Preprocessing
from resnets.runtime import set_precision

ROOT = Path(__file__).parents[1]


def made(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return SMALL[kind]()


QUICK = (
    *("option A, mean", "stochastic depth", "order bn_after_addition", "order full, bottlenecks", "exclusive_gating"),
    *("wide, dropout", "resnext, grouped", "rir, resnet_init", "ror", "highway"),
)
"""One of each kind of unit."""
GRAPHS = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in SMALL]
)


@GRAPHS
def test_export(kind: str) -> None:
    model, x = settled(made(kind)), images(kind).double()
    exported = torch.export.export(model, (x,)).module()
    with torch.no_grad():
        assert torch.equal(exported(x), model(x))


@GRAPHS
def test_compile(kind: str) -> None:
    """The graph is captured whole; it is run as it is (`eager`), as building kernels takes a minute a network."""
    torch.compiler.reset()
    model, x = settled(made(kind)), images(kind).double()
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad(), unchecked():
        assert torch.equal(compiled(x), model(x))


def test_openvino_answers_as_the_plain_network() -> None:
    pytest.importorskip("openvino")
    torch.manual_seed(0)
    model, x = settled(SMALL["option B"]()).float(), images("option B", count=4)
    with unchecked():
        answer = ready(model, x, "openvino", "fp32")
        for images_ in (x, x[:1]):
            with torch.no_grad():
                assert torch.allclose(answer(images_), model(images_), atol=1e-4)


def test_onnx_runtime_answers_as_the_plain_network() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    model, x = settled(SMALL["option B"]()).float(), images("option B", count=4)
    with unchecked():
        compute = answer("onnxruntime", "cifar_resnet8", model, x, "fp32")
        for images_ in (x, x[:1]):
            with torch.no_grad():
                assert torch.allclose(compute(images_), model(images_), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("side", ["compiled", "torch.compile"])
def test_compiled_networks_answer_as_the_plain_one(side: str) -> None:
    torch.manual_seed(0)
    model, x = settled(SMALL["option B"]()).float(), images("option B", count=4)
    with unchecked():
        assert answer(side, "cifar_resnet8", model, x, "fp32").apart < 1e-4


@pytest.mark.slow
def test_a_compiled_network_learns_the_same() -> None:
    """Logits, gradients and running averages in float32, of which each may be rounded otherwise."""
    torch.manual_seed(0)
    plain, x = SMALL["option A"]().train(), images("option A", count=8)
    other = copy.deepcopy(plain)
    with unchecked():
        for network, model in ((plain, plain), (torch.compile(other), other)):
            network(x).square().sum().backward()
            model.eval()
    with torch.no_grad():
        assert torch.allclose(plain(x), other(x), rtol=1e-4, atol=1e-4)
    for one, same in zip(plain.parameters(), other.parameters(), strict=True):
        assert one.grad is not None
        assert same.grad is not None
        assert (one.grad - same.grad).norm() < 1e-4 * one.grad.norm()


# ------------------------------------------------------------------------------------------------------------
# Files for other programs


def sizes_of(kind: str, tmp_path: Path) -> set[tuple[int, int]]:
    """The sizes at which the small network `kind`, written as ONNX, was found to answer as PyTorch does."""
    pytest.importorskip("onnxscript")
    crop = 64 if kind.startswith("imagenet") else 32
    expected = Preprocessing(crop=crop, resize=crop, mean=[0.4, 0.5, 0.6], std=[0.2, 0.25, 0.3], channels="BGR")
    with unchecked():
        checked = export.write_network(settled(made(kind)).float(), expected, tmp_path / "net.onnx", {"model": kind})
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
    assert {one["images"] for one in checked} == {1, 3}
    return {(one["height"], one["width"]) for one in checked}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
def test_every_kind_becomes_onnx_for_any_size(kind: str, tmp_path: Path) -> None:
    assert len(sizes_of(kind, tmp_path)) == 3


class FixedPooling(nn.Module):
    """Ends as VGG does, which ONNX has for one size only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 49, 5)

    def forward_features(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"pool": nn.functional.max_pool2d(self.conv(images), 8)}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(self.forward_features(images)["pool"], 7)
        return self.last(pooled.flatten(1))


def test_where_the_size_is_fixed_only_their_number_is_free(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    expected = Preprocessing(crop=56, resize=64, mean=[0.4, 0.5, 0.6])
    checked = export.write_network(FixedPooling().eval(), expected, tmp_path / "net.onnx", {})
    assert {(one["images"], one["height"], one["width"]) for one in checked} == {(1, 56, 56), (3, 56, 56)}
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tested.weights(tmp_path_factory.mktemp("weights") / "net.safetensors")


def test_a_program_without_pytorch_answers_as_predict(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The example of docs/export.md, as it stands there, where neither torch nor this package can be imported."""
    pytest.importorskip("onnxscript")
    onnx = tmp_path / "net.onnx"
    with unchecked():
        assert main(["export", str(weights), "--out", str(onnx), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["pixels"] == ["N", "H", "W", 3]
    assert 0 < record["largest_difference"] < 1e-4
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/export.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "example.py").write_text(example)
    for name in ("torch", "torchvision", "resnets"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not for this program')\n")
    for index in (1, 3, 5):  # wide, odd pixels left over, long
        picture = tmp_path / f"{index}.png"
        tested.photograph(index).save(picture)
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        words = [sys.executable, "example.py", str(onnx), str(picture)]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said = [(name, float(number)) for number, name in map(str.split, done.stdout.splitlines())]
        with unchecked():
            expected = predict(str(weights), [picture])["predictions"][0]["classes"]
        assert [name for name, _ in said] == [one["name"] for one in expected]
        assert [number for _, number in said] == pytest.approx([one["probability"] for one in expected], abs=1e-5)


@pytest.mark.parametrize("suffix", [".pt2", ".xml"])
def test_other_formats(suffix: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    if suffix == ".xml":
        pytest.importorskip("openvino")
    path = tmp_path / f"net{suffix}"
    set_precision("fp32")  # as training or evaluating here before has left it
    with unchecked():
        assert main(["export", str(weights), "--out", str(path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert len({(one["height"], one["width"]) for one in record["checked"]}) == 3
    if suffix == ".pt2":
        extra = {"about.json": ""}
        torch.export.load(path, extra_files=extra)
        about = json.loads(extra["about.json"])
    else:
        openvino = pytest.importorskip("openvino")
        info = openvino.Core().read_model(path).get_rt_info("resnets").astype(dict)
        about = {key: value.astype(str) if hasattr(value, "astype") else value for key, value in info.items()}
    assert Preprocessing.from_json(about["preprocessing"]) == tested.EXPECTED


def test_what_answers_otherwise_is_not_kept(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    form = export.FORMATS[".pt2"]

    def off(path: Path) -> export.Run:
        run = form.run(path)
        return lambda pixels: run(pixels) + np.float32(0.01)

    monkeypatch.setitem(export.FORMATS, ".pt2", form._replace(run=off))
    with unchecked():
        assert main(["export", str(weights), "--out", str(tmp_path / "net.pt2")]) == 2
    assert "not written, because a logit is 0.01 from PyTorch's" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
