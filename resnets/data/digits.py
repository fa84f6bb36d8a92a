"""Handwritten digits that need no download: scikit-learn's, shown at the size of CIFAR's images."""

from typing import Literal

import torch
import torch.nn.functional as F

from resnets.data.images import ImageSet

_TEST = 500


def digits(split: Literal["train", "test"]) -> ImageSet:
    """1,297 training or 500 test images of ten classes, uint8 (N, 3, 32, 32), the three channels equal.

    The source is the test part of the UCI "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak
    1998), as scikit-learn ships it: 1,797 real scans of 8x8 pixels with values 0 to 16. They are enlarged
    bilinearly and rounded to 0..255. The split is by position, the last 500 being the test; who wrote which
    scan is not recorded, so nothing is known about writers that both parts share.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split is {split!r}, allowed are 'train' and 'test'")
    from sklearn.datasets import load_digits  # slow to import, and needed by this data set alone

    scans8x8, values = load_digits(return_X_y=True)
    part = slice(None, -_TEST) if split == "train" else slice(-_TEST, None)
    scans = torch.from_numpy(scans8x8[part]).float().reshape(-1, 1, 8, 8)
    labels = torch.from_numpy(values[part]).long()
    # Enlarging by 4 weighs pixels with 64ths: exact in float32, so the same on every machine.
    large = F.interpolate(scans, scale_factor=4, mode="bilinear", align_corners=False)
    images = (large * 255 / 16).round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    return ImageSet("digits", images, labels, tuple(str(digit) for digit in range(10)))
