"""Weights in and out: our own safetensors files, and what others publish. Reading never runs a file's code.

Our file is a safetensors file whose metadata (strings; JSON where structured) holds the fields of `Weights`.
"""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from resnets.files import sha256_of, write_atomic
from resnets.models.catalog import list_models, skeleton
from resnets.models.formats.caffe import read_mean
from resnets.models.formats.content import Content
from resnets.models.formats.read import ALLOWED, one_line, read_content
from resnets.models.hub import card_beside
from resnets.models.layouts import WITH_PYTORCH, Weights
from resnets.models.recognise import How, Recognised, fitted, recognise
from resnets.preprocessing import Preprocessing

FORMAT_VERSION = 1


def write_weights(path: str | Path, weights: Weights) -> None:
    """Write `weights` to `path`, a safetensors file, whole or not at all; equal weights make equal bytes.

    Raises OSError where the file system refuses.
    """
    structured = {
        "changes": weights.changes,
        "num_classes": weights.num_classes,
        "recipe": weights.recipe,
        "licence": weights.licence,
        **({"missing": list(weights.missing)} if weights.missing else {}),
    }
    metadata = {
        "format": "resnets",
        "format_version": str(FORMAT_VERSION),
        "model": weights.model,
        "provenance": weights.provenance,
        "preprocessing": "null" if weights.preprocessing is None else weights.preprocessing.to_json(),
        **{key: json.dumps(value) for key, value in structured.items()},
    }
    # Copies: two names of one tensor, safetensors does not write.
    state = {n: t.detach().cpu().clone(memory_format=torch.contiguous_format) for n, t in weights.state.items()}
    write_atomic(Path(path), _sorted_header(save(state, metadata)))


def _sorted_header(content: bytes) -> bytes:
    """The same safetensors file with its metadata in order: the library writes them in a random one."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[end:]


def shipped_weights() -> dict[str, Path]:
    """The networks whose weights the package ships, and the files."""
    folder = Path(str(files("resnets"))) / "weights"
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def read_weights(
    source: str | Path,
    *,
    partial: bool = False,
    origin: str | None = None,
    model: str | None = None,
    mean: str | Path | None = None,
) -> Weights:
    """The weights that `source` names, every tensor held against the network: name, shape and kind.

    `source` is a run folder (its `model.safetensors`), a file in one of the `layouts.LAYOUTS`, or a network whose
    weights the package ships; a path that exists goes before a name. Of a file of others it may have to be said:

    Args:
        partial: take what is there, though tensors are missing or left over.
        origin: the layout whose conventions the weights follow, such as "keras" for some under torchvision's names.
        model: the network, where names and shapes fit several.
        mean: the mean image of the original release (`.binaryproto`); one that lies alone beside a `.caffemodel` is
            found.

    Raises ValueError, with one line, for a source that does not exist, a file that is damaged, would run code
    or has an unknown layout, and tensors that do not fit; OSError for a file that may not be read.
    """
    return examine(source, partial=partial, origin=origin, model=model, mean=mean).weights


def examine(
    source: str | Path,
    *,
    partial: bool = False,
    origin: str | None = None,
    model: str | None = None,
    mean: str | Path | None = None,
) -> Recognised:
    """What `read_weights` reads, with how it was told. The arguments and what is raised are the same."""
    path = _file_of(source)
    content = read_content(path)
    if content.says.get("format") == "resnets":
        if told := [name for name, value in {"origin": origin, "model": model, "mean": mean}.items() if value]:
            raise ValueError(f"{path}: a file of this package says itself what it is; {told[0]} is for those of others")
        return Recognised(_own(path, content), content.format, "resnets", (), ())
    card = card_beside(path) if content.format in WITH_PYTORCH else None
    image = Path(mean) if mean is not None else _mean_beside(path) if content.format == "Caffe" else None
    found = recognise(content, path, How(partial, origin, model, None if image is None else _mean(image), card))
    parts = [path] if image is None else [path, image]
    origins = "; ".join(f"{part.name}, SHA-256 {sha256_of(part)}" for part in parts)
    return replace(found, weights=replace(found.weights, provenance=f"{found.weights.provenance}: {origins}"))


def _file_of(source: str | Path) -> Path:
    path = Path(source)
    if path.is_dir():
        if not (path / "model.safetensors").is_file():
            raise ValueError(f"{path}: a folder without model.safetensors, which a run writes when it ends")
        return path / "model.safetensors"
    if path.exists():
        return path
    shipped = shipped_weights()
    if str(source) in shipped:
        return shipped[str(source)]
    has = f"it ships those of {', '.join(shipped)}" if shipped else "it ships none"
    if str(source) in list_models():
        raise ValueError(f"{source}: the package ships no weights of this network ({has}); allowed is {ALLOWED}")
    raise ValueError(f"{source}: no such file or folder; allowed is {ALLOWED} ({has})")


def _mean_beside(path: Path) -> Path | None:
    """The mean image in the same folder, where there is one only."""
    found = sorted(path.parent.glob("*.binaryproto"))
    return found[0] if len(found) == 1 else None


def _mean(path: Path) -> Any:
    try:
        return read_mean(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: a damaged mean image ({one_line(error)})") from None


def _own(path: Path, content: Content) -> Weights:
    """The weights in a file that `write_weights` wrote."""
    metadata = content.says
    version = metadata.get("format_version", "")
    if version != str(FORMAT_VERSION):
        raise ValueError(f"{path}: format version {version!r}, this release reads {FORMAT_VERSION}")
    try:
        preprocessing = metadata["preprocessing"]
        weights = Weights(
            state=content.tensors,
            model=metadata["model"],
            changes=_of_type(dict, json.loads(metadata["changes"])),
            num_classes=_of_type(int, json.loads(metadata["num_classes"])),
            preprocessing=None if preprocessing == "null" else Preprocessing.from_json(preprocessing),
            recipe=_of_type(dict | None, json.loads(metadata["recipe"])),
            licence=_of_type(str | None, json.loads(metadata["licence"])),
            provenance=metadata["provenance"],
        )
        lacking = _of_type(list, json.loads(metadata.get("missing", "[]")))
    except KeyError as error:
        raise ValueError(f"{path}: damaged metadata, {error} is missing") from None
    except Exception as error:
        raise ValueError(f"{path}: damaged metadata ({one_line(error)})") from None
    try:
        _check_size(weights.changes, len(content.tensors))
        frame = skeleton(weights.model, weights.num_classes, **weights.changes)
        found, left_over = fitted(weights, frame, partial=bool(lacking))
        check_names(weights)
        if left_over or sorted(found.missing) != sorted(map(str, lacking)):
            raise ValueError(f"does not fit {weights.model}: other tensors are missing than its metadata says")
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path}: {error if isinstance(error, ValueError) else one_line(error)}") from None
    return found


_COUNTS = ("n", "cardinality", "kernels")
"""Changes that say how many parts a network has."""
_PARTS = 1000
"""So many units or paths of a unit no file needs that has fewer tensors."""


def _check_size(changes: dict[str, Any], tensors: int) -> None:
    """ValueError where changes ask for more parts than `tensors` could fill: they would all be made."""
    for name, value in changes.items():
        count = len(value) if isinstance(value, list) else value if isinstance(value, int) else 0
        if name in _COUNTS and count > max(tensors, _PARTS):
            raise ValueError(f"{name} is {value!r}, but the file has {tensors} tensors")


def check_names(weights: Weights) -> None:
    """ValueError where the names of the classes are not as many as the network knows."""
    names = weights.preprocessing.classes if weights.preprocessing else ()
    if names and len(names) != weights.num_classes:
        raise ValueError(f"{len(names)} names of classes, the network knows {weights.num_classes}")


def _of_type(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{value!r} where {kind} belongs")
    return value
