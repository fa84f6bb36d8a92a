"""What was written without a GPU at hand, on one: the kernels in Triton, recorded iterations, recorded answers.

Held against the same on the CPU or as it is written; `benchmarks/gpu.py` runs this before it measures anything.
"""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from family import SMALL, images, settled, unchecked
from norms import CALLS, compare, maps
from torch import Tensor
from toy import Batch, toy_recipe
from triton_kernels import kernels

from resnets.models import fused_norm
from resnets.models.fused_norm import fused
from resnets.models.inference import ready, ways
from resnets.training.iteration import Captured, Eager, Told
from resnets.training.optimiser import sgd

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda")


@pytest.fixture(autouse=True)
def _kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """As users have them: annotations are not checked within."""
    monkeypatch.setitem(fused_norm._KERNELS, "cuda", kernels())
    monkeypatch.setattr(fused_norm, "_load", lambda device: None)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("dtype", "channels"), [(torch.float32, 3), (torch.float32, 64), (torch.bfloat16, 2048)])
def test_kernels_are_batch_norm(dtype: torch.dtype, channels: int, call: Callable[..., Tensor]) -> None:
    compare(dtype, channels, call, rounded=2**-7, device="cuda")


def trained(together: int, quick: bool) -> tuple[Tensor, Tensor]:
    """All parameters after some iterations in float32, and the loss of each (15,), which add up to the sums told.

    `together`: how many iterations are recorded as one graph, 0 for none; `quick`: with the kernels.
    """
    torch.manual_seed(0)
    model = SMALL["option B"]().to(CUDA).to(memory_format=torch.channels_last)
    batches = [Batch(maps(8, 3, 32, 32).to(CUDA), torch.randint(0, 5, (8,)).to(CUDA)) for _ in range(15)]

    def losses(batch: Batch) -> dict[str, Tensor]:
        with fused(CUDA.type) if quick else nullcontext():
            return {"loss": F.cross_entropy(model(batch.x), batch.y)}

    eager = Eager(sgd(model, toy_recipe(), fused=together > 0), 0, CUDA, losses)
    iteration = Captured(eager, together) if together else eager
    found: list[Told] = [iteration(step, [batch], 0.05 / (1 + step)) for step, batch in enumerate(batches)]
    found.append(iteration.rest())
    each = torch.cat([loss.reshape(-1) for one in found for loss in one.each]).cpu()
    assert float(each.sum()) == pytest.approx(sum(float(one.sums["loss"]) for one in found if one.sums), rel=1e-5)
    return torch.cat([p.detach().cpu().flatten() for p in model.parameters()]), each


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("together", [1, 5])
def test_recorded_iterations_are_those_that_are_written(together: int, quick: bool) -> None:
    (plain, losses), (recorded, others) = trained(0, False), trained(together, quick)
    torch.testing.assert_close(others, losses, rtol=1e-3, atol=0)
    assert (recorded - plain).norm() < 1e-3 * plain.norm()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("way", [way for way in ways("cuda") if way != "compiled"])
def test_ways_answer_as_the_plain_network(way: str, precision: str) -> None:
    torch.manual_seed(0)
    model, x = settled(SMALL["imagenet, bottleneck"]()).float(), images("imagenet, bottleneck", count=4).to(CUDA)
    with unchecked():
        answer = ready(model, x, way, precision)
        for batch in (x, x + 1, x[:1]):
            with torch.no_grad():
                expected = model.to(CUDA)(batch)
            assert (answer(batch) - expected).abs().max() < (0.1 if precision == "bf16" else 1e-2) * expected.std()
