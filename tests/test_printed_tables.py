"""The papers' tables as data: sums, gaps and means that the papers print elsewhere come out of them."""

import json
from itertools import pairwise
from statistics import mean
from typing import Any

import pytest
from test_verdicts import line

from resnets.cli import main
from resnets.models.catalog import list_models, row
from resnets.paper.detection_tables import CLASSES
from resnets.paper.entries import SURROGATES
from resnets.paper.in_print import TABLED
from resnets.paper.printed import Cell, PaperTable, number, said
from resnets.paper.published import BANDS, PUBLISHED, SPEEDS, UNSURE
from resnets.paper.read_off import MEDIANS, READ_OFF
from resnets.paper.related_tables import RELATED
from resnets.paper.tabled import printed_markdown, printed_text
from resnets.paper.tables import TABLES
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import failures, rows_of

EVERY = {**TABLED, **{f"{name}, read off": printed for name, printed in READ_OFF.items()}}


def numbers(table: PaperTable, head: str) -> dict[str, float]:
    """The numbers of a column, by the first cells of their rows."""
    return {name: cell for name, cell in table.column(head).items() if isinstance(cell, float | int)}


def cells_of(table: PaperTable, *first: Cell) -> tuple[Cell, ...]:
    """What follows the cells `first` in the one row that begins with them."""
    (found,) = [cells for cells in table.rows if cells[: len(first)] == first]
    return found[len(first) :]


def asked(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*words, "--json"]) == status
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


# ---------------------------------------------------------------------------------------------------------------
# This paper


@pytest.mark.parametrize("name", ["table10", "table11"])
def test_the_mean_over_the_classes_is_the_printed_one(name: str) -> None:
    assert len(set(CLASSES)) == 20
    for system in TABLES[name].head[1:]:
        precisions = numbers(TABLES[name], system)
        printed = precisions.pop("mAP")
        assert list(precisions) == list(CLASSES)
        assert mean(precisions.values()) == pytest.approx(printed, abs=0.0501)
    means = [cells[1:3] for cells in TABLES[name].rows if cells[0] == "mAP"]
    of_both = [cells[1 if name == "table10" else 2] for cells in TABLES["table7"].rows]
    assert means == [tuple(of_both)]


def test_gains_that_the_text_names() -> None:
    plain18, plain34 = numbers(TABLES["table2"], "plain").values()
    residual18, residual34 = numbers(TABLES["table2"], "ResNet").values()
    assert (plain18, residual18, plain34, residual34) == (27.94, 27.88, 28.54, 25.03)
    assert [plain34 - residual34, residual18 - residual34] == [pytest.approx(gain, abs=0.0501) for gain in (3.5, 2.8)]
    by_ten, dense = numbers(TABLES["table3"], "top-1 error"), numbers(TABLES["table4"], "top-1 error")
    gains = [by_ten[f"resnet{depth}"] - dense[f"resnet{depth}"] for depth in (50, 101, 152)]
    assert gains == [pytest.approx(gain) for gain in (2.11, 1.88, 2.05)]
    steps = [cells[1:3] for cells in TABLES["table9"].rows[1:5]]
    for number_of, expected in enumerate(((1.5, 1.2, 2.7), (2.7, 0.1, 2.5))):
        column = [cell for cell in (cells[number_of] for cells in steps) if isinstance(cell, float)]
        assert [after - before for before, after in pairwise(column)] == [pytest.approx(gain) for gain in expected]
    coco = numbers(TABLES["table8"], "mAP@[.5, .95]")
    assert 100 * (coco["resnet101"] / coco["vgg16"] - 1) == pytest.approx(28, abs=0.5)
    test = numbers(TABLES["table14"], "test")
    assert 100 * (1 - test["ResNet (ILSVRC'15)"] / test["VGG (ILSVRC'14)"]) == pytest.approx(64, abs=0.5)


def test_the_means_of_table_6() -> None:
    means = {name: cell for name, cell in TABLES["table6"].column("mean of several runs").items() if cell}
    assert means == {"cifar_highway19": "7.72 ± 0.16", "cifar_resnet110": "6.61 ± 0.16"}
    best = numbers(TABLES["table6"], "test error")
    for name, printed in means.items():  # the best of five lies about 1.16 deviations below their mean
        middle, deviation = map(float, str(printed).split(" ± "))
        assert best[name] == pytest.approx(middle - 1.16 * deviation, abs=0.02)


def test_what_was_read_off_is_what_the_text_says_of_it() -> None:
    four = READ_OFF["figure4"]
    at_the_end = numbers(four, "training error there")
    assert at_the_end["plain34"] > at_the_end["plain18"] > at_the_end["resnet34_a"]
    plateau = numbers(four, "validation error on the first plateau")
    assert plateau == {"plain18": 50, "plain34": 55, "resnet18_a": 47, "resnet34_a": 44}
    six = READ_OFF["figure6"]
    printed = numbers(TABLES["table6"], "test error") | {"cifar_resnet110": 6.61}  # the curve is of one of five
    for name, end in numbers(six, "test error at 64,000 iterations").items():
        assert end == pytest.approx(printed.get(name, end), abs=0.06)
    for cells in six.rows:
        assert all(cell[0] < cell[1] for cell in cells if isinstance(cell, tuple))
    assert cells_of(six, "cifar_plain44") == (11.4, (2, 3.2), (16, 18))
    assert set(READ_OFF["figure1"].rows) <= set(six.rows)
    seven = READ_OFF["figure7"]
    assert numbers(seven, "in the middle") == MEDIANS
    assert all(greatest > middle > least for _, greatest, middle, least in seven.rows)  # type: ignore[operator]


# ---------------------------------------------------------------------------------------------------------------
# Those around it


def test_networks_have_the_errors_that_are_printed_of_them_elsewhere() -> None:
    """`published.py` has them by network; a name may be followed by what is done to it."""
    heads = {"CIFAR-10": "c10", "CIFAR-100": "c100", "top-1 error": "top1", "top-5 error": "top5"}
    compared = set()
    for name in ("highway", "identity-comparison", "resnext", "ror", "resnext-complexity", "wide-imagenet"):
        for head, kind in heads.items():
            if head in RELATED[name].head:
                for net, error in numbers(RELATED[name], head).items():
                    if net not in PUBLISHED or net == "cifar_resnet110":  # of which Table 6 prints the best of five
                        continue
                    assert error == getattr(PUBLISHED[net], kind), (name, net)
                    compared.add(name)
    assert len(compared) == 6
    assert cells_of(RELATED["rir"], "cifar_rir18_wide") == (
        pytest.approx(100 - (PUBLISHED["cifar_rir18_wide"].c10 or 0)),
        pytest.approx(100 - (PUBLISHED["cifar_rir18_wide"].c100 or 0)),
    )
    for pixels, net in ((320, "preact_resnet152"), (320, "preact_resnet200")):
        printed = PUBLISHED[net]
        assert cells_of(RELATED["identity-imagenet"], net, "scale", pixels) == (printed.top1, printed.top5)


def test_gaps_and_repetitions_among_the_tables() -> None:
    five = [cells[1:] for cells in RELATED["resnext-5k"].rows]
    assert [pytest.approx(resnet - resnext) for resnet, resnext in five] == [3.2, 2.3]  # type: ignore[operator]
    fifty = [cell for cell in cells_of(RELATED["resnext-coco"], "50") if isinstance(cell, float)]
    assert [pytest.approx(after - before) for before, after in zip(fifty[:2], fifty[2:], strict=True)] == [2.1, 1.0]
    cardinality = RELATED["resnext-cardinality"]
    assert cells_of(cardinality, "50")[2::4] == (
        *cells_of(RELATED["resnext-shortcuts"], "ResNet-50")[:1],
        *cells_of(RELATED["resnext-shortcuts"], "resnext50_32x4d")[:1],
    )
    assert cells_of(cardinality, "101")[2::4] == (
        *cells_of(RELATED["resnext-complexity"], "ResNet-101", "once")[:1],
        *cells_of(RELATED["resnext-complexity"], "resnext101_32x4d", "once")[:1],
    )
    depths = {cells[:2]: cells[2:] for cells in RELATED["identity-depths"].rows}
    for net, of_cifar10, _, of_cifar100, _ in RELATED["identity-comparison"].rows:
        for data, error in (("CIFAR-10", of_cifar10), ("CIFAR-100", of_cifar100)):
            depth = str(net).rpartition("resnet")[2]
            if error and (found := depths.get((data, f"ResNet-{depth}"))):
                assert error == found["preact" in str(net)]
    printed = PUBLISHED["cifar_wrn_28_10"]
    assert cells_of(RELATED["wide-dropout"], "cifar_wrn_28_10", "no") == (printed.c10, printed.c100, None)
    assert cells_of(RELATED["wide-sizes"], "cifar_wrn_28_10", "36.5M") == (4.17, 20.50, printed.c10, printed.c100)


# ---------------------------------------------------------------------------------------------------------------
# All of them


@pytest.mark.parametrize("name", EVERY)
def test_a_table_is_whole(name: str) -> None:
    table = EVERY[name]
    assert all(len(cells) == len(table.head) for cells in table.rows)
    assert len(set(table.head)) == len(table.head)
    for cells in table.rows:
        net = str(cells[0]).partition(",")[0]
        assert not net.startswith(("cifar_", "preact_", "plain", "resnext")) or row(net)
        assert all(said(cell) for cell in cells)
    assert table.source.startswith(("arXiv:1", "github.com/"))
    assert printed_text(table).count("\n") >= len(table.rows)
    assert all(f"| {said(cells[0])} |" in printed_markdown(table) for cells in table.rows)


def test_what_no_second_source_confirms_is_marked() -> None:
    for name in ("resnext-5k", "resnext-coco", "resnext-views", "ror-imagenet"):
        assert UNSURE in RELATED[name].note
    unsure = {cells[0] for cells in RELATED["ror"].rows if cells[-1] == UNSURE}
    assert unsure == {"ResNet-110", "cifar_ror3_110", "cifar_ror3_110, stochastic depth"}


def test_cells_in_words() -> None:
    assert [said(cell) for cell in ("a", 8.75, 20, (14, 15), (2, 3.2), None)] == [
        "a",
        "8.75",
        "20",
        "14–15",
        "2–3.2",
        "–",
    ]
    assert (number(8.75), number(None)) == (8.75, None)
    for cell in ("over 60", (14, 15)):
        with pytest.raises(ValueError, match="is no number"):
            number(cell)


def test_speeds_say_where_they_stand() -> None:
    for _, source, speeds in SPEEDS:
        file, _, repository = source.rpartition(" of ")
        assert repository.startswith("github.com/")
        assert "/" in file.rpartition(", ")[2]
        assert set(speeds) <= set(list_models())


def test_each_is_reached_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    how = {entry["name"]: entry["how"] for entry in asked(capsys, "reproduce", "list")["targets"]}
    alone = [name for name in TABLED if how[name].startswith("printed only")]
    related = [name for name in RELATED if name in alone]
    assert len(alone) == len(related) + 8  # Tables 7 to 14
    assert {"identity-comparison", "identity-imagenet", "stochastic-depth-data", "wide-imagenet"} <= set(related)
    for name in related:
        record = asked(capsys, "reproduce", name)
        assert record["measured"] is False
        assert record["rows"] == json.loads(json.dumps(RELATED[name].rows))
        assert main(["reproduce", name, "--check"]) == 1  # not measured is no success
        assert RELATED[name].title in capsys.readouterr().out


def test_print_stands_beside_the_papers_own_runs_only(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "figure6", "--only", "plain44", "--seeds", "0", "--results", str(tmp_path / "lines.jsonl")]
    (tmp_path / "lines.jsonl").write_text(json.dumps(line("cifar10-plain44", 0, 11.5)) + "\n")
    record = asked(capsys, *words)
    assert record["printed"]["rows"][2] == ["cifar_plain44", 11.4, [2, 3.2], [16, 18]]
    assert main(words) == 0
    assert "16–18" in capsys.readouterr().out
    assert "printed" in asked(capsys, "plan", "figure4", "--only", "plain18", "--out", str(tmp_path))
    for what, net in (("figure4", "plain18"), ("figure6", "plain44")):
        assert "printed" not in asked(capsys, "plan", what, "--scale", "smoke", "--only", net, "--out", str(tmp_path))
    assert "printed" not in asked(capsys, "plan", "figure4", "--scale", "short", "--only", "plain18")


# ---------------------------------------------------------------------------------------------------------------
# Rows that they added to the targets


def test_a_variant_of_the_paper_stands_beside_its_own_figure() -> None:
    target = TARGETS["stochastic-depth"]
    constant = "cifar10-resnet110_sd-constant-depth"

    def verdict(given: dict[str, Any]) -> tuple[str, float | None]:
        (found,) = [one for one in rows_of(target, "paper", [0], [given]) if one.entry.name == constant]
        return found.said, found.paper

    assert verdict(line(constant, 0, 6.5)) == ("no band, +0.09", 6.41)
    assert verdict(line("cifar10-resnet110_sd", 0, 5.3)) == ("not measured", 6.41)
    (short,) = [
        one
        for one in rows_of(target, "short", [0], [line(constant, 0, 9.9, "iterations=17579", "milestones=8790,13184")])
        if one.entry.name == constant
    ]
    assert (short.verdict, short.paper, short.surrogate) == ("a surrogate", None, SURROGATES["short"])
    dropout = next(one for one in TARGETS["wide-dropout"].entries if one.name == "cifar10-wrn_28_10-dropout")
    assert (dropout.paper, dropout.band, dropout.mean_band) == (3.89, None, None)
    assert "cifar_wrn_28_10" in BANDS


@pytest.mark.parametrize("name", ["wide-sizes", "wide-units", "wide-convolutions", "highway"])
def test_figures_of_recipes_that_are_not_built_are_held_against_nothing(name: str) -> None:
    for entry in TARGETS[name].entries:
        assert entry.paper
        (found,) = [
            one for one in rows_of(TARGETS[name], "paper", [0], [line(entry.recipe, 0, 1.0)]) if one.entry is entry
        ]
        assert (found.verdict, found.paper, found.band) == ("a surrogate", None, None)
        assert failures([found], []) == []
    assert "held against" in TARGETS[name].remark


def test_rows_have_the_figures_of_the_tables() -> None:
    ror = {str(cells[0]): cells[1:3] for cells in RELATED["ror"].rows}
    for entry in TARGETS["ror"].entries:
        data, _, net = entry.recipe.partition("-")
        model = f"cifar_{net.removesuffix('-sd')}"
        dropped = net.endswith("-sd") or model == "cifar_ror3_wrn_58_4"
        assert entry.paper == ror[f"{model}{', stochastic depth' if dropped else ''}"][data == "cifar100"]
    printed = sum(cell is not None for net, cells in ror.items() if net.startswith("cifar_") for cell in cells)
    assert len(TARGETS["ror"].entries) == printed
    wide = {cells[:2]: cells[2:4] for cells in RELATED["wide-dropout"].rows}
    for entry in TARGETS["wide-dropout"].entries:
        data, _, net = entry.recipe.partition("-")
        key = (f"cifar_{net.removesuffix('-dropout')}", "yes" if net.endswith("-dropout") else "no")
        assert entry.paper == wide[key][data == "cifar100"]
    sizes = {str(cells[0]): cells[2:4] for cells in RELATED["wide-sizes"].rows}
    for entry in TARGETS["wide-sizes"].entries:
        data, _, net = entry.recipe.partition("-")
        assert entry.paper == sizes[f"cifar_{net}"][data == "cifar100"]
    gates = {entry.name: entry.paper for entry in TARGETS["identity-shortcuts"].entries if entry.changes}
    rows = [cells for cells in RELATED["identity-shortcuts"].rows if cells[3] in (-7, 0)]
    assert list(gates.values()) == [cells[-1] for cells in rows]
    assert [entry.planned("paper", 0).changes["gate_bias"] for entry in TARGETS["identity-shortcuts"].entries[-2:]] == [
        cells[3] for cells in rows
    ]


def test_zeros_at_the_end_are_kept_where_all_are_printed_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "table3"]) == 0
    assert "7.40" in capsys.readouterr().out.partition("In print:")[2]


def test_table_1_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "table1"]) == 0
    counted, _, printed = capsys.readouterr().out.partition("In print:")
    assert "by arithmetic" in counted
    assert "3x3 max pool, stride 2" in printed
    assert "1x1, 512; 3x3, 512; 1x1, 2048" in printed
