"""The stream of images against a list written out in full; crop_flip against torchvision, image by image."""

from itertools import permutations
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as reference

from resnets.data import augment
from resnets.data.augment import (
    IMAGENET_COLOURS,
    PrincipalColours,
    Stream,
    colour_shift,
    crop_flip,
    draw_epoch,
    jitter,
    mirror,
    principal_colours,
)


def test_draws_depend_on_seed_and_epoch_alone() -> None:
    first, again = draw_epoch(3, 7, 1000, 4, True), draw_epoch(3, 7, 1000, 4, True)
    for name in ("order", "top", "left", "flip"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        for other in (draw_epoch(4, 7, 1000, 4, True), draw_epoch(3, 8, 1000, 4, True)):
            assert not torch.equal(getattr(first, name), getattr(other, name))
    assert first.order.tolist() == np.random.default_rng((3, 7)).permutation(1000).tolist()


def test_draws_are_a_permutation_and_uniform() -> None:
    draws = draw_epoch(0, 0, 90_000, 4, True)
    assert draws.order.sort().values.tolist() == list(range(90_000))
    for offsets in (draws.top, draws.left):
        counts = torch.bincount(offsets, minlength=9)
        assert counts.shape == (9,)
        assert (counts - 10_000).abs().max() < 500  # five standard deviations
    assert abs(int(draws.flip.sum()) - 45_000) < 750
    # Cells of (top, left, flip): independent of one another, and of the order.
    cells = torch.bincount((draws.top * 9 + draws.left) * 2 + draws.flip, minlength=162)
    assert (cells - 90_000 / 162).abs().max() < 130
    assert abs(np.corrcoef(draws.order, draws.top)[0, 1]) < 0.02


def test_no_augmentation_is_the_identity_and_keeps_the_order() -> None:
    draws = draw_epoch(1, 2, 500, 0, False)
    assert not draws.top.any()
    assert not draws.left.any()
    assert not draws.flip.any()
    assert torch.equal(draws.order, draw_epoch(1, 2, 500, 4, True).order)
    images = torch.randn(500, 3, 8, 8)
    assert torch.equal(crop_flip(images, draws.top, draws.left, draws.flip, 0), images)


@pytest.mark.parametrize(("count", "batch_size"), [(1000, 128), (128, 128), (50, 128), (1, 7), (129, 128), (6, 1)])
def test_batches_are_the_epochs_in_one_stream(count: int, batch_size: int) -> None:
    epochs = -(-20 * batch_size // count)
    draws = [draw_epoch(5, epoch, count, 4, True) for epoch in range(epochs)]
    flat = [(draw, int(image)) for draw in draws for image in draw.order]
    stream = Stream(count, batch_size, 5, 4, True)
    for step in (*range(20), 3, 19, 0):  # any step, in any order
        batch = stream.batch(step)
        expected = flat[step * batch_size : (step + 1) * batch_size]
        assert batch.indices.tolist() == [image for _, image in expected]
        assert batch.top.tolist() == [int(draw.top[image]) for draw, image in expected]
        assert batch.left.tolist() == [int(draw.left[image]) for draw, image in expected]
        assert batch.flip.tolist() == [bool(draw.flip[image]) for draw, image in expected]


def test_every_image_comes_equally_often() -> None:
    stream = Stream(96, 40, 0, 4, True)
    seen = torch.cat([stream.batch(step).indices for step in range(12)])  # 480 = 5 epochs of 96
    assert torch.bincount(seen).tolist() == [5] * 96


def test_each_epoch_is_drawn_once_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def count(seed: int, epoch: int, count: int, padding: int, flip: bool) -> augment.EpochDraws:
        drawn.append(epoch)
        return draw_epoch(seed, epoch, count, padding, flip)

    monkeypatch.setattr(augment, "draw_epoch", count)
    stream = Stream(1000, 128, 0, 4, True)
    for step in range(39):
        stream.batch(step)
    assert drawn == [0, 1, 2, 3, 4]
    for _ in range(2):  # a batch of two epochs, asked for again
        stream.batch(31)
    assert drawn == [0, 1, 2, 3, 4]


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="0 images in batches of 128"):
        Stream(0, 128, 0, 4, True)
    with pytest.raises(ValueError, match="batches of 0"):
        Stream(100, 0, 0, 4, True)
    with pytest.raises(ValueError, match="seed is -1"):
        draw_epoch(-1, 0, 10, 4, True)


def slow(images: Tensor, top: Tensor, left: Tensor, flip: Tensor, padding: int, mode: str = "constant") -> Tensor:
    """crop_flip by torchvision's functions, one image at a time."""
    done = []
    for image, *draw in zip(images, top.tolist(), left.tolist(), flip.tolist(), strict=True):
        padded = reference.pad(image, [padding], padding_mode=mode)
        cut = reference.crop(padded, draw[0], draw[1], *image.shape[1:])
        done.append(reference.horizontal_flip(cut) if draw[2] else cut)
    return torch.stack(done)


@pytest.mark.parametrize(("shape", "padding"), [((324, 3, 32, 32), 4), ((40, 3, 9, 14), 2), ((8, 1, 5, 4), 0)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("mode", "theirs"), [("zeros", "constant"), ("reflect", "reflect")])
def test_crop_flip_equals_torchvision(
    shape: tuple[int, int, int, int],
    padding: int,
    memory_format: torch.memory_format,
    mode: Literal["zeros", "reflect"],
    theirs: str,
) -> None:
    images = torch.randn(shape).to(memory_format=memory_format)
    # Every crop, mirrored and not, in turn.
    number = torch.arange(shape[0])
    side = 2 * padding + 1
    top, left, flip = number // 2 // side % side, number // 2 % side, number % 2 == 1
    found = crop_flip(images, top, left, flip, padding, mode)
    assert torch.equal(found, slow(images, top, left, flip, padding, theirs))
    assert found.is_contiguous(memory_format=memory_format)


def test_an_image_is_mirrored_almost_to_its_other_side() -> None:
    """The most that can be padded so: H - 1 rows, of which the corner crops show all."""
    images = torch.arange(16.0).view(1, 1, 4, 4).repeat(2, 1, 1, 1)
    corners, flip = torch.tensor([0, 6]), torch.tensor([False, False])
    found = crop_flip(images, corners, corners, flip, 3, "reflect")
    assert torch.equal(found, slow(images, corners, corners, flip, 3, "reflect"))
    assert found[0, 0].flatten().tolist() == images[0, 0].flip(0, 1).flatten().tolist()


def test_crop_flip_leaves_its_input_alone() -> None:
    images = torch.randn(4, 3, 8, 8)
    before = images.clone()
    for mode in ("zeros", "reflect"):
        crop_flip(images, torch.zeros(4).long(), torch.zeros(4).long(), torch.ones(4).bool(), 2, mode)
        assert torch.equal(images, before)


def test_crop_flip_of_a_strided_view() -> None:
    images = torch.randn(8, 3, 8, 10)[::2, :, :, ::2]
    draws = draw_epoch(0, 0, 4, 2, True)
    found = crop_flip(images, draws.top, draws.left, draws.flip, 2)
    assert torch.equal(found, slow(images, draws.top, draws.left, draws.flip, 2))
    assert found.is_contiguous()


# ---------------------------------------------------------------------------------------------------------------
# Photographs: what is done by the batch


def test_mirror_is_that_of_each_image_by_itself() -> None:
    images = torch.randint(0, 256, (5, 3, 4, 6), dtype=torch.uint8).to(memory_format=torch.channels_last)
    flip = torch.tensor([True, False, True, False, False])
    mirrored = mirror(images, flip)
    assert mirrored.is_contiguous(memory_format=torch.channels_last)
    for image, own, turned in zip(images, mirrored, flip, strict=True):
        assert torch.equal(own, torch.from_numpy(image.numpy()[:, :, ::-1].copy()) if turned else image)


def test_jitter_is_torchvisions_in_every_order() -> None:
    """Where nothing leaves 0 to 1, which torchvision clips, its three operations commute."""
    images = torch.from_numpy(np.random.default_rng(0).integers(70, 150, (2, 3, 9, 7), dtype=np.uint8))
    images = images.contiguous(memory_format=torch.channels_last)
    factors = torch.tensor([[1.3, 0.8, 1.4], [0.7, 1.35, 0.6]])
    found = jitter(images, factors)
    assert found.is_contiguous(memory_format=torch.channels_last)
    operations = (reference.adjust_brightness, reference.adjust_contrast, reference.adjust_saturation)
    for order in permutations(range(3)):
        for image, row, ours in zip(images.float() / 255, factors, found, strict=True):
            for number in order:
                image = operations[number](image, float(row[number]))
            assert 0 < image.min() < image.max() < 1
            torch.testing.assert_close(ours / 255, image, rtol=0, atol=2e-4)  # its grey's weights have four places


def test_jitter_clips_nothing_and_may_do_nothing() -> None:
    images = torch.tensor([[10, 250], [200, 30], [90, 100]], dtype=torch.uint8).view(1, 3, 1, 2)
    assert torch.equal(jitter(images, torch.ones(1, 3)), images.float())
    red, green, blue = images[0].double().flatten(1)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    expected = [1.4 * (1.4 * (1.4 * c - 0.4 * grey) - 0.4 * grey.mean()) for c in (red, green, blue)]
    torch.testing.assert_close(jitter(images, torch.full((1, 3), 1.4))[0, :, 0].double(), torch.stack(expected))
    assert min(map(float, (value.min() for value in expected))) < 0
    assert max(map(float, (value.max() for value in expected))) > 255


def test_colours_are_moved_as_krizhevsky_has_it() -> None:
    """One image after the other: p1 a1 l1 + p2 a2 l2 + p3 a3 l3 is added to every pixel."""
    moves = torch.tensor([[0.1, -0.2, 0.05], [0.0, 0.0, 0.0], [-0.1, 0.3, 0.2]])
    shift = colour_shift(moves, IMAGENET_COLOURS)
    for move, added in zip(moves.tolist(), shift, strict=True):
        expected = torch.zeros(3)
        for axis, (amount, variance) in enumerate(zip(move, IMAGENET_COLOURS.variances, strict=True)):
            expected += amount * variance * torch.tensor([row[axis] for row in IMAGENET_COLOURS.axes])
        torch.testing.assert_close(added, expected)
    axes = torch.tensor(IMAGENET_COLOURS.axes)
    torch.testing.assert_close(axes.T @ axes, torch.eye(3), atol=1e-3, rtol=0)


def test_principal_colours_are_those_of_the_covariance() -> None:
    known = PrincipalColours((0.2, 0.02, 0.004), ((0.6, 0.0, 0.8), (0.8, 0.0, -0.6), (0.0, 1.0, 0.0)))
    axes = torch.tensor(known.axes)
    found = principal_colours(axes @ torch.diag(torch.tensor(known.variances)) @ axes.T)
    torch.testing.assert_close(torch.tensor(found.variances), torch.tensor(known.variances), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.tensor(found.axes), axes, atol=1e-5, rtol=0)
