"""The blocks of documents: functions from the folder of results to Markdown, by name in `BLOCKS`."""

from collections.abc import Callable
from pathlib import Path

from resnets.documents.family import FAMILY, sourced
from resnets.documents.photograph_speed import PHOTOGRAPH_SPEED
from resnets.documents.reproduction import REPRODUCTION
from resnets.documents.runs import RUNS
from resnets.documents.speed import SPEED
from resnets.evaluation.metrics import wilson
from resnets.models.layouts import ELSEWHERE, LAYOUTS
from resnets.models.rows import PAPER
from resnets.paper.degradation import WORSE
from resnets.paper.in_print import read_off_markdown
from resnets.paper.lines import read_lines
from resnets.paper.markdown import conditions, each, listed, missing, signed, spread, table
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
    deeper = {family: signed(record["deeper_minus_shallower"][family]) for family in ("plain", "resnet")}
    verdict = (
        f"The deep net's training error less the shallow one's, seed by seed: plain {deeper['plain']} points, "
        f"residual {deeper['resnet']} points. Deeper plain nets train worse, by more than {WORSE:g} points with every "
        f"seed: {_answer(record['plain_degrades'])}. Deeper residual nets do so with none: "
        f"{_answer(record['residual_does_not'])}. "
        f"**The paper's degradation {'shows' if record['degradation'] else 'does not show'}.**"
    )
    where = f"Seeds {listed(record['seeds'])}; {duration(record['seconds'])} of training in all. {conditions([record])}"
    return "\n\n".join((table(head, "lrrl", rows), verdict, f"A surrogate: {record['surrogate']}. {where}"))


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
    "weights": weights,
    "own-pictures": own_pictures,
    "read-off": read_off_markdown,
    **RUNS,
    **SPEED,
    **PHOTOGRAPH_SPEED,
    **FAMILY,
    **REPRODUCTION,
}


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
