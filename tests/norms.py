"""What the tests of fused BN share: small maps, and comparisons with PyTorch in float64."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from family import SMALL, images
from torch import Tensor, nn

from resnets.models.fused_norm import fused


def maps(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape).to(dtype).contiguous(memory_format=torch.channels_last)


def norm(channels: int) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(channels)
    nn.init.uniform_(layer.weight, 0.5, 2)
    nn.init.normal_(layer.bias)
    return layer


def worst(ours: Tensor | None, theirs: Tensor | None) -> float:
    """The largest difference, beside the largest value; of two tensors that are there, `ours` on any device."""
    assert ours is not None
    assert theirs is not None
    return float((ours.cpu().double() - theirs).abs().max() / theirs.abs().max())


CALLS = {
    "norm": lambda bn, x, r: bn(x),
    "relu": lambda bn, x, r: F.relu(bn(x), inplace=True),
    "add": lambda bn, x, r: bn(x) + r,
    "add, relu": lambda bn, x, r: (bn(x) + r).relu(),
    "added to, relu": lambda bn, x, r: torch.relu(r + bn(x)),
}


def compare(
    dtype: torch.dtype, channels: int, call: Callable[..., Tensor], rounded: float = 2**-8, device: str = "cpu"
) -> None:
    """Values, gradients and running averages on `device`; `rounded` is how far bfloat16 may be off."""
    torch.manual_seed(0)
    x, r = 3 + 2 * maps(8, channels, 8, 8, dtype=dtype), maps(8, channels, 8, 8, dtype=dtype)
    layer = norm(channels)
    theirs = [copy.deepcopy(layer).double(), x.double().requires_grad_(), r.double().requires_grad_()]
    ours = [layer.to(device), *(value.to(device, copy=True).requires_grad_() for value in (x, r))]
    expected = call(*theirs)
    with fused(device):
        y = call(*ours) * 1
    slope = torch.randn_like(expected).to(dtype)
    y.backward(slope.to(device))
    expected.backward(slope.double())
    rounding = 1e-5 if dtype == torch.float32 else rounded
    assert worst(y.detach(), expected.detach()) < rounding
    for mine, reference in zip([*ours[0].parameters(), *ours[1:]], [*theirs[0].parameters(), *theirs[1:]], strict=True):
        if reference.grad is None:
            assert mine.grad is None
        else:
            assert worst(mine.grad, reference.grad) < (1e-5 if mine.grad.dtype == torch.float32 else rounded)
    for mine, reference in zip(ours[0].buffers(), theirs[0].buffers(), strict=True):
        assert worst(mine, reference.double()) < 1e-5


def large_means() -> None:
    """They do not eat the digits."""
    torch.manual_seed(0)
    bn, x = norm(16), 1000 + maps(8, 16, 8, 8)
    with fused():
        y = F.relu(bn(x))
    assert worst(y.detach(), F.relu(copy.deepcopy(bn).double()(x.double())).detach()) < 1e-4


def no_number(bad: float) -> None:
    """What is not a number stays so."""
    x = maps(4, 16, 8, 8)
    x[0, 3, 2, 1] = bad
    with fused():
        y = F.relu(norm(16)(x))
    assert y[:, 3].isnan().all()
    assert y[:, :3].isfinite().all()


def as_near_to_the_truth(kind: str, seed: int) -> bool:
    """Whether logits, gradients and running averages of a network are as near to those in float64 as PyTorch's are."""
    torch.manual_seed(seed)
    plain, x = SMALL[kind]().train().to(memory_format=torch.channels_last), images(kind, count=4)
    x, slope = x.contiguous(memory_format=torch.channels_last), torch.randn(4, 5)
    outcomes = [
        _learnt(copy.deepcopy(plain).double(), x.double(), slope.double()),
        _learnt(copy.deepcopy(plain), x, slope),
    ]
    with fused():
        outcomes.append(_learnt(plain, x, slope))
    return all(
        (ours - reference).norm() <= 4 * (theirs - reference).norm() + 1e-6 * reference.norm()
        for reference, theirs, ours in zip(*outcomes, strict=True)
    )


def _learnt(model: nn.Module, x: Tensor, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, gradients and running averages, in float64."""
    logits = model(x)
    logits.backward(slope)
    gradients = [parameter.grad for parameter in model.parameters()]
    parts = ([logits.detach()], gradients, [torch.zeros(1), *model.buffers()])
    return tuple(torch.cat([tensor.double().flatten() for tensor in part]) for part in parts)  # type: ignore[return-value]
