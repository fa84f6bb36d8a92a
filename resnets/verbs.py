"""What each verb of the command line does: call, print. torch is imported only by the verbs that need it."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from resnets.answers import Exit, answer, seeds_of, stops
from resnets.files import check_appending, say
from resnets.train_verb import train


def models(arguments: argparse.Namespace) -> None:
    from resnets.models.describe import models_record, models_text

    answer(arguments, models_record(), models_text())


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
    answer(arguments, record, text)


def data(arguments: argparse.Namespace) -> None:
    from resnets.data.commands import ACTIONS

    record, text = ACTIONS[arguments.action](arguments)
    answer(arguments, record, text)
    if arguments.action == "check" and arguments.check:
        left = 0 if arguments.quarantine else len(record["open"])
        wrong = [f"{left} damaged, or in training and test alike"] if left else []
        wrong += [f"{len(record['altered'])} shards altered"] if record.get("altered") else []
        if wrong:
            raise Exit(1, "; ".join(wrong))


def evaluate(arguments: argparse.Namespace) -> None:
    from resnets.classification.evaluate import evaluate as evaluate_weights
    from resnets.classification.evaluate import figures_text
    from resnets.data.sources import data_home

    if arguments.cache and arguments.no_cache:
        raise ValueError("--cache and --no-cache are given; allowed is one of them")
    names = ("scales", "flips", "batch_size", "threads", "submission", "synsets")
    options = {name: getattr(arguments, name) for name in names}
    if arguments.cache:
        arguments.cache.mkdir(parents=True, exist_ok=True)  # else an error now; of the usual place, a line in the end
    cache = None if arguments.no_cache else arguments.cache or data_home() / "scores"
    what = (arguments.weights, arguments.data, arguments.protocol.split(","))
    record = evaluate_weights(*what, arguments.device, arguments.precision, cache=cache, **options)
    answer(arguments, record, figures_text(record))


def predict(arguments: argparse.Namespace) -> None:
    from resnets.classification.predict import predict as predict_pictures
    from resnets.classification.predict import predictions_csv, predictions_text

    if arguments.csv and arguments.json:
        raise ValueError("--csv and --json are given; allowed is one of them")
    save = Path(arguments.save) if arguments.save else None
    record = predict_pictures(arguments.weights, arguments.images, arguments.device, save)
    if record["predictions"] or arguments.json or arguments.csv:
        answer(arguments, record, predictions_csv(record) if arguments.csv else predictions_text(record))
    *others, last = [f"{one['image']}: {one['reason']}" for one in record["unreadable"]] or [None]
    for line in others:
        say(f"resnets predict: {line}")
    if last:
        raise Exit(2, last)


def convert(arguments: argparse.Namespace) -> None:
    from resnets.models.convert import convert as convert_weights

    how = {name: getattr(arguments, name) for name in ("partial", "origin", "model", "mean")}
    answer(arguments, *convert_weights(arguments.file, arguments.out, arguments.to, **how))


def export(arguments: argparse.Namespace) -> None:
    from resnets.classification.export import export as write

    answer(arguments, *write(arguments.weights, arguments.out))


def report(arguments: argparse.Namespace) -> None:
    from resnets.classification.report import report_run
    from resnets.paper.published import test_error

    page = report_run(Path(arguments.folder), test_error)
    answer(arguments, {"report": str(page)}, str(page))


def compare(arguments: argparse.Namespace) -> None:
    from resnets.classification.report import compare_runs
    from resnets.paper.published import test_error

    folders = [Path(folder) for folder in arguments.folders]
    record, text = compare_runs(folders, Path(arguments.out), test_error)
    answer(arguments, record, text)


def reproduce(arguments: argparse.Namespace) -> None:
    from resnets.paper.commands import brought_back

    with stops("the same command"):
        found = brought_back(arguments, seeds_of(arguments.seeds) if arguments.seeds else None, train=True)
    answer(arguments, found.record, found.text)
    if found.diverged:
        raise Exit(1, f"diverged: {', '.join(found.diverged)}")
    if arguments.check and found.failures:
        raise Exit(1, f"--check: {'; '.join(found.failures)}")


def plan(arguments: argparse.Namespace) -> None:
    from resnets.paper.commands import brought_back, is_target

    if is_target(arguments.what):
        _refuse(arguments, ("assignments", *_ON_GPUS), f"{arguments.what} is a table or figure")
        found = brought_back(arguments, seeds_of(arguments.seeds) if arguments.seeds else None, train=False)
        answer(arguments, found.record, found.text)
    else:
        _refuse(
            arguments,
            ("seeds", "scale", "only", "out", "jobs", "results", "photographs", "device"),
            f"{arguments.what} is no table or figure",
        )
        _plan_on_gpus(arguments)


_ON_GPUS = ("images_per_second", "measured", "gpus", "price", "link")


def _refuse(arguments: argparse.Namespace, names: Sequence[str], why: str) -> None:
    if given := [name for name in names if getattr(arguments, name) not in (None, [])]:
        raise ValueError(f"{why}: {', '.join(given)} is of the other kind of plan (`resnets plan --help`)")


def _plan_on_gpus(arguments: argparse.Namespace) -> None:
    from resnets.classification.plan import measured, plan, plan_text
    from resnets.classification.recipes import recipe
    from resnets.training.recipe import override

    chosen = override(recipe(arguments.what), arguments.assignments)
    if (arguments.images_per_second is None) == (arguments.measured is None):
        raise ValueError("one of --images-per-second N and --measured FILE is needed (`resnets plan --help`)")
    if arguments.measured:
        speed, source = measured(Path(arguments.measured), chosen.model)
    else:
        speed, source = arguments.images_per_second, "as given"
    record = plan(chosen, speed, source, arguments.gpus or (1, 8, 64), arguments.price, arguments.link)
    answer(arguments, record, plan_text(record))


def study(arguments: argparse.Namespace) -> None:
    from resnets.paper.commands import studied

    answer(arguments, *studied(arguments))


def bench(arguments: argparse.Namespace) -> None:
    from resnets.bench.bench import bench, bench_text
    from resnets.classification.record import append_result

    if arguments.results:
        check_appending(Path(arguments.results))
    sides = arguments.sides.split(",") if arguments.sides else None
    of, rounds = (arguments.kind, arguments.model, arguments.batch), arguments.rounds
    record = bench(*of, sides, rounds, arguments.seconds, arguments.data)
    if arguments.results:
        append_result(Path(arguments.results), record)
    answer(arguments, record, bench_text(record))


def doctor(arguments: argparse.Namespace) -> None:
    from resnets.doctor import examine

    record, text = examine()
    answer(arguments, record, text)
    if record["problems"] and arguments.check:
        raise Exit(1, f"{len(record['problems'])} problems")


VERBS: dict[str, Callable[[argparse.Namespace], None]] = {
    "models": models,
    "describe": describe,
    "data": data,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "convert": convert,
    "export": export,
    "compare": compare,
    "report": report,
    "reproduce": reproduce,
    "plan": plan,
    "study": study,
    "bench": bench,
    "doctor": doctor,
}
