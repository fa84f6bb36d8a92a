"""What the steps of loading a photograph cost, library by library: why the loader uses those it uses.

    python benchmarks/decoding.py [--pictures 40] [--rounds 15] [--results results/bench/decoding.jsonl]

About a minute. The processor's time of one thread, in microseconds a picture of 500x375 pixels: of each picture the
fastest of all rounds, every step once in each round, so that other work on the machine hardly counts. OpenCV is
measured where it is installed. Prints a table and ends in one line of JSON.
"""

import argparse
import importlib
import importlib.util
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
import torch.nn.functional as F
from drawn_photographs import draw
from PIL import Image
from side_by_side import finish, warm
from torchvision.io import decode_jpeg

from resnets.data import jpeg
from resnets.data.showing import scale
from resnets.data.views import Augmentation, Box

SIZE = 224
Steps = dict[str, Callable[[int], Any]]


def decoders(contents: list[bytes], boxes: list[Box]) -> Steps:
    """Ways from bytes to pixels; those of the last one are the box's alone."""
    buffer, headers = np.empty((375, 500, 3), np.uint8), [jpeg.header(content) for content in contents]
    tensors = [torch.frombuffer(bytearray(content), dtype=torch.uint8) for content in contents]

    def needed(place: int) -> None:
        found = headers[place]
        assert found is not None
        jpeg.decode(contents[place], found, boxes[place], 1)

    steps: Steps = {
        "decode: Pillow": lambda place: Image.open(io.BytesIO(contents[place])).convert("RGB"),
        "decode: torchvision.io": lambda place: decode_jpeg(tensors[place]),
        "decode: simplejpeg": lambda place: simplejpeg.decode_jpeg(contents[place]),
        "decode: simplejpeg, into memory that is there": lambda place: simplejpeg.decode_jpeg(
            contents[place], buffer=buffer
        ),
        "decode: the same, coarse chroma": lambda place: simplejpeg.decode_jpeg(
            contents[place], buffer=buffer, fastupsample=True
        ),
        "decode: the rows that are needed (ours)": needed,
    }
    if cv2 := opencv():
        steps["decode: OpenCV"] = lambda place: cv2.imdecode(np.frombuffer(contents[place], np.uint8), 1)
    return steps


def scalers(pictures: list[np.ndarray], boxes: list[Box]) -> Steps:
    """Ways from the box of a picture to SIZE x SIZE pixels."""
    into = torch.empty(1, SIZE, SIZE, 3, dtype=torch.uint8).permute(0, 3, 1, 2)

    def cut(place: int) -> np.ndarray:
        top, left, height, width = boxes[place]
        return np.ascontiguousarray(pictures[place][top : top + height, left : left + width])

    def interpolate(place: int) -> None:
        image = torch.from_numpy(cut(place)).permute(2, 0, 1)[None]
        F.interpolate(image, (SIZE, SIZE), mode="bilinear", antialias=True)

    bilinear = Image.Resampling.BILINEAR
    steps: Steps = {
        "scale: Pillow": lambda place: Image.fromarray(cut(place)).resize((SIZE, SIZE), bilinear),
        "scale: torch": interpolate,
        "scale: torch, into memory that is there (ours)": lambda place: scale(cut(place), into),
    }
    if cv2 := opencv():
        steps["scale: OpenCV INTER_AREA"] = lambda place: cv2.resize(cut(place), (SIZE, SIZE), interpolation=3)
        steps["scale: OpenCV INTER_LINEAR, which drops pixels"] = lambda place: cv2.resize(cut(place), (SIZE, SIZE))
    return steps


def opencv() -> Any:
    """The module, with one thread, or None."""
    if importlib.util.find_spec("cv2") is None:
        return None
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(0)
    return cv2


def microseconds(steps: Steps, pictures: int, rounds: int) -> dict[str, int]:
    """The mean over the pictures of the fastest round of each."""
    fastest = {name: np.full(pictures, np.inf) for name in steps}
    for _ in range(rounds):
        for place in range(pictures):
            for name, step in steps.items():
                began = time.thread_time()
                step(place)
                fastest[name][place] = min(fastest[name][place], time.thread_time() - began)
    return {name: round(1e6 * values.mean()) for name, values in fastest.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pictures", type=int, default=40)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--results", type=Path)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        contents = [path.read_bytes() for path in sorted(draw(Path(work), given.pictures).rglob("*.jpg"))]
    boxes = [Augmentation().view(0, 0, place, 375, 500).box for place in range(len(contents))]
    pictures = [simplejpeg.decode_jpeg(content) for content in contents]
    warm()
    found = microseconds(decoders(contents, boxes) | scalers(pictures, boxes), len(contents), given.rounds)
    for name, value in found.items():
        print(f"  {name:48} {value:6}")
    line = {"what": "microseconds of one thread a photograph", "pictures": len(contents), "microseconds": found}
    finish({**line, "mean_bytes": round(sum(map(len, contents)) / len(contents))}, torch.device("cpu"), given.results)


if __name__ == "__main__":
    main()
