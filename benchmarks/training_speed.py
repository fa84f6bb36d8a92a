"""Training speed of a CIFAR net at batch 128, data and augmentation included: this package beside a plain loop.

    python benchmarks/training_speed.py [--model cifar_resnet20] [--rounds 6] [--results results/bench/training.jsonl]

About three minutes on two cores. Both sides train the same network on the same images in one process, in turn:

  plain   eager PyTorch as anybody would write it: float32, NCHW, DataLoader with torchvision's crop and flip an image
  same    the plain loop on this package's batches: what precision and memory format alone bring
  ours    what `resnets train` runs: uint8 on the device, augmented by the batch, bf16 where there is, channels-last

Prints a table and ends in one line of JSON. The images are random: speed does not depend on them.
"""

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from side_by_side import Step, finish, in_turn, median_ratio
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from resnets.classification.papers import paper_recipe
from resnets.classification.task import Classification, Data
from resnets.data.images import ImageSet
from resnets.models.factory import create_model
from resnets.preprocessing import Preprocessing
from resnets.runtime import resolve_device, resolve_precision
from resnets.training.optimiser import descend, sgd

BATCH, MEAN, STD = 128, [0.491, 0.482, 0.447], [0.247, 0.243, 0.262]


class Pictures(Dataset[tuple[Tensor, Tensor]]):
    """What the plain loop reads: one image at a time through torchvision's transforms."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images
        self.transform = v2.Compose(
            [
                v2.RandomCrop(32, padding=4),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.images.images[index]), self.images.labels[index]


def plain(model_name: str, batches: Iterator[tuple[Tensor, Tensor]], device: torch.device) -> Step:
    """One iteration of the plain loop."""
    model = create_model(model_name).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        images, labels = (t.to(device) for t in next(batches))
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def ours(task: Classification) -> Step:
    """One iteration as `training.loop` does it."""
    optimizer, batches = sgd(task.model, task.recipe), task.batches(0)

    def step() -> None:
        descend(optimizer, task.losses(next(batches))["loss"])

    return step


def endless(images: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
    """The DataLoader, epoch after epoch."""
    while True:
        yield from DataLoader(Pictures(images), BATCH, shuffle=True, drop_last=True)


def contestants(model_name: str, compiled: bool, device: torch.device, precision: str) -> dict[str, Step]:
    """The three sides by name, on the same random images."""
    pixels, labels = torch.randint(0, 256, (10_000, 3, 32, 32), dtype=torch.uint8), torch.randint(0, 10, (10_000,))
    images = ImageSet("random", pixels, labels, tuple("0123456789"))
    preprocessing = Preprocessing(crop=32, resize=32, mean=MEAN, std=STD, classes=images.classes)
    data = Data(images.to(device), images, None, preprocessing, {})
    recipe = replace(paper_recipe(model_name), lr=0.01, warmup_lr=None, compile=compiled)
    same = Classification(replace(recipe, channels_last=False), data, device, "fp32")
    return {
        "plain": plain(model_name, endless(images), device),
        "same": plain(model_name, map(same.inputs, same.batches(0)), device),
        "ours": ours(Classification(recipe, data, device, precision)),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="cifar_resnet20")
    arguments.add_argument("--rounds", type=int, default=6)
    arguments.add_argument("--iterations", type=int, default=25, help="of each side in each round")
    arguments.add_argument("--compile", action="store_true", help="ours through torch.compile")
    arguments.add_argument("--results", type=Path)
    given = arguments.parse_args()

    device = resolve_device("auto")
    precision = resolve_precision("auto", device)
    sides = contestants(given.model, given.compile, device, precision)
    taken = in_turn(sides, given.rounds, given.iterations, device)
    images = given.iterations * BATCH
    speeds = {name: [images / seconds for seconds in times] for name, times in taken.items()}
    medians = {name: round(statistics.median(values)) for name, values in speeds.items()}
    print(f"{given.model}, batch {BATCH}, {precision}{', compiled' if given.compile else ''}")
    for name, values in speeds.items():
        print(f"  {name:6} {medians[name]:9} images/s   ({min(values):.0f} to {max(values):.0f})")
    line = {
        "what": f"training {given.model}, batch {BATCH}, data and augmentation included",
        "plain_images_per_second": medians["plain"],
        "same_batches_images_per_second": medians["same"],
        "ours_images_per_second": medians["ours"],
        "ratio": median_ratio(speeds["ours"], speeds["plain"]),
        "ratio_same_batches": median_ratio(speeds["ours"], speeds["same"]),
        "precision": precision,
        "compiled": given.compile,
        "rounds": given.rounds,
    }
    finish(line, device, given.results)


if __name__ == "__main__":
    main()
