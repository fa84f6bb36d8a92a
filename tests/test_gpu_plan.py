"""The quarter of an hour on a GPU: its commands are ones, and what becomes of each is said. Nothing is measured."""

import importlib.util
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from resnets.arguments import parse
from resnets.bench.bench import KINDS, _chosen
from resnets.classification.recipes import recipe
from resnets.training.recipe import override

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu", ROOT / "benchmarks" / "gpu.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(gpu: ModuleType, *how: object) -> Iterator[list[str]]:
    """The words of those that are commands of this package."""
    for part in gpu.parts(*how):
        if "resnets.cli" in part.words:
            yield part.words[part.words.index("resnets.cli") + 1 :]


@pytest.mark.parametrize("data", ["cifar10", "digits"])
@pytest.mark.parametrize("tiny", [False, True])
def test_every_command_is_one(gpu: ModuleType, data: str, tiny: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: not tiny)
    kinds, depths = [], []
    for words in commands(gpu, data, Path("results"), Path("runs"), tiny):
        given = parse(words)
        if given.verb == "bench":
            kinds.append(given.kind)
            _chosen(KINDS[given.kind].sides(given.model), given.sides.split(","))
        else:
            chosen = override(recipe(given.recipe), given.assignments)
            depths.append(chosen.model)
            assert chosen.capture == (not tiny)
            assert tiny or (chosen.iterations, chosen.milestones, chosen.batch_size) == (64_000, (32_000, 48_000), 128)
            assert tiny or (chosen.warmup_lr == 0.01) == (chosen.model == "cifar_resnet110")
    assert set(kinds) == {"training", "inference", "seeds"}
    assert tiny or depths == [f"cifar_resnet{depth}" for depth in (20, 56, 110, 20)]


def test_what_becomes_of_a_part(gpu: ModuleType) -> None:
    def part(code: str, minutes: float = 1) -> str:
        return gpu.carried_out(gpu.Part("part", minutes, [sys.executable, "-c", code]))

    assert part("") == "done"
    assert part("raise SystemExit('no such engine')") == "failed (1): no such engine"
    assert part("import time; time.sleep(60)", 0.005) == "stopped after 0.005 minutes"


def test_the_plan(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(gpu, "parts", lambda *how: [gpu.Part(name, 0.1, [sys.executable, "-V"]) for name in "abc"])
    monkeypatch.setattr(gpu, "carried_out", lambda part: "done")
    monkeypatch.setattr(sys, "argv", shlex.split("gpu.py --only a,c --minutes 0.05"))
    gpu.main()
    assert '{"parts": {"a": "left out: 0.0 minutes are left", "c": "left out' in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", shlex.split("gpu.py --only a,d"))
    with pytest.raises(SystemExit):
        gpu.main()
    assert "--only: d, allowed are a, b, c" in capsys.readouterr().err
