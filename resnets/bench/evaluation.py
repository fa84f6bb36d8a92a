"""How fast labelled images are judged: what `resnets evaluate` does, beside a plain loop and beside the network alone.

| side      | what it is                                                                                            |
|-----------|-------------------------------------------------------------------------------------------------------|
| `plain`   | as anybody would write it: eager, NCHW, DataLoader with torchvision's transforms                       |
| `network` | the network alone, on images that are normalised already: what is left if loading costs nothing        |
| `ours`    | `evaluation.protocols.single_view`, from uint8 pixels to probabilities                                 |

All in float32, in which errors are reported, on random images.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from resnets.bench.pictures import MEAN, STD, VALUES, Pictures, random_images
from resnets.bench.timing import Step
from resnets.evaluation.protocols import single_view
from resnets.models.catalog import row
from resnets.models.factory import create_model
from resnets.preprocessing import Preprocessing
from resnets.runtime import keep_memory, resolve_device, set_precision

SIDES = ("plain", "network", "ours")
_AT_ONCE = 500
"""Images that go through the network together, on every side."""


@dataclass(frozen=True)
class Evaluation:
    """A side of `timing.in_turn`: `batch` small images judged."""

    side: str
    model: str
    batch: int
    precision: str

    def __call__(self) -> Step:
        device, size = resolve_device("auto"), row(self.model).input_size
        set_precision(self.precision)  # as `resnets evaluate` does, and for all sides
        images = random_images(size, self.batch)
        model = create_model(self.model, 10).to(device).eval()
        if self.side == "plain":
            loader = DataLoader(Pictures(images, VALUES), _AT_ONCE)
            return lambda: _judged(model, (pictures.to(device) for pictures, _ in loader))
        if device.type == "cpu":
            keep_memory()
        model, pixels = model.to(memory_format=torch.channels_last), images.images.to(device)
        normalise = Preprocessing(crop=size, resize=size, mean=MEAN, std=STD).normaliser(device)
        if self.side == "ours":
            return lambda: single_view(model, pixels, normalise, self.precision, _AT_ONCE)
        ready = [normalise(part).to(memory_format=torch.channels_last) for part in pixels.split(_AT_ONCE)]
        return lambda: _judged(model, ready)


@torch.no_grad()
def _judged(model: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    return torch.cat([model(images).softmax(1).cpu() for images in batches])
