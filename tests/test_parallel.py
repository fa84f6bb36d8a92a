"""BN over the images of all ranks, against torch's own on the whole batch: two threads stand in for two processes."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, local
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resnets.training import parallel


class Ranks:
    """As many threads as there are ranks; a sum over ranks waits for all of them."""

    def __init__(self, count: int) -> None:
        self.count, self.here, self.barrier = count, local(), Barrier(count)
        self.given: dict[int, Tensor] = {}

    def all_reduce(self, values: Tensor) -> None:
        self.given[self.here.rank] = values.clone()
        self.barrier.wait(60)
        total = torch.stack([self.given[number] for number in range(self.count)]).sum(0)
        self.barrier.wait(60)
        values.copy_(total)

    def run(self, work: Any) -> list[Any]:
        def on(number: int) -> Any:
            self.here.rank = number
            return work(number)

        with ThreadPoolExecutor(self.count) as pool:
            return list(pool.map(on, range(self.count)))


@pytest.fixture(params=[2, 3])
def ranks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Ranks:
    group = Ranks(request.param)
    monkeypatch.setattr(parallel, "ranks", lambda: group.count)
    monkeypatch.setattr(parallel, "rank", lambda: group.here.rank)
    monkeypatch.setattr(parallel.dist, "all_reduce", group.all_reduce)
    return group


def norm() -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(5, eps=1e-3, momentum=0.3).double()
    with torch.no_grad():
        made.weight.copy_(torch.linspace(0.5, 2, 5))
        made.bias.copy_(torch.linspace(-1, 1, 5))
    return made


def test_moments_gradients_and_averages_are_those_of_the_whole_batch(ranks: Ranks) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4 * ranks.count, 5, 3, 2, generator=generator, dtype=torch.float64) * 3 + 10
    weights = torch.randn(x.shape, generator=generator, dtype=torch.float64)

    def forward(norm: nn.BatchNorm2d, x: Tensor, weights: Tensor) -> dict[str, Any]:
        x = x.clone().requires_grad_()
        y = norm(x)
        (y * weights).square().mean().backward()
        assert norm.weight.grad is not None
        assert norm.bias.grad is not None
        learned = {"weight": norm.weight.grad, "bias": norm.bias.grad}
        return {"y": y.detach(), "x": x.grad, "buffers": dict(norm.named_buffers()), **learned}

    def on(number: int) -> dict[str, Any]:
        own = parallel.synchronised(nn.Sequential(norm()))[0]  # type: ignore[index]
        assert type(own) is parallel.SynchronisedNorm
        return forward(own, x.chunk(ranks.count)[number], weights.chunk(ranks.count)[number])

    found, whole = ranks.run(on), forward(norm(), x, weights)
    close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-12)
    close(torch.cat([part["y"] for part in found]), whole["y"])
    # a rank's loss is the mean over its images, the whole's over all: the mean over ranks of gradients is the whole's
    close(torch.cat([part["x"] for part in found]) / ranks.count, whole["x"])
    for name in ("weight", "bias"):
        close(sum(part[name] for part in found) / ranks.count, whole[name])
    for part in found:
        close(part["buffers"], whole["buffers"])


def test_in_evaluation_it_is_the_ordinary_one(ranks: Ranks) -> None:
    x = torch.randn(2, 5, 3, 3, dtype=torch.float64)
    own, plain = parallel.synchronised(nn.Sequential(norm())).eval(), norm().eval()
    assert torch.equal(own(x), plain(x))


def test_running_averages_become_their_mean(ranks: Ranks) -> None:
    def on(number: int) -> dict[str, Tensor]:
        model = nn.Sequential(norm(), nn.Linear(2, 2), norm())
        with torch.no_grad():
            for buffer in model.buffers():
                buffer.fill_(number + 1)
        parallel.average_statistics(model)
        return dict(model.named_buffers())

    mean = (ranks.count + 1) / 2
    for number, buffers in enumerate(ranks.run(on)):
        for name, buffer in buffers.items():
            expected = number + 1 if "num_batches" in name else mean
            assert torch.equal(buffer, torch.full_like(buffer, expected)), name


def test_one_rank_is_as_it_was() -> None:
    model = nn.Sequential(norm())
    assert parallel.parallel(model) is model
    assert type(parallel.synchronised(model)[0]) is nn.BatchNorm2d  # type: ignore[index]
