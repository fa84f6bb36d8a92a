"""Small networks of every kind through torch.export, torch.compile and OpenVINO, which is handed exported networks.

In a process of their own (tests/test_graphs.py runs this file): the compiler changes how PyTorch works after it, which
tests of bit-equal runs would notice.
"""

import pytest
import torch
from family import SMALL, images, settled, unchecked
from torch import nn

from resnets.models.inference import ready


def made(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return SMALL[kind]()


QUICK = (
    *("option A, mean", "stochastic depth", "order bn_after_addition", "order full, bottlenecks", "exclusive_gating"),
    *("wide, dropout", "resnext, grouped", "rir, resnet_init", "ror", "highway"),
)
"""One of each kind of unit."""
GRAPHS = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in SMALL]
)


@GRAPHS
def test_export(kind: str) -> None:
    model, x = settled(made(kind)), images(kind).double()
    exported = torch.export.export(model, (x,)).module()
    with torch.no_grad():
        assert torch.equal(exported(x), model(x))


@GRAPHS
def test_compile(kind: str) -> None:
    """The graph is captured whole; it is run as it is (`eager`), as building kernels takes a minute a network."""
    torch.compiler.reset()
    model, x = settled(made(kind)), images(kind).double()
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad(), unchecked():
        assert torch.equal(compiled(x), model(x))


def test_openvino_answers_as_the_plain_network() -> None:
    pytest.importorskip("openvino")
    torch.manual_seed(0)
    model, x = settled(SMALL["option B"]()).float(), images("option B", count=4)
    with unchecked():
        answer = ready(model, x, "openvino", "fp32")
        for images_ in (x, x[:1]):
            with torch.no_grad():
                assert torch.allclose(answer(images_), model(images_), atol=1e-4)
