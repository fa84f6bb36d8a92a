"""The blocks of docs/speed.md on photographs, from what `benchmarks/` has left in `results/bench`."""

from collections.abc import Callable
from pathlib import Path

from resnets.paper.lines import Record, read_lines
from resnets.paper.markdown import conditions, missing, table

PROTOCOLS = ("single", "ten-crop", "dense")
_BESIDE = {
    "ours": (
        ("ratio", "{:.2f} times torchvision"),
        ("share_of_decoding", "{:.0%} of decode, which is of whole pictures"),
    ),
    "ours float": (("ratio_float", "{:.2f} times torchvision"),),
    "ours 256": (("ratio_opencv_256", "{:.2f} times opencv 256"),),
}
"""What is said of a side, from which field of the line."""


def loading(results: Path) -> str:
    """The newest lines of `bench/loading.jsonl`: of the loaders, and of loader and network together."""
    lines = read_lines(results / "bench" / "loading.jsonl")
    loaders = _newest(lines, "images_per_second", "crop", "loader_threads", "device")
    together = _newest(lines, "together", "network", "loader_threads", "device")
    command = "python benchmarks/loading.py{} --results results/bench/loading.jsonl".format
    parts = [_loaders(line) for line in loaders] or [missing(command(""))]
    parts += [_together(together)] if together else [missing(command(" --network resnet50"))]
    return "\n\n".join(parts)


def protocols(results: Path) -> str:
    """The newest line of each network in `bench/protocols.jsonl`."""
    lines = _newest(read_lines(results / "bench" / "protocols.jsonl"), "what", "what", "device")
    if not lines:
        return missing("python benchmarks/protocols.py --results results/bench/protocols.jsonl")
    rows = [
        (
            line["what"] if number == 0 else "",
            name,
            *(f"{line[name][side]:.2f}" for side in ("plain", "ours", "ratio")),
            f"{line[name]['apart']:.0e}",
        )
        for line in lines
        for number, name in enumerate(name for name in PROTOCOLS if name in line)
    ]
    head = ("what", "protocol", "plain, images/s", "ours, images/s", "ratio", "probabilities apart")
    return f"{table(head, 'llrrrr', rows)}\n\n{_where(lines, lambda _: 'fp32')}"


def decoding(results: Path) -> str:
    """The newest line of each machine in `bench/decoding.jsonl`."""
    lines = _newest(read_lines(results / "bench" / "decoding.jsonl"), "microseconds", "device")
    if not lines:
        return missing("python benchmarks/decoding.py --results results/bench/decoding.jsonl")
    parts = []
    for line in lines:
        steps = table(("step", "microseconds"), "lr", line["microseconds"].items())
        where = _where([line], lambda _: "one thread's time")
        parts.append(f"{steps}\n\n{line['pictures']} pictures of {line['mean_bytes']:,} bytes on average. {where}")
    return "\n\n".join(parts)


PHOTOGRAPH_SPEED: dict[str, Callable[[Path], str]] = {
    "loading": loading,
    "protocols": protocols,
    "decoding": decoding,
}


def _loaders(line: Record) -> str:
    rows = [
        (
            name,
            f"{speed:,.1f}",
            ", ".join(words.format(line[key]) for key, words in _BESIDE.get(name, ()) if key in line),
        )
        for name, speed in line["images_per_second"].items()
    ]
    each = "1 thread or worker" if line["loader_threads"] == 1 else f"{line['loader_threads']} threads or workers"
    kind = "of the processor's time" if line["clock"] == "cpu" else f"{each} each"
    what = (
        f"{line['pictures']} photographs of {line['mean_bytes']:,} bytes on average, cut by `{line['crop']}`, {kind}."
    )
    where = _where([line], lambda _: "on the CPU alone")
    return f"{table(('side', 'images/s', 'which is'), 'lrl', rows)}\n\n{what} {where}"


def _together(lines: list[Record]) -> str:
    rows = [
        (
            f"`{line['network']}`, batch {line['batch']}, threads that load: {line['loader_threads']}",
            *(f"{line['together'][side]:,.1f}" for side in ("loader", "network", "both")),
            f"{line['both_to_the_slower']:.0%}",
        )
        for line in lines
    ]
    head = ("training, images/s", "loader alone", "network alone", "both", "of the slower alone")
    return f"{table(head, 'lrrrr', rows)}\n\n{_where(lines, lambda line: line['precision'])}"


def _newest(lines: list[Record], has: str, *names: str) -> list[Record]:
    """Of the lines with the field `has` the last with the same values of `names`."""
    return list({tuple(line[name] for name in names): line for line in lines if has in line}.values())


def _where(lines: list[Record], precision: Callable[[Record], str]) -> str:
    return conditions({**line, "precision": precision(line)} for line in lines)
