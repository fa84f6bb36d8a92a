"""The command line: parse, call, print. torch is imported only by the verbs that need it.

Results go to standard output, progress and messages to standard error. Exit status: 0 done; 1 the run diverged, or a
verdict asked for with --check failed; 2 bad input; 130 and 143 stopped with the state saved.
"""

import argparse
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

from resnets.arguments import parse
from resnets.files import say


def entry() -> NoReturn:
    """What the command `resnets` runs."""
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
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(status)


def main(words: list[str]) -> int:
    """Runs one command line; returns its exit status. No input and no file system makes it end in a traceback."""
    arguments = parse(words)
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        VERBS[arguments.verb](arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone: not an error
        return 0
    except (ValueError, OSError) as error:
        say(f"resnets {arguments.verb}: {_one_line(error)}")
        return 2
    except (MemoryError, RuntimeError) as error:
        if not _no_memory(error):
            raise
        say(f"resnets {arguments.verb}: not enough memory ({_one_line(error)}); a smaller batch_size needs less")
        return 2
    except KeyboardInterrupt:
        say(f"resnets {arguments.verb}: stopped by SIGINT")
        return 128 + signal.SIGINT
    except _Exit as done:
        say(f"resnets {arguments.verb}: {done}")
        return done.status
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


class _Exit(BaseException):
    """Ends the command with `status` and a line on standard error; no `except Exception` on its way holds it up."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def _terminate(signum: int, frame: Any) -> NoReturn:
    raise _Exit(128 + signum, "stopped by SIGTERM")


@contextmanager
def _stops(to_go_on: str) -> Iterator[None]:
    """Training that diverges or is stopped, as the exit statuses of the contract; `to_go_on` is what to type then."""
    from resnets.training.interruption import Stopped
    from resnets.training.window import Diverged

    try:
        yield
    except Diverged as error:
        raise _Exit(1, f"diverged: {error}; the last good checkpoint is kept") from None
    except Stopped as stopped:
        raise _Exit(128 + stopped.signum, f"{stopped}; {to_go_on} goes on") from None


def _seeds(text: str) -> range:
    """The seeds that "3" or "0..4" names."""
    found = re.fullmatch(r"([0-9]{1,18})(?:\.\.([0-9]{1,18}))?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if last < first:
        raise ValueError(f"seeds is {text!r}, allowed are one number or a range such as 0..4")
    return range(first, last + 1)


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'file system'}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def _no_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether the machine's or the accelerator's memory was too small."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(phrase in str(error) for phrase in words)


def _print(arguments: argparse.Namespace, record: Any, text: str) -> None:
    print(json.dumps(record) if arguments.json else text)


# ---------------------------------------------------------------------------------------------------------------
# Verbs


def models(arguments: argparse.Namespace) -> None:
    from resnets.models.describe import models_record, models_text

    _print(arguments, models_record(), models_text())


def describe(arguments: argparse.Namespace) -> None:
    from resnets.models.describe import describe_record, describe_text
    from resnets.paper.published import PUBLISHED, sentence

    name, with_layers = arguments.name, arguments.layers
    record, text = describe_record(name, with_layers), describe_text(name, with_layers)
    found = PUBLISHED.get(name)
    record["paper"] = found and asdict(found)
    if found:
        facts, stages = text.split("\n\n", 1)
        text = f"{facts}\nin the paper: {sentence(found)}\n\n{stages}"
    if arguments.draw:
        from resnets.report.drawing import draw

        draw(name, Path(arguments.draw))
    _print(arguments, record, text)


def data(arguments: argparse.Namespace) -> None:
    from resnets.data.commands import ACTIONS

    record, text = ACTIONS[arguments.action](arguments)
    _print(arguments, record, text)
    if arguments.action == "check" and arguments.check and record["damaged"]:
        raise _Exit(1, f"{len(record['damaged'])} damaged")


def train(arguments: argparse.Namespace) -> None:
    from resnets.classification.recipes import folder, recipe, recipes_record, recipes_text
    from resnets.classification.record import append_result, result_of
    from resnets.classification.report import report_run
    from resnets.classification.run import carry_out, new_run, open_run, resume
    from resnets.paper.published import test_error
    from resnets.training.recipe import override

    words = [word for word in (arguments.recipe, *arguments.assignments) if word]
    names, assignments = [w for w in words if "=" not in w], [w for w in words if "=" in w]
    if len(names) + bool(arguments.data) + bool(arguments.resume) + arguments.list != 1:
        raise ValueError("one of RECIPE, --data FOLDER, --resume DIR and --list is needed (`resnets train --help`)")
    if arguments.list:
        _print(arguments, recipes_record(), recipes_text())
        return
    if arguments.precision:
        assignments.append(f"precision={arguments.precision}")
    if arguments.resume and arguments.out:
        raise ValueError("--out is for a new run; with --resume the run stays where it is")
    if arguments.resume:
        run = resume(Path(arguments.resume), assignments, arguments.device)
    else:
        base = folder(arguments.data) if arguments.data else recipe(names[0])
        chosen = override(base, assignments)
        out = Path(arguments.out or f"runs/{chosen.name}-seed{chosen.seed}")
        run = new_run(chosen, out, arguments.device)
    if not run.finished:
        with _stops(f"`resnets train --resume {run.folder}`"):
            carry_out(run)
    page = report_run(run.folder, test_error)
    result = result_of(open_run(run.folder))
    if arguments.results:
        append_result(Path(arguments.results), result)
    errors = f"test error {result['test_error']:.2f} %, training error {result['train_error']:.2f} %"
    if band := result["expected_test_error"]:
        inside = "inside" if band[0] <= result["test_error"] <= band[1] else "outside"
        errors += f", {inside} the expected {band[0]:g} to {band[1]:g} %"
    _print(arguments, {"run": str(run.folder), **result}, f"{run.folder}: {errors}; {page}")


def evaluate(arguments: argparse.Namespace) -> None:
    from resnets.classification.evaluate import evaluate as evaluate_weights

    protocols = arguments.protocol.split(",")
    record = evaluate_weights(arguments.weights, arguments.data, protocols, arguments.device, arguments.precision)
    lines = [
        f"{r['protocol']}: top-1 error {r['top1_error']:.2f} % ({r['top1_wrong']} of {r['images']}, "
        f"95 % interval {r['interval'][0]:.2f} to {r['interval'][1]:.2f}), top-5 error {r['top5_error']:.2f} %"
        for r in record["results"]
    ]
    per_class = [f"  {c['name']}: {c['wrong']} of {c['images']} wrong" for c in record["results"][0]["per_class"]]
    _print(arguments, record, "\n".join([*lines, *per_class]))


def predict(arguments: argparse.Namespace) -> None:
    from resnets.classification.predict import predict as predict_pictures
    from resnets.classification.predict import save_drawn

    record = predict_pictures(arguments.weights, [Path(p) for p in arguments.images], arguments.device)
    lines = []
    for prediction in record["predictions"]:
        if arguments.save:
            prediction["drawn"] = str(save_drawn(prediction, Path(arguments.save)))
        shown = ", ".join(f"{c['name']} {100 * c['probability']:.1f} %" for c in prediction["classes"])
        lines.append(f"{prediction['image']}: {shown}")
    _print(arguments, record, "\n".join(lines))


def report(arguments: argparse.Namespace) -> None:
    from resnets.classification.report import report_run
    from resnets.paper.published import test_error

    page = report_run(Path(arguments.folder), test_error)
    _print(arguments, {"report": str(page)}, str(page))


def compare(arguments: argparse.Namespace) -> None:
    from resnets.classification.report import compare_runs
    from resnets.paper.published import test_error

    folders = [Path(folder) for folder in arguments.folders]
    record, text = compare_runs(folders, Path(arguments.out), test_error)
    _print(arguments, record, text)


def reproduce(arguments: argparse.Namespace) -> None:
    from resnets.classification.record import append_result
    from resnets.paper.degradation import reproduce as degradation

    with _stops("the same command"):
        record, text = degradation(Path(arguments.out), _seeds(arguments.seeds), arguments.device)
    if arguments.results:
        append_result(Path(arguments.results), record)
    _print(arguments, record, text)
    if arguments.check and not record["degradation"]:
        raise _Exit(1, "the verdict asked for with --check is not that of the paper")


def bench(arguments: argparse.Namespace) -> None:
    from resnets.bench.bench import bench, bench_text
    from resnets.classification.record import append_result
    from resnets.models.catalog import row

    batch = arguments.batch or (128 if row(arguments.model).input_size == 32 else 16)
    sides = arguments.sides.split(",") if arguments.sides else None
    record = bench(arguments.kind, arguments.model, batch, sides, arguments.rounds, arguments.seconds)
    if arguments.results:
        append_result(Path(arguments.results), record)
    _print(arguments, record, bench_text(record))


def doctor(arguments: argparse.Namespace) -> None:
    from resnets.doctor import examine

    record, text = examine()
    _print(arguments, record, text)
    if record["problems"] and arguments.check:
        raise _Exit(1, f"{len(record['problems'])} problems")


VERBS: dict[str, Callable[[argparse.Namespace], None]] = {
    "models": models,
    "describe": describe,
    "data": data,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "compare": compare,
    "report": report,
    "reproduce": reproduce,
    "bench": bench,
    "doctor": doctor,
}


if __name__ == "__main__":
    entry()
