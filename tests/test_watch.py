"""The watch over other ranks: who is missing, and who only waits for whom. The others' beats are written by hand."""

import os
import signal
import time
from datetime import timedelta
from multiprocessing.connection import Connection

import pytest
from commands import context
from torch.distributed import HashStore, TCPStore  # type: ignore[attr-defined]

from resnets import watch as watching
from resnets.watch import BEATS, Watch, awaited, marked

EVERY = 0.01


def heard(beats: dict[int, list[str]], turn: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What rank 0, at `turn`, finds missing as it hears `beats`: of each rank what it says, one beat after another."""
    monkeypatch.setattr(watching, "_here", watching._Place(turn))
    store, said = HashStore(), []
    for number in beats:
        store.set(f"who/{number}", f"process {100 + number} on node")
    watch = Watch(store, 0, len(beats) + 1, EVERY * BEATS, lambda text, _: said.append(text))
    for words in zip(*beats.values(), strict=True):
        for number, word in zip(beats, words, strict=True):
            store.set(f"beat/{number}", word)
        watch._listen()
        if text := watch._missing():
            said.append(text)
    return said


def alive(turn: int, beats: int = BEATS + 1) -> list[str]:
    return [f"{turn} {beat}" for beat in range(beats)]


def test_a_rank_whose_count_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = heard({1: alive(6), 2: ["6 1"] * (BEATS + 1)}, 6, monkeypatch)
    assert text == "rank 2 (process 102 on node) did not answer for 0.2 s"


def test_a_rank_that_is_alive_and_holds_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = heard({1: alive(5), 2: alive(6)}, 6, monkeypatch)
    assert text.startswith("rank 1 (process 101 on node) did not go on for 0.2 s, waiting for its batch, while others")
    (text,) = heard({1: alive(4), 2: alive(6)}, 4, monkeypatch)  # so do we, and others say that
    assert text.startswith("rank 1 (process 101 on node) did not go on for 0.2 s, while others")


def test_nobody_is_missing_who_works_as_long_as_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long evaluation; ranks that have left; the first iteration, which may differ among ranks."""
    assert heard({1: alive(6), 2: alive(6)}, 6, monkeypatch) == []
    assert heard({1: ["6 1", *["left"] * BEATS], 2: alive(6)}, 6, monkeypatch) == []
    assert heard({1: alive(2), 2: alive(3)}, 4, monkeypatch)[0].startswith("rank 2 ")
    assert heard({1: alive(2), 2: alive(2)}, 4, monkeypatch) == []
    assert heard({1: alive(6), 2: ["2 1"] * (BEATS + 1)}, 2, monkeypatch) == []


def test_who_waits_for_a_picture_while_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a test nobody is in step: who still waits for the same picture is missing, not who computes."""
    (text,) = heard({1: alive(-7), 2: alive(6)}, 6, monkeypatch)
    assert text.startswith("rank 1 (process 101 on node) did not go on for 0.2 s, waiting for its batch, while others")
    assert len(heard({1: alive(-3), 2: alive(0)}, 0, monkeypatch)) == 1  # no longer patience, though it is at the start
    assert heard({1: alive(6), 2: alive(6)}, -7, monkeypatch) == []  # others say that of us
    others = [f"-{7 + 2 * (beat // 5)} {beat}" for beat in range(3 * BEATS)]  # one after another
    assert heard({1: others, 2: alive(6, 3 * BEATS)}, 6, monkeypatch) == []


def test_a_watch_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the process once, after the limit; one that goes on is not missed."""
    store, said = HashStore(), []
    for number in (1, 2):
        store.set(f"who/{number}", f"process {number} on node")
        store.set(f"beat/{number}", "4 0")
    watch = Watch(store, 0, 3, 0.4, lambda *words: said.append(words))
    began = time.monotonic()
    watch.start()
    beat = 0
    while watch.thread.is_alive() and time.monotonic() - began < 30:
        beat += 1
        store.set("beat/1", f"4 {beat}")
        time.sleep(0.005)
    assert said == [("rank 2 (process 2 on node) did not answer for 0.4 s", True)]
    assert time.monotonic() - began >= 0.4
    watch.leave(well=True)
    assert store.get("beat/0") == b"left"


def hold(port: Connection) -> None:
    """A process that holds the store, until it is killed."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    store.set("beat/0", "4 0")
    port.send(store.port)
    signal.pause()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="stops a process")
def test_a_store_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process is stopped, its connections stay open: a call does not come back, whatever timeout it was given."""
    monkeypatch.setattr(watching, "_here", watching._Place(2))
    ours, theirs = context.Pipe()
    holder = context.Process(target=hold, args=(theirs,))
    holder.start()
    said = []
    try:
        store = TCPStore("127.0.0.1", ours.recv(), is_master=False, timeout=timedelta(seconds=20))
        watch = Watch(store, 1, 2, 1.0, lambda *words: said.append(words))
        watch.start()
        watch.guard.join(0.3)
        assert watch.guard.is_alive(), said
        began = time.monotonic()
        os.kill(holder.pid or 0, signal.SIGSTOP)
        watch.guard.join(20)
        took = time.monotonic() - began
        assert said == [("rank 0, or the machine that holds the store, did not answer for 1 s", False)]
        assert watch.thread.is_alive(), "so the guard was needed"
        assert 0.9 < took < 10
    finally:
        holder.kill()
    watch.thread.join(20)
    holder.join()


def test_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd while a batch is waited for, even while it is worked on; afterwards none, so that other ones may follow."""
    place = watching._Place()
    monkeypatch.setattr(watching, "_here", place)
    asked = (place.turn for _ in range(3))
    assert [(turn, place.turn) for turn in marked(asked)] == [(1, 2), (3, 4), (5, 6)]
    assert place.turn == 0


def test_turns_of_what_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd, below zero and never the same twice; between them, and afterwards, what it was before."""
    place = watching._Place(turn=6)
    monkeypatch.setattr(watching, "_here", place)
    asked = (place.turn for _ in range(3))
    found = [(turn, place.turn) for turn in awaited(asked)]
    assert [turn % 2 for turn, _ in found] == [1, 1, 1]
    assert len({turn for turn, _ in found}) == 3
    assert max(turn for turn, _ in found) < 0
    assert [turn for _, turn in found] == [6, 6, 6]
    assert place.turn == 6
