"""Which runs of a target are missing, what they cost, and how they are carried out: here, or by job files.

A run is missing where neither a line of results nor a finished run folder is its own. Stopped at any moment and begun
again, a plan is shorter by what has finished, and a run that had begun goes on from its checkpoint. One that diverged
is not missing: from its checkpoint it would diverge again, at every call.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from resnets.classification.photograph_recipe import PhotographRecipe
from resnets.classification.plan import folder_bytes
from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.recipes import BOOKKEEPING
from resnets.classification.record import append_result, result_of
from resnets.classification.run import RECIPE, Run, open_run
from resnets.classification.seeds import carry_out_together, runs_of
from resnets.files import say, write_atomic
from resnets.paper.costs import Speed, about, nearest, sources
from resnets.paper.entries import Entry, Target
from resnets.paper.lines import Record
from resnets.paper.markdown import seeds_said
from resnets.paper.verdicts import is_of
from resnets.training.journal import divergence, read_journal
from resnets.training.recipe import changed_fields


@dataclass(frozen=True)
class Planned:
    """One run of a target."""

    entry: Entry
    recipe: ClassifierRecipe
    folder: Path


@dataclass(frozen=True)
class Plan:
    """The runs of a target: those there are, and those that are missing."""

    target: Target
    scale: str
    seeds: list[int]
    lines: list[Record]
    """Of results, and of the finished run folders that have no line there."""
    missing: list[Planned]
    finished: list[Planned]
    """Those whose folder is finished and that have no line in the results yet."""
    diverged: dict[Path, str] = field(default_factory=dict)
    """The folders of those that diverged when they were carried out, and why; they are left as they are."""


def chosen(target: Target, only: Iterable[str] | None) -> Target:
    """The target with the entries called `only`, each by any of the names of `_called`; where several are, all.

    ValueError for a name there is not.
    """
    if only is None:
        return target
    names = set(only)
    if unknown := sorted(names.difference(*map(_called, target.entries))):
        there = ", ".join(_called(entry)[-1] for entry in target.entries)
        raise ValueError(f"only: there is no {unknown[0]!r}; there are {there}")
    return replace(target, entries=tuple(entry for entry in target.entries if names.intersection(_called(entry))))


def _called(entry: Entry) -> list[str]:
    """What a user may call it: "cifar10-resnet20" or "resnet20"; of changed recipes what is changed, "decay of all"."""
    _, comma, changed = entry.name.partition(", ")
    return [changed] if comma else [entry.name.partition("-")[2], entry.name]


def plan(target: Target, scale: str, seeds: Iterable[int], recorded: Sequence[Record], out: Path) -> Plan:
    """What there is of `target` in the lines `recorded` and in the folders within `out`, and what is missing."""
    wanted, lines, missing, finished = list(seeds), list(recorded), [], []
    diverged: dict[Path, str] = {}
    for entry in target.entries:
        for seed in wanted:
            given = Planned(entry, entry.planned(scale, seed), out / entry.folder(scale, seed))
            if any(line.get("recipe") == given.recipe.name and is_of(line, given.recipe) for line in lines):
                continue
            run = _begun(given)
            if run is None:
                missing.append(given)
            elif run.finished:
                lines.append(result_of(run))
                finished.append(given)
            elif why := divergence(read_journal(given.folder)):
                diverged[given.folder] = why
            else:
                missing.append(replace(given, recipe=run.recipe))
    return Plan(target, scale, wanted, lines, missing, finished, diverged)


def _begun(given: Planned) -> Run | None:
    """The run in the folder, if there is one; it may be tested or saved more often than was planned, or be fused.

    ValueError where it is a run of something else.
    """
    if not (given.folder / RECIPE).exists():
        return None
    run = open_run(given.folder)
    ours, theirs = given.recipe.to_dict(), run.recipe.to_dict()
    if changed := changed_fields(theirs, {**ours, **{name: theirs.get(name) for name in _FREE}}):
        raise ValueError(f"{given.folder} holds another run: {'; '.join(changed)}; --out names another folder")
    return run


_FREE = set(BOOKKEEPING) - {"name", "seed", "data"}


def plan_text(plan: Plan, speeds: Sequence[Speed]) -> str:
    """What is missing and what it will cost, in lines; and what diverged before."""
    return "\n".join([_missing_text(plan, speeds), *given_up(plan)])


def given_up(plan: Plan) -> list[str]:
    """A line for each run that is not begun again, with what to type for one that should be."""
    again = "It is not begun again; `resnets train --resume"
    return [f"{at} diverged: {why}. {again} {shlex.quote(str(at))}` does that" for at, why in plan.diverged.items()]


def _missing_text(plan: Plan, speeds: Sequence[Speed]) -> str:
    if not plan.missing:
        return "no run is missing"
    used = [nearest(given.recipe.model, speeds) for given in plan.missing]
    lines = [f"runs that are missing: {len(plan.missing)}"]
    for entry, together in groupby(plan.missing, lambda given: given.entry):
        runs = [given.recipe for given in together]
        seeds = seeds_said([run.seed for run in runs])
        speed = nearest(runs[0].model, speeds)
        cost = f"about {about(speed.seconds(runs[0]))}{' each' * (len(runs) > 1)}"
        cost += f", from {speed.model}" * (speed.model != runs[0].model)
        lines.append(f"  {entry.name}, {seeds}: {runs[0].iterations:,} iterations, {cost}")
    total = sum(speed.seconds(given.recipe) for speed, given in zip(used, plan.missing, strict=True))
    megabytes = sum(folder_bytes(given.recipe) for given in plan.missing) / 1e6
    lines.append(f"  in all about {about(total)} one after the other, and {megabytes:,.0f} MB on the disk")
    lines += sources(used)
    if any(speed.model != given.recipe.model for speed, given in zip(used, plan.missing, strict=True)):
        lines.append("Where that is another network, in proportion to multiply-adds.")
    return "\n".join(lines)


def carry_out_missing(plan: Plan, device: str, results: Path | None) -> tuple[list[Record], dict[Path, str]]:
    """Runs what is missing, the seeds of a row side by side. Returns their lines; and which diverged, now or before.

    Each line is added to `results` as soon as its row has finished; first those of runs that had finished before and
    were stopped short of it.
    """
    done: list[Record] = []
    diverged = dict(plan.diverged)
    if results:
        for given in plan.finished:
            append_result(results, result_of(open_run(given.folder)))
    for entry in plan.target.entries:
        mine = [given for given in plan.missing if given.entry == entry]
        if not mine:
            continue
        runs = runs_of([given.recipe for given in mine], [given.folder for given in mine], device)
        say(f"{entry.name}: {len(runs)} of the {len(plan.missing)} runs that were missing")
        failed = carry_out_together(runs)
        diverged |= failed
        lines = [result_of(open_run(run.folder)) for run in runs if run.folder not in failed]
        for line in lines:
            if results:
                append_result(results, line)
        done += lines
    return done, diverged


# ---------------------------------------------------------------------------------------------------------------
# Elsewhere


def commands(plan: Plan, results: Path | None) -> list[str]:
    """A command for each run that is missing, to be typed anywhere, in any order, and again where it was stopped."""
    found = []
    for given in plan.missing:
        words = ["resnets", "train", given.entry.recipe, *changed_words(given)]
        begin = shlex.join([*words, "--out", str(given.folder), *(["--results", str(results)] if results else [])])
        again = shlex.join(["resnets", "train", "--resume", str(given.folder)])
        again += f" --results {shlex.quote(str(results))}" if results else ""
        found.append(f"if [ -e {shlex.quote(str(given.folder / RECIPE))} ]; then {again}; else {begin}; fi")
    return found


def changed_words(given: Planned) -> list[str]:
    """The fields that entry, scale and seed change in the recipe, as `resnets train` takes them."""
    entry = given.entry
    usual = entry.planned("paper", given.recipe.seed).to_dict()
    scaled = {name: value for name, value in given.recipe.to_dict().items() if value != usual[name]}
    changed = [word for word in entry.changes if not word.startswith("seed=")]
    return [*changed, *(f"{name}={_word(value)}" for name, value in scaled.items()), f"seed={given.recipe.seed}"]


def _word(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def write_jobs(plan: Plan, path: Path, results: Path | None) -> None:
    """A shell script of all missing runs: one a task of a Slurm array, one a GPU, one over several GPUs, all in a row.

    Networks for photographs get as many GPUs as the paper's did. ValueError where `path` is there already.
    """
    if path.exists():
        raise ValueError(f"{path} exists; --jobs names a new file")
    runs = commands(plan, results)
    tasks = "\n".join(f"{number}) {command} ;;" for number, command in enumerate(runs))
    photographs = all(isinstance(given.recipe, PhotographRecipe) for given in plan.missing)
    gpus = PHOTOGRAPH_GPUS if photographs and plan.scale != "smoke" else 1
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, _JOBS.format(last=len(runs) - 1, path=path, tasks=tasks, gpus=gpus))


PHOTOGRAPH_GPUS = 8
"""For the networks of ImageNet, 32 images on each (README of KaimingHe/deep-residual-networks)."""

_JOBS = """#!/bin/sh
#SBATCH --array=0-{last}
#SBATCH --gpus-per-node={gpus}
#
# A run goes on where it was stopped; one that has finished ends at once.
#
#   sbatch {path}                              one task a run
#   sh {path} 3                                run 3 alone
#   CUDA_VISIBLE_DEVICES=1 sh {path} 3 4 5     some of them, on a GPU of its own
#   GPUS=2 sh {path} 3                         run 3 over two GPUs, by torchrun: each has a part of every batch
#   GPUS=2 sbatch --gpus-per-node=2 {path}     the same of each task
#   sh {path}                                  all, one after the other
#
# A run may go on with another number of GPUs. BN normalises over the images of one.

GPUS=${{GPUS:-{gpus}}}

resnets() {{
if [ "$GPUS" -gt 1 ]; then
    torchrun --standalone --nproc-per-node "$GPUS" -m resnets.cli "$@"
else
    command resnets "$@"
fi
}}

run() {{
case "$1" in
{tasks}
*) echo "there is no run $1, there are 0 to {last}" >&2; return 2 ;;
esac
}}

if [ -n "$SLURM_ARRAY_TASK_ID" ]; then set -- "$SLURM_ARRAY_TASK_ID"; fi
if [ $# -eq 0 ]; then set -- $(seq 0 {last}); fi
status=0
for number in "$@"; do run "$number" || status=$?; done
exit $status
"""
