"""Every network of the catalogue against printed integers and closed forms, and a small one of every kind in use."""

import copy
import hashlib
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from family import DRAWING, SMALL, count, images, net, settled, table, unchecked
from torch import nn
from torchvision.models import get_model_weights

from resnets.models.catalog import arguments, build, list_models, model_spec, row, skeleton
from resnets.models.factory import create_model
from resnets.models.layers import shapes_only
from resnets.models.layouts import TORCHVISION, Weights
from resnets.models.rows import ROWS
from resnets.models.stochastic_depth import StochasticDepth
from resnets.models.weights import read_weights, write_weights


def first_of_its_kind() -> list[str]:
    """Of the networks that differ in nothing but sizes the first, which is the smallest or nearly so."""
    kinds: dict[Any, str] = {}
    for name, entry in ROWS.items():
        choices = {key: value for key, value in entry.arguments.items() if value is None or type(value) in (str, bool)}
        kinds.setdefault((entry.builder, *sorted(choices.items())), name)
    return list(kinds.values())


KINDS = first_of_its_kind()
CATALOGUE = [pytest.param(name, marks=() if name in KINDS else pytest.mark.slow) for name in list_models()]

# ------------------------------------------------------------------------------------------------------------
# Counts

PARAMETERS = {
    # "Identity Mappings", Tables 1 to 3, counted by hand
    "cifar_preact_resnet110": 1_727_962,
    "cifar_preact_resnet164": 1_703_258,
    "cifar_preact_resnet1001": 10_327_706,
    # "Wide Residual Networks", Tables 4, 5 and 8, counted by hand
    "cifar_wrn_16_8": 10_961_370,
    "cifar_wrn_16_10": 17_116_634,
    "cifar_wrn_22_8": 17_158_106,
    "cifar_wrn_22_10": 26_797_914,
    "cifar_wrn_28_10": 36_479_194,
    "cifar_wrn_28_12": 52_517_850,
    "cifar_wrn_40_1": 563_930,
    "cifar_wrn_40_2": 2_243_546,
    "cifar_wrn_40_4": 8_949_210,
    "cifar_wrn_40_8": 35_748_314,
    "cifar_wrn_58_4": 13_599_450,
    "wide_resnet50_2": 68_883_240,
    # "Aggregated Residual Transformations", Tables 1 to 7
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x4d": 44_177_704,
    "resnext101_64x4d": 83_455_272,
    "cifar_resnext29_8x64d": 34_426_698,
    "cifar_resnext29_16x64d": 68_155_210,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}


@pytest.mark.parametrize(("name", "params"), PARAMETERS.items())
def test_parameters(name: str, params: int) -> None:
    assert count(net(name)) == params


@pytest.mark.parametrize(
    ("name", "printed", "digits"),
    [
        ("cifar_wrn_40_2_b131", 1.4, 1),
        ("cifar_wrn_40_2_b31", 1.2, 1),
        ("cifar_wrn_40_2_b13", 1.3, 1),
        ("cifar_wrn_40_2_b311", 1.3, 1),
        ("cifar_wrn_28_2_b33", 1.5, 1),
        ("cifar_wrn_22_2_b313", 1.1, 1),
        *((f"cifar_wrn_40_2_l{convs}", 2.2, 1) for convs in (1, 3, 4)),
        ("preact_resnet200", 64.67, 2),
        ("resnext101_2x64d", 84.2, 1),
        ("cifar_highway19", 2.3, 1),
        ("cifar_resnet164", 1.7, 1),
        ("cifar_resnet110_sd", 1.7, 1),
    ],
)
def test_parameters_as_printed(name: str, printed: float, digits: int) -> None:
    """In millions, as the papers round them."""
    assert round(count(net(name)) / 1e6, digits) == printed


def test_highway_of_32_layers_has_the_parameters_of_the_paper() -> None:
    assert count(net("cifar_highway32")) / 1e6 == pytest.approx(1.25, abs=0.01)


@pytest.mark.parametrize(("ours", "theirs"), TORCHVISION.items())
def test_counts_that_torchvision_publishes(ours: str, theirs: str) -> None:
    published: Any = get_model_weights(theirs)["IMAGENET1K_V1"].value.meta
    assert count(net(ours)) == published["num_params"]
    assert round(sum(layer.multiply_adds for layer in table(ours)) / 1e9, 3) == published["_ops"]


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("wide_resnet50_2", 11.40),
        ("resnext50_32x4d", 4.23),
        ("resnext101_32x4d", 7.97),
        ("resnext101_64x4d", 15.46),
        ("vgg16", 15.47),
        ("vgg19", 19.63),
    ],
)
def test_multiply_adds(name: str, work: float) -> None:
    assert round(sum(layer.multiply_adds for layer in table(name)) / 1e9, 2) == work


def convolution(kernel: int, *channels: int) -> int:
    """Weights of a chain of equal convolutions through `channels`, BN after each."""
    return sum(kernel**2 * a * b + 2 * b for a, b in pairwise(channels))


def test_the_counts_that_no_paper_prints() -> None:
    net110 = 1_727_962
    # A gate of Table 1 is a 1x1 convolution with bias for each unit, the opening ones from half the channels.
    gates = sum(17 * (w * w + w) for w in (16, 32, 64)) + (16 * 16 + 16) + (16 * 32 + 32) + (32 * 64 + 64)
    assert count(net("cifar_resnet110_exclusive_gating")) == net110 + gates
    assert count(net("cifar_resnet110_shortcut_gating")) == net110 + gates
    projections = sum(17 * convolution(1, w, w) for w in (16, 32, 64)) + convolution(1, 16, 16, 32, 64)
    assert count(net("cifar_resnet110_conv")) == net110 + projections
    # Two streams of 48, 96 and 192 filters: 4, 6 and 6 layers after the first.
    streams = convolution(3, 3, *[96] * 5, *[192] * 6, *[384] * 6)
    assert count(net("cifar_rir18_wide")) == streams + 384 * 10 + 10
    # Root and middle shortcuts: 16 to 16, 32 and 64, and 16 to 64; with BN, or without where units are pre-activated.
    assert count(net("cifar_ror3_110")) == net110 + convolution(1, 16, 16, 32, 64) + convolution(1, 16, 64)
    wide = 16 * 64 + 64 * 128 + 128 * 256 + 16 * 256
    assert count(net("cifar_ror3_wrn_58_4")) == 13_599_450 + wide
    bottlenecks = 16 * 64 + 64 * 128 + 128 * 256 + 16 * 256
    assert count(net("cifar_preror3_164")) == 1_703_258 + bottlenecks
    # Original units have as many of BN's as pre-activated ones, but that it follows their projections too.
    assert count(net("cifar_resnet164")) == 1_703_258 + 2 * (64 + 128 + 256)


def test_a_plain_net_has_fewer_parameters_by_its_projections() -> None:
    projections = convolution(1, 64, 256) + convolution(1, 256, 512, 1024, 2048)
    assert count(net("plain50")) == count(net("resnet50")) - projections
    assert count(net("plainnext50_32x4d")) == count(net("resnext50_32x4d")) - projections


@pytest.mark.parametrize("cardinality", [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)])
def test_a_units_parameters_are_those_of_table_2(cardinality: tuple[int, int]) -> None:
    """C (256 d + 3 * 3 d d + d 256), about 70k for every pair."""
    c, d = cardinality
    unit = skeleton("resnext50_32x4d", cardinality=c, base_width=d).get_submodule("layer1.1")
    weights = sum(p.numel() for p in unit.parameters() if p.dim() == 4)
    assert weights == c * (256 * d + 9 * d * d + 256 * d)
    assert weights == pytest.approx(70e3, rel=0.04)


# ------------------------------------------------------------------------------------------------------------
# Names and shapes

STORED = Path(__file__).with_name("parameter_names.json")


def names(name: str) -> list[str]:
    """The network's state dict, name and shape by name and shape, in its order."""
    return [f"{key} {'x'.join(map(str, value.shape))}".strip() for key, value in net(name).state_dict().items()]


def one_a_builder() -> list[str]:
    """The network with the fewest tensors of each builder."""
    chosen: dict[Any, str] = {}
    for name, entry in ROWS.items():
        if entry.builder not in chosen or len(names(name)) < len(names(chosen[entry.builder])):
            chosen[entry.builder] = name
    return sorted(chosen.values())


def stored_names() -> dict[str, Any]:
    digests = {name: hashlib.sha256("\n".join(names(name)).encode()).hexdigest()[:16] for name in list_models()}
    return {"names": {name: names(name) for name in one_a_builder()}, "digests": digests}


@pytest.mark.parametrize("name", CATALOGUE)
def test_parameter_names(name: str) -> None:
    """Files of weights depend on them. After a change that is meant: python tests/test_family.py."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert stored["names"].get(name, names(name)) == names(name)
    assert stored["digests"][name] == hashlib.sha256("\n".join(names(name)).encode()).hexdigest()[:16]


def test_names_are_stored_for_every_network_and_no_other() -> None:
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert list(stored["digests"]) == list_models()
    assert {row(name).builder for name in stored["names"]} == {entry.builder for entry in ROWS.values()}


def test_the_contract_of_the_names() -> None:
    expected = [f"preact_resnet{d}" for d in (18, 34, 50, 101, 152, 200)]
    expected += ["wide_resnet50_2", "wide_resnet101_2", "vgg16", "vgg19"]
    expected += [f"resnext{d}" for d in ("50_32x4d", "101_32x4d", "101_32x8d", "101_64x4d")]
    expected += [f"cifar_preact_resnet{d}" for d in (110, 164, 1001)]
    expected += ["cifar_resnet110_sd", "cifar_resnet1202_sd"]
    expected += [f"cifar_wrn_{size}" for size in ("16_8", "22_8", "28_10", "40_4")]
    expected += ["cifar_resnext29_8x64d", "cifar_resnext29_16x64d", "cifar_rir18_wide"]
    expected += ["cifar_ror3_110", "cifar_ror3_164", "cifar_ror3_wrn_58_4", "cifar_highway19", "cifar_highway32"]
    assert set(expected) <= set(list_models())


@pytest.mark.parametrize("name", CATALOGUE)
def test_maps_and_logits(name: str) -> None:
    side, model = row(name).input_size, net(name)
    with shapes_only():
        maps = model.forward_features(torch.zeros(2, 3, side, side))  # pyright: ignore[reportCallIssue]
    expected = {"stem": 1, "stage1": 1, "stage2": 2, "stage3": 4}
    if side == 224:
        expected = {"stem": 4, "stage1": 4, "stage2": 8, "stage3": 16, "stage4": 32}
    if name.startswith("vgg"):
        expected = {"stage1": 1, "stage2": 2, "stage3": 4, "stage4": 8, "stage5": 16, "pool5": 32}
    if name.startswith("cifar_highway"):
        del expected["stem"]
    assert {key: tuple(value.shape[2:]) for key, value in maps.items()} == {
        key: (side // stride, side // stride) for key, stride in expected.items()
    }
    last = table(name)[-1]
    assert (last.kind, last.out_channels) == ("fc", row(name).num_classes)


@pytest.mark.parametrize(
    ("name", "layers", "like"),
    [
        ("cifar_wrn_16_2", 16, {"kernels": (3, 3), "n": None}),
        ("cifar_wrn_58_4", 58, {}),
        ("cifar_resnext29_4x16d", 29, {"cardinality": 4, "base_width": 16}),
        ("cifar_preact_resnet20", 20, {"bottlenecks": False, "shortcut": "A"}),
        ("cifar_preact_resnet29", 29, {"bottlenecks": True, "shortcut": "B"}),
        ("cifar_resnet26", 26, {"shortcut": "A"}),
        ("cifar_plain14", 14, {"shortcut": None}),
    ],
)
def test_sizes_outside_the_table(name: str, layers: int, like: dict[str, Any]) -> None:
    assert name not in list_models()
    assert model_spec(name).layers == layers
    assert arguments(name).items() >= like.items()


@pytest.mark.parametrize(
    "inside", ["cifar_wrn_28_10", "cifar_resnext29_8x64d", "cifar_preact_resnet110", "cifar_resnet110"]
)
def test_a_size_in_the_table_is_the_row(inside: str) -> None:
    assert row(inside) is ROWS[inside]


@pytest.mark.parametrize(
    "name",
    [
        *("cifar_wrn_16", "cifar_wrn_15_2", "cifar_wrn_4_2", "cifar_wrn_16_0", "cifar_wrn_016_2", "wrn_16_2"),
        *("cifar_resnext29_0x4d", "cifar_resnext29_4x0d", "cifar_resnext28_4x16d", "cifar_resnext29_4x16"),
        *("cifar_preact_resnet21", "cifar_preact_resnet2", "cifar_preact_resnet", "cifar_resnet110_gating"),
        *("vgg13", "resnext50_32x4", "preact_resnet201", "cifar_ror3_20", "cifar_highway20", "cifar_resnet20_sd"),
    ],
)
def test_names_of_no_network(name: str) -> None:
    with pytest.raises(ValueError, match=f"no network is called '{name}'; near it are ") as error:
        row(name)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------------------------------------------------
# Changes


@pytest.mark.parametrize(
    ("name", "changes", "what"),
    [
        ("cifar_wrn_16_8", {"kernels": 3}, "kernels is 3, allowed are several whole numbers"),
        ("cifar_wrn_16_8", {"kernels": (3, "a")}, r"kernels is \(3, 'a'\), allowed are several whole numbers"),
        ("cifar_wrn_16_8", {"kernels": ()}, r"kernels is \(\), allowed are odd sides"),
        ("cifar_wrn_16_8", {"kernels": (3, 2)}, r"kernels is \(3, 2\), allowed are odd sides"),
        ("cifar_wrn_16_8", {"kernels": (3, 3, 3)}, r"depth is 16, allowed are 9N\+4"),
        ("cifar_wrn_16_8", {"n": 0}, "n is 0, allowed is 1 or more"),
        ("cifar_wrn_16_8", {"n": 1.5}, "n is 1.5, allowed is a whole number or None"),
        ("cifar_wrn_16_8", {"dropout": 1.0}, "dropout is 1.0, allowed is 0 to under 1"),
        ("cifar_wrn_16_8", {"dropout": "a"}, "dropout is 'a', allowed is a number"),
        ("wide_resnet50_2", {"widening": 0}, "widening is 0, allowed is 1 or more"),
        ("wide_resnet50_2", {"widening": 1.5}, "widening is 1.5, allowed is a whole number"),
        ("resnext50_32x4d", {"cardinality": 0}, "cardinality and base_width are 0 and 4"),
        ("resnext50_32x4d", {"form": "b"}, "form is 'b', allowed are 'sum', 'concatenate', 'grouped'"),
        ("resnext50_32x4d", {"form": "sum", "stride_in": "1x1"}, "stride_in is '1x1', form 'sum' allows '3x3'"),
        ("preact_resnet50", {"order": "fll"}, "order is 'fll', allowed are 'original', 'bn_after_addition'"),
        ("preact_resnet50", {"stride_in": "5x5"}, "stride_in is '5x5'"),
        ("preact_resnet50", {"bottlenecks": 1}, "bottlenecks is 1, allowed are True and False"),
        ("cifar_preact_resnet110", {"bottlenecks": True, "shortcut": "B", "zeros": "x"}, r"allowed are 9n\+2|zeros is"),
        ("cifar_resnet110_dropout", {"manipulation": "maxout"}, "manipulation is 'maxout', allowed are scaling"),
        ("cifar_resnet110_dropout", {"dropout": 1.5}, "dropout is 1.5, allowed is 0 to under 1"),
        ("cifar_resnet110_sd", {"subsample": "max"}, "subsample is 'max', allowed are 'stride' and 'mean'"),
        ("cifar_rir18_wide", {"form": "sum"}, "form is 'sum', allowed are 'streams', 'resnet_init'"),
        ("cifar_ror3_110", {"levels": 4}, "levels is 4, allowed are 1, 2 and 3"),
        ("cifar_ror3_110", {"over": "vgg"}, "over is 'vgg', allowed are 'resnet', 'preact' and 'wide'"),
        ("cifar_ror3_wrn_40_2", {"bottlenecks": True}, "bottlenecks is True, over 'wide' allowed is False"),
        ("cifar_highway19", {"gate_bias": "shut"}, "gate_bias is 'shut', allowed is a number or None"),
        ("cifar_highway19", {"shortcut": "B"}, "cifar_highway19 has no shortcut; it can change gate_bias, drop_path"),
        ("vgg16", {"dropout": -0.5}, "dropout is -0.5, allowed is 0 to under 1"),
    ],
)
def test_changes_that_are_not_allowed(name: str, changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what) as error:
        skeleton(name, **changes)
    assert "\n" not in str(error.value)


def test_arguments_are_those_of_builder_row_and_changes() -> None:
    assert arguments("cifar_wrn_16_8", kernels=[1, 3, 1], drop_path=0.2) == {
        **{"kernels": (1, 3, 1), "n": None, "dropout": 0.0, "shortcut": "B", "zeros": "end"},
        **{"drop_path": 0.2, "drop_decay": "linear", "drop_per": "batch", "eps": 1e-5},
    }
    assert arguments("cifar_resnet110_sd")["drop_path"] == 0.5
    assert arguments("cifar_highway19", gate_bias=None)["gate_bias"] is None


# ------------------------------------------------------------------------------------------------------------
# A small network of every kind, in use

KINDS = pytest.mark.parametrize("kind", SMALL)


def made(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return SMALL[kind]()


@KINDS
def test_gradients_reach_every_parameter_at_odd_sizes(kind: str) -> None:
    model = made(kind)
    for module in model.modules():
        if isinstance(module, StochasticDepth):
            module.survival = 1.0  # nothing is left out
    logits = model(images(kind, 33, 47))
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    without = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    still = [key for key, p in model.named_parameters() if p.grad is not None and not p.grad.any()]
    assert (without, still) == ([], [])


@KINDS
def test_float32_is_float64_rounded_and_channels_last_is_contiguous(kind: str) -> None:
    model = settled(made(kind))
    x = images(kind).double()
    with torch.no_grad():
        exact = model(x)
        single = copy.deepcopy(model).float()(x.float())
        last = model.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    size = exact.abs().max()
    assert exact.std() > 1e-3 * size, "logits that depend on nothing prove nothing"
    assert (single - exact).abs().max() < 1e-4 * size
    assert (last - exact).abs().max() < 1e-12 * size


@KINDS
def test_an_image_is_judged_by_itself(kind: str) -> None:
    model = settled(made(kind))
    x = images(kind, count=3).double()
    with torch.no_grad():
        together, alone = model(x), torch.cat([model(image[None]) for image in x])
    assert torch.allclose(together, alone, rtol=1e-10, atol=1e-10)
    assert torch.equal(model(x), together), "evaluation changes nothing"


@KINDS
def test_a_copy_is_equal_and_separate(kind: str) -> None:
    model = settled(made(kind))
    twin, x = copy.deepcopy(model), images(kind).double()
    with torch.no_grad():
        before = model(x)
        assert torch.equal(twin(x), before)
        for p in twin.parameters():
            p.zero_()
        for buffer in twin.buffers():
            buffer.zero_()
        assert torch.equal(model(x), before)
        assert not torch.equal(twin(x), before)
        assert twin(x).abs().max() == 0


@KINDS
def test_training_repeats_itself_with_the_seed(kind: str) -> None:
    """The same draws make the same gradients; only some kinds draw."""

    model, x = made(kind), images(kind, 16, 16, count=8)

    def gradient(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        (found,) = torch.autograd.grad(model(x).square().sum(), next(model.parameters()))
        return found

    first = gradient(1)
    assert torch.equal(first, gradient(1))
    assert torch.equal(first, gradient(2)) == (kind not in DRAWING)


# ------------------------------------------------------------------------------------------------------------
# Weights


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("cifar_preact_resnet11", {"drop_path": 0.3}),
        ("cifar_wrn_10_1", {"kernels": (1, 3, 1), "n": 2, "dropout": 0.1}),
        ("cifar_resnext29_2x4d", {"form": "concatenate"}),
        ("cifar_rir18_wide", {"form": "resnet_init"}),
        ("cifar_ror3_wrn_40_2", {"levels": 2}),
        ("cifar_highway19", {"gate_bias": None}),
        ("cifar_resnet110_exclusive_gating", {"gate_bias": -7.0}),
    ],
)
def test_weights_are_written_and_read(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    made = create_model(name, 3, **changes)
    weights = Weights(made.state_dict(), name, changes, 3, None, None, None, "made in a test")
    write_weights(tmp_path / "w.safetensors", weights)
    read = read_weights(tmp_path / "w.safetensors")
    again: Any = create_model(name, weights=read, **changes)
    assert again.changes == changes
    assert list(again.state_dict()) == list(made.state_dict())
    assert all(torch.equal(value, made.state_dict()[key]) for key, value in again.state_dict().items())


def test_a_regulariser_may_be_added_to_weights() -> None:
    state = build("resnet18", 3).state_dict()
    weights = Weights(state, "resnet18", {}, 3, None, None, None, "made in a test")
    model: Any = create_model("resnet18", weights=weights, drop_path=0.2, drop_per="sample")
    assert model.changes == {"drop_path": 0.2, "drop_per": "sample"}
    rates = [unit.survival for unit in model.modules() if isinstance(unit, StochasticDepth)]
    assert rates == pytest.approx([1 - 0.2 * unit / 8 for unit in range(1, 9)])
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    wide = Weights(build("cifar_wrn_10_1").state_dict(), "cifar_wrn_10_1", {}, 10, None, None, None, "made in a test")
    dropped: Any = create_model("cifar_wrn_10_1", weights=wide, dropout=0.3)
    assert dropped.changes == {"dropout": 0.3}
    with pytest.raises(ValueError, match="weights of resnet18 are not weights of resnet18 with shortcut='C'"):
        create_model("resnet18", weights=weights, shortcut="C")
    with pytest.raises(ValueError, match="weights of resnet18 are not weights of preact_resnet18"):
        create_model("preact_resnet18", weights=weights)


# ------------------------------------------------------------------------------------------------------------
# The whole catalogue, with values: many minutes


def shown(name: str) -> torch.Tensor:
    """Small images; VGG's maps are averaged to what its classifier takes."""
    return torch.randn(2, 3, 33, 35) if row(name).input_size == 32 else torch.randn(2, 3, 65, 67)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_every_network_trains_and_predicts(name: str) -> None:
    torch.manual_seed(0)
    model, x = build(name, 5, drop_path=0.0), shown(name)
    model(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())
    settled(model)
    with torch.no_grad():
        exact = model(x.double())
        last = model.to(memory_format=torch.channels_last)(x.double())
        assert (last - exact).abs().max() < 1e-9 * exact.abs().max()
        single = model.float()(x)
    assert (single - exact).abs().max() < 1e-2 * exact.abs().max()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in list_models() if "1001" not in name and "1202" not in name])
def test_every_network_is_exported_and_compiled(name: str) -> None:
    torch.manual_seed(0)
    torch.compiler.reset()
    model, x = settled(build(name, 5)), shown(name).double()
    exported = torch.export.export(model, (x,)).module()
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad(), unchecked():
        expected = model(x)
        assert torch.equal(exported(x), expected)
        assert torch.equal(compiled(x), expected)


if __name__ == "__main__":
    STORED.write_text(json.dumps(stored_names(), indent=1) + "\n", encoding="utf-8")
    print(f"{STORED}: written", file=sys.stderr)
