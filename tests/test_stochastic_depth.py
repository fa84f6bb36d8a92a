"""Stochastic depth against its equations, torchvision's, and what a unit that is left out must not do."""

from typing import Any

import pytest
import torch
import torchvision
from family import net, settled
from torch import Tensor, nn

from resnets.models import stochastic_depth as module
from resnets.models.blocks import Basic, ZeroPad
from resnets.models.catalog import build, skeleton
from resnets.models.stochastic_depth import StochasticDepth, stochastic_depth, survival_rates, units


def rates(model: nn.Module) -> list[float]:
    return [m.survival for m in model.modules() if isinstance(m, StochasticDepth)]


def unit_with(survival: float, per: str = "batch") -> Any:
    torch.manual_seed(0)
    unit: Any = settled(Basic(4, 4, 4, 1, nn.Identity()))
    stochastic_depth(nn.Sequential(unit), drop_path=1 - survival, drop_per=per)
    return unit.eval()


# ------------------------------------------------------------------------------------------------------------
# Rates


def test_linear_decay() -> None:
    """p_l = 1 - (l / L) (1 - p_L): with p_L = 0.5 and 54 units 40.25 are expected, (3L - 1) / 4."""
    found = survival_rates(54, 0.5)
    assert found == pytest.approx([1 - unit / 54 * (1 - 0.5) for unit in range(1, 55)])
    assert (found[0], found[-1]) == (pytest.approx(0.990741, abs=1e-6), 0.5)
    assert sum(found) == pytest.approx((3 * 54 - 1) / 4)
    assert sum(found) == pytest.approx(40.25)
    assert survival_rates(600, 0.5)[299] == pytest.approx(0.75)


def test_uniform_decay() -> None:
    assert survival_rates(3, 0.2, "uniform") == [0.8, 0.8, 0.8]


def test_the_papers_net_has_these_rates() -> None:
    assert rates(net("cifar_resnet110_sd")) == pytest.approx(survival_rates(54, 0.5))
    pads = [m for m in net("cifar_resnet110_sd").modules() if isinstance(m, ZeroPad)]
    assert [pad.subsample for pad in pads] == ["mean", "mean"]


@pytest.mark.parametrize(
    ("name", "changes", "count"),
    [
        ("resnet18", {}, 8),
        ("resnet34_a", {}, 16),
        ("resnet50", {}, 16),
        ("preact_resnet18", {}, 8),
        ("resnext50_32x4d", {}, 16),
        ("cifar_resnet20", {"shortcut": "C"}, 9),
        *(("cifar_preact_resnet20", {"order": order}, 9) for order in ("original", "bn_after_addition", "relu_only")),
        ("cifar_preact_resnet29", {}, 9),
        ("cifar_wrn_16_2", {"dropout": 0.3}, 6),
        ("cifar_resnext29_2x4d", {"form": "sum"}, 9),
        ("cifar_rir18_wide", {}, 8),
        ("cifar_ror3_110", {}, 54),
        ("cifar_ror3_110", {"levels": 2}, 54),
        ("cifar_ror3_164", {}, 54),
        ("cifar_preror3_164", {}, 54),
        ("cifar_ror3_wrn_40_2", {}, 18),
    ],
)
def test_every_residual_net_can(name: str, changes: dict[str, Any], count: int) -> None:
    assert rates(skeleton(name, drop_path=0.3, **changes)) == pytest.approx(survival_rates(count, 0.3))


@pytest.mark.parametrize(
    "name",
    [
        *("plain18", "cifar_plain20", "plain50", "plainnext50_32x4d", "vgg16", "cifar_highway19"),
        *("cifar_resnet110_scaling", "cifar_resnet110_exclusive_gating", "cifar_resnet110_dropout"),
    ],
)
def test_nets_whose_units_do_not_add_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^drop_path is 0\.5, allowed only where every unit adds its branch"):
        skeleton(name, drop_path=0.5)
    skeleton(name, drop_path=0.0)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"drop_path": 1.0}, "drop_path is 1.0, allowed is 0 to under 1"),
        ({"drop_path": -0.1}, "drop_path is -0.1, allowed is 0 to under 1"),
        ({"drop_path": float("nan")}, "drop_path is nan, allowed is 0 to under 1"),
        ({"drop_path": "half"}, "drop_path is 'half', allowed is a number"),
        ({"drop_path": True}, "drop_path is True, allowed is a number"),
        ({"drop_decay": "cosine"}, "drop_decay is 'cosine', allowed are 'linear' and 'uniform'"),
        ({"drop_per": "pixel"}, "drop_per is 'pixel', allowed are 'batch' and 'sample'"),
    ],
)
def test_values_that_are_not_allowed(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=f"^{what}$"):
        skeleton("cifar_resnet8", **changes)


def test_no_drop_path_is_the_same_network() -> None:
    x, logits = torch.randn(2, 3, 32, 32), []
    none: dict[str, Any] = {"drop_path": 0.0, "drop_decay": "uniform", "drop_per": "sample"}
    some: dict[str, Any] = {"drop_path": 0.9}
    for changes in ({}, none, some):
        torch.manual_seed(0)
        model = build("cifar_resnet14", **changes)
        torch.manual_seed(3)
        logits.append(model(x))
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])


# ------------------------------------------------------------------------------------------------------------
# One draw a mini-batch, as the paper


def test_a_unit_is_there_or_not() -> None:
    """ReLU(b F(x) + x), b of Bernoulli(p): never scaled; a branch that is left out is not computed."""
    unit, x = unit_with(0.7), torch.randn(3, 4, 6, 6, dtype=torch.float64)
    branch, calls = unit.branch, []
    unit.branch = lambda x: calls.append(1) or branch(x)
    unit.join.train()
    with torch.no_grad():
        kept, left_out = torch.relu(branch(x) + x), torch.relu(x)
        drawn = []
        torch.manual_seed(1)
        for _ in range(400):
            before = len(calls)
            y = unit(x.clone())
            drawn.append(len(calls) - before)
            assert torch.equal(y, kept if drawn[-1] else left_out)
    assert set(drawn) == {0, 1}
    assert sum(drawn) == pytest.approx(0.7 * 400, abs=4 * (400 * 0.7 * 0.3) ** 0.5)


def test_draws_follow_the_seed_and_units_draw_apart() -> None:
    torch.manual_seed(0)
    model: Any = build("cifar_resnet50", drop_path=0.5, drop_decay="uniform")
    patterns = []
    for unit in units(model):
        unit.branch = lambda x, _branch=unit.branch, _unit=unit: patterns[-1].append(id(_unit)) or _branch(x)
    x = torch.randn(2, 3, 8, 8)
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        patterns.append([])
        model(x)
    assert patterns[0] == patterns[1] != patterns[2]
    assert 0 < len(patterns[0]) < 24


def test_at_test_the_branch_counts_by_its_probability() -> None:
    unit, x = unit_with(0.7), torch.randn(3, 4, 6, 6, dtype=torch.float64)
    assert torch.allclose(unit(x.clone()), torch.relu(0.7 * unit.branch(x) + x), atol=1e-14)


def test_a_unit_left_out_has_no_gradient() -> None:
    unit, x = unit_with(0.5), torch.randn(3, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    unit.train()
    seen = set()
    for seed in range(8):
        torch.manual_seed(seed)
        unit.zero_grad()
        x.grad = None
        counted = int(unit.bn1.num_batches_tracked)
        unit(x).sum().backward()
        there = unit.conv1.weight.grad is not None
        assert all((p.grad is not None) == there for p in unit.parameters())
        assert int(unit.bn1.num_batches_tracked) - counted == there, "nor does it change BN's averages"
        if not there:
            assert x.grad is not None
            assert torch.equal(x.grad, (x > 0).double())
        seen.add(there)
    assert seen == {True, False}


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("cifar_resnet20", {}),
        ("cifar_resnet20", {"subsample": "mean"}),
        ("cifar_resnet20", {"shortcut": "C"}),
        *(("cifar_preact_resnet20", {"order": order}) for order in ("original", "bn_after_addition", "full")),
        *(("cifar_preact_resnet29", {"order": order}) for order in ("relu_before_addition", "relu_only", "full")),
        ("cifar_wrn_16_1", {}),
        ("cifar_ror3_110", {"levels": 3}),
        ("cifar_ror3_110", {"levels": 2}),
        ("cifar_preror3_164", {}),
    ],
)
def test_with_every_branch_left_out_the_shortcuts_remain(name: str, changes: dict[str, Any], per: str) -> None:
    """And nothing that is handed on is changed in place: the maps are those without branches, gradients can be had."""
    torch.manual_seed(0)
    model: Any = build(name, drop_path=0.5, drop_per=per, **changes)
    for join in model.modules():
        if isinstance(join, StochasticDepth):
            join.survival = 1e-30
    maps = model.forward_features(torch.randn(2, 3, 16, 16))
    assert torch.equal(maps["stem"], maps["stem"].relu())
    if "ror" not in name and changes.get("shortcut") != "C" and maps["stage1"].shape == maps["stem"].shape:
        plain_sum = changes.get("order") != "bn_after_addition"
        assert torch.equal(maps["stage1"], maps["stem"]) == plain_sum
    model.fc(maps["stage3"].mean((2, 3))).sum().backward()
    grads = [p.grad for key, p in model.named_parameters() if ".conv" in key]
    assert grads
    assert all(grad is None or not grad.any() for grad in grads)
    assert model.conv1.weight.grad.any()


# ------------------------------------------------------------------------------------------------------------
# One draw an image


@pytest.mark.parametrize("survival", [0.25, 0.5, 0.9])
def test_draws_for_each_image_are_torchvisions(survival: float, monkeypatch: pytest.MonkeyPatch) -> None:
    unit, x = unit_with(survival, "sample"), torch.randn(64, 4, 6, 6, dtype=torch.float64)
    torch.manual_seed(2)
    theirs = torchvision.ops.stochastic_depth(unit.branch(x), 1 - survival, mode="row")
    kept = (theirs != 0).any((1, 2, 3)).double()
    assert 0 < kept.sum() < 64
    monkeypatch.setattr(module.torch, "rand", lambda *shape, **_: (1 - kept).reshape(shape).float())
    unit.join.train()
    assert torch.allclose(unit(x.clone()), torch.relu(theirs + x), atol=1e-14)


def test_draws_for_each_image_keep_the_mean() -> None:
    """The mean over many draws is what evaluation computes, which leaves nothing out and scales nothing."""
    join, branch = StochasticDepth(0.4, "sample"), torch.tensor([1.0, -2.0, 3.0]).reshape(1, 3, 1, 1)

    def paths(x: Tensor) -> Tensor:
        return join(x, torch.zeros_like, lambda x: branch.expand(len(x), -1, -1, -1))

    torch.manual_seed(0)
    drawn = paths(torch.zeros(20_000, 3, 1, 1))
    assert {round(value, 4) for value in drawn[:, 0].unique().tolist()} == {0, 2.5}
    assert torch.equal(drawn[:, 1], -2 * drawn[:, 0]), "one draw for all of an image's maps"
    error = 2.5 * (0.4 * 0.6 / 20_000) ** 0.5
    assert drawn[:, 0].mean().item() == pytest.approx(1.0, abs=4 * error)
    assert torch.equal(join.eval()(torch.zeros(1, 3, 1, 1), torch.zeros_like, lambda x: branch), branch)


def test_an_image_left_out_has_no_gradient_through_the_branch() -> None:
    unit, x = unit_with(0.5, "sample"), torch.randn(16, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    unit.join.train()
    torch.manual_seed(0)
    unit(x).sum().backward()
    assert x.grad is not None
    alone = torch.tensor([torch.equal(grad, (image > 0).double()) for grad, image in zip(x.grad, x, strict=True)])
    assert 2 < alone.sum() < 14
