"""Means and deviations against NumPy in double precision; the cache against damage."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from resnets.data import statistics as subject
from resnets.data.images import ImageSet
from resnets.data.statistics import channel_mean_std, pixel_mean, statistics


def some(count: int = 2300, seed: int = 0) -> ImageSet:
    """More images than are summed at a time, bright and of little contrast."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(200, 256, (count, 3, 6, 5), generator=generator, dtype=torch.uint8)
    return ImageSet("some", images, torch.zeros(count, dtype=torch.int64), ("a", "b"))


def test_against_numpy() -> None:
    images = some().images
    scaled = images.numpy().astype(np.float64) / 255
    mean, std = channel_mean_std(images)
    np.testing.assert_allclose(mean, scaled.mean((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(std, scaled.std((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(pixel_mean(images), scaled.mean(0), rtol=1e-7)


def test_no_average_of_averages() -> None:
    """Images each of one colour have no deviation of their own; together they have."""
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    assert channel_mean_std(images) == ([0.5] * 3, [0.5] * 3)
    assert channel_mean_std(torch.full((7, 3, 4, 4), 251, dtype=torch.uint8))[1] == [0.0] * 3


def test_the_order_of_the_images_does_not_matter() -> None:
    images = some().images
    assert channel_mean_std(images) == channel_mean_std(images.flip(0))
    assert pixel_mean(images) == pixel_mean(images.flip(0))


def test_values_are_float32_and_survive_json() -> None:
    values = np.array(pixel_mean(some().images))
    assert json.loads(json.dumps(values.tolist())) == values.tolist()
    exact = (some().images.numpy().astype(np.float64).sum(0) / (255 * 2300)).astype(np.float32)
    assert (torch.tensor(values.tolist(), dtype=torch.float32).numpy() == exact).all()
    assert max(len(repr(value)) for value in values.flatten().tolist()) <= 12


def test_cached_by_content_and_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "statistics"
    channel = statistics(some(), "channel_mean_std", cache)
    pixel = statistics(some(), "pixel_mean", cache)
    other = statistics(some(seed=1), "pixel_mean", cache)
    assert pixel.std == [1.0, 1.0, 1.0]
    assert np.array(pixel.mean).shape == (3, 6, 5)
    assert other != pixel
    assert len(list(cache.iterdir())) == 3
    monkeypatch.setattr(subject, "_sum", None)  # a computation would fail now
    assert statistics(some(), "channel_mean_std", cache) == channel
    assert statistics(some(), "pixel_mean", cache) == pixel


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[1, 2]",
        lambda text: "{}",
        lambda text: text.replace("0.", "0.1", 1),
        lambda text: "\udcff",
    ],
)
def test_a_damaged_cache_is_computed_again(tmp_path: Path, damage) -> None:
    right = statistics(some(), "channel_mean_std", tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_text()).encode(errors="surrogateescape"))
    assert statistics(some(), "channel_mean_std", tmp_path) == right
    assert json.loads(path.read_text())["mean"] == right.mean  # and mended


def test_a_cache_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert statistics(some(), "pixel_mean", tmp_path / "file" / "sub") == statistics(some(), "pixel_mean")


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        statistics(some(0), "pixel_mean")
