"""What the runs of a question show follows from their errors, and turns round with them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from test_verdicts import line

from resnets.documents.conclusions import conclusion
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import Row, rows_of

SHORT = ("iterations=6400", "milestones=3200,4800")
LONG = ("iterations=19200", "milestones=9600,14400")
Errors = Mapping[tuple[str, tuple[str, ...]], Sequence[float]]


def rows(question: str, errors: Errors) -> list[Row]:
    """Short runs of seeds 0, 1, ... with these errors, in training as in the test."""
    lines = [
        line(name, seed, error, *(changes if "iterations=19200" in changes else (*SHORT, *changes)), train=error)
        for (name, changes), values in errors.items()
        for seed, error in enumerate(values)
    ]
    return rows_of(TARGETS[question], "short", range(3), lines)


PLAIN, A = ("cifar10-plain20", ()), ("cifar10-resnet20", ())
B = ("cifar10-resnet20", ("changes.shortcut=B",))


def test_shortcuts() -> None:
    said = conclusion("shortcuts", rows("shortcuts", {PLAIN: [16.0, 15.5], A: [13.5, 14.0], B: [13.25]}))
    assert "less that of option A, seed by seed: B -0.25 points; no shortcut +2.50, +1.50." in said
    assert "Seeds of A alone are up to 0.50 apart." in said
    assert "matters more than which, as on ImageNet (ResNet-34 there: 25.03, 24.52, 24.19 % with" in said
    assert "28.54 without)" in said
    said = conclusion("shortcuts", rows("shortcuts", {PLAIN: [14.0], A: [13.5], B: [15.5]}))
    assert "matters as much as that there is one; not so on ImageNet" in said
    assert "apart" not in said
    assert conclusion("shortcuts", rows("shortcuts", {PLAIN: [14.0], A: [13.5]})) == ""
    assert conclusion("shortcuts", rows("shortcuts", {PLAIN: [14.0], B: [13.5]})) == ""


def test_seeds_that_do_not_pair_say_nothing() -> None:
    shown = [
        replace(row, runs=row.runs[1:]) if row.entry.name == "cifar10-resnet20" else row
        for row in rows("shortcuts", {PLAIN: [14.0], A: [13.5, 13.0], B: [13.5]})
    ]
    assert conclusion("shortcuts", shown) == ""
    paired = [replace(row, runs=[{**run, "seed": 1} for run in row.runs]) for row in shown]
    for name in ("cifar10-plain20", "cifar10-resnet20, B"):
        one = [a if a.entry.name == name else b for a, b in zip(shown, paired, strict=True)]
        assert conclusion("shortcuts", one) == ""
    assert conclusion("shortcuts", paired) != ""


def test_three_times() -> None:
    usual = {PLAIN: [14.4, 14.5], ("cifar10-plain56", ()): [61.75]}
    longer = {("cifar10-plain20", LONG): [7.5], ("cifar10-plain56", LONG): [31.25]}
    said = conclusion("three-times", rows("three-times", {**usual, **longer}))
    assert "three times the iterations plain-20 trains to 7.50 % instead of 14.40 (seed 0)." in said
    assert "plain-56 trains to 31.25 % instead of 61.75 (seed 0)." in said
    assert "plain-20, seed by seed: +23.75 points. More iterations do not make up for the depth" in said
    said = conclusion("three-times", rows("three-times", {**longer, ("cifar10-plain56", LONG): [7.25]}))
    assert "instead" not in said
    assert said.endswith("So many iterations make up for the depth, other than the paper says of ImageNet.")
    assert conclusion("three-times", rows("three-times", usual)) == ""
    mixed: Errors = {("cifar10-plain20", LONG): [7.5, 7.5], ("cifar10-plain56", LONG): [31.25, 7.0]}
    said = conclusion("three-times", rows("three-times", mixed))
    assert "+23.75, -0.50 points. In 1 of 2 seeds they do not make up for the depth" in said


@pytest.mark.parametrize(
    ("warmed", "where"),
    [([15.0, 19.0], "helps where"), ([18.5], "does not help where"), ([15.0, 21.0], "helps in 1 of 2 runs where")],
)
def test_warm_up(warmed: list[float], where: str) -> None:
    cold = {("cifar10-resnet56", ()): [18.0, 20.0]}
    found = rows("warm-up", {**cold, ("cifar10-resnet56", ("warmup_lr=0.01",)): warmed})
    said = conclusion("warm-up", found)
    assert f"ResNet-56 {warmed[0] - 18:+.2f}" in said
    assert f"After so many iterations it {where} the paper has none." in said
    assert conclusion("warm-up", rows("warm-up", cold)) == ""


def test_what_is_no_question_has_none() -> None:
    assert conclusion("table6", rows("table6", {A: [13.5]})) == ""


def test_choices() -> None:
    """Clear is what all seeds agree on and what is larger than twice its deviation."""
    zeros, decay = ("cifar10-resnet20", ("changes.zeros=both",)), ("cifar10-resnet20", ("decay=all",))
    mean = ("cifar10-resnet20", ("normalisation=channel_mean",))
    given: Errors = {A: [13.0, 14.0], zeros: [13.6, 14.8], decay: [13.5, 13.9], mean: [12.0]}
    said = conclusion("choices", rows("choices", given))
    assert "larger than twice its deviation: cifar10-resnet20, zeros on both sides (+0.60, +0.80). " in said
    assert "Of cifar10-resnet20, decay of all the seeds say nothing either way. From 2 seeds on" in said
    assert "channel mean" not in said
    scattered: Errors = {A: [13.0, 14.0], zeros: [13.03, 14.16]}  # of one sign, but 0.095 +- 0.092
    assert "Of cifar10-resnet20, zeros on both sides the seeds" in conclusion("choices", rows("choices", scattered))
    assert conclusion("choices", rows("choices", {A: [13.0], zeros: [13.6]})) == ""
