"""What `resnets export` refuses, before anything is made. What it writes is tested in graphs.py."""

from pathlib import Path

import pytest
import tested
import torch

from resnets.classification import export
from resnets.cli import main
from resnets.evaluation.protocols import single_view
from resnets.models.factory import create_model
from resnets.preprocessing import Preprocessing


@pytest.mark.parametrize("suffix", [".onnx", ".pt2", ".xml", ".bin"])
def test_nothing_is_overwritten(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    there = tmp_path / f"net{suffix}"
    there.write_text("precious")
    out = there.with_suffix(".xml") if suffix == ".bin" else there
    assert main(["export", "cifar_resnet20", "--out", str(out)]) == 2
    assert f"{there}: exists, and nothing is overwritten" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [there.name]
    assert there.read_text() == "precious"


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = tested.weights(tmp_path / "silent.safetensors", expected=None)
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    for words, message in (
        (("cifar_resnet20", "net.tflite"), "net.tflite: the name must end in .onnx, .pt2, .xml"),
        (("cifar_resnet20", "net.onnx"), "not installed; type: pip install 'resnets[export]'"),
        (("cifar_resnet20", "net.xml"), "net.xml: OpenVINO needs openvino, not installed; type: pip install"),
        (("nothing", "net.pt2"), "nothing: no such file or folder"),
        ((silent, "net.pt2"), "does not say what its network expects of a picture"),
    ):
        assert main(["export", str(words[0]), "--out", str(tmp_path / words[1])]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("resnets export: ")
        assert message in line


@pytest.mark.parametrize(
    "expected",
    [
        tested.EXPECTED,
        Preprocessing(crop=32, resize=32, mean=torch.rand(3, 32, 32).tolist(), std=[0.2, 0.3, 0.4], channels="BGR"),
    ],
    ids=["RGB", "BGR, a mean for each pixel"],
)
def test_what_is_done_to_pixels_is_what_evaluation_does(expected: Preprocessing) -> None:
    torch.manual_seed(0)
    model = create_model("cifar_resnet8").eval()
    pixels = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    with torch.no_grad():
        logits, probabilities = export._FromPixels(model, expected)(pixels)
    normalise = expected.normaliser(torch.device("cpu"))
    assert torch.allclose(probabilities, single_view(model, pixels.permute(0, 3, 1, 2), normalise), atol=1e-6)
    assert torch.allclose(logits.softmax(1), probabilities)
