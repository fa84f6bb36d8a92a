"""Whether a unit that stochastic depth leaves out costs nothing: a training step with it beside one without.

    python benchmarks/stochastic_depth.py [--model cifar_resnet110] [--results results/bench/stochastic_depth.jsonl]

About five minutes on two cores. Both sides take whole steps (forward, backward, update), in turn. The
paper's expectation for p_L = 0.5 is a share of (3L - 1) / 4L of the units, about three quarters; beside the share of
time stands the share of units that were really computed, since the draws differ from run to run.

Prints a table and ends in one line of JSON.
"""

import argparse
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from side_by_side import Step, finish, in_turn, median_ratio

from resnets.models.blocks import Unit
from resnets.models.factory import create_model
from resnets.models.stochastic_depth import units
from resnets.runtime import autocast, resolve_device, resolve_precision

Shape = tuple[int, int, int, int]


class Side:
    """One network in training; `computed` counts the units whose branch was called."""

    def __init__(self, model: str, drop_path: float, shape: Shape, device: torch.device, precision: str) -> None:
        self.model = create_model(model, drop_path=drop_path).to(device).to(memory_format=torch.channels_last)
        self.images = torch.randn(shape, device=device).contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(0, 10, shape[:1], device=device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        self.device, self.precision = device, precision
        self.computed = self.possible = 0
        for unit in units(self.model):
            self._count(unit)

    def _count(self, unit: Unit) -> None:
        branch = unit.branch

        def counted(x: torch.Tensor) -> torch.Tensor:
            self.computed += 1
            return branch(x)

        unit.branch = counted

    def step(self) -> None:
        self.possible += sum(1 for _ in units(self.model))
        with autocast(self.device, self.precision):
            logits = self.model(self.images)
        self.optimizer.zero_grad()
        F.cross_entropy(logits.float(), self.labels).backward()
        self.optimizer.step()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="cifar_resnet110")
    arguments.add_argument("--drop-path", type=float, default=0.5)
    arguments.add_argument("--batch", type=int, default=128)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--iterations", type=int, default=10, help="of each side in each round")
    arguments.add_argument("--results", type=Path)
    given = arguments.parse_args()

    device = resolve_device("auto")
    precision = resolve_precision("auto", device)
    shape = (given.batch, 3, 32, 32)
    torch.manual_seed(0)
    constant = Side(given.model, 0.0, shape, device, precision)
    stochastic = Side(given.model, given.drop_path, shape, device, precision)
    sides: dict[str, Step] = {"constant": constant.step, "stochastic": stochastic.step}
    taken = in_turn(sides, given.rounds, given.iterations, device)
    share = median_ratio(taken["stochastic"], taken["constant"])
    computed = round(stochastic.computed / stochastic.possible, 3)
    print(f"{given.model}, batch {given.batch}, drop_path {given.drop_path}, {precision}")
    milliseconds = {name: 1000 * statistics.median(times) / given.iterations for name, times in taken.items()}
    for name, value in milliseconds.items():
        print(f"  {name:10} {value:9.1f} ms a step")
    print(f"  share of time {share:.3f}, of units {computed:.3f}")
    line = {
        "what": f"a training step of {given.model}, batch {given.batch}, drop_path {given.drop_path}",
        "share_of_time": share,
        "share_of_units": computed,
        "milliseconds": {
            name: round(1000 * statistics.median(times) / given.iterations, 1) for name, times in taken.items()
        },
        "precision": precision,
        "rounds": given.rounds,
    }
    finish(line, device, given.results)


if __name__ == "__main__":
    main()
