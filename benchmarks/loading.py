"""Images a second from photographs on a disk: this package's loader beside torchvision's and a plain one on OpenCV.

    python benchmarks/loading.py [--data FOLDER] [--threads 1] [--network resnet50] [--results FILE]

About three minutes on two cores. All sides make batches of 224x224 by the same recipe, in one process, in turn, each
with as many threads or worker processes:

  decode       simplejpeg, whole pictures, nothing else (ours decodes the rows that it needs, some 85 % of them)
  torchvision  ImageFolder, Pillow transforms, ToTensor, Normalize, DataLoader: float32, as anybody would write it
  ours         what `resnets train` runs: uint8; mirroring and normalising are done on the device by the batch
  ours float   with these done here too, on the CPU
  opencv 256   pictures stored with a shorter side of 256: imread, cvtColor, resize, flip, DataLoader: uint8
  ours 256     the same pictures

With --network: images/s of the loader, of a training step on images that are there already, and of both together.
--clock cpu counts the processor's time instead of the clock's, for a machine that has other work: everything then
happens in one process. Without --data photographs of noise are drawn, 500x375, about as hard to decode as ImageNet's.
Prints a table and ends in one line of JSON.
"""

import argparse
import importlib
import importlib.util
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import simplejpeg
import torch
import torch.nn.functional as F
from drawn_photographs import draw, store
from PIL import Image
from side_by_side import finish, median_ratio, warm
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler
from torchvision import transforms
from torchvision.datasets import ImageFolder

from resnets.data.augment import mirror
from resnets.data.batches import PhotographBatch, PhotographBatches
from resnets.data.folder import photographs
from resnets.data.in_order import in_order
from resnets.data.photograph_stream import PhotographStream
from resnets.data.photographs import Photographs
from resnets.data.views import CROPS, Augmentation
from resnets.models.factory import create_model
from resnets.preprocessing import Preprocessing
from resnets.runtime import autocast, resolve_device, resolve_precision

MEAN, STD, SIZE = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 224
_ENDLESS = 10**9
NORMALISER = Preprocessing(crop=SIZE, resize=256, mean=MEAN, std=STD).normaliser
Side = Callable[[], AbstractContextManager[Iterator[Any]]]
"""Begins the batches of one side; they end with the context."""


# ---------------------------------------------------------------------------------------------------------------
# Sides


class ShorterSide:
    """The paper's scaling, on a Pillow picture."""

    def __call__(self, picture: Image.Image) -> Image.Image:
        size = int(torch.randint(256, 481, ()))
        return transforms.functional.resize(picture, [size])  # type: ignore[arg-type] - a picture is allowed


def torchvisions(folder: Path, batch: int, workers: int, crop: str) -> Side:
    cut = (
        [ShorterSide(), transforms.RandomCrop(SIZE)] if crop == "shorter-side" else [transforms.RandomResizedCrop(SIZE)]
    )
    steps = [*cut, transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    return loader(ImageFolder(str(folder), transforms.Compose(steps)), batch, workers)


class OpenCV:
    """A data set as one writes it on OpenCV."""

    def __init__(self, files: list[Path], labels: list[int], crop: str) -> None:
        self.files, self.labels, self.recipe = files, labels, Augmentation(crop=crop)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        cv2 = importlib.import_module("cv2")
        cv2.setNumThreads(0)
        picture = cv2.cvtColor(cv2.imread(str(self.files[index])), cv2.COLOR_BGR2RGB)
        seed = int(torch.randint(2**31, ()))
        view = self.recipe.view(seed, 0, index, *picture.shape[:2])
        top, left, height, width = view.box
        cut = cv2.resize(picture[top : top + height, left : left + width], (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        return torch.from_numpy(cv2.flip(cut, 1) if view.flip else cut), self.labels[index]


def loader(dataset: Any, batch: int, workers: int) -> Side:
    @contextmanager
    def batches() -> Iterator[Iterator[Any]]:
        # Epochs one after the other without a pause: with few pictures, workers would begin anew all the time.
        order = RandomSampler(dataset, num_samples=_ENDLESS)
        yield iter(DataLoader(dataset, batch, sampler=order, drop_last=True, num_workers=workers))

    return batches


def ours(found: Photographs, batch: int, threads: int, crop: str, device: torch.device, to_float: bool = False) -> Side:
    stream = PhotographStream(len(found), batch, 0, Augmentation(crop=crop), SIZE)
    normalise = NORMALISER(device)

    @contextmanager
    def batches() -> Iterator[Iterator[Any]]:
        made = PhotographBatches(found, stream, device, threads).start()
        with closing(made):  # type: ignore[type-var] - a generator
            yield (normalise(mirror(batch.images, batch.flip)) for batch in made) if to_float else made

    return batches


class Buffer(threading.local):
    """Memory to decode into, one for each thread."""

    def __init__(self) -> None:
        self.bytes = bytearray(1 << 24)


def decode_only(found: Photographs, batch: int, threads: int) -> Side:
    contents, buffer = [found.read(index) for index in range(len(found))], Buffer()

    def decode(place: int) -> None:
        simplejpeg.decode_jpeg(contents[place], buffer=buffer.bytes)

    @contextmanager
    def batches() -> Iterator[Iterator[Any]]:
        with closing(in_order(decode, cycle(range(len(contents))), threads, 2 * threads)) as done:
            yield (list(islice(done, batch)) for _ in count())

    return batches


# ---------------------------------------------------------------------------------------------------------------
# Measuring


def rates(
    sides: dict[str, Side], rounds: int, batches: int, batch: int, workers: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Images a second of each side in each round, in the middle of its work.

    Each of `workers` makes whole batches, several at once come in together: so they are left out until all that was
    made beforehand is used up, and then counted in whole turns.
    """
    found: dict[str, list[float]] = {name: [] for name in sides}
    batches = -(-batches // workers) * workers
    for _ in range(rounds):
        for name, side in sides.items():
            with side() as made:
                for _ in range(3 * workers):
                    next(made)
                began = clock()
                for _ in range(batches):
                    next(made)
                found[name].append(batches * batch / (clock() - began))
    return found


def network_sides(name: str, loads: Side, batch: int, device: torch.device, precision: str) -> dict[str, Side]:
    """The loader, a training step on a batch that is there, and a training step on what is loaded."""
    model = create_model(name, 1000).to(device).to(memory_format=torch.channels_last)
    optimizer, normalise = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9), NORMALISER(device)

    def step(given: PhotographBatch) -> None:
        images = normalise(mirror(given.images, given.flip))
        with autocast(device, precision):
            loss = F.cross_entropy(model(images), given.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    @contextmanager
    def synthetic() -> Iterator[Iterator[Any]]:
        images = torch.randint(0, 256, (batch, 3, SIZE, SIZE), dtype=torch.uint8).contiguous(
            memory_format=torch.channels_last
        )
        none = torch.zeros(batch, dtype=torch.int64)
        given = PhotographBatch(images, none, none.bool(), torch.zeros(batch, 3), torch.ones(batch, 3), none).to(device)
        yield (step(given) for _ in count())

    @contextmanager
    def both() -> Iterator[Iterator[Any]]:
        with loads() as made:
            yield (step(given) for given in made)

    return {"loader": loads, "network": synthetic, "both": both}


def table(title: str, speeds: dict[str, list[float]]) -> dict[str, float]:
    """Prints the images a second of each side; returns the medians."""
    print(title)
    for name, values in speeds.items():
        print(f"  {name:12} {statistics.median(values):9.1f} images/s   ({min(values):.1f} to {max(values):.1f})")
    return {name: round(statistics.median(values), 1) for name, values in speeds.items()}


def said(line: dict[str, Any], *names: str) -> dict[str, Any]:
    """`line`, once those of its figures have been printed."""
    for name in names:
        print(f"  {name.replace('_', ' '):20} {line[name]:6.3f}")
    return line


def measure_loaders(given: argparse.Namespace, full: Path, small: Path) -> dict[str, Any]:
    """The table of the loaders on the CPU, and its figures."""
    batch, threads, crop = given.batch, given.threads, given.crop
    workers = 0 if given.clock == "cpu" else threads
    cpu, found, stored = torch.device("cpu"), photographs(full, "train"), photographs(small, "train")
    sides = {
        "decode": decode_only(found, batch, threads),
        "torchvision": torchvisions(full, batch, workers, crop),
        "ours": ours(found, batch, threads, crop, cpu),
        "ours float": ours(found, batch, threads, crop, cpu, to_float=True),
        "ours 256": ours(stored, batch, threads, crop, cpu),
    }
    if importlib.util.find_spec("cv2"):
        importlib.import_module("cv2")  # here, so that each worker has it when it begins
        files = [small / name for name in stored.names]
        sides["opencv 256"] = loader(OpenCV(files, stored.labels.tolist(), crop), batch, workers)
    else:
        print("OpenCV is not installed (pip install opencv-python-headless), so it is left out")
    clock = time.process_time if given.clock == "cpu" else time.perf_counter
    warm()
    speeds = rates(sides, given.rounds, given.batches, batch, threads, clock)
    kind = "of the processor's time" if given.clock == "cpu" else f"with {threads} threads or workers"
    line: dict[str, Any] = {"images_per_second": table(f"{crop}, batches of {batch}, {kind}", speeds)}
    line["ratio"] = median_ratio(speeds["ours"], speeds["torchvision"])
    line["ratio_float"] = median_ratio(speeds["ours float"], speeds["torchvision"])
    line["share_of_decoding"] = median_ratio(speeds["ours"], speeds["decode"])
    if "opencv 256" in speeds:
        line["ratio_opencv_256"] = median_ratio(speeds["ours 256"], speeds["opencv 256"])
    return said(line, *(name for name in line if name != "images_per_second"))


def measure_network(given: argparse.Namespace, full: Path, device: torch.device) -> dict[str, Any]:
    """The table of loader, network and both, and its figures."""
    precision = resolve_precision("auto", device)
    loads = ours(photographs(full, "train"), given.batch, given.threads, given.crop, device)
    sides = network_sides(given.network, loads, given.batch, device, precision)
    warm()
    speeds = rates(sides, given.rounds, given.batches, given.batch, given.threads, time.perf_counter)
    line = {
        "together": table(f"{given.network}, {precision}, batches of {given.batch}, {given.threads} threads", speeds)
    }
    slower = [min(pair) for pair in zip(speeds["loader"], speeds["network"], strict=True)]
    line |= {"network": given.network, "precision": precision}
    return said({**line, "both_to_the_slower": median_ratio(speeds["both"], slower)}, "both_to_the_slower")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, metavar="FOLDER", help="JPEGs in class folders; default: drawn")
    arguments.add_argument("--pictures", type=int, default=200, help="to be drawn")
    arguments.add_argument("--crop", default="area", choices=CROPS)
    arguments.add_argument("--threads", type=int, default=1, help="or worker processes, of each side")
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--batches", type=int, default=6, help="of each side in each round")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--network", help="such as resnet50")
    arguments.add_argument("--clock", default="wall", choices=("wall", "cpu"))
    arguments.add_argument("--results", type=Path)
    given = arguments.parse_args()
    if given.network and given.clock == "cpu":
        arguments.error("--network is measured by the clock only")
    device = resolve_device("auto" if given.network else "cpu")
    with tempfile.TemporaryDirectory() as work:
        full = given.data or draw(Path(work) / "full", given.pictures)
        found = photographs(full, "train")
        size = statistics.mean(len(found.read(index)) for index in range(len(found)))
        line: dict[str, Any] = {"what": "loading photographs", "crop": given.crop, "loader_threads": given.threads}
        line |= {"pictures": len(found), "mean_bytes": round(size), "clock": given.clock, "rounds": given.rounds}
        if given.network:
            line |= measure_network(given, full, device)
        else:
            torch.set_num_threads(1)
            line |= measure_loaders(given, full, store(full, Path(work) / "small"))
    finish({**line, "batch": given.batch}, device, given.results)


if __name__ == "__main__":
    main()
