"""docs/reproduction.md and Figure 7: what they say follows from lines of results, and nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from test_verdicts import NET, line

from resnets.cli import main
from resnets.documents import in_short
from resnets.documents.blocks import BLOCKS
from resnets.documents.images import newest_study
from resnets.paper import reproduce
from resnets.paper.costs import Speed
from resnets.paper.studies import STUDIES, draw
from resnets.paper.targets import TARGETS

ENVIRONMENT = {"torch": "2.15.0", "python": "3.11.7", "resnets": "0.1.0", "commit": "abc123"}
WHERE = {"device": "CPU, 1 thread", "precision": "fp32", "environment": ENVIRONMENT, "command": "resnets study so"}


def write(path: Path, *lines: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))


def responses(images: int = 10_000, **medians: float) -> dict[str, Any]:
    nets = [
        {"name": name, "layers": ["a", "b", "c"], "std": [m + 1, m, m - 0.5], "median": m, "images": images}
        for name, m in medians.items()
    ]
    return {"study": "responses", "data": "cifar10", "networks": nets, **WHERE}


def figure7(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    words = ["plan", "figure7", "--results", str(folder / "studies.jsonl"), "--out", str(folder)]
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_figure7(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "speeds_here", lambda *_: [Speed(100.0, "cifar_resnet20", "h", "s")])
    assert {row["verdict"] for row in figure7(tmp_path, capsys)["rows"]} == {"not measured"}
    lines = (
        responses(cifar_plain20=1.8, cifar_resnet20=9.0, cifar_resnet56=0.8),
        responses(cifar_resnet20=1.2, cifar_resnet110=0.9),  # newer
        responses(images=500, cifar_plain56=1.6),  # some images only
        {**responses(cifar_plain56=1.6), "data": "digits"},
    )
    write(tmp_path / "studies.jsonl", *lines)
    record = figure7(tmp_path, capsys)
    verdicts = {row["network"]: row["verdict"] for row in record["rows"]}
    assert verdicts == {
        "cifar_plain20": "inside the band",
        "cifar_plain56": "not measured",
        "cifar_resnet20": "inside the band",
        "cifar_resnet56": "outside the band",  # 0.825 is the lower end
        "cifar_resnet110": "inside the band",
    }
    assert [one["verdict"] for one in record["claims"]] == ["holds", "not measured", "holds", "does not hold"]
    assert [Path(run["run"]).name for run in record["missing"]] == ["cifar10-plain56-seed0"]
    assert record["rows"][0]["seeds"] == [None]  # no study says which
    fallen = "deeper residual nets respond less (cifar_resnet110, cifar_resnet56): does not hold."
    said = BLOCKS["studied"](tmp_path)
    assert "| cifar_resnet56 | 1.1 | 0.80 | 0.83 to 1.38 | outside the band |" in said
    assert "cifar_plain56 |" not in said
    assert f"- {fallen}\n\nNot measured: 1 of 5 rows." in said
    short = BLOCKS["in-short"](tmp_path)
    assert "| `figure7` | the paper's recipe | 4 of 5 | 3 of 4 | 2 of 3 |" in short
    assert "- cifar_resnet56 is outside the band: 0.80. In `figure7`; the paper's recipe." in short
    assert f"- {fallen} In `figure7`; the paper's recipe." in short
    assert "`figure7`" not in short.partition("Nothing was trained for ")[2]


def test_targets_that_were_measured_stand_in_the_document(tmp_path: Path) -> None:
    assert BLOCKS["reproduced"](tmp_path).startswith("Not measured yet: `resnets reproduce")
    short = line(NET, 0, 13.53, "iterations=6400", "milestones=3200,4800")
    write(tmp_path / "cifar10.jsonl", *({**one, "environment": ENVIRONMENT} for one in (line(NET, 4, 8.5), short)))
    text = BLOCKS["reproduced"](tmp_path)
    section = text[text.index("### `table6`") : text.index("### `figure6`")]
    whole, surrogate = section.split("**A surrogate: a tenth of the paper's iterations.**")
    assert "| cifar10-resnet20 | 8.75 | 8.50 (seed 4) | 1.00 | 7.80 to 9.20 | inside the band |" in whole
    assert "13.53 (seed 0)" in surrogate
    assert "8.75" not in surrogate
    assert "### `wide`" not in text
    assert "### `choices`" not in text  # which has a block of its own


def test_what_came_out_and_what_did_not_stands_first(tmp_path: Path) -> None:
    empty = BLOCKS["in-short"](tmp_path)
    assert [line[:10] for line in empty.splitlines() if line.startswith("| `")] == ["| `table1`"]
    assert f"Nothing was trained for {', '.join(f'`{name}`' for name in (*TARGETS, 'figure7'))}; nor, as " in empty
    tenth = ("iterations=6400", "milestones=3200,4800")
    deep = line("cifar10-resnet56", 0, 17.4, *tenth)
    lines = [line(NET, 0, 13.4, *tenth), line(NET, 4, 8.5), deep, line("cifar10-resnet110", 0, 9.9)]
    write(tmp_path / "cifar10.jsonl", *({**one, "environment": ENVIRONMENT} for one in lines))
    text = BLOCKS["in-short"](tmp_path)
    assert "| `table6` | the paper's recipe | 2 of 6 | 1 of 2 |  |" in text
    assert "| `table6` | a tenth of the paper's iterations, a surrogate | 2 of 6 |  | 0 of 1 |" in text
    assert "- cifar10-resnet110 is outside the band: 9.90 %. In `table6`, `figure6`" in text
    worse = "ResNet-56 is better than ResNet-20: does not hold (-4.00 points; asked are more than 0)"
    assert f"- {worse}. In `table6`, `figure6`; a tenth of the paper's iterations, a surrogate." in text
    write(tmp_path / "cifar10.jsonl", {**lines[1], "environment": ENVIRONMENT})
    text = BLOCKS["in-short"](tmp_path)
    assert "\n\nAll that was measured comes out.\n\nNothing was trained for " in text
    untouched = text.partition("Nothing was trained for ")[2]
    assert "`three-times`" in untouched
    assert "`table2`" in untouched
    assert "`table6`" not in untouched


def test_table_1_is_counted_among_what_came_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what `counts` itself says that failed, whatever rows it has."""
    assert re.search(r"\| `table1` \| computed \| (\d+) of \1 \| \1 of \1 \|  \|", BLOCKS["in-short"](tmp_path))
    rows = [{"name": name} for name in ("resnet34", "resnet34_a", "resnet50")]
    failed = ["resnet34_a: more than 0.1 e9 from the paper", "resnet34_a, parameters: 1 too many"]
    monkeypatch.setattr(in_short, "counts", lambda: ({"what": "table1", "rows": rows}, "", failed))
    text = BLOCKS["in-short"](tmp_path)
    assert "| `table1` | computed | 3 of 3 | 2 of 3 |  |" in text
    assert "- resnet34_a: more than 0.1 e9 from the paper. In `table1`; computed.\n- resnet34_a, parameters" in text


def test_counts_and_targets(tmp_path: Path) -> None:
    assert "| `resnet50` | 50 | 25,557,032 | 3,857,973,248 | 3.8e9 | within 0.1 e9 |" in BLOCKS["counts"](tmp_path)
    assert "| `table6` | test error on CIFAR-10 |" in BLOCKS["targets"](tmp_path)


def test_the_newest_answers_in_words(tmp_path: Path) -> None:
    assert BLOCKS["studied"](tmp_path).startswith("Not measured yet: `resnets study")
    lesions = {"name": "net", "whole": 8.0, "without": {"layer1.0": 30.0, "layer1.1": 9.0}, "images": 100}
    gradients = {"name": "net", "layers": ["a", "b"], "maps": [0.5, 0.25], "weights": [0.1, 0.1], "images": 128}
    points = [
        {"share": t, "train_loss": 0.1, "train_error": 1.0, "test_loss": loss, "test_error": 5.0}
        for t, loss in ((0.0, 0.3), (0.5, 2.0), (1.0, 0.4), (1.1, 9.0))
    ]
    answers: dict[str, Any] = {
        "responses": responses(cifar_resnet20=1.5),
        "lesions": {"networks": [lesions]},
        "gradients": {"networks": [gradients, {**gradients, "name": "other", "maps": [0.1, 1.0]}]},
        "learning": {
            "networks": [
                {"name": "net", "layers": ["a", "b", "c"], "steps": [0, 10], "maps": [[4.0, 3.0, 2.0], [0.3, 0.1, 0.4]],
                 "longer": [[1.0, 1.0, 1.0], [2.5, 150.0, 1.0]], "train_error": [None, 81.25], "images": 128}
            ]
        },
        "growth": {
            "network": "small", "into": "large", "added": ["layer1.3"], "logits_equal": True, "lr": 0.01, "batch": 64,
            "steps": [0, 100], "losses": [0.2, 0.1], "strengths": {"layer1.3": [0.0, 0.125]},
            "test_error": {"before": 8.0, "after": 7.5, "without": 7.0}, "images": 10_000,
            "losses_without": [0.2, 0.15],
        },
        "line": {"ends": ["a", "b"], "points": points, "images": 1000},
    }  # fmt: skip
    assert set(answers) == set(STUDIES)
    lines = [{**WHERE, "data": "cifar10", "study": what, **answer} for what, answer in answers.items()]
    write(tmp_path / "studies.jsonl", *lines)
    text = BLOCKS["studied"](tmp_path)
    for said in (
        "cifar_resnet20: 1.00 to 2.50, median 1.50, over 10,000 test images",
        "net errs on 8.00 % of 100 test images. Without `layer1.1` it errs on 9.00 %, without `layer1.0` on 30.00 %: "
        "1 of its 2 units cost less than 20 points",
        "estimated anew at every point. Between them lies a hill 5 times as high as they are",
        "from the last layer to the first: net grows 2 times; other falls to 0.1 of it.",
        "net: 2, 0.75 times after 0, 10 iterations; its training error in iterations 1 to 10 is 81.2 %.",
        "The weakest signal of all is 0.25 of the last layer's: in `b` of net after 10 iterations. So no layer is",
        "Weights grow most in `b` of net after 10 iterations, to 150 times their norm.",
        "logits are equal, bit for bit, to those of the trained network",
        "deviation of 0.125. Test error, over 10,000 images: 8.00 % before, 7.50 % after; 7.00 % where the network",
        "From a to b, on 1,000 test images. Test loss 0.300 and 0.400 at the ends, at most 2.000 between them",
        "![Layer responses](images/studies/responses.png)",
        "`resnets study so`",
    ):
        assert said in text, said
    for what in STUDIES:
        (record,) = newest_study(what, tmp_path)
        assert "date" not in record
        assert draw(record).axes
    new = {**gradients, "maps": [500.0, 0.125, 0.25], "name": "net, new"}
    trained = {**gradients, "maps": [0.0009, 0.1], "weights": [0.001, 0.02], "name": "net after 10 iterations"}
    write(tmp_path / "studies.jsonl", {**lines[2], "networks": [new, trained]})
    said = BLOCKS["studied"](tmp_path)
    assert "net, new grows 2,000 times; net after 10 iterations falls to 0.009 of it. " in said
    assert "Before training nothing vanishes: the weakest layer has 0.5 of the last one's. " in said
    assert "After training a layer of net after 10 iterations has 0.009 of the last one's, which is little. " in said
    assert "In net, new it explodes, of which the paper says nothing." in said
    assert "the weakest layer's gradient has of the last one's 0.05 in net after 10 iterations." in said
    assert "A surrogate: what is called after 10 iterations was not trained as its paper says." in said
    assert "surrogate" not in text  # all of these were, or are called so
    figure = draw({**lines[2], "networks": [new, trained]})
    assert "A surrogate" in figure.get_suptitle()
    assert figure.get_suptitle() != draw({**lines[2], "networks": [new]}).get_suptitle()
    wrong = {**lines[4], "logits_equal": False}
    write(tmp_path / "studies.jsonl", wrong)
    assert "logits are NOT equal to those" in BLOCKS["studied"](tmp_path)


def test_rows_that_a_target_only_compares_with_are_no_section_of_their_own(tmp_path: Path) -> None:
    """ResNet-110 is a row of Table 6, and what three tables of another paper hold their own rows against."""
    one = {**line("cifar10-resnet110", 0, 6.5), "environment": ENVIRONMENT}
    write(tmp_path / "cifar10.jsonl", one)
    found = BLOCKS["reproduced"](tmp_path)
    assert "### `table6`" in found
    assert "### `identity" not in found
    assert "### `warm-up`" not in found
    other = {**line("cifar10-preact_resnet110", 0, 6.4), "environment": ENVIRONMENT}
    write(tmp_path / "cifar10.jsonl", one, other)
    assert "### `identity-orders`" in BLOCKS["reproduced"](tmp_path)


def test_a_figure_without_a_band_has_not_come_out(tmp_path: Path) -> None:
    write(tmp_path / "cifar10.jsonl", {**line("cifar10-ror3_110", 0, 5.2), "environment": ENVIRONMENT})
    short = BLOCKS["in-short"](tmp_path)
    assert "All that was measured comes out" not in short
    assert "cifar10-ror3_110, 5.20 %: no band, +0.12 points: nothing says how near to the paper's 5.08" in short
    assert "| `ror` | the paper's recipe | 1 of 18 | 0 of 1 |" in short


def test_runs_that_stand_in_several_rows_are_counted_once(tmp_path: Path) -> None:
    """ResNet-20 is in Table 6, in Figure 6 and in the shortcuts."""
    lines = [{**line(name, seed, 9.0), "environment": ENVIRONMENT} for name, seed in ((NET, 0), (NET, 1), (NET, 1))]
    write(tmp_path / "cifar10.jsonl", *lines)
    short = BLOCKS["in-short"](tmp_path)
    assert "| `table6` | the paper's recipe | 1 of 6 |" in short
    assert "| `figure6` | the paper's recipe | 1 of 11 |" in short
    assert "Behind all rows of the paper's recipe stand 2 runs, seeds of each: cifar10-resnet20 2." in short
