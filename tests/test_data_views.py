"""Views of photographs: a pure function of (seed, epoch, index); boxes as the paper and torchvision draw them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop

from resnets.data.augment import draw_epoch
from resnets.data.photograph_stream import PhotographStream
from resnets.data.views import Augmentation, View

PAPER, AREA = Augmentation(), Augmentation(crop="area")


def views(recipe: Augmentation, count: int, height: int, width: int, seed: int = 0) -> list[View]:
    return [recipe.view(seed, 0, index, height, width) for index in range(count)]


@pytest.mark.parametrize("recipe", [PAPER, AREA], ids=lambda recipe: recipe.crop)
def test_a_view_depends_on_seed_epoch_and_index_and_on_nothing_else(recipe: Augmentation) -> None:
    first = recipe.view(3, 5, 7, 375, 500)
    assert (
        len({first, *views(recipe, 50, 375, 500), recipe.view(3, 6, 7, 375, 500), recipe.view(4, 5, 7, 375, 500)}) == 53
    )
    assert recipe.view(3, 5, 7, 375, 500) == first


def test_draws_are_those_of_a_counter_based_generator_placed_by_seed_epoch_and_index() -> None:
    view = PAPER.view(11, 12, 13, 375, 500)
    generator = np.random.Generator(np.random.Philox(key=(12 << 64) + 11, counter=13 << 64))
    mirrored, scale, down, across, _ = generator.random(5)
    assert view.flip == (mirrored < 0.5)
    assert view.colour == pytest.approx(0.1 * generator.standard_normal(3))
    side = round(224 * 375 / (256 + int(scale * 225)))
    assert view.box == (int(down * (375 - side + 1)), int(across * (500 - side + 1)), side, side)


def test_the_papers_boxes() -> None:
    """Scaling the shorter side to 256..480 and cutting 224 out, said in pixels of the picture itself."""
    found = views(PAPER, 4000, 375, 500)
    sides = [view.box.height for view in found]
    assert all(view.box.height == view.box.width for view in found)
    assert (min(sides), max(sides)) == (round(224 * 375 / 480), round(224 * 375 / 256))
    assert np.mean([224 * 375 / side for side in sides]) == pytest.approx((256 + 480) / 2, rel=0.01)
    assert all(view.box.top + view.box.height <= 375 and view.box.left + view.box.width <= 500 for view in found)
    for edge, free in (("top", 375), ("left", 500)):
        places = [getattr(view.box, edge) / (free - view.box.height) for view in found]
        assert (min(places), max(places)) == (0, 1)
        assert np.mean(places) == pytest.approx(0.5, abs=0.02)
    tall = PAPER.view(0, 0, 0, 500, 375).box
    assert (tall.height, tall.width) == (found[0].box.height, found[0].box.width)


def test_flips_and_colours() -> None:
    found = views(PAPER, 4000, 50, 50)
    assert np.mean([view.flip for view in found]) == pytest.approx(0.5, abs=0.03)
    colours = np.array([view.colour for view in found])
    assert colours.mean(0) == pytest.approx([0, 0, 0], abs=0.01)
    assert colours.std(0) == pytest.approx([0.1, 0.1, 0.1], rel=0.05)
    assert np.corrcoef(colours.T)[np.triu_indices(3, 1)] == pytest.approx([0, 0, 0], abs=0.06)
    plain = views(replace(PAPER, flip=False, colour=0.0), 50, 50, 50)
    assert {(view.flip, view.colour) for view in plain} == {(False, (0.0, 0.0, 0.0))}
    assert [view.box for view in plain] == [view.box for view in found[:50]]


def test_brightness_contrast_and_saturation() -> None:
    """Each uniform, by itself; what else is drawn stays as it is."""
    found = views(replace(PAPER, jitter=0.4), 4000, 50, 50)
    factors = np.array([view.jitter for view in found])
    assert factors.min() >= 0.6
    assert factors.max() <= 1.4
    for share in (0.1, 0.5, 0.9):
        assert np.quantile(factors, share, axis=0) == pytest.approx([0.6 + 0.8 * share] * 3, abs=0.02)
    assert np.corrcoef(factors.T)[np.triu_indices(3, 1)] == pytest.approx([0, 0, 0], abs=0.06)
    plain = views(PAPER, 50, 50, 50)
    assert {view.jitter for view in plain} == {(1.0, 1.0, 1.0)}
    assert [view[:3] for view in plain] == [view[:3] for view in found[:50]]


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 333), (300, 300)])
def test_areas_are_drawn_as_torchvision_draws_them(height: int, width: int) -> None:
    torch.manual_seed(0)
    image, count = torch.empty(3, height, width), 3000
    theirs = np.array([RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(count)])
    ours = np.array([view.box for view in views(AREA, count, height, width)])
    for column in range(4):
        for share in (0.1, 0.25, 0.5, 0.75, 0.9):
            expected, spread = np.quantile(theirs[:, column], share), theirs[:, column].std()
            assert np.quantile(ours[:, column], share) == pytest.approx(expected, abs=0.16 * spread)
    assert (ours[:, 0] + ours[:, 2] <= height).all()
    assert (ours[:, 1] + ours[:, 3] <= width).all()


@pytest.mark.parametrize(("height", "width"), [(10, 400), (400, 10), (1, 1), (1, 300), (2, 3)])
@pytest.mark.parametrize("recipe", [PAPER, AREA], ids=lambda recipe: recipe.crop)
def test_boxes_of_strips_and_dots_lie_inside(recipe: Augmentation, height: int, width: int) -> None:
    for view in views(recipe, 50, height, width):
        top, left, tall, wide = view.box
        assert 0 <= top < top + tall <= height
        assert 0 <= left < left + wide <= width


def test_a_strip_that_no_area_fits_shows_its_middle_as_torchvision_does() -> None:
    strip = replace(AREA, area=(0.9, 1.0))
    assert strip.view(0, 0, 0, 10, 400).box == tuple(
        RandomResizedCrop.get_params(torch.empty(3, 10, 400), [0.9, 1.0], [3 / 4, 4 / 3])
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": "centre"}, "crop is 'centre', allowed are shorter-side, area"),
        ({"shorter_side": (200, 480)}, "shorter_side is 200,480, allowed are two lengths from window"),
        ({"area": (0.0, 1.0)}, "area is 0,1, allowed are two shares over 0"),
        ({"aspect": (2.0, 1.0)}, "aspect is 2,1, allowed are two positive numbers"),
        ({"colour": -1.0}, "colour is -1, allowed are numbers from 0"),
        ({"jitter": 1.1}, "jitter is 1.1, allowed is 0 to 1"),
    ],
)
def test_what_is_not_allowed(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PAPER, **change)


# ---------------------------------------------------------------------------------------------------------------
# The stream


def test_the_order_is_that_of_the_small_images() -> None:
    stream = PhotographStream(10, 4, seed=2, augmentation=PAPER)
    seen = [pair for step in range(5) for pair in zip(*stream.batch(step)[:2], strict=True)]
    assert seen == [(index, epoch) for epoch in (0, 1) for index in draw_epoch(2, epoch, 10, 4, True).order.tolist()]


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_ranks_batches_joined_are_that_of_one_process(ranks: int) -> None:
    whole = PhotographStream(5, 8, 0, PAPER)
    parts = [PhotographStream(5, 8, 0, PAPER, rank=rank, ranks=ranks) for rank in range(ranks)]
    for step in (3, 0, 17):
        drawn = [part.batch(step) for part in parts]
        assert [index for part in drawn for index in part.indices] == whole.batch(step).indices
        assert [epoch for part in drawn for epoch in part.epochs] == whole.batch(step).epochs


def test_the_size_follows_the_epoch_in_which_a_batch_begins_on_every_rank() -> None:
    sizes = {0: 128, 1: 160, 2: 224}.__getitem__
    for rank in (0, 1):
        stream = PhotographStream(10, 4, 0, PAPER, sizes, rank, 2)
        assert [stream.batch(step).size for step in range(7)] == [128, 128, 128, 160, 160, 224, 224]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "a stream of 0 images"),
        ({"seed": -1}, "seed is -1, allowed is 0 to"),
        ({"rank": 2, "ranks": 2}, "rank is 2 of 2"),
        ({"ranks": 3}, "rank is 0 of 3, batch_size 4; allowed are 0 to 2, and a batch_size that 3 divides"),
    ],
)
def test_what_makes_no_stream(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PhotographStream(**{"count": 5, "batch_size": 4, "seed": 0, "augmentation": PAPER, **values})
