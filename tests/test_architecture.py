"""Table 1 judged: layers, parameters and multiply-adds of the networks, against print and against arithmetic."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from resnets.cli import main
from resnets.documents.blocks import BLOCKS
from resnets.models.catalog import blueprint, list_models
from resnets.models.outline import outline
from resnets.paper import architecture, counts
from resnets.paper.architecture import EXACT, TWINS, built_layers, different_stages, printed_layers


def weights(kernel: int, before: int, after: int) -> int:
    """Of a convolution without bias, and the scale and shift of its BN."""
    return kernel**2 * before * after + 2 * after


def for_imagenet(depth: int, option: str) -> int:
    """Parameters by Table 1 as it is printed, and one of the options A, B and C."""
    channels, total = 64, weights(7, 3, 64)
    for stage, (_, block, number) in printed_layers(depth).items():
        if not re.fullmatch(r"conv[2-5]_x", stage):
            continue
        convolutions = [(int(k), int(filters)) for k, filters in re.findall(r"(\d)x\d, (\d+)", block)]
        for _ in range(number):
            entry = channels
            for kernel, filters in convolutions:
                total += weights(kernel, channels, filters)
                channels = filters
            if option == "C" or (option == "B" and entry != channels):
                total += weights(1, entry, channels)
    return total + channels * 1000 + 1000


def for_cifar(depth: int) -> int:
    """Parameters by section 4.2: 2n layers of 16, 32 and 64 filters each, after the first."""
    n, total, channels = (depth - 2) // 6, weights(3, 3, 16), 16
    for filters in (16, 32, 64):
        total += weights(3, channels, filters) + (2 * n - 1) * weights(3, filters, filters)
        channels = filters
    return total + 64 * 10 + 10


def for_vgg(depth: int) -> int:
    """Configurations D and E: convolutions with biases, three fully connected layers."""
    total, channels = 0, 3
    for filters, number in zip((64, 128, 256, 512, 512), (2, 2, *(((depth - 3) - 4) // 3,) * 3), strict=True):
        for _ in range(number):
            total += 9 * channels * filters + filters
            channels = filters
    sizes = (512 * 49, 4096, 4096, 1000)
    return total + sum(before * after + after for before, after in pairwise(sizes))


@pytest.mark.parametrize("name", [*EXACT, *TWINS])
def test_the_exact_numbers_are_those_of_arithmetic(name: str) -> None:
    depth = int(re.findall(r"\d+", name)[0])
    if name.startswith("cifar_"):
        expected = for_cifar(depth)
    elif name.startswith("vgg"):
        expected = for_vgg(depth)
    else:
        option = "A" if name.startswith("plain") or name.endswith("_a") else "C" if name.endswith("_c") else "B"
        expected = for_imagenet(depth, option)
    assert EXACT[TWINS.get(name, name)] == expected
    assert EXACT.get(name, expected) == expected


def test_all_networks_of_this_paper_are_judged() -> None:
    own = {name for name in list_models() if re.fullmatch(r"(cifar_)?(resnet|plain)\d+(_a|_c|_v1_5)?", name)}
    assert {*EXACT, *TWINS, "vgg16", "vgg19"} == {
        *(own - {"plain50", "cifar_resnet164", "cifar_resnet1001"}),  # of later papers
        *("vgg16", "vgg19"),
    }


def test_the_networks_have_the_printed_layers() -> None:
    assert printed_layers(101)["conv4_x"] == ("14x14", "1x1, 256; 3x3, 256; 1x1, 1024", 23)
    assert printed_layers(18)["pool"] == ("56x56", "3x3 max pool, stride 2", 1)
    for depth in (18, 34, 50, 101, 152):
        assert built_layers(f"resnet{depth}") == printed_layers(depth)
        blocks = sum(number for stage, (_, _, number) in printed_layers(depth).items() if stage.endswith("_x"))
        assert depth == 2 + blocks * (2 if depth < 50 else 3)  # as the paper counts layers
    assert different_stages("preact_resnet50") == []  # of BN and ReLU the table says nothing
    assert different_stages("wide_resnet50_2") == ["conv2_x", "conv3_x", "conv4_x", "conv5_x"]
    with pytest.raises(ValueError, match="depth is 16, allowed are 18, 34, 50, 101, 152"):
        different_stages("vgg16")


def _json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_table_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    record = _json(capsys, "reproduce", "table1", "--check")
    assert [row["paper"] for row in record["rows"]] == [1.8, 3.6, 3.8, 7.6, 11.3]
    assert {(row["verdict"], row["blocks"]) for row in record["rows"]} == {("within 0.1 e9", "as printed")}
    assert {row["verdict"] for row in record["parameters"]} == {"exact"}
    cifar = {row["name"]: (row["exact"], row["printed"]) for row in record["parameters"] if "cifar" in row["name"]}
    assert cifar == {
        "cifar_resnet20": (269_722, "0.27M"),
        "cifar_resnet32": (464_154, "0.46M"),
        "cifar_resnet44": (658_586, "0.66M"),
        "cifar_resnet56": (853_018, "0.85M"),
        "cifar_resnet110": (1_727_962, "1.7M"),
        "cifar_resnet1202": (19_421_274, "19.4M"),
    }
    assert {row["verdict"] for row in record["twins"]} == {"equal"}
    assert all(row["params"] == EXACT[row["twin"]] for row in record["twins"])
    text = BLOCKS["counts"](tmp_path)
    assert "| `cifar_resnet110` | 1,727,962 | 1,727,962 | 1.7M | exact |" in text
    assert "| `plain34` | 21,623,848 | `resnet34_a` | 21,623,848 | equal |" in text


def test_verdicts_on_table_1_can_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(counts.EXACT, "cifar_resnet20", 269_721)
    monkeypatch.setitem(counts.TWINS, "plain18", "resnet18")
    built = {**built_layers("resnet50"), "conv5_x": ("7x7", "1x1, 512; 3x3, 512; 1x1, 2048", 4)}
    monkeypatch.setattr(architecture, "built_layers", lambda name: built)
    assert main(["reproduce", "table1", "--check"]) == 1
    said = capsys.readouterr().err
    assert "cifar_resnet20: +1 parameters" in said
    assert "plain18: -173,824 parameters" in said
    assert "resnet50: not as printed: conv5_x" in said


def test_a_stage_with_one_block_of_another_kind_is_not_as_printed() -> None:
    model, layers = blueprint("resnet50")
    whole = outline(model, 224, layers)
    stages = list(whole.stages)
    (number,) = [index for index, stage in enumerate(stages) if stage.name == "conv3_x"]
    first, *others = stages[number].blocks
    wider = replace(first, layers=tuple(replace(layer, kernel=5) for layer in first.layers))
    stages[number] = replace(stages[number], blocks=(wider, *others))
    blocks = (wider, *others, others[0])  # before as many as are printed, one more
    stages[number] = replace(stages[number], blocks=blocks)
    (_, words, count) = architecture._described(replace(whole, stages=tuple(stages)))["conv3_x"]
    assert (words, count) != printed_layers(50)["conv3_x"][1:]
    assert count == 5
    assert words.startswith("5x5, 128; ")
