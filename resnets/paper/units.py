"""Which units are drawn of each paper, side by side in a figure; among them this paper's Figures 2 and 5.

A figure's data are what its units compute, so it is drawn anew when the code of one of them changes.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from matplotlib.figure import Figure
from torch import nn

from resnets.models.catalog import skeleton
from resnets.models.layers import shapes_only
from resnets.models.resnext import aggregated
from resnets.models.ror import cifar_ror
from resnets.models.stochastic_depth import units
from resnets.paper.lines import Record
from resnets.report.unit_drawing import Panel, units_figure
from resnets.report.unit_graph import Node, unit_graph


@dataclass(frozen=True)
class Shown:
    """A unit of a figure: its title there, and what makes it."""

    title: str
    make: Callable[[], nn.Module]
    folded: bool = False
    """Whether layers in a row share a box."""


def _unit(title: str, network: str, number: int = 1, **changes: Any) -> Shown:
    """One of a network's units in order; 0 is the first, which in a pre-activation network lacks an activation."""
    return Shown(title, lambda: list(units(skeleton(network, **changes)))[number])


def _resnext(title: str, form: str) -> Shown:
    """A unit of ResNeXt-50's first group: the whole network in its other forms has many thousand layers."""

    def make() -> nn.Module:
        with shapes_only():
            return aggregated(cardinality=32, base_width=4, form=form, stride_in="3x3")(256, 64, 256, 1, nn.Identity())

    return Shown(title, make)


def _vgg_stage() -> nn.Module:
    features = skeleton("vgg16").get_submodule("features")
    assert isinstance(features, nn.Sequential)
    return features[5:10]


def _ror() -> nn.Module:
    with shapes_only():
        return cifar_ror(14, levels=3)


UNITS: dict[str, tuple[Shown, ...]] = {
    "vgg": (Shown("a stage of VGG-16", _vgg_stage),),
    "highway": (
        _unit("(a) plain layer", "cifar_highway19", gate_bias=None),
        _unit("(b) highway layer", "cifar_highway19"),
    ),
    "resnet": (
        _unit("(a) plain", "cifar_plain20"),
        _unit("(b) basic", "cifar_resnet20"),
        _unit("(c) basic, option A", "cifar_resnet20", 3),
        _unit("(d) bottleneck", "resnet50"),
        _unit("(e) bottleneck, option B", "resnet50", 3),
    ),
    "identity-shortcuts": (
        _unit("(a) original", "cifar_resnet110"),
        _unit("(b) constant scaling", "cifar_resnet110_scaling"),
        _unit("(c) exclusive gating", "cifar_resnet110_exclusive_gating"),
        _unit("(d) shortcut-only gating", "cifar_resnet110_shortcut_gating"),
        _unit("(e) 1×1 convolution", "cifar_resnet110_conv"),
        _unit("(f) dropout", "cifar_resnet110_dropout"),
    ),
    "identity-orders": (
        _unit("(a) original", "cifar_resnet110"),
        _unit("(b) BN after addition", "cifar_resnet110_bn_after_addition"),
        _unit("(c) ReLU before addition", "cifar_resnet110_relu_before_addition"),
        _unit("(d) ReLU-only", "cifar_resnet110_relu_only"),
        _unit("(e) full", "cifar_preact_resnet110"),
    ),
    "identity-bottlenecks": (
        _unit("full pre-activation", "cifar_preact_resnet164"),
        _unit("the same, projecting", "cifar_preact_resnet164", 18),
    ),
    "stochastic-depth": (
        _unit("constant depth", "cifar_resnet110"),
        _unit("first unit, at test", "cifar_resnet110_sd", 0),
        _unit("first of the second group", "cifar_resnet110_sd", 18),
        _unit("last unit", "cifar_resnet110_sd", -1),
    ),
    "rir": (
        _unit("RiR", "cifar_rir18_wide"),
        _unit("RiR, first of a group", "cifar_rir18_wide", 2),
        _unit("ResNet Init", "cifar_rir18_wide", form="resnet_init", outer=False),
    ),
    "wide": (
        _unit("B(3,3)", "cifar_wrn_28_2_b33"),
        _unit("B(3,3), dropout", "cifar_wrn_28_2_b33", dropout=0.3),
        _unit("B(1,3,1)", "cifar_wrn_40_2_b131"),
        _unit("B(3,1)", "cifar_wrn_40_2_b31"),
        _unit("B(1,3)", "cifar_wrn_40_2_b13"),
        _unit("B(3,1,1)", "cifar_wrn_40_2_b311"),
        _unit("B(3,1,3)", "cifar_wrn_22_2_b313"),
        _unit("B(3,3), first of a group", "cifar_wrn_28_2_b33", 4),
    ),
    "ror": (Shown("RoR-3 around a ResNet of 14 layers", _ror, folded=True),),
    "resnext": (
        _resnext("(a) paths summed", "sum"),
        _resnext("(b) paths concatenated", "concatenate"),
        _resnext("(c) groups", "grouped"),
    ),
}
"""By the name of the figure, in docs/family.md."""
BUILDING_BLOCKS = {
    "figure2": (_unit("residual block", "resnet34"),),
    "figure5": (_unit("basic, ResNet-34", "resnet34"), _unit("bottleneck, ResNet-50", "resnet50")),
}
"""The same by the name that `resnets reproduce` takes."""


@cache
def panels(figure: str) -> list[Panel]:
    """The units of a figure, traced."""
    return [
        Panel(shown.title, unit_graph(shown.make(), folded=shown.folded)) for shown in (UNITS | BUILDING_BLOCKS)[figure]
    ]


def unit_records(figure: str) -> list[Record]:
    """What is drawn in a figure: for each unit {"title", "nodes"}. Nothing of it was measured."""
    return [{"title": panel.title, "nodes": [asdict(node) for node in panel.nodes]} for panel in panels(figure)]


def draw_units(records: list[Record]) -> Figure:
    """The figure of such records."""
    return units_figure([Panel(record["title"], [Node(**node) for node in record["nodes"]]) for record in records])
