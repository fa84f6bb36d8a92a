"""The verb `train`: a recipe, a folder of pictures, a run to go on with, or several seeds."""

import argparse
from pathlib import Path
from typing import Any

from resnets.answers import Exit, answer, seeds_of, stops
from resnets.files import check_appending, say


def train(arguments: argparse.Namespace) -> None:
    from resnets.classification.recipes import recipe, recipes_record, recipes_text
    from resnets.classification.run import begin, carry_out, resume
    from resnets.ranks import apart, on_first, rank
    from resnets.training.recipe import override

    words = [word for word in (arguments.recipe, *arguments.assignments) if word]
    names, assignments = [w for w in words if "=" not in w], [w for w in words if "=" in w]
    if len(names) + bool(arguments.data) + bool(arguments.resume) + arguments.list != 1:
        raise ValueError("one of RECIPE, --data FOLDER, --resume DIR and --list is needed (`resnets train --help`)")
    if arguments.list:
        others = ("resume", "weights", "out", "seeds", "precision", "results")
        if given := [*assignments, *(f"--{name}" for name in others if getattr(arguments, name) is not None)]:
            raise ValueError(f"--list is given with {', '.join(given)}; allowed is --list alone")
        answer(arguments, recipes_record(), recipes_text())
        return
    if arguments.results:
        check_appending(Path(arguments.results))
    if arguments.precision:
        assignments.append(f"precision={arguments.precision}")
    if arguments.resume and (arguments.out or arguments.seeds or arguments.weights):
        raise ValueError(
            "--out, --seeds and --weights are for new runs; with --resume the run stays where and as it is"
        )
    if arguments.resume:
        run = on_first(lambda: resume(Path(arguments.resume), assignments, arguments.device))
    else:
        if arguments.weights not in (None, "none") and not arguments.data:
            assignments = [f"start={arguments.weights}", "normalisation=start", *assignments]
        base, said = _for_own_pictures(arguments, assignments) if arguments.data else (recipe(names[0]), [])
        chosen = override(base, assignments)
        if arguments.seeds:
            if any(word.startswith("seed=") for word in assignments):
                raise ValueError("seed and --seeds are given; allowed is one of them")
            _train_seeds(arguments, chosen, said)
            return
        out = Path(arguments.out or f"runs/{chosen.name}-seed{chosen.seed}")
        run = on_first(lambda: begin(chosen, out, arguments.device, said))
    if not on_first(lambda: run.finished):
        with stops(f"`resnets train --resume {run.folder}`"):
            carry_out(run)
    if rank() == 0:
        with apart():
            answer(arguments, *_trained(run.folder, arguments.results))


def _for_own_pictures(arguments: argparse.Namespace, assignments: list[str]) -> tuple[Any, list[str]]:
    """The recipe for the folder of --data, once its pictures have been looked at; and what was said of both."""
    from resnets.classification.early_word import early_word
    from resnets.classification.own_pictures import facts_of, own_recipe
    from resnets.data.images import ImageSet
    from resnets.data.sources import open_whole

    model = next((word.partition("=")[2] for word in assignments if word.startswith("model=")), None)
    found = open_whole(arguments.data, "train", lambda line: None)
    in_memory = isinstance(found, ImageSet)  # and read whole
    words = [] if in_memory else _said(arguments.data, early_word(arguments.data, len(found)))
    made, reasons = own_recipe(arguments.data, facts_of(arguments.data, found), arguments.weights, model)
    words += _said(arguments.data, reasons)
    if assignments:
        words += _said(arguments.data, [f"as asked, {' '.join(assignments)}"])
    return made, words


def _said(data: str, lines: list[str]) -> list[str]:
    """`lines`, each said at once: what follows them may take long, or end in an error."""
    for line in lines:
        say(f"{data}: {line}")
    return lines


def _trained(folder: Path, results: str | None) -> tuple[dict[str, Any], str]:
    """What a finished run has come to, as a record and in words; its page is written, and its line in `results`."""
    from resnets.classification.record import append_once, result_of
    from resnets.classification.report import report_run
    from resnets.classification.run import open_run
    from resnets.paper.published import test_error
    from resnets.report.summary import may_be_chance

    page = report_run(folder, test_error)
    result = result_of(open_run(folder))
    if results:
        append_once(Path(results), result)
    errors = f"test error {result['test_error']:.2f} %, training error {result['train_error']:.2f} %"
    if band := result["expected_test_error"]:
        inside = "inside" if band[0] <= result["test_error"] <= band[1] else "outside"
        errors += f", {inside} the expected {band[0]:g} to {band[1]:g} %"
    if baseline := result["baseline"]:
        errors += f"; a linear classifier on the features of the start: {baseline['test_error']:.2f} %"
        if result["test_error"] > baseline["test_error"]:
            errors += f", which training has not reached{may_be_chance(baseline)}"
    return {"run": str(folder), **result}, f"{folder}: {errors}; {page}"


def _train_seeds(arguments: argparse.Namespace, chosen: Any, said: list[str]) -> None:
    """One recipe with several seeds; every run has the folder that it would have alone, or one within --out."""
    from dataclasses import replace

    from resnets.classification.seeds import carry_out_together, runs_of
    from resnets.ranks import ranks

    if ranks() > 1:
        raise ValueError(f"seeds is {arguments.seeds!r} with {ranks()} ranks; allowed is one of them")
    seeds = seeds_of(arguments.seeds)
    folders = [Path(arguments.out or "runs") / f"{chosen.name}-seed{seed}" for seed in seeds]
    runs = runs_of([replace(chosen, seed=seed) for seed in seeds], folders, arguments.device, said)
    with stops("the same command"):
        diverged = carry_out_together(runs)
    done = [_trained(run.folder, arguments.results) for run in runs if run.folder not in diverged]
    lines = [text for _, text in done] + [f"{folder}: diverged, {why}" for folder, why in diverged.items()]
    answer(arguments, {"runs": [record for record, _ in done], "diverged": list(map(str, diverged))}, "\n".join(lines))
    if diverged:
        raise Exit(1, f"{len(diverged)} of {len(runs)} runs diverged; their last good checkpoints are kept")
