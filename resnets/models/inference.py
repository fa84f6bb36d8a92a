"""A trained network made ready to answer quickly: one call, several ways, the same classes.

    answer = ready(model, images)        # the quickest way that needs nothing but PyTorch
    logits = answer(images)              # float32 (N, classes)

| way        | what is done                                                                                      |
|------------|---------------------------------------------------------------------------------------------------|
| `plain`    | nothing: float32, as PyTorch does it without being told                                            |
| `last`     | channels-last, and bfloat16 by autocast                                                            |
| `folded`   | each BN taken into the convolution before it; channels-last, weights and maps in bfloat16          |
| `compiled` | `folded`, through torch.compile with its weights as constants: minutes once, then quicker          |
| `openvino` | by OpenVINO (`pip install resnets[fast]`), which folds and rounds by itself: on Intel's and AMD's CPUs |

With `precision="fp32"` nothing is rounded to bfloat16. What rounding costs in accuracy, `resnets bench inference` says.
"""

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from resnets.runtime import autocast, has_bf16

Answer = Callable[[Tensor], Tensor]
"""From float32 images (N, 3, H, W) to float32 logits (N, classes)."""


def ready(model: nn.Module, example: Float[Tensor, "N 3 H W"], way: str = "folded", precision: str = "auto") -> Answer:
    """`model` in inference, made ready in one of `WAYS`; it is copied, and stays as it is.

    `example`: images such as will come, on the device where they will come. Other sizes and numbers are answered too;
    the compiled ways take time for each that is new. ValueError for another way or precision, or one that is not to be
    had here.
    """
    if way not in WAYS:
        raise ValueError(f"way is {way!r}, allowed are {', '.join(WAYS)}")
    if precision not in ("auto", "bf16", "fp32"):
        raise ValueError(f"precision is {precision!r}, allowed are auto, bf16, fp32")
    taken = precision if precision != "auto" else "bf16" if has_bf16(example.device) else "fp32"
    answer = WAYS[way](copy.deepcopy(model).to(example.device).eval(), example, taken)

    def answered(images: Tensor) -> Tensor:
        with torch.no_grad():
            return answer(images).float()

    return answered


def folded(model: nn.Module) -> nn.Module:
    """A copy of `model`, in evaluation mode, with each BN that alone follows a convolution taken into it.

    BN(W x) = s (W x - m) + b is a convolution by s W with the bias b - s m.
    """
    return fuse(copy.deepcopy(model).eval())


def _plain(model: nn.Module, example: Tensor, precision: str) -> Answer:
    return model


def _channels_last(model: nn.Module, example: Tensor, precision: str) -> Answer:
    model = model.to(memory_format=torch.channels_last)

    def answer(images: Tensor) -> Tensor:
        with autocast(images.device, precision):
            return model(images.contiguous(memory_format=torch.channels_last))

    return answer


def _folded(model: nn.Module, example: Tensor, precision: str) -> Answer:
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    quick = folded(model).to(kind).to(memory_format=torch.channels_last)
    return lambda images: quick(images.to(kind).contiguous(memory_format=torch.channels_last))


def _compiled(model: nn.Module, example: Tensor, precision: str) -> Answer:
    answer = _folded(model, example, precision)
    return torch.compile(answer, options={"freezing": True})


def _openvino(model: nn.Module, example: Tensor, precision: str) -> Answer:
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


WAYS: dict[str, Callable[[nn.Module, Tensor, str], Answer]] = {
    "plain": _plain,
    "last": _channels_last,
    "folded": _folded,
    "compiled": _compiled,
    "openvino": _openvino,
}
