"""Where the paper is silent: the other readings exist, do what they say, and are compared seed by seed."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from test_reproduction import ENVIRONMENT
from test_results import RESULTS
from test_verdicts import NET, line
from torch import nn

from resnets.classification.recipes import recipe
from resnets.classification.start import first_network
from resnets.cli import main
from resnets.data.digits import digits
from resnets.data.statistics import statistics
from resnets.documents.blocks import BLOCKS
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import differences, is_of, rows_of
from resnets.training.recipe import override

SHORT = ("iterations=6400", "milestones=3200,4800")
CHOICES = TARGETS["choices"]


def _convolutions(name: str, *changes: str) -> list[nn.Conv2d]:
    torch.manual_seed(3)
    model = first_network(override(recipe(name), list(changes)), tuple("abcdefghij")).model
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize("name", ["cifar10-resnet20", "cifar10-resnext29_4x16d"])
def test_fan_out_scales_the_draws_of_fan_in(name: str) -> None:
    pairs = zip(_convolutions(name), _convolutions(name, "initialisation=fan_out"), strict=True)
    for usual, other in pairs:
        outputs = other.out_channels * other.kernel_size[0] * other.kernel_size[1]
        if other.weight.numel() > 9_000:  # enough for a deviation within a few percent
            assert other.weight.std().item() == pytest.approx(math.sqrt(2 / outputs), rel=0.05)
        torch.testing.assert_close(other.weight / other.weight.norm(), usual.weight / usual.weight.norm())


def test_fan_out_leaves_given_weights_as_they_are() -> None:
    usual, other = (_convolutions(NET, "start=package", *more) for more in ((), ("initialisation=fan_out",)))
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(usual, other, strict=True))


def test_a_mean_of_each_channel(tmp_path: Path) -> None:
    train = digits("train")
    for _ in range(2):  # computed, and kept
        found = statistics(train, "channel_mean", tmp_path)
        assert found.mean == pytest.approx((train.images.double().mean((0, 2, 3)) / 255).tolist())
        assert found.std == [1.0] * 3
    assert override(recipe(NET), ["normalisation=channel_mean"]).to_dict()["normalisation"] == "channel_mean"


def test_each_row_changes_one_choice() -> None:
    first, *others = (entry.planned("paper", 1) for entry in CHOICES.entries)
    assert first == override(recipe(NET), ["seed=1"])
    for other in others:
        changed = {k for k, v in other.to_dict().items() if v != first.to_dict()[k]} - {"name"}
        assert len(changed) == 1, other


def _lines() -> list[dict[str, Any]]:
    made = [(NET, seed, error, ()) for seed, error in enumerate((13.5, 13.0, 14.0))]
    made += [(NET, seed, error, ("decay=all",)) for seed, error in enumerate((13.6, 13.5))]
    made += [("cifar10-resnet20-45k", 7, 15.0, ())]  # no first row of that seed
    return [{**line(name, seed, e, *SHORT, *more), "environment": ENVIRONMENT} for name, seed, e, more in made]


def test_differences_are_taken_seed_by_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(CHOICES, "short", [0, 1, 2, 7], _lines())
    found = differences(rows)
    assert found is not None
    assert found[f"{NET}, decay of all"] == pytest.approx([0.1, 0.5])
    assert found["cifar10-resnet20-45k"] == []
    assert NET not in found
    assert differences(rows_of(TARGETS["table6"], "short", [0, 1, 2, 7], _lines())) is None

    results = tmp_path / "cifar10.jsonl"
    results.write_text("".join(json.dumps(one) + "\n" for one in _lines()))
    text = BLOCKS["choices"](tmp_path)
    assert f"| {NET}, decay of all | 13.55 ± 0.07 (2 seeds) | 1.00 ± 0.00 | +0.30 ± 0.28 |" in text
    assert "| cifar10-resnet20-45k | 15.00 (seed 7) | 1.00 |  |" in text
    assert "less that of cifar10-resnet20, seed by seed" in text
    words = ["plan", "choices", "--scale", "short", "--only", "decay of all", "--seeds", "0..1"]
    assert main([*words, "--results", str(results), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["missing"] == []
    assert [row["name"] for row in record["rows"]] == [f"{NET}, decay of all"]


@pytest.mark.parametrize("change", ["fused=true", "channels_last=false", "checkpoint_every=250", "precision=fp32"])
def test_speed_makes_no_other_run(change: str) -> None:
    (entry, *_) = CHOICES.entries
    made = line(NET, 2, 13.5, *SHORT, change)
    assert is_of({**made, "device": "CPU, 8 threads"}, entry.planned("short", 2))


def test_the_recorded_short_run_is_a_row_of_the_short_scale() -> None:
    lines = [json.loads(text) for text in (RESULTS / "cifar10.jsonl").read_text().splitlines()]
    (first, *_) = rows_of(CHOICES, "short", [0], lines)
    assert [run["test_error"] for run in first.runs] == [13.63]
