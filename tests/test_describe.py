"""What `resnets models` and `resnets describe` say, against Table 1 and the spec."""

import json
from itertools import pairwise

import pytest
from torch import nn

from resnets.models.blocks import Basic, ZeroPad
from resnets.models.catalog import list_models, model_spec
from resnets.models.describe import describe_record, describe_text, models_record, models_text
from resnets.models.outline import outline


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


@pytest.mark.parametrize(("name", "n"), [("cifar_resnet20", 3), ("cifar_plain56", 9), ("cifar_resnet1202", 200)])
def test_the_nets_for_cifar(name: str, n: int) -> None:
    expected = {"conv1": ([32, 32], ["3x3, 16"])}
    for i, (side, width) in enumerate([(32, 16), (16, 32), (8, 64)], start=2):
        expected[f"conv{i}_x"] = ([side, side], [f"[3x3, {width}; 3x3, {width}] x {n}"])
    assert stages(name) == {**expected, "fc": ([1, 1], ["average pool", "10-d fc, softmax"])}


@pytest.mark.parametrize("name", list_models())
def test_the_layers_add_up_to_the_spec(name: str) -> None:
    record = describe_record(name, with_layers=True)
    spec = model_spec(name)
    rows = record["layer_table"]
    assert sum(r["parameters"] for r in rows) == spec.params == record["params"]
    assert sum(r["multiply_adds"] for r in rows) == spec.multiply_adds == record["multiply_adds"]
    main = [r for r in rows if r["kind"] in ("conv", "fc") and not r["on_shortcut"]]
    assert "wrn" in name or len(main) == spec.layers
    assert record["projections"] == sum(r["on_shortcut"] and r["kind"] == "conv" for r in rows)
    path = [r for r in rows if not r["on_shortcut"]]
    assert all(a["out_channels"] == b["in_channels"] for a, b in pairwise(path))
    assert json.loads(json.dumps(record)) == record


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
    lines = models_text().splitlines()
    assert len(lines) == 1 + len(records)
    assert len({line.index("1512.03385") for line in lines if "1512.03385" in line}) == 1  # columns are aligned
    assert next(line for line in lines if line.startswith("cifar_resnet20 ")).split()[1:5] == [
        "20", "269,722", "40,551,040", "32x32",
    ]  # fmt: skip


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
