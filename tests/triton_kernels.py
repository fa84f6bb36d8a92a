"""The Triton kernels of `fused_norm`, by Triton's interpreter on a CPU: no GPU was there when they were written.

In a process of their own (tests/test_fused_norm.py runs this file with TRITON_INTERPRET=1), which Triton reads once.
"""

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
from norms import CALLS, as_near_to_the_truth, compare, large_means, no_number
from torch import Tensor

from resnets.models import fused_norm

pytest.importorskip("triton")
FILE = "batch_norm_triton.py"


@cache
def interpreted() -> ModuleType:
    """The module, not by its name: under that annotations are checked, in a way that hides kernels from each other."""
    spec = importlib.util.spec_from_file_location("interpreted", Path(fused_norm.__file__).with_name(FILE))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are small and programs few, so that small maps have several of each."""
    kernels = interpreted()
    for name, value in {"TILE": 2048, "LANES": 32, "PROGRAMS": 3, "TOGETHER": 2}.items():
        monkeypatch.setattr(kernels, name, value)
    monkeypatch.setitem(fused_norm._KERNELS, "cpu", kernels)
    monkeypatch.setattr(fused_norm, "_load", lambda device: None)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("dtype", "channels"), [(torch.float32, 3), (torch.float32, 48), (torch.bfloat16, 48)])
def test_values_gradients_and_running_averages(dtype: torch.dtype, channels: int, call: Callable[..., Tensor]) -> None:
    compare(dtype, channels, call, rounded=2**-7)  # the interpreter cuts off what a GPU rounds


def test_large_means_do_not_eat_the_digits() -> None:
    large_means()


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_stays_so(bad: float) -> None:
    no_number(bad)


@pytest.mark.parametrize("kind", ["option A", "order full"])
def test_a_network_learns_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreted(), "TILE", 8192)
    assert any(as_near_to_the_truth(kind, seed) for seed in range(3))
