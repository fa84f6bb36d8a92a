"""What `resnets models` and `resnets describe` say, against Table 1 and the spec."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from torch import nn

from resnets.models.blocks import Basic, ZeroPad
from resnets.models.catalog import list_models, model_spec, skeleton
from resnets.models.describe import describe_record, describe_text, models_record, models_text
from resnets.models.outline import outline
from resnets.models.rows import WIDE


def stages(name: str) -> dict[str, tuple[list[int], list[str]]]:
    return {s["name"]: (s["output_size"], s["layers"]) for s in describe_record(name)["stages"]}


def test_the_line_of_resnet50_is_the_papers() -> None:
    assert stages("resnet50") == {
        "conv1": ([112, 112], ["7x7, 64, stride 2"]),
        "conv2_x": ([56, 56], ["3x3 max pool, stride 2", "[1x1, 64; 3x3, 64; 1x1, 256] x 3"]),
        "conv3_x": ([28, 28], ["[1x1, 128; 3x3, 128; 1x1, 512] x 4"]),
        "conv4_x": ([14, 14], ["[1x1, 256; 3x3, 256; 1x1, 1024] x 6"]),
        "conv5_x": ([7, 7], ["[1x1, 512; 3x3, 512; 1x1, 2048] x 3"]),
        "fc": ([1, 1], ["average pool", "1000-d fc, softmax"]),
    }


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("resnet18", (2, 2, 2, 2)),
        ("plain18", (2, 2, 2, 2)),
        ("resnet34", (3, 4, 6, 3)),
        ("resnet101", (3, 4, 23, 3)),
        ("resnet152", (3, 8, 36, 3)),
    ],
)
def test_the_other_lines_of_table_1(name: str, counts: tuple[int, ...]) -> None:
    lines = [stages(name)[f"conv{i}_x"][1][-1] for i in range(2, 6)]
    for line, width, count in zip(lines, (64, 128, 256, 512), counts, strict=True):
        basic = f"[3x3, {width}; 3x3, {width}]"
        bottleneck = f"[1x1, {width}; 3x3, {width}; 1x1, {4 * width}]"
        assert line == f"{bottleneck if name in ('resnet101', 'resnet152') else basic} x {count}"


@pytest.mark.parametrize(("name", "n"), [("cifar_resnet20", 3), ("cifar_plain56", 9), ("cifar_resnet110", 18)])
def test_the_nets_for_cifar(name: str, n: int) -> None:
    expected = {"conv1": ([32, 32], ["3x3, 16"])}
    for i, (side, width) in enumerate([(32, 16), (16, 32), (8, 64)], start=2):
        expected[f"conv{i}_x"] = ([side, side], [f"[3x3, {width}; 3x3, {width}] x {n}"])
    assert stages(name) == {**expected, "fc": ([1, 1], ["average pool", "10-d fc, softmax"])}


QUICK = (
    *("resnet18", "resnet50", "plain18", "preact_resnet18", "wide_resnet50_2", "resnext50_32x4d", "vgg16"),
    *("cifar_resnet20", "cifar_plain20", "cifar_wrn_16_8", "cifar_wrn_40_1", "cifar_wrn_22_2_b313"),
    *("cifar_resnext29_8x64d", "cifar_rir18_wide", "cifar_ror3_wrn_40_2", "cifar_ror3_110", "cifar_highway19"),
    *("cifar_resnet110_exclusive_gating", "cifar_resnet110_sd"),
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in list_models()]
)
def test_the_layers_add_up_to_the_spec(name: str) -> None:
    record = describe_record(name, with_layers=True)
    spec = model_spec(name)
    rows = record["layer_table"]
    assert sum(r["parameters"] for r in rows) == spec.params == record["params"]
    assert sum(r["multiply_adds"] for r in rows) == spec.multiply_adds == record["multiply_adds"]
    main = [r for r in rows if r["kind"] in ("conv", "fc") and not r["on_shortcut"]]
    assert "wrn" in name or len(main) == spec.layers
    gates = sum("join" in r["name"].split(".") for r in rows)
    assert record["projections"] + gates == sum(r["on_shortcut"] for r in rows if r["kind"] == "conv")
    pixels = {(a["name"], b["name"]): b["in_channels"] / a["out_channels"] for a, b in pairwise(main)}
    flattens = {(VGG_LAST[name], "classifier.0"): 49} if name in VGG_LAST else {}
    assert {pair: by for pair, by in pixels.items() if by != 1} == flattens
    assert json.loads(json.dumps(record)) == record


VGG_LAST = {"vgg16": "features.28", "vgg19": "features.34"}
"""Their last convolution, in torchvision's names; the classifier after it reads 7x7 pixels of each map."""


HEADS = {
    "preact_resnet18": (
        "units: y = h(x) + F(x)",
        "shortcuts: B (projection where the shape changes, identity elsewhere); projections: 3",
        "arguments: bottlenecks=False, order=full",
    ),
    "cifar_resnet110_bn_after_addition": (
        "units: y = ReLU(BN(h(x) + F(x)))",
        "shortcuts: A (identity; zeros for new channels); projections: 0",
        "arguments: bottlenecks=False, order=bn_after_addition, zeros=end",
    ),
    "cifar_resnet110_exclusive_gating": (
        "units: y = ReLU((1 - g) h(x) + g F(x)), g = sigmoid(W x + b), b from -6",
        "shortcuts: identity, zeros for new channels; projections: 0",
        "arguments: manipulation=exclusive_gating, gate_bias=-6.0",
    ),
    "cifar_resnet110_shortcut_gating": (
        "units: y = ReLU((1 - g) h(x) + F(x)), g = sigmoid(W x + b), b from -6",
        "shortcuts: identity, zeros for new channels; projections: 0",
        "arguments: manipulation=shortcut_gating, gate_bias=-6.0",
    ),
    "cifar_resnet110_scaling": (
        "units: y = ReLU(0.5 h(x) + 0.5 F(x))",
        "shortcuts: identity, zeros for new channels; projections: 0",
        "arguments: manipulation=scaling, shortcut_scale=0.5, branch_scale=0.5",
    ),
    "cifar_resnet110_dropout": (
        "units: y = ReLU(dropout(h(x)) + F(x)), dropout of 0.5",
        "shortcuts: identity, zeros for new channels; projections: 0",
        "arguments: manipulation=dropout, dropout=0.5",
    ),
    "cifar_resnet110_sd": (
        "units: y = ReLU(h(x) + b F(x)), P(b = 1) = 0.991 for each batch; "
        "the last: y = ReLU(h(x) + b F(x)), P(b = 1) = 0.5 for each batch",
        "shortcuts: A (identity; zeros for new channels); projections: 0",
        "arguments: zeros=end, subsample=mean, drop_path=0.5, drop_decay=linear, drop_per=batch",
    ),
    "cifar_wrn_16_8": (
        "units: y = h(x) + F(x)",
        "shortcuts: B (projection where the shape changes, identity elsewhere); projections: 3",
        "arguments: kernels=(3, 3), dropout=0.0",
    ),
    "cifar_rir18_wide": (
        "units: y = ReLU(h(x) + F(x)), x = [r, t], two streams",
        "shortcuts: zeros for new channels; projections: 0",
        "arguments: form=streams, inner=True, outer=True",
    ),
    "cifar_ror3_110": (
        "units: y = ReLU(h(x) + F(x)); the last: y = h(x) + F(x)",
        "shortcuts: identity, zeros for new channels; projections: 4",
        "around each group: 1x1, 16; 1x1, 32, stride 2; 1x1, 64, stride 2",
        "around all groups: 1x1, 64, stride 4",
        "arguments: levels=3, over=resnet, bottlenecks=False",
    ),
    "cifar_ror3_wrn_40_2": (
        "units: y = h(x) + F(x)",
        "shortcuts: projection, identity; projections: 7",
        "around each group: 1x1, 32; 1x1, 64, stride 2; 1x1, 128, stride 2",
        "around all groups: 1x1, 128, stride 4",
        "arguments: levels=3, over=wide, widening=2",
    ),
    "cifar_highway19": (
        "units: y = (1 - g) h(x) + g F(x), g = sigmoid(W x + b), b from -2",
        "shortcuts: identity; projections: 0",
        "arguments: gate_bias=-2.0",
    ),
    "vgg16": ("arguments: dropout=0.5",),
}


@pytest.mark.parametrize("name", HEADS)
def test_what_is_special_is_said_first(name: str) -> None:
    head, rest = describe_text(name).split("\n\n")
    first, *lines, source = head.splitlines()
    assert first.startswith(f"{name}: {model_spec(name).layers:,} layers, ")
    assert tuple(lines) == HEADS[name]
    assert source == f"source: {model_spec(name).source}"
    assert rest.startswith("stage ")


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("cifar_resnet110_scaling", {"gate_bias": -1.0, "dropout": 0.1}),
        ("cifar_resnet110_dropout", {"gate_bias": -1.0, "shortcut_scale": 0.1, "branch_scale": 0.1}),
        ("cifar_resnet110_shortcut_gating", {"dropout": 0.1, "shortcut_scale": 0.1, "branch_scale": 0.1}),
        ("cifar_ror3_wrn_40_2", {"drop_decay": "uniform", "drop_per": "sample"}),
        ("cifar_ror3_110", {"widening": 7}),
        ("preact_resnet18", {"stride_in": "3x3", "zeros": "both"}),
        ("cifar_plain20", {"zeros": "both", "subsample": "mean"}),
    ],
)
def test_arguments_that_are_left_out_change_nothing(name: str, hidden: dict[str, Any]) -> None:
    (said,) = [line for line in describe_text(name).splitlines() if line.startswith("arguments: ")] or [""]
    assert not [key for key in hidden if f"{key}=" in said]
    assert set(hidden) <= set(describe_record(name)["arguments"])
    assert repr(skeleton(name, **hidden)) == repr(skeleton(name))


def test_the_stages_of_the_papers_that_followed() -> None:
    assert stages("resnext50_32x4d")["conv3_x"] == ([28, 28], ["[1x1, 256; 3x3, 256, C=32; 1x1, 512] x 4"])
    assert stages("cifar_wrn_22_2_b313")["conv4_x"] == ([8, 8], ["[3x3, 128; 1x1, 128; 3x3, 128] x 3"])
    assert stages("cifar_resnet110_exclusive_gating")["conv3_x"][1] == ["[3x3, 32; 3x3, 32; gate 1x1, 32] x 18"]
    assert stages("vgg16") == {
        "conv1_x": ([224, 224], ["[3x3, 64] x 2"]),
        "conv2_x": ([112, 112], ["2x2 max pool, stride 2", "[3x3, 128] x 2"]),
        **{
            f"conv{i}_x": ([side, side], ["2x2 max pool, stride 2", f"[3x3, {width}] x 3"])
            for i, side, width in ((3, 56, 256), (4, 28, 512), (5, 14, 512))
        },
        "fc": ([1, 1], ["2x2 max pool, stride 2", "[4096-d fc] x 2", "1000-d fc, softmax"]),
    }
    assert stages("cifar_highway19") == {
        "conv1_x": ([32, 32], ["3x3, 32", "[3x3, 32; gate 3x3, 32] x 4"]),
        "conv2_x": ([16, 16], ["2x2 max pool, stride 2", "3x3, 80", "[3x3, 80; gate 3x3, 80] x 5"]),
        "conv3_x": ([8, 8], ["2x2 max pool, stride 2", "3x3, 128", "[3x3, 128; gate 3x3, 128] x 5"]),
        "last": ([8, 8], ["[1x1, 128; gate 1x1, 128] x 1"]),
        "fc": ([1, 1], ["average pool", "10-d fc, softmax"]),
    }


def test_the_text_of_a_network() -> None:
    text = describe_text("resnet50")
    for part in ("50 layers", "25,557,032 parameters", "3,857,973,248 multiply-adds", "224x224", "1512.03385"):
        assert part in text
    assert "shortcuts: B (projection where the shape changes, identity elsewhere); projections: 4" in text
    assert "stride_in=1x1" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["conv4_x", "14x14", "[1x1,", "256;", "3x3,", "256;", "1x1,", "1024]", "x", "6"] in lines
    assert ["FLOPs", "3.86", "x", "10^9"] in lines
    assert ["FLOPs", "40.55", "x", "10^6"] in [line.split() for line in describe_text("cifar_resnet20").splitlines()]
    assert "shortcuts: none (plain)" in describe_text("plain34")


def test_one_row_a_layer() -> None:
    text = describe_text("resnet18", with_layers=True)
    assert text.startswith(describe_text("resnet18"))
    rows = [line.split() for line in text.splitlines()]
    assert ["conv1", "conv", "7x7", "2", "3", "64", "112x112", "9,536", "118,013,952"] in rows
    assert ["maxpool", "max", "pool", "3x3", "2", "64", "64", "56x56", "0", "0"] in rows
    assert ["layer2.0.downsample.0", "projection", "1x1", "2", "64", "128", "28x28", "8,448", "6,422,528"] in rows
    assert ["fc", "fc", "512", "1,000", "1x1", "513,000", "512,000"] in rows
    assert rows[-1] == ["total", "11,689,512", "1,814,073,344"]


def test_the_catalogue() -> None:
    records = models_record()["models"]
    assert [r["name"] for r in records] == list_models()
    assert {"name", "layers", "params", "multiply_adds", "source", "input_size"} == set(records[0])
    first, *papers = models_text().split("\n\n")
    assert first.split() == ["name", "layers", "parameters", "multiply-adds", "input", "where"]
    titles = [paper.splitlines()[0] for paper in papers]
    assert len(titles) == len(set(titles)) == 9
    assert all(re.search(r", arXiv:\d{4}\.\d{4,5}$", title) for title in titles)
    lines = [line for paper in papers for line in paper.splitlines()[1:]]
    assert sorted(line.split()[0] for line in lines) == sorted(list_models())
    ends = {re.match(r"\S+ +[\d,]+ +[\d,]+ +[\d,]+ +\d+x\d+", line) for line in lines}
    assert len({end and end.end() for end in ends}) == 1  # columns are aligned
    of = {
        line.split()[0]: (title, line.split()[1:])
        for title, paper in zip(titles, papers, strict=True)
        for line in paper.splitlines()[1:]
    }
    assert of["cifar_resnet20"] == (titles[0], ["20", "269,722", "40,551,040", "32x32", "Table", "6"])
    assert of["resnet50_v1_5"][0] == titles[0]
    assert of["wide_resnet101_2"] == (WIDE, ["101", "126,886,696", "22,753,050,624", "224x224", "torchvision"])


def test_unknown_names() -> None:
    for describe in (describe_record, describe_text):
        with pytest.raises(ValueError, match="no network is called 'resnet51'"):
            describe("resnet51")


def test_a_stride_alone_changes_the_shape() -> None:
    blocks = [Basic(8, 8, 8, 2, ZeroPad(8, 8, 2)), Basic(8, 8, 8, 1, nn.Identity()), Basic(8, 8, 8, 1, None)]
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Sequential(*blocks))
    head, stage = outline(model, 16).stages
    assert (head.output_size, stage.output_size) == ((16, 16), (8, 8))
    found = [(block.shortcut, block.changes_shape) for block in stage.blocks]
    assert found == [("zeros", True), ("identity", False), (None, False)]
