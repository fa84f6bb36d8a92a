"""The page of a run: one HTML file that needs nothing else, and its figures as PNG files beside it."""

import io
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from resnets.files import write_atomic
from resnets.report import words
from resnets.report.figures import confusion, error_curves, learning_rate, mistakes, overlay, save_png, to_svg
from resnets.report.summary import (
    RunReport,
    class_names,
    classes,
    confused,
    curve,
    events,
    headlines,
    measured,
    status,
)

_PICTURES = 24  # how many mistakes a page shows
_THUMBNAIL = 192  # pixels: a larger picture is scaled down, or a page of photographs would weigh megabytes
_FEW = 20  # up to this many classes, the table of classes stands open
_WIDE, _NARROW = 7.6, 4.3  # inches: a figure on a screen or on paper, and on a phone


def write_page(folder: Path, run: RunReport) -> Path:
    """Write `folder/report.html` and `folder/figures/*.png`; returns the page's path.

    The page is one file without scripts that asks nothing of any network; it is written last, and whole.
    """
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for name, draw in _figures(run, texts=True).items():
        save_png(draw(_WIDE), folder / "figures" / f"{name}.png")
    path = folder / "report.html"
    write_atomic(path, render("run.html", **_contents(run)))
    return path


def render(template: str, **contents: Any) -> str:
    """A template of this folder filled with `contents`, every text escaped."""
    page = _templates().get_template(template).render(**contents)
    return page.encode("utf-8", "replace").decode()  # a class named after a folder may hold undecodable bytes


@cache
def _templates() -> jinja2.Environment:
    here = jinja2.FileSystemLoader(Path(__file__).parent)
    templates = jinja2.Environment(
        loader=here, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for word in (words.percent, words.count, words.interval, words.duration, words.plural):
        templates.filters[word.__name__] = word
    return templates


def data_uri(kind: str, content: bytes) -> str:
    """`content` of media type `kind` as an address that holds it."""
    return f"data:{kind};base64,{b64encode(content).decode('ascii')}"


def picture(draw: Callable[[float], Figure]) -> dict[str, str]:
    """A figure for wide and for narrow screens, as addresses that hold them."""
    return {
        name: data_uri("image/svg+xml", to_svg(draw(width)).encode())
        for name, width in (("wide", _WIDE), ("narrow", _NARROW))
    }


def _figures(run: RunReport, texts: bool) -> dict[str, Callable[[float], Figure]]:
    """By name, the figures for which there is something to draw, each a function of its width in inches.

    `texts` is whether the events are written under the learning rate; the page has them as a list of its own.
    """
    rows, evaluation = measured(run), run.evaluation or {}
    rates = [row.get("lr") for row in rows]
    figures: dict[str, Callable[[float], Figure]] = {
        "error": lambda width: error_curves([curve(run)], until=run.iterations, width=width),
        "learning_rate": lambda width: learning_rate(
            [int(row["step"]) for row in rows],
            rates,
            events(run),
            until=run.iterations,
            width=width,
            texts=texts,
        ),
    }
    if evaluation.get("confusion") is not None:
        names = class_names(evaluation)
        figures["confusion"] = lambda width: confusion(evaluation["confusion"], names, width=min(width, 6.6))
    if wrong := list(evaluation.get("mistakes") or [])[:_PICTURES]:
        captions = [
            f"{one['true']} taken for {one['predicted']}, {words.percent(100 * one['probability'], 0)}" for one in wrong
        ]
        figures["mistakes"] = lambda width: mistakes([one["image"] for one in wrong], captions, width)
    return figures


def _contents(run: RunReport) -> dict[str, Any]:
    evaluation, rows = run.evaluation or {}, measured(run)
    figures = _figures(run, texts=False)
    kind, sentence = status(run)
    return {
        "title": run.title,
        "data": run.data,
        "status": kind,
        "sentence": sentence,
        "headlines": headlines(run),
        "pictures": {name: picture(draw) for name, draw in figures.items() if name != "mistakes"},
        "events": events(run),
        "has_validation": any(words.is_number(row.get("validation_error")) for row in rows),
        "published": run.published,
        "evaluation": run.evaluation,
        "classes": classes(evaluation.get("per_class") or []),
        "few": _FEW,
        "confused": confused(evaluation),
        "confused_pictures": {
            pair: [picture_uri(image) for image in images] for pair, images in evaluation.get("confused", {}).items()
        },
        "photographs": any(
            not _is_small(image) for images in evaluation.get("confused", {}).values() for image in images
        ),
        "mistakes": [_shown(one) for one in list(evaluation.get("mistakes") or [])[:_PICTURES]],
        "right": [_shown(one) for one in evaluation.get("right", ())],
        "tables": {
            "Recipe": words.flatten(run.recipe),
            "Data": words.flatten(run.data),
            "Environment": words.flatten(run.environment),
        },
        "departures": list(run.departures),
        "said": list(run.said),
    }


def _shown(one: Mapping[str, Any]) -> dict[str, Any]:
    """An answer of the network as the page shows it: pictures as addresses, probability in percent."""
    heat = one.get("map")
    return {
        **one,
        "name": one.get("name"),
        "image": picture_uri(one["image"]),
        "map": None if heat is None else picture_uri(overlay(one["image"], heat)),
        "small": _is_small(one["image"]),
        "percent": 100 * one["probability"],
    }


def _is_small(image: Any) -> bool:
    """Whether the pixels of a picture (3, H, W) are to be seen as squares."""
    return max(np.asarray(image).shape[1:]) <= 64


def picture_uri(image: Any) -> str:
    """A picture, uint8 (3, H, W), no larger than a thumbnail, as an address that holds it."""
    made = Image.fromarray(np.ascontiguousarray(np.asarray(image).transpose(1, 2, 0)))
    made.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    small = _is_small(image)
    made.save(buffer, format="PNG" if small else "JPEG", quality=88)
    return data_uri("image/png" if small else "image/jpeg", buffer.getvalue())
