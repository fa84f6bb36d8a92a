"""Trained networks, what is known of them, and whether their classes are those of the data."""

import hashlib
from dataclasses import dataclass

from torch import nn

from resnets.classification.submission import SYNSET
from resnets.files import Log
from resnets.models.factory import check_whole, load
from resnets.models.weights import read_weights
from resnets.preprocessing import Preprocessing


@dataclass(frozen=True)
class Trained:
    """A trained network."""

    source: str
    """Where the user says that its weights are."""
    model: nn.Module
    expected: Preprocessing
    num_classes: int
    digest: str
    """SHA-256 over what decides its logits: architecture, parameters and running statistics."""


def read_trained(source: str) -> Trained:
    """The network whose weights `source` names; ValueError as `read_weights`, or where they came without a record."""
    weights = read_weights(source)
    check_whole(weights, source)
    model = load(weights)
    digest = hashlib.sha256(repr((weights.model, sorted(weights.changes.items()))).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return Trained(source, model, preprocessing_of(source, model), weights.num_classes, digest.hexdigest())


def preprocessing_of(source: str, model: nn.Module) -> Preprocessing:
    """The record that `load` has put on the model; ValueError where the weights of `source` came without one."""
    preprocessing = model.preprocessing
    if not isinstance(preprocessing, Preprocessing):
        raise ValueError(f"{source} does not say what its network expects of a picture (preprocessing)")
    return preprocessing


def check_classes(network: Trained, classes: tuple[str, ...], number: int, name: str, log: Log) -> None:
    """ValueError unless `network` has the `number` of classes of what is called `name`, under the same names.

    Where either side does not name them, as many are taken to be the same. So are names in words, as published weights
    have them, beside WordNet numbers in their order, as folders do; then a line says so.
    """
    known = network.expected.classes
    if network.num_classes == number and not known:
        return
    if network.num_classes == number and _in_order_of_synsets(classes) and not any(map(SYNSET.fullmatch, known)):
        log(f"{network.source}: its classes are taken to be those of {name}, in the order of WordNet numbers")
        return
    if known and classes and known != classes:
        raise ValueError(
            f"{network.source} knows {len(known)} classes ({', '.join(known[:3])} ...), "
            f"{name} has {number} ({', '.join(classes[:3])} ...): they must be the same"
        )
    if network.num_classes != number:
        raise ValueError(f"{network.source} knows {network.num_classes} classes, {name} has {number}")


def _in_order_of_synsets(classes: tuple[str, ...]) -> bool:
    return bool(classes) and all(map(SYNSET.fullmatch, classes)) and list(classes) == sorted(classes)
