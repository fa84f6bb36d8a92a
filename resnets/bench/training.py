"""How fast a network trains: this package's paths beside a plain PyTorch loop.

| side       | what it is                                                                                       |
|------------|--------------------------------------------------------------------------------------------------|
| `plain`    | as anybody would write it: eager, float32, NCHW, DataLoader with torchvision's crop and flip      |
| `same`     | the plain loop on this package's batches: what precision and memory format alone bring            |
| `eager`    | what `resnets train` runs: augmented by the batch, bfloat16 where there is, channels-last         |
| `fused`    | `fused=true`: BN, addition and ReLU as one operation                                              |
| `compiled` | `compile=true`                                                                                    |

All train the same network on random images of its size: speed does not depend on them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from resnets.bench.timing import Step
from resnets.classification.papers import paper_recipe
from resnets.classification.task import Classification, Data
from resnets.data.images import ImageSet
from resnets.models.catalog import row
from resnets.models.factory import create_model
from resnets.preprocessing import Preprocessing
from resnets.runtime import keep_memory, resolve_device
from resnets.training.iteration import Eager
from resnets.training.optimiser import sgd

MEAN, STD = [0.491, 0.482, 0.447], [0.247, 0.243, 0.262]
PATHS: dict[str, dict[str, Any]] = {"eager": {}, "fused": {"fused": True}, "compiled": {"compile": True}}
"""This package's sides: the fields of the recipe in which each differs."""
SIDES = ("plain", "same", *PATHS)


@dataclass(frozen=True)
class Training:
    """A side of `timing.in_turn`: one iteration of training, images and augmentation included."""

    side: str
    model: str
    batch: int
    precision: str

    def __call__(self) -> Step:
        device = resolve_device("auto")
        images = _random_images(row(self.model).input_size, self.batch)
        if self.side == "plain":
            return _plain(self.model, _endless(images, self.batch), device)
        fields = {"lr": 0.01, "warmup_lr": None, "warmup_iterations": None, "batch_size": self.batch}
        recipe = replace(paper_recipe(self.model), **fields, **PATHS.get(self.side, {}))
        size = images.images.shape[-1]
        preprocessing = Preprocessing(crop=size, resize=size, mean=MEAN, std=STD, classes=images.classes)
        data = Data(images.to(device), images, None, preprocessing, {})
        if self.side == "same":
            task = Classification(replace(recipe, channels_last=False), data, device, "fp32")
            return _plain(self.model, map(task.inputs, task.batches(0)), device)
        if device.type == "cpu":
            keep_memory()
        task = Classification(recipe, data, device, self.precision)
        iteration, batches = Eager(sgd(task.model, recipe), 0, device, task.losses), task.batches(0)
        return lambda: iteration(0, [next(batches)], recipe.lr)


def _random_images(size: int, batch: int) -> ImageSet:
    """About 30 MB of them, two batches at least."""
    count = max(2 * batch, 10_000 * 32**2 // size**2)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (count,), generator=generator)
    return ImageSet("random", pixels, labels, tuple("0123456789"))


class _Pictures(Dataset[tuple[Tensor, Tensor]]):
    """What the plain loop reads: one image at a time through torchvision's transforms."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images
        crop = v2.RandomCrop(images.images.shape[-1], padding=4)
        normalise = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        self.transform = v2.Compose([crop, v2.RandomHorizontalFlip(), *normalise])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.images.images[index]), self.images.labels[index]


def _endless(images: ImageSet, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The DataLoader, epoch after epoch."""
    while True:
        yield from DataLoader(_Pictures(images), batch, shuffle=True, drop_last=True)


def _plain(model_name: str, batches: Iterator[tuple[Tensor, Tensor]], device: torch.device) -> Callable[[], None]:
    """One iteration of the plain loop."""
    model = create_model(model_name, 10).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        images, labels = (t.to(device) for t in next(batches))
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
