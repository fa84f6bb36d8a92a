"""The networks against the integers of the papers and closed forms."""

import math
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from family import SMALL, TWINS, count, net, table
from torch import nn

from resnets.models.blocks import Basic, ZeroPad, no_shortcut
from resnets.models.catalog import arguments, build, counted, list_models, model_spec, row, skeleton
from resnets.models.layers import depth, layers, shapes_only


def norm_parameters(model: nn.Module) -> int:
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    return sum(p.numel() for norm in norms for p in norm.parameters())


# name, changes, parameters, of which BN, multiply-adds in G (three digits), projections: counted by hand from
# Table 1 and the options of section 4.1
IMAGENET = [
    ("plain18", {}, 11_515_688, 7_808, 1.795, 0),
    ("resnet18_a", {}, 11_515_688, 7_808, 1.795, 0),
    ("resnet18", {}, 11_689_512, 9_600, 1.814, 3),
    ("resnet18", {"shortcut": "C"}, 12_043_816, 11_648, 1.878, 8),
    ("plain34", {}, 21_623_848, 15_232, 3.644, 0),
    ("resnet34_a", {}, 21_623_848, 15_232, 3.644, 0),
    ("resnet34", {}, 21_797_672, 17_024, 3.664, 3),
    ("resnet34_c", {}, 22_716_840, 22_784, 3.831, 16),
    ("resnet50", {}, 25_557_032, 53_120, 3.858, 4),
    ("resnet50_v1_5", {}, 25_557_032, 53_120, 4.089, 4),
    ("resnet101", {}, 44_549_160, 105_344, 7.570, 4),
    ("resnet101_v1_5", {}, 44_549_160, 105_344, 7.801, 4),
    ("resnet152", {}, 60_192_808, 151_424, 11.282, 4),
    ("resnet152_v1_5", {}, 60_192_808, 151_424, 11.514, 4),
]


@pytest.mark.parametrize(("name", "changes", "params", "norms", "work", "projections"), IMAGENET)
def test_imagenet_counts(
    name: str, changes: dict[str, Any], params: int, norms: int, work: float, projections: int
) -> None:
    model = skeleton(name, **changes)
    rows = layers(model, 224)
    assert count(model) == params
    assert norm_parameters(model) == norms
    assert round(sum(r.multiply_adds for r in rows) / 1e9, 3) == work
    assert sum(r.on_shortcut for r in rows) == projections
    assert sum(r.parameters for r in rows) == params


@pytest.mark.parametrize(
    ("name", "params", "work", "projections"),
    [("resnet50", 40.13, 6.32, 16), ("resnet101", 76.98, 13.53, 33), ("resnet152", 107.34, 20.74, 50)],
)
def test_option_c_of_the_bottleneck_nets(name: str, params: float, work: float, projections: int) -> None:
    model = skeleton(name, shortcut="C")
    rows = layers(model, 224)
    assert round(count(model) / 1e6, 2) == params
    assert round(sum(r.multiply_adds for r in rows) / 1e9, 2) == work
    assert sum(r.on_shortcut for r in rows) == projections


# depth, parameters with option A (and plain), of which BN, multiply-adds in M, parameters with option B
CIFAR = [
    (20, 269_722, 1_376, 40.6, 272_474),
    (32, 464_154, 2_272, 68.9, 466_906),
    (44, 658_586, 3_168, 97.2, 661_338),
    (56, 853_018, 4_064, 125.5, 855_770),
    (110, 1_727_962, 8_096, 252.9, 1_730_714),
    (1202, 19_421_274, 89_632, 2829.2, 19_424_026),
]


@pytest.mark.parametrize(("layer_count", "params", "norms", "work", "with_projections"), CIFAR)
def test_cifar_counts(layer_count: int, params: int, norms: int, work: float, with_projections: int) -> None:
    model, rows = net(f"cifar_resnet{layer_count}"), table(f"cifar_resnet{layer_count}")
    assert count(model) == params == sum(r.parameters for r in rows)
    assert norm_parameters(model) == norms
    assert round(sum(r.multiply_adds for r in rows) / 1e6, 1) == work
    assert depth(rows) == layer_count
    assert not any(r.on_shortcut for r in rows)
    assert count(skeleton(f"cifar_resnet{layer_count}", shortcut="B")) == with_projections


@pytest.mark.parametrize(
    ("plain", "residual"),
    [
        ("plain18", "resnet18_a"),
        ("plain34", "resnet34_a"),
        *((f"cifar_plain{d}", f"cifar_resnet{d}") for d in (20, 32, 44, 56, 110)),
    ],
)
def test_a_plain_net_has_the_parameters_of_its_residual_twin(plain: str, residual: str) -> None:
    mine, twin = net(plain), net(residual)
    assert {k: v.shape for k, v in mine.state_dict().items()} == {k: v.shape for k, v in twin.state_dict().items()}
    assert table(plain) == table(residual)
    assert all(m.downsample is None for m in mine.modules() if hasattr(m, "downsample"))
    assert all(m.downsample is not None for m in twin.modules() if hasattr(m, "downsample"))


@pytest.mark.parametrize("name", [name for name in list_models() if name not in TWINS])
def test_depth_is_in_the_name(name: str) -> None:
    """The first number after RoR's levels; ResNeXt's and WRN's second one is a width."""
    digits = re.search(r"\d+", name.replace("ror3", "ror").replace("cifar_wrn", "wrn"))
    assert digits is not None
    assert row(name).counted(table(name)) == int(digits[0])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in TWINS else ()) for name in list_models()]
)
def test_the_file_of_counts_is_up_to_date(name: str) -> None:
    spec = model_spec(name)
    assert (spec.layers, spec.params, spec.multiply_adds) == counted(name), "python -m resnets.documents"


def test_model_spec_is_what_the_network_is() -> None:
    spec = model_spec("resnet50")
    assert (spec.name, spec.layers, spec.params, spec.input_size) == ("resnet50", 50, 25_557_032, 224)
    assert round(spec.multiply_adds / 1e9, 3) == 3.858
    assert "1512.03385" in spec.source


def test_counting_without_values_counts_what_is_computed() -> None:
    with shapes_only():
        empty = build("cifar_resnet8", shortcut="B")
    real = build("cifar_resnet8", shortcut="B").train()
    before = {k: v.clone() for k, v in real.state_dict().items()}
    assert layers(real, 32) == layers(empty, 32)
    assert real.training
    assert all(torch.equal(before[k], v) for k, v in real.state_dict().items())
    assert next(empty.parameters()).is_meta


# ------------------------------------------------------------------------------------------------------------
# Strides, pooling, shortcuts


def strided(model: nn.Module) -> set[str]:
    convolutions = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d)]
    return {name for name, module in convolutions if module.stride != (1, 1)}


@pytest.mark.parametrize(
    ("name", "where"),
    [("resnet34", "conv1"), ("resnet50", "conv1"), ("resnet152", "conv1"), ("resnet50_v1_5", "conv2")],
)
def test_strides(name: str, where: str) -> None:
    stages = ("layer2", "layer3", "layer4")
    expected = {"conv1"} | {f"{s}.0.{where}" for s in stages} | {f"{s}.0.downsample.0" for s in stages}
    assert strided(net(name)) == expected


def test_strides_of_the_cifar_nets() -> None:
    assert strided(net("cifar_resnet20")) == {"layer2.0.conv1", "layer3.0.conv1"}


def test_maps_have_the_sizes_of_table_1() -> None:
    sizes = {r.name: r.output_size for r in table("resnet50")}
    assert sizes["conv1"] == (112, 112)
    assert sizes["maxpool"] == (56, 56)
    last = {f"layer{i}": sizes[f"layer{i}.2.conv3"] for i in range(1, 5)}
    assert last == {"layer1": (56, 56), "layer2": (28, 28), "layer3": (14, 14), "layer4": (7, 7)}


def test_max_pooling_pads_or_hangs_over_the_edge() -> None:
    ours = build("resnet18").get_submodule("maxpool")
    release = build("resnet18", ceil_mode=True).get_submodule("maxpool")
    x = torch.arange(112.0 * 112).reshape(1, 1, 112, 112)
    assert ours(x).shape == release(x).shape == (1, 1, 56, 56)
    # the first window ends at pixel 1 (padded) or at pixel 2; the last one begins at 109 + 1 or at 110
    assert ours(x)[0, 0, 0, 0] == x[0, 0, 1, 1]
    assert release(x)[0, 0, 0, 0] == x[0, 0, 2, 2]
    assert ours(-x)[0, 0, -1, -1] == -x[0, 0, 109, 109]
    assert release(-x)[0, 0, -1, -1] == -x[0, 0, 110, 110]


def test_zero_padding_takes_every_second_pixel_and_adds_empty_channels() -> None:
    x = torch.randn(2, 4, 7, 6)
    end = ZeroPad(4, 10, 2)(x)
    both = ZeroPad(4, 10, 2, "both")(x)
    assert end.shape == both.shape == (2, 10, 4, 3)
    assert torch.equal(end[:, :4], x[:, :, ::2, ::2])
    assert torch.equal(both[:, 3:7], x[:, :, ::2, ::2])
    assert end[:, 4:].abs().sum() == both[:, :3].abs().sum() == both[:, 7:].abs().sum() == 0


def test_zero_padding_may_average_instead() -> None:
    """As the code of stochastic depth; at an odd edge, what is there is averaged."""
    x = torch.randn(2, 4, 7, 6)
    mean = ZeroPad(4, 10, 2, subsample="mean")(x)
    assert mean.shape == (2, 10, 4, 3)
    pairs = (x[..., ::2] + x[..., 1::2]) / 2
    # Means near 0 are sums that nearly cancel: their error is that of the numbers they are made of.
    torch.testing.assert_close(mean[:, :4, :3], (pairs[:, :, :6:2] + pairs[:, :, 1::2]) / 2, rtol=0, atol=1e-6)
    torch.testing.assert_close(mean[:, :4, 3], pairs[:, :, 6], rtol=0, atol=1e-6)
    assert mean[:, 4:].abs().sum() == 0
    assert torch.equal(ZeroPad(4, 10, 1, subsample="mean")(x), ZeroPad(4, 10, 1)(x))


@pytest.mark.parametrize("name", ["cifar_resnet20", "resnet50"])
def test_a_silent_branch_leaves_the_shortcut(name: str) -> None:
    model = build(name).eval()
    block = model.get_submodule("layer2.1")
    last = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)][-1]
    nn.init.zeros_(last.weight)
    x = torch.randn(2, last.num_features, 5, 5)
    assert torch.equal(block(x.clone()), x.relu())
    cast(Any, block).join = no_shortcut
    assert block(x).abs().max() == 0


def test_a_block_adds_before_its_last_relu() -> None:
    torch.manual_seed(0)
    block = Basic(8, 8, 8, 1, nn.Identity()).eval()
    x = torch.randn(2, 8, 6, 6)
    branch = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
    assert torch.allclose(block(x), torch.relu(branch + x), atol=1e-6)


# ------------------------------------------------------------------------------------------------------------
# Initialisation


def weight(model: nn.Module, name: str) -> torch.Tensor:
    return model.get_parameter(f"{name}.weight")


def drawn() -> Iterator[tuple[torch.Tensor, float]]:
    torch.manual_seed(0)
    basic, bottleneck, cifar = build("resnet18"), build("resnet50"), build("cifar_resnet20")
    yield weight(basic, "conv1"), 0.1166  # 7x7, 3 -> 64
    yield weight(basic, "layer1.0.conv1"), 0.0589  # 3x3, 64 -> 64
    yield weight(basic, "layer2.0.conv1"), 0.0589  # 3x3, 64 -> 128: fan-in
    yield weight(bottleneck, "layer1.1.conv1"), 0.0884  # 1x1, 256 -> 64
    yield weight(bottleneck, "layer1.0.conv3"), 0.1768  # 1x1, 64 -> 256
    yield weight(bottleneck, "layer1.0.downsample.0"), 0.1768
    yield weight(cifar, "conv1"), 0.2722  # 3x3, 3 -> 16
    yield weight(basic, "fc"), math.sqrt(2 / 512)


def test_initialisation_is_he_fan_in_normal() -> None:
    for values, std in drawn():
        n = values.numel()
        assert values.std().item() == pytest.approx(std, rel=4 / math.sqrt(2 * n) + 1e-3)
        assert abs(values.mean().item()) < 4 * std / math.sqrt(n)
        inside = (values.abs() < std).float().mean().item()  # a uniform one of this std has 0.577
        assert inside == pytest.approx(0.6827, abs=4 * 0.466 / math.sqrt(n))


GATED = ("exclusive_gating", "shortcut_gating", "highway")


@pytest.mark.parametrize("kind", SMALL)
def test_every_kind_of_network_is_drawn_so(kind: str) -> None:
    """Layer by layer, and biases are zero; of gates they are negative, the same for all."""
    torch.manual_seed(0)
    model, drawn = SMALL[kind](), []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            drawn.append((layer.weight.detach() * math.sqrt(layer.weight[0].numel() / 2)).flatten())
            n = drawn[-1].numel()
            assert drawn[-1].std().item() == pytest.approx(1, abs=5 / math.sqrt(2 * n) + 1e-3)
            biases = set() if layer.bias is None else set(layer.bias.tolist())
            assert biases <= {0.0} or (kind in GATED and len(biases) == 1 and biases.pop() < 0)
    values = torch.cat(drawn)
    inside = (values.abs() < 1).float().mean().item()
    assert inside == pytest.approx(0.6827, abs=5 * 0.466 / math.sqrt(values.numel()))


def test_the_rest_of_the_initialisation() -> None:
    model = build("cifar_resnet20", shortcut="B")
    assert all((m.weight == 1).all() and (m.bias == 0).all() for m in model.modules() if type(m) is nn.BatchNorm2d)
    assert (model.get_parameter("fc.bias") == 0).all()
    assert all(m.bias is None for m in model.modules() if isinstance(m, nn.Conv2d))


# ------------------------------------------------------------------------------------------------------------
# Forward


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("name", "changes", "height", "width"),
    [
        ("cifar_resnet20", {}, 33, 47),
        ("cifar_resnet8", {"shortcut": "B"}, 9, 31),
        ("cifar_plain20", {}, 32, 32),
        ("resnet18", {}, 65, 97),
        ("resnet18", {"shortcut": "A", "ceil_mode": True}, 71, 64),
        ("resnet50", {"stride_in": "3x3"}, 67, 64),
    ],
)
def test_odd_sizes_forward_and_backward(
    name: str, changes: dict[str, Any], height: int, width: int, training: bool
) -> None:
    model = build(name, num_classes=5, **changes).train(training)
    logits = model(torch.randn(2, 3, height, width))
    assert logits.shape == (2, 5)
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_change_of_stride_changes_the_network() -> None:
    first, second = build("resnet50").eval(), build("resnet50", stride_in="3x3").eval()
    second.load_state_dict(first.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(first(x), second(x))


# ------------------------------------------------------------------------------------------------------------
# Names and changes


def test_contract_of_the_names() -> None:
    names = set(list_models())
    assert {f"resnet{d}" for d in (18, 34, 50, 101, 152)} <= names
    assert {"resnet18_a", "resnet34_a", "resnet34_c", "plain18", "plain34"} <= names
    assert {f"resnet{d}_v1_5" for d in (50, 101, 152)} <= names
    assert {f"cifar_resnet{d}" for d in (20, 32, 44, 56, 110, 1202)} <= names
    assert {f"cifar_plain{d}" for d in (20, 32, 44, 56, 110)} <= names


def test_contract_of_the_cifar_parameter_names() -> None:
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "fc.weight", "fc.bias"} | {f"bn1.{k}" for k in norm}
    for block in (f"layer{s}.{i}" for s in (1, 2, 3) for i in range(3)):
        expected |= {f"{block}.conv{j}.weight" for j in (1, 2)} | {f"{block}.bn{j}.{k}" for j in (1, 2) for k in norm}
    assert set(skeleton("cifar_resnet20").state_dict()) == expected


def test_any_depth_6n_plus_2_can_follow_a_family() -> None:
    assert model_spec("cifar_resnet8").layers == 8
    assert model_spec("cifar_plain26").layers == 26
    assert row("cifar_resnet8").arguments == {"shortcut": "A"}
    assert row("cifar_plain26").arguments == {"shortcut": None}


@pytest.mark.parametrize(
    "name",
    ["cifar_resnet21", "cifar_resnet22", "cifar_resnet2", "cifar_resnet020", "cifar_resnet", "resnet8", "resnet", ""],
)
def test_unknown_names(name: str) -> None:
    with pytest.raises(ValueError, match="no network is called") as error:
        row(name)
    assert repr(name) in str(error.value)


def test_a_name_nearly_right_is_answered_with_its_neighbours() -> None:
    with pytest.raises(ValueError, match=r"near it are .*resnet50"):
        row("resnet51")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"depth": 3}, "resnet18 has no depth; it can change shortcut, zeros, ceil_mode"),
        ({"stride_in": "3x3"}, "resnet18 has no stride_in"),
        ({"shortcut": "D"}, "shortcut is 'D', allowed are 'A', 'B', 'C' and None"),
        ({"zeros": "middle"}, "zeros is 'middle', allowed are 'end' and 'both'"),
        ({"ceil_mode": "yes"}, "ceil_mode is 'yes', allowed are True and False"),
        ({"num_classes": 0}, "num_classes is 0, allowed is 1 or more"),
    ],
)
def test_changes_that_are_not_allowed(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        skeleton("resnet18", **changes)


def test_stride_in_is_checked() -> None:
    with pytest.raises(ValueError, match="stride_in is '5x5', allowed are '1x1' and '3x3'"):
        skeleton("resnet50", stride_in="5x5")


def test_arguments_say_what_a_network_is() -> None:
    assert arguments("resnet50_v1_5") == arguments("resnet50", stride_in="3x3")
    assert arguments("resnet50_v1_5") != arguments("resnet50")
    assert arguments("cifar_plain20") == {
        **{"shortcut": None, "zeros": "end", "subsample": "stride"},
        **{"drop_path": 0.0, "drop_decay": "linear", "drop_per": "batch", "eps": 1e-5},
    }
