"""The order of photographs: a pure function of (seed, epoch), shared out among ranks."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from resnets.data.views import Augmentation


class Drawn(NamedTuple):
    """The photographs of a batch, in its order, and the epoch in which each is seen."""

    indices: list[int]
    epochs: list[int]
    size: int
    """Side of the input of the network, in pixels."""


class PhotographStream:
    """The epochs joined into one stream without end, cut into batches of exactly `batch_size`: a rank's share of each.

    As in `resnets.data.augment.Stream`, whose order this is, no batch is short and no photograph is dropped, and a
    batch may straddle epochs. Of `ranks` processes each has an equal part of every batch, so that all take equally
    many steps; their parts, joined in the order of the ranks, are the batch that one process would have. `sizes` is the
    side of the network's input, or says it of an epoch: that in which a batch begins.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int,
        augmentation: Augmentation,
        sizes: int | Callable[[int], int] = 224,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if count < 1 or batch_size < 1:
            raise ValueError(f"a stream of {count} images in batches of {batch_size}: allowed are 1 or more of each")
        if not 0 <= seed < 2**63:
            raise ValueError(f"seed is {seed}, allowed is 0 to 2**63 - 1")
        if not 0 <= rank < ranks or batch_size % ranks:
            allowed = f"0 to {ranks - 1}, and a batch_size that {ranks} divides"
            raise ValueError(f"rank is {rank} of {ranks}, batch_size {batch_size}; allowed are {allowed}")
        self.count, self.batch_size, self.seed, self.augmentation = count, batch_size, seed, augmentation
        self.sizes, self.rank, self.ranks = sizes, rank, ranks
        self._orders: dict[int, np.ndarray] = {}

    @property
    def share(self) -> int:
        """Photographs of each batch that are this rank's."""
        return self.batch_size // self.ranks

    def batch(self, step: int) -> Drawn:
        """This rank's part of batch number `step`, from 0. Any step can be asked for, in any order."""
        assert step >= 0
        first = step * self.batch_size
        begin = first + self.rank * self.share
        positions = [divmod(position, self.count) for position in range(begin, begin + self.share)]
        indices = [int(self._order(epoch)[place]) for epoch, place in positions]
        sizes = self.sizes
        return Drawn(
            indices, [epoch for epoch, _ in positions], sizes if isinstance(sizes, int) else sizes(first // self.count)
        )

    def _order(self, epoch: int) -> np.ndarray:
        """A permutation of 0..count-1; the last two are kept, since a batch may need both."""
        if epoch not in self._orders:
            if len(self._orders) == 2:
                del self._orders[next(iter(self._orders))]
            self._orders[epoch] = np.random.default_rng((self.seed, epoch)).permutation(self.count)
        return self._orders[epoch]
