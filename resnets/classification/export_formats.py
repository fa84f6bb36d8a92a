"""The files that a network is exported as, a row each: how one is written, and how it is run beside PyTorch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.export import ExportedProgram

Run = Callable[[np.ndarray], np.ndarray]
"""From pixels, uint8 (N, H, W, 3), to logits, float32 (N, C)."""


class Format(NamedTuple):
    """One kind of file."""

    name: str
    needs: tuple[str, ...]
    """Modules that must be installed."""
    extra: str
    """Which of the package's extras brings them."""
    write: Callable[[ExportedProgram, Path, dict[str, str]], None]
    """(program, path, metadata)"""
    run: Callable[[Path], Run]


def _write_onnx(program: ExportedProgram, path: Path, about: dict[str, str]) -> None:
    names = ["logits", "probabilities"]
    made = torch.onnx.export(program, dynamo=True, output_names=names, external_data=False, verbose=False)
    assert made is not None
    model = made.model_proto
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def _run_onnx(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda pixels: np.asarray(session.run(["logits"], {"pixels": pixels})[0])


def _write_program(program: ExportedProgram, path: Path, about: dict[str, str]) -> None:
    torch.export.save(program, path, extra_files={"about.json": json.dumps(about)})


def _run_program(path: Path) -> Run:
    module = torch.export.load(path).module()
    return lambda pixels: module(torch.from_numpy(pixels))[0].detach().numpy()


def _write_openvino(program: ExportedProgram, path: Path, about: dict[str, str]) -> None:
    import openvino

    model = openvino.convert_model(program)
    model.inputs[0].set_names({"pixels"})
    for output, name in zip(model.outputs, ("logits", "probabilities"), strict=True):
        output.set_names({name})
    for key, value in about.items():
        model.set_rt_info(value, ["resnets", key])
    openvino.save_model(model, path, compress_to_fp16=False)


def _run_openvino(path: Path) -> Run:
    import openvino

    compiled = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda pixels: compiled(pixels)["logits"]


FORMATS: dict[str, Format] = {
    ".onnx": Format("ONNX", ("onnx", "onnxscript", "onnxruntime"), "export", _write_onnx, _run_onnx),
    ".pt2": Format("torch.export", (), "", _write_program, _run_program),
    ".xml": Format("OpenVINO", ("openvino",), "fast", _write_openvino, _run_openvino),
}
"""By suffix. OpenVINO's weights lie in a `.bin` beside its `.xml`."""
