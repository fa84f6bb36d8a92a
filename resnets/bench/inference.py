"""How fast a network answers: each way of `models.inference` beside plain PyTorch."""

from dataclasses import dataclass
from importlib.util import find_spec

import torch

from resnets.bench.timing import Step
from resnets.models.catalog import row
from resnets.models.factory import create_model
from resnets.models.inference import WAYS, ready
from resnets.runtime import keep_memory, resolve_device


@dataclass(frozen=True)
class Inference:
    """A side of `timing.in_turn`: the logits of one batch of random images."""

    way: str
    model: str
    batch: int
    precision: str

    def __call__(self) -> Step:
        device, size = resolve_device("auto"), row(self.model).input_size
        if device.type == "cpu" and self.way != "plain":
            keep_memory()
        torch.manual_seed(0)
        model = create_model(self.model).to(device)
        images = torch.randn(self.batch, 3, size, size, device=device)
        answer = ready(model, images, self.way, self.precision)
        return lambda: answer(images)


def ways() -> list[str]:
    """Those that can be had here."""
    return [way for way in WAYS if way != "openvino" or find_spec("openvino")]
