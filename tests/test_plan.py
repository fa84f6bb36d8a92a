"""What a recipe would take: the arithmetic against published runs, closed forms, and a run's folder as it is."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnets.classification.plan import folder_bytes, measured, plan, plan_text
from resnets.classification.recipes import recipe
from resnets.classification.run import open_run
from resnets.cli import main
from resnets.models.catalog import skeleton
from resnets.training.recipe import override

IMAGENET = 1_281_167
MLPERF = [
    # (what, GPUs, images a second in all, seconds to the target, images a GPU)
    ("v4.0, H200", 8, 63_530, 721.4, 400),
    ("v4.0, H100", 8, 57_280, 798.0, 400),
    ("v3.0, H100", 8, 56_056, 816.0, 400),
    ("v3.0, A100", 8, 28_605, 1_623.0, 400),
    ("v4.0, H100", 64, 314_240, 150.3, 50),
]
"""NVIDIA's and Dell's entries for ResNet-50, mlcommons/training_results_v3.0 and _v4.0."""


def planned(speed: float, gpus: tuple[int, ...], *changes: str, **options: Any) -> dict[str, Any]:
    return plan(override(recipe("cifar10-resnet20"), list(changes)), speed, "a test", gpus, **options)


@pytest.mark.parametrize(("what", "gpus", "speed", "seconds", "each"), MLPERF)
def test_published_runs(what: str, gpus: int, speed: float, seconds: float, each: int) -> None:
    """The target is reached in epoch 35 to 37: the seconds of so many lie around those that were published."""
    batch = gpus * each
    bounds = []
    for epochs in (35, 37):
        iterations = round(epochs * IMAGENET / batch)
        changes = (f"iterations={iterations}", f"batch_size={batch}", "model=resnet50_v1_5", "milestones=")
        (row,) = planned(speed / gpus, (gpus,), *changes)["rows"]
        assert row["images_per_second"] == pytest.approx(speed)
        bounds.append(3600 * row["hours"])
    low, high = bounds
    assert low < seconds < high


def test_hours_cost_and_traffic() -> None:
    """64,000 iterations of 128 images at 1,000 a second; a ring moves 2 (R - 1) / R of 4 bytes for each parameter."""
    record = planned(1000, (1, 2, 128), price=3.0)
    one, two, many = record["rows"]
    assert one["hours"] == pytest.approx(64_000 * 128 / 1000 / 3600)
    assert one["cost"] == pytest.approx(3 * one["hours"])
    assert two["hours"] == pytest.approx(one["hours"] / 2)
    assert two["cost"] == pytest.approx(one["cost"])
    assert [row["exchanged_bytes_per_iteration"] for row in (one, two, many)] == pytest.approx(
        [0, 4 * 269_722, 8 * 269_722 * 127 / 128]
    )
    assert many["read_bytes_per_second"] == pytest.approx(128_000 * 3072)
    assert two["exchanged_bytes_per_second"] == pytest.approx(4 * 269_722 * 1000 * 2 / 128)


def test_imagenet_from_disk() -> None:
    """110 kB a photograph; both archives, 138 and 6.3 GiB, on the disk; a run on other photographs says nothing."""
    changes = ["data=pictures"]
    here, other = (plan(override(recipe("imagenet-resnet50"), c), 1000, "a test", (1, 8)) for c in ([], changes))
    assert [row["read_bytes_per_second"] / 1000 for row in here["rows"]] == pytest.approx([115_440, 923_517], rel=1e-5)
    assert here["data_bytes"] / 2**30 == pytest.approx(138 + 6.3, rel=0.002)
    assert "on disk: ImageNet's archives, 154,642.4 MB" in plan_text(here)
    assert other["data_bytes"] is None
    assert "on disk: the folder of the run" in plan_text(other)


def test_a_slow_link_binds() -> None:
    """8 GPUs: 2 ms to compute, 7/4 of 1,078,888 bytes to exchange at 0.1 GB/s."""
    (row,) = planned(8000, (8,), link=0.1)["rows"]
    exchange = 7 / 4 * 4 * 269_722 / 1e8
    assert exchange > 0.002
    assert row["hours"] == pytest.approx(64_000 * exchange / 3600)
    assert row["hours_apart"] == pytest.approx(64_000 * (exchange + 0.002) / 3600)


def test_the_folder_is_no_larger_than_planned(run: Path) -> None:
    record = plan(open_run(run).recipe, 100, "a test", (1,))
    files = [*run.glob("checkpoints/*"), run / "model.safetensors", run / "losses.f32"]
    there = sum(path.stat().st_size for path in files)
    assert there < 1.1 * record["folder_bytes"] < 2 * there


def test_a_moving_average_takes_room_in_each_checkpoint() -> None:
    usual = recipe("imagenet-resnet50")
    alone, averaged = folder_bytes(usual), folder_bytes(replace(usual, ema=0.999))
    assert averaged - alone == 3 * 4 * sum(value.numel() for value in skeleton("resnet50").state_dict().values())


def test_every_iteration_takes_four_bytes() -> None:
    usual = recipe("cifar10-resnet20")
    assert folder_bytes(replace(usual, iterations=usual.iterations + 1000)) - folder_bytes(usual) == 4000


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"kind": "training", "model": "cifar_resnet20", "device": "a GPU", "precision": "bf16", "date": "2026-01-01"}
    lines = [{**line, "model": "other"}, {**line, "sides": {"plain": {"images_per_second": 5}}}]
    lines[0]["sides"] = lines[1]["sides"] = {"plain": {"images_per_second": 5}, "eager": {"images_per_second": 64}}
    path = tmp_path / "speed.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in lines))
    assert main(["plan", "cifar10-resnet20", "--measured", str(path), "--gpus", "1,3", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [row["hours"] for row in record["rows"]] == pytest.approx([64_000 * 2 / 3600, 64_000 * 2 / 3 / 3600])
    assert "a GPU, bf16" in record["source"]
    assert "3 GPUs do not divide the batch" in plan_text(record)
    assert "no GPU was measured" in plan_text(record)
    assert main(["plan", "cifar10-resnet20"]) == 2
    assert main(["plan", "cifar10-resnet20", "--images-per-second", "0"]) == 2
    assert main(["plan", "cifar10-resnet20", "--measured", str(path), "--scale", "short"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("resnets plan: one of --images-per-second N and --measured FILE is needed")
    assert said[1] == "resnets plan: images_per_second is 0.0, allowed is a finite number above 0"
    assert "scale is of the other kind of plan" in said[2]
    with pytest.raises(ValueError, match="has no training of cifar_resnet32"):
        measured(path, "cifar_resnet32")
    path.write_text("{}\n[1]\n")
    with pytest.raises(ValueError, match="line 2: not a line of results"):
        measured(path, "cifar_resnet20")
