"""What the tests of the networks share: the catalogue's networks measured once, and a small one of every kind."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from resnets.models.catalog import blueprint
from resnets.models.cifar import cifar_resnet
from resnets.models.highway import cifar_highway
from resnets.models.layers import Layer
from resnets.models.preact import ORDERS, cifar_manipulated, cifar_preact, imagenet_preact
from resnets.models.resnet import basic_resnet, bottleneck_resnet
from resnets.models.resnext import FORMS, cifar_resnext
from resnets.models.rir import cifar_rir
from resnets.models.ror import cifar_ror
from resnets.models.stochastic_depth import stochastic_depth
from resnets.models.wide import cifar_wide
from resnets.report.unit_graph import unchecked as unchecked  # torch.compile does not follow who checks annotations

TWINS = ("cifar_resnet1202_sd", "cifar_resnet1001")
"""Deep networks with the counts of others, cifar_resnet1202 and cifar_preact_resnet1001: left to the slow tests."""


def net(name: str) -> nn.Module:
    """The network of the catalogue, without values; not to be changed."""
    return blueprint(name)[0]


def table(name: str) -> list[Layer]:
    return blueprint(name)[1]


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def settled(model: nn.Module) -> nn.Module:
    """In float64 and evaluation mode, with BN that neither is an identity nor lets deep networks explode."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.2, 0.8)
            nn.init.normal_(module.bias, std=0.1)
    return model.double().eval()


# ------------------------------------------------------------------------------------------------------------
# One small network of every kind, with five classes


def _dropped(**how) -> nn.Module:
    model = cifar_resnet(8, num_classes=5)
    stochastic_depth(model, drop_path=0.5, **how)
    return model


_gated = {"exclusive_gating": {"gate_bias": -1.0}, "shortcut_gating": {"gate_bias": -1.0}, "scaling": {}, "dropout": {}}

SMALL: dict[str, Callable[[], nn.Module]] = {
    "plain": partial(cifar_resnet, 8, shortcut=None, num_classes=5),
    **{f"option {o}": partial(cifar_resnet, 8, shortcut=o, num_classes=5) for o in "ABC"},
    "option A, mean": partial(cifar_resnet, 8, subsample="mean", num_classes=5),
    "stochastic depth": _dropped,
    "drop path": partial(_dropped, drop_per="sample"),
    **{f"order {o}": partial(cifar_preact, 8, order=o, num_classes=5) for o in ORDERS},
    "order full, bottlenecks": partial(cifar_preact, 11, bottlenecks=True, shortcut="B", num_classes=5),
    "order relu_only, bottlenecks": partial(
        cifar_preact, 11, bottlenecks=True, shortcut="B", order="relu_only", num_classes=5
    ),
    **{m: partial(cifar_manipulated, 8, manipulation=m, num_classes=5, **how) for m, how in _gated.items()},
    "wide, dropout": partial(cifar_wide, (10, 2), dropout=0.3, num_classes=5),
    "wide B(1,3,1)": partial(cifar_wide, (10, 1), kernels=(1, 3, 1), n=1, num_classes=5),
    **{
        f"resnext, {form}": partial(cifar_resnext, 11, cardinality=4, base_width=4, form=form, num_classes=5)
        for form in FORMS
    },
    **{f"rir, {form}": partial(cifar_rir, (4, 6, 8), form=form, num_classes=5) for form in ("streams", "resnet_init")},
    "ror, 2 levels": partial(cifar_ror, 8, levels=2, num_classes=5),
    "ror": partial(cifar_ror, 8, num_classes=5),
    "ror, bottlenecks": partial(cifar_ror, 11, bottlenecks=True, num_classes=5),
    "ror, preact": partial(cifar_ror, 8, over="preact", num_classes=5),
    "ror, wide": partial(cifar_ror, 10, over="wide", widening=2, num_classes=5),
    "highway": partial(cifar_highway, 19, num_classes=5),
    "imagenet, basic": partial(basic_resnet, (1, 1, 1, 1), num_classes=5),
    "imagenet, bottleneck": partial(bottleneck_resnet, (1, 1, 1, 1), stride_in="3x3", ceil_mode=True, num_classes=5),
    "imagenet, preact": partial(imagenet_preact, (1, 1, 1, 1), bottlenecks=False, num_classes=5),
}
"""Those whose names begin with "imagenet" take images for ImageNet; all are quick."""

DRAWING = ("stochastic depth", "drop path", "dropout", "wide, dropout")
"""Those that draw numbers in training."""


def images(kind: str, height: int = 32, width: int = 32, count: int = 2) -> torch.Tensor:
    """Images for the small network `kind`, twice as large for ImageNet's."""
    scale = 2 if kind.startswith("imagenet") else 1
    return torch.randn(count, 3, scale * height, scale * width)
