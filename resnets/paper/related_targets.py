"""What training brings back of the papers around this one, as rows; see `targets.py`.

Their figures: `published.py`, and here those of rows that are no network's own: a variant of its paper's recipe, or the
same network in another table. What is printed beside them, of data or networks that nothing here trains:
`related_tables.py`.
"""

from dataclasses import replace

from resnets.paper.entries import Claim, Entry, Target
from resnets.paper.published import UNSURE
from resnets.paper.recipe_entries import entries_of, entry_of, variant_of

_BOTH = ("cifar10", "cifar100")

# ---------------------------------------------------------------------------------------------------------------
# Identity mappings

_RESNET_110 = entry_of("cifar10-resnet110", "the mean of five runs in ResNet's paper, 6.61 ± 0.16", paper=6.61)
"""In the tables of Identity Mappings."""
_AT_164 = Claim(
    text="full pre-activation is better at 164 layers",
    worse="cifar10-resnet164",
    than="cifar10-preact_resnet164",
    by=0.1,
    seeds=5,
)
_MANIPULATED = ("scaling", "exclusive_gating", "conv", "dropout")
_ORDERS = ("bn_after_addition", "relu_before_addition", "relu_only")


def _gate(kind: str, bias: int, paper: float) -> Entry:
    """A gate that begins with another bias than -6."""
    name = f"cifar10-resnet110_{kind}"
    label, changes = f"{name}, bias {bias}", (f"changes.gate_bias={bias}",)
    return replace(variant_of(name, paper), label=label, changes=changes)


_IDENTITY = {
    "identity-shortcuts": Target(
        title="manipulated shortcuts of ResNet-110 on CIFAR-10",
        source="arXiv:1603.05027, Table 1",
        entries=(
            _RESNET_110,
            *entries_of(f"cifar10-resnet110_{kind}" for kind in (*_MANIPULATED, "shortcut_gating")),
            _gate("exclusive_gating", -7, 9.81),
            _gate("shortcut_gating", 0, 12.86),
        ),
        claims=tuple(
            Claim(
                text=f"{kind.replace('_', ' ')} on the shortcut is worse than the identity",
                worse=f"cifar10-resnet110_{kind}",
                than="cifar10-resnet110",
                by=1.5,
            )
            for kind in (*_MANIPULATED, "exclusive_gating, bias -7", "shortcut_gating, bias 0")
        ),
    ),
    "identity-orders": Target(
        title="orders of activation on CIFAR-10",
        source="arXiv:1603.05027, Table 2",
        entries=(
            _RESNET_110,
            *entries_of(
                f"cifar10-{name}"
                for depth in (110, 164)
                for name in (f"resnet{depth}", *(f"resnet{depth}_{o}" for o in _ORDERS), f"preact_resnet{depth}")
                if name != "resnet110"
            ),
        ),
        claims=(_AT_164,),
    ),
    "identity-depths": Target(
        title="the unit of ResNet and full pre-activation, CIFAR-10 and -100",
        source="arXiv:1603.05027, Table 3; batches of 64: Table 4",
        entries=(
            _RESNET_110,
            *entries_of(["cifar10-preact_resnet110"]),
            *entries_of(f"{d}-{unit}{n}" for d in _BOTH for n in (164, 1001) for unit in ("resnet", "preact_resnet")),
            variant_of("cifar10-preact_resnet1001-batch64", 4.62, "the recipe of the released code; mean 4.69 ± 0.20"),
        ),
        claims=(
            _AT_164,
            Claim(
                text="full pre-activation is better at 1001 layers",
                worse="cifar10-resnet1001",
                than="cifar10-preact_resnet1001",
                by=1.5,
            ),
        ),
    ),
}

# ---------------------------------------------------------------------------------------------------------------
# Stochastic depth

_STOCHASTIC = {
    "stochastic-depth": Target(
        title="constant and stochastic depth, CIFAR-10 and -100",
        source="arXiv:1603.09382, Table 1",
        entries=(
            variant_of("cifar10-resnet110_sd-constant-depth", 6.41),
            variant_of("cifar100-resnet110_sd-constant-depth", 27.76, "in the text 27.22"),
            variant_of("cifar10-resnet1202_sd-constant-depth", 6.67),
            *entries_of(["cifar10-resnet110_sd", "cifar100-resnet110_sd", "cifar10-resnet1202_sd"]),
        ),
        claims=(
            Claim(
                text="stochastic depth is better at 110 layers",
                worse="cifar10-resnet110_sd-constant-depth",
                than="cifar10-resnet110_sd",
                by=0.6,
            ),
            Claim(
                text="and at 1,202",
                worse="cifar10-resnet1202_sd-constant-depth",
                than="cifar10-resnet1202_sd",
                by=1.0,
            ),
        ),
        remark="The paper tests at the epoch of the lowest validation error. Other data: `stochastic-depth-data`.",
    ),
}

# ---------------------------------------------------------------------------------------------------------------
# Wide residual networks

_WHITENED = "of images whitened by ZCA, which is not built here, so that no run is held against it"
_UNLIKE = f"Its figures are {_WHITENED}."
_DROPOUT = {
    "16_4": ((5.02, 24.03), (5.24, 23.91)),
    "28_10": ((4.00, 19.25), (3.89, 18.85)),
    "52_1": ((6.43, 29.89), (6.28, 29.78)),
}
"""CIFAR-10 and -100 test error by size: without dropout, and with it."""
_UNITS = ("40_2_b131", "40_2_b31", "40_2_b13", "40_2_b311", "28_2_b33", "22_2_b313")
_CONVOLUTIONS = ("40_2_l1", "40_2_l3", "40_2_l4")
_MEDIAN = "The paper gives the median of five runs."


def _whitened(*nets: str, data: tuple[str, ...] = _BOTH[:1]) -> tuple[Entry, ...]:
    """Rows of networks whose figures are of whitened images; all their runs depart in that."""
    return tuple(entry_of(f"{name}-wrn_{net}", _WHITENED) for name in data for net in nets)


_WIDE = {
    "wide": Target(
        title="wide residual networks, CIFAR-10 and -100",
        source="arXiv:1605.07146, Tables 5 and 6",
        entries=entries_of(f"{d}-wrn_{net}" for d in _BOTH for net in ("40_4", "16_8", "28_10")),
        remark=_MEDIAN,
    ),
    "wide-dropout": Target(
        title="wide residual networks without dropout and with it, CIFAR-10 and -100",
        source="arXiv:1605.07146, Table 6",
        entries=tuple(
            row
            for net, (without, with_it) in _DROPOUT.items()
            for data, less, more in zip(_BOTH, without, with_it, strict=True)
            for row in (
                entry_of(f"{data}-wrn_{net}", paper=less),
                variant_of(f"{data}-wrn_{net}-dropout", more),
            )
        ),
        remark=_MEDIAN,
    ),
    "wide-sizes": Target(
        title="depths and widths of wide residual networks, CIFAR-10 and -100",
        source="arXiv:1605.07146, Table 4",
        entries=(
            *_whitened("40_1", "40_2", "40_8", "28_12", "22_8", "22_10", "16_10"),
            *_whitened("40_1", "40_2", "28_12", "22_8", "22_10", "16_10", data=_BOTH[1:]),
        ),
        remark=f"{_UNLIKE} 40-4, 28-10 and 16-8 stand in `wide` without whitening.",
    ),
    "wide-units": Target(
        title="kinds of units in wide residual networks, CIFAR-10",
        source="arXiv:1605.07146, Table 2",
        entries=_whitened(*_UNITS),
        remark=_UNLIKE,
    ),
    "wide-convolutions": Target(
        title="convolutions in a unit of WRN-40-2, CIFAR-10",
        source="arXiv:1605.07146, Table 3",
        entries=(
            entry_of("cifar10-wrn_40_2", f"{_WHITENED}; in Table 4 it is 5.33", paper=5.43),
            *_whitened(*_CONVOLUTIONS),
        ),
        remark=_UNLIKE,
    ),
}

# ---------------------------------------------------------------------------------------------------------------
# The others

_OTHERS = {
    "highway": Target(
        title="highway networks, CIFAR-10 and -100",
        source="arXiv:1505.00387",
        entries=(
            entry_of("cifar10-highway19", "the best of several runs; their mean is 7.72 ± 0.16"),
            *entries_of(["cifar10-highway32", "cifar100-highway19"]),
        ),
        remark="Its schedule is not known here; ResNet's is run, so that no run is held against its figures.",
    ),
    "resnext": Target(
        title="ResNeXt-29, CIFAR-10 and -100",
        source="arXiv:1611.05431, section 5.3",
        entries=entries_of(f"{d}-resnext29_{net}" for d in _BOTH for net in ("8x64d", "16x64d")),
        remark="The paper gives the mean of ten runs.",
    ),
    "rir": Target(
        title="ResNet in ResNet, CIFAR-10 and -100",
        source="arXiv:1603.08029",
        entries=entries_of(f"{d}-rir18_wide" for d in _BOTH),
    ),
    "ror": Target(
        title="residual networks of residual networks, CIFAR-10 and -100",
        source="arXiv:1608.02908",
        entries=(
            entry_of("cifar10-ror3_110", UNSURE),
            variant_of("cifar10-ror3_110-sd", 5.04, UNSURE),
            entry_of("cifar10-ror3_164"),
            entry_of("cifar10-preror3_164"),
            variant_of("cifar10-preror3_164-sd", 4.51),
            entry_of("cifar10-ror3_wrn_40_2"),
            variant_of("cifar10-ror3_wrn_40_2-sd", 4.59),
            variant_of("cifar10-ror3_wrn_40_4-sd", 4.09),
            entry_of("cifar10-ror3_wrn_58_4"),
            entry_of("cifar100-ror3_110", UNSURE),
            variant_of("cifar100-ror3_110-sd", 23.48, UNSURE),
            variant_of("cifar100-ror3_164-sd", 22.47),
            entry_of("cifar100-preror3_164"),
            variant_of("cifar100-preror3_164-sd", 21.94),
            entry_of("cifar100-ror3_wrn_40_2"),
            variant_of("cifar100-ror3_wrn_40_2-sd", 22.48),
            variant_of("cifar100-ror3_wrn_40_4-sd", 20.11),
            entry_of("cifar100-ror3_wrn_58_4"),
        ),
    ),
}

RELATED_TARGETS: dict[str, Target] = {**_IDENTITY, **_STOCHASTIC, **_WIDE, **_OTHERS}
"""By the name that `resnets reproduce` takes."""
