"""Device, precision, and the record of where a run took place. Nothing happens at import, not even of torch."""

import ctypes
import os
import platform
import subprocess
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnets.version import __version__

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "tf32", "bf16")


def resolve_device(name: str) -> "torch.device":
    """The device `name` stands for; "auto" takes CUDA, then MPS, then the CPU. ValueError where it is not there."""
    import torch

    if name not in DEVICES:
        raise ValueError(f"device is {name!r}, allowed are {', '.join(DEVICES)}")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there[name]:
        usable = ", ".join(device for device, is_there in there.items() if is_there)
        raise ValueError(f"device is {name!r}, but this machine has only {usable} (`resnets doctor`)")
    return torch.device(name)


def resolve_precision(name: str, device: "torch.device") -> str:
    """The precision `name` stands for on `device`: "auto" takes bf16 only where the hardware has it, else fp32.

    Raises ValueError where the device cannot do what is asked; nothing is substituted.
    """
    import torch

    if name not in PRECISIONS:
        raise ValueError(f"precision is {name!r}, allowed are {', '.join(PRECISIONS)}")
    if name == "auto":
        return "bf16" if has_bf16(device) else "fp32"
    if name == "tf32" and not (device.type == "cuda" and torch.cuda.get_device_capability() >= (8, 0)):
        raise ValueError("precision is 'tf32', which needs a CUDA device of compute capability 8.0 or newer")
    return name


def has_bf16(device: "torch.device") -> bool:
    """Whether the hardware itself multiplies in bfloat16 (emulation is slower than float32)."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool({"avx512_bf16", "amx_bf16", "bf16"} & cpu_flags())


def cpu_flags() -> set[str]:
    """The processor's feature flags where the operating system lists them (Linux), otherwise none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    found = (line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features")))
    return set(next(found, []))


def set_precision(precision: str) -> None:
    """Tells CUDA's matrix products and convolutions whether float32 may be rounded to TF32, and to be repeatable."""
    import torch

    fp32 = "tf32" if precision == "tf32" else "ieee"
    # PyTorch keeps an older pair of flags beside these; where they disagree, whoever reads them (torch.export) fails.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = fp32 == "tf32"
    torch.backends.cuda.matmul.fp32_precision = fp32
    torch.backends.cudnn.conv.fp32_precision = fp32  # type: ignore[attr-defined]
    torch.backends.cudnn.rnn.fp32_precision = fp32  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def keep_memory() -> None:
    """Has glibc keep large blocks that are freed, for the next tensor of that size.

    Given back to the system, as is usual, they come again as pages that are made and cleared one by one: a tenth of a
    training step on a CPU. Other C libraries are left as they are.
    """
    trim_threshold, mmap_threshold = -1, -3
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # TypeError: Windows
        return
    # Older ones refuse more than 32 MiB. With none taken the other setting alone would make matters worse.
    if mallopt(mmap_threshold, 1 << 30) or mallopt(mmap_threshold, 1 << 25):
        mallopt(trim_threshold, (1 << 31) - 1)


def in_double(values: "torch.Tensor") -> "torch.Tensor":
    """`values` in float64; those on MPS, which has none, on the CPU."""
    return (values.cpu() if values.device.type == "mps" else values).double()


def autocast(device: "torch.device", precision: str) -> AbstractContextManager[Any]:
    """Mixed precision where `precision` is "bf16"; otherwise nothing."""
    import torch

    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def environment(device: "torch.device", *others: str) -> dict[str, Any]:
    """What a result depends on besides its recipe: versions, hardware, threads, the commit of this code.

    `others`: packages that it depends on too, where they are installed.
    """
    import torch

    from resnets.ranks import ranks

    packages = ("torch", "torchvision", "numpy", "pillow", "scikit-learn")
    return {
        "resnets": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        **{package: installed_version(package) for package in packages},
        **{package: found for package in others if (found := installed_version(package))},
        "system": f"{platform.system()} {platform.machine()}",
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "ranks": ranks(),
    }


def installed_version(package: str) -> str | None:
    """The version of an installed package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def device_name(device: "torch.device") -> str:
    """The name of the accelerator, or of the processor with its number of cores in use."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"{platform.processor()} GPU (MPS)"
    threads = torch.get_num_threads()
    return f"{cpu_name()}, {threads} thread{'' if threads == 1 else 's'}"


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_name() -> str:
    """The processor's name as the operating system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str | None:
    """The commit this code was checked out at, "+" behind it where files were changed; None outside a checkout."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        result = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True)
        return result.stdout.strip()

    try:
        if not (here.parent / ".git").exists():
            return None  # installed, perhaps inside somebody else's checkout
        return git("rev-parse", "HEAD")[:12] + ("+" if git("status", "--porcelain", "--", str(here)) else "")
    except (OSError, subprocess.CalledProcessError):
        return None
