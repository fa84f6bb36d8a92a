"""The responses of a target's runs: which are measured, measured once, and kept in lines of results.

A line is that of `resnets study responses`. Each network that was measured here says in it of which run it is (`run`).
It is kept beside the runs as soon as it is measured, and then in the results that are named, all of a call in one line,
so that documents show them together.
"""

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.recipes import recipe
from resnets.classification.record import append_result, result_of
from resnets.classification.run import open_run
from resnets.files import say
from resnets.paper.entries import Entry, Target
from resnets.paper.lines import Record, read_lines
from resnets.paper.markdown import listed
from resnets.paper.plan import Plan, Planned, plan
from resnets.paper.studies import Question, study
from resnets.paper.verdicts import is_of

KEPT = "studies.jsonl"
"""Beside the runs: their measurements."""
_RUN = ("recipe", "model", "seed", "iterations", "data", "departures")
"""What a measured network says of its run."""
_WORDS = ("resnets", "study", "responses")


@dataclass(frozen=True, kw_only=True)
class Responses:
    """Those of the runs of a target: found in lines, or measured."""

    target: Target
    scale: str
    asked: list[int] | None
    """Seeds. None: the first; then any network does that `resnets study` found trained as its paper says."""
    source: Path
    """The lines of results."""
    out: Path
    """Where the runs are."""

    @property
    def seeds(self) -> list[int]:
        return [0] if self.asked is None else self.asked

    def found(self) -> dict[str, list[Record]]:
        """By name of an entry what was measured of it, one a seed."""
        networks = self._known()
        return {entry.name: self._of(entry, networks) for entry in self.target.entries}

    def _known(self) -> list[Record]:
        """All networks of the results and of the lines beside the runs."""
        return _networks([*_lines(self.source), *_lines(self.out / KEPT)])

    def _of(self, entry: Entry, networks: Sequence[Record]) -> list[Record]:
        mine = [_newest(entry.planned(self.scale, seed), networks) for seed in self.seeds]
        if self.asked is None and self.scale == "paper":
            mine.append(_studied(recipe(entry.recipe).model, networks))
            return [net for net in mine if net][:1]
        return [net for net in mine if net]

    def plan(self, recorded: Sequence[Record]) -> Plan:
        """The runs of `target`; missing is one that neither has been measured nor has weights that could be."""
        made = plan(self.target, self.scale, self.seeds, recorded, self.out)
        found = self.found()
        needed = [given for given in self._weights().missing if not _covered(given, found)]
        return replace(made, missing=needed)

    def _weights(self) -> Plan:
        """By the folders alone: a recorded run is no network that could be looked at."""
        return plan(self.target, self.scale, self.seeds, [], self.out)

    def unmeasured(self) -> list[Planned]:
        """The finished runs that have not been measured."""
        networks = self._known()
        return [given for given in self._weights().finished if _newest(given.recipe, networks) is None]

    def measure(self, device: str, results: Path | None) -> None:
        """Measures and keeps what has not been."""
        for given in self.unmeasured():
            say(f"responses of {given.folder}")
            append_result(self.out / KEPT, _measured(given, device))
        if results:
            self._record(results)

    def _record(self, results: Path) -> None:
        """Adds to `results` what is kept beside the runs and not there."""
        there, kept = _networks(_lines(results)), _lines(self.out / KEPT)
        new = []
        for given in self._weights().finished:
            mine = [line for line in kept if _newest(given.recipe, _networks([line]))]
            if mine and _newest(given.recipe, there) is None:
                new.append(mine[-1])
        for line in _joined(new):
            append_result(results, line)

    def remarks(self, made: Plan | None, results: Path | None, began: bool) -> list[str]:
        """What a reader of the answer should know. `began`: whether `results`, where named, had responses at first.

        `made`: what is missing, where it is not run.
        """
        said = []
        if results and not began:
            said.append(f"{results} had no line of `resnets study responses`")
        if made is None:
            return said
        known = {given.folder for given in plan(self.target, self.scale, self.seeds, made.lines, self.out).missing}
        if again := [given.entry.name for given in made.missing if given.folder not in known]:
            said.append(f"recorded, but without weights in {self.out}, and so to be run again: {listed(again)}")
        if waiting := self.unmeasured():
            folders = listed(given.folder for given in waiting)
            said.append(f"finished, to be measured by `resnets reproduce figure7`: {folders}")
        return said


def has_responses(path: Path) -> bool:
    """Whether a file of results has lines of the study."""
    return bool(_lines(path))


def _lines(path: Path) -> list[Record]:
    return [line for line in read_lines(path) if line.get("study") == "responses"]


def _networks(lines: Iterable[Record]) -> list[Record]:
    """All networks, the oldest first, each with the data it was looked at on."""
    return [{**net, "on": line["data"]} for line in lines for net in line["networks"]]


def _newest(planned: ClassifierRecipe, networks: Sequence[Record]) -> Record | None:
    """What was measured last of the run that was planned."""
    mine = [net for net in networks if "run" in net and is_of(net["run"], planned)]
    return mine[-1] if mine else None


def _studied(model: str, networks: Sequence[Record]) -> Record | None:
    """The newest by name: a network that departs from its paper's recipe has another. Its seed is not known."""
    mine = [net for net in networks if (net["name"], net["on"], net["images"]) == (model, "cifar10", 10_000)]
    return mine[-1] if mine else None


def _covered(given: Planned, found: dict[str, list[Record]]) -> bool:
    nets = found[given.entry.name]
    return any("run" not in net or is_of(net["run"], given.recipe) for net in nets)


def _measured(given: Planned, device: str) -> Record:
    """The line of a finished run."""
    record, text, _ = study("responses", Question(weights=[str(given.folder)], new=[], device=device))
    say(text.splitlines()[-1])
    run = result_of(open_run(given.folder))
    networks = [{**net, "run": {name: run[name] for name in _RUN}} for net in record["networks"]]
    return {**record, "networks": networks, "command": shlex.join([*_WORDS, str(given.folder)])}


def _joined(lines: Iterable[Record]) -> list[Record]:
    """One line for all that were measured on one machine by one version."""
    together: dict[str, list[Record]] = {}
    for line in lines:
        together.setdefault(json.dumps([line["data"], line["environment"]], sort_keys=True), []).append(line)
    return [
        {
            **several[-1],
            "networks": [net for line in several for net in line["networks"]],
            "command": shlex.join([*_WORDS, *(w for line in several for w in shlex.split(line["command"])[3:])]),
        }
        for several in together.values()
    ]
