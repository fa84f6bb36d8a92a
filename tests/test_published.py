"""What the papers print of the networks: joined by name with the catalogue, and near what is counted here."""

import json
import re
from dataclasses import asdict

import pytest

from resnets.cli import main
from resnets.models.catalog import list_models, model_spec
from resnets.paper import published
from resnets.paper.published import FIGURE_6, PUBLISHED, TABLE_6, Published, columns, sentence


def test_every_name_is_in_the_catalogue() -> None:
    assert [name for name in PUBLISHED if name not in list_models()] == []


ODD = {
    "cifar_rir18_wide": "the layers of each stage are not known",
    "cifar_ror3_wrn_58_4": "it prints less than a WRN-58-4 has without RoR's shortcuts",
    "cifar_preact_resnet1001": "printed without BN",
}


@pytest.mark.parametrize("name", [name for name, found in PUBLISHED.items() if found.params])
def test_the_counts_are_those_that_are_printed(name: str) -> None:
    """To the last digit printed, but for the `ODD` ones."""
    printed = PUBLISHED[name].params
    assert printed
    number = float(printed.removesuffix("M"))
    unit = 10.0 ** -len(printed.removesuffix("M").partition(".")[2])
    more = model_spec(name).params / 1e6 - number
    near = -unit / 2 <= more < unit  # rounded, or cut off
    assert near == (name not in ODD), ODD.get(name, "")
    assert abs(more) < 0.1 * number


def test_errors_are_percentages_and_cifar100_is_harder() -> None:
    for found in PUBLISHED.values():
        errors = [error for error in (found.c10, found.c100, found.top1, found.top5) if error is not None]
        assert all(3 < error < 40 for error in errors)
        assert found.c100 is None or (found.c10 is not None and found.c10 < found.c100)
        assert found.top5 is None or (found.top1 is not None and found.top5 < found.top1)
        assert errors or found.note or found.params


def test_this_papers_tables_are_part_of_it() -> None:
    for name, error in {**TABLE_6, **FIGURE_6}.items():
        assert PUBLISHED[name].c10 == error
        assert published.test_error(name, "cifar10") == error
    assert published.test_error("cifar_wrn_28_10", "cifar100") == 19.25
    assert published.test_error("cifar_wrn_28_10", "digits") is None
    assert published.test_error("cifar_resnet26", "cifar10") is None
    assert published.test_error("cifar_resnet20", "cifar100") is None


def test_words() -> None:
    full = Published("1.7M", 5.4, 24.33, note="so")
    assert sentence(full) == "1.7M parameters, CIFAR-10 5.40 %, CIFAR-100 24.33 %; so"
    assert sentence(Published(top1=21.9, top5=6.03)) == "top-1 21.9 %, top-5 6.03 %"
    assert sentence(Published(note="fails")) == "fails"
    assert columns(full) == {
        "in the paper": "1.7M", "CIFAR-10": "5.40", "CIFAR-100": "24.33", "top-1": "", "top-5": "", "note": "so",
    }  # fmt: skip


def test_describe_puts_the_papers_figures_beside_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "cifar_wrn_28_10"]) == 0
    head, table = capsys.readouterr().out.split("\n\n")
    assert "36,479,194 parameters" in head
    assert head.splitlines()[-1] == f"in the paper: {sentence(PUBLISHED['cifar_wrn_28_10'])}"
    assert table.startswith("stage")
    assert main(["describe", "cifar_wrn_28_10", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["paper"] == asdict(PUBLISHED["cifar_wrn_28_10"])
    assert main(["describe", "cifar_resnet26"]) == 0
    assert not re.search("in the paper", capsys.readouterr().out)
    assert main(["describe", "cifar_resnet26", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["paper"] is None
