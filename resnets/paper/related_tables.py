"""Tables of the papers around this one, as data: those that no training here brings back, and whole ones of others.

Errors in percent. Of what a second source does not confirm, the table says so. Those on wide networks and on ResNeXt:
`wide_tables.py`.
"""

from resnets.paper.printed import PaperTable
from resnets.paper.published import UNSURE
from resnets.paper.wide_tables import RESNEXT, WIDE

_IDENTITY, _STOCHASTIC, _ROR = "arXiv:1603.05027", "arXiv:1603.09382", "arXiv:1608.02908"
_TOP = ("top-1 error", "top-5 error")
_BOTH = ("CIFAR-10", "CIFAR-100")

# ---------------------------------------------------------------------------------------------------------------
# Highway networks, ResNet in ResNet, fb.resnet.torch

_EARLY_AND_CODE = {
    "highway": PaperTable(
        "highway networks, test errors",
        ("network", "parameters", "CIFAR-10", "mean of several runs", "CIFAR-100"),
        (("cifar_highway19", "2.3M", 7.54, "7.72 ± 0.16", 32.39), ("cifar_highway32", "1.25M", 8.80, None, None)),
        "arXiv:1505.00387",
        decimals=2,
    ),
    "rir": PaperTable(
        "ResNet in ResNet, test accuracies",
        ("network", *_BOTH),
        (
            ("ResNet-32, their own", 92.49, None),
            ("18 layers, wide ResNet", 93.95, 76.58),
            ("cifar_rir18_wide", 94.99, 77.10),
        ),
        "arXiv:1603.08029",
        "accuracies, as the paper prints them: errors are what is left to 100",
        decimals=2,
    ),
    "fb-resnet-torch": PaperTable(
        "errors of fb.resnet.torch's networks on ImageNet validation",
        ("network", "one crop, top-1", "one crop, top-5", "ten crops, top-1", "ten crops, top-5"),
        (
            ("resnet18", 30.43, 10.76, 28.22, 9.42),
            ("resnet34", 26.73, 8.74, 24.76, 7.35),
            ("resnet50_v1_5", 24.01, 7.02, 22.24, 6.08),
            ("resnet101_v1_5", 22.44, 6.21, 21.08, 5.35),
            ("resnet152_v1_5", 22.16, 6.16, 20.69, 5.21),
            ("preact_resnet200", 21.66, 5.79, 20.15, 4.93),
            ("preact_resnet200, 320 pixels", 20.1, 4.8, None, None),
        ),
        "github.com/facebook/fb.resnet.torch",
        "another recipe than the paper's: GoogLeNet's cuts, varied colours, stride in the 3x3, 90 epochs, shortcuts B",
    ),
}

# ---------------------------------------------------------------------------------------------------------------
# Identity mappings

_MEAN = "mean of five runs"
_IDENTITY_TABLES = {
    "identity-shortcuts": PaperTable(
        "shortcuts of ResNet-110 on CIFAR-10: test error, the median of five runs",
        ("case", "on the shortcut", "on the branch", "first bias of the gate", "error"),
        (
            ("original", "1", "1", None, 6.61),
            ("constant scaling", "0", "1", None, "fails"),
            ("constant scaling", "0.5", "1", None, "fails"),
            ("constant scaling", "0.5", "0.5", None, 12.35),
            ("exclusive gating", "1 - g(x)", "g(x)", "0 to -5", "fails"),
            ("exclusive gating", "1 - g(x)", "g(x)", -6, 8.70),
            ("exclusive gating", "1 - g(x)", "g(x)", -7, 9.81),
            ("shortcut-only gating", "1 - g(x)", "1", 0, 12.86),
            ("shortcut-only gating", "1 - g(x)", "1", -6, 6.91),
            ("1x1 convolution", "convolution", "1", None, 12.22),
            ("dropout", "dropout of 0.5", "1", None, "fails"),
        ),
        f"{_IDENTITY}, Table 1",
        "fails: over 20 %; without any shortcut the net is plain; scaled by 0.5 on both paths it is frozen gating",
        decimals=2,
    ),
    "identity-depths": PaperTable(
        "the unit of ResNet and full pre-activation: test error, the median of five runs",
        ("data", "network", "unit of ResNet", "full pre-activation"),
        (
            ("CIFAR-10", "ResNet-110, one layer a unit", 9.90, 8.91),
            ("CIFAR-10", "ResNet-110", 6.61, 6.37),
            ("CIFAR-10", "ResNet-164", 5.93, 5.46),
            ("CIFAR-10", "ResNet-1001", 7.61, 4.92),
            ("CIFAR-100", "ResNet-164", 25.16, 24.33),
            ("CIFAR-100", "ResNet-1001", 27.82, 22.71),
        ),
        f"{_IDENTITY}, Table 3",
        decimals=2,
    ),
    "identity-comparison": PaperTable(
        "identity mappings beside other networks, CIFAR-10 and -100: test error",
        ("network", "CIFAR-10", f"{_MEAN}, CIFAR-10", "CIFAR-100", f"{_MEAN}, CIFAR-100"),
        (
            ("NIN", 8.81, None, 35.68, None),
            ("DSN", 8.22, None, 34.57, None),
            ("FitNet", 8.39, None, 35.04, None),
            ("Highway", 7.72, None, 32.39, None),
            ("All-CNN", 7.25, None, 33.71, None),
            ("ELU", 6.55, None, 24.28, None),
            ("FitNet, LSUV", 5.84, None, 27.66, None),
            ("cifar_resnet110", 6.61, None, None, None),
            ("cifar_resnet164", None, None, 25.16, None),
            ("cifar_resnet1202", 7.93, None, None, None),
            ("cifar_resnet1001", None, None, 27.82, None),
            ("cifar_preact_resnet164", 5.46, None, 24.33, None),
            ("cifar_preact_resnet1001", 4.92, "4.89 ± 0.14", 22.71, "22.68 ± 0.22"),
            ("cifar_preact_resnet1001, batches of 64", 4.62, "4.69 ± 0.20", None, None),
        ),
        f"{_IDENTITY}, Table 4",
        "of its own networks the median of five runs",
        decimals=2,
    ),
    "identity-imagenet": PaperTable(
        "identity mappings on ImageNet validation, one crop",
        ("network", "cuts in training", "pixels tested", *_TOP),
        (
            ("resnet152", "scale", 224, 23.0, 6.7),
            ("resnet152", "scale", 320, 21.3, 5.5),
            ("preact_resnet152", "scale", 320, 21.1, 5.5),
            ("ResNet-200", "scale", 320, 21.8, 6.0),
            ("preact_resnet200", "scale", 320, 20.7, 5.3),
            ("preact_resnet200", "scale and shape", 320, 20.1, 4.8),
            ("Inception v3", "scale and shape", 299, 21.2, 5.6),
        ),
        f"{_IDENTITY}, Table 5",
        "all but Inception v3 are trained on crops of 224 pixels; the row with varied shapes is fb.resnet.torch's; "
        "ResNet-101 with BN after the addition has 24.6 and 7.5, as it is 23.6 and 7.1",
    ),
}

# ---------------------------------------------------------------------------------------------------------------
# Stochastic depth

_STOCHASTIC_TABLE = {
    "stochastic-depth-data": PaperTable(
        "constant and stochastic depth on all data: test error, of ImageNet top-1 on validation",
        ("data", "constant depth", "stochastic depth", "stochastic depth, earlier version"),
        (
            ("CIFAR-10, augmented", 6.41, 5.25, 5.23),
            ("CIFAR-100, augmented", 27.76, 24.98, 24.58),
            ("CIFAR-10, not augmented", 13.63, 11.66, None),
            ("CIFAR-100, not augmented", 44.74, 37.8, None),
            ("SVHN", 1.80, 1.75, None),
            ("ImageNet, 90 epochs", 23.06, 23.38, None),
            ("ImageNet, 120 epochs", 21.78, 21.98, None),
            ("CIFAR-10, augmented, 1,202 layers", 6.67, 4.91, None),
        ),
        f"{_STOCHASTIC}, Table 1 and text",
        "110 layers for CIFAR, 152 for SVHN and ImageNet; in the text constant depth has 27.22 on CIFAR-100; the "
        "authors expect 0.2 points between runs",
    ),
}

# ---------------------------------------------------------------------------------------------------------------
# Residual networks of residual networks

_ROR_TABLES = {
    "ror": PaperTable(
        "networks with RoR's shortcuts and without, 500 epochs: test error",
        ("network", *_BOTH, "remark"),
        (
            ("ResNet-110", 5.43, 26.80, UNSURE),
            ("cifar_ror3_110", 5.08, 26.64, UNSURE),
            ("cifar_ror3_110, stochastic depth", 5.04, 23.48, UNSURE),
            ("cifar_ror3_164", 4.86, None, None),
            ("cifar_ror3_164, stochastic depth", None, 22.47, None),
            ("Pre-ResNet-164", 5.04, 25.54, None),
            ("cifar_preror3_164", 5.02, 25.33, None),
            ("Pre-ResNet-164, stochastic depth", 4.67, 22.49, None),
            ("cifar_preror3_164, stochastic depth", 4.51, 21.94, None),
            ("WRN-40-2", 4.81, 24.70, None),
            ("cifar_ror3_wrn_40_2", 5.01, 25.19, None),
            ("WRN-40-2, stochastic depth", 4.80, 22.87, None),
            ("cifar_ror3_wrn_40_2, stochastic depth", 4.59, 22.48, None),
            ("cifar_ror3_wrn_40_4, stochastic depth", 4.09, 20.11, None),
            ("cifar_ror3_wrn_58_4, stochastic depth", 3.77, 19.73, "on SVHN 1.59"),
        ),
        _ROR,
        decimals=2,
    ),
    "ror-imagenet": PaperTable(
        "RoR on ImageNet validation, ten crops, beside the networks of fb.resnet.torch that it begins from",
        ("layers", "without RoR, top-1", "RoR-3, top-1", "without RoR, top-5", "RoR-3, top-5"),
        (
            ("18", 28.22, 27.84, 9.42, None),
            ("34", 24.76, 24.47, 7.35, None),
            ("101", 21.08, 20.89, 5.35, None),
            ("152", 20.69, 20.55, 5.21, 5.14),
        ),
        _ROR,
        f"RoR-3's top-1 errors are {UNSURE}",
    ),
}

RELATED: dict[str, PaperTable] = {
    **_EARLY_AND_CODE,
    **_IDENTITY_TABLES,
    **_STOCHASTIC_TABLE,
    **WIDE,
    **RESNEXT,
    **_ROR_TABLES,
}
"""By the name that `resnets reproduce` takes: a table of its own, or the whole of one that a target brings back."""
