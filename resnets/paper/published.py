"""What the papers say of each network, by its name in the catalogue; bands around it, and speeds. Errors in percent.

First those of "Deep Residual Learning for Image Recognition", arXiv:1512.03385; then those of the papers around it,
whose titles stand in `models/rows.py`.
"""

from dataclasses import dataclass

# ------------------------------------------------------------------------------------------------------------
# This paper, on CIFAR-10

TABLE_6 = {
    "cifar_resnet20": 8.75,
    "cifar_resnet32": 7.51,
    "cifar_resnet44": 7.17,
    "cifar_resnet56": 6.97,
    "cifar_resnet110": 6.43,
    "cifar_resnet1202": 7.93,
}
"""CIFAR-10 test error; for 110 layers the best of five runs (6.61 +- 0.16)."""

FIGURE_6 = {"cifar_plain20": 9.7, "cifar_plain32": 10.1, "cifar_plain44": 11.4, "cifar_plain56": 13.3}
"""CIFAR-10 test error at the end of training of the plain nets, read off the curves: +-0.3."""

FIGURE_4 = {"plain18": 31.4, "resnet18_a": 31.0, "plain34": 32.4, "resnet34_a": 28.2}
"""ImageNet validation error at the end of training, middle crop, read off the curves: +-0.5."""


def _around(figures: dict[str, float], points: float) -> dict[str, tuple[float, float]]:
    return {name: (round(error - points, 2), round(error + points, 2)) for name, error in figures.items()}


_WIDE_C10 = {"cifar_wrn_28_10": 4.00, "cifar_wrn_40_4": 4.53, "cifar_wrn_16_8": 4.27}
"""CIFAR-10 test error in Table 5 of Wide Residual Networks."""
_GATED = {"cifar_resnet110_shortcut_gating": 6.91}
"""The same in Table 1 of Identity Mappings, with a first bias of -6."""
_MEDIANS = {**_around(_WIDE_C10, 0.3), **_around(_GATED, 0.4)}
"""Around figures that are medians of five runs; the same for one run and for the mean of several."""

BANDS = {
    "cifar_resnet20": (7.8, 9.2),
    "cifar_resnet32": (6.91, 8.11),
    "cifar_resnet44": (6.57, 7.77),
    "cifar_resnet56": (6.37, 7.57),
    "cifar_resnet110": (6.0, 7.2),
    "cifar_resnet1202": (6.1, 8.3),
    "cifar_plain20": (9.2, 10.7),
    "cifar_plain32": (9.6, 11.5),
    "cifar_plain44": (10.2, 13.0),
    "cifar_plain56": (12.3, 15.5),
    **_MEDIANS,
}
"""CIFAR-10 test error that a single run of the paper's recipe is expected to end between: published re-runs do.

Of residual nets 0.6 points around the paper's (ResNet-20's re-runs reach further down, and 1202's scatter). A network
that is not here has no band: nothing says how near to its paper's figure a run has to come.
"""

MEAN_BANDS = {
    **_around(TABLE_6, 0.4),
    "cifar_resnet110": (6.2, 6.95),
    "cifar_resnet1202": BANDS["cifar_resnet1202"],
    **{name: band for name, band in BANDS.items() if "plain" in name},
    **_MEDIANS,
}
"""The same of the mean of three runs or more."""


# ------------------------------------------------------------------------------------------------------------
# How fast others train on ImageNet's images

SPEEDS = (
    (
        "RTX 3090",
        "timm, mixed precision, results/benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv of "
        "github.com/huggingface/pytorch-image-models",
        {"resnet18": 3482, "resnet34": 2037, "resnet50_v1_5": 1218, "resnet101_v1_5": 748, "resnet152_v1_5": 501},
    ),
    (
        "A100",
        "NVIDIA DeepLearningExamples, PyTorch, mixed precision, DGX A100 with one GPU, container 21.03, "
        "PyTorch/Classification/ConvNets/resnet50v1.5/README.md of github.com/NVIDIA/DeepLearningExamples",
        {"resnet50_v1_5": 2470},
    ),
    (
        "H200",
        "MLPerf Training 4.0, NVIDIA, one of eight, NVIDIA/results/h200_ngc24.04_mxnet/resnet of "
        "github.com/mlcommons/training_results_v4.0",
        {"resnet50_v1_5": 7941},
    ),
)
"""One GPU, the file in which that stands, and images of 224x224 a second by network (of eight GPUs an eighth)."""


# ------------------------------------------------------------------------------------------------------------
# All networks


@dataclass(frozen=True)
class Published:
    """What a paper prints of one network: that network and that recipe, and no other."""

    params: str | None = None
    """As printed."""
    c10: float | None = None
    c100: float | None = None
    """CIFAR-10 and -100 test error."""
    top1: float | None = None
    top5: float | None = None
    """ImageNet validation error; `note` says on which views."""
    note: str = ""


_COUNTS = {20: "0.27M", 32: "0.46M", 44: "0.66M", 56: "0.85M", 110: "1.7M", 1202: "19.4M"}
_TEN = "ten crops"
_RESNET = {
    **{name: Published(c10=error, note="read off Figure 6, to 0.3 points") for name, error in FIGURE_6.items()},
    **{f"cifar_resnet{d}": Published(params, TABLE_6[f"cifar_resnet{d}"]) for d, params in _COUNTS.items()},
    "cifar_resnet110": Published(_COUNTS[110], TABLE_6["cifar_resnet110"], note="best of five, 6.61 ± 0.16"),
    "cifar_plain110": Published(note="over 60 %, on training images too"),
    "plain18": Published(top1=27.94, note=_TEN),
    "resnet18_a": Published(top1=27.88, note=_TEN),
    "plain34": Published(top1=28.54, top5=10.02, note=_TEN),
    "resnet34_a": Published(top1=25.03, top5=7.76, note=_TEN),
    "resnet34": Published(top1=24.52, top5=7.46, note=_TEN),
    "resnet34_c": Published(top1=24.19, top5=7.40, note=_TEN),
    "resnet50": Published(top1=22.85, top5=6.71, note=_TEN),
    "resnet101": Published(top1=21.75, top5=6.05, note=_TEN),
    "resnet152": Published(top1=21.43, top5=5.71, note=_TEN),
}

_BEFORE = {
    "vgg16": Published("138M", top1=28.07, top5=9.33, note="ten crops, as the authors of ResNet tested it"),
    "vgg19": Published("144M"),
    "cifar_highway19": Published("2.3M", 7.54, 32.39, note="CIFAR-10: best of several, 7.72 ± 0.16"),
    "cifar_highway32": Published("1.25M", 8.80),
}

_320 = "one crop of 320 pixels"
_IDENTITY = {
    "cifar_preact_resnet110": Published("1.7M", 6.37),
    "cifar_preact_resnet164": Published("1.7M", 5.46, 24.33),
    "cifar_preact_resnet1001": Published("10.2M", 4.92, 22.71, note="means 4.89 ± 0.14 and 22.68 ± 0.22"),
    "cifar_resnet164": Published(c10=5.93, c100=25.16),
    "cifar_resnet1001": Published(c10=7.61, c100=27.82),
    "cifar_resnet110_bn_after_addition": Published(c10=8.17),
    "cifar_resnet110_relu_before_addition": Published(c10=7.84),
    "cifar_resnet110_relu_only": Published(c10=6.71),
    "cifar_resnet164_bn_after_addition": Published(c10=6.50),
    "cifar_resnet164_relu_before_addition": Published(c10=6.14),
    "cifar_resnet164_relu_only": Published(c10=5.91),
    "cifar_resnet110_scaling": Published(c10=12.35),
    "cifar_resnet110_exclusive_gating": Published(c10=8.70),
    **{name: Published(c10=error) for name, error in _GATED.items()},
    "cifar_resnet110_conv": Published(c10=12.22),
    "cifar_resnet110_dropout": Published(note='CIFAR-10: "fail", over 20 %'),
    "preact_resnet152": Published(top1=21.1, top5=5.5, note=_320),
    "preact_resnet200": Published(top1=20.7, top5=5.3, note=_320),
}

_STOCHASTIC = {
    "cifar_resnet110_sd": Published(c10=5.25, c100=24.98, note="constant depth: 6.41 and 27.76"),
    "cifar_resnet1202_sd": Published(c10=4.91, note="constant depth: 6.67"),
}

_WHITENED = "ZCA whitening"
_WIDE = {
    "cifar_wrn_16_8": Published("11.0M", _WIDE_C10["cifar_wrn_16_8"], 20.43),
    "cifar_wrn_28_10": Published("36.5M", _WIDE_C10["cifar_wrn_28_10"], 19.25, note="with dropout 3.89 and 18.85"),
    "cifar_wrn_40_4": Published("8.9M", _WIDE_C10["cifar_wrn_40_4"], 21.18),
    "cifar_wrn_16_10": Published("17.1M", 4.56, 21.59, note=_WHITENED),
    "cifar_wrn_22_8": Published("17.2M", 4.38, 21.22, note=_WHITENED),
    "cifar_wrn_22_10": Published("26.8M", 4.44, 20.75, note=_WHITENED),
    "cifar_wrn_28_12": Published("52.5M", 4.33, 20.43, note=_WHITENED),
    "cifar_wrn_40_1": Published("0.6M", 6.85, 30.89, note=_WHITENED),
    "cifar_wrn_40_2": Published("2.2M", 5.33, 26.04, note=_WHITENED),
    "cifar_wrn_40_8": Published("35.7M", 4.66, note=_WHITENED),
    "cifar_wrn_40_2_b131": Published("1.4M", 6.06, note=_WHITENED),
    "cifar_wrn_40_2_b31": Published("1.2M", 5.78, note=_WHITENED),
    "cifar_wrn_40_2_b13": Published("1.3M", 6.42, note=_WHITENED),
    "cifar_wrn_40_2_b311": Published("1.3M", 5.86, note=_WHITENED),
    "cifar_wrn_28_2_b33": Published("1.5M", 5.73, note=_WHITENED),
    "cifar_wrn_22_2_b313": Published("1.1M", 5.78, note=_WHITENED),
    "cifar_wrn_40_2_l1": Published("2.2M", 6.69, note=_WHITENED),
    "cifar_wrn_40_2_l3": Published("2.2M", 5.65, note=_WHITENED),
    "cifar_wrn_40_2_l4": Published("2.2M", 5.93, note=_WHITENED),
    "wide_resnet50_2": Published("68.9M", top1=21.9, top5=6.03, note="one crop; in its Table 9 top-5 is 5.79"),
}

UNSURE = "not confirmed by a second source"
_ONE = "one crop"
_NEXT = {
    "cifar_resnext29_8x64d": Published("34.4M", 3.65, 17.77),
    "cifar_resnext29_16x64d": Published("68.1M", 3.58, 17.31),
    "resnext50_32x4d": Published("25M", top1=22.2, note=_ONE),
    "resnext101_32x4d": Published("44M", top1=21.2, top5=5.6, note=_ONE),
    "resnext101_2x64d": Published(top1=20.7, top5=5.5, note=_ONE),
    "resnext101_64x4d": Published(top1=20.4, top5=5.3, note=_ONE),
    "plain50": Published(top1=31.2, note=_ONE),
    "plainnext50_32x4d": Published(top1=26.1, note=_ONE),
}

_RIR = {"cifar_rir18_wide": Published("10.3M", 5.01, 22.90, note=f"the count is {UNSURE}")}
_ROR = {
    "cifar_ror3_110": Published(c10=5.08, c100=26.64, note=f"{UNSURE}; with stochastic depth 5.04 and 23.48"),
    "cifar_ror3_164": Published(c10=4.86, note="CIFAR-100 with stochastic depth 22.47"),
    "cifar_preror3_164": Published(c10=5.02, c100=25.33, note="with stochastic depth 4.51 and 21.94"),
    "cifar_ror3_wrn_40_2": Published(c10=5.01, c100=25.19, note="with stochastic depth 4.59 and 22.48"),
    "cifar_ror3_wrn_40_4": Published(note="with stochastic depth 4.09 and 20.11 on CIFAR-10 and -100"),
    "cifar_ror3_wrn_58_4": Published("13.3M", 3.77, 19.73),
}

PUBLISHED = {**_BEFORE, **_RESNET, **_IDENTITY, **_STOCHASTIC, **_RIR, **_WIDE, **_ROR, **_NEXT}
"""By name in the catalogue."""


def test_error(model: str, data: str) -> float | None:
    """The paper's test error of `model` on `data`, None where it has none."""
    found = PUBLISHED.get(model, Published())
    return {"cifar10": found.c10, "cifar100": found.c100}.get(data)


def columns(found: Published) -> dict[str, str]:
    """What is printed, by the heads of a table; "" where nothing is."""
    errors = {"CIFAR-10": found.c10, "CIFAR-100": found.c100, "top-1": found.top1, "top-5": found.top5}
    said = {head: "" if error is None else _percent(head, error) for head, error in errors.items()}
    return {"in the paper": found.params or "", **said, "note": found.note}


def _percent(head: str, error: float) -> str:
    """As the papers print it: two decimals for CIFAR, one or two for ImageNet."""
    return f"{error:.2f}" if head.startswith("CIFAR") else f"{error:g}"


def sentence(found: Published) -> str:
    """ "36.5M parameters, CIFAR-10 4.00 %, CIFAR-100 19.25 %; with dropout 3.89 and 18.85"."""
    said = columns(found)
    params, note = said.pop("in the paper"), said.pop("note")
    parts = [f"{params} parameters"] if params else []
    parts += [f"{head} {error} %" for head, error in said.items() if error]
    return "; ".join(filter(None, (", ".join(parts), note)))
