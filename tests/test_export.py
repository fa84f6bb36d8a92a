"""What `resnets export` refuses, before anything is made. What it writes is tested in graphs.py."""

from pathlib import Path

import pytest
import tested

from resnets.classification import export
from resnets.cli import main


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
