"""How fast a network answers: each way of `models.inference` and its `peers` beside plain PyTorch, and what it costs in
accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resnets.bench.peers import peers
from resnets.bench.timing import Step
from resnets.classification.trained import check_classes, read_trained
from resnets.data.sources import open_data
from resnets.evaluation.metrics import count
from resnets.files import say
from resnets.models.catalog import row
from resnets.models.factory import create_model
from resnets.models.inference import WAYS, Answer, made, ways
from resnets.runtime import keep_memory, resolve_device


def sides(model: str) -> list[str]:
    """The ways and the peers that can be had here, `plain` first."""
    device = resolve_device("auto").type
    plain, *others = ways(device)
    return [plain, *peers(model, device), *others]


def answer(side: str, name: str, model: nn.Module, example: Tensor, precision: str) -> Answer:
    """The network `name`, whose weights are those of `model`, made ready as `side` has it."""
    return made(side, {**WAYS, **peers(name, example.device.type)}[side], model, example, precision)


@dataclass(frozen=True)
class Inference:
    """A side of `timing.in_turn`: the logits of one batch of random images."""

    side: str
    model: str
    batch: int
    precision: str

    def __call__(self) -> Step:
        device = resolve_device("auto")
        if device.type == "cpu" and self.side in WAYS and self.side != "plain":  # as `ready` does; peers as they come
            keep_memory()
        model, images = create_model(self.model).to(device), noise(self.model, self.batch, device)
        compute = answer(self.side, self.model, model, images, self.precision)
        return lambda: compute(images)


def noise(model: str, batch: int, device: torch.device) -> Tensor:
    """Normally distributed images of the size that a network takes."""
    size = row(model).input_size
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)


# ------------------------------------------------------------------------------------------------------------
# What it costs


def apart(model: str, batch: int, chosen: Sequence[str], precision: str) -> dict[str, float]:
    """How far the logits of each side are from plain ones at most, in standard deviations of the plain ones.

    Of a network that knows nothing yet, on random images.
    """
    torch.manual_seed(0)
    device = resolve_device("auto")
    network, images = create_model(model).to(device), noise(model, batch, device)
    return {side: answer(side, model, network, images, precision).apart for side in chosen if side != "plain"}


def errors(weights: str, data: str, batch: int, chosen: Sequence[str], precision: str) -> dict[str, float]:
    """The test error on `data` of a trained network, whose weights are named, on each side; in percent.

    ValueError where its weights or the data cannot be read, or do not go together.
    """
    network, device = read_trained(weights), resolve_device("auto")
    images = open_data(data, "test", network.expected.crop)
    check_classes(network, images.classes, len(images.classes), images.name, say)
    pixels = network.expected.normaliser(device)(images.images.to(device))

    def error(side: str) -> float:
        compute = answer(side, weights, network.model, pixels[:batch], precision)
        return count(torch.cat([compute(part).cpu() for part in pixels.split(batch)]), images.labels).top1_error

    return {side: error(side) for side in chosen}
