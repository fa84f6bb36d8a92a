"""Mixup: against torchvision's, which images and labels belong together, and what its share follows from."""

from itertools import islice

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import v2

from resnets.data.mixup import mixup, shares

SHARE = torch.tensor(0.3)


def test_it_is_torchvisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each pair, which is a batch to it: its images, and the cross entropy with its labels."""
    torch.manual_seed(0)
    images, labels, logits = torch.rand(6, 3, 4, 4), torch.tensor([0, 1, 2, 3, 4, 1]), torch.randn(6, 5)
    mixed = mixup(images, labels, SHARE)
    theirs = v2.MixUp(alpha=0.2, num_classes=5)
    for pair in (slice(0, 2), slice(2, 4), slice(4, 6)):
        two = labels[pair]
        given = {"labels": two, "batch_size": 2, "lam": float(SHARE)}
        monkeypatch.setattr(theirs, "make_params", lambda *_, given=given: given)
        their_images, their_labels = theirs(images[pair], two)
        torch.testing.assert_close(mixed.images[pair], their_images)
        for smoothing in (0.0, 0.1):
            one = F.cross_entropy(logits[pair], mixed.labels[pair], label_smoothing=smoothing)
            other = F.cross_entropy(logits[pair], mixed.others[pair], label_smoothing=smoothing)
            loss = SHARE * one + (1 - SHARE) * other
            torch.testing.assert_close(loss, F.cross_entropy(logits[pair], their_labels, label_smoothing=smoothing))


def test_an_image_and_its_neighbour_by_their_shares() -> None:
    images = torch.arange(4.0)[:, None, None, None].expand(4, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    mixed = mixup(images, torch.arange(4), SHARE)
    expected = SHARE * mixed.labels + (1 - SHARE) * mixed.others
    torch.testing.assert_close(mixed.images, expected[:, None, None, None].expand(4, 3, 2, 2))
    assert mixed.others.tolist() == [1, 0, 3, 2]
    assert mixed.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_of_a_batch_are_mixed_as_the_whole(parts: int) -> None:
    """So ranks and passes see what one process sees in one pass."""
    torch.manual_seed(0)
    images, labels = torch.rand(16, 3, 4, 4), torch.arange(16)
    whole = mixup(images, labels, SHARE)
    pieces = [mixup(*piece, SHARE) for piece in zip(images.chunk(parts), labels.chunk(parts), strict=True)]
    assert torch.equal(torch.cat([piece.images for piece in pieces]), whole.images)
    assert torch.equal(torch.cat([piece.others for piece in pieces]), whole.others)


def test_the_shares_are_those_of_the_beta_distribution() -> None:
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1)); a function of seed and step."""
    for alpha in (0.2, 2.0):
        drawn = torch.tensor(list(islice(shares(alpha, 0, 0), 1000)))
        assert float(drawn.mean()) == pytest.approx(0.5, abs=0.04)
        assert float(drawn.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)
        assert list(islice(shares(alpha, 0, 7), 3)) == list(islice(shares(alpha, 0, 0), 7, 10))
        assert next(shares(alpha, 1, 0)) != next(shares(alpha, 0, 0))
