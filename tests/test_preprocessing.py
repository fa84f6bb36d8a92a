"""The record of what a network expects of a picture: normalising by hand, and a round trip through text."""

import json
import math
from typing import Any

import pytest
import torch

from resnets.preprocessing import Preprocessing

CPU = torch.device("cpu")


def made(**changes: Any) -> Preprocessing:
    values: dict[str, Any] = {"crop": 4, "resize": 5, "mean": [0.1, 0.2, 0.3], "std": [0.5, 1.0, 2.0]}
    return Preprocessing(**{**values, **changes})


def test_normalising_by_hand() -> None:
    images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    given = made().normaliser(CPU)(images)
    assert given.dtype == torch.float32
    for channel, (mean, std) in enumerate(zip((0.1, 0.2, 0.3), (0.5, 1.0, 2.0), strict=True)):
        torch.testing.assert_close(given[:, channel], (images[:, channel] / 255 - mean) / std)


def test_a_mean_for_each_pixel() -> None:
    images = torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8)
    mean = torch.rand(3, 4, 4)
    given = made(mean=mean.tolist(), std=[1.0, 1.0, 1.0]).normaliser(CPU)(images)
    torch.testing.assert_close(given, images / 255 - mean)


def test_a_mean_for_images_of_any_size() -> None:
    mean = torch.rand(3, 4, 4)
    for_any = made(mean=mean.tolist(), channels="BGR").with_channel_mean()
    assert for_any.mean == pytest.approx([float(channel.mean()) for channel in mean])
    assert (for_any.channels, for_any.std, for_any.crop) == ("BGR", made().std, 4)
    images = torch.randint(0, 256, (2, 3, 6, 9), dtype=torch.uint8)
    assert for_any.normaliser(CPU)(images).shape == images.shape
    assert made().with_channel_mean() == made()


def test_channels_in_the_other_order() -> None:
    """Mean and std are in the order of the network's input."""
    images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    given = made(channels="BGR").normaliser(CPU)(images)
    torch.testing.assert_close(given, made().normaliser(CPU)(images.flip(1)))
    torch.testing.assert_close(given[:, 0], (images[:, 2] / 255 - 0.1) / 0.5)


@pytest.mark.parametrize(
    "given",
    [made(), made(channels="BGR", classes=("Äpfel", "b")), made(mean=torch.rand(3, 4, 4).tolist())],
)
def test_a_round_trip_through_text(given: Preprocessing) -> None:
    assert Preprocessing.from_json(given.to_json()) == given
    assert len(given.to_json().splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channels": "GBR"}, "channels is 'GBR', allowed are 'RGB' and 'BGR'"),
        ({"crop": 6}, r"crop is 6, allowed is 1 to resize \(5\)"),
        ({"crop": 0}, "crop is 0"),
        ({"mean": [0.1]}, r"mean has shape \(1,\), allowed are \(3,\) and \(3, 4, 4\)"),
        ({"mean": torch.rand(3, 5, 5).tolist()}, r"mean has shape \(3, 5, 5\)"),
        ({"mean": None}, "mean is no list of numbers"),
        ({"mean": {}}, "mean is no list of numbers"),
        ({"mean": [[0.1], [0.1, 0.2], [0.1]]}, "mean is no list of numbers"),
        ({"mean": [0.1, math.nan, 0.1]}, "mean is not finite"),
        ({"std": [1.0, 1.0]}, "std is .*, allowed are three positive numbers"),
        ({"std": [1.0, 0.0, 1.0]}, "std is"),
        ({"std": [1.0, math.nan, 1.0]}, "std is"),
        ({"std": [1.0, math.inf, 1.0]}, "std is"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"preprocessing: {said}"):
        made(**changes)


@pytest.mark.parametrize("changes", [{"crop": 4.0}, {"resize": True}])
def test_sizes_are_whole_numbers(changes: dict[str, Any]) -> None:
    """Past the checker of types, which is there in tests only: files may hold anything."""
    read = object.__new__(Preprocessing)
    vars(read).update({**vars(made()), **changes})
    with pytest.raises(ValueError, match=r"(crop|resize) is (4\.0|True), allowed are whole numbers"):
        read.__post_init__()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"classes": []}', "null"])
def test_text_that_is_no_record(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a record|Expecting value"):
        Preprocessing.from_json(text)


def test_a_field_too_many() -> None:
    record = {**json.loads(made().to_json()), "brightness": 1}
    with pytest.raises(ValueError, match=r"not a record of this version .*brightness"):
        Preprocessing.from_json(json.dumps(record))
