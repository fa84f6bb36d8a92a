"""C++ that is compiled where it runs, for the processor it runs on; nothing is compiled when the package is installed.

A kernel is one file without dependencies, beside the Python that calls it through ctypes. What it compiles to is kept
in the user's cache, under a name made of all that it depends on.
"""

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from resnets.files import caches
from resnets.runtime import cpu_flags, cpu_name

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")


class Unavailable(Exception):
    """This machine cannot compile the kernel; the message, of one line, says why."""


@cache
def library(package: str, name: str) -> ctypes.CDLL:
    """The file `name` of `package`, compiled and loaded; `Unavailable` where that is not possible.

    Call it after torch is imported: both then share one OpenMP, and with it one set of threads.
    """
    source = (files(package) / name).read_bytes()
    compiler = shlex.split(os.environ.get("CXX", "")) or ["c++"]  # CXX may have words behind it, or be "ccache g++"
    if shutil.which(compiler[0]) is None:
        raise Unavailable("there is no C++ compiler (c++, or what CXX names)")
    try:
        version = subprocess.run([*compiler, "--version"], capture_output=True, check=True).stdout
        processor = f"{cpu_name()} {sorted(cpu_flags())}".encode()
        digest = hashlib.sha256(b"\0".join([source, version, processor, " ".join(FLAGS).encode()])).hexdigest()
        target = caches() / "native" / f"{Path(name).stem}-{digest[:16]}.so"
        if not target.exists():
            _compile(compiler, source, target)
        return ctypes.CDLL(str(target))
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {error.returncode}"]
        raise Unavailable(f"{shlex.join(compiler)} cannot compile {name}: {said[0]}") from None
    except (OSError, ValueError) as error:  # ValueError: there is no cache folder
        reason = getattr(error, "strerror", None) or error
        raise Unavailable(f"{name} cannot be compiled or loaded: {reason}") from None


def _compile(compiler: Sequence[str], source: bytes, target: Path) -> None:
    """Compiles `source` into `target`, which is whole or not there, whoever else compiles it at the same time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        (Path(scratch) / "kernel.cpp").write_bytes(source)
        words = [*compiler, *FLAGS, "kernel.cpp", "-o", "kernel.so"]
        subprocess.run(words, cwd=scratch, capture_output=True, check=True)
        (Path(scratch) / "kernel.so").replace(target)
