"""What a network sees in pictures: the same reading and normalising as evaluation, by construction."""

from io import BytesIO
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps

from resnets.classification.trained import preprocessing_of
from resnets.data.pictures import read_picture
from resnets.evaluation.protocols import single_view
from resnets.evaluation.scores import Execution
from resnets.files import write_atomic
from resnets.models.factory import load
from resnets.runtime import resolve_device

SHOWN = 5


def predict(weights: str, pictures: list[Path], device: str = "auto") -> dict[str, Any]:
    """`{"predictions": [{"image", "classes": [{"name", "probability"}]}]}`, the likeliest classes first.

    A class is called by its number where the weights do not name their classes.
    All pictures are read before any is judged: one that cannot be read raises ValueError naming it.
    """
    where = resolve_device(device)
    model = load(weights).to(where).to(memory_format=torch.channels_last)
    preprocessing = preprocessing_of(weights, model)
    images = [read_picture(path, preprocessing.resize, preprocessing.crop) for path in pictures]
    size = Execution(device=where).images_at_once(preprocessing.crop)
    scores = single_view(model, torch.stack(images).to(where), preprocessing.normaliser(where), batch_size=size)
    names = preprocessing.classes or [str(index) for index in range(scores.shape[1])]
    best = scores.topk(min(SHOWN, scores.shape[1]))
    return {
        "predictions": [
            {
                "image": str(path),
                "classes": [
                    {"name": names[index], "probability": probability}
                    for index, probability in zip(indices.tolist(), values.tolist(), strict=True)
                ],
            }
            for path, indices, values in zip(pictures, best.indices, best.values, strict=True)
        ]
    }


def save_drawn(prediction: dict[str, Any], folder: Path) -> Path:
    """A copy of the picture with its classes written below it, as a new PNG in `folder`; returns its path.

    It is called after the picture, with a number behind where that name is taken: nothing is overwritten.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(prediction["image"])
    with Image.open(source) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    if picture.width < 320:  # small pictures are shown larger, their pixels as they are
        factor = -(-320 // picture.width)
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    line = max(18, picture.width // 22)
    classes = prediction["classes"]
    canvas = Image.new("RGB", (picture.width, picture.height + line * len(classes) + line), "white")
    canvas.paste(picture)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(line * 0.75)
    for i, entry in enumerate(classes):
        top = picture.height + line // 2 + i * line
        draw.rectangle((0, top, canvas.width * entry["probability"], top + line - 3), fill="#cfe3f5")
        draw.text((6, top), f"{100 * entry['probability']:5.1f} %  {entry['name']}", fill="#222222", font=font)
    buffer = BytesIO()
    canvas.save(buffer, "PNG")
    path = _free(folder, source.stem)
    write_atomic(path, buffer.getvalue())
    return path


def _free(folder: Path, stem: str) -> Path:
    """`stem`.png in `folder`, with a number behind the stem where that name is taken."""
    names = chain([stem], (f"{stem}-{number}" for number in count(2)))
    return next(path for name in names if not (path := folder / f"{name}.png").exists())
