"""Tables of the papers on wide residual networks and on ResNeXt, as data. Errors and precisions in percent."""

from resnets.paper.printed import PaperTable
from resnets.paper.published import UNSURE

_WIDE, _NEXT = "arXiv:1605.07146", "arXiv:1611.05431"
_TOP = ("top-1 error", "top-5 error")
_BOTH = ("CIFAR-10", "CIFAR-100")

WIDE: dict[str, PaperTable] = {
    "wide-sizes": PaperTable(
        "depths and widths of wide residual networks: test error",
        (
            "network",
            "parameters",
            *(f"{data}, ZCA whitening" for data in _BOTH),
            *(f"{data}, mean and std" for data in _BOTH),
        ),
        (
            ("cifar_wrn_40_1", "0.6M", 6.85, 30.89, None, None),
            ("cifar_wrn_40_2", "2.2M", 5.33, 26.04, None, None),
            ("cifar_wrn_40_4", "8.9M", 4.97, 22.89, 4.53, 21.18),
            ("cifar_wrn_40_8", "35.7M", 4.66, None, None, None),
            ("cifar_wrn_28_10", "36.5M", 4.17, 20.50, 4.00, 19.25),
            ("cifar_wrn_28_12", "52.5M", 4.33, 20.43, None, None),
            ("cifar_wrn_22_8", "17.2M", 4.38, 21.22, None, None),
            ("cifar_wrn_22_10", "26.8M", 4.44, 20.75, None, None),
            ("cifar_wrn_16_8", "11.0M", 4.81, 22.07, 4.27, 20.43),
            ("cifar_wrn_16_10", "17.1M", 4.56, 21.59, None, None),
        ),
        f"{_WIDE}, Tables 4 (whitening) and 5",
        "with mean and std the median of five runs",
    ),
    "wide-dropout": PaperTable(
        "wide residual networks with dropout and without: test error, the median of five runs",
        ("network", "dropout", *_BOTH, "SVHN"),
        (
            ("cifar_wrn_16_4", "no", 5.02, 24.03, 1.85),
            ("cifar_wrn_16_4", "yes", 5.24, 23.91, 1.64),
            ("cifar_wrn_28_10", "no", 4.00, 19.25, None),
            ("cifar_wrn_28_10", "yes", 3.89, 18.85, None),
            ("cifar_wrn_52_1", "no", 6.43, 29.89, 2.08),
            ("cifar_wrn_52_1", "yes", 6.28, 29.78, 1.70),
        ),
        f"{_WIDE}, Table 6",
    ),
    "wide-best": PaperTable(
        "wide residual networks, the best single runs",
        ("network", "parameters", *_BOTH, "SVHN"),
        (("WRN-40-10, dropout", "55.8M", 3.8, 18.3, None), ("WRN-16-8, dropout", None, None, None, 1.54)),
        _WIDE,
    ),
    "wide-imagenet": PaperTable(
        "wide residual networks on ImageNet validation, one crop",
        ("network", "width", "parameters", *_TOP, "ms for 16 images"),
        (
            ("WRN-18", 1, "11.7M", 30.4, 10.93, None),
            ("WRN-18", 1.5, "25.9M", 27.06, 9.0, None),
            ("WRN-18", 2, "45.6M", 25.58, 8.06, None),
            ("WRN-18", 3, "101.8M", 24.06, 7.33, None),
            ("WRN-34", 1, "21.8M", 26.77, 8.67, None),
            ("WRN-34", 1.5, "48.6M", 24.5, 7.58, None),
            ("WRN-34", 2, "86.0M", 23.39, 7.00, None),
            ("wide_resnet50_2", 2, "68.9M", 21.9, 6.03, 93),
            ("ResNet-50", None, None, None, None, 49),
            ("ResNet-101", None, None, None, None, 82),
            ("ResNet-152", None, None, None, None, 115),
            ("pre-activation ResNet-200", None, None, None, None, 154),
        ),
        _WIDE,
        "of WRN-50-2 top-5 is 6.03 in Table 8 and 5.79, which is pre-activation ResNet-200's, in Table 9",
    ),
}

# ---------------------------------------------------------------------------------------------------------------
# ResNeXt

RESNEXT: dict[str, PaperTable] = {
    "resnext": PaperTable(
        "ResNeXt-29, CIFAR-10 and -100: test error, the mean of ten runs",
        ("network", "parameters", *_BOTH),
        (
            ("WRN-28-10, as its paper has it", "36.5M", 4.17, 20.50),
            ("cifar_resnext29_8x64d", "34.4M", 3.65, 17.77),
            ("cifar_resnext29_16x64d", "68.1M", 3.58, 17.31),
        ),
        f"{_NEXT}, Table 7",
    ),
    "resnext-cardinality": PaperTable(
        "cardinality at equal cost: top-1 error on ImageNet validation, one crop",
        ("layers", "parameters", "multiply-adds", "1x64d", "2x40d", "4x24d", "8x14d", "32x4d"),
        (
            ("50", "25M", "4.1e9", 23.9, 23.0, 22.6, 22.3, 22.2),
            ("101", "44M", "7.8e9", 22.0, 21.7, 21.4, 21.3, 21.2),
        ),
        f"{_NEXT}, Table 3",
        "about so many parameters and multiply-adds; 1x64d is ResNet",
    ),
    "resnext-complexity": PaperTable(
        "twice the cost: errors on ImageNet validation, one crop",
        ("network", "cost", *_TOP),
        (
            ("ResNet-101", "once", 22.0, 6.0),
            ("resnext101_32x4d", "once", 21.2, 5.6),
            ("ResNet-200", "twice", 21.7, 5.8),
            ("ResNet-101, 1x100d", "twice", 21.3, 5.7),
            ("resnext101_2x64d", "twice", 20.7, 5.5),
            ("resnext101_64x4d", "twice", 20.4, 5.3),
        ),
        f"{_NEXT}, Table 4",
    ),
    "resnext-shortcuts": PaperTable(
        "with and without shortcuts: top-1 error on ImageNet validation, one crop",
        ("network", "with", "without"),
        (("ResNet-50", 23.9, 31.2), ("resnext50_32x4d", 22.2, 26.1)),
        f"{_NEXT}, section 5.1",
    ),
    "resnext-views": PaperTable(
        "ResNeXt-101 64x4d tested in other ways: errors on ImageNet, of validation but for the last row",
        ("tested", *_TOP),
        (
            ("one crop of 224 pixels", 20.4, 5.3),
            ("one crop of 320 pixels", 19.1, 4.4),
            ("a single model, dense at several scales", 17.7, 3.7),
            ("an ensemble, on the test server (ILSVRC'16)", None, 3.03),
        ),
        _NEXT,
        f"the top-1 error at 320 pixels is {UNSURE}",
    ),
    "resnext-5k": PaperTable(
        "trained on ImageNet-5K: top-1 error among 5,000 classes",
        ("layers", "ResNet", "ResNeXt"),
        (("50", 45.5, 42.3), ("101", 42.4, 40.1)),
        _NEXT,
        f"the errors are {UNSURE}, only how far they lie apart is",
    ),
    "resnext-coco": PaperTable(
        "detection on COCO, AP",
        ("layers", "ResNet @.5", "ResNet", "ResNeXt @.5", "ResNeXt"),
        (("50", 47.6, 26.5, 49.7, 27.5), ("101", 51.1, 29.8, 51.9, 30.0)),
        _NEXT,
        f"the precisions are {UNSURE}, only how far those of 50 layers lie apart is",
    ),
}
