"""What is traced of a unit is what its code computes: by hand for units of the papers, and when the code changes."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.models.blocks import Basic, Bottleneck, Unit, add, conv3x3, nothing, relu_, shortcuts
from resnets.models.catalog import skeleton
from resnets.models.highway import HighwayLayer
from resnets.models.preact import PreActUnit
from resnets.models.resnext import aggregated
from resnets.models.rir import RiRUnit
from resnets.models.ror import cifar_ror
from resnets.models.stochastic_depth import units
from resnets.report.unit_graph import unit_graph


def read(unit: nn.Module, folded: bool = False) -> list[str]:
    """A line for each operation: its text, and what it reads."""
    nodes = unit_graph(unit, folded=folded)
    return [
        f"{number} {node.text.replace(chr(10), ' / ')} < {' '.join(map(str, node.inputs))}".removesuffix(" < ")
        for number, node in enumerate(nodes)
    ]


def of(network: str, number: int) -> Unit:
    return list(units(skeleton(network)))[number]


# ---------------------------------------------------------------------------------------------------------------
# Units of the papers, by hand


def test_full_pre_activation() -> None:
    assert read(PreActUnit(16, (3, 3), (16, 16), 1, nn.Identity())) == [
        "0 16 channels",
        "1 BN < 0",
        "2 ReLU < 1",
        "3 3×3 conv, 16 < 2",
        "4 BN < 3",
        "5 ReLU < 4",
        "6 3×3 conv, 16 < 5",
        "7 + < 6 0",
        "8 16 channels < 7",
    ]


def test_a_projecting_unit_parts_after_its_activation() -> None:
    shortcut = shortcuts("B", norm=False)(64, 128, 2)
    assert read(PreActUnit(64, (1, 3, 1), (32, 32, 128), 2, shortcut)) == [
        "0 64 channels",
        "1 BN < 0",
        "2 ReLU < 1",
        "3 1×1 conv, 32, /2 < 2",
        "4 BN < 3",
        "5 ReLU < 4",
        "6 3×3 conv, 32 < 5",
        "7 BN < 6",
        "8 ReLU < 7",
        "9 1×1 conv, 128 < 8",
        "10 1×1 conv, 128, /2 < 2",
        "11 + < 9 10",
        "12 128 channels < 11",
    ]


@pytest.mark.parametrize(
    ("order", "steps"),
    [
        ("original", "conv BN ReLU conv BN + ReLU"),
        ("bn_after_addition", "conv BN ReLU conv + BN ReLU"),
        ("relu_before_addition", "conv BN ReLU conv BN ReLU +"),
        ("relu_only", "ReLU conv BN ReLU conv BN +"),
        ("full", "BN ReLU conv BN ReLU conv +"),
    ],
)
def test_the_five_orders_of_activation(order: str, steps: str) -> None:
    nodes = unit_graph(PreActUnit(16, (3, 3), (16, 16), 1, nn.Identity(), order))
    assert " ".join("+" if node.kind == "add" else node.kind for node in nodes[1:-1]) == steps
    (addition,) = (node for node in nodes if node.kind == "add")
    assert addition.inputs[1] == 0, "the shortcut comes from the input"


def test_the_shortcuts_of_option_a_and_b() -> None:
    assert read(Basic(16, 32, 32, 2, shortcuts("A")(16, 32, 2)))[6:9] == [
        "6 1 of 2×2 pixels < 0",
        "7 16 zero channels < 6",
        "8 + < 5 7",
    ]
    projecting = unit_graph(Bottleneck(64, 32, 128, 2, shortcuts("B")(64, 128, 2)))
    assert [(node.text, node.inputs, node.aside) for node in projecting[9:12]] == [
        ("1×1 conv, 128, /2", (0,), True),
        ("BN", (9,), True),
        ("+", (8, 10), False),
    ]
    assert [node.kind for node in unit_graph(of("cifar_plain20", 1))] == [
        "input", "conv", "BN", "ReLU", "conv", "BN", "ReLU", "output",
    ]  # fmt: skip


def test_a_highway_layer() -> None:
    assert read(HighwayLayer(32, 3, gate_bias=-2.0)) == [
        "0 32 channels",
        "1 3×3 conv, 32 < 0",
        "2 sigmoid < 1",
        "3 1 − < 2",
        "4 × < 3 0",
        "5 3×3 conv, 32 < 0",
        "6 ReLU < 5",
        "7 × < 2 6",
        "8 + < 4 7",
        "9 32 channels < 8",
    ]
    assert read(HighwayLayer(32, 3, gate_bias=None)) == [
        "0 32 channels", "1 3×3 conv, 32 < 0", "2 ReLU < 1", "3 32 channels < 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("manipulation", "joined"),
    [
        ("scaling", {"× 0.5": 2, "+": 1}),
        ("exclusive_gating", {"sigmoid": 1, "1 −": 1, "×": 2, "+": 1}),
        ("shortcut_gating", {"sigmoid": 1, "1 −": 1, "×": 1, "+": 1}),
        ("dropout", {"dropout 0.5": 1, "+": 1}),
        ("conv", {"1×1 conv, 16": 1, "+": 1}),
    ],
)
def test_what_else_the_shortcut_could_be(manipulation: str, joined: dict[str, int]) -> None:
    words = [node.text for node in unit_graph(of(f"cifar_resnet110_{manipulation}", 1))]
    assert {text: words.count(text) for text in joined} == joined


def test_stochastic_depth_multiplies_by_how_often_a_unit_is_there() -> None:
    scales = [
        [node.text for node in unit_graph(of("cifar_resnet110_sd", number)) if node.kind == "scale"]
        for number in (0, 26, -1)
    ]
    assert scales == [["× 0.991"], ["× 0.75"], ["× 0.5"]]


def resnext(form: str, cardinality: int, base_width: int = 4) -> Unit:
    return aggregated(cardinality, base_width, form, "3x3")(64, 64, 64, 1, nn.Identity())


def test_the_three_forms_of_resnext() -> None:
    path = "{} 1×1 conv, 4 < 0|{} BN < {}|{} ReLU < {}|{} 3×3 conv, 4 < {}|{} BN < {}|{} ReLU < {}"

    def paths(count: int) -> list[str]:
        found = []
        for first in range(1, 6 * count, 6):
            found += path.format(first, *(n for i in range(1, 6) for n in (first + i, first + i - 1))).split("|")
        return found

    assert read(resnext("sum", 2)) == [
        "0 64 channels",
        *paths(2),
        "13 1×1 conv, 64 < 6",
        "14 1×1 conv, 64 < 12",
        "15 + < 13 14",
        "16 BN < 15",
        "17 + < 16 0",
        "18 ReLU < 17",
        "19 64 channels < 18",
    ]
    assert read(resnext("concatenate", 2)) == [
        "0 64 channels",
        *paths(2),
        "13 concatenate: 8 < 6 12",
        "14 1×1 conv, 64 < 13",
        "15 BN < 14",
        "16 + < 15 0",
        "17 ReLU < 16",
        "18 64 channels < 17",
    ]
    assert read(resnext("grouped", 2))[4] == "4 3×3 conv, 8, 2 groups < 3"


@pytest.mark.parametrize(("form", "join"), [("sum", "+"), ("concatenate", "concatenate: 128")])
def test_of_many_alike_paths_two_are_kept(form: str, join: str) -> None:
    nodes = unit_graph(resnext(form, 32))
    (more,) = [number for number, node in enumerate(nodes) if node.kind == "more"]
    assert nodes[more].text == "• • •\n32 paths"
    assert nodes[more].inputs == (0,)
    (meeting,) = [node for node in nodes if len(node.inputs) == 3]
    assert meeting.text == join
    assert meeting.inputs[1] == more
    assert len(nodes) == {"sum": 21, "concatenate": 20}[form]


def test_resnet_in_resnet() -> None:
    assert read(RiRUnit(8, 16, 2, "streams", inner=True, outer=True)) == [
        "0 8 channels",
        "1 3×3 conv, 16, /2 < 0",
        "2 first 4 channels < 0",
        "3 1 of 2×2 pixels < 2",
        "4 12 zero channels < 3",
        "5 + < 1 4",
        "6 BN < 5",
        "7 ReLU < 6",
        "8 3×3 conv, 16 < 7",
        "9 first 8 channels < 7",
        "10 8 zero channels < 9",
        "11 + < 8 10",
        "12 BN < 11",
        "13 first 4 channels < 0",
        "14 1 of 2×2 pixels < 13",
        "15 12 zero channels < 14",
        "16 + < 12 15",
        "17 ReLU < 16",
        "18 16 channels < 17",
    ]
    init = read(RiRUnit(8, 8, 1, "resnet_init", inner=True, outer=False))
    assert init[1:4] == ["1 3×3 conv, 8 / weight + identity < 0", "2 BN < 1", "3 ReLU < 2"]


def test_the_three_levels_of_ror_folded() -> None:
    lines = read(cifar_ror(8, levels=3), folded=True)
    assert lines[:8] == [
        "0 3 channels",
        "1 3×3 conv, 16, BN, ReLU < 0",
        "2 3×3 conv, 16, BN, ReLU / 3×3 conv, 16, BN < 1",
        "3 + < 2 1",
        "4 1×1 conv, 16, BN < 1",
        "5 + < 3 4",
        "6 ReLU < 5",
        "7 3×3 conv, 32, /2, BN, ReLU / 3×3 conv, 32, BN < 6",
    ]
    assert lines[-6:] == [
        "20 1×1 conv, 64, /4, BN < 1",  # the root comes from the stem
        "21 + < 19 20",
        "22 ReLU < 21",
        "23 average pool < 22",
        "24 fc, 10 < 23",
        "25 10 outputs < 24",
    ]


# ---------------------------------------------------------------------------------------------------------------
# The code is what is drawn


class Odd(Unit):
    """A unit that no paper has."""

    def __init__(self, branch: Callable[[nn.Conv2d, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = conv3x3(8, 8)
        self.connect(nn.Identity())
        self.how = branch
        self.after = nothing

    def branch(self, x: Tensor) -> Tensor:
        return self.how(self.conv, x)


def test_a_change_in_the_code_is_a_change_in_the_graph() -> None:
    usual = read(Odd(lambda conv, x: conv(x)))
    assert usual == ["0 8 channels", "1 3×3 conv, 8 < 0", "2 + < 1 0", "3 8 channels < 2"]
    for branch, line in (
        (lambda conv, x: F.relu(conv(x)), "2 ReLU < 1"),
        (lambda conv, x: conv(conv(x)), "2 3×3 conv, 8 < 1"),
        (lambda conv, x: conv(x) * 0.25, "2 × 0.25 < 1"),
        (lambda conv, x: conv(x) * x, "2 × < 1 0"),
        (lambda conv, x: conv(x).tanh(), "2 tanh < 1"),
        (lambda conv, x: F.avg_pool2d(conv(x), 1), "2 + < 1 0"),
    ):
        assert read(Odd(branch))[2] == line
    joined = Odd(lambda conv, x: conv(x))
    joined.join = lambda x, shortcut, branch: add(x, branch, branch)
    assert read(joined) == ["0 8 channels", "1 3×3 conv, 8 < 0", "2 3×3 conv, 8 < 0", "3 + < 1 2", "4 8 channels < 3"]


def test_what_is_changed_in_place_is_found_changed() -> None:
    assert read(Odd(lambda conv, x: conv(relu_(x)))) == [
        "0 8 channels",
        "1 ReLU < 0",
        "2 3×3 conv, 8 < 1",
        "3 + < 2 1",  # not 0: the shortcut hands on what has been activated
        "4 8 channels < 3",
    ]


def test_the_unit_is_left_as_it_was() -> None:
    unit = Basic(4, 4, 4, 1, nn.Identity()).train()
    before = {name: value.clone() for name, value in unit.state_dict().items()}
    unit_graph(unit)
    assert unit.training
    assert all(torch.equal(value, before[name]) for name, value in unit.state_dict().items())
    sleeping = skeleton("cifar_resnet20").eval()
    unit_graph(of("cifar_resnet20", 0))
    assert not sleeping.training


@pytest.mark.parametrize("side", [8, 32])
def test_sizes(side: int) -> None:
    nodes = unit_graph(Basic(16, 32, 32, 2, shortcuts("A")(16, 32, 2)), side=side)
    assert (nodes[0].channels, nodes[0].side) == (16, side)
    assert (nodes[-1].channels, nodes[-1].side) == (32, side // 2)
