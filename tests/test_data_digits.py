"""The digits against scikit-learn's own values and Pillow's enlargement."""

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from resnets.data.digits import digits


def test_all_scans_are_there_once_in_their_order() -> None:
    _, values = load_digits(return_X_y=True)
    train, test = digits("train"), digits("test")
    assert train.images.shape == (1297, 3, 32, 32)
    assert test.images.shape == (500, 3, 32, 32)
    assert torch.cat([train.labels, test.labels]).tolist() == values.tolist()
    assert train.classes == tuple("0123456789")


def test_enlarged_as_pillow_does() -> None:
    scans, _ = load_digits(return_X_y=True)
    images = torch.cat([digits("train").images, digits("test").images])
    assert (images[:, :1] == images).all()
    assert (int(images.min()), int(images.max())) == (0, 255)
    for index in (0, 1296, 1297, 1796):
        scan = Image.fromarray(np.asarray(scans[index], dtype=np.float32).reshape(8, 8) * 255 / 16)
        large = np.asarray(scan.resize((32, 32), Image.Resampling.BILINEAR))
        assert np.abs(images[index, 0].numpy() - large).max() <= 0.5 + 1e-4
