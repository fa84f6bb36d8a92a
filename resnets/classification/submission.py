"""The file that the ILSVRC test server takes: a line a picture, five class numbers, the likeliest first.

    771 778 794 387 650
    363 691 764 923 427

Pictures come in the order of their file names. A class is called by its number in the development kit, from 1
(ILSVRC2012_ID). That is not its place among the logits: networks have classes in the order of their WordNet numbers.
Source: readme.txt of the ILSVRC2012 development kit ("Submission of results") and of its successors (section 3.3).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from jaxtyping import Float
from torch import Tensor

from resnets.data.photographs import Photographs
from resnets.files import Log, naming, write_atomic

SYNSET = re.compile(r"n\d{8}")
"""A WordNet number, by which folders and annotations call a class."""
_BEST = 5


@dataclass(frozen=True)
class Submission:
    """A file that is to be written."""

    path: Path
    order: list[int]
    """Indices of the pictures, by file name."""
    numbers: list[int]
    """The server's number of each class of the networks."""

    def write(self, scores: Float[Tensor, "N C"]) -> None:
        """The whole file; of equal scores, the class that comes first goes first. ValueError for what is no number."""
        if bool(scores.isnan().any()):
            raise ValueError("submission: scores are not numbers: a network is broken")
        best = scores.sort(dim=1, descending=True, stable=True).indices[:, :_BEST].tolist()
        lines = (" ".join(str(self.numbers[label]) for label in best[index]) for index in self.order)
        write_atomic(self.path, "".join(f"{line}\n" for line in lines))


def prepare(
    path: Path, synsets: Path, photographs: Photographs, classes: tuple[str, ...], num_classes: int, log: Log
) -> Submission:
    """What `path` will hold for `photographs`, judged by networks that have `num_classes` and may name them.

    `synsets` is the kit's `meta.mat`, or a text file with a line for each class: WordNet number, number, perhaps words
    (`map_clsloc.txt`). Where networks call their classes otherwise than by WordNet numbers, they are taken to be in the
    order of these, as they are in all public weights, and a line says so. ValueError where the file is there already,
    classes have no number, or two pictures have one name.
    """
    if path.exists():
        raise ValueError(f"submission: {path} is there already; nothing is overwritten")
    if not path.parent.is_dir():
        raise ValueError(f"submission: {path.parent} is no folder")
    names = [PurePosixPath(name).name for name in photographs.names]
    order = sorted(range(len(names)), key=names.__getitem__)
    if twice := [names[one] for one, other in pairwise(order) if names[one] == names[other]]:
        raise ValueError(f"submission: two pictures are called {twice[0]}; the server knows them by their file names")
    numbers = read_numbers(synsets)
    if not (classes and all(map(SYNSET.fullmatch, classes))):
        classes = tuple(sorted(wnid for wnid, number in numbers.items() if number <= num_classes))
        log(f"submission: classes are taken to be in the order of the WordNet numbers in {synsets}")
    missing = [name for name in classes if name not in numbers]
    if missing or len(classes) != num_classes:
        raise ValueError(
            f"{synsets}: {len(classes) - len(missing)} of the networks' {num_classes} classes have a number"
            + (f"; {missing[0]} has none" if missing else "")
        )
    return Submission(path, order, [numbers[name] for name in classes])


def read_numbers(path: Path) -> dict[str, int]:
    """The server's numbers of the classes by WordNet number; ValueError, of one line, where `path` does not say."""
    try:
        with naming(path):
            pairs = list(_kit(path) if path.suffix == ".mat" else _lines(path))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # SciPy's reader raises whatever it likes
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ValueError(f"{path}: not the kit's meta.mat, nor lines of WordNet number and number ({reason})") from None
    numbers = dict(pairs)
    if not numbers or len(numbers) < len(pairs) or len(set(numbers.values())) < len(pairs):
        raise ValueError(f"{path}: {len(pairs)} classes, among which a name or a number stands twice, or none")
    return numbers


def _lines(path: Path) -> Iterable[tuple[str, int]]:
    for line in path.read_text().splitlines():
        wnid, number, *_ = line.split()
        yield _pair(wnid, number)


def _kit(path: Path) -> Iterable[tuple[str, int]]:
    """The array `synsets`, whose number is called after the year; 2012's holds those of inner nodes too, behind."""
    from scipy.io import loadmat  # half a second, for those who ask

    synsets = loadmat(str(path), squeeze_me=True)["synsets"].ravel()
    (number,) = (name for name in synsets.dtype.names if name.endswith("_ID") and name != "WNID")
    for synset in synsets:
        yield _pair(synset["WNID"], synset[number])


def _pair(wnid: Any, number: Any) -> tuple[str, int]:
    if not SYNSET.fullmatch(str(wnid)) or int(number) < 1:
        raise ValueError(f"{wnid} {number}")
    return str(wnid), int(number)
