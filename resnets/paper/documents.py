"""Figures in documents, filled in by a command from results and computed facts, never by hand.

    python -m resnets.paper.documents             fills README.md and docs/*.md, in the checkout
    python -m resnets.paper.documents --check     exit status 1 where one of them is not up to date

What stands between `<!-- generated: NAME -->` and `<!-- end -->` is replaced; the names are those of `BLOCKS`.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from resnets.classification.recipes import RECIPES, departures, is_papers, recipe
from resnets.files import say, write_atomic
from resnets.models.catalog import PAPER
from resnets.models.describe import models_record
from resnets.paper.published import test_error
from resnets.training.progress import duration

Record = dict[str, Any]
_BLOCK = re.compile(r"<!-- generated: (?P<name>[\w-]+) -->\n(?P<content>.*?)<!-- end -->", re.DOTALL)
_OPENING = re.compile(r"<!-- generated: ([\w-]+) -->")


# ---------------------------------------------------------------------------------------------------------------
# Blocks: from the folder of results to Markdown


def models(results: Path) -> str:
    """The catalogue."""
    rows = [
        (
            f"`{m['name']}`",
            f"{m['layers']:,}",
            f"{m['params']:,}",
            f"{m['multiply_adds']:,}",
            m["source"].removeprefix(f"{PAPER}, "),
        )
        for m in models_record()["models"]
    ]
    table = _table(("name", "layers", "parameters", "multiply-adds", "source"), "lrrrl", rows)
    return f"{table}\n\nTables, figures and sections are those of {PAPER}."


def degradation(results: Path) -> str:
    """The newest line of `degradation.jsonl`: table and verdict."""
    lines = _read(results / "degradation.jsonl")
    if not lines:
        return _missing("resnets reproduce degradation --results results/degradation.jsonl")
    record = lines[-1]
    rows = [
        (row["net"], *(_spread(row[f"{kind}_error"]) for kind in ("train", "test")), _each(row["train_error"]))
        for row in record["table"]
    ]
    head = ("net", "training error, %", "test error, %", "training error of each seed, %")
    deeper = {
        family: ", ".join(f"{points:+.2f}" for points in record["deeper_minus_shallower"][family])
        for family in ("plain", "resnet")
    }
    verdict = (
        f"The deep net's training error less the shallow one's, seed by seed: plain {deeper['plain']} points, "
        f"residual {deeper['resnet']} points. Deeper plain nets train worse: {_answer(record['plain_degrades'])}. "
        f"Deeper residual nets do not: {_answer(record['residual_does_not'])}. "
        f"**The paper's degradation {'shows' if record['degradation'] else 'does not show'}.**"
    )
    where = f"Seeds {_seeds(record['seeds'])}; {duration(record['seconds'])} of training in all. {_where([record])}"
    return "\n\n".join((_table(head, "lrrl", rows), verdict, f"A surrogate: {record['surrogate']}. {where}"))


def runs(results: Path) -> str:
    """A table for each recipe of `cifar10.jsonl`, a row for each way it was run."""
    lines = _read(results / "cifar10.jsonl")
    if not lines:
        return _missing("resnets train cifar10-resnet20 --results results/cifar10.jsonl")
    return "\n\n".join(_recipe(name, group) for name, group in _grouped(lines, lambda line: line["recipe"]))


def speed(results: Path) -> str:
    """The newest lines of `bench/training.jsonl`, one for each thing that was measured."""
    lines = _read(results / "bench" / "training.jsonl")
    if not lines:
        return _missing("python benchmarks/training_speed.py --results results/bench/training.jsonl")
    newest = {(line["what"], line["device"], line["precision"], line["compiled"]): line for line in lines}
    rows = [
        (
            f"{what}; {precision}{', compiled' if compiled else ''}",
            f"{line['plain_images_per_second']:,}",
            f"{line['ours_images_per_second']:,}",
            f"{line['ratio']:.2f}",
        )
        for (what, _, precision, compiled), line in newest.items()
    ]
    head = ("what", "plain float32 loop, images/s", "this package, images/s", "ratio")
    return f"{_table(head, 'lrrr', rows)}\n\nBoth sides in one run, in turn. {_where(newest.values())}"


def precision(results: Path) -> str:
    """The newest line of `bench/precision.jsonl`: the same run in float32 and in bfloat16."""
    lines = _read(results / "bench" / "precision.jsonl")
    if not lines:
        return _missing("python benchmarks/precision_curve.py --results results/bench/precision.jsonl")
    line = lines[-1]
    rows = [
        (f"training, to iteration {100 * number:,}", f"{fp32:.2f}", f"{bf16:.2f}", f"{bf16 - fp32:+.2f}")
        for number, (fp32, bf16) in enumerate(
            zip(line["train_error"]["fp32"], line["train_error"]["bf16"], strict=True), 1
        )
    ]
    fp32, bf16 = line["test_error"]["fp32"], line["test_error"]["bf16"]
    rows.append(("test, at the end", f"{fp32:.2f}", f"{bf16:.2f}", f"{bf16 - fp32:+.2f}"))
    head = ("error, %", "float32", "bfloat16", "difference")
    where = _where([{**line, "precision": "fp32 and bf16"}])
    return f"{line['what']}:\n\n{_table(head, 'lrrr', rows)}\n\n{where}"


BLOCKS: dict[str, Callable[[Path], str]] = {
    "models": models,
    "degradation": degradation,
    "runs": runs,
    "speed": speed,
    "precision": precision,
}


# ---------------------------------------------------------------------------------------------------------------
# Runs of one recipe


def _recipe(name: str, lines: list[Record]) -> str:
    rows = []
    for (changed, device, precision), group in _grouped(lines, _way):
        errors = [line["test_error"] for line in group]
        published = [test_error(line["model"], line["data"]["name"]) for line in group if is_papers(line["departures"])]
        rows.append(
            (
                changed,
                _seeds([line["seed"] for line in group]),
                _spread(errors),
                _each(errors),
                f"{published[0]:.2f}" if published and published[0] is not None else "",
                _spread([line["train_error"] for line in group]),
                duration(mean(line["seconds"] for line in group)),
                f"{device}, {precision}",
            )
        )
    head = ("schedule", "seeds", "test error, %", "each", "paper", "training error, %", "time a run", "hardware")
    return f"**{name}**\n\n{_table(head, 'llrlrrrl', rows)}\n\n{_where(lines)}"


def _way(line: Record) -> tuple[str, str, str]:
    """How a recipe was run: iterations and what departs from the recipe itself; hardware; precision."""
    given = set(line["departures"])
    usual = set(departures(recipe(line["recipe"]), line["precision"])) if line["recipe"] in RECIPES else given
    changed = [_without_paper(phrase) for phrase in sorted(given - usual) if not phrase.startswith("iterations:")]
    changed += [f"without {_without_paper(phrase)}" for phrase in sorted(usual - given)]
    if held_out := line["data"]["validation_images"]:
        changed.append(f"{held_out:,} images held out")
    return "; ".join([f"{line['iterations']:,} iterations", *changed]), line["device"], line["precision"]


def _without_paper(phrase: str) -> str:
    return phrase.partition(" (paper:")[0]


# ---------------------------------------------------------------------------------------------------------------
# Words


def _missing(command: str) -> str:
    return f"Not measured yet: `{command}`."


def _spread(values: Sequence[float]) -> str:
    """ "8.12 ± 0.10": mean and sample standard deviation; the value alone where there is one."""
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def _each(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def _seeds(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _answer(shown: bool) -> str:
    return "yes" if shown else "no"


def _where(lines: Iterable[Record]) -> str:
    """Hardware, precision and versions of all `lines`, each said once."""
    said = dict.fromkeys(_here(line, line.get("environment", line)) for line in lines)
    return " ".join(said)


def _here(line: Record, environment: Record) -> str:
    versions = f"torch {environment['torch']}, Python {environment['python']}, resnets {environment['resnets']}"
    return f"On {line['device']}, {line['precision']}; {versions} at commit {environment['commit'] or 'unknown'}."


def _table(head: Sequence[str], alignment: str, rows: Iterable[Sequence[Any]]) -> str:
    marks = {"l": "---", "r": "---:"}
    lines = [head, [marks[side] for side in alignment], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _grouped(lines: Iterable[Record], key: Callable[[Record], Any]) -> list[tuple[Any, list[Record]]]:
    """Lines by `key`, the groups in the order of the keys, in each the lines by seed."""
    return [(k, list(group)) for k, group in groupby(sorted(lines, key=lambda x: (key(x), x["seed"])), key=key)]


def _read(path: Path) -> list[Record]:
    """The lines of a results file, none where it is not there; ValueError, naming the line, where one is damaged."""
    if not path.exists():
        return []
    lines = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            raise ValueError(f"{path}, line {number}: not JSON: {line[:60]!r}") from None
    return lines


# ---------------------------------------------------------------------------------------------------------------
# Documents


def fill(text: str, results: Path) -> str:
    """`text` with all its blocks made anew. ValueError for a name there is not, or a block without its end."""
    names = [match["name"] for match in _BLOCK.finditer(text)]
    if unclosed := [name for name in _OPENING.findall(text) if name not in names]:
        raise ValueError(f"block {unclosed[0]!r} has no `<!-- end -->`")
    if unknown := [name for name in names if name not in BLOCKS]:
        raise ValueError(f"there is no block {unknown[0]!r}, allowed are {', '.join(BLOCKS)}")

    def replaced(match: re.Match[str]) -> str:
        return f"<!-- generated: {match['name']} -->\n\n{BLOCKS[match['name']](results)}\n\n<!-- end -->"

    return _BLOCK.sub(replaced, text)


def documents(root: Path) -> list[Path]:
    """The documents of the checkout at `root`."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def stale(paths: Iterable[Path], results: Path) -> dict[Path, str]:
    """Of the documents at `paths` those that are not up to date, and what they should be."""
    found: dict[Path, str] = {}
    for path in paths:
        before = path.read_text(encoding="utf-8")
        try:
            after = fill(before, results)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if after != before:
            found[path] = after
    return found


def main(words: list[str]) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m resnets.paper.documents", description="fills generated blocks")
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="default README.md and docs/*.md")
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 where one is not up to date")
    arguments = parser.parse_args(words)
    try:
        found = stale(arguments.files or documents(Path()), Path("results"))
        for path, text in found.items():
            if not arguments.check:
                write_atomic(path, text)
            say(f"{path}: {'not up to date; `python -m resnets.paper.documents`' if arguments.check else 'written'}")
    except (ValueError, OSError) as error:
        say(f"documents: {error}")
        return 2
    return 1 if found and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
