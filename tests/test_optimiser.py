"""Stochastic gradient descent against the formula written out, and against a closed form."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy import toy_recipe

from resnets.training.optimiser import descend, sgd


class Net(nn.Module):
    """A kernel, a matrix, biases, and BN's scale and shift."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 2)


def stepped(gradients: list[dict[str, Tensor]], **changes: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters of `Net` before and after one step for each of `gradients`."""
    torch.manual_seed(0)
    net = Net()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimizer = sgd(net, toy_recipe(**changes))
    for given in gradients:
        for name, p in net.named_parameters():
            p.grad = given[name]
        optimizer.step()
    return before, {name: p.detach() for name, p in net.named_parameters()}


def some_gradients(count: int) -> list[dict[str, Tensor]]:
    torch.manual_seed(1)
    return [{name: torch.randn_like(p) for name, p in Net().named_parameters()} for _ in range(count)]


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("decay", ["weights", "all"])
def test_two_steps_by_the_formula(nesterov: bool, decay: str) -> None:
    gradients = some_gradients(2)
    lr, momentum, weight_decay = 0.3, 0.9, 0.01
    settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov, "decay": decay}
    before, after = stepped(gradients, **settings)
    for name, w in before.items():
        decayed = weight_decay if decay == "all" or name in ("conv.weight", "fc.weight") else 0.0
        w, v = w.double(), torch.zeros_like(w).double()
        for given in gradients:
            g = given[name].double() + decayed * w
            v = momentum * v + g
            w = w - lr * (g + momentum * v if nesterov else v)
        torch.testing.assert_close(after[name].double(), w, rtol=1e-6, atol=1e-6)


def test_what_is_decayed() -> None:
    """With no gradient only decay moves a parameter: w (1 - lr decay) after one step."""
    nothing = [{name: torch.zeros_like(p) for name, p in Net().named_parameters()}]
    for decay, shrinks in (("weights", {"conv.weight", "fc.weight"}), ("all", {"norm.weight"})):
        before, after = stepped(nothing, lr=0.5, weight_decay=0.1, decay=decay)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert shrinks <= moved
        assert moved == shrinks or decay == "all"
        for name in moved:
            torch.testing.assert_close(after[name], 0.95 * before[name])
        if decay == "all":
            assert moved == {name for name, p in before.items() if p.any()}


def test_a_constant_gradient_in_closed_form() -> None:
    """Sum of v over n steps with v = g (1 - m^k) / (1 - m): lr g / (1 - m) (n - m (1 - m^n) / (1 - m))."""
    steps, lr, m = 10, 0.1, 0.9
    ones = {name: torch.ones_like(p) for name, p in Net().named_parameters()}
    before, after = stepped([ones] * steps, lr=lr, momentum=m, weight_decay=0.0)
    path = lr / (1 - m) * (steps - m * (1 - m**steps) / (1 - m))
    for name in before:
        torch.testing.assert_close(before[name] - after[name], torch.full_like(before[name], path))


def test_every_parameter_is_trained_once() -> None:
    net = Net()
    for decay in ("weights", "all"):
        parameters = [p for group in sgd(net, toy_recipe(decay=decay)).param_groups for p in group["params"]]
        assert sorted(map(id, parameters)) == sorted(map(id, net.parameters()))


def test_what_took_no_part_decays_and_keeps_its_momentum() -> None:
    """v <- 0.9 v + (g + 0.1 w), w <- w - 0.5 v, with g = 0 in the steps in which the second layer is left out."""
    recipe = toy_recipe(lr=0.5, weight_decay=0.1, momentum=0.9)
    layers = nn.ModuleList([nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)])
    for layer in layers:
        nn.init.ones_(layer.get_parameter("weight"))
    frozen = nn.Parameter(torch.ones(1, 1), requires_grad=False)
    layers.register_parameter("frozen", frozen)
    optimizer = sgd(layers, recipe)
    w, v = 1.0, 0.0
    for takes_part in (False, True, False, False):
        loss = sum(layer.get_parameter("weight").sum() for layer in (layers if takes_part else layers[:1]))
        assert isinstance(loss, Tensor)
        optimizer.zero_grad()
        loss.backward()
        descend(optimizer)
        v = 0.9 * v + float(takes_part) + 0.1 * w
        w -= 0.5 * v
        assert layers[1].get_parameter("weight").item() == pytest.approx(w, abs=1e-6)
    assert frozen.item() == 1
    assert frozen.grad is None
