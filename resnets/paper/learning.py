"""Networks that learn for a little while and are watched: for studies. No figure of a table comes from here.

The images are cut and mirrored as in the paper's recipe; the learning rate stays where it is.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import mean

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.classification.papers import paper_recipe
from resnets.data.augment import Stream, crop_flip
from resnets.data.images import ImageSet
from resnets.evaluation.gradients import gradient_norms
from resnets.paper.lines import Record
from resnets.paper.subjects import Subject
from resnets.training.optimiser import sgd

PADDING = 4


def learning(
    model: nn.Module, optimizer: torch.optim.Optimizer, one: Subject, train: ImageSet, batch: int, seed: int
) -> Iterator[tuple[float, float]]:
    """Descends once each time it is asked. Gives the loss on that batch, and the error in percent, before the step."""
    device = next(model.parameters()).device
    normalise = one.expected.normaliser(device)
    stream = Stream(len(train), batch, seed, PADDING, flip=train.name != "digits")
    step = 0
    while True:
        drawn = stream.batch(step)
        pixels = normalise(train.images[drawn.indices].to(device))
        labels = train.labels[drawn.indices].to(device)
        logits = model.train()(crop_flip(pixels, drawn.top, drawn.left, drawn.flip, PADDING))
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item(), 100 * float((logits.argmax(1) != labels).float().mean())
        step += 1


def steps_to(last: int) -> list[int]:
    """When a network is looked at: 0, 10, 100, 1,000 ... and `last`."""
    found, step = [0], 10
    while step < last:
        found.append(step)
        step *= 10
    return list(dict.fromkeys([*found, last]))


def gradients_while_learning(
    one: Subject, train: ImageSet, shown: tuple[Tensor, Tensor], steps: Sequence[int], seed: int
) -> Record:
    """Trains a network as its paper's recipe begins, and notes its gradient norms after each of `steps` iterations.

    Args:
        shown: normalised images and labels, on the device, whose gradients are looked at; always the same.
        steps: rising, from 0.

    Returns {"name", "layers", "steps", "maps", "longer", "train_error"}: for each step the norms of `gradient_norms`
    with respect to the layers' outputs, how many times as long as in the beginning each layer's weights are, and the
    error in percent on the batches since the step before (none for the first).
    ValueError where the loss stops being a number.
    """
    recipe = paper_recipe(str(one.model.spec_name))
    optimizer = sgd(one.model, recipe)
    for group in optimizer.param_groups:
        group["lr"] = recipe.lr if recipe.warmup_lr is None else recipe.warmup_lr
    learner = learning(one.model, optimizer, one, train, recipe.batch_size, seed)
    norms = [gradient_norms(one.model, *shown)]
    errors: list[float | None] = [None]
    for before, after in pairwise(steps):
        seen = [next(learner) for _ in range(after - before)]
        norms.append(gradient_norms(one.model, *shown))
        if not all(norm.maps < float("inf") for norm in norms[-1]):  # which NaN is not, either
            raise ValueError(f"{one.name} has diverged within {after} iterations: its gradients are no numbers")
        errors.append(mean(error for _, error in seen))
    return {
        "name": one.name,
        "layers": [norm.layer for norm in norms[0]],
        "steps": list(steps),
        "maps": [[norm.maps for norm in found] for found in norms],
        "longer": [[now.length / first.length for now, first in zip(found, norms[0], strict=True)] for found in norms],
        "train_error": errors,
    }
