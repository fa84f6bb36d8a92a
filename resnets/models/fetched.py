"""torchvision's published weights: fetched once into torch's cache, held against their checksum whenever they are read.

torch.hub does the fetching; its own way to a state dict says so on standard output, waits for a silent server for ever,
and believes whatever lies in the cache.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch.hub import download_url_to_file, get_dir

from resnets.files import say, sha256_of
from resnets.models.formats.read import one_line
from resnets.models.layouts import TORCHVISION, Weights
from resnets.models.recognise import recognise
from resnets.preprocessing import Preprocessing

_SECONDS = 20.0
"""How long to wait for a connection, and for the next bytes."""


def from_torchvision(name: str) -> Weights:
    """torchvision's first published weights of `name` (IMAGENET1K_V1: of most a plain recipe, near the paper's).

    ValueError, of one line, where there are none, where they cannot be had, or where they are not those published.
    """
    if name not in TORCHVISION:
        later = f"{name}_v1_5"
        hint = f" (its {name} has the stride in the 3x3: {later} here)" if later in TORCHVISION else ""
        raise ValueError(f"torchvision has no {name}{hint}; it has {', '.join(TORCHVISION)}")
    from torchvision.models import get_model_weights  # a second, for those who ask for these weights only

    published = get_model_weights(TORCHVISION[name])["IMAGENET1K_V1"].value
    path = _fetched(published.url)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: cannot be read ({one_line(error)})") from None
    weights = recognise(state, published.url).weights
    transform = published.transforms()
    preprocessing = Preprocessing(
        crop=transform.crop_size[0],
        resize=transform.resize_size[0],
        mean=transform.mean,
        std=transform.std,
        classes=tuple(published.meta["categories"]),
    )
    return replace(weights, preprocessing=preprocessing, provenance=published.url)


def _fetched(url: str) -> Path:
    """The file in the cache, from the network where it is not there; its name ends in the beginning of its SHA-256."""
    name = url.rsplit("/", 1)[1]
    named = re.search(r"-([0-9a-f]{8,})\.", name)
    assert named, name
    path = Path(get_dir()) / "checkpoints" / name
    if not path.exists():
        say(f"{url}: fetching, into {path}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _patience():
                download_url_to_file(url, str(path), named[1], progress=False)
        except Exception as error:  # of the network, of the disk, or another checksum
            other = "; --weights takes a file, too, of any layout that `resnets convert` reads"
            raise ValueError(f"{url}: cannot be had ({one_line(error)}){other}") from None
    found = sha256_of(path)
    if not found.startswith(named[1]):
        raise ValueError(f"{path}: damaged, its SHA-256 begins with {found[: len(named[1])]}; remove it, and try again")
    return path


@contextmanager
def _patience() -> Iterator[None]:
    """Within it, whoever opens a connection waits no longer than `_SECONDS`."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
