"""The loss along the straight line between two solutions of one network.

Weights w(t) = (1 - t) a + t b. BN's statistics of a and b say nothing of the networks between them, so they are
estimated anew at every point, as plain averages over training batches; at the ends too, so that all are alike.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resnets.evaluation.protocols import inference
from resnets.models.batch_statistics import estimate_anew
from resnets.runtime import in_double

Batches = Sequence[tuple[Tensor, Tensor]]
"""Normalised images (N, 3, H, W) and labels (N,)."""


def between(a: Mapping[str, Tensor], b: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """The state dict `share` of the way from `a` to `b`; integers are those of `a`. ValueError where names differ."""
    if a.keys() != b.keys() or any(a[name].shape != b[name].shape for name in a):
        raise ValueError("a line leads from one solution to another of the same network; these are of two")
    return {
        name: torch.lerp(value, b[name], share) if value.is_floating_point() else value for name, value in a.items()
    }


@torch.no_grad()
def loss_and_error(model: nn.Module, batches: Batches) -> tuple[float, float]:
    """Mean cross entropy, and error in percent, in inference mode."""
    loss, wrong, count = 0.0, 0, 0
    with inference(model):
        for images, labels in batches:
            logits, labels = in_double(model(images)), labels.cpu()
            loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            wrong += int((logits.argmax(1) != labels).sum())
            count += len(labels)
    return loss / count, 100 * wrong / count


def along_line(
    model: nn.Module,
    ends: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    shares: Sequence[float],
    train: Batches,
    test: Batches,
) -> list[dict[str, float]]:
    """At each of `shares` of the way {"share", "train_loss", "train_error", "test_loss", "test_error"}.

    `train` gives the statistics of BN too. `model` is changed.
    """
    points = []
    for share in shares:
        model.load_state_dict(between(*ends, share))
        estimate_anew(model, (images for images, _ in train))
        (train_loss, train_error), (test_loss, test_error) = (loss_and_error(model, part) for part in (train, test))
        points.append(
            {
                "share": share,
                "train_loss": train_loss,
                "train_error": train_error,
                "test_loss": test_loss,
                "test_error": test_error,
            }
        )
    return points
