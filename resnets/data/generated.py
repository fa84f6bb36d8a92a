"""A tiny ImageNet for trials and tests: drawn shapes, in the archives and with the oddities of ILSVRC-2012.

The classes are learnable, by shape and mostly by colour. As in ImageNet some pictures are grey, some CMYK, one is a PNG
called JPEG, some are progressive or ask to be turned, and hardly two are of one size.
"""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from resnets.data.devkit import KIT, META, TRUTH
from resnets.data.ilsvrc import TRAIN, VAL
from resnets.data.new_folder import new_folder

Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(x, y) of pixels, from -1 to 1 within the square that holds the shape -> whether each belongs to it."""

CLASSES: dict[str, tuple[tuple[int, int, int], Shape]] = {
    "red disc": ((220, 40, 40), lambda x, y: x**2 + y**2 < 1),
    "green square": ((40, 170, 60), lambda x, y: np.maximum(abs(x), abs(y)) < 0.85),
    "blue triangle": ((50, 80, 220), lambda x, y: (y < 0.8) & (2 * abs(x) < 0.9 + y)),
    "yellow ring": ((230, 200, 40), lambda x, y: (x**2 + y**2 < 1) & (x**2 + y**2 > 0.4)),
    "purple cross": (
        (150, 50, 180),
        lambda x, y: (np.minimum(abs(x), abs(y)) < 0.3) & (np.maximum(abs(x), abs(y)) < 1),
    ),
    "orange diamond": ((240, 130, 30), lambda x, y: abs(x) + abs(y) < 1),
    "cyan stripes": ((40, 200, 210), lambda x, y: (np.maximum(abs(x), abs(y)) < 1) & (np.sin(10 * y) > 0)),
    "brown chequers": (
        (130, 80, 40),
        lambda x, y: (np.maximum(abs(x), abs(y)) < 1) & (np.sin(8 * x) * np.sin(8 * y) > 0),
    ),
}
"""What a class is called -> its colour, and its shape."""
_ODD = 12
"""Of as many pictures of a class for training, the first five are each odd in a way of their own."""
_TURN = 0x0112
"""EXIF's tag for the orientation; 6: to be turned by a quarter, clockwise."""


def generate_imagenet(out: Path, classes: int = 4, train: int = 24, val: int = 6, seed: int = 0) -> Path:
    """Writes the three archives of ILSVRC-2012 into the new folder `out`, with so many pictures of each class.

    ILSVRC's own numbers of the classes are in another order than their WordNet ids, as they are in the real ones.
    ValueError where a number is not allowed or `out` is there already.
    """
    if not 2 <= classes <= len(CLASSES):
        raise ValueError(f"classes are {classes}, allowed are 2 to {len(CLASSES)}")
    if train < 1 or val < 1 or seed < 0:
        raise ValueError(f"train {train}, val {val}, seed {seed}: allowed are 1 or more pictures, seeds from 0")
    wnids = [f"n{10_000_019 * (place + 1):08}" for place in range(classes)]
    generator = np.random.default_rng((seed, classes))
    with new_folder(out, classes * (train + val) * 100_000) as folder:
        with _new_tar(folder / f"{TRAIN}.tar") as archive:
            for place, wnid in enumerate(wnids):
                pictures = ((f"{wnid}_{n}.JPEG", _picture(place, n, generator)) for n in range(train))
                _add(archive, f"{wnid}.tar", _tar_of(pictures))
        order = generator.permutation(np.repeat(np.arange(classes), val)).tolist()
        with _new_tar(folder / f"{VAL}.tar") as archive:
            for number, place in enumerate(order, 1):
                _add(archive, f"ILSVRC2012_val_{number:08}.JPEG", _picture(place, number, generator))
        with tarfile.open(folder / f"{KIT}.tar.gz", "w:gz") as archive:
            _add(archive, f"{KIT}/data/{META}", _meta(wnids, train))
            _add(archive, f"{KIT}/data/{TRUTH}", "".join(f"{_number(k, classes)}\n" for k in order).encode())
    return out


def _number(place: int, classes: int) -> int:
    """ILSVRC's number of the class at `place` in the order of the WordNet ids: they run the other way."""
    return classes - place


def _meta(wnids: list[str], train: int) -> bytes:
    """The table of synsets: the classes, and one above them that is none."""
    from scipy.io import savemat  # slow to import; scikit-learn brings it

    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O"), ("num_train_images", "O")]
    names = list(CLASSES)
    rows = [
        (float(_number(place, len(wnids))), wnid, f"{names[place]}, {names[place].split()[1]}", 0.0, float(train))
        for place, wnid in enumerate(wnids)
    ]
    rows = [*sorted(rows), (float(len(wnids) + 1), "n00001740", "shape, figure", float(len(wnids)), 0.0)]
    content = io.BytesIO()
    savemat(content, {"synsets": np.array(rows, dtype=kinds)[:, None]})
    return content.getvalue()


def _picture(place: int, number: int, generator: np.random.Generator) -> bytes:
    """One picture of the class at `place`, encoded."""
    height, width = (int(side) for side in generator.integers(60, 300, 2))
    picture = Image.fromarray(_drawn(place, height, width, generator))
    odd = number % _ODD
    if odd == 0:
        picture = picture.convert("L")
    elif odd == 1:
        picture = picture.convert("CMYK")
    options = {"quality": int(generator.integers(75, 96)), "progressive": odd == 2}
    if odd == 3:  # stored lying on its side
        picture, exif = picture.transpose(Image.Transpose.ROTATE_90), Image.Exif()
        exif[_TURN] = 6
        options["exif"] = exif
    content = io.BytesIO()
    picture.save(content, "PNG") if odd == 4 else picture.save(content, "JPEG", **options)
    return content.getvalue()


def _drawn(place: int, height: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """The shape of a class on a background of soft colours and noise, uint8 (height, width, 3)."""
    colour, shape = list(CLASSES.values())[place]
    soft = Image.fromarray(generator.integers(90, 170, (3, 3, 3), dtype=np.uint8)).resize((width, height))
    pixels = np.asarray(soft).astype(np.float32)
    radius = generator.uniform(0.25, 0.45) * min(height, width)
    x0, y0 = (generator.uniform(radius, side - radius) for side in (width, height))
    y, x = np.mgrid[:height, :width]
    pixels[shape((x - x0) / radius, (y - y0) / radius)] = colour
    noise = generator.standard_normal(pixels.shape, dtype=np.float32)
    return np.clip(pixels + 10 * noise, 0, 255).astype(np.uint8)


def _new_tar(path: Path) -> tarfile.TarFile:
    return tarfile.open(path, "w:", format=tarfile.GNU_FORMAT)


def _tar_of(files: Iterator[tuple[str, bytes]]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:", format=tarfile.GNU_FORMAT) as archive:
        for name, own in files:
            _add(archive, name, own)
    return content.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
