"""The development kit of ILSVRC-2012: what the classes are called, and the labels of the validation pictures.

Its labels are numbers of ILSVRC's own, from 1. Everybody's weights have their classes in the order of the WordNet ids
instead, as folders are sorted; so have all labels of this package.
"""

import csv
import gzip
import io
import tarfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resnets.data.photographs import Photographs
from resnets.files import counted

KIT = "ILSVRC2012_devkit_t12"
META, TRUTH = "meta.mat", "ILSVRC2012_validation_ground_truth.txt"
_MOST_BYTES = 1 << 26
"""Of a file of the kit, the largest of which has some 400 kB."""
_NAMED_APART = {"n02012849": "crane bird", "n03710721": "maillot tank suit"}
"""Classes whose first synonym is another's too, as torchvision calls them."""
SYNSETS = "synsets.csv"
"""The file that says what classes are called where their folders are called by their WordNet ids."""


class Synset(NamedTuple):
    """A class."""

    wnid: str
    """Its WordNet id, such as n01440764."""
    number: int
    """Its number in ILSVRC, from 1."""
    words: str
    """Its synonyms, such as "tench, Tinca tinca"."""


class Devkit(NamedTuple):
    """What is in the kit."""

    synsets: tuple[Synset, ...]
    """In the order of the WordNet ids, so of the labels."""
    truth: tuple[str, ...]
    """The WordNet id of each validation picture, in the order of their numbers."""


def read_devkit(folder: Path) -> Devkit:
    """The kit in `folder`: its archive, or the folder it was unpacked to. ValueError where it is not whole."""
    archive = folder / f"{KIT}.tar.gz"
    if archive.is_file():
        where, files = archive, _unpacked(archive)
    else:
        homes = (folder / KIT / "data", folder / KIT, folder / "data", folder)
        where = next((home for home in homes if (home / META).is_file()), folder)
        files = {name: (where / name).read_bytes() for name in (META, TRUTH) if (where / name).is_file()}
    if missing := [name for name in (META, TRUTH) if name not in files]:
        raise ValueError(f"{where}: {' and '.join(missing)} not found; expected is {KIT}.tar.gz or its folder {KIT}")
    synsets = _synsets(files[META], f"{where}: {META}")
    numbers = {synset.number: synset.wnid for synset in synsets}
    lines = files[TRUTH].decode(errors="replace").split()
    if wrong := [line for line in lines if not (line.isascii() and line.isdigit() and int(line) in numbers)]:
        raise ValueError(f"{where}: {TRUTH} has {wrong[0]!r} in it, allowed are the numbers of {len(numbers)} classes")
    return Devkit(synsets, tuple(numbers[int(line)] for line in lines))


def _unpacked(archive: Path) -> dict[str, bytes]:
    """The two files, by name, wherever they lie in the archive."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.rsplit("/", 1)[-1]
                content = tar.extractfile(member) if member.isreg() and name in (META, TRUTH) else None
                if content:
                    if member.size > _MOST_BYTES:
                        raise ValueError(f"{archive}: {name} has {member.size} bytes, allowed are {_MOST_BYTES}")
                    found[name] = content.read()
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{archive}: a damaged archive ({error})") from None
    return found


def _synsets(content: bytes, where: str) -> tuple[Synset, ...]:
    """The classes, which are the synsets that have no others below them."""
    from scipy.io import loadmat  # slow to import; scikit-learn brings it

    try:
        table = np.atleast_1d(loadmat(io.BytesIO(content), squeeze_me=True)["synsets"])
        fields = zip(*(table[name] for name in ("WNID", "ILSVRC2012_ID", "words", "num_children")), strict=True)
        found = [Synset(str(wnid), int(number), str(words)) for wnid, number, words, below in fields if not int(below)]
    except Exception as error:  # SciPy raises whatever a damaged file leads it to
        raise ValueError(f"{where}: not a table of synsets ({type(error).__name__}: {error})") from None
    if len({synset.wnid for synset in found}) < len(found) or len({synset.number for synset in found}) < len(found):
        raise ValueError(f"{where}: two classes have one WordNet id or one number")
    if len(found) < 2:
        raise ValueError(f"{where}: {counted(len(found), 'class', 'classes')} found, 2 or more expected")
    return tuple(sorted(found))


def class_names(synsets: tuple[Synset, ...]) -> tuple[str, ...]:
    """What the classes are called: by their first synonym, as torchvision's weights have it."""
    names = [_NAMED_APART.get(synset.wnid, synset.words.split(",")[0].strip()) for synset in synsets]
    return tuple(
        f"{name} ({synset.wnid})" if names.count(name) > 1 else name
        for name, synset in zip(names, synsets, strict=True)
    )


def synsets_csv(synsets: tuple[Synset, ...]) -> str:
    """The content of the file `SYNSETS`."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("wnid", "name", "ilsvrc2012_id", "words"))
    table.writerows((s.wnid, name, s.number, s.words) for s, name in zip(synsets, class_names(synsets), strict=True))
    return text.getvalue()


def named(photographs: Photographs, path: Path) -> Photographs:
    """Photographs whose classes are WordNet ids, with the names that the file `SYNSETS` at `path` gives them."""
    names = _names(path)
    if strange := [wnid for wnid in photographs.classes if wnid not in names]:
        raise ValueError(f"{path}: does not say what the class {strange[0]} is called")
    return replace(photographs, classes=tuple(names[wnid] for wnid in photographs.classes))


def _names(path: Path) -> dict[str, str]:
    """WordNet id -> what the class is called, as `synsets_csv` wrote it; ValueError where it is something else."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names = {row["wnid"]: row["name"] for row in csv.DictReader(file, strict=True)}
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a table with the columns wnid and name ({error})") from None
    if not names or None in names.values() or len(set(names.values())) < len(names):
        raise ValueError(f"{path}: every wnid needs a name, and no two the same")
    return names
