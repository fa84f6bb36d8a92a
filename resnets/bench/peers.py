"""Others with the same network and the same weights, for `resnets bench` to hold this package against.

| side            | what it is                                                                                      |
|-----------------|-------------------------------------------------------------------------------------------------|
| `torchvision`   | torchvision's own code of the network, where it has it, as it comes                              |
| `torch.compile` | the way `last` (channels-last, autocast) through torch.compile: what PyTorch does when asked      |
| `onnxruntime`   | exported to ONNX, by ONNX Runtime on a CPU, which computes it in float32                          |
"""

from importlib.util import find_spec

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from resnets.models.inference import Compute, Maker, channels_last
from resnets.models.layouts import TORCHVISION


def peers(name: str, device: str) -> dict[str, Maker]:
    """Those of the network `name` that can be had on this machine, for images on `device`."""
    found: dict[str, Maker] = {}
    if has_torchvision(name):
        found["torchvision"] = lambda model, example, precision: _with_weights(name, model)
    found["torch.compile"] = _compiled
    if device == "cpu" and find_spec("onnxruntime") and find_spec("onnxscript"):
        found["onnxruntime"] = _onnx_runtime
    return found


def has_torchvision(name: str) -> bool:
    """Whether torchvision has the network, be it with strides that are moved."""
    return name in TORCHVISION or f"{name}_v1_5" in TORCHVISION


def torchvisions(name: str, classes: int) -> nn.Module:
    """Torchvision's network, with new weights; the paper's stride in the 1x1 is its own, moved there."""
    moved = name not in TORCHVISION
    network = getattr(torchvision.models, TORCHVISION[f"{name}_v1_5" if moved else name])(num_classes=classes)
    for unit in network.modules() if moved else ():
        if isinstance(unit, Bottleneck):
            unit.conv1.stride, unit.conv2.stride = unit.conv2.stride, unit.conv1.stride
    return network


def _with_weights(name: str, model: nn.Module) -> nn.Module:
    *_, bias = model.parameters()
    network = torchvisions(name, len(bias)).to(bias.device).eval()
    network.load_state_dict(model.state_dict())
    return network


def _compiled(model: nn.Module, example: Tensor, precision: str) -> Compute:
    return torch.compile(channels_last(model, example, precision), dynamic=False)


def _onnx_runtime(model: nn.Module, example: Tensor, precision: str) -> Compute:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what goes wrong is raised
    sessions: dict[torch.Size, onnxruntime.InferenceSession] = {}

    def answer(images: Tensor) -> Tensor:
        if images.shape not in sessions:
            program = torch.onnx.export(model, (images,), dynamo=True, input_names=["images"], verbose=False)
            assert program is not None
            written = program.model_proto.SerializeToString()
            sessions[images.shape] = onnxruntime.InferenceSession(written, options, ["CPUExecutionProvider"])
        return torch.from_numpy(sessions[images.shape].run(None, {"images": images.numpy()})[0])

    return answer
