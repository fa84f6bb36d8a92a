"""timm's `config.json`, which lies beside its weights where they come from a hub: it names the network, which tensors
alone do not always show, and says what was done to pictures.

Source: timm, `models/_hub.py`, `data/transforms_factory.py` (`crop_pct`: the crop's part of the resized side).
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnets.models.layouts import TIMM
from resnets.preprocessing import Preprocessing

_LARGEST = 1 << 20


@dataclass(frozen=True)
class Card:
    """What such a file says."""

    model: str
    """Our name of the network."""
    preprocessing: Preprocessing
    remarks: tuple[str, ...]


def card_beside(path: Path) -> Card | None:
    """The card of the weights at `path`; None where there is none of timm.

    Raises ValueError where it names a network that is not one of `TIMM`, or says something that cannot be.
    """
    beside = path.with_name("config.json")
    if not beside.is_file() or beside.stat().st_size > _LARGEST:
        return None
    try:
        config = json.loads(beside.read_bytes())
    except (ValueError, RecursionError):
        return None  # of something else, perhaps
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        return None
    given = config["architecture"]
    ours = next((ours for ours, theirs in TIMM.items() if theirs == given), None)
    if ours is None:
        raise ValueError(f"{beside} says that this is timm's {given[:60]!r}, which is not read; see docs/weights.md")
    try:
        return Card(
            ours, *_pictures({"label_names": config.get("label_names"), **(config.get("pretrained_cfg") or {})})
        )
    except (TypeError, KeyError, ValueError, IndexError, OverflowError) as error:
        raise ValueError(f"{beside}: does not say what timm's does ({error})") from None


def _pictures(config: dict[str, Any]) -> tuple[Preprocessing, tuple[str, ...]]:
    """What is done to pictures at test time, and what of it is done otherwise here."""
    side = int((config.get("test_input_size") or config["input_size"])[-1])
    part = float(config.get("test_crop_pct") or config.get("crop_pct") or 0.875)
    names = config.get("label_names") or ()
    preprocessing = Preprocessing(
        crop=side,
        resize=math.floor(side / part),
        mean=[float(value) for value in config["mean"]],
        std=[float(value) for value in config["std"]],
        classes=tuple(str(name) for name in names) if isinstance(names, list) else (),
    )
    way = config.get("interpolation", "bilinear")
    return preprocessing, () if way == "bilinear" else (f"timm resizes these pictures {str(way)[:20]}, here bilinear",)
