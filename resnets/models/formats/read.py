"""Which format a file has, and its reader."""

from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from resnets.models.formats.caffe import read_caffemodel
from resnets.models.formats.content import Content, Refused, Room, state_of
from resnets.models.formats.keras import read_keras
from resnets.models.formats.pytorch import read_stream, read_zip
from resnets.models.formats.torch7 import read_torch7

HDF5 = b"\x89HDF\r\n\x1a\n"
ALLOWED = (
    "a run folder, a .safetensors file, a checkpoint of PyTorch (.pth, .pt, .th), a .caffemodel, a .t7 of Torch7, "
    "a .pkl of detectron2, an .h5 of Keras, or the name of a network whose weights the package ships"
)


def read_content(path: Path) -> Content:
    """What the file at `path` holds, whatever its format.

    Raises ValueError, with one line that begins with `path`, where it is damaged, of no known format, or asks for
    what is not done; OSError where the file system refuses.
    """
    with path.open("rb") as file:
        head = file.read(64)
    known = _reader(path, head)
    if known is None:
        raise ValueError(f"{path}: {_what(head)}, not weights; allowed is {ALLOWED}")
    name, read = known
    try:
        return read(path)
    except Refused as error:
        raise ValueError(f"{path}: {error}") from None
    except OSError:
        raise
    except Exception as error:  # the readers raise ValueError, but damage finds ways
        raise ValueError(f"{path}: a damaged {name} ({one_line(error)})") from None


def _reader(path: Path, head: bytes) -> tuple[str, Callable[[Path], Content]] | None:
    """What a file seems to be, and who reads it."""
    suffix = path.suffix.lower()
    if suffix == ".caffemodel":  # a message, which has no beginning of its own
        return "caffemodel", lambda path: read_caffemodel(path.read_bytes())
    if head[8:9] == b"{":
        return "safetensors file", _safetensors
    if head.startswith(b"PK\x03\x04"):
        return "checkpoint", _zip
    if head.startswith(HDF5) or suffix in (".h5", ".hdf5"):
        return "HDF5 file", lambda path: read_keras(path.read_bytes())
    if head[:4] in (b"\3\0\0\0", b"\4\0\0\0") or suffix == ".t7":
        return "file of Torch7", lambda path: read_torch7(path.read_bytes())
    if head.startswith(b"\x80") or suffix in (".pkl", ".pickle"):
        return "checkpoint", _pickle
    return None


def _safetensors(path: Path) -> Content:
    try:
        with safe_open(path, "pt") as file:
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
            return Content("safetensors", tensors, says=file.metadata() or {})
    except OSError as error:  # the library's word for a file that is cut short
        raise ValueError(str(error)) from None


def _zip(path: Path) -> Content:
    content = path.read_bytes()
    return Content("PyTorch", state_of(read_zip(content), Room(len(content))))


def _pickle(path: Path) -> Content:
    content = path.read_bytes()
    structure, is_pytorch = read_stream(content)
    return Content("PyTorch" if is_pytorch else "pickle", state_of(structure, Room(len(content))))


def _what(head: bytes) -> str:
    """What a file that begins with `head` seems to be."""
    if not head:
        return "an empty file"
    if head.lstrip().startswith(b"<"):
        return "a web page (HTML)"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer (`git lfs pull` fetches the file it stands for)"
    return f"a file that begins with {head[:8]!r}"


def one_line(error: Exception) -> str:
    """An error in one line, not too long."""
    text = " ".join(str(error).split())
    text = text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}".removesuffix(": ")
    return text if len(text) <= 160 else text[:157] + "..."
