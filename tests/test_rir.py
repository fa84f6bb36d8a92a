"""ResNet in ResNet: its generalised layer against the two equations, and both forms of it."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from family import settled
from torch import Tensor, nn

from resnets.models.rir import GeneralisedLayer, RiRUnit, cifar_rir

relu = torch.relu


def norm(layer: Any, part: slice, y: Tensor) -> Tensor:
    """BN of some channels, as in evaluation."""
    kinds = (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    return F.batch_norm(y, *(values[part] for values in kinds), eps=layer.eps)


def two_streams(layer: Any, r: Tensor, t: Tensor, shortcut: bool, activated: bool) -> tuple[Tensor, Tensor]:
    """The paper's equations, with the four convolutions apart."""
    weight, stride = layer.conv1.weight, layer.conv1.stride[0]
    out, into = weight.shape[0] // 2, weight.shape[1] // 2

    def convolved(x: Tensor, to: slice, of: slice) -> Tensor:
        return F.conv2d(x, weight[to, of], stride=stride, padding=1)

    first, second = slice(0, out), slice(out, 2 * out)
    from_r, from_t = slice(0, into), slice(into, 2 * into)
    h = r[:, :, ::stride, ::stride]
    h = torch.cat([h, h.new_zeros(len(h), out - into, *h.shape[2:])], 1) if shortcut else 0
    new_r = convolved(r, first, from_r) + convolved(t, first, from_t) + h
    new_t = convolved(r, second, from_r) + convolved(t, second, from_t)
    new_r, new_t = norm(layer.bn1, first, new_r), norm(layer.bn1, second, new_t)
    return (relu(new_r), relu(new_t)) if activated else (new_r, new_t)


@pytest.mark.parametrize("inner", [True, False])
@pytest.mark.parametrize("activated", [True, False])
@pytest.mark.parametrize(("out", "stride"), [(6, 1), (10, 2)])
@pytest.mark.parametrize("form", ["streams", "resnet_init"])
def test_a_layer_is_two_equations(form: str, out: int, stride: int, activated: bool, inner: bool) -> None:
    torch.manual_seed(0)
    layer: Any = settled(GeneralisedLayer(6, out, stride, form, inner, activated))
    r, t = torch.randn(2, 2, 3, 7, 7, dtype=torch.float64)
    ours = layer(torch.cat([r, t], 1))
    assert torch.allclose(ours, torch.cat(two_streams(layer, r, t, inner, activated), 1), atol=1e-12)


@pytest.mark.parametrize("outer", [True, False])
def test_a_unit_has_a_shortcut_for_the_residual_stream_around_both_layers(outer: bool) -> None:
    torch.manual_seed(0)
    unit: Any = settled(RiRUnit(6, 10, 2, "streams", True, outer))
    r, t = torch.randn(2, 2, 3, 7, 7, dtype=torch.float64)
    inner_r, inner_t = two_streams(unit.layer1, r, t, True, True)
    new_r, new_t = two_streams(unit.layer2, inner_r, inner_t, True, False)
    if outer:
        new_r = torch.cat([new_r[:, :3] + r[:, :, ::2, ::2], new_r[:, 3:]], 1)
    assert torch.allclose(unit(torch.cat([r, t], 1)), relu(torch.cat([new_r, new_t], 1)), atol=1e-12)


def test_both_forms_learn_alike() -> None:
    """The same parameters, outputs and steps: decay pulls towards the identity, not towards zero."""
    nets, images = [], torch.randn(4, 3, 16, 16, dtype=torch.float64)
    for form in ("streams", "resnet_init"):
        torch.manual_seed(0)
        model = cifar_rir((4, 6, 8), form=form).double()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.1)
        logits = [model(images)]
        for _ in range(2):
            logits.append(model(images))
            optimiser.zero_grad()
            F.cross_entropy(logits[-1], torch.tensor([1, 2, 3, 4])).backward()
            optimiser.step()
        nets.append((model.state_dict(), [*logits, model(images)]))
    (streams, ours), (init, theirs) = nets
    assert list(streams) == list(init)
    assert all(torch.allclose(streams[key], init[key], atol=1e-9) for key in streams)
    assert all(torch.allclose(a, b, atol=1e-8) for a, b in zip(ours, theirs, strict=True))
    assert not torch.allclose(ours[0], ours[-1], atol=1e-3)


def test_without_either_shortcut_it_is_an_ordinary_net() -> None:
    torch.manual_seed(0)
    model: Any = settled(cifar_rir((4, 6, 8), inner=False, outer=False))
    x = torch.randn(2, 8, 6, 6, dtype=torch.float64)
    unit = model.layer1[0]
    plain = nn.Sequential(unit.layer1.conv1, unit.layer1.bn1, nn.ReLU(), unit.layer2.conv1, unit.layer2.bn1, nn.ReLU())
    assert torch.equal(unit(x), plain(x))
