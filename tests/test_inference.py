"""Networks made ready to answer: every way gives the classes that the plain one gives."""

import copy

import pytest
import torch
from family import SMALL, images, settled, unchecked
from torch import nn

from resnets.models.inference import WAYS, folded, ready

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
@pytest.mark.parametrize("way", ["plain", "last", "folded"])
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


def test_what_is_not_allowed() -> None:
    model, x = nn.Flatten(), torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match=f"^way is 'fast', allowed are {', '.join(WAYS)}$"):
        ready(model, x, "fast")
    with pytest.raises(ValueError, match=r"^precision is 'int8', allowed are auto, bf16, fp32$"):
        ready(model, x, "plain", "int8")


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(ValueError, match=r"not installed: pip install resnets\[fast\]$"):
        ready(nn.Flatten(), torch.zeros(1, 3, 8, 8), "openvino")
