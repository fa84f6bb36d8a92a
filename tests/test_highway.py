"""Highway networks: y = H T + x (1 - T), and what becomes of them when every gate is shut."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from family import count
from torch import nn

from resnets.models.highway import Gate, HighwayLayer, cifar_highway


def test_a_layer_is_its_equation() -> None:
    torch.manual_seed(0)
    layer: Any = HighwayLayer(6, 3, gate_bias=-1.0).double()
    nn.init.normal_(layer.conv.bias)
    x = torch.randn(2, 6, 5, 5, dtype=torch.float64)
    h = torch.relu(F.conv2d(x, layer.conv.weight, layer.conv.bias, padding=1))
    t = torch.sigmoid(F.conv2d(x, layer.join.conv.weight, layer.join.conv.bias, padding=1))
    assert t.std() > 0.1
    assert torch.allclose(layer(x), h * t + x * (1 - t), atol=1e-14)


def test_a_shut_gate_carries_and_an_open_one_transforms() -> None:
    layer: Any = HighwayLayer(6, 3, gate_bias=-1e4)
    x = torch.randn(2, 6, 5, 5)
    assert torch.equal(layer(x), x)
    nn.init.constant_(layer.join.conv.bias, 1e4)
    assert torch.equal(layer(x), layer.branch(x))


def test_a_net_of_shut_gates_is_its_openings() -> None:
    torch.manual_seed(0)
    model: Any = cifar_highway(19, gate_bias=-1e4)
    x = torch.randn(2, 3, 32, 32)
    y = x
    for number in (1, 2, 3):
        y = model.get_submodule(f"layer{number}.0")(y if number == 1 else F.max_pool2d(y, 2))
    assert torch.equal(model(x), model.fc(y.mean((2, 3))))
    for module in model.modules():
        if isinstance(module, Gate):
            nn.init.zeros_(module.get_parameter("conv.bias"))
    assert not torch.allclose(model(x), model.fc(y.mean((2, 3))), atol=0.01), "open ones do more"


@pytest.mark.parametrize(("depth", "layers"), [(19, 17), (32, 30)])
def test_without_gates_it_is_plain(depth: int, layers: int) -> None:
    model, gated = cifar_highway(depth, gate_bias=None), cifar_highway(depth)
    gates = [m for m in gated.modules() if isinstance(m, Gate)]
    assert not any(isinstance(m, Gate) for m in model.modules())
    assert len(gates) == layers - 3 + 1  # all but the openings, and the 1x1 layer
    assert all((gate.conv.bias == -2).all() for gate in gates if gate.conv.bias is not None)
    assert count(gated) == count(model) + sum(map(count, gates))
    layer, x = HighwayLayer(6, 3, None), torch.randn(2, 6, 5, 5)
    assert torch.equal(layer(x), torch.relu(layer.conv(x)))


@pytest.mark.parametrize("depth", [18, 20, 0])
def test_depths_that_are_not_allowed(depth: int) -> None:
    with pytest.raises(ValueError, match=f"^depth is {depth}, allowed are 19 and 32$"):
        cifar_highway(depth)
