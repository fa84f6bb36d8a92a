"""Mixup: against torchvision's, which images and labels belong together, and what its share follows from."""

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import v2

from resnets.data.mixup import mixup


def test_it_is_torchvisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the share that was drawn here: its images, and the cross entropy with its labels."""
    torch.manual_seed(0)
    images, labels = torch.rand(6, 3, 4, 4), torch.tensor([0, 1, 2, 3, 4, 1])
    mixed = mixup(images, labels, 0.2)
    theirs = v2.MixUp(alpha=0.2, num_classes=5)
    monkeypatch.setattr(
        theirs,
        "make_params",
        lambda inputs: {
            "labels": labels,
            "batch_size": 6,
            "lam": float(mixed.share),
        },
    )
    their_images, their_labels = theirs(images, labels)
    torch.testing.assert_close(mixed.images, their_images)
    logits = torch.randn(6, 5)
    for smoothing in (0.0, 0.1):
        one = F.cross_entropy(logits, mixed.labels, label_smoothing=smoothing)
        other = F.cross_entropy(logits, mixed.others, label_smoothing=smoothing)
        loss = mixed.share * one + (1 - mixed.share) * other
        torch.testing.assert_close(loss, F.cross_entropy(logits, their_labels, label_smoothing=smoothing))


def test_an_image_and_the_one_before_it_by_their_shares() -> None:
    torch.manual_seed(1)
    images = torch.arange(4.0)[:, None, None, None].expand(4, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    mixed = mixup(images, torch.arange(4), 1.0)
    expected = mixed.share * mixed.labels + (1 - mixed.share) * mixed.others
    torch.testing.assert_close(mixed.images, expected[:, None, None, None].expand(4, 3, 2, 2))
    assert mixed.others.tolist() == [3, 0, 1, 2]
    assert mixed.images.is_contiguous(memory_format=torch.channels_last)


def test_the_shares_are_those_of_the_beta_distribution() -> None:
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1)); equal for equal seeds."""
    images, labels = torch.zeros(1, 3, 1, 1), torch.zeros(1, dtype=torch.int64)
    for alpha in (0.2, 2.0):
        torch.manual_seed(0)
        shares = torch.stack([mixup(images, labels, alpha).share for _ in range(1000)])
        assert float(shares.mean()) == pytest.approx(0.5, abs=0.04)
        assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)
        torch.manual_seed(0)
        assert mixup(images, labels, alpha).share == shares[0]
