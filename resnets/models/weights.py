"""Weights in and out: our own safetensors files, and what others publish. Reading never runs a file's code.

Our file is a safetensors file whose metadata (strings; JSON where structured) holds the fields of `Weights`.
"""

import hashlib
import json
import re
import warnings
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from resnets.files import write_atomic
from resnets.models.catalog import list_models, skeleton
from resnets.models.layouts import LAYOUTS, Weights
from resnets.preprocessing import Preprocessing

FORMAT_VERSION = 1
ALLOWED = (
    "a run folder, a .safetensors file, a checkpoint of PyTorch (.pth, .pt, .th), "
    "or the name of a network whose weights the package ships"
)


def write_weights(path: str | Path, weights: Weights) -> None:
    """Write `weights` to `path`, a safetensors file, whole or not at all; equal weights make equal bytes.

    Raises OSError where the file system refuses.
    """
    structured = {
        "changes": weights.changes,
        "num_classes": weights.num_classes,
        "recipe": weights.recipe,
        "licence": weights.licence,
    }
    metadata = {
        "format": "resnets",
        "format_version": str(FORMAT_VERSION),
        "model": weights.model,
        "provenance": weights.provenance,
        "preprocessing": "null" if weights.preprocessing is None else weights.preprocessing.to_json(),
        **{key: json.dumps(value) for key, value in structured.items()},
    }
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.state.items()}
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


def read_weights(source: str | Path) -> Weights:
    """The weights that `source` names, every tensor held against the network: name, shape and kind.

    `source` is a run folder (its `model.safetensors`), a safetensors file, a checkpoint of PyTorch in one of
    the `LAYOUTS`, or a network whose weights the package ships; a path that exists goes before a name.

    Raises ValueError, with one line, for a source that does not exist, a file that is damaged, would run code
    or has an unknown layout, and tensors that do not fit; OSError for a file that may not be read.
    """
    path = _file_of(source)
    with path.open("rb") as file:
        head = file.read(64)
    if head[8:9] == b"{":
        return _read_safetensors(path)
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return _foreign(_read_torch(path), path)
    raise ValueError(f"{path}: {_what(head)}, not weights; allowed is {ALLOWED}")


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


def _what(head: bytes) -> str:
    """What a file that begins with `head` seems to be."""
    if not head:
        return "an empty file"
    if head.lstrip().startswith(b"<"):
        return "a web page (HTML)"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer (`git lfs pull` fetches the file it stands for)"
    return f"a file that begins with {head[:8]!r}"


# ------------------------------------------------------------------------------------------------------------
# Files


def _read_safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:
        raise ValueError(f"{path}: a damaged safetensors file ({one_line(error)})") from None
    if metadata.get("format") != "resnets":
        return _foreign(state, path)
    version = metadata.get("format_version", "")
    if version != str(FORMAT_VERSION):
        raise ValueError(f"{path}: format version {version!r}, this release reads {FORMAT_VERSION}")
    try:
        preprocessing = metadata["preprocessing"]
        weights = Weights(
            state=state,
            model=metadata["model"],
            changes=_of_type(dict, json.loads(metadata["changes"])),
            num_classes=_of_type(int, json.loads(metadata["num_classes"])),
            preprocessing=None if preprocessing == "null" else Preprocessing.from_json(preprocessing),
            recipe=_of_type(dict | None, json.loads(metadata["recipe"])),
            licence=_of_type(str | None, json.loads(metadata["licence"])),
            provenance=metadata["provenance"],
        )
    except KeyError as error:
        raise ValueError(f"{path}: damaged metadata, {error} is missing") from None
    except Exception as error:
        raise ValueError(f"{path}: damaged metadata ({one_line(error)})") from None
    check_fit(weights, path)
    return weights


def _of_type(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{value!r} where {kind} belongs")
    return value


def _read_torch(path: Path) -> Any:
    """What torch.save wrote, tensors and plain containers only."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols, and of deprecated storages in old files
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged pickles raise nearly everything there is
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused:
            raise ValueError(
                f"{path}: asks for {refused[1]}, which is code and is not run; "
                "allowed are tensors, numbers and text (save the `state_dict` alone)"
            ) from None
        raise ValueError(f"{path}: a damaged checkpoint ({one_line(error)})") from None


def one_line(error: Exception) -> str:
    """An error in one line, not too long."""
    text = next(iter(str(error).strip().splitlines()), "")
    if text.startswith("Weights only load failed"):  # and here torch advises to load it with code
        text = "not tensors and plain containers"
    text = text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}".removesuffix(": ")
    return text if len(text) <= 160 else text[:157] + "..."


# ------------------------------------------------------------------------------------------------------------
# Layouts


def _foreign(content: Any, path: Path) -> Weights:
    weights = recognise(content, path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return replace(weights, provenance=f"{weights.provenance}: {path.name}, SHA-256 {digest}")


def recognise(content: Any, where: str | Path) -> Weights:
    """The weights in `content`: a state dict of a known layout, or a dict that holds one by a usual name.

    Every tensor is held against the network. Raises ValueError, beginning with `where`, for anything else.
    """
    for key in ("state_dict", "model_state_dict", "model", "net"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{where}: holds {type(content).__name__}, not tensors by name (a `state_dict`)")
    strangers = [str(k) for k, v in content.items() if not (isinstance(k, str) and isinstance(v, Tensor))]
    if strangers:
        raise ValueError(f"{where}: not tensors by name (a `state_dict`): {_few(strangers)}")
    wrapped = all(name.startswith("module.") for name in content)  # saved from DataParallel
    state = {name.removeprefix("module.") if wrapped else name: t.detach() for name, t in content.items()}
    for layout in LAYOUTS:
        weights = layout(state)
        if weights is not None:
            check_fit(weights, where)
            return weights
    found = _few([f"{name} {tuple(tensor.shape)}" for name, tensor in state.items()])
    known = ", ".join(layout.__name__.strip("_") for layout in LAYOUTS)
    raise ValueError(f"{where}: unknown layout: {found}; known are {known}")


def check_fit(weights: Weights, where: str | Path) -> None:
    """ValueError, beginning with `where`, unless the state is that of the network, tensor for tensor."""
    try:
        expected = skeleton(weights.model, weights.num_classes, **weights.changes).state_dict()
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{where}: {one_line(error)}") from None
    # Files from before PyTorch 0.4.1 have no counter; nothing here uses it.
    missing = [n for n in expected if n not in weights.state and not n.endswith("num_batches_tracked")]
    left_over = [name for name in weights.state if name not in expected]
    wrong = [
        f"{name} {_kind(tensor)} for {_kind(expected[name])}"
        for name, tensor in weights.state.items()
        if name in expected and _kind(tensor) != _kind(expected[name])
    ]
    kinds = {"missing": missing, "left over": left_over, "wrong": wrong}
    faults = "; ".join(f"{kind}: {_few(names)}" for kind, names in kinds.items() if names)
    if faults:
        raise ValueError(f"{where}: does not fit {weights.model}: {faults}")


def _kind(tensor: Tensor) -> str:
    """Shape and kind of number in words: where they are equal, one tensor can be copied into the other."""
    number = "" if tensor.is_floating_point() else " of integers" if not tensor.is_complex() else " of complex"
    stored = "" if tensor.layout == torch.strided else f" in {tensor.layout}"
    return f"{tuple(tensor.shape)}{number}{stored}"


def _few(names: list[str]) -> str:
    """The first few of `names`, and how many there are."""
    shown = [name if name.isprintable() else repr(name) for name in names[:4]]
    return ", ".join(shown) + (f" ... ({len(names)} in all)" if len(names) > 4 else "")
