"""The blocks on runs on CIFAR-10: beside the paper, in short, and each recipe with all that is known of its runs."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import mean

from resnets.classification.recipes import departures, is_papers, recipe
from resnets.documents.images import CIFAR10, cifar10_runs
from resnets.paper.lines import Net, Record, grouped, papers_own, read_lines, read_runs
from resnets.paper.markdown import conditions, each, listed, missing, seeds_said, spread, table
from resnets.paper.published import test_error
from resnets.paper.recipe_entries import entry_of
from resnets.paper.verdicts import Row
from resnets.training.progress import duration

_COMMAND = "resnets train cifar10-resnet20 --results results/cifar10.jsonl"


def cifar10(results: Path) -> str:
    """The paper's own runs: the figure where there is one, and a sentence for each network."""
    nets = papers_own(results)
    if not nets:
        return missing(_COMMAND)
    drawn = dict.fromkeys(Net(run["family"], run["depth"]).title for run in cifar10_runs(results))
    figure = [f"![Error curves on CIFAR-10, the paper's recipe: {', '.join(drawn)}]({CIFAR10})"] if drawn else []
    sentences = "\n".join(_beside_the_paper(net, lines) for net, lines in nets.items())
    return "\n\n".join([*figure, sentences, conditions(line for lines in nets.values() for line in lines)])


def errors(results: Path) -> str:
    """All runs of `cifar10.jsonl` in short: a row for each recipe, schedule and precision, whatever they ran on."""
    lines = read_runs(results / "cifar10.jsonl")
    if not lines:
        return missing(_COMMAND)
    rows = []
    for name, of_recipe in grouped(lines, _recipe_of):
        ways = grouped(of_recipe, lambda line: (_schedule(line), line["precision"]))
        for number, (way, group) in enumerate(ways):
            seeds = _newest(group)
            shown = listed(line["seed"] for line in seeds), spread([line["test_error"] for line in seeds])
            rows.append((f"`{name}`" if number == 0 else "", *way, *shown))
    head = ("recipe", "schedule", "precision", "seeds", "test error, %")
    return f"{table(head, 'llllr', rows)}\n\n{conditions(lines)}"


def runs(results: Path) -> str:
    """A table for each recipe of `cifar10.jsonl`, a row for each schedule and hardware."""
    lines = read_runs(results / "cifar10.jsonl")
    return "\n\n".join(_section(*group) for group in grouped(lines, _recipe_of)) or missing(_COMMAND)


def precision(results: Path) -> str:
    """The newest line of `bench/precision.jsonl`: the same run in float32 and in bfloat16."""
    lines = read_lines(results / "bench" / "precision.jsonl")
    if not lines:
        return missing("python benchmarks/precision_curve.py --results results/bench/precision.jsonl")
    line = lines[-1]
    curves = line["train_error"]
    steps = line.get("steps") or [100 * number for number in range(1, 1 + len(curves["fp32"]))]  # as they were once
    rows = [
        (f"training, to iteration {step:,}", f"{fp32:.2f}", f"{bf16:.2f}", f"{bf16 - fp32:+.2f}")
        for step, fp32, bf16 in zip(steps, curves["fp32"], curves["bf16"], strict=True)
    ]
    fp32, bf16 = line["test_error"]["fp32"], line["test_error"]["bf16"]
    rows.append(("test, at the end", f"{fp32:.2f}", f"{bf16:.2f}", f"{bf16 - fp32:+.2f}"))
    head = ("error, %", "float32", "bfloat16", "difference")
    where = conditions([{**line, "precision": "fp32 and bf16"}])
    return f"{line['what']}:\n\n{table(head, 'lrrr', rows)}\n\n{where}"


RUNS: dict[str, Callable[[Path], str]] = {
    "cifar10": cifar10,
    "errors": errors,
    "runs": runs,
    "precision": precision,
}
"""By the name of the block."""


def _beside_the_paper(net: Net, lines: list[Record]) -> str:
    """A network's test error over its seeds, the paper's, and the verdict."""
    row = Row(entry_of(f"cifar10-{net.family}{net.depth}"), "paper", lines)
    parts = [f"test error {spread(row.errors())} % ({seeds_said([line['seed'] for line in lines])})"]
    parts.append(f"the paper's is {row.paper:g} %" if row.paper is not None else "the paper gives none")
    if row.band:
        parts.append(f"{row.verdict} expected, {row.band[0]:g} to {row.band[1]:g} %")
    return f"- **{net.title}**: {'; '.join(parts)}."


def _section(name: str, lines: list[Record]) -> str:
    """All that is known of the runs of a recipe."""
    rows = []
    for (schedule, device, precision), group in grouped(lines, lambda x: (_schedule(x), x["device"], x["precision"])):
        seeds = _newest(group)
        test_errors = [line["test_error"] for line in seeds]
        rows.append(
            (
                schedule,
                listed(line["seed"] for line in seeds),
                spread(test_errors),
                each(test_errors),
                _published(seeds),
                spread([line["train_error"] for line in seeds]),
                duration(mean(line["seconds"] for line in seeds)),
                f"{device}, {precision}",
            )
        )
    head = ("schedule", "seeds", "test error, %", "each", "paper", "training error, %", "time a run", "hardware")
    return f"## {name}\n\n{table(head, 'llrlrrrl', rows)}\n\n{conditions(lines)}"


def _published(lines: Sequence[Record]) -> str:
    """The paper's test error, "" where it gives none or a run is not the paper's recipe, whole."""
    published = [test_error(line["model"], line["data"]["name"]) for line in lines if is_papers(line["departures"])]
    return f"{published[0]:.2f}" if published and published[0] is not None else ""


def _newest(lines: Sequence[Record]) -> list[Record]:
    """A line for each seed: one that was run anew counts once."""
    return list({line["seed"]: line for line in lines}.values())


def _recipe_of(line: Record) -> str:
    return line["recipe"]


def _schedule(line: Record) -> str:
    """How a recipe was run: iterations, and what departs from the recipe itself."""
    given = usual = set(line["departures"])
    with suppress(ValueError):  # a recipe that is no more
        usual = set(departures(recipe(line["recipe"]), line["precision"]))
    changed = [_without_paper(phrase) for phrase in sorted(given - usual) if not phrase.startswith("iterations:")]
    changed += [f"without {_without_paper(phrase)}" for phrase in sorted(usual - given)]
    if held_out := line["data"]["validation_images"]:
        changed.append(f"{held_out:,} images held out")
    return "; ".join([f"{line['iterations']:,} iterations", *changed])


def _without_paper(phrase: str) -> str:
    return phrase.partition(" (paper:")[0]
