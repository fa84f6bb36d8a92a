"""The Triton kernels of `fused_norm`: no GPU was there when they were written.

By Triton's interpreter on a CPU, in a process of their own: tests/test_fused_norm.py runs this file with
TRITON_INTERPRET=1, which Triton reads once. Without it, they are compiled for a GPU that is not there.
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

triton = pytest.importorskip("triton")
by_hand = pytest.mark.usefixtures("interpreted")
FILE = "batch_norm_triton.py"


@cache
def kernels() -> ModuleType:
    """The module, not by its name: under that annotations are checked, in a way that hides kernels from each other."""
    spec = importlib.util.spec_from_file_location("kernels", Path(fused_norm.__file__).with_name(FILE))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are small and programs few, so that small maps have several of each."""
    module = kernels()
    for name, value in {"TILE": 2048, "LANES": 32, "PROGRAMS": 3, "TOGETHER": 2}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setitem(fused_norm._KERNELS, "cpu", module)
    monkeypatch.setattr(fused_norm, "_load", lambda device: None)


@by_hand
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("dtype", "channels"), [(torch.float32, 3), (torch.float32, 48), (torch.bfloat16, 48)])
def test_values_gradients_and_running_averages(dtype: torch.dtype, channels: int, call: Callable[..., Tensor]) -> None:
    compare(dtype, channels, call, rounded=2**-7)  # the interpreter cuts off what a GPU rounds


@by_hand
def test_large_means_do_not_eat_the_digits() -> None:
    large_means()


@by_hand
@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_stays_so(bad: float) -> None:
    no_number(bad)


@by_hand
@pytest.mark.parametrize("kind", ["option A", "order full"])
def test_a_network_learns_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels(), "TILE", 8192)
    assert any(as_near_to_the_truth(kind, seed) for seed in range(3))


# ---------------------------------------------------------------------------------------------------------------
# Compiled

KINDS = {
    **dict.fromkeys(("x", "added", "y", "dy", "second", "kept", "dx"), "*bf16"),
    **dict.fromkeys(("rows", "channels", "programs"), "i32"),
    **dict.fromkeys(("momentum", "eps"), "fp32"),
}
CONSTANTS = {"R": 32, "L": 128, "TOGETHER": 64, "RELU": True}
OPTIONAL = ("added", "second", "kept", "running_mean", "running_variance")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    "name", ["_moments", "_after_moments", "_normalise", "_products", "_after_products", "_descend"]
)
def test_compiled_for_an_h200(name: str, whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Down to its machine code, without and with the maps that may be left out."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kernel = getattr(kernels(), name)
    given = CONSTANTS if whole else {**CONSTANTS, **dict.fromkeys(OPTIONAL)}
    constants = {argument: given[argument] for argument in kernel.arg_names if argument in given}
    kinds = {a: "constexpr" if a in constants else KINDS.get(a, "*fp32") for a in kernel.arg_names}
    compiled = triton.compile(ASTSource(kernel, kinds, constants), target=GPUTarget("cuda", 90, 32))
    assert compiled.asm["cubin"]
