"""Trained networks against a set of labelled images: one network, or several whose probabilities are averaged."""

from typing import Any

import torch
from torch import Tensor, nn

from resnets.data.images import ImageSet
from resnets.data.sources import open_data
from resnets.evaluation.metrics import count
from resnets.evaluation.protocols import PROTOCOLS, single_view
from resnets.models.factory import load
from resnets.preprocessing import Preprocessing
from resnets.runtime import resolve_device, resolve_precision, set_precision


def evaluate(
    weights: list[str], data: str, protocols: list[str], device: str = "auto", precision: str = "fp32"
) -> dict[str, Any]:
    """`{"images", "weights", "results"}`, one result a protocol; errors in percent, on the test split of `data`.

    Several weights make an ensemble: the mean of their softmax probabilities. Raises ValueError for weights or data
    that cannot be read, an unknown protocol, or classes that are not those of the data; where weights do not name
    their classes, as many as the data have are taken to be the same.
    """
    if unknown := [p for p in protocols if p not in PROTOCOLS]:
        raise ValueError(f"protocol is {', '.join(map(repr, unknown))}, allowed is {', '.join(PROTOCOLS)}")
    where = resolve_device(device)
    taken = resolve_precision(precision, where)
    set_precision(taken)
    models = [(source, load(source).to(where).to(memory_format=torch.channels_last)) for source in weights]
    size = _common_size(models)
    images = open_data(data, "test", size)
    for source, model in models:
        _check_classes(source, preprocessing_of(source, model).classes, images)
    scores = torch.stack([scores_of(*named, images.to(where), taken) for named in models]).mean(0)
    counts = count(scores, images.labels)
    result = {"protocol": "single", **counts.to_dict(images.classes)}
    return {
        "images": len(images),
        "weights": weights,
        "device": where.type,
        "precision": taken,
        "results": [result],
    }


def preprocessing_of(source: str, model: nn.Module) -> Preprocessing:
    """The record that `load` has put on the model; ValueError where the weights of `source` came without one."""
    preprocessing = model.preprocessing
    if not isinstance(preprocessing, Preprocessing):
        raise ValueError(f"{source} does not say what its network expects of a picture (preprocessing)")
    return preprocessing


def scores_of(source: str, model: nn.Module, images: ImageSet, precision: str) -> Tensor:
    """Probabilities (N, classes) that the network from `source` gives; ValueError unless its classes are as many."""
    normalise = preprocessing_of(source, model).normaliser(images.images.device)
    scores = single_view(model, images.images, normalise, precision)
    if scores.shape[1] != len(images.classes):
        raise ValueError(f"{source} knows {scores.shape[1]} classes, {images.name} has {len(images.classes)}")
    return scores


def _common_size(models: list[tuple[str, nn.Module]]) -> int:
    sizes = {source: preprocessing_of(source, model).crop for source, model in models}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{source} {size}" for source, size in sizes.items())
        raise ValueError(f"an ensemble needs networks for images of one size; given are {listed}")
    return next(iter(sizes.values()))


def _check_classes(source: str, classes: tuple[str, ...], images: ImageSet) -> None:
    if classes and classes != images.classes:
        raise ValueError(
            f"{source} knows {len(classes)} classes ({', '.join(classes[:3])} ...), "
            f"{images.name} has {len(images.classes)} ({', '.join(images.classes[:3])} ...): they must be the same"
        )
