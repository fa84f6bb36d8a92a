"""The blocks of documents: functions from the folder of results to Markdown, by name in `BLOCKS`."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import mean

from resnets.classification.recipes import departures, is_papers, recipe
from resnets.documents.family import FAMILY, sourced
from resnets.documents.images import CIFAR10, cifar10_runs
from resnets.documents.photograph_speed import PHOTOGRAPH_SPEED
from resnets.documents.reproduction import REPRODUCTION
from resnets.documents.speed import SPEED
from resnets.evaluation.metrics import wilson
from resnets.models.layouts import ELSEWHERE, LAYOUTS
from resnets.models.rows import PAPER
from resnets.paper.degradation import WORSE
from resnets.paper.lines import Net, Record, grouped, papers_own, read_lines
from resnets.paper.markdown import conditions, each, listed, missing, spread, table
from resnets.paper.published import test_error
from resnets.paper.targets import entry_of
from resnets.paper.verdicts import Row
from resnets.training.progress import duration


def models(results: Path) -> str:
    """The paper's own networks."""
    rows = [
        (f"`{spec.name}`", *(f"{count:,}" for count in (spec.layers, spec.params, spec.multiply_adds)), place)
        for spec, place in sourced(PAPER)
    ]
    counts = table(("name", "layers", "parameters", "multiply-adds", "source"), "lrrrl", rows)
    return f"{counts}\n\nTables, figures and sections are those of {PAPER}."


def degradation(results: Path) -> str:
    """The newest line of `degradation.jsonl`: table and verdict."""
    lines = read_lines(results / "degradation.jsonl")
    if not lines:
        return missing("resnets reproduce degradation --results results/degradation.jsonl")
    record = lines[-1]
    rows = [
        (row["net"], *(spread(row[f"{kind}_error"]) for kind in ("train", "test")), each(row["train_error"]))
        for row in record["table"]
    ]
    head = ("net", "training error, %", "test error, %", "training error of each seed, %")
    deeper = {
        family: ", ".join(f"{points:+.2f}" for points in record["deeper_minus_shallower"][family])
        for family in ("plain", "resnet")
    }
    verdict = (
        f"The deep net's training error less the shallow one's, seed by seed: plain {deeper['plain']} points, "
        f"residual {deeper['resnet']} points. Deeper plain nets train worse, by more than {WORSE:g} points with every "
        f"seed: {_answer(record['plain_degrades'])}. Deeper residual nets do so with none: "
        f"{_answer(record['residual_does_not'])}. "
        f"**The paper's degradation {'shows' if record['degradation'] else 'does not show'}.**"
    )
    where = f"Seeds {listed(record['seeds'])}; {duration(record['seconds'])} of training in all. {conditions([record])}"
    return "\n\n".join((table(head, "lrrl", rows), verdict, f"A surrogate: {record['surrogate']}. {where}"))


def cifar10(results: Path) -> str:
    """The paper's own runs: the figure where there is one, and a sentence for each network."""
    nets = papers_own(results)
    if not nets:
        return missing("resnets train cifar10-resnet20 --results results/cifar10.jsonl")
    drawn = dict.fromkeys(Net(run["family"], run["depth"]).title for run in cifar10_runs(results))
    figure = [f"![Error curves on CIFAR-10, the paper's recipe: {', '.join(drawn)}]({CIFAR10})"] if drawn else []
    sentences = "\n".join(_beside_the_paper(net, lines) for net, lines in nets.items())
    return "\n\n".join([*figure, sentences, conditions(line for lines in nets.values() for line in lines)])


def runs(results: Path) -> str:
    """A table for each recipe of `cifar10.jsonl`, a row for each way it was run."""
    lines = read_lines(results / "cifar10.jsonl")
    if not lines:
        return missing("resnets train cifar10-resnet20 --results results/cifar10.jsonl")
    return "\n\n".join(_recipe(name, group) for name, group in grouped(lines, lambda line: line["recipe"]))


def precision(results: Path) -> str:
    """The newest line of `bench/precision.jsonl`: the same run in float32 and in bfloat16."""
    lines = read_lines(results / "bench" / "precision.jsonl")
    if not lines:
        return missing("python benchmarks/precision_curve.py --results results/bench/precision.jsonl")
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
    where = conditions([{**line, "precision": "fp32 and bf16"}])
    return f"{line['what']}:\n\n{table(head, 'lrrr', rows)}\n\n{where}"


def weights(results: Path) -> str:
    """The newest line of each network in `weights.jsonl`: what the package ships, and what rounding cost."""
    newest = {line["model"]: line for line in read_lines(results / "weights.jsonl")}
    if not newest:
        return missing("python -m resnets.paper.shipping runs/cifar10-resnet20-seed0")
    rows = [
        (
            f"`{model}`",
            f"{line['bytes']:,} bytes",
            *(_counted(line[f"{kind}_wrong"], line["images"]) for kind in ("full", "rounded")),
            line["recipe"],
            line["seed"],
        )
        for model, line in newest.items()
    ]
    head = ("network", "size", "test error, full precision", "test error, rounded to float16", "recipe", "seed")
    use = f"By name: `resnets predict {next(iter(newest))} picture.png`."
    return f"{table(head, 'lrrrlr', rows)}\n\n{use}\n\n{conditions(newest.values())}"


def own_pictures(results: Path) -> str:
    """The newest line of `own_pictures.jsonl` for each folder, start and seed: what `train --data` made of it, and
    beside it what is to be had without training a network."""
    lines = read_lines(results / "own_pictures.jsonl")
    newest = {(line["data"]["name"], line["start"] or "", line["seed"]): line for line in lines}
    if not newest:
        return missing("resnets train --data clothing --results results/own_pictures.jsonl")
    rows = [
        (
            f"`{folder}`",
            f"{line['data']['train_images']:,} and {line['data']['test_images']:,}",
            f"`{start}`" if start else "nothing",
            f"`{line['model']}`",
            seed,
            f"{line['iterations']:,}",
            _with_interval(line["test_wrong"], line["test_images"]),
            _with_interval(told["test_wrong"], told["images"]) if (told := line["baseline"]) else "",
        )
        for (folder, start, seed), line in sorted(newest.items())
    ]
    head = ("pictures", "training, test", "begins with", "network", "seed", "iterations", "test error, %")
    return f"{table((*head, 'linear classifier, %'), 'lrllrrrr', rows)}\n\n{conditions(newest.values())}"


def layouts(results: Path) -> str:
    """The layouts of others that are read."""
    rows = [(f"`{row.name}`", row.carries, row.attached, row.checked) for row in LAYOUTS.values()]
    return table(("layout", "what it carries", "what is set and attached", "how it was checked"), "llll", rows)


def elsewhere(results: Path) -> str:
    """What others publish that is not read."""
    return table(("what", "why it is not read"), "ll", ELSEWHERE.items())


BLOCKS: dict[str, Callable[[Path], str]] = {
    "models": models,
    "layouts": layouts,
    "elsewhere": elsewhere,
    "degradation": degradation,
    "cifar10": cifar10,
    "runs": runs,
    "weights": weights,
    "precision": precision,
    "own-pictures": own_pictures,
    **SPEED,
    **PHOTOGRAPH_SPEED,
    **FAMILY,
    **REPRODUCTION,
}


# ---------------------------------------------------------------------------------------------------------------
# Runs


def _recipe(name: str, lines: list[Record]) -> str:
    rows = []
    for (changed, device, precision), several in grouped(lines, _way):
        group = list({line["seed"]: line for line in several}.values())  # a seed that was run anew counts once
        errors = [line["test_error"] for line in group]
        published = [test_error(line["model"], line["data"]["name"]) for line in group if is_papers(line["departures"])]
        rows.append(
            (
                changed,
                listed([line["seed"] for line in group]),
                spread(errors),
                each(errors),
                f"{published[0]:.2f}" if published and published[0] is not None else "",
                spread([line["train_error"] for line in group]),
                duration(mean(line["seconds"] for line in group)),
                f"{device}, {precision}",
            )
        )
    head = ("schedule", "seeds", "test error, %", "each", "paper", "training error, %", "time a run", "hardware")
    return f"**{name}**\n\n{table(head, 'llrlrrrl', rows)}\n\n{conditions(lines)}"


def _beside_the_paper(net: Net, lines: list[Record]) -> str:
    """A network's test error over its seeds, the paper's, and the verdict."""
    row = Row(entry_of(f"cifar10-{net.family}{net.depth}"), "paper", lines)
    seeds = f"seed{'s' * (len(lines) > 1)} {listed([line['seed'] for line in lines])}"
    parts = [f"test error {spread(row.errors())} % ({seeds})"]
    parts.append(f"the paper's is {row.paper:g} %" if row.paper is not None else "the paper gives none")
    if row.band:
        parts.append(f"{row.verdict} expected, {row.band[0]:g} to {row.band[1]:g} %")
    return f"- **{net.title}**: {'; '.join(parts)}."


def _way(line: Record) -> tuple[str, str, str]:
    """How a recipe was run: iterations and what departs from the recipe itself; hardware; precision."""
    given = usual = set(line["departures"])
    with suppress(ValueError):  # a recipe that is no more
        usual = set(departures(recipe(line["recipe"]), line["precision"]))
    changed = [_without_paper(phrase) for phrase in sorted(given - usual) if not phrase.startswith("iterations:")]
    changed += [f"without {_without_paper(phrase)}" for phrase in sorted(usual - given)]
    if held_out := line["data"]["validation_images"]:
        changed.append(f"{held_out:,} images held out")
    return "; ".join([f"{line['iterations']:,} iterations", *changed]), line["device"], line["precision"]


def _without_paper(phrase: str) -> str:
    return phrase.partition(" (paper:")[0]


# ---------------------------------------------------------------------------------------------------------------
# Words


def _counted(wrong: int, images: int) -> str:
    return f"{100 * wrong / images:.2f} % ({wrong:,} of {images:,})"


def _with_interval(wrong: int, images: int) -> str:
    """ "33.33 (22.95 to 45.63)": percent, and the 95 % interval."""
    low, high = wilson(wrong, images)
    return f"{100 * wrong / images:.2f} ({low:.2f} to {high:.2f})"


def _answer(shown: bool) -> str:
    return "yes" if shown else "no"
