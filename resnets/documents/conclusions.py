"""What the runs of `questions.py` show, in words that follow from their errors."""

from collections.abc import Callable, Mapping, Sequence
from statistics import mean, stdev

from resnets.paper.markdown import each, listed, seeds_said, signed
from resnets.paper.published import PUBLISHED
from resnets.paper.verdicts import Row, differences, paired

Rows = Mapping[str, Row]
"""By name, those that have runs."""


def conclusion(question: str, rows: Sequence[Row]) -> str:
    """A paragraph on the rows of a question; "" where what it is about has not been measured, or it has none."""
    measured = {row.entry.name: row for row in rows if row.runs}
    return _CONCLUSIONS[question](measured) if question in _CONCLUSIONS else ""


def _shortcuts(rows: Rows) -> str:
    """Whether it matters more that there is a shortcut or which it is."""
    first, without, less = rows.get("cifar10-resnet20"), rows.get("cifar10-plain20"), _differences(rows)
    none = paired(without, first) if first and without else []
    if first is None or not less or not none:
        return ""
    options = [f"{name.partition(', ')[2]} {signed(points)}" for name, points in less.items()]
    widest = max(abs(value) for points in less.values() for value in points)
    errors = first.errors()
    said = [f"Test error less that of option A, seed by seed: {'; '.join(options)} points; no shortcut {signed(none)}."]
    said += [f"Seeds of A alone are up to {max(errors) - min(errors):.2f} apart."] if len(errors) > 1 else []
    imagenet = [PUBLISHED[name].top1 for name in ("resnet34_a", "resnet34", "resnet34_c", "plain34")]
    there = f"(ResNet-34 there: {listed(imagenet[:3])} % with A, B and C, {imagenet[3]} without)"
    if widest < min(none):
        return " ".join([*said, f"That there is a shortcut matters more than which, as on ImageNet {there}."])
    return " ".join([*said, f"Which shortcut it is matters as much as that there is one; not so on ImageNet {there}."])


def _three_times(rows: Rows) -> str:
    """Whether the deep plain net makes up for its depth."""
    shallow, deep = (rows.get(f"cifar10-plain{depth}, three times") for depth in (20, 56))
    worse = paired(deep, shallow, "train_error") if shallow and deep else []
    if shallow is None or deep is None or not worse:
        return ""
    sentences = [_trained_longer(f"plain-{depth}", row, rows) for depth, row in ((20, shallow), (56, deep))]
    less = f"The errors of plain-56 less those of plain-20, seed by seed: {signed(worse)} points."
    return " ".join([*sentences, less, _made_up(worse)])


def _made_up(worse: Sequence[float]) -> str:
    """Whether the deeper net is no longer worse, in how many seeds."""
    still = sum(value > 0 for value in worse)
    if still == len(worse):
        return "More iterations do not make up for the depth, as the paper says of ImageNet."
    if still == 0:
        return "So many iterations make up for the depth, other than the paper says of ImageNet."
    return f"In {still} of {len(worse)} seeds they do not make up for the depth, as the paper says of ImageNet."


def _trained_longer(net: str, row: Row, rows: Rows) -> str:
    usual = rows.get(row.entry.against)
    errors = {run["seed"]: run["train_error"] for run in usual.runs} if usual else {}
    seeds = [run["seed"] for run in row.runs]
    before = [errors[seed] for seed in seeds if seed in errors]
    instead = f" instead of {each(before)}" if before else ""
    after = each(row.errors("train_error"))
    return f"After three times the iterations {net} trains to {after} %{instead} ({seeds_said(seeds)})."


def _warm_up(rows: Rows) -> str:
    """What a warm-up does for networks that the paper does not warm up."""
    less = {name: points for name, points in _differences(rows).items() if "warmed" in name}
    if not less:
        return ""
    said = [
        f"{name.partition(',')[0].replace('cifar10-resnet', 'ResNet-')} {signed(points)} points "
        f"({seeds_said([run['seed'] for run in rows[name].runs])})"
        for name, points in less.items()
    ]
    gains = [value < 0 for points in less.values() for value in points]
    some = f"helps in {sum(gains)} of {len(gains)} runs"
    helps = "helps" if all(gains) else some if any(gains) else "does not help"
    return (
        f"Test error with a warm-up less that without, seed by seed: {'; '.join(said)}. After so many iterations it "
        f"{helps} where the paper has none."
    )


def _choices(rows: Rows) -> str:
    """Which choices make a difference that all seeds agree on, and that is larger than twice their deviation."""
    less = {name: points for name, points in _differences(rows).items() if len(points) > 1}
    if not less:
        return ""
    clear = [name for name, points in less.items() if abs(mean(points)) > 2 * stdev(points) and _agree(points)]
    unclear = [name for name in less if name not in clear]
    said = [f"{name} ({signed(less[name])})" for name in clear]
    found = (
        [f"A difference that all seeds agree on, and larger than twice its deviation: {'; '.join(said)}."]
        if said
        else []
    )
    found += [f"Of {'; '.join(unclear)} the seeds say nothing either way."] if unclear else []
    seeds = min(len(points) for points in less.values())
    return " ".join([*found, f"From {seeds} seeds on: an indication, no proof."])


def _agree(points: Sequence[float]) -> bool:
    return min(points) > 0 or max(points) < 0


def _differences(rows: Rows) -> dict[str, list[float]]:
    """Those of rows that have a seed in common with the row they stand against."""
    return {name: points for name, points in (differences(list(rows.values())) or {}).items() if points}


_CONCLUSIONS: dict[str, Callable[[Rows], str]] = {
    "choices": _choices,
    "shortcuts": _shortcuts,
    "three-times": _three_times,
    "warm-up": _warm_up,
}
"""By the name of the target."""
