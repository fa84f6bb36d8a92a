"""What the runs of `questions.py` show, in words that follow from their errors."""

from collections.abc import Callable, Mapping, Sequence

from resnets.paper.markdown import each, listed, seeds_said
from resnets.paper.published import PUBLISHED
from resnets.paper.verdicts import Row, differences

Rows = Mapping[str, Row]
"""By name, those that have runs."""


def conclusion(question: str, rows: Sequence[Row]) -> str:
    """A paragraph on the rows of a question; "" where what it is about has not been measured, or it has none."""
    measured = {row.entry.name: row for row in rows if row.runs}
    return _CONCLUSIONS[question](measured) if question in _CONCLUSIONS else ""


def _shortcuts(rows: Rows) -> str:
    """Whether it matters more that there is a shortcut or which it is."""
    first, without = rows.get("cifar10-resnet20"), rows.get("cifar10-plain20")
    less = differences(list(rows.values())) or {}
    if first is None or without is None or not less:
        return ""
    none = _paired(without, first)
    options = [f"{name.partition(', ')[2]} {_points(points)}" for name, points in less.items()]
    widest = max(abs(value) for points in less.values() for value in points)
    errors = first.errors()
    said = [
        f"Test error less that of option A, seed by seed: {'; '.join(options)} points; no shortcut {_points(none)}."
    ]
    said += [f"Seeds of A alone are up to {max(errors) - min(errors):.2f} apart."] if len(errors) > 1 else []
    imagenet = [PUBLISHED[name].top1 for name in ("resnet34_a", "resnet34", "resnet34_c", "plain34")]
    there = f"(ResNet-34 there: {listed(imagenet[:3])} % with A, B and C, {imagenet[3]} without)"
    if widest < min(none):
        return " ".join([*said, f"That there is a shortcut matters more than which, as on ImageNet {there}."])
    return " ".join([*said, f"Which shortcut it is matters as much as that there is one; not so on ImageNet {there}."])


def _three_times(rows: Rows) -> str:
    """Whether the deep plain net makes up for its depth."""
    named = [(f"plain-{depth}", f"cifar10-plain{depth}") for depth in (20, 56)]
    longer = {net: rows.get(f"{name}, three times") for net, name in named}
    if any(row is None for row in longer.values()):
        return ""
    said = []
    for net, name in named:
        row, usual = longer[net], rows.get(name)
        assert row is not None
        errors = {run["seed"]: run["train_error"] for run in usual.runs} if usual else {}
        before = [errors[run["seed"]] for run in row.runs if run["seed"] in errors]
        instead = f" instead of {each(before)}" if before else ""
        seeds = seeds_said([run["seed"] for run in row.runs])
        said.append(
            f"After three times the iterations {net} trains to {each(row.errors('train_error'))} %{instead} ({seeds})."
        )
    shallow, deep = longer.values()
    assert shallow is not None
    assert deep is not None
    worse = _paired(deep, shallow, "train_error")
    if not worse:
        return " ".join(said)
    verdict = (
        "More iterations do not make up for the depth, as the paper says of ImageNet."
        if min(worse) > 0
        else "So many iterations make up for the depth, other than the paper says of ImageNet."
    )
    return " ".join(
        [*said, f"The errors of plain-56 less those of plain-20, seed by seed: {_points(worse)} points.", verdict]
    )


def _warm_up(rows: Rows) -> str:
    """What a warm-up does for networks that the paper does not warm up."""
    less = {name: points for name, points in (differences(list(rows.values())) or {}).items() if "warmed" in name}
    if not any(less.values()):
        return ""
    said = [
        f"{name.partition(',')[0].replace('cifar10-resnet', 'ResNet-')} {_points(points)} points "
        f"({seeds_said([run['seed'] for run in rows[name].runs])})"
        for name, points in less.items()
        if points
    ]
    gains = [value < 0 for points in less.values() for value in points]
    where = (
        "helps" if all(gains) else "does not help" if not any(gains) else f"helps in {sum(gains)} of {len(gains)} runs"
    )
    return (
        f"Test error with a warm-up less that without, seed by seed: {'; '.join(said)}. In so few iterations a warm-up "
        f"{where} where the paper has none."
    )


def _paired(row: Row, other: Row, kind: str = "test_error") -> list[float]:
    """The row's error less the other's, one a seed of both."""
    errors = {run["seed"]: run[kind] for run in other.runs}
    return [run[kind] - errors[run["seed"]] for run in row.runs if run["seed"] in errors]


def _points(values: Sequence[float]) -> str:
    return ", ".join(f"{value:+.2f}" for value in values)


_CONCLUSIONS: dict[str, Callable[[Rows], str]] = {
    "shortcuts": _shortcuts,
    "three-times": _three_times,
    "warm-up": _warm_up,
}
"""By the name of the target."""
