"""Networks by name, with or without weights.

Every network made here carries what it is: `spec_name` (its name in the catalogue), `changes` (the arguments
in which it differs from that row) and `preprocessing` (what its weights expect of a picture, or None).
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from torch import nn

from resnets.models.catalog import arguments, build, row
from resnets.models.fetched import from_torchvision
from resnets.models.formats.content import few
from resnets.models.layouts import Weights
from resnets.models.weights import read_weights, shipped_weights
from resnets.preprocessing import Preprocessing

log = logging.getLogger("resnets")


def create_model(
    name: str, num_classes: int | None = None, weights: str | Path | Weights | None = None, **changes: Any
) -> nn.Module:
    """The network `name`, in training mode, with new parameters or with `weights`.

    Args:
        name: one of `list_models()`.
        num_classes: logits; by default those of the weights, without weights the catalogue's (1000 or 10).
            Where the weights have another number, the classifier is new, and a line of the log says so.
        weights: None, "package" (shipped), "torchvision" (fetched, its checksum checked), `Weights`, or what
            `read_weights` takes.
        changes: arguments of the network, such as `shortcut`, `zeros`, `stride_in`, `ceil_mode`, `eps`. Weights
            bring their own (`zeros="both"`), which need not be repeated here and must not be contradicted, but
            for the `REGULARISERS`. Every residual net takes `drop_path`, `drop_decay` and `drop_per`
            (`models/stochastic_depth.py`).

    Raises ValueError for an unknown name or change, weights that cannot be had, or weights of another
    network.
    """
    if weights is None:
        return _with_facts(build(name, num_classes, **changes), name, changes, None)
    loaded = find_weights(name, weights)
    same = (row(name).builder, row(name).size) == (row(loaded.model).builder, row(loaded.model).size)
    combined = {**_survival(loaded), **loaded.changes, **changes} if same else changes
    if not same or _network(name, combined) != _network(loaded.model, loaded.changes):
        theirs, ours = _in_words(loaded.model, loaded.changes), _in_words(name, changes)
        raise ValueError(f"weights of {theirs} are not weights of {ours}")
    classes = loaded.num_classes if num_classes is None else num_classes
    model = build(name, classes, **combined)
    state, preprocessing = loaded.state, loaded.preprocessing
    if classes != loaded.num_classes:
        log.warning(f"{name}: the classifier is new: {classes} classes, the weights have {loaded.num_classes}")
        head = f"{classifier_of(model)}."
        new = {key: value for key, value in model.state_dict().items() if key.startswith(head)}
        state = {**state, **new}
        preprocessing = preprocessing and replace(preprocessing, classes=())
    if lacking := [key for key in loaded.missing if key not in state]:
        log.warning(f"{name}: new, because the weights lack them: {few(lacking)}")
    # Not strict: old files lack BN's counters. `read_weights` has held all else against the network.
    model.load_state_dict(state, strict=False)
    return _with_facts(model, name, combined, preprocessing)


def load(weights: str | Path | Weights) -> nn.Module:
    """The network that `weights` (what `read_weights` takes) are of, with them, in evaluation mode.

    Its `preprocessing` says what it expects of a picture, the names of the classes included.
    Raises ValueError as `read_weights` does, and for weights that are a part of a network's only.
    """
    loaded = weights if isinstance(weights, Weights) else read_weights(weights)
    check_whole(loaded, "the weights" if isinstance(weights, Weights) else weights)
    return create_model(loaded.model, weights=loaded).eval()


def check_whole(weights: Weights, source: object) -> None:
    """ValueError, beginning with `source`, where weights are a part of a network's only, so that it could not judge."""
    if weights.missing:
        raise ValueError(
            f"{source}: lack tensors of {weights.model}, {few(weights.missing)}: there is no network to be used, "
            "only one to be trained (`create_model`)"
        )


def _with_facts(model: nn.Module, name: str, changes: dict[str, Any], preprocessing: Preprocessing | None) -> nn.Module:
    usual = arguments(name)
    facts = cast(Any, model)  # nn.Module declares its attributes to be tensors and modules
    facts.spec_name = name
    facts.changes = {key: value for key, value in changes.items() if value != usual[key]}
    facts.preprocessing = preprocessing
    return model


REGULARISERS = ("drop_path", "drop_decay", "drop_per", "dropout")
"""Changes that training may make to a network whose weights are given: they alter no parameter."""


def _network(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """What `arguments` says of a network, but for its regularisers."""
    return {key: value for key, value in arguments(name, **changes).items() if key not in REGULARISERS}


def _survival(weights: Weights) -> dict[str, Any]:
    """How often the units of a network were there in training: their branches count for as much in inference."""
    theirs = arguments(weights.model, **weights.changes)
    return {name: theirs[name] for name in ("drop_path", "drop_decay", "drop_per") if theirs.get("drop_path")}


def classifier_of(model: nn.Module) -> str:
    """The name of the last fully connected layer."""
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1]


def _in_words(name: str, changes: dict[str, Any]) -> str:
    return " with ".join([name, *(f"{key}={value!r}" for key, value in changes.items())])


# ------------------------------------------------------------------------------------------------------------
# Where weights come from


def find_weights(name: str, weights: str | Path | Weights, *, partial: bool = False) -> Weights:
    """What `create_model` takes for `weights`; with `partial` a file may lack tensors of the network.

    ValueError, of one line, where they cannot be had or read.
    """
    if isinstance(weights, Weights):
        return weights
    if weights == "torchvision":
        return from_torchvision(name)
    if weights == "package":
        shipped = shipped_weights()
        if name not in shipped:
            raise ValueError(f"the package ships no weights of {name}; it ships {', '.join(shipped) or 'none'}")
        return read_weights(shipped[name])
    return read_weights(weights, partial=partial)
