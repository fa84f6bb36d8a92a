"""The command line: parse, call, print. torch is imported only by the verbs that need it.

Results go to standard output, progress and messages to standard error. Exit status: 0 done; 1 the run diverged, or a
verdict asked for with --check failed; 2 bad input; 130 and 143 stopped with the state saved.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

from resnets.files import say
from resnets.runtime import DEVICES, PRECISIONS
from resnets.version import __version__


class Parser(argparse.ArgumentParser):
    """argparse, with one line for an error."""

    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: {' '.join(message.split())} (`{self.prog} --help`)")
        sys.exit(2)


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
        arguments.run(arguments)
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
def _stops() -> Iterator[None]:
    """Training that diverges or is stopped, as the exit statuses of the contract."""
    from resnets.training.interruption import Stopped
    from resnets.training.window import Diverged

    try:
        yield
    except Diverged as error:
        raise _Exit(1, f"diverged: {error}; the last good checkpoint is kept") from None
    except Stopped as stopped:
        raise _Exit(128 + stopped.signum, str(stopped)) from None


def _seeds(text: str) -> range:
    """The seeds that "3" or "0..4" names."""
    first, _, last = text.partition("..")
    if not (first.isdigit() and (last or first).isdigit() and int(first) <= int(last or first)):
        raise ValueError(f"seeds is {text!r}, allowed are one number or a range such as 0..4")
    return range(int(first), int(last or first) + 1)


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

    name, with_layers = arguments.name, arguments.layers
    record, text = describe_record(name, with_layers), describe_text(name, with_layers)
    if arguments.draw:
        from resnets.report.drawing import draw

        draw(name, Path(arguments.draw))
    _print(arguments, record, text)


def data_fetch(arguments: argparse.Namespace) -> None:
    from resnets.data.fetch import fetch
    from resnets.data.sources import data_home

    source = Path(arguments.source) if arguments.source else None
    path = fetch(arguments.name, data_home(), source)
    _print(arguments, {"name": arguments.name, "path": str(path)}, str(path))


def train(arguments: argparse.Namespace) -> None:
    from resnets.classification.recipes import folder, recipe
    from resnets.classification.record import append_result, result_of
    from resnets.classification.report import report_run
    from resnets.classification.run import carry_out, new_run, open_run, resume
    from resnets.paper.published import test_error
    from resnets.training.recipe import override

    words = [word for word in (arguments.recipe, *arguments.assignments) if word]
    names, assignments = [w for w in words if "=" not in w], [w for w in words if "=" in w]
    if len(names) + bool(arguments.data) + bool(arguments.resume) != 1:
        raise ValueError("one of RECIPE, --data FOLDER and --resume DIR is needed (`resnets train --help`)")
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
        with _stops():
            carry_out(run)
    page = report_run(run.folder, test_error)
    result = result_of(open_run(run.folder))
    if arguments.results:
        append_result(Path(arguments.results), result)
    errors = f"test error {result['test_error']:.2f} %, training error {result['train_error']:.2f} %"
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
    from resnets.paper.degradation import reproduce as degradation

    with _stops():
        record, text = degradation(Path(arguments.out), _seeds(arguments.seeds), arguments.device)
    _print(arguments, record, text)
    if arguments.check and not record["degradation"]:
        raise _Exit(1, "the verdict asked for with --check is not that of the paper")


def doctor(arguments: argparse.Namespace) -> None:
    from resnets.doctor import examine

    record, text = examine()
    _print(arguments, record, text)
    if record["problems"] and arguments.check:
        raise _Exit(1, f"{len(record['problems'])} problems")


# ---------------------------------------------------------------------------------------------------------------
# Their arguments


def parse(words: list[str]) -> argparse.Namespace:
    """The parsed command line; `field=value` may stand anywhere behind `train`."""
    top = parser()
    arguments, rest = top.parse_known_args(words)
    if arguments.verb == "train":
        arguments.assignments += [word for word in rest if "=" in word and not word.startswith("-")]
        rest = [word for word in rest if word not in arguments.assignments]
    if rest:
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    return arguments


def parser() -> argparse.ArgumentParser:
    """All verbs and their arguments."""
    top = Parser(prog="resnets", description="Deep residual learning: train, test, study and use residual networks.")
    top.add_argument("--version", action="version", version=f"resnets {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, run: Any, help: str, *, where: bool = False) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=help, description=help)
        sub.add_argument("--json", action="store_true", help="one JSON object on one line")
        if where:
            sub.add_argument("--device", choices=DEVICES, default="auto")
        sub.set_defaults(run=run)
        return sub

    verb("models", models, "the catalogue: layers, parameters and multiply-adds of every network")

    sub = verb("describe", describe, "one network: the paper's line of Table 1, stages, counts")
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("--layers", action="store_true", help="one row a layer")
    sub.add_argument("--draw", metavar="FILE", help="draw the whole network, as .svg or .png")

    data = verbs.add_parser("data", help="bring data sets", description="bring data sets")
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True)
    sub = actions.add_parser("fetch", help="bring a data set", description="bring a data set")
    sub.add_argument("name", choices=("cifar10", "cifar100"))
    sub.add_argument("--from", dest="source", metavar="DIR", help="convert a local copy instead")
    sub.add_argument("--json", action="store_true", help="one JSON object on one line")
    sub.set_defaults(run=data_fetch)

    sub = verb("train", train, "train a network by a recipe", where=True)
    sub.add_argument("recipe", metavar="RECIPE", nargs="?", help="such as digits-resnet20, cifar10-resnet20-fast")
    sub.add_argument("assignments", metavar="field=value", nargs="*", help="fields of the recipe to change")
    sub.add_argument("--data", metavar="FOLDER", help="train on a folder of pictures, one sub-folder a class")
    sub.add_argument("--resume", metavar="DIR", help="go on with a stopped run")
    sub.add_argument("--out", metavar="DIR", help="default runs/RECIPE-seedN; an existing run is refused")
    sub.add_argument("--precision", choices=PRECISIONS)
    sub.add_argument("--results", metavar="FILE", help="append the finished run's line to a results file (.jsonl)")

    sub = verb("evaluate", evaluate, "test error of weights; several make an ensemble", where=True)
    sub.add_argument("weights", metavar="WEIGHTS", nargs="+")
    sub.add_argument("--data", metavar="D", required=True, help="digits, cifar10, cifar100 or a path")
    sub.add_argument("--protocol", default="single", help="how images are viewed: single")
    sub.add_argument("--precision", choices=PRECISIONS, default="fp32")

    sub = verb("predict", predict, "what a network sees in pictures", where=True)
    sub.add_argument("weights", metavar="WEIGHTS")
    sub.add_argument("images", metavar="IMAGE", nargs="+")
    sub.add_argument("--save", metavar="DIR", help="draw the predictions on copies of the pictures")

    sub = verb("compare", compare, "overlay runs, and where two of them part")
    sub.add_argument("folders", metavar="RUN", nargs="+")
    sub.add_argument("--out", metavar="FILE", default="comparison.html")

    sub = verb("report", report, "write the page of a run again")
    sub.add_argument("folder", metavar="RUN")

    sub = verb("reproduce", reproduce, "put a claim of the paper to the test", where=True)
    sub.add_argument("what", choices=("degradation",), help="degradation: plain and residual nets, shallow and deep")
    sub.add_argument("--out", metavar="DIR", default="runs/degradation")
    sub.add_argument("--seeds", metavar="A..B", default="0..1", help="paired seeds, such as 0..4 or 3")
    sub.add_argument("--check", action="store_true", help="exit with 1 unless the paper's claim shows")

    sub = verb("doctor", doctor, "what is installed, what the hardware can do, what is wrong")
    sub.add_argument("--check", action="store_true", help="exit with 1 where something is wrong")
    return top


if __name__ == "__main__":
    entry()
