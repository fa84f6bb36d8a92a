"""Device and precision on machines that are faked, and bf16 where it is really used."""

import re
from pathlib import Path

import pytest
import torch

from resnets import runtime
from resnets.classification.data import load_data
from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.task import Classification
from resnets.runtime import autocast, environment, has_bf16, resolve_device, resolve_precision, set_precision

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")


def machine(
    monkeypatch: pytest.MonkeyPatch, *, flags: str = "", cuda: tuple[int, int] | None = None, mps: bool = False
) -> None:
    """A machine with these processor flags, this CUDA compute capability, and MPS or not."""
    monkeypatch.setattr(runtime, "cpu_flags", lambda: set(flags.split()))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_auto_takes_the_best_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    assert resolve_device("auto") == CPU
    machine(monkeypatch, mps=True)
    assert resolve_device("auto") == MPS
    machine(monkeypatch, mps=True, cuda=(8, 0))
    assert resolve_device("auto") == CUDA
    assert resolve_device("cpu") == CPU


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    for name in ("cuda", "mps"):
        with pytest.raises(ValueError, match=f"device is '{name}', but this machine has only cpu"):
            resolve_device(name)
    with pytest.raises(ValueError, match="device is 'tpu', allowed are auto, cpu, cuda, mps"):
        resolve_device("tpu")


@pytest.mark.parametrize(
    ("flags", "takes"),
    [
        ("sse4_2 avx2 avx512f", "fp32"),
        ("avx512_bf16", "bf16"),
        ("amx_tile amx_bf16", "bf16"),
        ("asimd bf16", "bf16"),
        ("", "fp32"),
    ],
)
def test_auto_takes_bf16_only_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, flags: str, takes: str
) -> None:
    machine(monkeypatch, flags=flags)
    assert resolve_precision("auto", CPU) == takes
    assert has_bf16(CPU) is (takes == "bf16")
    for asked in ("fp32", "bf16"):  # what is asked for is not replaced
        assert resolve_precision(asked, CPU) == asked


@pytest.mark.parametrize(("capability", "takes"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_auto_on_cuda(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], takes: str) -> None:
    machine(monkeypatch, flags="" if takes == "bf16" else "avx512_bf16", cuda=capability)
    assert resolve_precision("auto", CUDA) == takes
    if takes == "bf16":
        assert resolve_precision("tf32", CUDA) == "tf32"
    else:
        with pytest.raises(ValueError, match=r"needs a CUDA device of compute capability 8\.0"):
            resolve_precision("tf32", CUDA)


def test_tf32_elsewhere_and_unknown_precisions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, mps=True)
    for device in (CPU, MPS):
        with pytest.raises(ValueError, match="precision is 'tf32', which needs a CUDA device"):
            resolve_precision("tf32", device)
        assert resolve_precision("auto", device) == "fp32"
    with pytest.raises(ValueError, match="precision is 'fp16', allowed are auto, fp32, tf32, bf16"):
        resolve_precision("fp16", CPU)


def test_the_flags_of_this_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, flags in (
        ("processor: 0\nflags\t\t: fpu avx512_bf16\nflags\t: other\n", {"fpu", "avx512_bf16"}),
        ("Features\t: fp asimd bf16\n", {"fp", "asimd", "bf16"}),
        ("nothing\n", set()),
    ):
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(runtime, "Path", lambda _: tmp_path / "cpuinfo")
        assert runtime.cpu_flags() == flags
    (tmp_path / "cpuinfo").unlink()  # as on macOS and Windows
    assert runtime.cpu_flags() == set()


def test_float32_is_float32_unless_tf32_is_asked_for() -> None:
    for precision, expected in (("tf32", "tf32"), ("bf16", "ieee"), ("fp32", "ieee")):
        set_precision(precision)
        assert torch.backends.cuda.matmul.fp32_precision == expected
        assert torch.backends.cudnn.conv.fp32_precision == expected  # type: ignore[attr-defined]
        # the older flags, which torch.export and torch.compile read, say the same, and reading them is no error
        assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == (expected == "tf32")
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark


def test_autocast() -> None:
    a = torch.ones(4, 4)
    for precision, kind in (("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)):
        with autocast(CPU, precision):
            assert (a @ a).dtype == kind


@pytest.mark.parametrize(("precision", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_training_runs_in_the_precision_that_is_recorded(
    tiny: ClassificationRecipe, precision: str, kind: torch.dtype
) -> None:
    task = Classification(tiny, load_data(tiny, CPU), CPU, precision)
    kinds: list[torch.dtype] = []
    task.model.get_submodule("conv1").register_forward_hook(lambda module, given, result: kinds.append(result.dtype))
    loss = task.losses(next(task.batches(0)))["loss"]
    assert kinds == [kind]
    assert loss.dtype == torch.float32
    loss.backward()
    assert {p.grad.dtype for p in task.model.parameters() if p.grad is not None} == {torch.float32}
    task.evaluate()
    assert set(kinds[1:]) == {torch.float32}  # evaluation stays in float32


def test_the_record_of_the_environment() -> None:
    record = environment(CPU)
    assert record["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert record["threads"] == torch.get_num_threads()
    assert {"resnets", "commit", "python", "torchvision", "numpy", "pillow", "system", "device"} <= set(record)
    assert re.search(rf", {torch.get_num_threads()} threads?$", record["device"])
