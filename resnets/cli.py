"""The command line: parse, call, print. torch is imported only by the verbs that need it.

Results go to standard output, progress and messages to standard error. Exit status: 0 done; 1 the run diverged, or a
verdict asked for with --check failed; 2 bad input; 130 and 143 stopped with the state saved.
"""

import os
import signal
import sys
import warnings
from io import TextIOWrapper
from typing import Any, NoReturn

from resnets.answers import Exit, to_nowhere
from resnets.arguments import parse
from resnets.group import joined, last_words, several
from resnets.verbs import VERBS

SHARED = ("train", "evaluate")
"""Verbs whose work several processes share."""


def entry() -> NoReturn:
    """What the command `resnets` runs."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed (`>&-`): what is written would take another's way
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # file names and classes in any writing, on a terminal of any encoding
            stream.reconfigure(errors="backslashreplace")
    try:
        status = main(sys.argv[1:])
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:  # nobody reads it, or the disk is full; Python would try again and complain
                to_nowhere(stream)
    sys.exit(status)


def main(words: list[str]) -> int:
    """Runs one command line; returns its exit status. No input and no file system makes it end in a traceback."""
    arguments = parse(words)
    # Pillow's, of pictures of 100 million pixels and more (twice as many are refused) and of EXIF data it cannot read.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        _alone(arguments.verb)
        with joined(getattr(arguments, "device", None) or "cpu"):
            VERBS[arguments.verb](arguments)
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone: not an error
        return 0
    except (ValueError, OSError) as error:
        last_words(f"resnets {arguments.verb}: {_one_line(error)}")
        return 2
    except (MemoryError, RuntimeError) as error:
        if not _no_memory(error):
            raise
        last_words(f"resnets {arguments.verb}: not enough memory ({_one_line(error)}); a smaller batch_size needs less")
        return 2
    except KeyboardInterrupt:
        last_words(f"resnets {arguments.verb}: stopped by SIGINT")
        return 128 + signal.SIGINT
    except Exit as done:
        last_words(f"resnets {arguments.verb}: {done}")
        return done.status
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _alone(verb: str) -> None:
    """ValueError where torchrun has started several processes of what one does."""
    if several() > 1 and verb not in SHARED:
        raise ValueError(f"started as {several()} processes, allowed for {' and '.join(SHARED)} only")


def _terminate(signum: int, frame: Any) -> NoReturn:
    raise Exit(128 + signum, "stopped by SIGTERM")


def _one_line(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        where = error.filename or ("network" if isinstance(error, ConnectionError | TimeoutError) else "file system")
        text = f"{where}: {error.strerror}"
    return " ".join(text.split()) or type(error).__name__


def _no_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether the machine's or the accelerator's memory was too small."""
    words = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError) or any(phrase in str(error) for phrase in words)


if __name__ == "__main__":
    entry()
