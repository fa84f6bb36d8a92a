"""A trained network as a file that other programs run: ONNX, torch.export or OpenVINO, checked before it is kept.

    N images   H, W pixels   C classes

The network is written with what is done before and behind it: its input `pixels` are uint8 (N, H, W, 3), RGB, as
Pillow and numpy hold a picture, and its outputs are `logits` and `probabilities` (N, C). Scaling and cutting are left
to the program that reads the picture; by what numbers, and the names of the classes, stand in the file's metadata.

ONNX is written by PyTorch's exporter on torch.export, the one that is maintained; the older one, on TorchScript, warns
that it will go.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, cast
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from resnets.classification.export_formats import FORMATS, Format, Run
from resnets.classification.trained import preprocessing_of
from resnets.data.workspace import workspace
from resnets.models.factory import check_whole, load
from resnets.models.formats.read import one_line
from resnets.models.weights import read_weights
from resnets.preprocessing import Preprocessing

TOLERANCE = 1e-4
"""How far a logit may be from PyTorch's, as a part of the largest one (of 1, where all are smaller)."""
BATCHES = (1, 3)
_QUIET = ("torch.fx.experimental.symbolic_shapes", "torch.onnx", "onnxscript")
"""Who would say at length what is tried here."""


class _FromPixels(nn.Module):
    """The network between pixels and probabilities; the arithmetic is that of `Preprocessing.normaliser`."""

    def __init__(self, model: nn.Module, expected: Preprocessing) -> None:
        super().__init__()
        self.model, self.turned = model, expected.channels == "BGR"
        mean = torch.tensor(expected.mean, dtype=torch.float32)
        self.mean = nn.Buffer(mean.reshape(1, 3, *(mean.shape[1:] or (1, 1))))
        self.std = nn.Buffer(torch.tensor(expected.std, dtype=torch.float32).reshape(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        images = pixels.permute(0, 3, 1, 2).to(torch.float32)
        images = images.flip(1) if self.turned else images
        logits = self.model((images / 255 - self.mean) / self.std)
        return logits, logits.softmax(1)


def export(source: str, out: str | Path) -> tuple[dict[str, Any], str]:
    """Writes the network whose weights `source` names to `out`; returns what was written, as a record and as text.

    The suffix of `out`, one of `FORMATS`, says as what. The number of images is free; so is their size, in steps of the
    network's stride, but for networks that subtract a mean for each pixel or have layers of a fixed size. The file is
    run beside PyTorch at several numbers and sizes; it is kept only where no logit is further off than `TOLERANCE`.

    Raises ValueError for weights that cannot be read or do not say what they expect of a picture, another suffix, what
    is not installed, an `out` that exists, and logits that are too far off; OSError as the file system raises it.
    """
    path = Path(out)
    form = _format(path)
    weights = read_weights(source)
    check_whole(weights, source)
    model = load(weights)
    expected = preprocessing_of(source, model)
    about = {
        "format": "resnets",
        "model": weights.model,
        "preprocessing": expected.to_json(),
        "licence": weights.licence or "not said",
        "provenance": weights.provenance,
    }
    checked = write_network(model, expected, path, about)
    several = len({(one["height"], one["width"]) for one in checked}) > 1
    record = {
        "source": source,
        "model": weights.model,
        "written": str(path),
        "format": form.name,
        "pixels": ["N", *(("H", "W") if several else (expected.crop, expected.crop)), 3],
        "classes": weights.num_classes,
        "checked": checked,
        "largest_difference": max(one["difference"] for one in checked),
        "tolerance": TOLERANCE,
    }
    return record, _text(record, expected)


def write_network(model: nn.Module, expected: Preprocessing, path: Path, about: dict[str, str]) -> list[dict[str, Any]]:
    """Writes a network in evaluation mode to `path`, with `about` as its metadata, unless the check fails.

    Returns what was tried: `images height width difference largest_logit`, a row each. Raises what `export` raises.
    """
    form, network = _format(path), _FromPixels(model, expected).eval()
    sizes = _sizes(model, expected)
    attempts = [sizes, sizes._replace(sides=sizes.sides[:1])] if len(sizes.sides) > 1 else [sizes]
    with _quiet(), workspace(path.parent, f".{uuid4().hex}.tmp") as folder:
        for attempt in attempts[:-1]:
            try:
                return _made(network, form, path, folder, about, attempt)
            except OSError:
                raise
            except Exception:  # exporters and runtimes raise whatever they like where a layer asks for a size
                continue
        try:
            return _made(network, form, path, folder, about, attempts[-1])
        except (OSError, ValueError):
            raise
        except Exception as error:
            raise ValueError(f"{path}: {form.name} cannot be made of this network ({one_line(error)})") from error


def _made(
    network: nn.Module, form: Format, path: Path, folder: Path, about: dict[str, str], sizes: "_Sizes"
) -> list[dict[str, Any]]:
    """Writes the file in a new folder within `folder`, and where the check is passed moves it to `path`."""
    work = folder / str(len(sizes.sides))
    work.mkdir()
    form.write(_captured(network, sizes), work / path.name, about)
    checked = _checked(network, form.run(work / path.name), sizes)
    _within_tolerance(path, checked)
    for part in sorted(work.iterdir(), key=lambda part: part.name == path.name):  # the file that is named: last
        part.replace(path.parent / part.name)
    return checked


def _format(path: Path) -> Format:
    """What `path` is to be; ValueError where that is not to be had."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: the name must end in {', '.join(FORMATS)}")
    form = FORMATS[path.suffix]
    if lacking := [name for name in form.needs if find_spec(name) is None]:
        raise ValueError(
            f"{path}: {form.name} needs {', '.join(lacking)}, not installed; type: pip install 'resnets[{form.extra}]'"
        )
    for part in (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,):
        if part.exists():
            raise ValueError(f"{part}: exists, and nothing is overwritten; --out names another file")
    return form


# ---------------------------------------------------------------------------------------------------------------
# From a network to a graph


class _Sizes(NamedTuple):
    """At what sizes a network is captured and checked."""

    stride: int
    """Of the last map, in pixels."""
    sides: tuple[tuple[int, int], ...]
    """(height, width), the crop's first; where there are several, all are multiples of the stride."""


def _sizes(model: nn.Module, expected: Preprocessing) -> _Sizes:
    """The crop's, and where the mean is of channels two others."""
    crop = expected.crop
    with torch.no_grad():
        *_, last = cast(Any, model).forward_features(torch.zeros(1, 3, crop, crop)).values()
    stride = math.ceil(crop / last.shape[-1])
    if not expected.has_channel_mean or crop % stride:
        return _Sizes(stride, ((crop, crop),))
    return _Sizes(stride, ((crop, crop), (crop + stride, crop + 3 * stride), (crop + 2 * stride, crop)))


def _captured(network: nn.Module, sizes: _Sizes) -> ExportedProgram:
    """The graph for any number of images; for any size, in steps of the stride, where there are several `sizes`."""
    height, width = sizes.sides[0]
    example = torch.zeros(max(2, *BATCHES), height, width, 3, dtype=torch.uint8)
    free = {0: Dim("N", min=1)}
    if len(sizes.sides) > 1:
        free |= {1: sizes.stride * Dim("H", min=1), 2: sizes.stride * Dim("W", min=1)}
    return torch.export.export(network, (example,), dynamic_shapes={"pixels": free})


@contextmanager
def _quiet() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _QUIET]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


# ---------------------------------------------------------------------------------------------------------------
# Beside PyTorch


def _checked(network: nn.Module, run: Run, sizes: _Sizes) -> list[dict[str, Any]]:
    """By number and size of images, the largest difference of a logit from PyTorch's, and the largest logit."""
    random, found = np.random.default_rng(0), []
    for count in BATCHES:
        for height, width in sizes.sides:
            pixels = random.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
            with torch.no_grad():
                logits = network(torch.from_numpy(pixels))[0].numpy()
            away = np.abs(run(pixels) - logits).max()
            shape = {"images": count, "height": height, "width": width}
            found.append({**shape, "difference": float(away), "largest_logit": float(np.abs(logits).max())})
    return found


def _within_tolerance(path: Path, checked: Sequence[dict[str, Any]]) -> None:
    for one in checked:
        most = TOLERANCE * max(1, one["largest_logit"])
        if not one["difference"] <= most:
            raise ValueError(
                f"{path}: not written, because a logit is {one['difference']:.2g} from PyTorch's for {one['images']} "
                f"images of {one['width']}x{one['height']}, allowed is {most:.2g}"
            )


def _text(record: dict[str, Any], expected: Preprocessing) -> str:
    tried = ", ".join(f"{one['images']} of {one['width']}x{one['height']}" for one in record["checked"])
    shape = "x".join(map(str, record["pixels"]))
    return (
        f"{record['written']}: {record['format']}, {record['model']}, {record['classes']:,} classes\n"
        f"pixels {shape} (uint8, RGB), shorter side {expected.resize}, centre {expected.crop}x{expected.crop}\n"
        f"images tried: {tried}; largest difference of a logit from PyTorch's {record['largest_difference']:.2g}"
    )
