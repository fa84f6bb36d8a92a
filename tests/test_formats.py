"""Readers of others' files: what they read is what was written, and no file does more than be refused.

Damage is drawn by a seed; what an attacker would write is written by hand. Memory is watched while hostile files are
read: what they declare is never allocated.
"""

import argparse
import io
import pickle
import pickletools
import random
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import caffe_files
import h5py
import numpy as np
import other_files
import pytest
import torch
import torch7_files
from numpy_nets import Draw
from safetensors.torch import save
from torch import nn

from resnets.cli import main
from resnets.models.formats.caffe import read_mean
from resnets.models.formats.read import read_content
from resnets.models.weights import read_weights

# ------------------------------------------------------------------------------------------------------------
# What is written is read


def torch_bytes(content: Any, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def varied() -> dict[str, Any]:
    """A state dict with all that there is in one, among them views of one storage."""
    base = torch.arange(24.0).reshape(4, 6)
    kinds = (*("float16", "bfloat16", "float32", "float64"), *("uint8", "int8", "int16", "int32", "int64", "bool"))
    module = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    return {
        **{kind: torch.tensor([0, 1, 1], dtype=getattr(torch, kind)) for kind in (*kinds, "complex64")},
        **{"whole": base, "turned": base.t(), "part": base[1:3, ::2], "row": base[2]},
        **{"number": torch.tensor(7.5), "empty": torch.empty(0, 3), "parameter": nn.Parameter(torch.ones(2))},
        **module.state_dict(),
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_checkpoints_are_read_as_torch_reads_them(zipped: bool, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    kept = {"args": argparse.Namespace(lr=0.1), "best": np.float64(0.5), "epoch": 3, "lists": [1, (2, None)]}
    optimiser = {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    torch.save(
        {**kept, "state_dict": varied(), "optimizer": optimiser},
        path,
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )
    theirs = torch.load(path, weights_only=False)["state_dict"]
    ours = read_content(path).tensors
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype, name
        assert torch.equal(ours[name], tensor), name


def test_a_state_dict_alone_keeps_no_metadata(tmp_path: Path) -> None:
    """`state_dict()` is an OrderedDict with attributes."""
    state = nn.BatchNorm2d(3).state_dict()
    (tmp_path / "w.pth").write_bytes(torch_bytes(state))
    assert list(read_content(tmp_path / "w.pth").tensors) == list(state)


def test_a_mean_image() -> None:
    image = np.arange(48, dtype="f4").reshape(3, 4, 4)
    for older in (True, False):
        assert np.array_equal(read_mean(caffe_files.binaryproto(image, older)).numpy(), image)
    doubles = caffe_files.MESSAGES["BlobProto"](double_data=image.ravel())
    doubles.shape.dim.extend(image.shape)
    assert np.array_equal(read_mean(doubles.SerializeToString()).numpy(), image)


# ------------------------------------------------------------------------------------------------------------
# Damage


def keras_bytes(tmp_path: Path) -> bytes:
    rng = np.random.default_rng(0)
    layers = {
        f"conv{i}_conv": {"kernel": rng.random((3, 3, 2, 2), "f4"), "bias": rng.random(2, "f4")} for i in range(3)
    }
    other_files.write_keras(tmp_path / "made.h5", layers)
    return (tmp_path / "made.h5").read_bytes()


def small_tree() -> torch7_files.Module:
    draw = Draw(0)
    linear = torch7_files.Module("nn.Linear", {"weight": draw.matrix(2, 3), "bias": draw.vector(2, 0, 1)})
    first = torch7_files.convolution(draw, 3, 4, 3, padding=1)
    return torch7_files.sequential(first, torch7_files.normalisation(draw, 4), torch7_files.relu_(), linear)


def small_net() -> list[dict[str, Any]]:
    return caffe_files.resnet(Draw(0), (1, 0, 0, 0))[:5]


SMALL = {"a": np.arange(12, dtype="f4").reshape(3, 4), "b": np.ones(3, "f4"), "c": np.full((1, 1), 2.5, "f4")}
TINY: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "zip": ("w.pth", lambda _: torch_bytes({k: torch.from_numpy(v) for k, v in SMALL.items()})),
    "legacy": ("w.pth", lambda _: torch_bytes({k: torch.from_numpy(v) for k, v in SMALL.items()}, zipped=False)),
    "safetensors": ("w.safetensors", lambda _: save({k: torch.from_numpy(v) for k, v in SMALL.items()})),
    **{f"pickle, {how}": ("w.pkl", lambda _, how=how: other_files.PICKLES[how](SMALL)) for how in other_files.PICKLES},
    "caffemodel": ("w.caffemodel", lambda _: caffe_files.caffemodel(small_net())),
    "t7": ("w.t7", lambda _: torch7_files.t7(small_tree())),
    "t7, longs of 4 bytes": ("w.t7", lambda _: torch7_files.t7(small_tree(), 4)),
    "h5": ("w.h5", keras_bytes),
}
EXTREME = [b"\0" * 4, b"\xff" * 4, b"\xff" * 8, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 7 + b"\x7f", b"\x80" * 11]


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Cut, overwritten, with a part of itself put elsewhere, or with a part left out."""
    spoilt = bytearray(content)
    place, length = draw.randrange(len(spoilt)), draw.choice([1, 2, 8, 60, 400])
    match draw.choice(["cut", "bytes", "bytes", "extreme", "extreme", "splice", "leave out", "double"]):
        case "cut":
            del spoilt[place:]
        case "bytes":
            for _ in range(draw.choice([1, 3, 20])):
                near = draw.randrange(min(800, len(spoilt)))  # where the names are: at the ends
                spoilt[draw.choice([near, -near - 1, draw.randrange(len(spoilt))])] = draw.randrange(256)
        case "extreme":
            number = draw.choice(EXTREME)
            spoilt[place : place + len(number)] = number
        case "splice":
            source = draw.randrange(len(spoilt))
            spoilt[place : place + length] = spoilt[source : source + length]
        case "leave out":
            del spoilt[place : place + length]
        case "double":
            spoilt[place:place] = spoilt[place : place + length]
    return bytes(spoilt)


@pytest.mark.parametrize("kind", TINY)
def test_damage_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    name, make = TINY[kind]
    path, content = tmp_path / name, make(tmp_path)
    path.write_bytes(content)
    whole = read_content(path)
    draw, refused = random.Random(f"damage of {kind}"), 0
    for _ in range(80):
        path.write_bytes(damaged(content, draw))
        began = time.process_time()
        try:
            found = read_content(path)
            assert sum(t.numel() for t in found.tensors.values()) <= 2 * len(content)
        except ValueError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
        assert time.process_time() - began < 5
    assert refused > 15
    assert whole.tensors


def test_damage_after_the_reader_is_refused_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a reader lets through meets the layouts and the network: through the command, whatever it is."""
    draw = random.Random("damage, through the command")
    for kind in ("zip", "caffemodel", "t7", "h5", "pickle, python 2"):
        name, make = TINY[kind]
        content = make(tmp_path)
        for _ in range(4):
            (tmp_path / name).write_bytes(damaged(content, draw))
            assert main(["convert", str(tmp_path / name), "--out", str(tmp_path / "out.safetensors"), "--partial"]) == 2
            said = capsys.readouterr()
            assert said.err.count("\n") == 1, said.err
            assert not said.out
    assert not (tmp_path / "out.safetensors").exists()


# ------------------------------------------------------------------------------------------------------------
# Intent


class Evil:
    """Unpickled, it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def zipped(pickled: bytes, storage: bytes = b"\0" * 16, **how: Any) -> bytes:
    """An archive as torch.save makes it, of a pickle and one storage, "0"."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **how) as archive:
        for name, content in {"data.pkl": pickled, "version": b"3\n", "data/0": storage}.items():
            archive.writestr(f"archive/{name}", content)
    return buffer.getvalue()


def key(text: str) -> bytes:
    return b"X" + struct.pack("<i", len(text)) + text.encode()


def tensor(count: int, size: tuple[Any, ...], stride: tuple[int, ...]) -> bytes:
    """The instructions that make one of storage "0"."""

    def whole(*numbers: Any) -> bytes:
        return b"".join(pickle.dumps(number, 2)[2:-1] for number in numbers)

    storage = b"(" + key("storage") + b"ctorch\nFloatStorage\n" + key("0") + key("cpu") + whole(count) + b"tQ"
    place = b"K\0(" + whole(*size) + b"t(" + whole(*stride) + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + place + b"\x89ccollections\nOrderedDict\n)RtR"


def table(*items: bytes) -> bytes:
    return b"\x80\x02}(" + b"".join(items) + b"u."


def doubling(module: torch7_files.Module, times: int) -> torch7_files.Module:
    for _ in range(times):
        module = torch7_files.sequential(module, module)
    return module


def nested_table(depth: int) -> bytes:
    """A table in a table in a table ..."""
    return b"".join(struct.pack("<iiiid", 3, index, 1, 1, 1.0) for index in range(1, depth))


def huge_blob(dims: list[int]) -> bytes:
    net = caffe_files.MESSAGES["NetParameter"]()
    layer = net.layer.add(name="conv1", type="Convolution")
    layer.blobs.add(data=[1.0]).shape.dim.extend(dims)
    return net.SerializeToString()


def h5(fill: Callable[[Any], object]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file.create_group("conv1_conv"))
    return buffer.getvalue()


def many_names(group: Any) -> None:
    group["kernel:0"] = np.zeros((64, 256), "f4")
    for number in range(60):
        group.parent.create_group(f"layer{number}")["kernel:0"] = group["kernel:0"]


def cycle(group: Any) -> None:
    group["again"] = group


HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "bytes of a pickle": ("w.pkl", b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"abc.", "damaged checkpoint"),
    "an array of bytes": ("w.pkl", b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc.", "damaged checkpoint"),
    "a far memo": ("w.pkl", b"\x80\x02}r\xff\xff\xff\x7f(" + key("a") + b"K\x01u.", "not tensors by name"),
    "tuples in tuples as a key": ("w.pkl", b"\x80\x02}()" + b"\x85" * 5_000 + b"K\x01u.", "a table by tuple"),
    "tuples in tuples": ("w.pkl", table(key("a"), b")" + b"\x85" * 5_000), "not tensors by name"),
    "tuples of themselves": ("w.pkl", table(key("a"), b")" + b"2\x86" * 60), "not tensors by name"),
    "tuples of themselves as a text": (
        "w.pkl",
        b"\x80\x02cnumpy\ndtype\n)" + b"2\x86" * 60 + b"\x85R.",
        "tuple where a text belongs",
    ),
    "calls on what is remembered": (
        "w.pkl",
        b"\x80\x02c_codecs\nencode\nq\x00X"
        + struct.pack("<I", 1 << 16)
        + b"x" * (1 << 16)
        + b"X\x06\x00\x00\x00latin1\x86q\x01"
        + b"h\x00h\x01R" * 500
        + b".",
        "calls that make more than the file is large",
    ),
    "a size of text": (
        "w.pth",
        zipped(table(key("a"), tensor(4, ("x", 1 << 40), (1, 1)))),
        "not described as it should be",
    ),
    "a call of a call": ("w.pkl", b"\x80\x02cnumpy\ndtype\n(" + key("f4") + b"tR)R.", "damaged checkpoint"),
    "an old-style instance": ("w.pkl", b"(S'x'\nios\nsystem\n.", "INST of pickles, which is not followed"),
    "an extension": ("w.pkl", b"\x80\x02\x82\x01.", "EXT1 of pickles, which is not followed"),
    "an attribute of an attribute": (
        "w.pkl",
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
        "asks for builtins.eval, which is code",
    ),
    "a name with a line in it": ("w.pkl", b"\x80\x04\x8c\x03o\ns\x8c\x06system\x93.", "asks for 'o\\ns.system'"),
    "a storage that is too small": (
        "w.pth",
        zipped(table(key("a"), tensor(1 << 40, (3,), (1,)))),
        "16 bytes for",
    ),
    "a tensor past its storage": (
        "w.pth",
        zipped(table(key("a"), tensor(4, (3, 2), (2, 1)))),
        "in a storage of 4",
    ),
    "a tensor of one number, over and over": (
        "w.pth",
        zipped(table(key("a"), tensor(4, (1 << 20, 1 << 20), (0, 0)))),
        "larger than the file",
    ),
    "a negative stride": ("w.pth", zipped(table(key("a"), tensor(4, (4,), (-1,)))), "in a storage of 4 numbers"),
    "one storage, many names": (
        "w.pth",
        zipped(table(*(key(str(i)) + tensor(1 << 14, (1 << 14,), (1,)) for i in range(60))), b"\0" * (1 << 16)),
        "larger than the file",
    ),
    "compressed zeros": (
        "w.pth",
        zipped(table(key("a"), tensor(1 << 24, (1 << 24,), (1,))), b"\0" * (1 << 26), compression=zipfile.ZIP_DEFLATED),
        "larger than the archive",
    ),
    "a compressed pickle": ("w.pth", zipped(table(key("a")), compression=zipfile.ZIP_DEFLATED), "compressed"),
    "another zip archive": ("w.pth", zipped(b"").replace(b"data.pkl", b"data.txt"), "none of torch.save"),
    "a blob of many sides": ("w.caffemodel", huge_blob([1 << 31, 1 << 31]), "1 numbers for a tensor of shape"),
    "a blob of negative sides": ("w.caffemodel", huge_blob([-1, -1]), "1 numbers for a tensor of shape"),
    "a field longer than the file": ("w.caffemodel", b"\xa2\x06" + b"\xff" * 8 + b"\x01", "bytes are declared"),
    "an endless number": ("w.caffemodel", b"\xa2\x06" + b"\xff" * 40, "a number that ends nowhere"),
    "a group of fields": ("w.caffemodel", b"\x0b\x0c", "a field of kind 3"),
    "a long string": ("w.t7", struct.pack("<iii", 4, 1, 0x7FFFFFFF), "bytes are declared"),
    "a negative string": ("w.t7", struct.pack("<iii", 4, 1, -5), "bytes are declared"),
    "a long table": ("w.t7", struct.pack("<iii", 3, 1, 0x7FFFFFFF) + b"\0" * 64, "ends within a number"),
    "a table in itself": ("w.t7", struct.pack("<iiiidii", 3, 1, 1, 1, 1.0, 3, 1), "holds no network"),
    "tables in tables": ("w.t7", nested_table(1_000), "nested more than"),
    "a tree that doubles": (
        "w.t7",
        torch7_files.t7(doubling(small_tree(), 30)),
        "together are larger",
    ),
    "chunks, compressed": (
        "w.h5",
        h5(lambda g: g.create_dataset("kernel:0", (1 << 16, 1 << 10), "f4", chunks=(1024, 1024), compression="gzip")),
        "kept in chunks",
    ),
    "numbers that are not there": (
        "w.h5",
        h5(lambda g: g.create_dataset("kernel:0", (1 << 40,), "f4")),
        "more than the file",
    ),
    "many numbers that are not there": (
        "w.h5",
        h5(lambda g: [g.create_dataset(f"{number}:0", (5_000,), "f4") for number in range(60)]),
        "more than the file holds",
    ),
    "text": ("w.h5", h5(lambda g: g.create_dataset("kernel:0", data=["a", "b"])), "allowed are <f2, <f4, <f8"),
    "one data set, many names": ("w.h5", h5(many_names), "more than the file holds"),
    "a group in itself": ("w.h5", h5(cycle), "more groups than a network has layers"),
    "Keras 3": ("w.h5", h5(lambda g: g.parent.create_group("layers")), "as Keras 3 keeps them"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, content, what = HOSTILE[name]
    path = tmp_path / file
    path.write_bytes(content)
    tracemalloc.start()
    began = time.process_time()
    status = main(["convert", str(path), "--out", str(tmp_path / "out.safetensors")])
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = capsys.readouterr().err
    assert status == 2
    assert said.startswith(f"resnets convert: {path}: ")
    assert said.count("\n") == 1
    assert any(part in said for part in what.split("|")), said
    assert taken < 40e6 + 20 * len(content)
    assert time.process_time() - began < 20


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_code(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "victim"
    pickled = pickle.dumps({"state_dict": Evil(target)}, protocol)
    assert any(opcode.name == "REDUCE" for opcode, _, _ in pickletools.genops(pickled))
    for name, content in {"w.pkl": pickled, "w.pth": zipped(pickled)}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="which is code and is not run"):
            read_weights(tmp_path / name)
    assert not target.exists()
    pickle.loads(pickled)
    assert target.exists(), "it would have"


def test_without_pyfive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyfive", None)
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"w\.h5: HDF5 is read with pyfive, which is not installed: pip install"):
        read_weights(tmp_path / "w.h5")
