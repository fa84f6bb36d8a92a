"""A training run from its recipe to its weights: the folder, the record, the loop, what is left at the end.

runs/cifar10-resnet20-seed0/
    recipe.json          every field of the recipe
    run.json             command, precision, departures from the paper, data hashes, where each session ran
    split.csv            of a folder of pictures: which is for training, which for the test
    metrics.jsonl        the journal
    losses.f32           the loss of every iteration
    checkpoints/         the last two
    model.safetensors    the final weights with all that is needed to use them
    evaluation.json      the final evaluation on the test images
    report.html          the page of the run
"""

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from resnets.classification.data import Data, load_data
from resnets.classification.linear import linear_baseline
from resnets.classification.notable import notable
from resnets.classification.photograph_recipe import recipe_from
from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.recipes import departures, for_a_folder
from resnets.classification.task import Classification
from resnets.data.lists import write_list
from resnets.evaluation.metrics import Counts, count
from resnets.files import alone, say, sweep, write_atomic
from resnets.group import launched, restarted
from resnets.models.weights import Weights, write_weights
from resnets.ranks import on_first, ranks, together
from resnets.runtime import environment, keep_memory, resolve_device, resolve_precision, set_precision
from resnets.training.journal import last_row
from resnets.training.loop import Outcome, train
from resnets.training.parallel import check
from resnets.training.recipe import override

RECIPE, RECORD, EVALUATION, WEIGHTS = "recipe.json", "run.json", "evaluation.json", "model.safetensors"
SPLIT = "split.csv"
RECORD_FIELDS = ("command", "device", "precision", "departures", "data", "sessions")
_COUNTED = ("images", "top1_error", "top1_wrong", "per_class", "confusion")
EVALUATION_FIELDS = (*_COUNTED, "seconds", "train_error", "validation_error", "mistakes")
LICENCE = "Apache-2.0 (weights); the data keep their own terms"


@dataclass(frozen=True)
class Run:
    """A run folder and what its two records say."""

    folder: Path
    recipe: ClassifierRecipe
    record: dict[str, Any]

    @property
    def finished(self) -> bool:
        """Whether the final weights and their evaluation are there."""
        return (self.folder / WEIGHTS).exists() and (self.folder / EVALUATION).exists()

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """The final evaluation, None for a run that has not finished."""
        path = self.folder / EVALUATION
        return read_json(path, EVALUATION_FIELDS) if path.exists() else None


def new_run(recipe: ClassifierRecipe, folder: Path, device: str = "auto", said: Sequence[str] = ()) -> Run:
    """A run that `carry_out` can begin; nothing is written before its data are there.

    `said`: what was found of the data, and why the recipe is as it is; its record and its page keep that.

    ValueError where `folder` is not empty, or where device and precision do not go together.
    """
    where = resolve_device(device)
    precision = resolve_precision(recipe.precision, where)
    if (folder / RECIPE).exists():
        raise ValueError(f"{folder} exists; `resnets train --resume {folder}` goes on with it, --out names another")
    # A beginning that was killed is no obstacle.
    if folder.exists() and not (
        folder.is_dir() and all(e.name in (RECORD, SPLIT) or e.suffix == ".tmp" for e in folder.iterdir())
    ):
        raise ValueError(f"{folder} exists and is not a run; --out names another folder")
    record = {
        "command": shlex.join(["resnets", *sys.argv[1:]]),
        "device": where.type,
        "precision": precision,
        "departures": departures(recipe, precision),
        "said": list(said),
        "data": None,
        "sessions": [],
    }
    return Run(folder, recipe, record)


def begin(recipe: ClassifierRecipe, folder: Path, device: str = "auto", said: Sequence[str] = ()) -> Run:
    """`new_run`; after torchrun has started its processes anew, the run that they had begun, to go on with."""
    if restarted() and (folder / RECIPE).exists():
        run = open_run(folder)
        sessions = run.record["sessions"]
        if run.recipe == recipe and sessions and sessions[-1].get("launch") == launched():
            return run
    return new_run(recipe, folder, device, said)


def open_run(folder: Path) -> Run:
    """The run in `folder`; ValueError where there is none or its records are damaged."""
    path = folder / RECIPE
    if not path.exists():
        raise ValueError(f"{folder} is not a run folder: there is no {RECIPE} in it")
    values = read_json(path)
    try:
        recipe = recipe_from(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Run(folder, recipe, read_json(folder / RECORD, RECORD_FIELDS))


def resume(folder: Path, assignments: list[str], device: str = "auto") -> Run:
    """The run in `folder`, to go on with. ValueError where `assignments` would change its recipe, naming the fields."""
    run = open_run(folder)
    if (changed := override(run.recipe, assignments)) != run.recipe:
        names = [k for k, v in changed.to_dict().items() if v != run.recipe.to_dict()[k]]
        raise ValueError(f"{folder} cannot go on with another recipe: {', '.join(names)} would change")
    where = run.record["device"] if device == "auto" else device
    return Run(folder, run.recipe, {**run.record, "device": resolve_device(where).type})


def carry_out(run: Run, label: str = "") -> Outcome:
    """Trains to the end and leaves weights and evaluation in the folder; goes on from the last checkpoint.

    All ranks call it, and the first alone writes. A run may go on with another number of them.
    `label` stands before every line of progress.

    Raises what `training.loop.train` raises, and ValueError where the data are not those the run began with or
    another process is carrying it out.
    """
    device = torch.device(run.record["device"])
    check(run.recipe, device, pairs=run.recipe.mixup > 0)
    precision = resolve_precision(run.record["precision"], device)
    set_precision(precision)
    if device.type == "cpu":
        keep_memory()
    data = together(lambda: load_data(run.recipe, device))
    task = Classification(run.recipe, data, device, precision)  # what is wrong with a start leaves no folder behind
    with ExitStack() as stack:
        on_first(lambda: _take(run, data, device, stack))
        _announce(run, device, precision)
        if run.recipe.start:
            say(f"  begins with {run.recipe.start}: {task.beginning.text}")
        outcome = train(
            task.model,
            run.recipe,
            run.folder,
            batches=task.batches,
            losses=task.losses,
            evaluate=task.evaluate,
            begin=task.begin,
            epoch_size=len(data.train),
            hold=task.hold,
            label=label,
            companion=task.average,
            measures=task.measures,
            slower=task.beginning.brought,
        )
        if task.settle():
            outcome = replace(outcome, errors=task.evaluate())
        scores = task.scores(data.test)
        on_first(lambda: _leave(run, task, outcome, scores))
    return outcome


def _take(run: Run, data: Data, device: torch.device, stack: ExitStack) -> None:
    """Takes the folder, until `stack` is closed."""
    run.folder.mkdir(parents=True, exist_ok=True)
    stack.enter_context(alone(run.folder))
    sweep(run.folder)
    _note_session(run, data, device)


def _announce(run: Run, device: torch.device, precision: str) -> None:
    recipe = run.recipe
    share = recipe.batch_size // (recipe.accumulate * ranks())
    shared = f", {ranks()} ranks with {share} images a pass each" if ranks() > 1 else ""
    say(f"{run.folder}: {recipe.name}, seed {recipe.seed}, on {device.type} in {precision}{shared}")
    if for_a_folder(recipe):
        say("  a recipe made for these pictures, which is no paper's")
        return
    for departure in run.record["departures"]:
        say(f"  departs from the paper: {departure}")


def _note_session(run: Run, data: Data, device: torch.device) -> None:
    """Where this session runs, and on which data: refused where those are not the ones the run began with.

    The recipe is written last: with it the folder is a run.
    """
    before = run.record["data"]
    if before not in (None, data.record):
        names = [name for name in data.record if data.record[name] != before.get(name)]
        raise ValueError(f"{run.folder}: the data have changed since the run began ({', '.join(names)})")
    run.record["data"] = data.record
    launch = {"launch": launched()} if launched() else {}
    run.record["sessions"].append({**environment(device), **launch})
    write_json(run.folder / RECORD, run.record)
    if for_a_folder(run.recipe) and not (run.folder / SPLIT).exists():
        _list_pictures(run.folder / SPLIT, data)
    if not (run.folder / RECIPE).exists():
        write_json(run.folder / RECIPE, run.recipe.to_dict())


def _list_pictures(path: Path, data: Data) -> None:
    """Which pictures are trained on, held out and tested, for others to do the same; a line where that cannot be."""
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    try:
        write_list(path, {part: images for part, images in parts.items() if images is not None})
    except ValueError as error:
        say(f"  {error}")


def _leave(run: Run, task: Classification, outcome: Outcome, scores: Tensor) -> None:
    """The final evaluation and, last of all, the weights: where they are, the run is finished."""
    test = task.data.test
    counts = count(scores, test.labels)
    evaluation = counts.to_dict(test.classes)
    evaluation |= {
        "seconds": outcome.seconds,
        "train_error": last_row(run.folder)["train_error"],
        "validation_error": outcome.errors.get("validation_error"),
        "baseline": linear_baseline(run.recipe, task.data, task.device, scores),
        **notable(scores, test.labels),
    }
    write_json(run.folder / EVALUATION, evaluation)
    state = {name: tensor.cpu().contiguous() for name, tensor in task.model.state_dict().items()}
    provenance = (
        f"trained by resnets {run.record['sessions'][-1]['resnets']} on {run.recipe.data}, {provenance_of(counts)}"
    )
    weights = Weights(
        state=state,
        model=run.recipe.model,
        changes=task.beginning.changes,
        num_classes=len(test.classes),
        preprocessing=task.data.preprocessing,
        recipe=run.recipe.to_dict(),
        licence=LICENCE,
        provenance=provenance,
    )
    write_weights(run.folder / WEIGHTS, weights)


def provenance_of(counts: Counts) -> str:
    """The test error in words."""
    return f"test error {counts.top1_error:.2f} % ({counts.top1_wrong} of {counts.images})"


def read_json(path: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """The object in a JSON file; ValueError naming the file where it is none or lacks one of `names`."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f"{path} is damaged: not JSON") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} is damaged: not a JSON object")
    if missing := [name for name in names if name not in value]:
        raise ValueError(f"{path} is damaged: {', '.join(missing)} missing")
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes an object as JSON, whole or not at all."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
