"""What `resnets convert` does: a file of weights becomes one of ours, or one as torchvision or timm lays it out."""

from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from resnets.files import write_atomic
from resnets.models.catalog import arguments, drops_by_the_batch, skeleton
from resnets.models.factory import REGULARISERS
from resnets.models.formats.content import few
from resnets.models.layouts import TIMM, TORCHVISION, Weights
from resnets.models.names import TIMM_VGG, State
from resnets.models.recognise import Recognised
from resnets.models.weights import examine, write_weights
from resnets.preprocessing import Preprocessing


def convert(source: str, out: str | None = None, to: str | None = None, **how: Any) -> tuple[dict[str, Any], str]:
    """Writes the weights in `source` to `out`; returns what was recognised, as a record and as text.

    `to` is None for a file of ours, or one of `WRITERS`; `out` ends in .safetensors, or for others in .pth too, and is
    by default called after `source`, in the current folder. `how` are the arguments of `weights.examine`.
    Raises ValueError for weights that cannot be read or cannot be laid out so, and for an `out` that exists.
    """
    found = examine(source, **how)
    path = Path(out or f"{Path(source).stem}{f'-{to}' if to else ''}.safetensors")
    allowed = (".safetensors",) if to is None else (".safetensors", ".pth")
    if path.suffix not in allowed:
        raise ValueError(f"{path}: the name must end in {' or '.join(allowed)}")
    if path.exists():
        raise ValueError(f"{path}: exists, and nothing is overwritten; --out names another file")
    if to is None:
        write_weights(path, found.weights)
    else:
        _write_state(path, WRITERS[to](found.weights), found.weights)
    record = _record(source, found, path, to)
    return record, _text(record)


# ------------------------------------------------------------------------------------------------------------
# Others' layouts


def as_torchvision(weights: Weights) -> State:
    """The state dict of torchvision's network with these weights; ValueError where it has none that is the same."""
    _same_network(weights, "torchvision", TORCHVISION)
    return _with_counters(weights)


def as_timm(weights: Weights) -> State:
    """The state dict of timm's network with these weights; ValueError where it has none that is the same."""
    _same_network(weights, "timm", TIMM)
    theirs = {ours: name for name, ours in TIMM_VGG.items()}
    state = {}
    for name, tensor in _with_counters(weights).items():
        layer, _, kind = name.rpartition(".")
        if kind == "weight" and layer in ("classifier.0", "classifier.3"):
            side = 7 if layer == "classifier.0" else 1
            tensor = tensor.unflatten(1, (-1, side, side))
        state[f"{theirs.get(layer, layer)}.{kind}"] = tensor
    return state


WRITERS: dict[str, Callable[[Weights], State]] = {"torchvision": as_torchvision, "timm": as_timm}


def _same_network(weights: Weights, project: str, networks: dict[str, str]) -> None:
    different = [f"{key}={value!r}" for key, value in weights.changes.items() if key not in REGULARISERS]
    if drops_by_the_batch(weights.model, weights.changes):  # whose branches count for less in inference, too
        different.append(f"drop_path={arguments(weights.model, **weights.changes)['drop_path']!r}")
    if weights.model not in networks or different:
        what = " with ".join([weights.model, *different])
        raise ValueError(
            f"{project} has no network that computes what {what} does; "
            "a file of this package (without --to) has torchvision's names of parameters"
        )
    if weights.missing:
        raise ValueError(f"{project}'s networks are whole, and these weights lack {few(weights.missing)}")


def _with_counters(weights: Weights) -> State:
    """All tensors of the network in its order; BN's counters, which others ask for, are 0 where nobody counted."""
    expected = skeleton(weights.model, weights.num_classes, **weights.changes).state_dict()
    return {name: weights.state.get(name, torch.zeros((), dtype=torch.int64)) for name in expected}


def _write_state(path: Path, state: State, weights: Weights) -> None:
    state = {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}
    if path.suffix == ".pth":
        buffer = BytesIO()
        torch.save(state, buffer)
        write_atomic(path, buffer.getvalue())
    else:
        about = {"format": "pt", "provenance": weights.provenance, "licence": weights.licence or "not said"}
        write_atomic(path, save(state, about))


# ------------------------------------------------------------------------------------------------------------
# What is said


def _record(source: str, found: Recognised, path: Path, to: str | None) -> dict[str, Any]:
    weights = found.weights
    return {
        "source": source,
        "format": found.format,
        "layout": found.layout,
        "model": weights.model,
        "changes": weights.changes,
        "num_classes": weights.num_classes,
        "preprocessing": weights.preprocessing and _pixels(weights.preprocessing),
        "licence": weights.licence,
        "provenance": weights.provenance,
        "missing": list(weights.missing),
        "left_over": list(found.left_over),
        "remarks": list(found.remarks),
        "written": str(path),
        "as": to or "resnets",
    }


def _pixels(preprocessing: Preprocessing) -> dict[str, Any]:
    """The record, with a mean image as its size and classes as their names."""
    record = asdict(preprocessing)
    mean = torch.tensor(preprocessing.mean)
    if mean.dim() == 3:
        record["mean"] = f"an image of {mean.shape[1]}x{mean.shape[2]} pixels"
    return {**record, "classes": list(preprocessing.classes)}


def _text(record: dict[str, Any]) -> str:
    pixels, changes = record["preprocessing"], record["changes"]
    network = " with ".join(
        [record["model"], *([_listed(f"{k}={v!r}" for k, v in changes.items())] if changes else [])]
    )
    lines = {
        "read": f"{record['source']}: {record['format']}, in the layout of {record['layout']}",
        "network": f"{network}; {record['num_classes']:,} classes",
        "classes": _listed(pixels["classes"][:3]) + " ..." if pixels and pixels["classes"] else "nobody says",
        "pictures": "nobody says" if pixels is None else _picture(pixels),
        "licence": record["licence"] or "nobody says",
        "from": record["provenance"],
        "missing": few(record["missing"]),
        "left over": few(record["left_over"]),
        "note": "; ".join(record["remarks"]),
        "written": f"{record['written']}, as {record['as']} lays it out",
    }
    return "\n".join(f"{f'{name}:':11}{text}" for name, text in lines.items() if text)


def _picture(pixels: dict[str, Any]) -> str:
    mean = (
        pixels["mean"] if isinstance(pixels["mean"], str) else _listed(f"{255 * value:.3f}" for value in pixels["mean"])
    )
    scale = (
        ""
        if pixels["std"] == [1 / 255] * 3
        else f", divided by {_listed(f'{255 * value:.3f}' for value in pixels['std'])}"
    )
    return (
        f"shorter side {pixels['resize']}, centre {pixels['crop']}x{pixels['crop']}, {pixels['channels']} in 0..255, "
        f"less {mean}{scale}"
    )


def _listed(parts: Any) -> str:
    return ", ".join(parts)
