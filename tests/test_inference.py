"""Networks made ready to answer: every way gives the classes that the plain one gives."""

import copy
from collections.abc import Callable

import pytest
import torch
from family import SMALL, images, settled, unchecked
from torch import Tensor, nn
from torch._dynamo.utils import is_parameter_freezing
from torch._inductor import config

from resnets.models import inference
from resnets.models.inference import WAYS, folded, graphs, ready, ways
from resnets.models.joined import joined

KINDS = ("option B", "order full", "wide, dropout", "resnext, grouped", "rir, streams", "ror", "imagenet, bottleneck")


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize("kind", SMALL)
def test_folding_changes_rounding_only(kind: str) -> None:
    torch.manual_seed(0)
    model, x = settled(SMALL[kind]()), images(kind).double()
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad(), unchecked():
        quick = folded(model)
        assert torch.allclose(quick(x), model(x), rtol=1e-12, atol=1e-12)
    assert norms(quick) < norms(model) or not norms(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("kind", ["option A", "option C", "plain", "imagenet, basic", "imagenet, bottleneck"])
def test_where_each_norm_follows_a_convolution_none_is_left(kind: str) -> None:
    with unchecked():
        assert norms(folded(SMALL[kind]())) == 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("way", ["plain", "last", "folded", "joined"])
@pytest.mark.parametrize("kind", KINDS)
def test_ways_answer_as_the_plain_network(kind: str, way: str, precision: str) -> None:
    torch.manual_seed(0)
    model = settled(SMALL[kind]()).float().train()  # ready() is for inference, whatever mode the network is in
    x = images(kind, count=16)
    with unchecked():
        answer = ready(model, x, way, precision)
        logits = answer(x)
        several = answer(images(kind, 40, 48, count=3))
    with torch.no_grad():
        expected = copy.deepcopy(model).eval()(x)
    assert (logits.dtype, several.shape) == (torch.float32, (3, 5))
    assert not logits.requires_grad
    assert model.training
    spread = expected.std()
    rounded = precision == "bf16" and way != "plain"
    assert (logits - expected).abs().max() < (0.05 if rounded else 1e-5) * spread
    assert rounded == bool((logits != expected).any()) or not rounded
    assert answer.apart == pytest.approx(float((logits - expected).abs().max() / spread), abs=1e-6)


@pytest.mark.parametrize("kind", SMALL)
def test_joining_changes_rounding_only(kind: str) -> None:
    torch.manual_seed(0)
    model, x = settled(SMALL[kind]()).float(), images(kind, count=3)
    with torch.no_grad(), unchecked():
        quick = joined(folded(model), "cpu")
        for images_ in (x, x[:1]):
            assert torch.allclose(quick(images_), model(images_), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["option B", "option C", "imagenet, basic", "imagenet, bottleneck"])
def test_nothing_is_left_to_do_after_convolutions(kind: str) -> None:
    with unchecked():
        quick = joined(folded(SMALL[kind]()), "cpu")
    left = {node.target for node in quick.graph.nodes if node.op == "call_function"}
    assert left <= {torch.flatten}, "no addition, no ReLU"


def test_on_cuda_convolutions_do_the_same_by_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its two operations are replaced by what PyTorch documents them to be: no GPU is needed."""
    calls = []

    def relu(x, weight, bias, stride, padding, dilation, groups):
        calls.append("relu")
        return torch.conv2d(x, weight, bias, stride, padding, dilation, groups).relu()

    def add_relu(x, weight, z, alpha, bias, stride, padding, dilation, groups):
        calls.append("add_relu")
        return (torch.conv2d(x, weight, bias, stride, padding, dilation, groups) + alpha * z).relu()

    monkeypatch.setattr(torch, "cudnn_convolution_relu", relu)
    monkeypatch.setattr(torch, "cudnn_convolution_add_relu", add_relu)
    for kind in KINDS:
        torch.manual_seed(0)
        model, x = settled(SMALL[kind]()), images(kind).double()
        with torch.no_grad(), unchecked():
            assert torch.allclose(joined(folded(model), "cuda")(x), model(x), rtol=1e-12, atol=1e-12), kind
    calls.clear()
    with torch.no_grad(), unchecked():
        joined(folded(SMALL["option B"]()), "cuda")(images("option B"))
    assert calls == ["relu"] + 3 * ["relu", "add_relu"]
    with unchecked(), pytest.raises(ValueError, match="on mps, allowed are CUDA and CPUs with oneDNN"):
        joined(folded(SMALL["option B"]()), "mps")


def test_a_recorded_answer_is_the_one_of_its_images() -> None:
    """The recording is replaced by the work itself, done anew at each replay."""
    recorded = []

    def repeat(work: Callable[[], None]) -> Callable[[], None]:
        recorded.append(work)
        return work

    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    answer = graphs(model, repeat)
    batches = [torch.randn(count, 3, 2, 2) for count in (4, 4, 2, 4)]
    logits = [answer(batch) for batch in batches]
    for batch, found in zip(batches, logits, strict=True):
        assert torch.equal(found, model(batch)), "the next replay leaves it as it was"
    assert len(recorded) == 2, "once for each shape"


def test_what_is_compiled_knows_that_weights_are_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given as an option of torch.compile, `freezing` did not reach what traces the network, and had no effect."""
    seen = []

    def compiled(network, **how):
        return lambda x: (seen.append(is_parameter_freezing()), network(x))[1]

    monkeypatch.setattr(torch, "compile", compiled)
    with unchecked():
        ready(SMALL["option B"](), images("option B"), "compiled", "fp32")
    assert seen == [True]
    assert not config.freezing, "others compile as before"


def test_the_quickest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"last": 3.0, "folded": 2.0, "joined": 1.0, "openvino": 4.0}
    busy = {"joined": [9.0], "last": []}  # the machine has other work in the first round

    def taken(answer: inference.Answer, example: Tensor) -> float:
        return busy[answer.way].pop() if busy.get(answer.way) else seconds[answer.way]

    monkeypatch.setattr(inference, "_seconds", taken)
    monkeypatch.setattr(inference, "ways", lambda device: ["plain", "last", "folded", "joined", "compiled"])
    model, x = settled(SMALL["option B"]()).float(), images("option B")
    with unchecked():
        assert ready(model, x).way == "joined"
        seconds["last"] = 0.5
        answer = ready(model, x, precision="bf16")
    assert str(answer).startswith("last in bf16: logits at most 0.0")


@pytest.mark.parametrize(("way", "times"), [("plain", 0), ("last", 1), ("auto", 1)])
def test_what_is_ready_keeps_its_memory(way: str, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was measured; `plain` is PyTorch as it comes."""
    kept = []
    monkeypatch.setattr(inference, "keep_memory", lambda: kept.append(way))
    monkeypatch.setattr(inference, "ways", lambda device: ["plain", "last"])
    with unchecked():
        ready(settled(SMALL["option B"]()).float(), images("option B"), way)
    assert len(kept) == times


def test_what_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "find_spec", lambda name: None)
    assert ways("cpu") == ["plain", "last", "folded", "joined", "compiled"]
    assert ways("cuda") == ["plain", "last", "folded", "joined", "captured", "compiled"]
    assert ways("mps") == ["plain", "last", "folded", "compiled"]


def test_what_is_not_allowed() -> None:
    model, x = nn.Flatten(), torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match=f"^way is 'fast', allowed are auto, {', '.join(WAYS)}$"):
        ready(model, x, "fast")
    with pytest.raises(ValueError, match=r"^precision is 'int8', allowed are auto, bf16, fp32$"):
        ready(model, x, "plain", "int8")
    with pytest.raises(ValueError, match=r"^way is 'captured', which works on CUDA; the images are on cpu$"):
        ready(model, x, "captured")


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(ValueError, match=r"not installed: pip install resnets\[fast\]$"):
        ready(nn.Flatten(), torch.zeros(1, 3, 8, 8), "openvino")
