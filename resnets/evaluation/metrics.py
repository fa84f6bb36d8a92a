"""What a set of predictions is worth: integer counts, and the figures that follow from them."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class Counts:
    """Over N images of C classes; integers, so that no order of adding them up can change a figure."""

    images: int
    top1_wrong: int
    top5_wrong: int
    confusion: Tensor
    """int64 (C, C): rows are the true classes, columns the predicted ones."""

    @property
    def top1_error(self) -> float:
        """Percent."""
        return 100 * self.top1_wrong / self.images

    @property
    def top5_error(self) -> float:
        """Percent; with five classes or fewer nothing can be wrong."""
        return 100 * self.top5_wrong / self.images

    def per_class(self) -> list[tuple[int, int]]:
        """(images, wrong) of each true class."""
        totals, right = self.confusion.sum(1), self.confusion.diagonal()
        return [(int(total), int(total - hit)) for total, hit in zip(totals, right, strict=True)]

    def to_dict(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """The figures as plain values, classes by name."""
        return {
            "images": self.images,
            "top1_error": self.top1_error,
            "top5_error": self.top5_error,
            "top1_wrong": self.top1_wrong,
            "top5_wrong": self.top5_wrong,
            "interval": list(wilson(self.top1_wrong, self.images)),
            "per_class": [
                {"name": name, "images": images, "wrong": wrong}
                for name, (images, wrong) in zip(classes, self.per_class(), strict=True)
            ],
            "confusion": self.confusion.tolist(),
        }


def count(scores: Float[Tensor, "N C"], labels: Int64[Tensor, "N"]) -> Counts:
    """Counts of `scores` (any increasing function of the probabilities) against `labels`.

    The rank of the true class is the number of classes above it; of equal scores the class that comes first is above.
    ValueError where a score is not a number: no class would be above it, and all would be right.
    """
    scores, labels = scores.cpu(), labels.cpu()
    if bool(scores.isnan().any()):
        raise ValueError(f"scores of {int(scores.isnan().any(1).sum())} images are not numbers: the network is broken")
    classes = scores.shape[1]
    true = scores.gather(1, labels[:, None])
    first = torch.arange(classes)[None] < labels[:, None]
    rank = ((scores > true) | ((scores == true) & first)).sum(1)
    predicted = scores.argmax(1)
    confusion = torch.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    return Counts(len(labels), int((rank >= 1).sum()), int((rank >= 5).sum()), confusion)


def near_ties(scores: Float[Tensor, "N C"], labels: Int64[Tensor, "N"], share: float = 1e-4) -> int:
    """Images whose top-1 or top-5 outcome would change if one score moved by this share of itself.

    Of all other images the outcome is beyond doubt: in float32, another batch size or machine moves probabilities by
    less, some 1e-6 of themselves and 1e-5 where logits are large.
    """
    true = scores.gather(1, labels[:, None])
    others = scores.scatter(1, labels[:, None], -1)
    ranked = others.topk(min(5, scores.shape[1] - 1)).values
    rivals = ranked[:, [0, 4]] if ranked.shape[1] == 5 else ranked[:, :1]
    return int(((true - rivals).abs() <= share * torch.maximum(true, rivals)).any(1).sum())


def wilson(wrong: int, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of an error of `wrong` out of `images`, in percent."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = wrong / images
    middle = share + z * z / (2 * images)
    half = z * math.sqrt(share * (1 - share) / images + z * z / (4 * images**2))
    low, high = ((middle + sign * half) / (1 + z * z / images) for sign in (-1, 1))
    return 100 * max(low, 0.0), 100 * min(high, 1.0)


def chance(one: int, other: int) -> float:
    """How often two equally good classifiers would differ as much, or more, on as many pictures.

    `one` and `other`: of the same pictures, how many only the first and only the second gets right. The exact
    two-sided test of McNemar.
    """
    differing = one + other
    tail = sum(math.comb(differing, k) for k in range(min(one, other) + 1))
    return min(1.0, 2 * tail / 2**differing)
