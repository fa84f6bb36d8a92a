"""ImageNet's archives, drawn small: every layout that can be made of them, labels and names, and what is damaged."""

import csv
import io
import re
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision.models import ResNet18_Weights

from resnets.data import new_folder
from resnets.data.devkit import Synset, class_names, read_devkit
from resnets.data.generated import CLASSES, generate_imagenet
from resnets.data.photographs import Photographs
from resnets.data.prepare import prepare_imagenet
from resnets.data.shard_writer import Reduction
from resnets.data.sources import open_photographs

KIT, TRAIN, VAL = "ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
WNIDS = ["n10000019", "n20000038", "n30000057"]
COUNTS = {"train": 14, "test": 5}


def silent(message: str) -> None:
    pass


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three archives; to be read only."""
    return generate_imagenet(tmp_path_factory.mktemp("ilsvrc") / "raw", 3, COUNTS["train"], COUNTS["test"], seed=1)


@pytest.fixture(scope="module")
def prepared(raw: Path) -> Path:
    """The folder layout."""
    return prepare_imagenet(raw, raw.parent / "folders", log=silent)


@pytest.fixture
def copy(raw: Path, tmp_path: Path) -> Path:
    """The archives, to be damaged."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in raw.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def colour(content: bytes) -> np.ndarray | None:
    """The most frequent hue of a picture, None where it is grey."""
    hue, saturation, _ = (
        np.asarray(band) for band in Image.open(io.BytesIO(content)).convert("RGB").convert("HSV").split()
    )
    return None if saturation.max() == 0 else np.bincount(hue[saturation > 140], minlength=256)


def test_every_label_is_that_of_what_is_drawn(prepared: Path) -> None:
    """By the colour of the shape, which no list was asked for."""
    for split in ("train", "test"):
        photographs = open_photographs(prepared, split, silent)
        assert photographs.classes == tuple(list(CLASSES)[:3])
        assert Counter(photographs.labels.tolist()) == dict.fromkeys(range(3), COUNTS[split])
        seen = 0
        for index, label in enumerate(photographs.labels.tolist()):
            hues = colour(photographs.read(index))
            if hues is None:
                continue
            wheel = np.roll(hues, 20).reshape(-1, 8).sum(1)  # red lies on both ends
            drawn = {0: range(0, 6), 1: range(10, 16), 2: range(20, 26)}
            shares = [wheel[list(places)].sum() for places in drawn.values()]
            assert int(np.argmax(shares)) == label
            seen += 1
        assert seen > 8


def test_the_kits_numbers_are_not_the_labels(raw: Path) -> None:
    kit = read_devkit(raw)
    assert [(synset.wnid, synset.number) for synset in kit.synsets] == list(zip(WNIDS, [3, 2, 1], strict=True))
    assert Counter(kit.truth) == dict.fromkeys(WNIDS, COUNTS["test"])


def layouts(raw: Path, root: Path) -> dict[str, Path]:
    made = {layout: prepare_imagenet(raw, root / layout, layout, log=silent) for layout in ("shards", "index")}
    small = Reduction(shorter_side=64)
    return {**made, "small": prepare_imagenet(raw, root / "small", "shards", small, log=silent)}


def test_all_layouts_hold_the_same(raw: Path, prepared: Path, tmp_path: Path) -> None:
    made = layouts(raw, tmp_path)
    for split in ("train", "test"):
        expected = open_photographs(prepared, split, silent)
        for layout in ("shards", "index"):
            found = open_photographs(made[layout], split, silent)
            assert found.fingerprint == expected.fingerprint
            assert all(found.read(index) == expected.read(index) for index in range(len(expected)))
        small = open_photographs(made["small"], split, silent)
        assert (small.names, small.classes) == (expected.names, expected.classes)
        assert small.stored == "shorter side 64, JPEG of quality 90"
        assert all(min(_size(small, index)) <= 64 for index in range(len(small)))
    assert sum(path.stat().st_size for path in made["index"].iterdir()) < 10_000


def _size(photographs: Photographs, index: int) -> tuple[int, int]:
    return Image.open(io.BytesIO(photographs.read(index))).size


def test_folders_are_those_that_everybody_has(raw: Path, prepared: Path) -> None:
    assert sorted(path.name for path in (prepared / "train").iterdir()) == WNIDS
    with tarfile.open(raw / VAL) as archive:
        for member in archive:
            (found,) = (prepared / "val").rglob(member.name)
            content = archive.extractfile(member)
            assert content is not None
            assert found.read_bytes() == content.read()
    with (prepared / "synsets.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["wnid"] for row in rows] == WNIDS
    assert rows[0] == {"wnid": WNIDS[0], "name": "red disc", "ilsvrc2012_id": "3", "words": "red disc, disc"}


def _unpack(raw: Path, folder: Path, *, classes: bool) -> None:
    """As people do by hand: the kit, a flat `val`, and `train` with the tars of the classes or their folders."""
    with tarfile.open(raw / KIT) as archive:
        archive.extractall(folder, filter="data")
    with tarfile.open(raw / VAL) as archive:
        archive.extractall(folder / "val", filter="data")
    with tarfile.open(raw / TRAIN) as archive:
        archive.extractall(folder / "train", filter="data")
    for path in list((folder / "train").iterdir()) if classes else []:
        with tarfile.open(path) as archive:
            archive.extractall(path.with_suffix(""), filter="data")
        path.unlink()


@pytest.mark.parametrize("classes", [True, False])
def test_what_was_unpacked_by_hand_is_as_good(raw: Path, prepared: Path, classes: bool, tmp_path: Path) -> None:
    _unpack(raw, tmp_path / "hand", classes=classes)
    out = prepare_imagenet(tmp_path / "hand", tmp_path / "out", log=silent)
    for path in prepared.rglob("*"):
        if path.is_file():
            assert (out / path.relative_to(prepared)).read_bytes() == path.read_bytes()
    assert len(list(out.rglob("*"))) == len(list(prepared.rglob("*")))
    if classes:
        with pytest.raises(ValueError, match="an index is of archives, and the pictures for train are not in any"):
            prepare_imagenet(tmp_path / "hand", tmp_path / "index", "index", log=silent)


def test_a_validation_that_is_sorted_already(raw: Path, prepared: Path, tmp_path: Path) -> None:
    with tarfile.open(raw / KIT) as archive:
        archive.extractall(tmp_path, filter="data")
    for part in ("train", "val"):
        (tmp_path / part).symlink_to(prepared / part)
    out = prepare_imagenet(tmp_path, tmp_path / "out", log=silent)
    for split in ("train", "test"):
        assert open_photographs(out, split, silent).fingerprint == open_photographs(prepared, split, silent).fingerprint


def test_the_name_imagenet_finds_it_at_home(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNETS_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"cannot be opened \(No such.*type: resnets data prepare imagenet --from DIR"):
        open_photographs("imagenet", "train")
    (tmp_path / "imagenet").symlink_to(prepared)
    assert len(open_photographs("imagenet", "train", silent)) == 3 * COUNTS["train"]


# ---------------------------------------------------------------------------------------------------------------
# The kit


def test_classes_are_called_as_torchvision_calls_them() -> None:
    categories = ResNet18_Weights.DEFAULT.meta["categories"]
    wnids = [f"n{place:08}" for place in range(1000)]
    words = [f"{category}, other, words" for category in categories]
    for place, wnid, name in ((134, "n02012849", "crane"), (639, "n03710721", "maillot, tank suit")):
        wnids[place], words[place] = wnid, name
    synsets = tuple(Synset(wnid, place, own) for place, (wnid, own) in enumerate(zip(wnids, words, strict=True)))
    assert class_names(synsets) == tuple(categories)
    twins = (Synset("n00000001", 1, "bat, animal"), Synset("n00000002", 2, "bat, club"))
    assert class_names(twins) == ("bat (n00000001)", "bat (n00000002)")


def _kit(folder: Path, rows: list[tuple], truth: str) -> Path:
    """A kit unpacked, its table as MATLAB would write it: a column of structures."""
    data = folder / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    kinds = [(name, object) for name in ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")]
    savemat(data / "meta.mat", {"synsets": np.array(rows, dtype=kinds).reshape(-1, 1)})
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text(truth)
    return folder


def test_a_kit_as_matlab_writes_it(tmp_path: Path) -> None:
    rows = [
        (1.0, "n3", "c, cc", "a thing", 0.0),
        (2.0, "n1", "a", "another", 0.0),
        (3.0, "n2", "animal", "above both", 2.0),
    ]
    kit = read_devkit(_kit(tmp_path, rows, "1\n2\n2\n"))
    assert kit.synsets == (Synset("n1", 2, "a"), Synset("n3", 1, "c, cc"))
    assert kit.truth == ("n3", "n1", "n1")


GOOD = [(1.0, "n1", "a", "", 0.0), (2.0, "n2", "b", "", 0.0)]


@pytest.mark.parametrize(
    ("rows", "truth", "message"),
    [
        (GOOD, "1\n3\n", "has '3' in it, allowed are the numbers of 2 classes"),
        (GOOD, "1\nx\n", "has 'x' in it"),
        (GOOD[:1], "1\n", "1 class found, 2 or more expected"),
        ([GOOD[0], (1.0, "n2", "b", "", 0.0)], "1\n", "two classes have one WordNet id or one number"),
    ],
)
def test_a_kit_that_is_not_whole(rows: list[tuple], truth: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_devkit(_kit(tmp_path, rows, truth))


def test_damaged_kits(copy: Path) -> None:
    kit = copy / KIT
    whole = kit.read_bytes()
    for content in (b"", whole[:200], whole[: len(whole) // 2], b"x" * 100):
        kit.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{re.escape(KIT)}: a damaged archive \("):
            read_devkit(copy)
    with tarfile.open(kit, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("data/other"), io.BytesIO())
    with pytest.raises(ValueError, match=r"meta\.mat and ILSVRC2012_validation_ground_truth\.txt not found"):
        read_devkit(copy)
    with tarfile.open(kit, "w:gz") as archive:
        for name in ("meta.mat", "ILSVRC2012_validation_ground_truth.txt"):
            info = tarfile.TarInfo(name)
            info.size = 5
            archive.addfile(info, io.BytesIO(b"12345"))
    with pytest.raises(ValueError, match=r"meta\.mat: not a table of synsets"):
        read_devkit(copy)
    kit.unlink()
    with pytest.raises(ValueError, match=r"expected is ILSVRC2012_devkit_t12\.tar\.gz or its folder"):
        read_devkit(copy)


# ---------------------------------------------------------------------------------------------------------------
# Archives


def rewritten(path: Path, *more: tuple[str, bytes] | tarfile.TarInfo, drop: int = 0) -> None:
    """The archive with members added or the last `drop` of them left out."""
    with tarfile.open(path) as archive:
        members = [(m, archive.extractfile(m).read()) for m in archive]  # type: ignore[union-attr] - all are files
    with tarfile.open(path, "w:") as archive:
        for member, content in members[: len(members) - drop]:
            archive.addfile(member, io.BytesIO(content))
        for one in more:
            info = one if isinstance(one, tarfile.TarInfo) else tarfile.TarInfo(one[0])
            info.size = 0 if isinstance(one, tarfile.TarInfo) else len(one[1])
            archive.addfile(info, None if isinstance(one, tarfile.TarInfo) else io.BytesIO(one[1]))


def linked(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "../../../etc/passwd"
    return info


@pytest.mark.parametrize(
    ("archive", "more", "drop", "message"),
    [
        (VAL, (), 1, "14 validation pictures found, the development kit has number 1 to 15, each once"),
        (VAL, (("ILSVRC2012_val_00000016.JPEG", b"x"),), 0, "16 validation pictures found"),
        (VAL, (("ILSVRC2012_val_00000015.JPEG", b"x"),), 0, "16 validation pictures found"),
        (VAL, (("other.JPEG", b"x"),), 1, "'other.JPEG' is not called like ILSVRC2012_val_00000001.JPEG"),
        (VAL, (linked("ILSVRC2012_val_00000015.JPEG"),), 1, "is not a picture, and only pictures are expected"),
        (VAL, (("..", b"x"),), 1, r"'\.\.' is not a picture"),
        (TRAIN, (), 1, "1 classes have no picture for train, n30000057 the first of them"),
        (TRAIN, (("n99999999.tar", None),), 0, "n99999999 is no class of the development kit"),
        (TRAIN, (("cats.tar", b"x"),), 0, "'cats.tar' is not called by the WordNet id"),
        (TRAIN, (("../../n10000019.tar", b"x" * 512),), 0, "n10000019.tar: not an uncompressed tar"),
        (TRAIN, (linked("n10000019.tar"),), 0, "n10000019.tar: not a file, a tar is expected"),
        (TRAIN, (("n10000019.tar", None),), 0, "two pictures are called train/n10000019/n10000019_0.JPEG"),
    ],
)
def test_archives_that_do_not_fit(archive: str, more: tuple, drop: int, message: str, copy: Path, raw: Path) -> None:
    with tarfile.open(raw / TRAIN) as whole:
        content = whole.extractfile("n10000019.tar")
        assert content is not None
        first = content.read()
    more = tuple((one[0], first) if isinstance(one, tuple) and one[1] is None else one for one in more)
    rewritten(copy / archive, *more, drop=drop)
    with pytest.raises(ValueError, match=rf"^[^\n]*{message}"):
        prepare_imagenet(copy, copy.parent / "out", log=silent)
    assert not (copy.parent / "out").exists()


@pytest.mark.parametrize("name", [TRAIN, VAL])
def test_archives_that_were_cut_short(name: str, copy: Path) -> None:
    path = copy / name
    whole = path.read_bytes()
    for kept in (0, 100, 700, len(whole) // 2, len(whole) // 512 // 2 * 512):
        path.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match=rf"{name}: .*(damaged|cut short)"):
            prepare_imagenet(copy, copy.parent / "out", "index", log=silent)
    path.unlink()
    with pytest.raises(ValueError, match=rf"neither {name} nor a folder"):
        prepare_imagenet(copy, copy.parent / "out", log=silent)


def test_an_index_notices_that_its_archive_has_changed(copy: Path) -> None:
    out = prepare_imagenet(copy, copy.parent / "out", "index", log=silent)
    before = open_photographs(out, "test", silent)
    content = (copy / VAL).read_bytes()
    (copy / VAL).write_bytes(content[512:] + bytes(512))
    with pytest.raises(ValueError, match=r"img_val\.tar: val/.* is not where the index says"):
        before.read(len(before) // 2)
    (copy / VAL).write_bytes(content[:-512])
    with pytest.raises(ValueError, match=r"img_val\.tar: \d+ bytes found, its index says"):
        open_photographs(out, "test", silent)


def test_what_is_refused_before_anything_is_written(raw: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = raw.parent / "more"
    with pytest.raises(ValueError, match="folders: is there already, and nothing is overwritten"):
        prepare_imagenet(raw, prepared, log=silent)
    with pytest.raises(ValueError, match="layout is 'zip', allowed are folders, shards, index"):
        prepare_imagenet(raw, out, "zip", log=silent)
    with pytest.raises(ValueError, match="layout is 'folders': pictures are made smaller for shards only"):
        prepare_imagenet(raw, out, "folders", Reduction(shorter_side=64), log=silent)
    with pytest.raises(ValueError, match="nowhere: there is no such folder"):
        prepare_imagenet(raw / "nowhere", out, log=silent)
    usage = new_folder.shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000)
    monkeypatch.setattr(new_folder.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match="GB are needed, the disk has"):
        prepare_imagenet(raw, out, log=silent)
    assert sorted(path.name for path in raw.parent.iterdir()) == ["folders", "raw"]


# ---------------------------------------------------------------------------------------------------------------
# The drawn pictures


def test_they_are_as_odd_as_imagenets(prepared: Path) -> None:
    photographs = open_photographs(prepared, "train", silent)
    pictures = [Image.open(io.BytesIO(photographs.read(index))) for index in range(len(photographs))]
    kinds = Counter((picture.format, picture.mode) for picture in pictures)
    assert kinds["JPEG", "L"] >= 3
    assert kinds["JPEG", "CMYK"] >= 3
    assert kinds["PNG", "RGB"] >= 3
    assert kinds["JPEG", "RGB"] >= 20
    assert sum("progressive" in picture.info for picture in pictures) >= 3
    assert sum(picture.getexif().get(0x0112, 1) == 6 for picture in pictures) >= 3
    assert len({picture.size for picture in pictures}) > 35


def test_they_follow_from_the_seed(tmp_path: Path) -> None:
    one, again, other = (
        generate_imagenet(tmp_path / name, 2, 2, 1, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for name in (TRAIN, VAL):
        assert (one / name).read_bytes() == (again / name).read_bytes() != (other / name).read_bytes()


@pytest.mark.parametrize(
    ("values", "message"),
    [((1, 5, 5), "classes are 1, allowed are 2 to 8"), ((9, 5, 5), "classes are 9"), ((3, 0, 5), "train 0, val 5")],
)
def test_what_cannot_be_drawn(values: tuple[int, int, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        generate_imagenet(tmp_path / "out", *values)
