"""The table of all networks: a row is a builder and its arguments. Nothing is counted here, and nothing typed twice.

A name that is not in the table may still be of a `FAMILIES` pattern, such as any depth 6n+2 or any WRN-d-k.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from resnets.models.cifar import cifar_resnet
from resnets.models.highway import cifar_highway
from resnets.models.layers import Layer, depth
from resnets.models.preact import ORDERS, cifar_manipulated, cifar_preact, imagenet_preact
from resnets.models.resnet import basic_resnet, bottleneck_resnet
from resnets.models.resnext import cifar_resnext, imagenet_resnext
from resnets.models.rir import cifar_rir
from resnets.models.ror import cifar_ror
from resnets.models.vgg import vgg
from resnets.models.wide import cifar_wide, depth_in_table_2, imagenet_wide
from resnets.models.wide import depth as wide_depth

PAPER = "Deep Residual Learning for Image Recognition, arXiv:1512.03385"
IDENTITY = "Identity Mappings in Deep Residual Networks, arXiv:1603.05027"
STOCHASTIC = "Deep Networks with Stochastic Depth, arXiv:1603.09382"
WIDE = "Wide Residual Networks, arXiv:1605.07146"
NEXT = "Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431"
RIR = "Resnet in Resnet, arXiv:1603.08029"
ROR = "Residual Networks of Residual Networks, arXiv:1608.02908"
HIGHWAY = "Highway Networks, arXiv:1505.00387"
VERY_DEEP = "Very Deep Convolutional Networks, arXiv:1409.1556"


@dataclass(frozen=True)
class Row:
    """One network: `builder(size, **arguments)`, for square inputs of `input_size` pixels."""

    builder: Callable[..., nn.Module]
    size: Any
    """What the builder takes first: blocks a stage, a depth, or a depth and a width."""
    arguments: dict[str, Any] = field(default_factory=dict)
    input_size: int = 224
    num_classes: int = 1000
    source: str = f"{PAPER}, Table 1"
    counted: Callable[[list[Layer]], int] = depth
    """How its paper counts layers."""


# ------------------------------------------------------------------------------------------------------------
# Networks for ImageNet


def _imagenet_rows() -> dict[str, Row]:
    two, three = (2, 2, 2, 2), (3, 4, 6, 3)
    deep = {50: three, 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
    later = "fb.resnet.torch, torchvision: stride in the 3x3"
    return {
        "resnet18": Row(basic_resnet, two),
        "resnet34": Row(basic_resnet, three),
        "resnet18_a": Row(basic_resnet, two, {"shortcut": "A"}, source=f"{PAPER}, Table 2"),
        "resnet34_a": Row(basic_resnet, three, {"shortcut": "A"}, source=f"{PAPER}, Tables 2 and 3"),
        "resnet34_c": Row(basic_resnet, three, {"shortcut": "C"}, source=f"{PAPER}, Table 3"),
        "plain18": Row(basic_resnet, two, {"shortcut": None}, source=f"{PAPER}, Table 2"),
        "plain34": Row(basic_resnet, three, {"shortcut": None}, source=f"{PAPER}, Table 2"),
        **{f"resnet{d}": Row(bottleneck_resnet, blocks) for d, blocks in deep.items()},
        **{
            f"resnet{d}_v1_5": Row(bottleneck_resnet, blocks, {"stride_in": "3x3"}, source=later)
            for d, blocks in deep.items()
        },
        **_preact_rows({**deep, 200: (3, 24, 36, 3)}, {18: two, 34: three}),
        "wide_resnet50_2": Row(imagenet_wide, three, {"widening": 2}, source=f"{WIDE}, Table 8"),
        "wide_resnet101_2": Row(imagenet_wide, deep[101], {"widening": 2}, source="torchvision, after " + WIDE),
        **_resnext_rows(three, deep[101]),
        "vgg16": Row(vgg, 16, source=f"{VERY_DEEP}, Table 1, D"),
        "vgg19": Row(vgg, 19, source=f"{VERY_DEEP}, Table 1, E"),
    }


def _preact_rows(deep: dict[int, Any], shallow: dict[int, Any]) -> dict[str, Row]:
    source = f"{IDENTITY}, section 5"
    basic = {d: Row(imagenet_preact, blocks, {"bottlenecks": False}, source=source) for d, blocks in shallow.items()}
    bottleneck = {d: Row(imagenet_preact, blocks, {"bottlenecks": True}, source=source) for d, blocks in deep.items()}
    return {f"preact_resnet{d}": entry for d, entry in {**basic, **bottleneck}.items()}


def _resnext_rows(fifty: Any, hundred: Any) -> dict[str, Row]:
    def entry(blocks: Any, cardinality: int, base_width: int, table: str, **more: Any) -> Row:
        arguments = {"cardinality": cardinality, "base_width": base_width, **more}
        return Row(imagenet_resnext, blocks, arguments, source=f"{NEXT}, {table}")

    return {
        "resnext50_32x4d": entry(fifty, 32, 4, "Table 1"),
        "resnext101_32x4d": entry(hundred, 32, 4, "Table 3"),
        "resnext101_32x8d": Row(
            imagenet_resnext, hundred, {"cardinality": 32, "base_width": 8}, source="torchvision, after " + NEXT
        ),
        "resnext101_64x4d": entry(hundred, 64, 4, "Table 4"),
        "resnext101_2x64d": entry(hundred, 2, 64, "Table 4"),
        "plain50": Row(bottleneck_resnet, fifty, {"shortcut": None, "stride_in": "3x3"}, source=f"{NEXT}, section 5.1"),
        "plainnext50_32x4d": entry(fifty, 32, 4, "section 5.1", shortcut=None),
    }


# ------------------------------------------------------------------------------------------------------------
# Networks for 32x32 images


def _cifar(builder: Callable[..., nn.Module], size: Any, source: str, **arguments: Any) -> Row:
    return Row(builder, size, arguments, input_size=32, num_classes=10, source=source)


def _wide(depth: int, width: int, source: str, **arguments: Any) -> Row:
    return Row(cifar_wide, (depth, width), arguments, 32, 10, source, wide_depth)


def _cifar_rows() -> dict[str, Row]:
    plain = {d: _cifar(cifar_resnet, d, f"{PAPER}, Figure 6", shortcut=None) for d in (20, 32, 44, 56, 110)}
    residual = {d: _cifar(cifar_resnet, d, f"{PAPER}, Table 6", shortcut="A") for d in (20, 32, 44, 56, 110, 1202)}
    return {
        **{f"cifar_resnet{d}": entry for d, entry in residual.items()},
        **{f"cifar_plain{d}": entry for d, entry in plain.items()},
        **_identity_rows(),
        **{f"cifar_resnet{d}_sd": _dropped(d) for d in (110, 1202)},
        **_wide_rows(),
        "cifar_resnext29_8x64d": _next(8, 64, f"{NEXT}, Table 7"),
        "cifar_resnext29_16x64d": _next(16, 64, f"{NEXT}, Table 7"),
        "cifar_rir18_wide": _cifar(cifar_rir, (48, 96, 192), f"{RIR}, Table 2", inner=True, outer=True),
        **_ror_rows(),
        "cifar_highway19": _cifar(cifar_highway, 19, f"{HIGHWAY}, Table 1"),
        "cifar_highway32": _cifar(cifar_highway, 32, f"{HIGHWAY}, Table 1"),
    }


def _identity_rows() -> dict[str, Row]:
    """Pre-activation, and the rows of the paper's Tables 1 (shortcuts) and 2 (orders)."""
    kinds: dict[int, dict[str, Any]] = {
        110: {"bottlenecks": False, "shortcut": "A"},
        164: {"bottlenecks": True, "shortcut": "B"},
        1001: {"bottlenecks": True, "shortcut": "B"},
    }
    rows = {f"cifar_preact_resnet{d}": _cifar(cifar_preact, d, f"{IDENTITY}, Table 3", **k) for d, k in kinds.items()}
    for d in (164, 1001):
        rows[f"cifar_resnet{d}"] = _cifar(cifar_preact, d, f"{IDENTITY}, Table 3", order="original", **kinds[d])
    for d in (110, 164):
        for order in list(ORDERS)[1:-1]:
            source = f"{IDENTITY}, Table 2"
            rows[f"cifar_resnet{d}_{order}"] = _cifar(cifar_preact, d, source, order=order, **kinds[d])
    source = f"{IDENTITY}, Table 1"
    for name, more in {
        "scaling": {"shortcut_scale": 0.5, "branch_scale": 0.5},
        "exclusive_gating": {"gate_bias": -6.0},
        "shortcut_gating": {"gate_bias": -6.0},
        "dropout": {"dropout": 0.5},
    }.items():
        rows[f"cifar_resnet110_{name}"] = _cifar(cifar_manipulated, 110, source, manipulation=name, **more)
    rows["cifar_resnet110_conv"] = _cifar(cifar_resnet, 110, source, shortcut="C")
    return rows


def _dropped(depth: int) -> Row:
    return _cifar(cifar_resnet, depth, f"{STOCHASTIC}, Table 1", shortcut="A", subsample="mean", drop_path=0.5)


def _wide_rows() -> dict[str, Row]:
    sizes = ((16, 8), (16, 10), (22, 8), (22, 10), (28, 10), (28, 12), (40, 1), (40, 2), (40, 4), (40, 8))
    tables = dict.fromkeys(sizes, "Table 4") | dict.fromkeys(((16, 8), (28, 10), (40, 4)), "Tables 4 and 5")
    rows = {f"cifar_wrn_{d}_{k}": _wide(d, k, f"{WIDE}, {table}") for (d, k), table in tables.items()}
    kinds = {"131": (40, 6), "31": (40, 6), "13": (40, 6), "311": (40, 6), "33": (28, 4), "313": (22, 3)}
    for digits, (d, n) in kinds.items():
        kind = {"kernels": tuple(map(int, digits)), "n": n}
        rows[f"cifar_wrn_{d}_2_b{digits}"] = replace(_wide(d, 2, f"{WIDE}, Table 2", **kind), counted=depth_in_table_2)
    for convs in (1, 3, 4):
        rows[f"cifar_wrn_40_2_l{convs}"] = _wide(40, 2, f"{WIDE}, Table 3", kernels=(3,) * convs)
    return rows


def _next(cardinality: int, base_width: int, source: str) -> Row:
    return _cifar(cifar_resnext, 29, source, cardinality=cardinality, base_width=base_width)


def _ror_rows() -> dict[str, Row]:
    def entry(size: int, **arguments: Any) -> Row:
        counted = wide_depth if arguments.get("over") == "wide" else depth
        return Row(cifar_ror, size, {"levels": 3, **arguments}, 32, 10, f"{ROR}, section 4", counted)

    return {
        "cifar_ror3_110": entry(110),
        "cifar_ror3_164": entry(164, bottlenecks=True),
        "cifar_preror3_164": entry(164, over="preact", bottlenecks=True),
        "cifar_ror3_wrn_40_2": entry(40, over="wide", widening=2),
        "cifar_ror3_wrn_40_4": entry(40, over="wide", widening=4),
        "cifar_ror3_wrn_58_4": entry(58, over="wide", widening=4, drop_path=0.5),
    }


ROWS: dict[str, Row] = {**_imagenet_rows(), **_cifar_rows()}


# ------------------------------------------------------------------------------------------------------------
# Names of any size


def _six(size: str, **arguments: Any) -> Row | None:
    depth = int(size)
    good = depth >= 8 and depth % 6 == 2
    return _cifar(cifar_resnet, depth, f"{PAPER}, section 4.2", **arguments) if good else None


def _preact(size: str) -> Row | None:
    depth = int(size)
    source = f"{IDENTITY}, section 4"
    if depth >= 8 and depth % 6 == 2:
        return _cifar(cifar_preact, depth, source, bottlenecks=False, shortcut="A")
    good = depth >= 11 and depth % 9 == 2
    return _cifar(cifar_preact, depth, source, bottlenecks=True, shortcut="B") if good else None


def _wide_of(size: str, width: str) -> Row | None:
    depth = int(size)
    return _wide(depth, int(width), f"{WIDE}, section 3") if depth >= 10 and depth % 6 == 4 else None


FAMILIES: dict[str, Callable[..., Row | None]] = {
    r"cifar_resnet([1-9]\d{0,3})": lambda d: _six(d, shortcut="A"),
    r"cifar_plain([1-9]\d{0,3})": lambda d: _six(d, shortcut=None),
    r"cifar_preact_resnet([1-9]\d{0,3})": _preact,
    r"cifar_wrn_([1-9]\d{0,3})_([1-9]\d?)": _wide_of,
    r"cifar_resnext29_([1-9]\d?)x([1-9]\d{0,2})d": lambda c, w: _next(int(c), int(w), f"{NEXT}, section 5.3"),
}
"""Patterns of names that are not in the table, and what makes the row of their numbers (None: there is no such net)."""


def row_of_family(name: str) -> Row | None:
    """The row of a name that is of one of the `FAMILIES`, None where it is of none."""
    for pattern, make in FAMILIES.items():
        if match := re.fullmatch(pattern, name):
            return make(*match.groups())
    return None
