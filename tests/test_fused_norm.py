"""BN, addition and ReLU as one operation, against PyTorch's own, in float64 where rounding matters."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from family import DRAWING, SMALL, images
from norms import CALLS, as_near_to_the_truth, compare, large_means, maps, no_number, norm, worst
from torch import Tensor, nn

from resnets import native
from resnets.classification import task
from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.run import carry_out, new_run
from resnets.models import fused_norm
from resnets.models.fused_norm import fused
from resnets.native import Unavailable
from resnets.training.recipe import override


@pytest.fixture(autouse=True)
def _kernel(request: pytest.FixtureRequest) -> None:
    """Most tests need the kernel, and it a compiler; a kernel that one refuses is a failure."""
    if "without" not in request.node.name:
        try:
            fused_norm._load("cpu")
        except Unavailable as reason:
            if "no C++ compiler" not in str(reason):
                raise
            pytest.skip(str(reason))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("channels", [3, 16, 48, 64, 96])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_values_gradients_and_running_averages(dtype: torch.dtype, channels: int, call: Callable[..., Tensor]) -> None:
    compare(dtype, channels, call)


@pytest.mark.parametrize("relu", [False, True])
def test_bfloat16_is_float32_rounded_to_the_nearest(relu: bool) -> None:
    torch.manual_seed(0)
    bn, x, r = norm(16), maps(4, 16, 8, 8, dtype=torch.bfloat16), maps(4, 16, 8, 8, dtype=torch.bfloat16)
    with fused():
        half, full = (F.relu(bn(a) + b) if relu else (bn(a) + b) * 1 for a, b in ((x, r), (x.float(), r.float())))
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, full.bfloat16())


def test_large_means_do_not_eat_the_digits() -> None:
    large_means()


def test_no_result_depends_on_the_number_of_threads() -> None:
    torch.manual_seed(0)
    bn, x = norm(16), maps(64, 16, 32, 32)
    outcomes = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            layer, leaf = copy.deepcopy(bn), x.clone().requires_grad_()
            with fused():
                y = F.relu(layer(leaf))
            y.square().sum().backward()
            outcomes.append([y, leaf.grad, layer.weight.grad, layer.running_var])
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(*outcomes, strict=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_stays_so(bad: float) -> None:
    no_number(bad)


# ---------------------------------------------------------------------------------------------------------------
# Networks


@pytest.mark.parametrize("kind", [kind for kind in SMALL if kind not in DRAWING])
def test_networks_learn_the_same(kind: str) -> None:
    """Logits, gradients and running averages are as near to those in float64 as PyTorch's are.

    An input of a ReLU that is nearly zero may fall on either side, in PyTorch's arithmetic as in ours, and moves the
    gradients: one of three draws without such an input is enough.
    """
    assert any(as_near_to_the_truth(kind, seed) for seed in range(3))


@pytest.mark.parametrize("kind", ["option A", "order full", "imagenet, bottleneck"])
def test_every_normalisation_of_a_network_takes_the_fast_path(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = SMALL[kind]().train().to(memory_format=torch.channels_last), images(kind)
    seen: list[bool] = []
    operation = fused_norm._BatchNorm.apply

    def counted(*arguments: Any) -> Any:
        seen.append(arguments[-1])
        return operation(*arguments)

    monkeypatch.setattr(fused_norm._BatchNorm, "apply", counted)
    with fused():
        model(x.contiguous(memory_format=torch.channels_last))
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    projections = sum(".downsample.1" in f".{name}" for name, module in model.named_modules())
    assert len(seen) == norms
    assert sum(seen) == norms - projections, "all but those of shortcuts end in a ReLU"


def test_stochastic_depth_draws_as_unfused() -> None:
    torch.manual_seed(0)
    plain = SMALL["stochastic depth"]().train().to(memory_format=torch.channels_last)
    quick, x = copy.deepcopy(plain), maps(4, 3, 32, 32)
    for seed in range(4):
        torch.manual_seed(seed)
        expected = plain(x)
        torch.manual_seed(seed)
        with fused():
            assert torch.allclose(quick(x), expected, atol=1e-5)


# ---------------------------------------------------------------------------------------------------------------
# What is asked in other ways


def test_evaluation_takes_the_plain_path() -> None:
    bn, x = norm(16).eval(), maps(2, 16, 8, 8)
    with fused():
        assert torch.equal(bn(x), F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias))


@pytest.mark.parametrize(
    "x",
    [torch.randn(2, 16, 8, 8), maps(2, 16, 8, 8).double(), maps(1, 16, 3, 1), torch.randn(8, 16)],
    ids=["channels first", "float64", "not whole groups", "no maps"],
)
def test_what_the_kernel_cannot_do_takes_the_plain_path(x: Tensor) -> None:
    layer = nn.BatchNorm2d(16) if x.dim() == 4 else nn.BatchNorm1d(16)
    layer = layer.to(x.dtype)
    expected = F.relu(copy.deepcopy(layer)(x))
    with fused():
        assert torch.equal(F.relu(layer(x)), expected)


@pytest.mark.parametrize("ways", [1, 2, 3])
@pytest.mark.parametrize("relu", [True, False])
def test_gradients_of_what_goes_several_ways_add_up(relu: bool, ways: int) -> None:
    """On, around, and around again: the first way takes y, the others are added to another map as units do it."""

    def passed_on(first: nn.Module, second: nn.Module, x: Tensor) -> Tensor:
        y = F.relu(first(x)) if relu else first(x) * 1
        z = y.sin()
        for _ in range(ways - 1):
            z = F.relu(second(z) + y)
        return z

    torch.manual_seed(0)
    x = maps(4, 16, 8, 8).requires_grad_()
    layers = [norm(16), norm(16)]
    exact = [copy.deepcopy(layer).double() for layer in layers]
    reference = x.detach().double().requires_grad_()
    slope = torch.randn(4, 16, 8, 8)
    passed_on(exact[0], exact[1], reference).backward(slope.double())
    with fused():
        z = passed_on(layers[0], layers[1], x)
    z.backward(slope)
    assert worst(x.grad, reference.grad) < 1e-5
    assert worst(layers[0].weight.grad, exact[0].weight.grad) < 1e-5


def test_running_averages_move_once_however_often_the_values_are_used() -> None:
    torch.manual_seed(0)
    bn, x = norm(16), maps(4, 16, 8, 8)
    twin = copy.deepcopy(bn)
    with fused():
        y = bn(x)
        total = F.relu(y) + y * 2 + y.mean()
    z = twin(x)
    assert torch.allclose(total, F.relu(z) + z * 2 + z.mean(), atol=1e-5)
    assert all(
        torch.allclose(ours, theirs, atol=1e-6) for ours, theirs in zip(bn.buffers(), twin.buffers(), strict=True)
    )


def _both(call: Callable[[nn.Module, Tensor], Tensor]) -> Iterator[Tensor]:
    torch.manual_seed(0)
    bn, x = norm(16), maps(4, 16, 8, 8)
    yield call(copy.deepcopy(bn), x)
    with fused():
        yield call(bn, x)


@pytest.mark.parametrize(
    "call",
    [
        lambda bn, x: bn(x) + bn(x + 1),
        lambda bn, x: bn(x) + 1,
        lambda bn, x: 2 + bn(x),
        lambda bn, x: bn(x) + x.mean((2, 3), keepdim=True),
        lambda bn, x: torch.add(bn(x), x, alpha=2),
        lambda bn, x: (bn(x) + x + x).relu(),
        lambda bn, x: bn(x) + x.contiguous(),
        lambda bn, x: torch.cat([bn(x), bn(x)], 1)[:, :, 1:],
        lambda bn, x: F.avg_pool2d(bn(x), 2),
        lambda bn, x: (bn(x) > 0).float(),
    ],
)
def test_whatever_needs_the_values_gets_them(call: Callable[[nn.Module, Tensor], Tensor]) -> None:
    expected, y = _both(call)
    assert torch.allclose(y * 1, expected, atol=1e-5)


def test_what_is_noted_has_a_shape_and_gives_its_values_when_the_fast_path_is_left() -> None:
    bn, x = norm(16), maps(4, 16, 8, 8)
    expected = copy.deepcopy(bn)(x)
    with fused():
        y = bn(x)
    assert (y.shape, y.dtype, y.device, y.dim()) == (expected.shape, expected.dtype, expected.device, 4)
    assert torch.allclose(y * 1, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("interpreted", [True, False])
def test_the_kernels_for_cuda(interpreted: bool) -> None:
    kernels = Path(__file__).with_name("triton_kernels.py")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            str(kernels),
            "-m",
            "not slow" if interpreted else "slow",
        ],
        cwd=kernels.parents[1],
        env={**os.environ, "TRITON_INTERPRET": str(int(interpreted))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]


# ---------------------------------------------------------------------------------------------------------------
# In a run, and where there is no compiler


def test_a_run_on_the_fast_path(tiny: ClassificationRecipe, tmp_path: Path) -> None:
    losses = []
    for choice in ("true", "false"):
        run = new_run(override(tiny, [f"fused={choice}", "iterations=3", "batch_size=64"]), tmp_path / choice)
        carry_out(run)
        state = torch.load(tmp_path / choice / "checkpoints" / "step-00000003.pt", weights_only=True)
        losses.append(torch.cat([v.double().flatten() for v in state["model"].values()]))
    assert (losses[0] - losses[1]).norm() / losses[1].norm() < 1e-3


def test_a_run_without_a_compiler_says_so_and_goes_on(
    tiny: ClassificationRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*names: str) -> None:
        raise Unavailable("no compiler")

    monkeypatch.setattr(fused_norm, "_load", refuse)
    assert task._fused(model := SMALL["option A"](), "cpu") is model
    assert "going on without them: no compiler" in capsys.readouterr().err


def test_native_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(Unavailable, match=r"no C\+\+ compiler"):
        native.library.__wrapped__("resnets.models", "batch_norm.cpp")


def test_a_compiler_of_several_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in CXX="ccache g++"."""
    monkeypatch.setenv("CXX", "env LC_ALL=C c++")
    monkeypatch.setattr(native, "caches", lambda: tmp_path)
    (tmp_path / "two.cpp").write_text('extern "C" int two() { return 2; }')
    monkeypatch.setattr(native, "files", lambda package: tmp_path)
    assert native.library.__wrapped__("anywhere", "two.cpp").two() == 2


def test_native_where_nobody_knows_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a user without an entry and without HOME
    with pytest.raises(Unavailable, match="there is no such home folder"):
        native.library.__wrapped__("resnets.models", "batch_norm.cpp")


def test_native_code_that_does_not_compile_without_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "line one" >&2\necho "line two" >&2\nexit 1\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setattr(native, "caches", lambda: tmp_path / "caches")
    with pytest.raises(Unavailable, match=r"cannot compile batch_norm\.cpp: line one$"):
        native.library.__wrapped__("resnets.models", "batch_norm.cpp")
    assert list((tmp_path / "caches" / "native").iterdir()) == []


def test_a_kernel_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "caches", lambda: tmp_path)
    native.library.__wrapped__("resnets.models", "batch_norm.cpp")
    (first,) = (tmp_path / "native").iterdir()
    before = first.stat().st_mtime_ns
    native.library.__wrapped__("resnets.models", "batch_norm.cpp")
    assert [(p, p.stat().st_mtime_ns) for p in (tmp_path / "native").iterdir()] == [(first, before)]


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batches_are_counted(momentum: float | None) -> None:
    """All counters go on together, when the network is done; without momentum a layer looks at its own before.

    One BN follows another, whose values are then needed.
    """
    torch.manual_seed(0)
    layers = nn.Sequential(*(nn.BatchNorm2d(16, momentum=momentum) for _ in range(3)))
    plain, x = copy.deepcopy(layers), maps(8, 16, 8, 8)
    for images_ in (x, x + 1):
        plain(images_)
        with fused():
            layers(images_).relu()
    for (name, mine), theirs in zip(layers.named_buffers(), plain.buffers(), strict=True):
        if "num_batches" in name:
            assert mine == theirs == 2
        else:
            assert torch.allclose(mine, theirs, rtol=1e-5, atol=1e-6)
