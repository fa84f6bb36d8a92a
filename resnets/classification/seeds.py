"""Several seeds of one recipe in one process, side by side; each comes out as it would alone.

A small network keeps neither two cores nor a GPU busy: operations are short, and much of the time goes into starting
them. Runs that know nothing of each other fill the gaps. Each has a thread of its own here, and with it on a CPU one
core (which suits small operations better than several), on a GPU a stream. Every run has its folder, as if alone.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import torch

from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.run import RECIPE, Run, carry_out, new_run, open_run, resume
from resnets.files import say
from resnets.models.catalog import arguments
from resnets.runtime import cores
from resnets.training.interruption import interruption
from resnets.training.recipe import changed_fields
from resnets.training.window import Diverged


def runs_of(
    recipes: Sequence[ClassifierRecipe], folders: Sequence[Path], device: str = "auto", said: Sequence[str] = ()
) -> list[Run]:
    """A run for each recipe: a new one, or the one in its folder, to go on with. `said` as `new_run` takes it.

    ValueError where a folder holds another run, or something else.
    """
    runs = []
    for recipe, folder in zip(recipes, folders, strict=True):
        if not (folder / RECIPE).exists():
            runs.append(new_run(recipe, folder, device, said))
            continue
        run = open_run(folder)
        if changed := changed_fields(recipe.to_dict(), run.recipe.to_dict()):
            raise ValueError(f"{folder} holds another run: {'; '.join(changed)}")
        runs.append(run if run.finished else resume(folder, [], device))
    return runs


def carry_out_together(runs: Sequence[Run]) -> dict[Path, str]:
    """Carries out those that have not finished. Returns which have diverged and why, by folder; the others go on.

    Raises `Stopped` after a signal, when all have saved their state, and what else one of them raises.
    """
    waiting = [run for run in runs if not run.finished]
    if not waiting:
        return {}
    side_by_side = _side_by_side(waiting)
    say(f"{len(waiting)} runs, {f'{side_by_side} side by side' if side_by_side > 1 else 'one after the other'}")
    threads = torch.get_num_threads()
    try:
        if waiting[0].record["device"] == "cpu" and side_by_side > 1:
            torch.set_num_threads(1)
        with interruption(), ThreadPoolExecutor(side_by_side) as pool:
            outcomes = [pool.submit(_alone, run) for run in waiting]
            return {
                run.folder: why for run, outcome in zip(waiting, outcomes, strict=True) if (why := outcome.result())
            }
    finally:
        torch.set_num_threads(threads)


def _side_by_side(runs: Sequence[Run]) -> int:
    """How many can run at once: as many as there are cores, on a GPU ten.

    Each works on up to three of CUDA's streams, of which torch has 32: beyond, two runs would be given the same.
    Only one where something is drawn on the way (dropout, dropped units): torch's generator is one for all threads.
    """
    recipe = runs[0].recipe
    network = arguments(recipe.model, **recipe.changes)
    if any(network.get(name, 0) for name in ("drop_path", "dropout")):
        return 1
    if runs[0].record["device"] == "cpu":
        return min(len(runs), torch.get_num_threads(), cores())
    return min(len(runs), 10)


def _alone(run: Run) -> str | None:
    """Carries `run` out in this thread; returns why it has diverged, None where it has not."""
    where = torch.cuda.stream(torch.cuda.Stream()) if run.record["device"] == "cuda" else nullcontext()
    try:
        with where:
            carry_out(run, label=f"seed {run.recipe.seed}")
    except Diverged as error:
        return str(error)
    return None
