"""All that needs a GPU, in a quarter of an hour: the most important first, each with a limit of time.

    python benchmarks/gpu.py [--minutes 15] [--data cifar10] [--results results] [--only NAME,...] [--tiny] [--dry]

Each part is a command of its own. What it measured is in the results before the next begins, so that whatever stops
this leaves all but the part it stopped; a part that fails or takes too long is said so, and the others go on. A part
whose limit is longer than what is left is left out. `--only` takes some of the parts, `--dry` prints their commands,
`--tiny` has them do next to nothing, on a CPU too. `--data digits`: speed is the same, and nothing need be fetched.

Prints what became of each part and ends in one line of JSON.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HOME = Path(__file__).resolve().parents[1]
FAST = ["fused=true", "capture=true", "replay=10", "evaluate_every=4000", "checkpoint_every=8000"]
"""How the paper's schedule is run; evaluating and saving less often leaves training as it is."""
TINY = ["model=cifar_resnet8", "iterations=4", "milestones=2,3", "batch_size=4", "warmup_lr=none", "fused=true"]


class Part(NamedTuple):
    """One command."""

    name: str
    minutes: float
    """It is stopped after so many."""
    words: list[str]


def parts(data: str, results: Path, runs: Path, tiny: bool = False) -> list[Part]:
    """The most important first. `tiny`: small enough for a CPU, to see that all of them work."""
    resnets, speeds = [sys.executable, "-m", "resnets.cli"], ["--results", str(results / "bench" / "speed.jsonl")]

    def bench(kind: str, net: str, *more: str, sides: str) -> list[str]:
        if tiny:
            on_a_cpu = {"training": "fused", "seeds": "fused", "inference": "joined"}[kind]
            net, more, sides = "cifar_resnet8", ("--batch", "2", "--seconds", "0.01"), on_a_cpu
        words = [*resnets, "bench", kind, net, "--sides", sides, "--rounds", "1" if tiny else "3", "--seconds", "2"]
        return [*words, *more, *speeds]

    def paper(depth: int, *seeds: str) -> list[str]:
        """The paper's schedule, whole."""
        out = ["--out", str(runs / "-".join([str(depth), *seeds])), "--results", str(results / f"{data}.jsonl")]
        return [*resnets, "train", f"cifar10-resnet{depth}", f"data={data}", *(TINY if tiny else FAST), *seeds, *out]

    python = sys.executable
    net = "resnet50_v1_5"
    return [
        Part("checks", 2, [python, "-m", "pytest", "-m", "gpu", "-n", "0", "--tb=line", "tests"]),
        Part("latency", 0.5, [python, "benchmarks/latency.py", "--results", str(results / "bench" / "latency.jsonl")]),
        Part("training-20", 3, bench("training", "cifar_resnet20", sides="same,eager,autotuned,captured,replayed")),
        Part("paper-20", 1.5, paper(20)),
        Part("training-50", 2, bench("training", net, sides="torchvision,eager,fused,captured")),
        Part("inference-50", 2.5, bench("inference", net, sides="last,torch.compile,folded,joined,captured")),
        Part("paper-56", 2.5, paper(56)),
        Part("seeds-20", 1.5, bench("seeds", "cifar_resnet20", sides="alone,fused,fused-together")),
        Part("paper-110", 4.5, paper(110)),
        Part("training-56", 2, bench("training", "cifar_resnet56", sides="same,eager,captured,replayed")),
        Part("training-110", 2, bench("training", "cifar_resnet110", sides="same,eager,captured,replayed")),
        Part("one-image", 2, bench("inference", net, "--batch", "1", sides="last,joined,captured")),
        Part("autotuned-50", 5, bench("inference", net, sides="torch.compile,captured,compiled")),
        Part("two-seeds", 3, paper(20, "--seeds", "1..2")),
    ]


def carried_out(part: Part) -> str:
    """Runs it; what became of it, in a word or in its own last one."""
    running = subprocess.Popen(part.words, cwd=HOME, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        _, said = running.communicate(timeout=60 * part.minutes)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)  # with the processes that it has started
        running.communicate()
        return f"stopped after {part.minutes:g} minutes"
    *_, last = said.strip().splitlines() or [""]
    return "done" if running.returncode == 0 else f"failed ({running.returncode}): {last}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=15)
    arguments.add_argument("--data", choices=("cifar10", "digits"), default="cifar10")
    arguments.add_argument("--results", type=Path, default=HOME / "results")
    arguments.add_argument("--only", metavar="NAME,...")
    arguments.add_argument("--tiny", action="store_true")
    arguments.add_argument("--dry", action="store_true")
    given = arguments.parse_args()
    if given.tiny and given.results.resolve() == HOME / "results" and not given.dry:
        arguments.error("--tiny says nothing about speed: --results names another folder than the checkout's")
    began, became = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as runs:
        plan = parts(given.data, given.results.absolute(), Path(runs), given.tiny)
        chosen = given.only.split(",") if given.only else [part.name for part in plan]
        if unknown := set(chosen) - {part.name for part in plan}:
            arguments.error(
                f"--only: {', '.join(sorted(unknown))}, allowed are {', '.join(part.name for part in plan)}"
            )
        for part in plan:
            if part.name not in chosen:
                continue
            print(f"{part.name} (at most {part.minutes:g} minutes): {shlex.join(part.words)}", flush=True)
            if given.dry:
                continue
            left = given.minutes - (time.monotonic() - began) / 60
            became[part.name] = carried_out(part) if part.minutes <= left else f"left out: {left:.1f} minutes are left"
            print(f"{part.name}: {became[part.name]}", flush=True)
    print(json.dumps({"parts": became, "minutes": round((time.monotonic() - began) / 60, 1)}))


if __name__ == "__main__":
    main()
