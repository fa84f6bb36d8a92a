"""Pictures for the page of a run: those that were meant, with what the network says of them now."""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from tested import EXPECTED, photographs, weights

from resnets.classification.examples import Examples
from resnets.data.digits import digits
from resnets.data.folder import folder
from resnets.data.sources import open_photographs
from resnets.evaluation.protocols import single_view
from resnets.models.factory import load


@pytest.fixture(scope="module")
def scores(run: Path) -> torch.Tensor:
    """Of all test digits."""
    model = cast(Any, load(run))
    return single_view(model, digits("test").images, model.preprocessing.normaliser(torch.device("cpu")))


def test_what_a_page_shows_of_a_run(run: Path, scores: torch.Tensor) -> None:
    evaluation, test = json.loads((run / "evaluation.json").read_text()), digits("test")
    found = Examples(str(run), "digits")
    said = scores.argmax(1)

    mistakes = found.shown(evaluation["mistakes"])
    assert len(mistakes) == len(evaluation["mistakes"]) > 0
    for one in mistakes:
        index = one["index"]
        assert np.array_equal(one["image"], test.images[index].numpy())
        assert (one["true"], one["predicted"]) == (str(int(test.labels[index])), str(int(said[index])))
        assert one["map"].shape == (8, 8)
        assert one["name"] is None  # digits have none

    right = found.shown(evaluation["right"])
    assert len({one["true"] for one in right}) == len(right) > 0
    for one in right:
        assert one["true"] == one["predicted"] == str(int(test.labels[one["index"]])) == str(int(said[one["index"]]))
        assert one["probability"] == pytest.approx(float(scores[one["index"]].max()), abs=1e-6)

    confused = found.by_mistake(evaluation["confused"])
    counts = np.array(evaluation["confusion"])
    np.fill_diagonal(counts, 0)
    assert counts.max() == counts[tuple(map(int, next(iter(confused))))]
    for (true, predicted), pictures in confused.items():
        meant = (test.labels == int(true)) & (said == int(predicted))
        assert 0 < len(pictures) <= int(meant.sum())
        assert all(any(np.array_equal(picture, image) for image in test.images[meant].numpy()) for picture in pictures)


def test_photographs_are_seen_as_the_network_sees_them(tmp_path: Path) -> None:
    path = weights(tmp_path / "net.safetensors")
    photographs(tmp_path / "set")
    found = Examples(str(path), str(tmp_path / "set"))
    indices = [3, 0, 5]
    whole = folder(tmp_path / "set", EXPECTED.resize, "test")  # squares of the same scale
    for picture, index in zip(found.pictures(indices), indices, strict=True):
        low = (EXPECTED.resize - EXPECTED.crop) // 2
        middle = whole.images[index, :, low : low + EXPECTED.crop, low : low + EXPECTED.crop]
        assert torch.equal(picture, middle)
    names = open_photographs(tmp_path / "set", "test").names
    shown = found.shown([{"index": index, "true": 0, "predicted": 1, "probability": 0.5} for index in indices])
    assert [one["name"] for one in shown] == [names[index] for index in indices]
