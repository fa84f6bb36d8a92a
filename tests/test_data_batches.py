"""Batches of photographs: the same for any number of threads and ranks, from any step; memory; who waits for whom."""

import gc
import itertools
import threading
import time
from dataclasses import replace

import pytest
import torch
from photographs import encoded, photographs_of, textured
from torch import Tensor

from resnets.data.batches import PhotographBatch, PhotographBatches
from resnets.data.photograph_stream import PhotographStream
from resnets.data.photographs import Photographs
from resnets.data.showing import show
from resnets.data.views import Augmentation

CPU = torch.device("cpu")
SET = photographs_of([encoded(textured(60 + 3 * n, 90 - 2 * n, seed=n)) for n in range(13)], classes=3)
AREA = Augmentation(crop="area", jitter=0.4)


def batches_of(
    photographs: Photographs = SET, batch_size: int = 20, size: int = 32, rank: int = 0, ranks: int = 1, **options: int
) -> PhotographBatches:
    stream = PhotographStream(len(photographs), batch_size, 5, AREA, size, rank, ranks)
    return PhotographBatches(photographs, stream, CPU, **options)


def first(batches: PhotographBatches, count: int, step: int = 0) -> list[PhotographBatch]:
    found = list(itertools.islice(batches.start(step), count))
    gc.collect()
    return found


def same(ones: list[PhotographBatch], others: list[PhotographBatch]) -> bool:
    pairs = zip(ones, others, strict=True)
    return all(torch.equal(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def expected() -> list[PhotographBatch]:
    """Four batches by a plain loop over the stream."""
    stream = PhotographStream(len(SET), 20, 5, AREA, 32)
    made = []
    for step in range(4):
        drawn = stream.batch(step)
        images, views = torch.empty(20, 32, 32, 3, dtype=torch.uint8).permute(0, 3, 1, 2), []
        for place, (index, epoch) in enumerate(zip(drawn.indices, drawn.epochs, strict=True)):
            draw = lambda height, width: AREA.view(5, epoch, index, height, width)  # noqa: B023, E731
            views.append(show(SET.read(index), "", draw, images[place : place + 1]))
        flip, colour, jitter = (
            torch.tensor([getattr(v, name) for v in views]) for name in ("flip", "colour", "jitter")
        )
        indices = torch.tensor(drawn.indices)
        made.append(PhotographBatch(images, SET.labels[indices], flip, colour, jitter, indices))
    return made


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("ahead", [1, 3])
def test_batches_are_those_of_a_plain_loop(threads: int, ahead: int, expected: list[PhotographBatch]) -> None:
    assert same(first(batches_of(threads=threads, ahead=ahead), 4), expected)


def test_batches_from_any_step(expected: list[PhotographBatch]) -> None:
    batches = batches_of(threads=2)
    assert same(first(batches, 1, step=3), expected[3:])
    assert same(first(batches, 2, step=1), expected[1:3])


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_ranks_batches_joined_are_those_of_one_process(ranks: int, expected: list[PhotographBatch]) -> None:
    parts = [first(batches_of(rank=rank, ranks=ranks, threads=2), 4) for rank in range(ranks)]
    joined = [PhotographBatch(*map(torch.cat, zip(*together, strict=True))) for together in zip(*parts, strict=True)]
    assert same(joined, expected)


def test_images_are_channels_last_and_labels_those_of_the_photographs(expected: list[PhotographBatch]) -> None:
    (batch,) = first(batches_of(), 1)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert (batch.images.dtype, batch.images.shape) == (torch.uint8, (20, 3, 32, 32))
    assert batch.labels.tolist() == [index % 3 for index in batch.indices.tolist()]
    assert sorted(batch.indices.tolist()[:13]) == list(range(13))


def test_what_is_kept_is_not_overwritten_and_what_is_not_is_used_again(expected: list[PhotographBatch]) -> None:
    places = set()
    iterator = batches_of(threads=2, ahead=1).start()
    kept = [next(iterator).images[3] for _ in range(2)]  # a part of a batch holds its memory
    for _ in range(12):
        places.add(next(iterator).images.data_ptr())
    assert all(torch.equal(image, batch.images[3]) for image, batch in zip(kept, expected, strict=False))
    assert len(places) <= 4


def test_sizes_may_change_from_epoch_to_epoch() -> None:
    stream = PhotographStream(len(SET), 13, 0, AREA, {0: 16, 1: 24, 2: 32}.__getitem__)
    iterator = PhotographBatches(SET, stream, CPU, 2, ahead=1).start()
    assert [next(iterator).images.shape[-1] for _ in range(2)] == [16, 24]


def test_a_photograph_that_cannot_be_read_ends_the_iteration_by_name() -> None:
    broken = photographs_of([encoded(textured(40, 40)), b"nothing", encoded(textured(50, 50))], name="set")
    with pytest.raises(ValueError, match=r"^set/1\.jpg: not a readable picture"):
        first(batches_of(broken, threads=3), 5)


def test_threads_end_with_the_iteration() -> None:
    before = threading.active_count()
    iterator = batches_of(threads=5).start()
    next(iterator)
    assert threading.active_count() > before
    iterator.close()  # type: ignore[attr-defined] - a generator
    assert threading.active_count() == before


def test_no_more_is_read_ahead_than_asked_for() -> None:
    read: list[int] = []
    counted = replace(SET, read=lambda index: read.append(index) or SET.read(index))
    iterator = batches_of(counted, batch_size=8, threads=2, ahead=2).start()
    next(iterator)
    for _ in range(100):
        if len(read) == 24:
            break
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(read) == 24


@pytest.mark.parametrize("slow", ["data", "consumer"])
def test_waits_say_who_waited(slow: str) -> None:
    def read(index: int) -> bytes:
        time.sleep(0.02 if slow == "data" else 0)
        return SET.read(index)

    batches = batches_of(replace(SET, read=read), batch_size=4, threads=1, ahead=1)
    iterator = batches.start()
    next(iterator)
    batches.waits.share()
    began = time.perf_counter()
    for _ in range(4):
        time.sleep(0 if slow == "data" else 0.1)
        next(iterator)
    taken = time.perf_counter() - began
    for_data, for_consumer, share = batches.waits.for_data, batches.waits.for_consumer, batches.waits.share()
    if slow == "data":
        assert for_data > 0.7 * taken
        assert for_consumer < 0.1 * taken
        assert 0.7 < share <= 1
    else:
        assert for_consumer > 0.3 * taken
        assert for_data < 0.5 * taken
        assert share < 0.5
    assert batches.waits.for_data == batches.waits.for_consumer == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads 0, 2 batches ahead: allowed are 1 or more of each"),
        ({"ahead": 0}, "threads None, 0 batches ahead"),
    ],
)
def test_what_is_not_allowed(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PhotographBatches(SET, PhotographStream(len(SET), 4, 0, AREA), CPU, **options)
    with pytest.raises(ValueError, match="a stream of 4 images for set, which has 13"):
        PhotographBatches(SET, PhotographStream(4, 2, 0, AREA), CPU)


@pytest.mark.gpu
def test_batches_on_a_gpu_are_those_of_the_cpu(expected: list[PhotographBatch]) -> None:
    device = torch.device("cuda")
    stream = PhotographStream(len(SET), 20, 5, AREA, 32)
    batches = PhotographBatches(SET, stream, device, threads=3)
    sleep: Tensor = torch.empty(1, device=device)
    found = []
    for batch in itertools.islice(batches.start(), 4):
        torch.cuda._sleep(50_000_000)  # the copies lag behind the host
        assert batch.images.device.type == sleep.device.type == "cuda"
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        found.append(batch)
    assert same([batch.to(CPU) for batch in found], expected)
