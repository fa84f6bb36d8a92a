"""The fourteen tables of "Deep Residual Learning for Image Recognition" (arXiv:1512.03385), as data.

Errors and precisions in percent; None where a table has a dash or an empty cell. Networks have their names in the
catalogue where it has them. The tables per class of VOC (10 and 11) are given by their means.
"""

from dataclasses import dataclass

Cell = str | float | None


@dataclass(frozen=True)
class PaperTable:
    """One printed table."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


_TOP = ("method", "top-1 error", "top-5 error")
_VOC = ("system", "training data", "mAP")

TABLES: dict[str, PaperTable] = {
    "table1": PaperTable(
        "architectures for ImageNet: multiply-adds in 10^9",
        ("network", "multiply-adds"),
        (("resnet18", 1.8), ("resnet34", 3.6), ("resnet50", 3.8), ("resnet101", 7.6), ("resnet152", 11.3)),
    ),
    "table2": PaperTable(
        "top-1 error on ImageNet validation, ten crops",
        ("layers", "plain", "ResNet"),
        (("18", 27.94, 27.88), ("34", 28.54, 25.03)),
    ),
    "table3": PaperTable(
        "errors on ImageNet validation, ten crops",
        _TOP,
        (
            ("vgg16", 28.07, 9.33),
            ("GoogLeNet", None, 9.15),
            ("PReLU-net", 24.27, 7.38),
            ("plain34", 28.54, 10.02),
            ("resnet34_a", 25.03, 7.76),
            ("resnet34", 24.52, 7.46),
            ("resnet34_c", 24.19, 7.40),
            ("resnet50", 22.85, 6.71),
            ("resnet101", 21.75, 6.05),
            ("resnet152", 21.43, 5.71),
        ),
    ),
    "table4": PaperTable(
        "errors of single models on ImageNet validation, dense at several scales",
        _TOP,
        (
            ("VGG (ILSVRC'14), test images", None, 8.43),
            ("GoogLeNet (ILSVRC'14)", None, 7.89),
            ("VGG (v5)", 24.4, 7.1),
            ("PReLU-net", 21.59, 5.71),
            ("BN-inception", 21.99, 5.81),
            ("resnet34", 21.84, 5.71),
            ("resnet34_c", 21.53, 5.60),
            ("resnet50", 20.74, 5.25),
            ("resnet101", 19.87, 4.60),
            ("resnet152", 19.38, 4.49),
        ),
    ),
    "table5": PaperTable(
        "top-5 error of ensembles on the ImageNet test server",
        ("method", "top-5 error"),
        (
            ("VGG (ILSVRC'14)", 7.32),
            ("GoogLeNet (ILSVRC'14)", 6.66),
            ("VGG (v5)", 6.8),
            ("PReLU-net", 4.94),
            ("BN-inception", 4.82),
            ("ResNet (ILSVRC'15)", 3.57),
        ),
    ),
    "table6": PaperTable(
        "test error on CIFAR-10, with augmentation",
        ("method", "layers", "parameters", "test error"),
        (
            ("Maxout", None, None, 9.38),
            ("NIN", None, None, 8.81),
            ("DSN", None, None, 8.22),
            ("FitNet", 19, "2.5M", 8.39),
            ("cifar_highway19", 19, "2.3M", 7.54),
            ("cifar_highway32", 32, "1.25M", 8.80),
            ("cifar_resnet20", 20, "0.27M", 8.75),
            ("cifar_resnet32", 32, "0.46M", 7.51),
            ("cifar_resnet44", 44, "0.66M", 7.17),
            ("cifar_resnet56", 56, "0.85M", 6.97),
            ("cifar_resnet110", 110, "1.7M", 6.43),
            ("cifar_resnet1202", 1202, "19.4M", 7.93),
        ),
    ),
    "table7": PaperTable(
        "detection on PASCAL VOC, mAP",
        ("network", "VOC 2007 test, trained on 07+12", "VOC 2012 test, trained on 07++12"),
        (("vgg16", 73.2, 70.4), ("resnet101", 76.4, 73.8)),
    ),
    "table8": PaperTable(
        "detection on COCO validation",
        ("network", "mAP@.5", "mAP@[.5, .95]"),
        (("vgg16", 41.5, 21.2), ("resnet101", 48.4, 27.2)),
    ),
    "table9": PaperTable(
        "detection on COCO, step by step",
        ("system", "val @.5", "val @[.5, .95]", "test-dev @.5", "test-dev @[.5, .95]"),
        (
            ("VGG-16", 41.5, 21.2, None, None),
            ("ResNet-101", 48.4, 27.2, None, None),
            ("+ box refinement", 49.9, 29.9, None, None),
            ("+ context", 51.1, 30.0, 53.3, 32.2),
            ("+ multi-scale testing", 53.8, 32.5, 55.7, 34.9),
            ("ensemble", None, None, 59.0, 37.4),
        ),
    ),
    "table10": PaperTable(
        "detection on PASCAL VOC 2007 test",
        _VOC,
        (
            ("VGG-16", "07+12", 73.2),
            ("ResNet-101", "07+12", 76.4),
            ("ResNet-101, all improvements", "COCO+07+12", 85.6),
        ),
    ),
    "table11": PaperTable(
        "detection on PASCAL VOC 2012 test",
        _VOC,
        (
            ("VGG-16", "07++12", 70.4),
            ("ResNet-101", "07++12", 73.8),
            ("ResNet-101, all improvements", "COCO+07++12", 83.8),
        ),
    ),
    "table12": PaperTable(
        "detection on ImageNet, mAP@.5",
        ("system", "val2", "test"),
        (("GoogLeNet (ILSVRC'14)", None, 43.9), ("single model", 60.5, 58.8), ("ensemble", 63.6, 62.1)),
    ),
    "table13": PaperTable(
        "localisation error on ImageNet validation",
        ("method", "network", "testing", "given the class", "classes from", "top-5, predicted class"),
        (
            ("VGG's", "vgg16", "one crop", 33.1, None, None),
            ("RPN", "resnet101", "one crop", 13.3, None, None),
            ("RPN", "resnet101", "dense", 11.7, None, None),
            ("RPN", "resnet101", "dense", None, "resnet101", 14.4),
            ("RPN and R-CNN", "resnet101", "dense", None, "resnet101", 10.6),
            ("RPN and R-CNN", "ensemble", "dense", None, "ensemble", 8.9),
        ),
    ),
    "table14": PaperTable(
        "top-5 localisation error on ImageNet",
        ("method", "val", "test"),
        (
            ("OverFeat (ILSVRC'13)", 30.0, 29.9),
            ("GoogLeNet (ILSVRC'14)", None, 26.7),
            ("VGG (ILSVRC'14)", 26.9, 25.3),
            ("ResNet (ILSVRC'15)", 8.9, 9.0),
        ),
    ),
}
