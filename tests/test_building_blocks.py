"""Figures 2 and 5: drawn from the networks, and counted as closed forms have it."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from resnets.cli import main
from resnets.documents.blocks import BLOCKS
from resnets.documents.images import FIGURES, unit_image
from resnets.paper.building_blocks import block_counts
from resnets.paper.units import BUILDING_BLOCKS, unit_records

ROOT = Path(__file__).resolve().parents[1]


def test_a_bottleneck_costs_no_more_with_four_times_the_channels() -> None:
    basic, bottleneck = block_counts()
    assert (basic["channels"], bottleneck["channels"]) == (64, 256)
    assert basic["weights"] == 2 * 9 * 64 * 64 == 73_728
    assert bottleneck["weights"] == 256 * 64 + 9 * 64 * 64 + 64 * 256 == 69_632
    assert basic["multiply_adds"] == 73_728 * 56 * 56
    assert bottleneck["to_basic"] == pytest.approx(0.944, abs=1e-3)
    assert bottleneck["with_projection"] == 1 + 65_536 / 69_632  # about double
    assert basic["with_projection"] == 1 + 4_096 / 73_728


def test_what_is_drawn_are_the_networks_layers() -> None:
    (block,) = unit_records("figure2")
    assert block["nodes"] == unit_records("figure5")[0]["nodes"]
    layers = [[node["text"] for node in record["nodes"]] for record in unit_records("figure5")]
    convolutions = [[label for label in labels if "conv" in label] for labels in layers]
    assert convolutions == [["3×3 conv, 64"] * 2, ["1×1 conv, 64", "3×3 conv, 64", "1×1 conv, 256"]]


@pytest.mark.parametrize("figure", BUILDING_BLOCKS)
def test_the_command_draws_and_counts(figure: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", figure, "--out", str(tmp_path / "out"), "--json", "--check"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert Path(record["figure"]) == tmp_path / "out" / f"{figure}.png"
    assert Path(record["figure"]).read_bytes().startswith(b"\x89PNG")
    assert ("rows" in record) == (figure == "figure5")
    assert main(["reproduce", figure, "--out", str(tmp_path / "out")]) == 0
    assert ("73,728" in capsys.readouterr().out) == (figure == "figure5")


@pytest.mark.parametrize("figure", BUILDING_BLOCKS)
def test_the_document_shows_it_at_its_size(figure: str) -> None:
    text = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
    (width,) = re.findall(rf'<img src="images/units/{figure}.png" width="(\d+)" alt="[^"]+">', text)
    assert unit_image(figure) in FIGURES
    with Image.open(ROOT / unit_image(figure)) as picture:
        assert abs(picture.width / 150 - int(width) / 96) < 0.03


def test_the_document_has_the_counts(tmp_path: Path) -> None:
    assert "| bottleneck, ResNet-50 | 256 | 69,632 | 218,365,952 |" in BLOCKS["building-blocks"](tmp_path)
