"""Wide residual networks: where their dropout is, and the shapes of WRN-d-k."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from family import count, net, settled
from torch import nn

from resnets.models.wide import cifar_wide


def test_dropout_is_between_the_convolutions_after_the_second_activation() -> None:
    torch.manual_seed(0)
    unit: Any = settled(cifar_wide((16, 1), dropout=0.3)).get_submodule("layer1.1")
    unit.dropout.train()  # BN stays in evaluation
    x = torch.randn(2, 16, 6, 6, dtype=torch.float64)
    torch.manual_seed(5)
    inner = F.dropout(torch.relu(unit.bn2(unit.conv1(torch.relu(unit.bn1(x))))), 0.3)
    torch.manual_seed(5)
    assert torch.equal(unit(x), unit.conv2(inner) + x)
    assert torch.equal(unit.eval()(x), unit.conv2(torch.relu(unit.bn2(unit.conv1(torch.relu(unit.bn1(x)))))) + x)


def test_longer_units_have_dropout_before_each_convolution_but_the_first() -> None:
    unit: Any = cifar_wide((16, 1), kernels=(3, 1, 3), n=1, dropout=0.3).get_submodule("layer2.0")
    second = ["bn2", "relu", "dropout", "conv2", "bn3", "relu", "dropout", "conv3"]
    assert [*unit.before, *unit.inside] == ["bn1", "relu", "conv1", *second]
    plain: Any = cifar_wide((16, 1)).get_submodule("layer1.0")
    assert plain.inside == ["conv1", "bn2", "relu", "conv2"]


@pytest.mark.parametrize(("depth", "k", "n"), [(28, 10, 4), (40, 4, 6), (16, 8, 2)])
def test_the_shapes_of_table_1(depth: int, k: int, n: int) -> None:
    model = net(f"cifar_wrn_{depth}_{k}")
    convolutions = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    assert len(convolutions) == depth == 6 * n + 4
    assert convolutions["conv1"].out_channels == 16
    for group, width in ((1, 16 * k), (2, 32 * k), (3, 64 * k)):
        assert len(list(model.get_submodule(f"layer{group}").children())) == n
        assert {m.out_channels for name, m in convolutions.items() if name.startswith(f"layer{group}")} == {width}
    assert {name for name, m in convolutions.items() if m.kernel_size == (1, 1)} == {
        f"layer{group}.0.downsample" for group in (1, 2, 3)
    }
    assert {name for name, m in convolutions.items() if m.stride == (2, 2)} == {
        f"layer{group}.0.{part}" for group in (2, 3) for part in ("conv1", "downsample")
    }


def test_the_kinds_of_units_of_table_2() -> None:
    for digits, name in (("131", "40_2_b131"), ("311", "40_2_b311"), ("313", "22_2_b313"), ("13", "40_2_b13")):
        unit = net(f"cifar_wrn_{name}").get_submodule("layer1.1")
        kernels = [m.kernel_size[0] for key, m in unit.named_modules() if isinstance(m, nn.Conv2d)]
        assert kernels == list(map(int, digits))
    assert count(net("cifar_wrn_28_2_b33")) == count(cifar_wide((28, 2)))


@pytest.mark.parametrize(
    ("size", "how", "what"),
    [
        ((15, 2), {}, r"depth is 15, allowed are 6N\+4"),
        ((4, 2), {}, r"depth is 4, allowed are 6N\+4"),
        ((-2, 2), {}, r"depth is -2, allowed are 6N\+4"),
        ((16, 2), {"kernels": (1, 3, 1)}, r"depth is 16, allowed are 9N\+4"),
        ((16, 0), {}, "width is 0, allowed is 1 or more"),
        ((16, 2), {"dropout": -0.1}, "dropout is -0.1, allowed is 0 to under 1"),
        ((16, 2), {"kernels": (3, -1)}, r"kernels is \(3, -1\), allowed are odd sides"),
        ((16, 2), {"n": -1}, "n is -1, allowed is 1 or more"),
    ],
)
def test_sizes_that_are_not_allowed(size: tuple[int, int], how: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=f"^{what}$"):
        cifar_wide(size, **how)
