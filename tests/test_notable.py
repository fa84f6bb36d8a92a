"""Which answers of a test the page of a run shows, on scores small enough to be sorted by hand."""

import pytest
import torch

from resnets.classification.notable import frequent_mistakes, notable, right_answers, worst_mistakes

SCORES = torch.tensor(
    [
        [0.7, 0.2, 0.1],  # 0, right
        [0.9, 0.1, 0.0],  # 0, right
        [0.5, 0.3, 0.2],  # 0, right: the median
        [0.4, 0.6, 0.0],  # 0, taken for 1
        [0.1, 0.8, 0.1],  # 0, taken for 1: worse
        [0.6, 0.1, 0.3],  # 2, taken for 0
        [0.0, 0.3, 0.7],  # 2, right
    ]
)
LABELS = torch.tensor([0, 0, 0, 0, 0, 2, 2])


def test_the_worst_mistakes() -> None:
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    labels = torch.tensor([1, 1, 0, 1])
    worst = [
        {"index": 0, "true": 1, "predicted": 0, "probability": pytest.approx(0.9)},
        {"index": 1, "true": 1, "predicted": 0, "probability": pytest.approx(0.8)},
        {"index": 2, "true": 0, "predicted": 1, "probability": pytest.approx(0.6)},
    ]
    assert worst_mistakes(scores, labels, limit=5) == worst
    assert worst_mistakes(scores, labels, limit=2) == worst[:2]
    assert worst_mistakes(scores, scores.argmax(1), limit=2) == []


def test_right_answers_are_the_medians_of_classes() -> None:
    """Of class 1 no image is there; of three right answers of class 0 the one of 70 % is the middle one."""
    assert [(one["index"], one["true"], one["predicted"]) for one in right_answers(SCORES, LABELS, 5)] == [
        (0, 0, 0),
        (6, 2, 2),
    ]
    assert [one["index"] for one in right_answers(SCORES, LABELS, 1)] == [0]
    assert right_answers(SCORES[3:6], LABELS[3:6], 5) == []


def test_frequent_mistakes_come_first_and_the_worst_of_each() -> None:
    found = [(one["index"], one["true"], one["predicted"]) for one in frequent_mistakes(SCORES, LABELS, 10, 4)]
    assert found == [(4, 0, 1), (3, 0, 1), (5, 2, 0)]
    assert [one["index"] for one in frequent_mistakes(SCORES, LABELS, 1, 1)] == [4]
    assert frequent_mistakes(SCORES[:3], LABELS[:3], 10, 4) == []


def test_all_of_it_is_plain_data() -> None:
    found = notable(SCORES, LABELS)
    assert list(found) == ["mistakes", "right", "confused"]
    assert {type(value) for ones in found.values() for one in ones for value in one.values()} == {int, float}
