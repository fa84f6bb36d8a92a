"""BN in training, with the addition and the ReLU behind it, as one operation: a fast path for every network here.

    with fused():
        logits = model(images)

A network calls batch_norm, +, relu, one after the other, and each reads and writes a whole batch of maps. Within
`fused()` the first of them only notes what is asked for; an addition joins the note, and ReLU, or whatever else needs
the values, has all of it done at once: by batch_norm.cpp on a CPU, by batch_norm_triton.py on CUDA. The network stays
as it is written, and so do its gradients and its running averages, but for rounding: values are rounded once where the
plain path rounds after each operation.

What the kernels cannot do (evaluation, another device, maps that are not channels-last) goes the plain way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from resnets.models import batch_norm_cpu
from resnets.models.batch_norm_cpu import Averages
from resnets.native import Unavailable


@contextmanager
def fused(device: str = "cpu") -> Iterator[None]:
    """Within it BN, addition and ReLU are one operation where that can be. Raises `native.Unavailable`."""
    _load(device)
    with _Fusing() as fusing:
        yield
    fusing.count()


# ------------------------------------------------------------------------------------------------------------
# The operation


_KERNELS: dict[str, ModuleType] = {}
"""What computes it on each kind of device, as far as it was asked for: modules with `fits`, `forward`, `backward`."""


def _load(device: str) -> None:
    if device == "cpu":
        batch_norm_cpu.load()
        _KERNELS[device] = batch_norm_cpu
    elif device == "cuda":
        try:
            from resnets.models import batch_norm_triton
        except ImportError as error:
            raise Unavailable(str(error)) from None
        _KERNELS[device] = batch_norm_triton
    else:
        raise Unavailable(f"there are no kernels for {device}")


class _BatchNorm(torch.autograd.Function):
    """relu(BN(x) + added) by the moments of the batch, of which `averages`, running ones, take their part: y, twice.

    The two y are one map. What a unit passes on goes two ways, into the next branch and around it; where the second
    takes the second y, the kernel adds their gradients, which autograd would do in a pass of its own.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        averages: Averages,
        momentum: float,
        eps: float,
        added: Tensor | None,
        relu: bool,
    ) -> tuple[Tensor, Tensor]:
        compute = _KERNELS[x.device.type].forward
        y, mean, variance = compute(x, weight, bias, averages, momentum, eps, added, relu)
        ctx.save_for_backward(y, x, weight, mean, variance)
        ctx.eps, ctx.relu, ctx.adds = eps, relu, added is not None
        ctx.set_materialize_grads(False)
        return y, y.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        y, x, weight, mean, variance = ctx.saved_tensors
        given = [g.to(x.dtype).contiguous(memory_format=torch.channels_last) for g in gradients if g is not None]
        if not given:
            return (None,) * 8
        dy, second = given[0], given[1] if len(given) == 2 else None
        keep = second is not None or (ctx.adds and ctx.relu)
        compute = _KERNELS[x.device.type].backward
        dx, dweight, dbias, kept = compute(dy, second, y, x, weight, mean, variance, ctx.eps, ctx.relu, keep)
        dadded = (dy if kept is None else kept) if ctx.adds else None
        return dx, dweight, dbias, None, None, None, dadded, None


# ------------------------------------------------------------------------------------------------------------
# What a network calls, noted and done later

_RELU = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
_ADD = {torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__radd__, Tensor.__iadd__}


class _Fusing(TorchFunctionMode):
    """Notes batch normalisations that the kernel can do; counters of batches go on together, not by a kernel each."""

    def __init__(self) -> None:
        super().__init__()
        self.counters: dict[int, Tensor] = {}

    def count(self) -> None:
        """Each counter goes on by one."""
        if self.counters:
            torch._foreach_add_(list(self.counters.values()), 1)  # type: ignore[attr-defined]
            self.counters = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.batch_norm and (asked := _Asked.of(*args, **(kwargs or {}))):
            return _Noted.make(asked, None)
        if args and id(args[0]) in self.counters:  # somebody wants to know how many there have been
            self.count()
        if func is Tensor.add_ and args[0].dtype == torch.int64 and args[0].dim() == 0 and args[1:] == (1,):
            self.counters[id(args[0])] = args[0]
            return args[0]
        return func(*args, **(kwargs or {}))


class _Asked:
    """One call of batch_norm in training. Its running averages move once, however often its values are needed."""

    def __init__(
        self,
        x: Tensor,
        averages: Averages,
        affine: tuple[Tensor, Tensor],
        momentum: float,
        eps: float,
    ) -> None:
        self.x, self.averages, self.affine, self.momentum, self.eps = x, averages, affine, momentum, eps

    @classmethod
    def of(
        cls,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> "_Asked | None":
        """The call, None where the kernel cannot do it; the arguments are those of `F.batch_norm`."""
        input = _valued(input)  # BN of what another BN has only noted
        if not training or weight is None or bias is None or not _fits(input):
            return None
        if any(t is not None and t.dtype != torch.float32 for t in (weight, bias, running_mean, running_var)):
            return None
        return cls(input, (running_mean, running_var), (weight, bias), momentum, eps)

    def values(self, added: Tensor | None, relu: bool) -> Tensor:
        y, y.twin = _BatchNorm.apply(self.x, *self.affine, self.averages, self.momentum, self.eps, added, relu)
        self.averages = (None, None)
        return y


def _fits(x: Tensor) -> bool:
    """Whether the kernel can work on the maps `x`."""
    return (
        x.dim() == 4
        and x.device.type in _KERNELS
        and x.dtype in (torch.bfloat16, torch.float32)
        and x.is_contiguous(memory_format=torch.channels_last)
        and 0 < x.shape[1] < x.numel()
        and _KERNELS[x.device.type].fits(x)
    )


class _Noted(Tensor):
    """A tensor that has a shape and no values yet: BN(x), or BN(x) + added."""

    asked: _Asked
    added: Tensor | None

    @staticmethod
    def make(asked: _Asked, added: Tensor | None) -> "_Noted":
        x = asked.x
        noted = Tensor._make_wrapper_subclass(_Noted, x.size(), strides=x.stride(), dtype=x.dtype, device=x.device)
        noted.asked, noted.added = asked, added
        return noted

    def plus(self, other: Any) -> "_Noted | None":
        """The sum with a map like this one; None where the kernel cannot add it."""
        x = self.asked.x
        alike = isinstance(other, Tensor) and other.shape == x.shape and other.dtype == x.dtype
        if not alike or self.added is not None or not _fits(other):
            return None
        return _Noted.make(self.asked, getattr(other, "twin", other))

    def values(self, relu: bool = False) -> Tensor:
        return self.asked.values(self.added, relu)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") == "__get__":  # its shape, its kind
            return super().__torch_function__(func, types, args, kwargs)
        if func in _RELU and isinstance(args[0], _Noted):
            return args[0].values(relu=True)
        if func in _ADD and not kwargs:
            noted, other = args if isinstance(args[0], _Noted) else args[::-1]
            other = _valued(other)
            summed = noted.plus(other)
            return noted.values() + other if summed is None else summed
        return func(*tree_map(_valued, args), **tree_map(_valued, kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} wants values that are only noted")


def _valued(x: Any) -> Any:
    return x.values() if isinstance(x, _Noted) else x
