"""A trained network made ready to answer quickly: one call, several ways, the same classes.

    answer = ready(model, images)        # the quickest way that needs no compiler; `way=` names another
    print(answer)                        # which that is, and what it costs in accuracy
    logits = answer(images)              # float32 (N, classes)

| way        | what is done                                                                                      |
|------------|---------------------------------------------------------------------------------------------------|
| `plain`    | nothing: float32, as PyTorch does it without being told                                            |
| `last`     | channels-last, and bfloat16 by autocast                                                            |
| `folded`   | each BN taken into the convolution before it; channels-last, weights and maps in bfloat16          |
| `joined`   | `folded`, and each convolution adds the shortcut and does the ReLU, too (`models.joined`)           |
| `captured` | `joined`, all of it one CUDA graph                                                                 |
| `compiled` | `folded`, through torch.compile with its weights as constants: minutes once                        |
| `openvino` | by OpenVINO (`pip install resnets[fast]`), which does all that by itself, on Intel's and AMD's CPUs |

With `precision="fp32"` nothing is rounded to bfloat16.
"""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

from resnets.cuda_graphs import Recorder, aside, cuda_graph
from resnets.models.joined import joined, joins
from resnets.runtime import autocast, has_bf16, keep_memory

Compute = Callable[[Tensor], Tensor]
"""From float32 images (N, 3, H, W) to logits (N, classes) of whatever precision."""
Maker = Callable[[nn.Module, Tensor, str], Compute]
"""(network in inference, images as they will come, precision) -> what computes its logits."""


@dataclass(frozen=True)
class Answer:
    """A network made ready: from float32 images (N, 3, H, W) to float32 logits (N, classes)."""

    way: str
    precision: str
    apart: float
    """How far its logits of the example are from the plain network's at most, in standard deviations of those."""
    compute: Compute

    def __call__(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N classes"]:
        with torch.no_grad():
            return self.compute(images).float()

    def __str__(self) -> str:
        return f"{self.way} in {self.precision}: logits at most {self.apart:.1g} standard deviations from plain ones"


def ready(model: nn.Module, example: Float[Tensor, "N 3 H W"], way: str = "auto", precision: str = "auto") -> Answer:
    """`model` in inference, made ready in one of `WAYS`; it is copied, and stays as it is.

    `example`: images such as will come, on the device where they will come. Other sizes and numbers are answered too;
    some ways take time for each that is new. On a CPU the process keeps the memory of its maps from now on, but for
    "plain" (`runtime.keep_memory`). `way="auto"` tries those of `AT_ONCE` that can be had here and takes the
    one that answers the example soonest. ValueError for another way or precision, or one that is not to be had here.
    """
    if way not in ("auto", *WAYS):
        raise ValueError(f"way is {way!r}, allowed are auto, {', '.join(WAYS)}")
    if precision not in ("auto", "bf16", "fp32"):
        raise ValueError(f"precision is {precision!r}, allowed are auto, bf16, fp32")
    taken = precision if precision != "auto" else "bf16" if has_bf16(example.device) else "fp32"
    if example.device.type == "cpu" and way != "plain":
        keep_memory()
    if way != "auto":
        return made(way, WAYS[way], model, example, taken)
    there = [name for name in ways(example.device.type) if name in AT_ONCE]
    return _quickest([made(name, WAYS[name], model, example, taken) for name in there], example)


def ways(device: str) -> list[str]:
    """Those that can be had on this machine for images on `device` ("cpu", "cuda", "mps")."""
    missing = {
        "joined": not joins(device),
        "captured": device != "cuda",
        "openvino": device != "cpu" or not find_spec("openvino"),
    }
    return [way for way in WAYS if not missing.get(way)]


def made(way: str, maker: Maker, model: nn.Module, example: Tensor, precision: str) -> Answer:
    """What `maker` makes of a copy of `model`, held against the plain network on the example."""
    network = copy.deepcopy(model).to(example.device).eval()
    plain = Answer("plain", "fp32", 0.0, copy.deepcopy(network))(example)
    answer = Answer(way, precision, 0.0, maker(network, example, precision))
    return replace(answer, apart=float((answer(example) - plain).abs().max() / plain.std()))


def _quickest(answers: list[Answer], example: Tensor) -> Answer:
    """By the least time of each in some rounds: what else the machine does lengthens times, and shortens none."""
    least, began = [float("inf")] * len(answers), time.perf_counter()
    for _ in range(_ROUNDS):
        least = [min(before, _seconds(answer, example)) for before, answer in zip(least, answers, strict=True)]
        if time.perf_counter() - began > _TRIAL:
            break
    return answers[least.index(min(least))]


_ROUNDS, _TRIAL = 20, 5.0
"""So many rounds, or those that are begun within so many seconds."""


def _seconds(answer: Answer, example: Tensor) -> float:
    began = time.perf_counter()
    answer(example).cpu()  # waits for the device
    return time.perf_counter() - began


def folded(model: nn.Module) -> fx.GraphModule:
    """A copy of `model`, in evaluation mode, with each BN that alone follows a convolution taken into it.

    BN(W x) = s (W x - m) + b is a convolution by s W with the bias b - s m.
    """
    network = fuse(copy.deepcopy(model).eval())
    assert isinstance(network, fx.GraphModule)
    return network


# ------------------------------------------------------------------------------------------------------------
# Ways


def _plain(model: nn.Module, example: Tensor, precision: str) -> Compute:
    return model


def channels_last(model: nn.Module, example: Tensor, precision: str) -> Compute:
    """The way `last`."""
    model = model.to(memory_format=torch.channels_last)

    def answer(images: Tensor) -> Tensor:
        with autocast(images.device, precision):
            return model(images.contiguous(memory_format=torch.channels_last))

    return answer


def _folded(model: nn.Module, example: Tensor, precision: str) -> Compute:
    return _rounded(folded(model), precision)


def _joined(model: nn.Module, example: Tensor, precision: str) -> Compute:
    quick = folded(model)
    answer = _rounded(quick, precision)
    joined(quick, example.device.type)
    return answer


def _rounded(network: nn.Module, precision: str) -> Compute:
    """`network`, which is changed, with weights and maps in `precision`, channels-last."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    network.to(kind).to(memory_format=torch.channels_last)
    return lambda images: network(images.to(kind).contiguous(memory_format=torch.channels_last))


def _captured(model: nn.Module, example: Tensor, precision: str) -> Compute:
    if example.device.type != "cuda":
        raise ValueError(f"way is 'captured', which works on CUDA; the images are on {example.device.type}")
    return graphs(_joined(model, example, precision), cuda_graph)


def graphs(compute: Compute, recorder: Recorder) -> Compute:
    """`compute` recorded once for each shape of images, and replayed."""
    recorded: dict[torch.Size, tuple[Tensor, Callable[[], None], list[Tensor]]] = {}

    def record(images: Tensor) -> tuple[Tensor, Callable[[], None], list[Tensor]]:
        place, logits = images.clone(), []

        def work() -> None:
            logits[:] = [compute(place)]

        with _tried_out():
            aside(images.device, lambda: [work() for _ in range(3)])
            return place, recorder(work), logits

    def answer(images: Tensor) -> Tensor:
        if images.shape not in recorded:
            recorded[images.shape] = record(images)
        place, replay, logits = recorded[images.shape]
        place.copy_(images)
        replay()
        return logits[0].clone()  # which the next replay overwrites

    return answer


@contextmanager
def _tried_out() -> Iterator[None]:
    """Within it cuDNN tries its kernels on each shape that is new, and keeps to the quickest."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _compiled(model: nn.Module, example: Tensor, precision: str) -> Compute:
    from torch._inductor import config

    autotuned = {"max_autotune": True, "coordinate_descent_tuning": True, "triton.cudagraphs": True}
    options: dict[str, Any] = autotuned if example.device.type == "cuda" else {}
    compiled = torch.compile(_folded(model, example, precision), dynamic=False, options=options)

    def answer(images: Tensor) -> Tensor:
        with config.patch(freezing=True):  # as an option it does not reach what traces the network
            return compiled(images).clone()  # a graph's result is overwritten by the next

    return answer


def _openvino(model: nn.Module, example: Tensor, precision: str) -> Compute:
    if example.device.type != "cpu":
        raise ValueError(f"way is 'openvino', which works on a CPU; the images are on {example.device.type}")
    try:
        import openvino
    except ImportError:
        raise ValueError("way is 'openvino', which is not installed: pip install resnets[fast]") from None
    hints = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32", "PERFORMANCE_HINT": "LATENCY"}
    hints["INFERENCE_NUM_THREADS"] = str(torch.get_num_threads())
    compiled = {}

    def answer(images: Tensor) -> Tensor:
        shape = tuple(images.shape)
        if shape not in compiled:
            converted = openvino.convert_model(torch.export.export(model, (images,)))
            compiled[shape] = openvino.compile_model(converted, "CPU", hints)
        return torch.from_numpy(compiled[shape](images.contiguous().numpy())[0])

    return answer


WAYS: dict[str, Maker] = {
    "plain": _plain,
    "last": channels_last,
    "folded": _folded,
    "joined": _joined,
    "captured": _captured,
    "compiled": _compiled,
    "openvino": _openvino,
}
AT_ONCE = ("last", "folded", "joined", "captured", "openvino")
"""Ways that are made within seconds."""
