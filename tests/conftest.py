"""What all tests share. Annotations of shapes and types are checked as the package runs: here, and nowhere else."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
# An int goes where a float is asked for, as for any type checker.
_checker = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
_hook = jaxtyping.install_import_hook("resnets", _checker)

import torch  # noqa: E402 - after the number of threads
from commands import blank_figures  # noqa: E402 - after the hook
from numpy_nets import WIDTHS  # noqa: E402

from resnets.classification.recipe import ClassificationRecipe  # noqa: E402 - after the hook
from resnets.classification.recipes import recipe  # noqa: E402 - after the hook
from resnets.cli import main  # noqa: E402
from resnets.models import identify, preact, resnet  # noqa: E402
from resnets.models.catalog import blueprint  # noqa: E402
from resnets.models.stages import below  # noqa: E402
from resnets.paper import entries  # noqa: E402
from resnets.training.recipe import override  # noqa: E402

TINY = (
    "model=cifar_resnet8",
    "iterations=24",
    "batch_size=16",
    "log_every=5",
    "evaluate_every=10",
    "checkpoint_every=7",
    "precision=fp32",
)
"""A run of two seconds: log lines, evaluations and checkpoints at steps that do not coincide."""


@pytest.fixture(autouse=True, scope="session")
def _surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty data home, and one thread: bit-equal results are promised for equal numbers of them."""
    torch.set_num_threads(1)
    # A shell ignores Ctrl-C in what it starts in the background, and every process started from there inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESNETS_DATA", str(tmp_path_factory.mktemp("data-home")))
        yield


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """What a test draws is the same every time, alone and beside others: one that fails, fails again."""
    torch.manual_seed(0)


@pytest.fixture
def tiny() -> ClassificationRecipe:
    """The recipe that `TINY` makes of digits-resnet20."""
    tiny = override(recipe("digits-resnet20"), list(TINY))
    assert isinstance(tiny, ClassificationRecipe)
    return tiny


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of `TINY`, to be read only."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", "digits-resnet20", *TINY, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue's networks for ImageNet, all their layers, with few channels."""
    for module in (resnet, preact):
        monkeypatch.setattr(module, "WIDTHS", WIDTHS)
    remembered = (identify._beginning, below, blueprint)
    for known in remembered:
        known.cache_clear()
    yield
    for known in remembered:
        known.cache_clear()


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of runs have blank figures: drawing takes longer than all else of a short run."""
    monkeypatch.setattr("resnets.report.page._figures", blank_figures)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A copy of `run`, to be changed."""
    return Path(shutil.copytree(run, tmp_path / "copy"))


@pytest.fixture
def tiny_smoke(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scale "smoke" with the nets of 8 layers: two seconds a run."""

    def seconds_only(given: Any) -> Any:
        return override(entries.seconds_only(given), [*TINY, "iterations=6", "evaluate_every=6", "checkpoint_every=6"])

    monkeypatch.setitem(entries.SCALES, "smoke", seconds_only)
