"""ResNeXt: Figure 3's three forms are one, and grouped convolutions are what their name says."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.models.resnext import FORMS, aggregated, between_forms, cifar_resnext
from resnets.models.stochastic_depth import units


def mapped(model: nn.Module, form: str, cardinality: int) -> dict[str, Tensor]:
    """The state of a grouped network as that of the same network in another form."""
    names = {id(unit): name for name, unit in model.named_modules()}
    state = dict(model.state_dict())
    for unit in units(model):
        prefix = names[id(unit)]
        for key in unit.state_dict():
            del state[f"{prefix}.{key}"]
        other = between_forms(unit.state_dict(), form, cardinality)
        state |= {f"{prefix}.{key}": value for key, value in other.items()}
    return state


def outputs(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and the gradient of a function of them with respect to the images."""
    x = x.clone().requires_grad_()
    y = model(x)
    (gradient,) = torch.autograd.grad((y * torch.arange(10.0)).sum(), x)
    return y.detach(), gradient


def difference(a: Tensor, b: Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("cardinality", [1, 4])
@pytest.mark.parametrize("form", FORMS[:2])
def test_a_whole_network_in_another_form_is_the_same(form: str, cardinality: int, training: bool) -> None:
    torch.manual_seed(0)
    grouped = cifar_resnext(11, cardinality=cardinality, base_width=8)
    other = cifar_resnext(11, cardinality=cardinality, base_width=8, form=form)
    other.load_state_dict(mapped(grouped, form, cardinality), strict=True)
    grouped, other, x = grouped.double(), other.double(), torch.randn(4, 3, 16, 16, dtype=torch.float64)
    ours, theirs = outputs(grouped.train(training), x), outputs(other.train(training), x)
    assert ours[0].std() > 1e-3
    assert max(difference(a, b) for a, b in zip(ours, theirs, strict=True)) < 1e-10
    if training:  # running averages went the same way
        again = {key: value for key, value in mapped(grouped, form, cardinality).items() if "running" in key}
        assert max(difference(other.state_dict()[key], value) for key, value in again.items()) < 1e-10
    single = difference(grouped.float()(x.float()), other.float()(x.float()))
    assert single < 1e-5, "in float32 too"


def test_a_grouped_unit_is_paths_side_by_side() -> None:
    """Figure 3 (a) written out: C times 1x1, 3x3, 1x1; BN between, its channels divided among the paths."""
    torch.manual_seed(0)
    unit: Any = aggregated(4, 8, "grouped", "3x3")(16, 64, 16, 1, nn.Identity()).double().eval()
    x = torch.randn(2, 16, 6, 6, dtype=torch.float64)
    width = unit.conv1.out_channels // 4
    assert (width, unit.conv2.groups) == (8, 4)
    total = torch.zeros_like(x)
    for path in range(4):
        part = slice(path * width, (path + 1) * width)
        y = torch.relu(F.conv2d(x, unit.conv1.weight[part]) / (1 + 1e-5) ** 0.5)
        y = torch.relu(F.conv2d(y, unit.conv2.weight[part], padding=1) / (1 + 1e-5) ** 0.5)
        total = total + F.conv2d(y, unit.conv3.weight[:, part])
    assert torch.allclose(unit(x), torch.relu(x + total / (1 + 1e-5) ** 0.5), atol=1e-12)


def test_a_form_that_is_grouped_already_stays() -> None:
    state = cifar_resnext(11).get_submodule("layer1.0").state_dict()
    assert between_forms(state, "grouped", 8) is state


@pytest.mark.parametrize("depth", [10, 28, 30, 2])
def test_depths_that_are_not_allowed(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"^depth is {depth}, allowed are 9n\+2$"):
        cifar_resnext(depth)


def test_a_narrower_net_is_the_same_net_scaled() -> None:
    """Every convolution but the first has a quarter of the filters; the paths of each unit are as many."""
    full, quarter = (cifar_resnext(11, cardinality=4, base_width=32, width=width) for width in (64, 16))
    pairs = list(zip(full.modules(), quarter.modules(), strict=True))
    convs = [(a, b) for a, b in pairs if isinstance(a, nn.Conv2d) and isinstance(b, nn.Conv2d)]
    assert len(convs) == 1 + 3 * 4, "the stem; three convolutions and a projection a unit"
    assert all((a.out_channels, a.groups) == (4 * b.out_channels, b.groups) for a, b in convs)
    assert quarter(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("width", [0, -64, 1])
def test_widths_that_leave_a_path_without_whole_filters(width: int) -> None:
    with pytest.raises(ValueError, match=rf"^width is {width}, allowed are those of which base_width / 64 = 32/64"):
        cifar_resnext(11, base_width=32, width=width)
