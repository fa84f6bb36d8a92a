"""Activation orders and shortcuts of "Identity Mappings", against its Figures 4 and 2 written out."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from family import settled
from torch import Tensor, nn

from resnets.models.blocks import Basic, Bottleneck, conv1x1, shortcuts
from resnets.models.cifar import cifar_resnet
from resnets.models.preact import MANIPULATIONS, ORDERS, PreActUnit, cifar_manipulated, cifar_preact
from resnets.models.stochastic_depth import units

Unit = Any


def conv(unit: Unit, number: int, x: Tensor) -> Tensor:
    layer = getattr(unit, f"conv{number}")
    return F.conv2d(x, layer.weight, stride=layer.stride, padding=layer.weight.shape[-1] // 2)


def bn(layer: Unit, x: Tensor) -> Tensor:
    """As in evaluation."""
    deviation = (layer.running_var + layer.eps).sqrt()
    scale, shift = layer.weight / deviation, layer.bias - layer.weight * layer.running_mean / deviation
    return x * scale[:, None, None] + shift[:, None, None]


relu = torch.relu
FIGURE_4: dict[str, Callable[[Unit, Tensor, Callable[[Tensor], Tensor]], Tensor]] = {
    "original": lambda u, x, h: relu(bn(u.bn2, conv(u, 2, relu(bn(u.bn1, conv(u, 1, x))))) + h(x)),
    "bn_after_addition": lambda u, x, h: relu(bn(u.bn2, conv(u, 2, relu(bn(u.bn1, conv(u, 1, x)))) + h(x))),
    "relu_before_addition": lambda u, x, h: relu(bn(u.bn2, conv(u, 2, relu(bn(u.bn1, conv(u, 1, x)))))) + h(x),
    "relu_only": lambda u, x, h: bn(u.bn2, conv(u, 2, relu(bn(u.bn1, conv(u, 1, relu(x)))))) + h(x),
    "full": lambda u, x, h: conv(u, 2, relu(bn(u.bn2, conv(u, 1, relu(bn(u.bn1, x)))))) + h(x),
}
"""(a) to (e): the unit's output of its layers, its input and its shortcut."""


def identity(x: Tensor) -> Tensor:
    return x


def zeros(x: Tensor) -> Tensor:
    """Option A to half the side and twice the channels."""
    half = x[:, :, ::2, ::2]
    return torch.cat([half, torch.zeros_like(half)], 1)


def test_the_five_orders_are_all_there() -> None:
    assert list(ORDERS) == list(FIGURE_4)


@pytest.mark.parametrize("order", FIGURE_4)
def test_a_unit_is_its_figure(order: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 7, 7, dtype=torch.float64)
    unit = settled(PreActUnit(8, (3, 3), (8, 8), 1, nn.Identity(), order))
    assert torch.allclose(unit(x.clone()), FIGURE_4[order](unit, x, identity), atol=1e-12)
    unit = settled(PreActUnit(8, (3, 3), (16, 16), 2, shortcuts("A")(8, 16, 2), order))
    assert torch.allclose(unit(x.clone()), FIGURE_4[order](unit, x, zeros), atol=1e-12)
    unchanged = x.clone()
    unit(x)
    assert torch.equal(x, unchanged), "what the shortcut hands on is not activated in place"


@pytest.mark.parametrize("order", ["relu_only", "full"])
def test_one_activation_feeds_branch_and_projection(order: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 7, 7, dtype=torch.float64)
    unit: Unit = settled(PreActUnit(8, (3, 3), (16, 16), 2, conv1x1(8, 16, 2), order))
    activated = relu(bn(unit.bn1, x)) if order == "full" else relu(x)
    projected = F.conv2d(activated, unit.downsample.weight, stride=2)
    assert torch.allclose(unit(x.clone()), FIGURE_4[order](unit, x, lambda _: projected), atol=1e-12)


@pytest.mark.parametrize("order", FIGURE_4)
def test_a_whole_network_is_written_out(order: str) -> None:
    """Stem, units, and what the last unit lacks; in full pre-activation the first one begins with its convolution."""
    torch.manual_seed(0)
    model: Unit = settled(cifar_preact(8, order=order))
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    x = relu(bn(model.bn1, conv(model, 1, images)))
    first, second, third = model.layer1[0], model.layer2[0], model.layer3[0]
    if order == "full":
        assert not hasattr(first, "bn1")
        x = conv(first, 2, relu(bn(first.bn2, conv(first, 1, x)))) + x
    else:
        x = FIGURE_4[order](first, x, identity)
    x = FIGURE_4[order](third, FIGURE_4[order](second, x, zeros), zeros)
    if order == "full":
        x = relu(bn(model.bn, x))
    if order == "relu_only":
        x = relu(x)
    logits = F.linear(x.mean((2, 3)), model.fc.weight, model.fc.bias)
    assert torch.allclose(model(images), logits, atol=1e-10)


@pytest.mark.parametrize("option", ["A", "B", "C"])
def test_the_original_order_is_the_original_network(option: str) -> None:
    torch.manual_seed(0)
    ours, first = settled(cifar_preact(14, order="original", shortcut=option)), cifar_resnet(14, shortcut=option)
    first.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    assert torch.equal(ours(images), first.double().eval()(images))


@pytest.mark.parametrize("training", [True, False])
def test_original_units_are_the_original_units(training: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 6, 6)
    basic = PreActUnit(8, (3, 3), (4, 8), 2, shortcuts("B")(8, 8, 2), "original").train(training)
    other = Basic(8, 4, 8, 2, shortcuts("B")(8, 8, 2)).train(training)
    other.load_state_dict(basic.state_dict())
    assert torch.equal(basic(x), other(x))
    for strided, stride_in in ((1, "1x1"), (2, "3x3")):
        how = {"order": "original", "strided": strided}
        bottleneck = PreActUnit(8, (1, 3, 1), (4, 4, 16), 2, shortcuts("B")(8, 16, 2), **how).train(training)
        other = Bottleneck(8, 4, 16, 2, shortcuts("B")(8, 16, 2), stride_in).train(training)
        other.load_state_dict(bottleneck.state_dict())
        assert torch.equal(bottleneck(x), other(x))


def test_every_unit_adds_to_one_sum() -> None:
    """x_L = x_l + F_l + ... + F_{L-1}, equation (4), and for the gradient 1 + d/dx of the sum, equation (5)."""
    torch.manual_seed(0)
    stage: Unit = settled(cifar_preact(26)).get_submodule("layer2")
    x = torch.randn(2, 32, 6, 6, dtype=torch.float64, requires_grad=True)
    total, sum_of_branches = x, torch.zeros_like(x)
    for unit in stage[1:]:
        branch = unit.branch(total)
        sum_of_branches, total = sum_of_branches + branch, total + branch
    assert torch.allclose(stage[1:](x), x + sum_of_branches, atol=1e-12)
    (whole,) = torch.autograd.grad(stage[1:](x).sum(), x)
    (through_branches,) = torch.autograd.grad(sum_of_branches.sum(), x)
    assert torch.allclose(whole, 1 + through_branches, atol=1e-10)


def test_the_original_order_does_not_add_to_one_sum() -> None:
    torch.manual_seed(0)
    stage: Unit = settled(cifar_preact(26, order="original")).get_submodule("layer2")
    x = torch.randn(2, 32, 6, 6, dtype=torch.float64)
    total, sum_of_branches = x, torch.zeros_like(x)
    for unit in stage[1:]:
        sum_of_branches = sum_of_branches + unit.branch(total)
        total = unit(total)
    assert not torch.allclose(total, x + sum_of_branches, atol=0.1)


def test_the_names_of_a_bottleneck_net_say_its_stride() -> None:
    from resnets.models.catalog import skeleton

    for stride_in, where in (("1x1", "conv1"), ("3x3", "conv2")):
        model = skeleton("preact_resnet50", stride_in=stride_in)
        strided = {n for n, m in model.named_modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)}
        units_ = {f"layer{i}.0.{part}" for i in (2, 3, 4) for part in (where, "downsample")}
        assert strided == {"conv1"} | units_


# ------------------------------------------------------------------------------------------------------------
# Figure 2 and Table 1


def written_out(unit: Unit, x: Tensor, manipulation: str, training: bool) -> Tensor:
    h = x if unit.conv1.stride == (1, 1) else zeros(x)
    branch = bn(unit.bn2, conv(unit, 2, relu(bn(unit.bn1, conv(unit, 1, x)))))
    if manipulation == "scaling":
        return relu(0.25 * h + 0.75 * branch)
    if manipulation == "dropout":
        torch.manual_seed(7)
        kept = F.dropout(torch.ones_like(h), 0.25) if training else torch.ones_like(h)
        return relu(kept * h + branch)
    gate = unit.join.conv
    g = torch.sigmoid(F.conv2d(x, gate.weight, gate.bias, stride=unit.conv1.stride))
    assert g.std() > 0.1, "a gate that depends on nothing proves nothing"
    return relu((1 - g) * h + (g * branch if manipulation == "exclusive_gating" else branch))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("manipulation", MANIPULATIONS)
def test_a_manipulated_unit_is_its_figure(manipulation: str, training: bool) -> None:
    torch.manual_seed(0)
    model = settled(
        cifar_manipulated(
            8, manipulation=manipulation, shortcut_scale=0.25, branch_scale=0.75, dropout=0.25, gate_bias=-0.5
        )
    )
    for module in units(model):
        unit: Unit = module
        if training and manipulation == "dropout":
            unit.join.train()  # BN stays in evaluation
        x = torch.randn(2, unit.conv1.in_channels, 8, 8, dtype=torch.float64)
        torch.manual_seed(7)
        ours = unit(x)
        assert torch.allclose(ours, written_out(unit, x, manipulation, training), atol=1e-12)


@pytest.mark.parametrize("manipulation", ["exclusive_gating", "shortcut_gating"])
def test_gates_begin_at_their_bias(manipulation: str) -> None:
    model = cifar_manipulated(8, manipulation=manipulation)
    biases = {name: p for name, p in model.named_parameters() if name.endswith("join.conv.bias")}
    assert len(biases) == 3
    assert all((bias == -6).all() for bias in biases.values())
    gate = torch.sigmoid(model.get_submodule("layer1.0.join.conv")(torch.zeros(1, 16, 4, 4)))
    assert gate.mean().item() == pytest.approx(0.002473, rel=1e-3)
