"""What each verb of the command line does: call, print. torch is imported only by the verbs that need it."""

import argparse
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from resnets.files import say


class Exit(BaseException):
    """Ends the command with `status` and a line on standard error; no `except Exception` on its way holds it up."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@contextmanager
def _stops(to_go_on: str) -> Iterator[None]:
    """Training that diverges or is stopped, as the exit statuses of the contract; `to_go_on` is what to type then."""
    from resnets.training.interruption import Stopped
    from resnets.training.window import Diverged

    try:
        yield
    except Diverged as error:
        raise Exit(1, f"diverged: {error}; the last good checkpoint is kept") from None
    except Stopped as stopped:
        raise Exit(128 + stopped.signum, f"{stopped}; {to_go_on} goes on") from None


def _seeds(text: str) -> range:
    """The seeds that "3" or "0..4" names."""
    found = re.fullmatch(r"([0-9]{1,18})(?:\.\.([0-9]{1,18}))?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if last < first:
        raise ValueError(f"seeds is {text!r}, allowed are one number or a range such as 0..4")
    return range(first, last + 1)


def _print(arguments: argparse.Namespace, record: Any, text: str) -> None:
    print(json.dumps(record) if arguments.json else text)


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
    if arguments.action == "check" and arguments.check and record["open"] and not arguments.quarantine:
        raise Exit(1, f"{len(record['open'])} damaged, or in training and test alike")


def train(arguments: argparse.Namespace) -> None:
    from resnets.classification.recipes import recipe, recipes_record, recipes_text
    from resnets.classification.run import begin, carry_out, resume
    from resnets.ranks import on_first, rank
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
    if arguments.resume and (arguments.out or arguments.seeds or arguments.weights):
        raise ValueError(
            "--out, --seeds and --weights are for new runs; with --resume the run stays where and as it is"
        )
    if arguments.resume:
        run = on_first(lambda: resume(Path(arguments.resume), assignments, arguments.device))
    else:
        if arguments.weights and not arguments.data:
            assignments = [f"start={arguments.weights}", "normalisation=start", *assignments]
        base = _for_own_pictures(arguments, assignments) if arguments.data else recipe(names[0])
        chosen = override(base, assignments)
        if arguments.seeds:
            _train_seeds(arguments, chosen)
            return
        out = Path(arguments.out or f"runs/{chosen.name}-seed{chosen.seed}")
        run = on_first(lambda: begin(chosen, out, arguments.device))
    if not on_first(lambda: run.finished):
        with _stops(f"`resnets train --resume {run.folder}`"):
            carry_out(run)
    if rank() == 0:
        _print(arguments, *_trained(run.folder, arguments.results))


def _for_own_pictures(arguments: argparse.Namespace, assignments: list[str]) -> Any:
    """The recipe for the folder of --data, once its pictures have been looked at; what was chosen is said."""
    from resnets.classification.early_word import early_word
    from resnets.classification.own_pictures import own_recipe

    model = next((word.partition("=")[2] for word in assignments if word.startswith("model=")), None)
    made, reasons, pictures = own_recipe(arguments.data, arguments.weights, model)
    for line in (*early_word(arguments.data, pictures), *reasons):
        say(f"{arguments.data}: {line}")
    return made


def _trained(folder: Path, results: str | None) -> tuple[dict[str, Any], str]:
    """What a finished run has come to, as a record and in words; its page is written, and its line in `results`."""
    from resnets.classification.record import append_result, result_of
    from resnets.classification.report import report_run
    from resnets.classification.run import open_run
    from resnets.paper.published import test_error

    page = report_run(folder, test_error)
    result = result_of(open_run(folder))
    if results:
        append_result(Path(results), result)
    errors = f"test error {result['test_error']:.2f} %, training error {result['train_error']:.2f} %"
    if band := result["expected_test_error"]:
        inside = "inside" if band[0] <= result["test_error"] <= band[1] else "outside"
        errors += f", {inside} the expected {band[0]:g} to {band[1]:g} %"
    if baseline := result["baseline"]:
        errors += f"; a linear classifier on the features of the start: {baseline['test_error']:.2f} %"
    return {"run": str(folder), **result}, f"{folder}: {errors}; {page}"


def _train_seeds(arguments: argparse.Namespace, chosen: Any) -> None:
    """One recipe with several seeds; every run has the folder that it would have alone, or one within --out."""
    from dataclasses import replace

    from resnets.classification.seeds import carry_out_together, runs_of
    from resnets.ranks import ranks

    if ranks() > 1:
        raise ValueError(f"seeds is {arguments.seeds!r} with {ranks()} ranks; allowed is one of them")
    if any(word.startswith("seed=") for word in arguments.assignments):
        raise ValueError("seed and --seeds are given; allowed is one of them")
    seeds = _seeds(arguments.seeds)
    folders = [Path(arguments.out or "runs") / f"{chosen.name}-seed{seed}" for seed in seeds]
    runs = runs_of([replace(chosen, seed=seed) for seed in seeds], folders, arguments.device)
    with _stops("the same command"):
        diverged = carry_out_together(runs)
    done = [_trained(run.folder, arguments.results) for run in runs if run.folder not in diverged]
    lines = [text for _, text in done] + [f"{folder}: diverged, {why}" for folder, why in diverged.items()]
    _print(arguments, {"runs": [record for record, _ in done], "diverged": list(map(str, diverged))}, "\n".join(lines))
    if diverged:
        raise Exit(1, f"{len(diverged)} of {len(runs)} runs diverged; their last good checkpoints are kept")


def evaluate(arguments: argparse.Namespace) -> None:
    from resnets.classification.evaluate import evaluate as evaluate_weights
    from resnets.classification.evaluate import figures_text
    from resnets.data.sources import data_home

    names = ("scales", "flips", "batch_size", "threads", "submission", "synsets")
    options = {name: getattr(arguments, name) for name in names}
    cache = None if arguments.no_cache else arguments.cache or data_home() / "scores"
    what = (arguments.weights, arguments.data, arguments.protocol.split(","))
    record = evaluate_weights(*what, arguments.device, arguments.precision, cache=cache, **options)
    _print(arguments, record, figures_text(record))


def predict(arguments: argparse.Namespace) -> None:
    from resnets.classification.predict import predict as predict_pictures
    from resnets.classification.predict import predictions_csv, predictions_text

    if arguments.csv and arguments.json:
        raise ValueError("--csv and --json are given; allowed is one of them")
    save = Path(arguments.save) if arguments.save else None
    record = predict_pictures(arguments.weights, arguments.images, arguments.device, save)
    if record["predictions"] or arguments.json or arguments.csv:
        _print(arguments, record, predictions_csv(record) if arguments.csv else predictions_text(record))
    *others, last = [f"{one['image']}: {one['reason']}" for one in record["unreadable"]] or [None]
    for line in others:
        say(f"resnets predict: {line}")
    if last:
        raise Exit(2, last)


def convert(arguments: argparse.Namespace) -> None:
    from resnets.models.convert import convert as convert_weights

    how = {name: getattr(arguments, name) for name in ("partial", "origin", "model", "mean")}
    _print(arguments, *convert_weights(arguments.file, arguments.out, arguments.to, **how))


def export(arguments: argparse.Namespace) -> None:
    from resnets.classification.export import export as write

    _print(arguments, *write(arguments.weights, arguments.out))


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
    from resnets.paper.commands import brought_back

    with _stops("the same command"):
        answer = brought_back(arguments, _seeds(arguments.seeds) if arguments.seeds else None, train=True)
    _print(arguments, answer.record, answer.text)
    if answer.diverged:
        raise Exit(1, f"diverged: {', '.join(answer.diverged)}")
    if arguments.check and answer.failures:
        raise Exit(1, f"--check: {'; '.join(answer.failures)}")


def plan(arguments: argparse.Namespace) -> None:
    from resnets.paper.commands import brought_back, is_target

    if is_target(arguments.what):
        _refuse(arguments, ("assignments", *_ON_GPUS), f"{arguments.what} is a table or figure")
        answer = brought_back(arguments, _seeds(arguments.seeds) if arguments.seeds else None, train=False)
        _print(arguments, answer.record, answer.text)
    else:
        _refuse(arguments, ("seeds", "only", "out", "jobs", "results"), f"{arguments.what} is no table or figure")
        _plan_on_gpus(arguments)


_ON_GPUS = ("images_per_second", "measured", "gpus", "price", "link")


def _refuse(arguments: argparse.Namespace, names: Sequence[str], why: str) -> None:
    if given := [name for name in names if getattr(arguments, name)]:
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
    _print(arguments, record, plan_text(record))


def study(arguments: argparse.Namespace) -> None:
    from resnets.paper.commands import studied

    _print(arguments, *studied(arguments))


def bench(arguments: argparse.Namespace) -> None:
    from resnets.bench.bench import bench, bench_text
    from resnets.classification.record import append_result

    sides = arguments.sides.split(",") if arguments.sides else None
    of, rounds = (arguments.kind, arguments.model, arguments.batch), arguments.rounds
    record = bench(*of, sides, rounds, arguments.seconds, arguments.data)
    if arguments.results:
        append_result(Path(arguments.results), record)
    _print(arguments, record, bench_text(record))


def doctor(arguments: argparse.Namespace) -> None:
    from resnets.doctor import examine

    record, text = examine()
    _print(arguments, record, text)
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
