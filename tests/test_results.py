"""What was measured agrees with what is promised beside the recipes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from resnets.classification.recipes import EXPECTED_TEST_ERROR, RECIPES, expected_test_error, recipe

RESULTS = Path(__file__).parents[1] / "results"


@pytest.mark.parametrize("name", EXPECTED_TEST_ERROR)
def test_at_least_three_seeds_reached_what_is_expected(name: str) -> None:
    lines = [json.loads(line) for line in (RESULTS / "cifar10.jsonl").read_text().splitlines()]
    whole = [line for line in lines if line["recipe"] == name and line["iterations"] == recipe(name).iterations]
    assert len({line["seed"] for line in whole}) >= 3
    low, high = EXPECTED_TEST_ERROR[name]
    assert all(low <= line["test_error"] <= high for line in whole)


def test_an_expectation_holds_for_every_seed_and_for_nothing_else_that_is_changed() -> None:
    fast = recipe("cifar10-resnet20-fast")
    assert expected_test_error(replace(fast, seed=7)) == EXPECTED_TEST_ERROR[fast.name]
    assert expected_test_error(replace(fast, lr=0.1)) is None
    assert expected_test_error(recipe("cifar10-resnet20")) is None
    assert set(EXPECTED_TEST_ERROR) <= set(RECIPES)
