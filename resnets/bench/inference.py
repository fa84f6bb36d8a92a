"""How fast a network answers, each way of `models.inference` beside plain PyTorch, and what it costs in accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from resnets.bench.timing import Step
from resnets.classification.trained import check_classes, read_trained
from resnets.data.sources import open_data
from resnets.evaluation.metrics import count
from resnets.files import say
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
        device = resolve_device("auto")
        if device.type == "cpu" and self.way != "plain":
            keep_memory()
        model, images = create_model(self.model).to(device), noise(self.model, self.batch, device)
        answer = ready(model, images, self.way, self.precision)
        return lambda: answer(images)


def noise(model: str, batch: int, device: torch.device) -> Tensor:
    """Normally distributed images of the size that a network takes."""
    size = row(model).input_size
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)


def ways() -> list[str]:
    """Those that can be had here."""
    return [way for way in WAYS if way != "openvino" or find_spec("openvino")]


# ------------------------------------------------------------------------------------------------------------
# What it costs


def apart(model: str, batch: int, chosen: Sequence[str], precision: str) -> dict[str, float]:
    """How far the logits of each way are from plain ones at most, in standard deviations of the plain ones.

    Of a network that knows nothing yet, on random images.
    """
    torch.manual_seed(0)
    device = resolve_device("auto")
    network, images = create_model(model).to(device), noise(model, batch, device)
    expected = ready(network, images, "plain")(images)

    def difference(way: str) -> float:
        return float((ready(network, images, way, precision)(images) - expected).abs().max() / expected.std())

    return {way: difference(way) for way in chosen if way != "plain"}


def errors(weights: str, data: str, batch: int, chosen: Sequence[str], precision: str) -> dict[str, float]:
    """The test error on `data` of a trained network, whose weights are named, by each way; in percent.

    ValueError where its weights or the data cannot be read, or do not go together.
    """
    network, device = read_trained(weights), resolve_device("auto")
    images = open_data(data, "test", network.expected.crop)
    check_classes(network, images.classes, len(images.classes), images.name, say)
    pixels = network.expected.normaliser(device)(images.images.to(device))

    def error(way: str) -> float:
        answer = ready(network.model, pixels[:batch], way, precision)
        return count(torch.cat([answer(part).cpu() for part in pixels.split(batch)]), images.labels).top1_error

    return {way: error(way) for way in chosen}
