"""Photographs and networks for tests of evaluation: small, of many sizes, and told apart by the networks."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.v2.functional import pil_to_tensor

from resnets.models.factory import create_model
from resnets.models.layouts import Weights
from resnets.models.weights import write_weights
from resnets.preprocessing import Preprocessing

SIZES = ((40, 40), (36, 61), (61, 36), (45, 57), (37, 36), (120, 30), (20, 33))
"""(H, W): square, wide, tall, with odd pixels left over, long, smaller than what it is scaled to."""
COUNT = 2 * len(SIZES)
EXPECTED = Preprocessing(crop=32, resize=36, mean=[0.4, 0.5, 0.6], std=[0.2, 0.25, 0.3], classes=tuple("abcd"))


def photograph(index: int) -> Image.Image:
    """Patches of colour, so that scaling and cropping make a difference and networks tell pictures apart."""
    random = np.random.default_rng(index)
    height, width = SIZES[index % len(SIZES)]
    patches = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)


def photographs(folder: Path, count: int = COUNT, classes: tuple[str, ...] = EXPECTED.classes) -> Path:
    """A folder with so many test pictures, a sub-folder a class, as PNG files."""
    for index in range(count):
        path = folder / "test" / classes[index % len(classes)] / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph(index).save(path)
    return folder


@torch.no_grad()
def _tell_apart(model: nn.Module, expected: Preprocessing) -> None:
    """Gives BN the statistics of some photographs, and each class its share of them."""
    pixels = torch.stack([pil_to_tensor(photograph(index).resize((32, 32))) for index in range(40)])
    images = expected.normaliser(torch.device("cpu"))(pixels)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # plain averages
    model.train()(images)
    logits = model.eval()(images)
    weight, bias = model.get_parameter("fc.weight"), model.get_parameter("fc.bias")
    weight.mul_(2 / logits.std(0)[:, None])
    bias.copy_(-2 * logits.mean(0) / logits.std(0))


def weights(path: Path, seed: int = 0, expected: Preprocessing | None = EXPECTED, **changes: Any) -> Path:
    """New weights of a small net in a file of our own, of as many classes as `EXPECTED` has."""
    torch.manual_seed(seed)
    model = create_model("cifar_resnet8", num_classes=4, **changes)
    _tell_apart(model, expected or EXPECTED)
    given = Weights(
        state=model.state_dict(),
        model="cifar_resnet8",
        changes=changes,
        num_classes=4,
        preprocessing=expected,
        recipe=None,
        licence=None,
        provenance="made for a test",
    )
    write_weights(path, given)
    return path
