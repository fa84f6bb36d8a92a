"""Answers of a test that a page shows: the worst mistakes, right answers of middling certainty, frequent mistakes.

A run picks them from the scores of its final test; each is {index, true, predicted, probability}, classes by number,
the probability that of what was said.
"""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Answer = dict[str, Any]
_WORST, _RIGHT, _PAIRS, _OF_A_PAIR = 24, 12, 10, 4


def notable(scores: Float[Tensor, "N C"], labels: Int64[Tensor, "N"]) -> dict[str, list[Answer]]:
    """`mistakes`, `right` and `confused`, as they stand in the evaluation of a run."""
    scores, labels = scores.cpu(), labels.cpu()
    return {
        "mistakes": worst_mistakes(scores, labels, _WORST),
        "right": right_answers(scores, labels, _RIGHT),
        "confused": frequent_mistakes(scores, labels, _PAIRS, _OF_A_PAIR),
    }


def worst_mistakes(scores: Float[Tensor, "N C"], labels: Int64[Tensor, "N"], limit: int) -> list[Answer]:
    """The wrongly classified images whose true class got the least probability."""
    wrong = (scores.argmax(1) != labels).nonzero().flatten()
    return _answers(scores, labels, wrong[scores[wrong, labels[wrong]].argsort(stable=True)][:limit])


def right_answers(scores: Float[Tensor, "N C"], labels: Int64[Tensor, "N"], limit: int) -> list[Answer]:
    """Of each of the first classes that are ever recognised the median by probability."""
    right, middling = scores.argmax(1) == labels, []
    for label in labels[right].unique()[:limit]:
        mine = (right & (labels == label)).nonzero().flatten()
        middling.append(mine[scores[mine, label].argsort(stable=True)[len(mine) // 2]])
    return _answers(scores, labels, middling)


def frequent_mistakes(
    scores: Float[Tensor, "N C"], labels: Int64[Tensor, "N"], pairs: int, of_a_pair: int
) -> list[Answer]:
    """Of the most frequent mistakes, the most frequent first, the worst images: true class given least probability."""
    classes, predicted = scores.shape[1], scores.argmax(1)
    wrong = predicted != labels
    counts = torch.bincount(labels[wrong] * classes + predicted[wrong], minlength=classes**2)
    ranked = counts.sort(descending=True, stable=True).indices[: min(pairs, int((counts > 0).sum()))]
    found = []
    for true, said in (divmod(int(place), classes) for place in ranked):
        such = ((labels == true) & (predicted == said)).nonzero().flatten()
        found += _answers(scores, labels, such[scores[such, true].argsort(stable=True)][:of_a_pair])
    return found


def _answers(scores: Tensor, labels: Tensor, indices: Any) -> list[Answer]:
    said = scores.max(1)
    return [
        {
            "index": int(index),
            "true": int(labels[index]),
            "predicted": int(said.indices[index]),
            "probability": float(said.values[index]),
        }
        for index in indices
    ]
