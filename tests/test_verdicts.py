"""Verdicts follow from recorded runs by hand-made bands and claims; no surrogate is held against the paper."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from resnets.classification.recipes import departures, recipe
from resnets.paper.entries import SCALES, Claim, Entry, Target
from resnets.paper.published import PUBLISHED
from resnets.paper.tabled import claims_lines, heading, notes, table_markdown, table_text
from resnets.paper.tables import TABLES
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import Row, failures, is_of, judged, rows_of, runs_of_entry
from resnets.training.recipe import override

NET, OTHER = "cifar10-resnet20", "cifar10-plain20"
ENTRY = Entry(recipe=NET, paper=8.75, band=(7.8, 9.2), mean_band=(8.35, 9.15))


def line(name: str, seed: int, error: float, *changes: str, train: float = 1.0, precision: str = "bf16") -> Any:
    """A line of results of a run that was really planned so."""
    given = override(recipe(name), [*changes, f"seed={seed}"])
    return {
        "recipe": given.name,
        "model": given.model,
        "seed": seed,
        "iterations": given.iterations,
        "test_error": error,
        "train_error": train,
        "seconds": 3600.0,
        "device": "CPU, 1 thread",
        "precision": precision,
        "departures": departures(given, precision),
        "data": {"name": given.data, "validation_images": given.validation_images},
    }


def row(*lines: Any, scale: str = "paper", entry: Entry = ENTRY) -> Row:
    return Row(entry, scale, list(lines))


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ([8.0], "inside the band"),
        ([7.8, 9.2], "inside the band"),
        ([9.21], "outside the band"),
        ([8.0, 9.21], "outside the band"),  # each of two runs
        ([7.7, 8.0], "better than the band"),
        ([9.3, 9.0, 8.7], "inside the band"),  # of three the mean, 9.0
        ([9.3, 9.2, 9.1], "outside the band"),
        ([8.2, 8.2, 8.2], "better than the band"),
    ],
)
def test_bands(errors: list[float], verdict: str) -> None:
    given = row(*(line(NET, seed, error) for seed, error in enumerate(errors)))
    assert given.verdict == verdict
    assert given.paper == 8.75
    assert bool(failures([given], [])) == (verdict == "outside the band")


def test_a_figure_without_a_band_fails_and_its_distance_is_said() -> None:
    bare = replace(ENTRY, band=None, mean_band=None)
    given = row(line(NET, 0, 89.5), entry=bare)
    assert (given.verdict, given.paper, given.from_paper) == ("no band", 8.75, 80.75)
    (said,) = failures([given], [])
    assert said == f"{NET}: no band, +80.75 points: nothing says how near to the paper's 8.75 it has to be"
    assert "no band, +80.75" in table_text([given], "paper")
    near = row(line(NET, 0, 8.5), line(NET, 1, 8.6), line(NET, 2, 8.7), entry=bare)
    assert near.from_paper == pytest.approx(-0.15)  # of the mean
    assert [said.partition(" points")[0] for said in failures([near], [])] == [f"{NET}: no band, -0.15"]
    assert row(entry=bare).from_paper is None
    variant = row(line(NET, 0, 89.5), entry=Entry(recipe=NET))  # of which no paper says anything
    assert (variant.verdict, variant.from_paper, failures([variant], [])) == ("", None, [])
    short = row(line(NET, 0, 89.5), entry=bare, scale="short")
    assert (short.verdict, short.from_paper, failures([short], [])) == ("a surrogate", None, [])


def test_nothing_measured_is_no_success() -> None:
    assert row().verdict == "not measured"
    assert failures([row()], []) == [f"{NET}: not measured"]


@pytest.mark.parametrize("scale", ["short", "smoke"])
def test_a_surrogate_is_never_set_beside_the_paper(scale: str) -> None:
    planned = ENTRY.planned(scale, 0)
    short = {**line(NET, 0, 13.5), "iterations": planned.iterations, "departures": departures(planned, "bf16")}
    short["data"] = {"name": planned.data, "validation_images": 0}
    (given,) = rows_of(Target(title="t", source="s", entries=(ENTRY,)), scale, [0], [short])
    assert (given.verdict, given.paper, given.band) == ("a surrogate", None, None)
    assert given.to_dict()["surrogate"]
    assert "8.75" not in table_text([given], scale) + table_markdown([given], scale)
    assert "SURROGATE" in heading(TARGETS["table6"], scale)
    # Even where it is handed in as if it were the paper's: its departures tell.
    assert row(short).verdict == "a surrogate"
    assert row(short).paper is None


def test_a_line_is_of_a_run_only_where_all_of_it_agrees() -> None:
    planned = ENTRY.planned("paper", 1)
    assert is_of(line(NET, 1, 8.0), planned)
    assert is_of(line(NET, 1, 8.0, precision="fp32"), planned)
    assert not is_of(line(NET, 0, 8.0), planned)
    for change in ("lr=0.05", "iterations=6400", "changes.shortcut=B", "validation_images=5000", "nesterov=true"):
        assert not is_of(line(NET, 1, 8.0, change), planned), change
    assert not is_of(line("cifar10-resnet20-45k", 1, 8.0), planned)


def test_the_newest_line_of_a_seed_stands_and_seeds_are_in_order() -> None:
    lines = [line(NET, 2, 8.9), line(NET, 0, 9.9), line(NET, 0, 8.1), line(NET, 7, 8.0)]
    assert [run["test_error"] for run in runs_of_entry(ENTRY, "paper", [0, 1, 2], lines)] == [8.1, 8.9]


def _judged(claim: Claim, worse: list[float], better: list[float], scale: str = "paper") -> str:
    entries = (Entry(recipe=OTHER), ENTRY)
    rows = [
        Row(entry, scale, [{**line(entry.recipe, seed, e), "train_error": e} for seed, e in enumerate(errors)])
        for entry, errors in zip(entries, (worse, better), strict=True)
    ]
    (found,) = judged(Target(title="t", source="s", entries=entries, claims=(claim,)), rows)
    return found.verdict


def test_of_a_surrogates_claim_only_the_sign_is_looked_at() -> None:
    claim = Claim(text="worse", worse=OTHER, than=NET, by=2.0)
    assert _judged(claim, [9.0], [8.0]) == "does not hold"
    assert _judged(claim, [9.0], [8.0], "short") == "holds"
    changed = [
        Row(Entry(recipe=name), "paper", [line(name, 0, e, "decay=all")]) for name, e in ((OTHER, 9.0), (NET, 8.0))
    ]
    target = Target(title="t", source="s", entries=tuple(row.entry for row in changed), claims=(claim,))
    (found,) = judged(target, changed)
    assert (found.surrogate, found.verdict) == (True, "holds")


def test_claims() -> None:
    each = Claim(text="worse", worse=OTHER, than=NET, by=2.0, every_seed=True)
    assert _judged(each, [12.0, 11.0], [8.0, 8.0]) == "holds"
    assert _judged(each, [12.0, 9.9], [8.0, 8.0]) == "does not hold"  # in one seed
    assert _judged(replace(each, every_seed=False), [12.0, 9.9], [8.0, 8.0]) == "holds"  # in the mean
    assert _judged(each, [10.0], [8.0]) == "does not hold"  # two points are not more than two
    assert _judged(each, [12.0], []) == "not measured"
    assert _judged(each, [8.5], [8.0], scale="short") == "holds"  # of surrogates the sign
    assert _judged(each, [7.5], [8.0], scale="short") == "does not hold"
    assert _judged(replace(each, weak=True), [7.5], [8.0]) == "does not hold (weak)"
    alone = Claim(text="trains", worse=OTHER, by=0.3, error="train_error", below=True)
    assert _judged(alone, [0.2, 0.1], []) == "holds"
    assert _judged(alone, [0.5], []) == "does not hold"
    assert _judged(replace(alone, by=40.0, below=False), [65.0], []) == "holds"


def test_a_deviation_is_judged_from_enough_seeds_on() -> None:
    little = Claim(text="little", worse=OTHER, by=0.35, below=True, spread=True, seeds=5)
    near, far = [6.4, 6.6, 6.6, 6.6, 6.8], [6.2, 6.6, 6.6, 6.6, 7.0]  # around 6.6 by 0.141 and by 0.283
    assert _judged(little, near, []) == _judged(little, far, []) == "holds"
    assert _judged(little, [6.0, 6.6, 6.6, 6.6, 7.2], []) == "does not hold"  # 0.424
    assert _judged(replace(little, by=0.14), near, []) == "does not hold"  # the sample's, not the population's 0.126
    assert _judged(little, [6.0, 6.6, 6.6, 7.2], []) == "not judged, too few seeds"
    assert _judged(little, [], []) == "not measured"


def test_a_claim_for_which_there_are_too_few_seeds_fails_nothing() -> None:
    claim = Claim(text="worse", worse=OTHER, than=NET, by=0.1, seeds=2)
    rows = [row(line(OTHER, 0, 8.0), entry=Entry(recipe=OTHER)), row(line(NET, 0, 8.0))]
    target = Target(title="t", source="s", entries=(Entry(recipe=OTHER), ENTRY), claims=(claim,))
    found = judged(target, rows)
    assert claims_lines(found)[0].startswith("worse: not judged, too few seeds (+0.00 points")
    assert failures(rows, found) == []
    assert _judged(claim, [8.0, 8.0], [8.0, 8.0]) == "does not hold"


def test_of_a_surrogate_no_deviation_is_asked() -> None:
    little = Claim(text="little", worse=NET, by=0.35, below=True, spread=True, seeds=2)
    target = Target(title="t", source="s", entries=(ENTRY,), claims=(little,))
    runs = [line(NET, seed, error) for seed, error in enumerate((12.0, 14.0))]
    assert judged(target, [row(*runs, scale="short")]) == []
    (found,) = judged(target, [row(*runs)])
    assert found.verdict == "does not hold"
    assert claims_lines([found]) == ["little: does not hold (1.41 points over 12.00, 14.00 %; asked is under 0.35)"]


def test_alike_is_near_to_either_side_and_not_asked_of_surrogates() -> None:
    claim = Claim(text="alike", worse=OTHER, than=NET, by=0.4, alike=True)
    assert _judged(claim, [8.3, 8.3], [8.0, 8.0]) == _judged(claim, [7.7, 7.7], [8.0, 8.0]) == "holds"
    assert _judged(claim, [8.5], [8.0]) == _judged(claim, [7.5], [8.0]) == "does not hold"
    assert _judged(claim, [8.9, 7.3], [8.0, 8.0]) == "holds"  # in the mean
    rows = [row(line(OTHER, 0, 8.5), scale="short", entry=Entry(recipe=OTHER)), row(line(NET, 0, 8.0), scale="short")]
    target = Target(title="t", source="s", entries=(Entry(recipe=OTHER), ENTRY), claims=(claim,))
    assert judged(target, rows) == []
    found = judged(target, [replace(one, scale="paper") for one in rows])
    assert claims_lines(found) == [
        "alike: does not hold (+0.50 points; asked are less than 0.4 to either side)",
    ]


def test_a_claim_may_be_about_the_beginning() -> None:
    """After 400 iterations; lines of earlier versions do not say how their runs began."""
    claim = Claim(text="has not begun", worse=NET, by=80.0, error="train_error", after=400)
    target = Target(title="t", source="s", entries=(ENTRY,), claims=(claim,))
    began = [{"steps": [100, 400, 500], "train_error": [90.0, error, 10.0]} for error in (85.0, 79.0)]
    runs = [{**line(NET, seed, 8.0), "beginning": its} for seed, its in enumerate(began)]
    (found,) = judged(target, [row(*runs, line(NET, 2, 8.0))])
    assert (found.points, found.verdict) == ([85.0, 79.0], "holds")
    (found,) = judged(target, [row(runs[1])])
    assert found.verdict == "does not hold"
    (found,) = judged(target, [row(line(NET, 2, 8.0))])
    assert found.verdict == "not measured"


def test_a_claim_about_rows_that_are_not_asked_for_is_left_out() -> None:
    claim = Claim(text="worse", worse=OTHER, than=NET)
    target = Target(title="t", source="s", entries=(ENTRY,), claims=(claim,))
    assert judged(target, [row(line(NET, 0, 8.0))]) == []


def test_departures_are_said() -> None:
    assert notes([row(line(NET, 0, 8.0))]) == [f"{NET} departs in: precision: bf16 (paper: fp32)"]


# ---------------------------------------------------------------------------------------------------------------
# The tables


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_names_recipes_and_rows_there_are(name: str) -> None:
    target = TARGETS[name]
    names = [entry.name for entry in target.entries]
    assert len(set(names)) == len(names)
    assert [recipe(entry.recipe).name for entry in target.entries] == [entry.recipe for entry in target.entries]
    assert {n for claim in target.claims for n in (claim.worse, claim.than) if n} <= set(names)
    folders = {entry.folder(scale, 0) for entry in target.entries for scale in SCALES}
    assert len(folders) == 3 * len(names)
    assert all(" " not in folder and "/" not in folder for folder in folders)


@pytest.mark.parametrize(
    ("target", "name", "band"),
    [
        ("wide", "cifar10-wrn_28_10", (3.7, 4.3)),
        ("wide", "cifar10-wrn_40_4", (4.23, 4.83)),
        ("wide", "cifar10-wrn_16_8", (3.97, 4.57)),
        ("identity-shortcuts", "cifar10-resnet110_shortcut_gating", (6.51, 7.31)),
    ],
)
def test_bands_of_relatives(target: str, name: str, band: tuple[float, float]) -> None:
    (entry,) = (entry for entry in TARGETS[target].entries if entry.name == name)
    assert entry.band == entry.mean_band == band
    assert row(line(name, 0, band[1] + 0.01), entry=entry).verdict == "outside the band"
    assert row(*(line(name, seed, band[1]) for seed in range(3)), entry=entry).verdict == "inside the band"


@pytest.mark.parametrize("name", TARGETS)
def test_no_row_beside_a_figure_can_pass_with_any_error(name: str) -> None:
    for entry in TARGETS[name].entries:
        for seeds in (1, 3):
            given = row(*(line(entry.recipe, seed, 89.5, *entry.changes) for seed in range(seeds)), entry=entry)
            assert failures([given], []) or entry.paper is None or given.paper is None, entry.name


def test_the_claims_of_depth_order_shortcuts_and_deviation() -> None:
    figure6 = {(c.error, c.worse, c.than) for c in TARGETS["figure6"].claims}
    order = [f"cifar10-plain{depth}" for depth in (56, 44, 20)]
    assert {("test_error", worse, than) for worse, than in pairwise(order)} <= figure6
    hurt = {c.worse.partition("resnet110_")[2]: c.by for c in TARGETS["identity-shortcuts"].claims}
    gates = ("exclusive_gating", "exclusive_gating, bias -7", "shortcut_gating, bias 0")
    assert hurt == dict.fromkeys(("scaling", *gates, "conv", "dropout"), 1.5)  # not of the gate that ends near it
    for name in ("table6", "figure6"):
        (spread,) = (claim for claim in TARGETS[name].claims if claim.spread)
        assert (spread.worse, spread.by, spread.below, spread.seeds) == ("cifar10-resnet110", 0.35, True, 5)
    depths = {c.worse: (c.than, c.by, c.seeds) for c in TARGETS["identity-depths"].claims}
    assert depths["cifar10-resnet164"] == ("cifar10-preact_resnet164", 0.1, 5)


def test_the_papers_figures_are_those_of_the_tables() -> None:
    printed = {row[0]: row[3] for row in TABLES["table6"].rows}
    for entry in TARGETS["table6"].entries:
        assert entry.paper == printed[f"cifar_{entry.recipe.removeprefix('cifar10-')}"]
    for name, top1, top5 in TABLES["table3"].rows:
        if name in PUBLISHED:
            assert (PUBLISHED[str(name)].top1, PUBLISHED[str(name)].top5) == (top1, top5)
    for layers, plain, residual in TABLES["table2"].rows:
        assert (PUBLISHED[f"plain{layers}"].top1, PUBLISHED[f"resnet{layers}_a"].top1) == (plain, residual)
    assert sorted(TABLES) == sorted(f"table{number}" for number in range(1, 15))
    for table in TABLES.values():
        assert all(len(cells) == len(table.head) for cells in table.rows)


def test_scales() -> None:
    short = ENTRY.planned("short", 3)
    assert (short.iterations, short.milestones, short.seed) == (6_400, (3_200, 4_800), 3)
    assert Entry(recipe="cifar10-preact_resnet110").planned("short", 0).warmup_iterations == 40
    changed = {k for k, v in short.to_dict().items() if v != ENTRY.planned("paper", 3).to_dict()[k]}
    assert changed == {"iterations", "milestones", "evaluate_every"}
    assert ENTRY.planned("smoke", 0).data == "digits"
    assert ENTRY.planned("paper", 0) == recipe(NET)


# ---------------------------------------------------------------------------------------------------------------
# Rows about a change


def test_a_row_about_a_change_is_no_surrogate() -> None:
    """ResNet-110 from a rate of 0.1 is what the claim is about; with anything else changed, too, it is one."""
    target = TARGETS["warm-up"]
    lines = [line("cifar10-resnet110", seed, 6.5) for seed in range(3)]
    cold = [line("cifar10-resnet110", seed, 6.6, "warmup_lr=none") for seed in range(3)]
    found = {one.claim.text: one for one in judged(target, rows_of(target, "paper", range(3), [*lines, *cold]))}
    alike = found["ResNet-110 ends alike with its warm-up and without"]
    assert (alike.verdict, alike.asked) == ("holds", 0.4)
    (row,) = [row for row in rows_of(target, "paper", [0], cold) if row.runs]
    assert (row.surrogate, row.paper, row.verdict) == (None, None, "")
    changed = Row(row.entry, "paper", [line("cifar10-resnet110", 0, 6.6, "warmup_lr=none", "decay=all")])
    assert changed.verdict == "a surrogate"
    assert not [one for one in judged(target, rows_of(target, "short", range(3), lines)) if one.claim.alike]


def test_three_times_asks_for_two_points() -> None:
    target = TARGETS["three-times"]
    longer = ("iterations=192000", "milestones=96000,144000")
    for error, verdict in ((5.5, "holds"), (3.0, "does not hold")):
        runs = [line(f"cifar10-plain{depth}", 0, 10.0, *longer, train=e) for depth, e in ((20, 1.4), (56, error))]
        (found,) = judged(target, rows_of(target, "paper", [0], runs))
        assert (found.asked, found.verdict) == (2.0, verdict)
