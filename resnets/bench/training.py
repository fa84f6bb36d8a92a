"""How fast a network trains: this package's paths beside a plain PyTorch loop.

| side          | what it is                                                                                    |
|---------------|-----------------------------------------------------------------------------------------------|
| `plain`       | as anybody would write it: eager, float32, NCHW, DataLoader with torchvision's crop and flip;  |
|               | on CUDA in TF32 where PyTorch by itself takes it                                               |
| `same`        | the plain loop, float32 and NCHW too, on this package's batches: what these alone bring        |
| `torchvision` | torchvision's network, where it has it, on those batches; bfloat16 where there is, channels-last |
| `eager`       | what `resnets train` runs: augmented by the batch, bfloat16 where there is, channels-last      |
| `fused`       | `fused=true`: BN, addition and ReLU as one operation                                           |
| `compiled`    | `compile=true`                                                                                 |
| `autotuned`   | on CUDA: through `torch.compile(mode="max-autotune")`, the best that PyTorch does by itself    |
| `captured`    | on CUDA: `fused=true capture=true`, the whole iteration as one CUDA graph                      |
| `replayed`    | on CUDA: with `replay=10`, ten iterations as one graph                                         |

All train the same network on random images of its size: speed does not depend on them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from resnets.bench.peers import has_torchvision, torchvisions
from resnets.bench.pictures import MEAN, STD, VALUES, Pictures, random_images
from resnets.bench.timing import Step
from resnets.classification.papers import paper_recipe
from resnets.classification.small_data import SmallData
from resnets.classification.task import Classification
from resnets.data.images import ImageSet
from resnets.models.catalog import row
from resnets.models.factory import create_model
from resnets.preprocessing import Preprocessing
from resnets.runtime import autocast, keep_memory, resolve_device, set_precision
from resnets.training.iteration import Captured, Eager
from resnets.training.optimiser import sgd

PATHS: dict[str, dict[str, Any]] = {"eager": {}, "fused": {"fused": True}, "compiled": {"compile": True}}
"""This package's sides: the fields of the recipe in which each differs."""
ON_CUDA: dict[str, dict[str, Any]] = {
    "autotuned": {},
    "captured": {"fused": True, "capture": True},
    "replayed": {"fused": True, "capture": True, "replay": 10},
}


def images(batch: int) -> int:
    """In a step of a side: on CUDA it is as many iterations as the longest graph holds."""
    return batch * _iterations()


def _iterations() -> int:
    return 10 if torch.cuda.is_available() else 1


def sides(model: str) -> list[str]:
    """Those that can be had here."""
    torchvision = ["torchvision"] if has_torchvision(model) else []
    return ["plain", "same", *torchvision, *PATHS, *(ON_CUDA if torch.cuda.is_available() else ())]


@dataclass(frozen=True)
class Training:
    """A side of `timing.in_turn`: an iteration of training, or ten; images and augmentation are included."""

    side: str
    model: str
    batch: int
    precision: str

    def __call__(self) -> Step:
        iteration = self._iteration()

        def step() -> None:
            for _ in range(_iterations()):
                iteration()

        return step

    def _iteration(self) -> Callable[[], Any]:
        device = resolve_device("auto")
        size = row(self.model).input_size
        pictures = random_images(size, max(2 * self.batch, 10_000 * 32**2 // size**2))  # about 30 MB of them
        if self.side == "plain":
            return _plain(create_model(self.model, 10).to(device), _endless(pictures, self.batch))
        fields = {"lr": 0.01, "warmup_lr": None, "warmup_iterations": None, "batch_size": self.batch}
        recipe = replace(paper_recipe(self.model), **fields, **{**PATHS, **ON_CUDA}.get(self.side, {}))
        preprocessing = Preprocessing(crop=size, resize=size, mean=MEAN, std=STD, classes=pictures.classes)
        data = SmallData(pictures.to(device), pictures, None, preprocessing, {})
        if self.side == "same":
            task = Classification(replace(recipe, channels_last=False), data, device, "fp32")
            return _plain(task.model, map(task.inputs, task.batches(0)))
        if device.type == "cpu":
            keep_memory()
        task = Classification(recipe, data, device, self.precision)
        if self.side == "torchvision":
            network = torchvisions(self.model, 10).to(device).to(memory_format=torch.channels_last)
            return _plain(network, map(task.inputs, task.batches(0)), self.precision)
        return self._ours(task)

    def _ours(self, task: Classification) -> Callable[[], Any]:
        """As `resnets train` does it."""
        set_precision(self.precision)
        recipe, batches = task.recipe, task.batches(0)
        if self.side == "autotuned":
            network: Any = torch.compile(task.model, mode="max-autotune")
            task.network = network
        eager = Eager(sgd(task.model, recipe, fused=recipe.capture), 0, task.device, task.losses)
        iteration = Captured(eager, recipe.replay) if recipe.capture else eager
        if recipe.capture:
            for _ in range(Captured.WARM_UP + recipe.replay):
                iteration(0, [next(batches)], recipe.lr)
            torch.cuda.synchronize()  # it may be replayed on another stream
        return lambda: iteration(0, [next(batches)], recipe.lr)


def _endless(images: ImageSet, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The DataLoader, epoch after epoch, with torchvision's crop and flip."""
    crop = v2.RandomCrop(images.images.shape[-1], padding=4)
    pictures = Pictures(images, v2.Compose([crop, v2.RandomHorizontalFlip(), VALUES]))
    while True:
        yield from DataLoader(pictures, batch, shuffle=True, drop_last=True)


def _plain(model: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], precision: str = "fp32") -> Callable[[], None]:
    """One iteration of the plain loop."""
    device = next(model.parameters()).device
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        images, labels = (t.to(device) for t in next(batches))
        with autocast(device, precision):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
