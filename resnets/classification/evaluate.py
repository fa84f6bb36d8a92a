"""Trained networks against a set of labelled images: one network, or several whose probabilities are averaged."""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resnets.classification.submission import Submission, prepare
from resnets.classification.trained import Trained, check_classes, preprocessing_of, read_trained
from resnets.data.images import ImageSet
from resnets.data.photographs import Photographs
from resnets.data.sources import open_whole
from resnets.evaluation.cache import cached
from resnets.evaluation.metrics import count, near_ties
from resnets.evaluation.protocols import PROTOCOLS, Protocol, single_view
from resnets.evaluation.scores import Execution, Scores, digests_of, photograph_scores
from resnets.files import Log, say
from resnets.ranks import rank
from resnets.runtime import keep_memory, resolve_device, resolve_precision, set_precision


def evaluate(
    weights: list[str],
    data: str,
    protocols: list[str],
    device: str = "auto",
    precision: str = "fp32",
    *,
    scales: Sequence[int] = (),
    flips: bool = False,
    batch_size: int | None = None,
    threads: int | None = None,
    cache: Path | None = None,
    submission: Path | None = None,
    synsets: Path | None = None,
) -> dict[str, Any]:
    """`{"images", "weights", "device", "precision", "results"}`: one result a protocol, on the test split of `data`.

    Errors are in percent.

    Args:
        weights: several make an ensemble, the mean of their softmax probabilities.
        protocols: of `PROTOCOLS`; sets of small images in memory have `single` only.
        scales: shorter sides for the dense protocol, by default the paper's, in proportion to the network's crop.
        flips: whether the dense protocol sees the mirror images too.
        batch_size: images of the network's crop that go through it at once; by default chosen by their size.
        threads: that decode pictures, by default as many as there are cores. No score depends on them.
        cache: a folder in which the scores of each network are kept, and found again.
        submission: a file to be written for the ILSVRC test server, of the one protocol asked for; `synsets` is the one
            that numbers its classes. With it pictures need no labels; their errors are None.

    Raises ValueError for weights or data that cannot be read, protocols that are unknown or not for such data, and
    classes that are not those of the data; where weights do not name their classes, as many as the data have are
    taken to be the same.
    """
    if not weights:
        raise ValueError("weights: none are given")
    _check_options(protocols, scales, flips, batch_size, threads)
    where = resolve_device(device)
    taken = resolve_precision(precision, where)
    set_precision(taken)
    log = say if rank() == 0 else _silent
    execution = Execution(device=where, precision=taken, batch_size=batch_size, threads=threads, log=log)
    networks = [read_trained(source) for source in weights]
    plans = {name: [PROTOCOLS[name](net.expected, tuple(scales), flips) for net in networks] for name in protocols}
    images = open_whole(data, "test", log)
    _check_data(images, networks, protocols, log)
    if where.type == "cpu" and isinstance(images, ImageSet):  # batches of one size, again and again
        keep_memory()
    file = _submission(submission, synsets, images, networks[0], protocols, log)
    scores = _mean_scores(networks, plans, images, execution, cache)
    if file and rank() == 0:
        file.write(scores[protocols[0]])
    return {
        "images": len(images),
        "weights": weights,
        "device": where.type,
        "precision": taken,
        "results": [_result(plans[name], scores[name], images) for name in protocols],
    }


def scores_of(source: str, model: nn.Module, images: ImageSet, precision: str) -> Tensor:
    """Probabilities (N, classes) that the network from `source` gives; ValueError unless its classes are as many."""
    normalise = preprocessing_of(source, model).normaliser(images.images.device)
    scores = single_view(model, images.images, normalise, precision)
    if scores.shape[1] != len(images.classes):
        raise ValueError(f"{source} knows {scores.shape[1]} classes, {images.name} has {len(images.classes)}")
    return scores


def _mean_scores(
    networks: list[Trained],
    plans: dict[str, list[Protocol]],
    images: ImageSet | Photographs,
    execution: Execution,
    cache: Path | None,
) -> dict[str, Float[Tensor, "N C"]]:
    """By protocol, the mean over the networks, one after the other."""
    score = _Scoring(images, execution, cache)
    sums = {name: torch.zeros(len(images), networks[0].num_classes) for name in plans}
    for place, network in enumerate(networks):
        for name, its in plans.items():
            sums[name] += score(network, its[place])
    return {name: rows / len(networks) for name, rows in sums.items()}


class _Scoring:
    """What a network makes of `images`, by a protocol: kept scores where there are some."""

    def __init__(self, images: ImageSet | Photographs, execution: Execution, cache: Path | None) -> None:
        self.images, self.execution, self.cache = images, execution, cache

    def __call__(self, network: Trained, protocol: Protocol) -> Float[Tensor, "N C"]:
        key = {
            **protocol.settings,
            "weights": network.digest,
            "expected": hashlib.sha256(network.expected.to_json().encode()).hexdigest(),
            "data": self.images.fingerprint,
        }
        shape = (len(self.images), network.num_classes)
        compute = functools.partial(self._compute, network, protocol)
        return cached(self.cache, key, shape, lambda: self.pictures, compute, self.execution).probabilities

    def _compute(self, network: Trained, protocol: Protocol) -> Scores:
        images, execution, expected = self.images, self.execution, network.expected
        model = network.model.to(execution.device).to(memory_format=torch.channels_last)
        if isinstance(images, Photographs):
            return photograph_scores(model, network.num_classes, expected, images, protocol, execution)
        normalise, size = expected.normaliser(execution.device), execution.images_at_once(expected.crop)
        pixels = images.images.to(execution.device)
        return Scores(single_view(model, pixels, normalise, execution.precision, size), self.pictures)

    @functools.cached_property
    def pictures(self) -> Tensor:
        """Digests of photographs as they are now. The fingerprint of other sets is over their pixels: zeros."""
        if isinstance(self.images, Photographs):
            return digests_of(self.images, self.execution)
        return torch.zeros(len(self.images), 16, dtype=torch.uint8)


def _result(plans: list[Protocol], scores: Tensor, images: ImageSet | Photographs) -> dict[str, Any]:
    """The figures of one protocol; `views` says what the networks saw, once where all saw the same."""
    name, views = plans[0].name, []
    for plan in plans:
        view = {"scales": list(plan.scales), "flips": plan.flips}
        views += [view] if view not in views else []
    if _unlabelled(images):
        return {"protocol": name, "top1_error": None, "top5_error": None, "views": views}
    figures = count(scores, images.labels).to_dict(images.classes)
    return {"protocol": name, **figures, "near_ties": near_ties(scores, images.labels), "views": views}


def figures_text(record: dict[str, Any]) -> str:
    """What `evaluate` found, in lines: the errors of each protocol, and of the first one those of each class."""
    lines = []
    for result in record["results"]:
        if result["top1_error"] is None:
            lines.append(f"{result['protocol']}: pictures without labels, so there are no errors")
            continue
        low, high = result["interval"]
        line = f"{result['protocol']}: top-1 error {result['top1_error']:.2f} %"
        line += f" ({result['top1_wrong']} of {result['images']}, 95 % interval {low:.2f} to {high:.2f})"
        if len(result["per_class"]) > 5:
            line += f", top-5 error {result['top5_error']:.2f} %"
        if result["near_ties"]:
            line += f"; {result['near_ties']} so close that rounding may decide"
        lines.append(line)
    classes = record["results"][0].get("per_class", ())
    return "\n".join([*lines, *(f"  {c['name']}: {c['wrong']} of {c['images']} wrong" for c in classes)])


# ---------------------------------------------------------------------------------------------------------------
# What is refused


def _check_options(
    protocols: list[str], scales: Sequence[int], flips: bool, batch_size: int | None, threads: int | None
) -> None:
    if unknown := [name for name in protocols if name not in PROTOCOLS]:
        raise ValueError(f"protocol is {', '.join(map(repr, unknown))}, allowed are {', '.join(PROTOCOLS)}")
    if len(set(protocols)) < len(protocols):
        raise ValueError(f"protocol is {','.join(protocols)}, allowed is each of them once")
    if (scales or flips) and "dense" not in protocols:
        raise ValueError("scales and flips are of the protocol dense, which is not asked for")
    for name, number in (("batch_size", batch_size), ("threads", threads)):
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}, allowed is 1 or more")


def _check_data(images: ImageSet | Photographs, networks: list[Trained], protocols: list[str], log: Log) -> None:
    """ValueError unless networks and protocols suit the images; says what is taken for granted."""
    if isinstance(images, ImageSet):
        _check_small(images, networks, protocols)
    first = networks[0]
    for net in networks:
        if _unlabelled(images):  # an ensemble must agree in itself
            check_classes(net, first.expected.classes, first.num_classes, first.source, log)
        else:
            check_classes(net, _named_classes(images, net, log), len(images.classes), images.name, log)
        if "dense" in protocols and not net.expected.has_channel_mean:
            log(f"dense: the mean image of {net.source} fits its crop only; its average over the pixels is subtracted")


def _check_small(images: ImageSet, networks: list[Trained], protocols: list[str]) -> None:
    if others := [name for name in protocols if name != "single"]:
        given = ", ".join(map(repr, others))
        raise ValueError(f"protocol is {given}, allowed is single for {images.name}; others are for photographs")
    height, width = images.images.shape[2:]
    for net in networks:
        if net.expected.crop != height or net.expected.crop != width:
            side = net.expected.crop
            raise ValueError(
                f"{net.source} is for images of {side}x{side}, those of {images.name} are {width}x{height}"
            )
        if net.expected.resize != net.expected.crop:
            raise ValueError(
                f"{net.source} has pictures scaled to {net.expected.resize} pixels and cut to {net.expected.crop}, "
                f"{images.name} are in memory at one size; allowed is the folder of the pictures"
            )


def _submission(
    path: Path | None,
    synsets: Path | None,
    images: ImageSet | Photographs,
    network: Trained,
    protocols: list[str],
    log: Log,
) -> Submission | None:
    """The file that is to be written, if one is."""
    if path is None and synsets is None:
        if _unlabelled(images):
            raise ValueError(f"{images.name}: pictures without labels, allowed for a submission only")
        return None
    if path is None or synsets is None:
        raise ValueError("submission and synsets belong together: the server has numbers of its own for the classes")
    if not isinstance(images, Photographs):
        raise ValueError(f"submission: {images.name} holds images without file names")
    if len(protocols) > 1:
        raise ValueError(f"submission: of one protocol, {len(protocols)} are asked for")
    return prepare(path, synsets, images, network.expected.classes, network.num_classes, log)


def _named_classes(images: ImageSet | Photographs, net: Trained, log: Log) -> tuple[str, ...]:
    """The classes of `images`; none where photographs have numbers from 0 for them, as others' shards do."""
    numbers = tuple(map(str, range(len(images.classes))))
    if isinstance(images, ImageSet) or images.classes != numbers or net.expected.classes in ((), numbers):
        return images.classes
    log(f"{net.source}: its classes are taken to be those of {images.name}, in the order of their numbers")
    return ()


def _unlabelled(images: ImageSet | Photographs) -> bool:
    return bool((images.labels < 0).any())


def _silent(message: str) -> None:
    """For ranks other than the first."""
