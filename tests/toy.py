"""A task without images: a straight line through known points, by least squares. To the loop it is like any other."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from resnets.training.loop import Outcome, train
from resnets.training.recipe import Recipe

BATCH, POINTS = 4, 64


def toy_recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {"name": "toy", "iterations": 20, "batch_size": BATCH, "lr": 0.05}
    values |= {"log_every": 4, "evaluate_every": 8, "checkpoint_every": 5, "precision": "fp32"}
    return Recipe(**{**values, **changes})


class Batch(NamedTuple):
    x: Tensor
    y: Tensor


class Toy:
    """y = 2 x0 - x1 + 0.5 with noise. `before(step)` is called as the batch of `step` (from 0) is made."""

    def __init__(self, before: Callable[[int], None] = lambda step: None) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(POINTS, 2, generator=generator)
        noise = 0.1 * torch.randn(POINTS, 1, generator=generator)
        self.y = self.x @ torch.tensor([[2.0], [-1.0]]) + 0.5 + noise
        self.model = nn.Linear(2, 1)
        with torch.no_grad():
            self.model.weight.copy_(torch.tensor([[0.1, 0.2]]))
            self.model.bias.zero_()
        self.before, self.evaluations, self.scale = before, 0, 1.0
        self.steps: list[int] = []

    def batches(self, step: int) -> Iterator[Batch]:
        while True:
            self.before(step)
            self.steps.append(step)
            chosen = (torch.arange(BATCH) + BATCH * step) % POINTS
            yield Batch(self.x[chosen], self.y[chosen])
            step += 1

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        x, y = batch
        away = self.model(x) - y
        return {"loss": self.scale * away.square().mean(), "train_error": 100 * (away.abs() > 0.5).float().mean()}

    def evaluate(self) -> dict[str, float]:
        self.evaluations += 1
        with torch.no_grad():
            return {"test_error": float(100 * ((self.model(self.x) - self.y).abs() > 0.5).float().mean())}

    def train(self, recipe: Recipe, folder: Path) -> Outcome:
        return train(
            self.model,
            recipe,
            folder,
            batches=self.batches,
            losses=self.losses,
            evaluate=self.evaluate,
            epoch_size=POINTS,
        )
