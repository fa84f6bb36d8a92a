"""Weights that are rounded together, against autocast, which rounds each by itself: to the last bit."""

import copy

import pytest
import torch
from family import SMALL, images
from torch import nn

from resnets.models.rounded import rounded


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
