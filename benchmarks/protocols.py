"""Speed of testing photographs: this package beside a plain loop on torchvision's transforms and a DataLoader.

    python benchmarks/protocols.py [--model resnet50] [--pictures 64] [--results results/bench/protocols.jsonl]

Half an hour on two cores: ten crops are ten times the work of the single view, the five scales of the dense protocol
24 times. With --model resnet18 --pictures 16 some minutes. Both sides judge the same generated photographs (JPEG,
500x375 and 375x500) with the same network, in float32, in turn:

  plain   as anybody would write it: ImageFolder, transforms of PIL pictures, DataLoader with a worker a core; the dense
          protocol picture by picture, with average pooling and a 1x1 convolution
  ours    what `resnets evaluate` runs: threads that decode ahead, pictures of one size in one batch

Says how far the scores of both are apart at most, prints a table and ends in one line of JSON.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from side_by_side import finish, in_turn, median_ratio, warm
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from resnets.data.folder import photographs
from resnets.evaluation.protocols import PAPER_SCALES, PROTOCOLS, inference
from resnets.evaluation.scores import Execution, photograph_scores
from resnets.models.factory import create_model
from resnets.preprocessing import Preprocessing
from resnets.runtime import cores, resolve_device, set_precision

MEAN, STD, BATCH = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 8
"""The plain loop's batch: so small that each of its workers has several, of few pictures too."""
EXPECTED = Preprocessing(crop=224, resize=256, mean=MEAN, std=STD)


def generate(folder: Path, count: int) -> None:
    """So many photographs in two classes, of about the size in bytes that ImageNet's have."""
    random = np.random.default_rng(0)
    for index in range(count):
        size = (500, 375) if index % 3 else (375, 500)
        patches = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        picture = np.asarray(patches.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
        picture += random.integers(-12, 13, picture.shape, dtype=np.int16)
        path = folder / "test" / "ab"[index % 2] / f"{index:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=90)


# ---------------------------------------------------------------------------------------------------------------
# The plain loop


def values(picture: Any) -> Tensor:
    """A PIL picture or a view of one as the network's input."""
    tensor = v2.functional.to_dtype(v2.functional.pil_to_tensor(picture), torch.float32, scale=True)
    return v2.functional.normalize(tensor, MEAN, STD)


def stacked(views: tuple[Any, ...]) -> Tensor:
    return torch.stack([values(view) for view in views])


def at_scales(picture: Any) -> list[Tensor]:
    return [values(v2.functional.resize(picture, [side])) for side in PAPER_SCALES]


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "single": v2.Compose([v2.Resize(256), v2.CenterCrop(224), values]),
    "ten-crop": v2.Compose([v2.Resize(256), v2.TenCrop(224), stacked]),
    "dense": at_scales,
}


def dense_logits(model: Any, images: Tensor) -> Tensor:
    maps = F.avg_pool2d(list(model.forward_features(images).values())[-1], 7, stride=1)
    return F.conv2d(maps, model.fc.weight[:, :, None, None], model.fc.bias).mean((2, 3))


def plain(name: str, model: nn.Module, folder: Path, device: torch.device) -> Tensor:
    """The scores of all pictures by one protocol."""
    data = ImageFolder(folder / "test", transform=TRANSFORMS[name])
    size = {"single": BATCH, "ten-crop": 3, "dense": 1}[name]
    loader = DataLoader(data, size, num_workers=cores(), pin_memory=device.type == "cuda")

    def scores() -> Iterator[Tensor]:
        for images, _ in loader:
            if name == "dense":
                yield torch.stack([dense_logits(model, view.to(device)).softmax(1) for view in images]).mean(0)
            elif name == "ten-crop":
                views = images.to(device).flatten(0, 1)
                yield model(views).softmax(1).unflatten(0, (-1, 10)).mean(1)
            else:
                yield model(images.to(device)).softmax(1)

    with inference(model):
        return torch.cat(list(scores())).cpu()


# ---------------------------------------------------------------------------------------------------------------


def ours(name: str, model: nn.Module, folder: Path, device: torch.device) -> Tensor:
    """The same by this package."""
    found, protocol = photographs(folder, "test"), PROTOCOLS[name](EXPECTED, (), False)
    classes = int(model.get_parameter("fc.bias").shape[0])
    return photograph_scores(model, classes, EXPECTED, found, protocol, Execution(device=device)).probabilities


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="resnet50")
    arguments.add_argument("--pictures", type=int, default=64)
    arguments.add_argument("--protocols", default="single,ten-crop,dense")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--results", type=Path)
    given = arguments.parse_args()

    device = resolve_device("auto")
    set_precision("fp32")
    torch.manual_seed(0)
    theirs = create_model(given.model).to(device)
    model = create_model(given.model).to(device)
    model.load_state_dict(theirs.state_dict())
    model = model.to(memory_format=torch.channels_last)
    line: dict[str, Any] = {"what": f"testing {given.model}, {given.pictures} photographs of 500x375"}
    print(f"{given.model}, {given.pictures} photographs, float32; images/s")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        generate(folder, given.pictures)
        warm()
        for name in given.protocols.split(","):
            sides = {
                "plain": partial(plain, name, theirs, folder, device),
                "ours": partial(ours, name, model, folder, device),
            }
            apart = float((sides["plain"]() - sides["ours"]()).abs().max())
            taken = in_turn(sides, given.rounds, 1, device)
            speeds = {side: [given.pictures / seconds for seconds in times] for side, times in taken.items()}
            medians = {side: round(statistics.median(values), 2) for side, values in speeds.items()}
            ratio = median_ratio(speeds["ours"], speeds["plain"])
            print(f"  {name:9} plain {medians['plain']:8} ours {medians['ours']:8} ratio {ratio}   apart {apart:.1e}")
            line[name] = {**medians, "ratio": ratio, "apart": apart}
    finish({**line, "rounds": given.rounds}, device, given.results)


if __name__ == "__main__":
    main()
