"""Which process holds up the others: every rank says in turn that it is alive and how far it is, and reads the rest.

Ranks that train together wait for one another in every iteration. Where one hangs, the others would hang without a
word. So in each a thread beats: it writes a count and the rank's turn to the store that all share, and looks whether
the others' counts go on. A rank is missing when its count stands still (stopped, or its machine gone), or when it is a
turn behind the others and stays there (its data do not come). Where each works for itself, in a test, a turn is counted
below zero while a picture is waited for, so that the rank is behind those that do not wait, and not where it computes
longer than they do. Nothing depends on clocks that agree.

Where the process that holds the store is stopped, or its machine is gone without a word, a call to the store does not
come back: the timeout that a store can be given ends the waiting for a key, not that for its server. So a second thread
looks whether the first comes back from its calls.
"""

import os
import platform
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")
BEATS = 20
"""So many beats of its own a rank waits for a sign of another."""
FIRST = 4
"""So many times as long may the first iteration last: libraries are loaded there, and kernels are compiled."""
LEFT = "left"
HOLDER = "rank 0, or the machine that holds the store"


@dataclass
class _Place:
    turn: int = 0
    waits: int = 0
    """How often it has waited for something of its own."""


_here = _Place()
"""How far this process is in what all ranks do in step: odd while it waits for a batch, 0 where they do nothing so."""


def marked(batches: Iterable[T]) -> Generator[T, None, None]:
    """`batches`, noting for the watch whether this process waits for one or works on it."""
    try:
        _here.turn += 1
        for batch in batches:
            _here.turn += 1
            yield batch
            _here.turn += 1
    finally:
        _here.turn = 0


def awaited(items: Iterator[T]) -> Iterator[T]:
    """`items`, of which each rank has its own, noting for the watch while this process waits for one."""
    while True:
        before = _here.turn
        _here.waits += 1
        _here.turn = -1 - 2 * _here.waits
        try:
            item = next(items)
        except StopIteration:
            return
        finally:
            _here.turn = before
        yield item


@dataclass
class _Seen:
    """What another rank said last, and how many of our own beats ago that, and its turn, was new."""

    said: str = ""
    turn: int = 0
    still: int = 0
    waiting: int = 0
    left: bool = False

    def hears(self, said: str) -> None:
        self.still = 0 if said != self.said else self.still + 1
        self.said, self.left = said, said == LEFT
        turn = self.turn if self.left else int(said.split()[0])
        self.waiting = 0 if turn != self.turn else self.waiting + 1
        self.turn = turn


End = Callable[[str, bool], None]
"""Ends the process with a line; whether the store answers, by which all could agree on who says it."""


class Watch:
    """The beat of this rank, and its ear for those of others. `end` is called in a thread of its own, once.

    `store` is this watch's own connection. `limit` is in seconds: within it, or a beat more, a missing rank is found,
    in the first iteration within `FIRST` times as much; and within it, or a beat more, a store that does not answer.
    """

    def __init__(self, store: "Store", rank: int, ranks: int, limit: float, end: End) -> None:
        self.store, self.rank, self.limit, self.end = store, rank, limit, end
        self.others = {number: _Seen() for number in range(ranks) if number != rank}
        self.beats, self.every = 0, limit / BEATS
        store.set_timeout(timedelta(seconds=max(1.0, limit / 2)))
        store.set(f"who/{rank}", f"process {os.getpid()} on {platform.node()}")
        self._beat()
        self.asked = self.answered = 0
        self.leaving, self.left = Event(), Event()
        self.thread = Thread(target=self._run, name="watch", daemon=True)
        self.guard = Thread(target=self._guard, name="guard", daemon=True)

    def start(self) -> None:
        """The first beat, once all ranks have made one."""
        self.thread.start()
        self.guard.start()

    def leave(self, well: bool) -> None:
        """No more beats; after it has ended `well`, nobody misses this rank."""
        self.leaving.set()
        self.thread.join()
        if well:
            with self._asking(), suppress(RuntimeError):  # the store has left before
                self.store.set(f"beat/{self.rank}", LEFT)
        self.left.set()

    def lost(self) -> str:
        """After a connection was lost: whose end it was. Takes a few beats."""
        self.leaving.set()
        self.thread.join()
        for _ in range(4):
            Event().wait(self.every)
            try:
                with self._asking():
                    self._beat()
                    self._listen()
            except RuntimeError:
                return "the store that all processes share has gone"
        gone = [number for number, seen in self.others.items() if seen.left or seen.still >= 2]
        return f"{self._names(gone)} ended before the others" if gone else "the connection to another process was lost"

    def _run(self) -> None:
        while not self.leaving.wait(self.every):
            with self._asking():
                try:
                    self._beat()
                    self._listen()
                    text = self._missing()
                except RuntimeError as error:
                    reason = next(iter(str(error).splitlines()), type(error).__name__)
                    text = f"{HOLDER}, does not answer ({reason})"
                if text and not self.leaving.is_set():
                    self.end(text, True)
                    return

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Within it the store is asked: a call may not come back."""
        self.asked += 1
        try:
            yield
        finally:
            self.answered += 1

    def _guard(self) -> None:
        """Counts its own beats, as the watch does: a process that was itself stopped finds nobody missing."""
        call = still = 0
        while not self.left.wait(self.every):
            asked = self.asked
            still = still + 1 if asked == call and asked > self.answered else 0
            call = asked
            if still >= BEATS:
                self.end(f"{HOLDER}, did not answer for {self.limit:g} s", False)
                return

    def _beat(self) -> None:
        self.beats += 1
        self.store.set(f"beat/{self.rank}", f"{_here.turn} {self.beats}")

    def _listen(self) -> None:
        said = self.store.multi_get([f"beat/{number}" for number in self.others])
        for seen, words in zip(self.others.values(), said, strict=True):
            seen.hears(words.decode())

    def _missing(self) -> str:
        """Who is missing, as the line to be said; "" where nobody is."""
        there = {number: seen for number, seen in self.others.items() if not seen.left}
        patience = {number: BEATS * (FIRST if 0 <= seen.turn <= 2 else 1) for number, seen in there.items()}
        if silent := [number for number, seen in there.items() if seen.still >= patience[number]]:
            return f"{self._names(silent)} did not answer for {self.limit:g} s"
        furthest = max([_here.turn, *(seen.turn for seen in there.values())])
        behind = [n for n, seen in there.items() if seen.turn < furthest and seen.waiting >= patience[n]]
        if not behind:
            return ""
        waiting = ", waiting for its batch" if there[behind[0]].turn % 2 else ""
        return f"{self._names(behind)} did not go on for {self.limit:g} s{waiting}, while others waited for it"

    def _names(self, numbers: list[int]) -> str:
        who = (self.store.get(f"who/{number}").decode() for number in numbers)
        return ", ".join(f"rank {number} ({name})" for number, name in zip(numbers, who, strict=True))
