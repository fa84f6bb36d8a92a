"""Whether CIFAR's binary files are whole: their sizes, and their SHA-256 sums."""

from pathlib import Path

from resnets.data.cifar import LAYOUTS, read
from resnets.files import sha256_of, write_atomic

SHA256 = {
    "cifar10": {
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
}
"""Of the files. Of CIFAR-100 only the archive's sum is published, so `record` notes those of its files."""

MD5 = {"cifar100": "03b5dce01913d631647c71ecec9e9cb8"}
"""Of the archive, as its publisher gives it."""

_RECORD = "sha256sums.txt"


def fault(name: str, folder: Path) -> str | None:
    """One line on which file of `name` in `folder` is missing or damaged, and how; None where all are whole.

    Contents are held against the published sums, else against those that `record` wrote; where there are
    none, the labels at least must be possible ones.
    """
    sums = SHA256.get(name) or _recorded(folder)
    for file, size in LAYOUTS[name].sizes().items():
        path = folder / file
        if not path.is_file():
            return f"{path}: there is no such file"
        if (found := path.stat().st_size) != size:
            return f"{path}: {found} bytes found, {size} expected"
        if file in sums and (digest := sha256_of(path)) != sums[file]:
            return f"{path}: SHA-256 {digest} found, {sums[file]} expected"
    return None if sums else _wrong_label(name, folder)


def record(name: str, folder: Path) -> None:
    """Note the sums of the files of `name` in `folder` where none are published, in `sha256sum`'s format."""
    if name not in SHA256:
        lines = [f"{sha256_of(folder / file)}  {file}\n" for file in LAYOUTS[name].sizes()]
        write_atomic(folder / _RECORD, "".join(lines))


def _wrong_label(name: str, folder: Path) -> str | None:
    try:
        for split in ("train", "test"):
            read(name, split, folder)
    except ValueError as error:
        return str(error).rpartition("; ")[0]  # without what to type, which is being done
    return None


def _recorded(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / _RECORD).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {file: digest for digest, _, file in (line.partition("  ") for line in lines)}
