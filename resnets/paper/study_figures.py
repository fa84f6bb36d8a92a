"""From the record of a study, a line of `results/studies.jsonl`, to its figure."""

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from resnets.paper.lines import Record
from resnets.paper.subjects import surrogates_said
from resnets.report import studies as figures
from resnets.report.style import say_surrogate


def _named(record: Record, *fields: str) -> dict[str, Any]:
    """By network one field, or several as a tuple."""
    found = {net["name"]: tuple(net[field] for field in fields) for net in record["networks"]}
    return {name: values if len(fields) > 1 else next(iter(values)) for name, values in found.items()}


DRAWN: dict[str, Callable[[Record], Figure]] = {
    "responses": lambda record: figures.responses(_named(record, "std")),
    "lesions": lambda record: figures.lesions(_named(record, "whole", "without")),
    "gradients": lambda record: figures.gradients(_named(record, "maps", "weights")),
    "learning": lambda record: figures.learning(_named(record, "steps", "maps")),
    "growth": lambda record: figures.growth(*(record[n] for n in ("steps", "losses", "strengths", "losses_without"))),
    "line": lambda record: figures.line(record["points"], (record["ends"][0], record["ends"][1])),
}


def draw(record: Record) -> Figure:
    """The figure of a record; it says which networks are surrogates."""
    figure = DRAWN[record["study"]](record)
    if surrogates := surrogates_said(looked_at(record)):
        say_surrogate(figure, surrogates)
    return figure


def looked_at(record: Record) -> list[str]:
    """The names of the networks of a study; lines of earlier versions may lack them."""
    return [net["name"] for net in record.get("networks", [])] or record.get("subjects", [])
