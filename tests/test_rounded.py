"""Weights that are rounded together, against autocast, which rounds each by itself: to the last bit."""

import copy
from functools import partial

import pytest
import torch
from family import SMALL, images
from torch import nn

from resnets.classification.data import load_data
from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.task import Classification
from resnets.models.rounded import rounded
from resnets.training.recipe import override


def learnt(model: nn.Module, kind: str, together: bool) -> list[torch.Tensor | None]:
    """Logits, gradients and running averages."""
    torch.manual_seed(0)
    x = images(kind, count=4).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = rounded(model, x) if together else model(x)
    logits.float().square().sum().backward()
    return [logits, *(p.grad for p in model.parameters()), *model.buffers()]


@pytest.mark.parametrize("kind", ["option A", "option B", "order full", "imagenet, bottleneck"])
def test_logits_and_gradients_are_those_of_autocast(kind: str) -> None:
    torch.manual_seed(0)
    model = SMALL[kind]().to(memory_format=torch.channels_last)
    weights = {name: value.clone() for name, value in model.named_parameters()}
    expected, found = learnt(copy.deepcopy(model), kind, False), learnt(model, kind, True)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True) if a is not None and b is not None)
    assert [a is None for a in found] == [b is None for b in expected]
    assert all(torch.equal(value, weights[name]) for name, value in model.named_parameters()), "they stay in float32"


def test_a_recorded_iteration_calls_it(tiny: ClassificationRecipe) -> None:
    device = torch.device("cpu")
    data, found = load_data(tiny, device), {}
    for capture in (False, True):
        task = Classification(override(tiny, [f"capture={capture}".lower()]), data, device, "bf16")
        loss = task.losses(next(task.batches(0)))["loss"]
        loss.backward()
        found[capture] = [loss.detach(), *(p.grad for p in task.model.parameters() if p.grad is not None)]
        assert isinstance(task.network, partial) == capture
    assert all(torch.equal(one, other) for one, other in zip(found[True], found[False], strict=True))
