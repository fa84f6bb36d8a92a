"""What all verbs share: how they answer, stop and end."""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class Exit(BaseException):
    """Ends the command with `status` and a line on standard error; no `except Exception` on its way holds it up."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@contextmanager
def stops(to_go_on: str) -> Iterator[None]:
    """Training that diverges or is stopped, as the exit statuses of the contract; `to_go_on` is what to type then."""
    from resnets.training.interruption import Stopped
    from resnets.training.window import Diverged

    try:
        yield
    except Diverged as error:
        raise Exit(1, f"diverged: {error}; the last good checkpoint is kept") from None
    except Stopped as stopped:
        raise Exit(128 + stopped.signum, f"{stopped}; {to_go_on} goes on") from None


MOST_SEEDS = 1000


def seeds_of(text: str) -> range:
    """The seeds that "3" or "0..4" names."""
    found = re.fullmatch(r"([0-9]{1,18})(?:\.\.([0-9]{1,18}))?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if last < first:
        raise ValueError(f"seeds is {text!r}, allowed are one number or a range such as 0..4")
    if last - first >= MOST_SEEDS:
        raise ValueError(f"seeds is {text!r}, {last - first + 1:,} of them; allowed are {MOST_SEEDS:,} at once")
    return range(first, last + 1)


def answer(arguments: argparse.Namespace, record: Any, text: str) -> None:
    """The record as JSON where that was asked for, else the text, on standard output.

    Where its reader has gone (`| head`) the command goes on, to its exit status.
    """
    try:
        print(json.dumps(record) if arguments.json else text, flush=True)
    except BrokenPipeError:
        to_nowhere(sys.stdout)


def to_nowhere(stream: TextIO) -> None:
    """Has all that `stream` still holds, and what is written to it from now on, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
