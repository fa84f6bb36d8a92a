"""The versions of the training step, each from its own commit, beside one another in one run.

    python benchmarks/versions.py [--rounds 6] [--results results/bench/versions.jsonl]

Each version trains ResNet-20 at batch 128 by its own command line, from a copy of the repository as it was, in turn
with the others; on the digits, which need no download. The speed is that of its journal, evaluations not counted. About
a quarter of an hour on two cores. Needs the repository with its history.

Prints a table and ends in one line of JSON.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from side_by_side import finish, median_ratio

from resnets.runtime import device_name, resolve_device, resolve_precision

HOME = Path(__file__).parents[1]
ITERATIONS, BETWEEN = 80, 40


class Version(NamedTuple):
    """A commit, how its run is asked to be fast, and what was changed."""

    commit: str
    fields: tuple[str, ...]
    change: str


FUSED = ("fused=true",)
VERSIONS = (
    Version("158cd76", ("--precision", "fp32", "channels_last=false"), "float32, NCHW"),
    Version("158cd76", (), "bfloat16, channels-last"),
    Version("ed0b82e", ("compile=true",), "through torch.compile"),
    Version("6898cd4", FUSED, "BN, addition and ReLU as one operation"),
    Version("2bbcdbe", FUSED, "the kernel adds the gradients of what goes two ways"),
    Version("914c124", FUSED, "option A's gradient keeps the memory format; running averages in the kernel"),
    Version("HEAD", FUSED, "as it is now"),
)


def copied(commit: str, scratch: Path) -> Path:
    """The repository as it was, in a folder of its own."""
    folder = scratch / commit
    if not folder.exists():
        folder.mkdir()
        files = subprocess.run(["git", "-C", HOME, "archive", commit], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(files)) as tar:
            tar.extractall(folder, filter="data")
    return folder


def named(commit: str) -> str:
    """Its hash, which means the same tomorrow."""
    words = ["git", "-C", str(HOME), "rev-parse", "--short=7", commit]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def images_per_second(version: Version, scratch: Path, number: int) -> float:
    """Of the second half of a run, when kernels have been compiled and all is warm."""
    folder = copied(version.commit, scratch)
    run = scratch / f"run-{number}"
    words = ["digits-resnet20", "batch_size=128", f"iterations={ITERATIONS}", f"log_every={BETWEEN}"]
    words += [f"evaluate_every={ITERATIONS}", "lr=0.01", *version.fields, "--out", str(run)]
    command = [sys.executable, "-m", "resnets.cli", "train", *words]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{version.commit}: {done.stderr.decode().strip().splitlines()[-1]}")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return rows[-1]["images_per_second"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=6)
    arguments.add_argument("--results", type=Path)
    given = arguments.parse_args()
    speeds: list[list[float]] = [[] for _ in VERSIONS]
    with tempfile.TemporaryDirectory() as name:
        for turn in range(given.rounds):
            for number, version in enumerate(VERSIONS):
                speed = images_per_second(version, Path(name), turn * len(VERSIONS) + number)
                speeds[number].append(speed)
    rows = []
    for version, taken in zip(VERSIONS, speeds, strict=True):
        ratio = median_ratio(taken, speeds[0])
        print(f"{version.commit:8} {statistics.median(taken):8.0f} images/s {ratio:6.2f}  {version.change}")
        rows.append(
            {
                **version._asdict(),
                "commit": named(version.commit),
                "images_per_second": round(statistics.median(taken), 1),
                "ratio": ratio,
            }
        )
    device = resolve_device("auto")
    line = {
        "what": "training cifar_resnet20, batch 128, one version after the other",
        "versions": rows,
        "rounds": given.rounds,
        "device": device_name(device),
        "precision": resolve_precision("auto", device),
    }
    finish(line, device, given.results)


if __name__ == "__main__":
    main()
