"""The fourteen tables of "Deep Residual Learning for Image Recognition" (arXiv:1512.03385), as data.

Errors and precisions in percent; None where a table has a dash or an empty cell. Networks have their names in the
catalogue where it has them. Those of detection and localisation: `detection_tables.py`.
"""

from resnets.paper.detection_tables import DETECTION
from resnets.paper.printed import PaperTable

_TOP = ("method", "top-1 error", "top-5 error")
DEPTHS = (18, 34, 50, 101, 152)
"""The columns of Table 1."""

TABLES: dict[str, PaperTable] = {
    "table1": PaperTable(
        "architectures for ImageNet: layers of a block, blocks of each network, multiply-adds in 10^9",
        ("layer", "output", "18, 34 layers", "18", "34", "50, 101, 152 layers", "50", "101", "152"),
        (
            ("conv1", "112x112", "7x7, 64, stride 2", None, None, "7x7, 64, stride 2", None, None, None),
            ("pool", "56x56", "3x3 max pool, stride 2", None, None, "3x3 max pool, stride 2", None, None, None),
            ("conv2_x", "56x56", "3x3, 64; 3x3, 64", 2, 3, "1x1, 64; 3x3, 64; 1x1, 256", 3, 3, 3),
            ("conv3_x", "28x28", "3x3, 128; 3x3, 128", 2, 4, "1x1, 128; 3x3, 128; 1x1, 512", 4, 4, 8),
            ("conv4_x", "14x14", "3x3, 256; 3x3, 256", 2, 6, "1x1, 256; 3x3, 256; 1x1, 1024", 6, 23, 36),
            ("conv5_x", "7x7", "3x3, 512; 3x3, 512", 2, 3, "1x1, 512; 3x3, 512; 1x1, 2048", 3, 3, 3),
            ("fc", "1x1", "average pool, 1000-d fc", None, None, "average pool, 1000-d fc", None, None, None),
            ("multiply-adds", None, None, 1.8, 3.6, None, 3.8, 7.6, 11.3),
        ),
        note="the first block of conv3_x, conv4_x and conv5_x has stride 2; the last layer ends in a softmax",
    ),
    "table2": PaperTable(
        "top-1 error on ImageNet validation, ten crops",
        ("layers", "plain", "ResNet"),
        (("18", 27.94, 27.88), ("34", 28.54, 25.03)),
        decimals=2,
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
        decimals=2,
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
        ("method", "layers", "parameters", "test error", "mean of several runs"),
        (
            ("Maxout", None, None, 9.38, None),
            ("NIN", None, None, 8.81, None),
            ("DSN", None, None, 8.22, None),
            ("FitNet", 19, "2.5M", 8.39, None),
            ("cifar_highway19", 19, "2.3M", 7.54, "7.72 ± 0.16"),
            ("cifar_highway32", 32, "1.25M", 8.80, None),
            ("cifar_resnet20", 20, "0.27M", 8.75, None),
            ("cifar_resnet32", 32, "0.46M", 7.51, None),
            ("cifar_resnet44", 44, "0.66M", 7.17, None),
            ("cifar_resnet56", 56, "0.85M", 6.97, None),
            ("cifar_resnet110", 110, "1.7M", 6.43, "6.61 ± 0.16"),
            ("cifar_resnet1202", 1202, "19.4M", 7.93, None),
        ),
        decimals=2,
    ),
    **DETECTION,
}
"""By the name that `resnets reproduce` takes."""
