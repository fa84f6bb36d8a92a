"""Scores that were computed before, in files: adding a network to an ensemble costs that network only.

A file is called after what its scores follow from: the weights, the data, what the network expects of a picture, the
protocol and the precision. It is a safetensors file, whose metadata hold that key and a digest of its tensors. Where it
is damaged, or holds something else, a line says so and the scores are computed anew. So they are where a picture has
changed since: beside the scores stands a digest of each picture's bytes.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from resnets.evaluation.scores import Execution, Scores
from resnets.files import Log, write_atomic
from resnets.ranks import from_first, rank, total
from resnets.runtime import installed_version
from resnets.version import __version__

FORMAT = "resnets scores 1"
"""To be counted up where the same key comes to stand for other scores."""

Key = dict[str, Any]
"""What scores follow from, as plain values."""


def cached(
    folder: Path | None,
    key: Key,
    shape: tuple[int, int],
    now: Callable[[], Tensor],
    compute: Callable[[], Scores],
    execution: Execution,
) -> Scores:
    """The scores (N, C) = `shape` that are kept in `folder` under `key`, otherwise those of `compute`, which are kept.

    `now()` says the digests of the pictures as they are; it is asked only where scores are found. With several ranks
    the first one reads and writes. Where the folder cannot be written, a line says so: the scores are had.
    """
    if folder is None:
        return compute()
    full = {**key, "device": execution.device.type, "precision": execution.precision, "torch": torch.__version__}
    full |= {"resnets": __version__, "pillow": installed_version("pillow"), "batch": execution.batch_size}
    path = folder / f"{hashlib.sha256(_text(full).encode()).hexdigest()[:32]}.safetensors"
    found = _read(path, full, shape, execution.log) if rank() == 0 else None
    if from_first(found is not None):
        pictures = now()
        if from_first(found is not None and _unchanged(found, pictures, path, execution.log)):
            execution.log(f"{key['protocol']}: scores are kept, in {path}")
            rows = found.probabilities if found else torch.zeros(shape)
            return Scores(total(rows), pictures)
    scores = compute()
    if rank() == 0:
        try:
            _write(path, full, scores)
        except OSError as error:
            execution.log(f"{path}: scores could not be kept ({error.strerror or error})")
    return scores


def _read(path: Path, key: Key, shape: tuple[int, int], log: Log) -> Scores | None:
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            scores = Scores(file.get_tensor("probabilities"), file.get_tensor("pictures"))
        if metadata.get("format") != FORMAT or metadata.get("key") != _text(key):
            raise ValueError("those of something else")
        if tuple(scores.probabilities.shape) != shape or metadata.get("digest") != _digest(scores):
            raise ValueError("damaged")
    except Exception as error:  # the library raises its own, which is of no common kind; beartype its own in tests
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        log(f"{path}: not the scores asked for ({reason}); they are computed anew")
        return None
    return scores


def _unchanged(found: Scores, pictures: Tensor, path: Path, log: Log) -> bool:
    changed = int((found.pictures != pictures).any(1).sum())
    if changed:
        log(f"{path}: scores of {changed} pictures that have changed since; all are computed anew")
    return not changed


def _write(path: Path, key: Key, scores: Scores) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"probabilities": scores.probabilities.contiguous(), "pictures": scores.pictures.contiguous()}
    write_atomic(path, save(tensors, {"format": FORMAT, "key": _text(key), "digest": _digest(scores)}))


def _digest(scores: Scores) -> str:
    digest = hashlib.sha256(scores.probabilities.contiguous().numpy().data)
    digest.update(scores.pictures.contiguous().numpy().data)
    return digest.hexdigest()


def _text(key: Key) -> str:
    return json.dumps(key, sort_keys=True)
