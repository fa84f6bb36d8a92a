"""Whether bf16 harms the error curve: the same recipe and seed in float32 and in bf16, side by side.

    python benchmarks/precision_curve.py [--iterations 1000] [--results results/bench/precision.jsonl]

About eight minutes on two cores for ResNet-20 on CIFAR-10 (`resnets data fetch cifar10` first). Images, their order and
augmentation are identical; only rounding differs. Prints the training error since the line before and the test
error at the end, and ends in one line of JSON.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from side_by_side import finish

from resnets.classification.recipes import recipe
from resnets.classification.run import carry_out, new_run, open_run
from resnets.runtime import resolve_device
from resnets.training.journal import read_journal


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--recipe", default="cifar10-resnet20")
    arguments.add_argument("--iterations", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--results", type=Path)
    given = arguments.parse_args()

    curves: dict[str, dict[int, float]] = {}
    test: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("fp32", "bf16"):
            chosen: Any = replace(
                recipe(given.recipe), seed=given.seed, iterations=given.iterations, milestones=(), precision=precision
            )
            run = new_run(chosen, Path(folder) / precision)
            carry_out(run)
            evaluation = open_run(run.folder).evaluation
            assert evaluation is not None
            rows = [row for row in read_journal(run.folder) if "loss" in row]
            curves[precision] = {row["step"]: row["train_error"] for row in rows}
            test[precision] = evaluation["top1_error"]

    print(f"{given.recipe}, seed {given.seed}: training error in percent, float32 and bf16")
    for step, fp32 in curves["fp32"].items():
        print(f"  to iteration {step:6,}  {fp32:6.2f}  {curves['bf16'][step]:6.2f}  {curves['bf16'][step] - fp32:+.2f}")
    print(f"  test  {test['fp32']:6.2f}  {test['bf16']:6.2f}  {test['bf16'] - test['fp32']:+.2f}")
    differences = [curves["bf16"][step] - fp32 for step, fp32 in curves["fp32"].items()]
    line = {
        "what": f"{given.recipe}, {given.iterations} iterations, seed {given.seed}",
        "steps": list(curves["fp32"]),
        "train_error": {precision: list(curve.values()) for precision, curve in curves.items()},
        "test_error": test,
        "mean_difference": round(sum(differences) / len(differences), 3),
    }
    finish(line, resolve_device("auto"), given.results)


if __name__ == "__main__":
    main()
