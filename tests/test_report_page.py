"""The page of a run and the comparison: whole, self-contained, escaped, and right for runs of every state."""

import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnets.report import words
from resnets.report.comparison import differences, write_comparison
from resnets.report.page import RunReport, write_page
from resnets.report.summary import best, curve, measured, status

HOSTILE = "<script>alert('x')</script>\"&{{ 7*7 }} $\\frac$"
VOID = {"meta", "link", "img", "br", "source", "input", "hr"}


class Page(HTMLParser):
    """Parses strictly: every element that opens closes, in order; collects attributes, texts and tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def journal(steps: int, every: int = 100) -> list[dict[str, Any]]:
    return [
        {
            "step": step,
            "epoch": step * 128 / 50_000,
            "loss": 100 / step,
            "train_error": 90 - step / 100,
            "test_error": 80 - step / 100 if step % (2 * every) == 0 else None,
            "lr": 0.1 if step <= 500 else 0.01,
            "images_per_second": 1000.0 + step,
        }
        for step in range(every, steps + 1, every)
    ]


def evaluation(names: list[str], mistakes: int = 2, side: int = 32) -> dict[str, Any]:
    classes = len(names)
    confusion = np.full((classes, classes), 1)
    confusion[np.arange(classes), np.arange(classes)] = 50
    images = np.arange(3 * side * side, dtype=np.uint32).reshape(3, side, side) % 256
    return {
        "images": int(confusion.sum()),
        "top1_error": 8.91,
        "top5_error": 0.42,
        "interval": (8.37, 9.48),
        "per_class": [(name, 50 + classes - 1, 5.0 + index, 2.0, 12.0) for index, name in enumerate(names)],
        "confusion": confusion,
        "mistakes": [
            {"image": images.astype(np.uint8), "true": names[0], "predicted": names[-1], "probability": 0.987,
             "index": index}
            for index in range(mistakes)
        ],
    }  # fmt: skip


def report(**changes: Any) -> RunReport:
    fields: dict[str, Any] = {
        "title": "cifar10-resnet20, seed 0",
        "recipe": {"model": "cifar_resnet20", "schedule": {"lr": 0.1, "drops": [32_000, 48_000]}},
        "rows": journal(1000),
        "departures": ["Batch normalisation over 128 images."],
        "environment": {"device": "NVIDIA H200", "torch": "2.15.0"},
        "data": {"name": "CIFAR-10", "sha256": {"test_batch.bin": "8e2e"}},
        "published": 8.75,
        "iterations": 1000,
        "seconds": 3725.0,
    }  # fmt: skip
    return RunReport(**{**fields, **changes})


def written(tmp_path: Path, run: RunReport) -> Page:
    path = write_page(tmp_path, run)
    assert path == tmp_path / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert_asks_nothing(page)
    return page


def assert_asks_nothing(page: Page) -> None:
    for tag, name, value in page.attributes:
        if name in ("src", "href", "srcset", "data", "action", "poster"):
            assert value.startswith("data:"), (tag, name, value[:60])
    assert not {"script", "iframe", "object", "embed"} & set(page.tags)
    style = page.texts[next(i for i, text in enumerate(page.texts) if ":root" in text)]
    assert "url(" not in style
    assert "@import" not in style


def test_a_finished_run(tmp_path: Path) -> None:
    names = [f"class-{index}" for index in range(10)]
    page = written(tmp_path, report(evaluation=evaluation(names)))
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    for said in (
        "Finished at step 1,000", "8.91 %", "95 % interval 8.37 – 9.48 %", "8.75 %",
        "inside the interval measured here", "80.00 %", "1 h 02 min", "NVIDIA H200", "0.42 %", "class-9",
        "taken for class-9", "Batch normalisation over 128 images.", "schedule.drops", "32,000, 48,000",
        "sha256.test_batch.bin", "augmented mini-batches", "single view",
    ):  # fmt: skip
        assert said in text, said
    assert "title" in page.tags
    described = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert len(described) == page.tags.count("img")
    assert all(described)


def test_figures_lie_beside_the_page(tmp_path: Path) -> None:
    written(tmp_path, report(evaluation=evaluation(["a", "b"])))
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["confusion.png", "error.png", "learning_rate.png", "mistakes.png"]
    for name in names:
        with Image.open(tmp_path / "figures" / name) as image:
            image.load()
            assert min(image.size) > 150
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures", "report.html"]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    names = [HOSTILE, "</td><img src=http://evil.example/x>", "$x$", "\udcff"]
    run = report(
        title=HOSTILE, evaluation=evaluation(names), recipe={HOSTILE: HOSTILE}, departures=[HOSTILE],
        environment={"device": HOSTILE}, rows=[*journal(400), {"step": 400, "event": HOSTILE}],
    )  # fmt: skip
    page = written(tmp_path, run)
    assert page.text.count("alert('x')") >= 6
    assert "{{ 7*7 }}" in page.text


@pytest.mark.parametrize(
    "rows",
    [
        [],
        journal(100),
        [{"step": 1}],
        [{"step": 1, "loss": 2.3, "train_error": math.nan, "test_error": None, "lr": None}],
        [{"step": 5, "event": "resumed"}],
    ],
)
@pytest.mark.parametrize("published", [None, 8.75])
def test_unfinished_runs(tmp_path: Path, rows: list[dict[str, Any]], published: float | None) -> None:
    run = report(rows=rows, published=published, iterations=64_000, seconds=None)
    page = written(tmp_path, run)
    assert "not measured yet" in page.text
    assert "Finished" not in page.text


def test_status() -> None:
    nan = {**journal(100)[0], "step": 1100, "loss": math.nan}
    assert status(report()) == ("finished", "Finished at step 1,000")
    assert status(report(iterations=64_000)) == ("stopped", "Stopped at step 1,000 of 64,000")
    assert status(report(iterations=None)) == ("stopped", "Stopped at step 1,000")
    assert status(report(rows=[*journal(1000), nan])) == ("diverged", "Diverged at step 1,100")
    assert status(report(rows=[*journal(1000), {**nan, "loss": None}])) == (
        "diverged",
        "Diverged at step 1,100",
    )
    assert status(report(diverged=True)) == ("diverged", "Diverged at step 1,000")
    assert status(report(rows=[])) == ("stopped", "No step is recorded yet")
    # The loop ends before it writes the row in which the loss is not finite: the event alone tells.
    event = {"step": 1050, "event": "diverged: loss not finite in iterations 1,001 to 1,050"}
    assert status(report(rows=[event], diverged=True)) == ("diverged", "Diverged at step 1,050")
    assert status(report(rows=[*journal(1000), event], diverged=True)) == ("diverged", "Diverged at step 1,050")


def test_a_diverged_run(tmp_path: Path) -> None:
    rows = [*journal(1000), {"step": 1100, "epoch": math.nan, "loss": math.nan, "train_error": math.nan}]
    page = written(tmp_path, report(rows=rows, iterations=64_000))
    assert "Diverged at step 1,100" in page.text
    assert "nan" not in page.text.lower()


@pytest.mark.parametrize("classes", [2, 100])
def test_few_and_many_classes(tmp_path: Path, classes: int) -> None:
    names = [f"名前 {index} ü" for index in range(classes)]
    page = written(tmp_path, report(evaluation=evaluation(names, side=100)))
    assert all(name in page.text for name in names)
    assert ("details" in page.tags) == (classes == 100)
    assert ("Top-5" in page.text) == (classes == 100)


def test_a_class_without_images_and_no_mistakes(tmp_path: Path) -> None:
    result = evaluation(["a", "b", "c"], mistakes=0)
    result["per_class"][1] = ("b", 0, None, None, None)
    result["confusion"] = np.diag([50, 0, 50])
    page = written(tmp_path, report(evaluation=result))
    assert "The worst mistakes" not in page.text
    assert not (tmp_path / "figures" / "mistakes.png").exists()


@pytest.mark.parametrize(("linear", "worse"), [(99.0, False), (0.0, True)])
def test_the_linear_classifier_stands_beside_the_test_error(linear: float, worse: bool, tmp_path: Path) -> None:
    """On the page, and plainly where training has lost against it."""
    given = {**evaluation(["cat", "dog"]), "baseline": {"test_error": linear, "features": "stage3"}}
    text = written(tmp_path, report(evaluation=given)).text
    assert f"A linear classifier {linear:.2f} %" in text
    assert ("the trained one is worse" in text) == worse
    counted = {"only_it": 7, "only_network": 5, "chance": 0.77}
    text = written(tmp_path, report(evaluation={**given, "baseline": {**given["baseline"], **counted}})).text
    assert ("which may be chance (of pictures that one has right, it has 7, the trained one 5)" in text) == worse


def test_pictures_with_what_speaks_for_the_answer(tmp_path: Path) -> None:
    result, names = evaluation(["cat", "dog", HOSTILE]), ("cat", HOSTILE)
    image = result["mistakes"][0]["image"]
    for one in result["mistakes"]:
        one["map"] = np.eye(4, dtype=np.float32)
    result["mistakes"][0]["name"] = f"summer/{HOSTILE}.jpg"
    result["right"] = [{**result["mistakes"][0], "true": "dog", "predicted": "dog", "index": 77}]
    result["confused"] = {names: [image, image]}
    page = written(tmp_path, report(evaluation=result))
    described = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert described.count(f"What speaks for {HOSTILE} in it") == 2
    assert described.count("Test image 77: dog") == described.count("What speaks for dog in it") == 1
    assert described.count(f"cat, taken for {HOSTILE}") == 2
    assert "Some right answers" in page.text
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert f"99 % summer/{HOSTILE}.jpg" in text
    assert "99 % no. 1" in text
    assert "class activation map" in page.text
    plain = written(tmp_path / "plain", report(evaluation=evaluation(["cat", "dog"])))
    assert "class activation map" not in plain.text
    assert "Some right answers" not in plain.text


def test_a_failed_page_leaves_the_old_one(tmp_path: Path) -> None:
    old = write_page(tmp_path, report()).read_bytes()
    with pytest.raises(ValueError, match="confusion"):
        write_page(tmp_path, report(evaluation={**evaluation(["a", "b"]), "confusion": np.zeros((2, 3))}))
    assert (tmp_path / "report.html").read_bytes() == old
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = report(evaluation=evaluation(["a", "b"]))
    assert write_page(tmp_path / "1", run).read_bytes() == write_page(tmp_path / "2", run).read_bytes()


def test_validation_is_shown_with_its_best(tmp_path: Path) -> None:
    rows = [{**row, "validation_error": 10 + abs(row["step"] - 500) / 100} for row in journal(1000)]
    run = report(rows=rows)
    assert best(measured(run), "validation_error") == (500, 10.0)
    text = written(tmp_path, run).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "15.00 %" in text
    assert "the least was 10.00 % at step 500" in text


def test_curve_of_a_journal() -> None:
    rows = [*journal(300), {"step": 200, "event": "drop"}, {**journal(300)[-1], "train_error": 1.0}]
    made = curve(report(rows=rows))
    assert made.steps == [100, 200, 300]
    assert made.train_error == [89, 88, 1.0]
    assert made.test_error == [None, 78, None]


def test_comparison(tmp_path: Path) -> None:
    first = report(evaluation=evaluation(["a", "b"]))
    second = report(title="other " + HOSTILE, rows=journal(400), recipe={**first.recipe, "seed": 1}, departures=())
    path = write_comparison(tmp_path / "deep" / "compare.html", [first, second])
    page = Page(path.read_text(encoding="utf-8"))
    assert_asks_nothing(page)
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    for said in (
        "8.91 %",
        "Stopped at step 400 of 1,000",
        "seed",
        "the same in all that both recorded, at 4 steps",
        "8.37 – 9.48 %",
    ):
        assert said in text, said
    with Image.open(path.with_suffix(".png")) as image:
        image.load()
    fields = [(part, field) for part, field, _ in differences([first, second])]
    assert fields == [("recipe", "seed"), ("departures", "from the paper")]


def test_a_comparison_of_equal_or_empty_runs(tmp_path: Path) -> None:
    path = write_comparison(tmp_path / "c.html", [report(rows=[]), report(rows=[])])
    text = Page(path.read_text(encoding="utf-8")).text
    assert "no step in common" in text
    assert "the same in every field" in text
    with pytest.raises(ValueError, match="two runs"):
        write_comparison(tmp_path / "d.html", [report()])


def test_words() -> None:
    space = "\N{NO-BREAK SPACE}"
    assert words.percent(8.751) == f"8.75{space}%"
    assert words.percent(float(np.float32(8.75))) == f"8.75{space}%"
    assert words.percent(None) == words.percent(math.nan) == words.count(None) == words.duration(math.inf) == "–"
    assert [words.duration(s).replace(space, " ") for s in (1.5, 42, 200, 3600, 200_000)] == [
        "1.5 s", "42 s", "3 min 20 s", "1 h 00 min", "2 d 7 h",
    ]  # fmt: skip
    assert words.flatten({"a": {"b": 1, "c": {}}, "d": [1, 20_000], "e": True, "f": None, "g": 1e-4}) == {
        "a.b": "1", "a.c": "–", "d": "1, 20,000", "e": "yes", "f": "–", "g": "0.0001",
    }  # fmt: skip
