"""What a network sees in pictures: the same reading and normalising as evaluation, by construction."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from resnets.classification.trained import preprocessing_of
from resnets.data.folder import pictures_below
from resnets.data.in_order import in_order
from resnets.data.pictures import centre_crop, decode_whole, read_scaled
from resnets.evaluation.protocols import single_view
from resnets.evaluation.scores import Execution
from resnets.files import write_atomic
from resnets.models.factory import load
from resnets.preprocessing import Preprocessing
from resnets.runtime import cores, resolve_device, set_precision

SHOWN = 5
STANDARD_INPUT = "-"


def predict(
    weights: str, pictures: Iterable[Path | str], device: str = "auto", save: Path | None = None
) -> dict[str, Any]:
    """`{"predictions": [{"image", "classes": [{"name", "probability"}]}], "unreadable": [{"image", "reason"}]}`.

    The likeliest classes come first; a class is called by its number where the weights do not name their classes.

    Args:
        pictures: files, folders with pictures in them or below, and "-" for one picture, encoded, on standard input.
        save: a folder for copies of the pictures with their classes written below; their paths are in "drawn".

    What is no picture is passed over and said, in "unreadable". ValueError for what is not there, and for a folder
    without pictures, before any picture is judged.
    """
    sources = list(_sources(pictures))
    where = resolve_device(device)
    set_precision("fp32")
    model = load(weights).to(where).to(memory_format=torch.channels_last)
    expected = preprocessing_of(weights, model)
    normalise, size = expected.normaliser(where), Execution(device=where).images_at_once(expected.crop)
    names = expected.classes
    record: dict[str, Any] = {"predictions": [], "unreadable": []}
    with closing(in_order(lambda source: _read(source, expected), sources, cores(), size)) as read:
        while batch := list(islice(read, size)):
            judged = [source for source, image in batch if not isinstance(image, str)]
            record["unreadable"] += [
                {"image": str(source), "reason": image} for source, image in batch if isinstance(image, str)
            ]
            if not judged:
                continue
            images = torch.stack([image for _, image in batch if not isinstance(image, str)])
            scores = single_view(model, images.to(where), normalise, batch_size=size)
            for source, classes in zip(judged, _likeliest(scores, names), strict=True):
                prediction = {"image": str(source), "classes": classes}
                if save:
                    prediction["drawn"] = str(save_drawn(prediction, save, source.content))
                record["predictions"].append(prediction)
    return record


class _Source:
    """A picture to be judged: a file, or what came on standard input."""

    def __init__(self, name: Path | str, content: bytes | None = None) -> None:
        self.name, self.content = str(name), content

    def __str__(self) -> str:
        return self.name


def _sources(given: Iterable[Path | str]) -> Iterator[_Source]:
    for one in map(str, given):
        if one == STANDARD_INPUT:
            yield _Source(one, sys.stdin.buffer.read())
        elif Path(one).is_dir():
            files = pictures_below(Path(one))
            if not files:
                raise ValueError(f"{one}: a folder without a picture")
            yield from map(_Source, files)
        else:
            Path(one).stat()  # OSError, which names it, where there is no such file
            yield _Source(one)


def _read(source: _Source, expected: Preprocessing) -> tuple[_Source, Tensor | str]:
    """The picture as the network expects it, or why there is none."""
    try:
        read = source.name if source.content is None else source.content
        (picture,) = read_scaled(read, source.name, [expected.resize])
        return source, centre_crop(picture, expected.crop)
    except ValueError as error:
        return source, str(error).removeprefix(f"{source.name}: ")


def _likeliest(scores: Tensor, names: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
    """The likeliest classes of each picture."""
    best = scores.topk(min(SHOWN, scores.shape[1]))
    for indices, values in zip(best.indices.tolist(), best.values.tolist(), strict=True):
        yield [
            {"name": names[index] if names else str(index), "probability": probability}
            for index, probability in zip(indices, values, strict=True)
        ]


def predictions_text(record: dict[str, Any]) -> str:
    """A line for each picture."""
    lines = []
    for prediction in record["predictions"]:
        shown = ", ".join(f"{c['name']} {100 * c['probability']:.1f} %" for c in prediction["classes"])
        lines.append(f"{prediction['image']}: {shown}")
    return "\n".join(lines)


def predictions_csv(record: dict[str, Any]) -> str:
    """The record as a table: a row for each picture, and for each of its classes two columns; `error` says why not."""
    most = max((len(prediction["classes"]) for prediction in record["predictions"]), default=1)
    places = ["", *(str(place) for place in range(2, most + 1))]
    columns = ["image", *(column + place for place in places for column in ("class", "probability")), "error"]
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    for prediction in record["predictions"]:
        row = {"image": prediction["image"]}
        for place, entry in zip(places, prediction["classes"], strict=True):
            row |= {f"class{place}": entry["name"], f"probability{place}": f"{entry['probability']:.6f}"}
        writer.writerow(row)
    writer.writerows({"image": one["image"], "error": one["reason"]} for one in record["unreadable"])
    return table.getvalue().removesuffix("\n")


def save_drawn(prediction: dict[str, Any], folder: Path, content: bytes | None = None) -> Path:
    """A copy of the picture with its classes written below it, as a new PNG in `folder`; returns its path.

    The picture is read from its path, or from `content`. The copy is called after it, with a number behind where that
    name is taken: nothing is overwritten.
    """
    from resnets.report.style import drawable, font_file  # matplotlib, for those who ask for drawings only

    folder.mkdir(parents=True, exist_ok=True)
    source = Path(prediction["image"] if content is None else "standard-input")
    picture = Image.fromarray(decode_whole(source.read_bytes() if content is None else content, str(source)))
    if picture.width < 320:  # small pictures are shown larger, their pixels as they are
        factor = -(-320 // picture.width)
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    line = max(18, picture.width // 22)
    classes = prediction["classes"]
    canvas = Image.new("RGB", (picture.width, picture.height + line * len(classes) + line), "white")
    canvas.paste(picture)
    draw = ImageDraw.Draw(canvas)
    for i, entry in enumerate(classes):
        top, name = picture.height + line // 2 + i * line, drawable(entry["name"])
        font = ImageFont.truetype(font_file(name), line * 0.7)
        draw.rectangle((0, top, canvas.width * entry["probability"], top + line - 3), fill="#cfe3f5")
        percent = f"{100 * entry['probability']:5.1f}".replace(" ", "\N{FIGURE SPACE}")  # as wide as a digit
        draw.text((6, top), f"{percent} %  {name}", fill="#222222", font=font)
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    path = _free(folder, source.stem)
    write_atomic(path, buffer.getvalue())
    return path


def _free(folder: Path, stem: str) -> Path:
    """`stem`.png in `folder`, with a number behind the stem where that name is taken."""
    names = chain([stem], (f"{stem}-{number}" for number in count(2)))
    return next(path for name in names if not (path := folder / f"{name}.png").exists())
