"""The command line as a process of its own, to be sent signals: a new interpreter, or a fork of one that has torch."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from resnets.cli import main
from resnets.ranks import Channel
from resnets.report import page
from resnets.report.style import new_figure
from resnets.training.journal import read_journal

context = get_context("forkserver")
"""Processes in seconds less: forks of one that has imported all."""
_OURS = ("train_verb", "classification.run", "classification.report", "classification.evaluate", "paper.published")
context.set_forkserver_preload(
    [
        *(f"resnets.{name}" for name in _OURS),
        *("sklearn.datasets", "torchvision.transforms.v2", "matplotlib.backends.backend_svg"),
        "torch._dynamo",  # seconds, in which any optimiser imports it
        *("pytest", "tested"),
    ]
)

ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def command(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """`resnets WORDS...` to its end, in a new interpreter."""
    return subprocess.run(_line(words), **_options(options), check=False, timeout=300)


def start(*words: str | Path, **options: Any) -> subprocess.Popen[str]:
    """`resnets WORDS...` in a new interpreter, begun."""
    return subprocess.Popen(_line(words), **_options(options))


def _line(words: tuple[str | Path, ...]) -> list[str]:
    return [sys.executable, "-m", "resnets.cli", *map(str, words)]


def _options(given: dict[str, Any]) -> dict[str, Any]:
    environment = {**os.environ, **ENVIRONMENT, **given.pop("env", {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return {**pipes, "env": environment, **given}


def fork(log: Path, *words: str | Path) -> BaseProcess:
    """`resnets WORDS...` begun, in seconds less; what it says goes to the file `log`."""
    process = context.Process(target=_run, args=(log, [str(word) for word in words], dict(os.environ)))
    process.start()
    return process


def forks(
    ranks: int, folder: Path, *words: str | Path, prepare: Callable[[], None] | None = None, **environment: str
) -> list[BaseProcess]:
    """`resnets WORDS...` as so many processes of one group, begun; what they say goes to `folder/log-0` and so on.

    Each calls `prepare` first.
    """
    folder.mkdir(exist_ok=True)
    port = str(free_port())
    group = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    whole = {**os.environ, **group, **environment}
    begun = []
    for number in range(ranks):
        own = {**whole, "RANK": str(number), "LOCAL_RANK": str(number)}
        log = folder / f"log-{number}"
        begun.append(context.Process(target=_run, args=(log, [str(word) for word in words], own, prepare)))
        begun[-1].start()
    return begun


def on_ranks(ranks: int, work: Callable[..., Any], folder: Path, *given: Any, limit: float = 300) -> list[Any]:
    """What `work(*given)` gives on each of so many processes of one group, or the ValueError it ends with, as text.

    They meet in `folder`, which is made; `limit`: seconds that the group's calls may take, but for its channel.
    """
    folder.mkdir()
    queue = context.Queue()
    words = (ranks, work, folder, given, limit, queue)
    processes = [context.Process(target=_on_rank, args=(number, *words)) for number in range(ranks)]
    for process in processes:
        process.start()
    found = dict(queue.get(timeout=300) for _ in processes)
    for process in processes:
        process.join()
    return [found[number] for number in range(ranks)]


def _on_rank(
    number: int, ranks: int, work: Callable[..., Any], folder: Path, given: tuple[Any, ...], limit: float, queue: Any
) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    meeting, within = f"file://{folder / 'meeting'}", timedelta(seconds=limit)
    try:
        dist.init_process_group("gloo", init_method=meeting, rank=number, world_size=ranks, timeout=within)
        Channel.open()
        queue.put((number, work(*given)))
    except ValueError as error:
        queue.put((number, str(error)))
    except Exception as error:
        queue.put((number, f"{type(error).__name__}: {error}"))
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def torchrun(ranks: int, *words: str | Path, restarts: int = 0) -> "subprocess.Popen[str]":
    """`torchrun ... -m resnets.cli WORDS...`, begun."""
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    line += [f"--max-restarts={restarts}", "-m", "resnets.cli", *map(str, words)]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(line, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def torchrun_done(ranks: int, *words: str | Path) -> str:
    """What `torchrun ... WORDS...` says on standard output, when it has ended well."""
    process = torchrun(ranks, *words)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def workers(process: "subprocess.Popen[str]") -> list[int]:
    """The processes that torchrun has started, in the order of their ranks."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    rank = {int(child): _variable(child, "RANK") for child in children}
    return sorted((pid for pid, number in rank.items() if number), key=lambda pid: int(rank[pid] or 0))


def _variable(pid: str, name: str) -> str | None:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return next((pair.partition("=")[2] for pair in pairs if pair.startswith(f"{name}=")), None)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def blank_figures(*given: Any, **named: Any) -> dict[str, Any]:
    """In the place of `page._figures`: as many of the same names with nothing on them, in a tenth of the time."""
    return {name: lambda width: new_figure(1, 1) for name in _figures(*given, **named)}


_figures = page._figures


def _run(log: Path, words: list[str], environment: dict[str, str], prepare: Callable[[], None] | None = None) -> None:
    os.environ.update(environment)
    if prepare:
        prepare()
    page._figures = blank_figures  # what these tests ask is not on the page
    with log.open("a") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        status = main(words)
    sys.exit(status)


def wait_for_step(process: Any, folder: Path, step: int) -> None:
    """Until the journal of the run in `folder` has reached `step`."""
    patience = time.monotonic() + 120
    while last_step(folder) < step:
        ended = process.poll() if isinstance(process, subprocess.Popen) else process.exitcode
        assert ended is None, f"ended with {ended} before iteration {step}"
        assert time.monotonic() < patience
        time.sleep(0.002)


def last_step(folder: Path) -> int:
    return max((row["step"] for row in read_journal(folder)), default=0)


def figures(folder: Path) -> list[dict[str, Any]]:
    """The journal without the speed, the one thing in it that is not repeatable."""
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in read_journal(folder)]


def evaluation(folder: Path) -> dict[str, Any]:
    """The final evaluation without the time it took."""
    record = json.loads((folder / "evaluation.json").read_text())
    del record["seconds"]
    return record
