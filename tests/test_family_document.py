"""docs/family.md: every paper with its figures, every network once, and runs beside what they change."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from resnets.classification.recipes import RECIPES, departures, recipe
from resnets.documents.family import BASELINES, FAMILY, FIRST, SECTIONS, baseline
from resnets.documents.images import FIGURES, unit_image
from resnets.models.catalog import list_models, model_spec
from resnets.paper.published import PUBLISHED
from resnets.paper.units import UNITS, unit_records

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "family.md").read_text(encoding="utf-8")
PAPERS = [f"family_{name}" for name in SECTIONS]


def rows(text: str) -> list[list[str]]:
    """The cells of the lines of a table that begin with a network."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]


def test_every_network_stands_there_once(tmp_path: Path) -> None:
    found = [row[0].strip("`") for name in PAPERS for row in rows(FAMILY[name](tmp_path))]
    assert sorted(found) == sorted(list_models())


@pytest.mark.parametrize("name", PAPERS)
def test_counts_are_ours_and_errors_are_the_papers(name: str, tmp_path: Path) -> None:
    text = FAMILY[name](tmp_path)
    head = next(line for line in text.splitlines() if line.startswith("| network"))
    heads = [cell.strip() for cell in head.split("|")[1:-1]]
    for cells in rows(text):
        line = dict(zip(heads, cells, strict=True))
        spec, printed = model_spec(line["network"].strip("`")), PUBLISHED.get(line["network"].strip("`"))
        assert line["parameters"] == f"{spec.params:,}"
        assert line["multiply-adds"] == f"{spec.multiply_adds:,}"
        assert line.get("in the paper", "") == (printed.params if printed and printed.params else "")
        assert line.get("CIFAR-10", "") == (f"{printed.c10:.2f}" if printed and printed.c10 else "")


@pytest.mark.parametrize("name", PAPERS)
def test_its_recipes_are_there(name: str, tmp_path: Path) -> None:
    named = re.findall(r"`(cifar10-[\w-]+)`", FAMILY[name](tmp_path))
    assert all(name in RECIPES for name in named)
    assert named or name == "family_vgg"


def test_every_figure_is_shown_with_words_and_its_width() -> None:
    shown = re.findall(r'<img src="(images/units/[\w-]+\.png)" width="(\d+)" alt="([^"]+)">', TEXT)
    assert [f"docs/{path}" for path, _, _ in shown] == [unit_image(figure) for figure in UNITS]
    for path, width, words in shown:
        assert f"docs/{path}" in FIGURES
        assert len(words) > 20
        with Image.open(ROOT / "docs" / path) as picture:
            assert abs(picture.width / 150 - int(width) / 96) < 0.03


def test_a_figure_is_a_function_of_the_units_code(monkeypatch: pytest.MonkeyPatch) -> None:
    from resnets.models.preact import PreActUnit
    from resnets.paper import units

    before = unit_records("identity-orders")
    assert before == json.loads(json.dumps(before), object_hook=_tuples)
    monkeypatch.setattr(PreActUnit, "branch", lambda self, x: self._through(self.inside, x) * 2)
    units.panels.cache_clear()
    after = unit_records("identity-orders")
    monkeypatch.undo()
    units.panels.cache_clear()
    assert [b == a for b, a in zip(before, after, strict=True)] == [True] + [False] * 4
    assert unit_records("identity-orders") == before


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where the records have tuples."""
    return {key: tuple(value) if key == "inputs" else value for key, value in record.items()}


# ---------------------------------------------------------------------------------------------------------------
# Runs


def line(name: str, seed: int, error: float, iterations: int = 6400, **changes: Any) -> dict[str, Any]:
    chosen = recipe(name)
    return {
        "recipe": name,
        "model": chosen.model,
        "seed": seed,
        "iterations": iterations,
        "test_error": error,
        "device": "CPU, 1 threads",
        "precision": "bf16",
        "departures": departures(chosen, "bf16"),
        "data": {"name": chosen.data, "validation_images": chosen.validation_images},
        "environment": {"torch": "2.15.0", "python": "3.11.7", "resnets": "0.1.0", "commit": "abc123"},
        **changes,
    }


def runs(folder: Path, *lines: dict[str, Any]) -> str:
    (folder / "cifar10.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    return FAMILY["family_runs"](folder)


def test_without_runs_it_says_what_to_type(tmp_path: Path) -> None:
    assert FAMILY["family_runs"](tmp_path) == f"Not measured yet: `{FIRST}`."
    assert runs(tmp_path, line("cifar10-resnet20", 0, 13.5)) == f"Not measured yet: `{FIRST}`."
    assert recipe(FIRST.split()[2]).model == "cifar_preact_resnet20"


def test_runs_stand_beside_what_they_change_seed_by_seed(tmp_path: Path) -> None:
    text = runs(
        tmp_path,
        line("cifar10-preact_resnet20", 1, 13.0),
        line("cifar10-preact_resnet20", 0, 12.5),
        line("cifar10-preact_resnet20", 7, 12.0),
        line("cifar10-resnet20", 0, 13.5),
        line("cifar10-resnet20", 1, 13.6),
        line("cifar10-resnet20", 2, 13.9),
        line("cifar10-resnet20", 0, 8.7, iterations=64_000),
        line("cifar10-resnet20", 0, 14.1, departures=["decay: all (paper: weights)"]),  # which is no twin
        line("cifar10-resnet20-45k", 0, 14.2),
    )
    (row,) = rows(text)
    assert row == [
        "`cifar_preact_resnet20`",
        "`cifar10-preact_resnet20`",
        "6,400",
        "0, 1, 7",
        "12.50 ± 0.50",
        "`cifar_resnet20` 13.55 ± 0.07",
        "-1.00, -0.60",
    ]
    assert "torch 2.15.0" in text


def test_changes_by_hand_are_beside_the_network_unchanged(tmp_path: Path) -> None:
    text = runs(
        tmp_path,
        line("cifar10-resnet20", 0, 13.5),
        line("cifar10-resnet20", 0, 14.0, departures=["changes.drop_path: 0.5 (paper: 0.0)"]),
        line("cifar10-highway19", 0, 20.0),
    )
    changed, alone = sorted(rows(text), key=lambda row: row[0], reverse=True)
    assert changed[0] == "`cifar_resnet20`, drop_path: 0.5"
    assert changed[-2:] == ["`cifar_resnet20` 13.50", "+0.50"]
    assert alone[0] == "`cifar_highway19`"
    assert alone[-2:] == ["", ""]


@pytest.mark.parametrize(
    ("model", "changed"),
    [
        ("cifar_preact_resnet20", "cifar_resnet20"),
        ("cifar_resnet110_sd", "cifar_resnet110"),
        ("cifar_resnet164_relu_only", "cifar_resnet164"),
        ("cifar_wrn_40_2", "cifar_wrn_40_1"),
        ("cifar_wrn_40_1", None),
        ("cifar_ror3_110", "cifar_resnet110"),
        ("cifar_preror3_164", "cifar_preact_resnet164"),
        ("cifar_ror3_wrn_40_4", "cifar_wrn_40_4"),
        ("cifar_highway19", None),
        ("cifar_resnet20", None),
    ],
)
def test_what_a_network_changes(model: str, changed: str | None) -> None:
    assert baseline(model) == changed
    assert len(BASELINES) == 6
