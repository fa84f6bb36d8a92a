"""What `resnets reproduce`, `plan` and `study` do, from their arguments to a record and a text."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnets.classification.record import append_once, append_result
from resnets.files import check_appending
from resnets.paper.asked import Answer, Asked
from resnets.paper.reproduce import WHAT, reproduce
from resnets.paper.studies import Question, study
from resnets.report.figures import save_png


def is_target(what: str) -> bool:
    """Whether `what` is a table or figure, or the list of them."""
    return what in WHAT


def brought_back(arguments: argparse.Namespace, seeds: Sequence[int] | None, train: bool) -> Answer:
    """A table or figure of the papers: what is missing is run, or, for a plan, counted up."""

    def path(name: str) -> Path | None:
        value = getattr(arguments, name, None)
        return Path(value) if value else None

    asked = Asked(
        what=arguments.what,
        seeds=None if seeds is None else list(seeds),
        scale=arguments.scale or "paper",
        only=arguments.only.split(",") if arguments.only else None,
        out=path("out"),
        results=path("results"),
        device=arguments.device or "auto",
        train=train,
        photographs=arguments.photographs,
        jobs=path("jobs"),
    )
    if asked.results and train:
        check_appending(asked.results)
    answer = reproduce(asked)
    if asked.results and train and asked.what == "degradation":
        append_once(asked.results, answer.record)
    return answer


def studied(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The answer to a question, its figure saved, its line added to the results."""
    names = ("weights", "data", "images", "seed", "device", "into", "iterations")
    given = {name: getattr(arguments, name) for name in names}
    if arguments.results:
        check_appending(Path(arguments.results))
    new = arguments.new.split(",") if arguments.new else []
    record, text, figure = study(arguments.what, Question(new=new, **given))
    path = Path(arguments.out or f"{arguments.what}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(figure, path)
    record["command"] = shlex.join(["resnets", *sys.argv[1:]])
    if arguments.results:
        append_result(Path(arguments.results), record)
    return {**record, "figure": str(path)}, f"{text}\n{path}"
