"""Tables 7 to 14 of "Deep Residual Learning for Image Recognition": detection and localisation, in percent.

Those of PASCAL VOC class by class (10 and 11) stand here with a row for each class, where the paper has a column.
"""

from resnets.paper.printed import Cell, PaperTable

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("table", "dog", "horse", "motorbike", "person", "plant", "sheep", "sofa", "train", "tv"),
)
"""The twenty of PASCAL VOC, in the order of the paper's columns."""
_ALL = "all improvements: box refinement, context and testing at several scales"


def _by_class(**systems: tuple[float, ...]) -> tuple[tuple[Cell, ...], ...]:
    """A row for the mean, then one for each class: of each system its mean and its precision in each class."""
    return tuple(zip(("mAP", *CLASSES), *systems.values(), strict=True))


DETECTION: dict[str, PaperTable] = {
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
        "detection on PASCAL VOC 2007 test, class by class",
        ("class", "VGG-16, 07+12", "ResNet-101, 07+12", "ResNet-101, all improvements, COCO+07+12"),
        _by_class(
            vgg=(
                *(73.2, 76.5, 79.0, 70.9, 65.5, 52.1, 83.1, 84.7, 86.4, 52.0, 81.9),
                *(65.7, 84.8, 84.6, 77.5, 76.7, 38.8, 73.6, 73.9, 83.0, 72.6),
            ),
            resnet=(
                *(76.4, 79.8, 80.7, 76.2, 68.3, 55.9, 85.1, 85.3, 89.8, 56.7, 87.8),
                *(69.4, 88.3, 88.9, 80.9, 78.4, 41.7, 78.6, 79.8, 85.3, 72.0),
            ),
            improved=(
                *(85.6, 90.0, 89.6, 87.8, 80.8, 76.1, 89.9, 89.9, 89.6, 75.5, 90.0),
                *(80.7, 89.6, 90.3, 89.1, 88.7, 65.4, 88.1, 85.6, 89.0, 86.8),
            ),
        ),
        note=_ALL,
    ),
    "table11": PaperTable(
        "detection on PASCAL VOC 2012 test, class by class",
        ("class", "VGG-16, 07++12", "ResNet-101, 07++12", "ResNet-101, all improvements, COCO+07++12"),
        _by_class(
            vgg=(
                *(70.4, 84.9, 79.8, 74.3, 53.9, 49.8, 77.5, 75.9, 88.5, 45.6, 77.1),
                *(55.3, 86.9, 81.7, 80.9, 79.6, 40.1, 72.6, 60.9, 81.2, 61.5),
            ),
            resnet=(
                *(73.8, 86.5, 81.6, 77.2, 58.0, 51.0, 78.6, 76.6, 93.2, 48.6, 80.4),
                *(59.0, 92.1, 85.3, 84.8, 80.7, 48.1, 77.3, 66.5, 84.7, 65.6),
            ),
            improved=(
                *(83.8, 92.1, 88.4, 84.8, 75.9, 71.4, 86.3, 87.8, 94.2, 66.8, 89.4),
                *(69.2, 93.9, 91.9, 90.9, 89.6, 67.9, 88.2, 76.8, 90.3, 80.0),
            ),
        ),
        note=_ALL,
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
"""By the name that `resnets reproduce` takes."""
