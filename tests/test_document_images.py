"""Figures of documents, and the block beside them: the paper's own runs and no others, drawn anew when they change."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from resnets.documents import images
from resnets.documents.blocks import BLOCKS
from resnets.documents.curve_figures import draw_cifar10, draw_short
from resnets.documents.filling import main
from resnets.documents.images import CIFAR10, SHORT, cifar10_runs, short_runs, stale_figures
from resnets.paper import published
from resnets.paper.published import BANDS, MEAN_BANDS

BF16 = "precision: bf16 (paper: fp32)"
_DEPARTS = ["iterations: 6400 (paper: 64000)", "milestones: 3200, 4800 (paper: 32000, 48000)", BF16]
CURVE = {"steps": [1000, 2000, 3000], "train_error": [30.0, 10.0, 5.0], "test_error": [35.0, 12.0, 9.0]}


def line(net: str = "resnet20", seed: int = 0, error: float = 8.5, **changes: Any) -> dict[str, Any]:
    """A line of results of the paper's own run of `net`."""
    return {
        "recipe": f"cifar10-{net}",
        "model": f"cifar_{net}",
        "seed": seed,
        "iterations": 64_000,
        "test_error": error,
        "train_error": 1.0,
        "curve": {**CURVE, "test_error": [35.0, 12.0, error]},
        "seconds": 9000.0,
        "device": "CPU, 1 threads",
        "precision": "bf16",
        "departures": [BF16],
        "data": {"name": "cifar10", "validation_images": 0},
        "environment": {"torch": "2.15.0", "python": "3.11.7", "resnets": "0.1.0", "commit": "abc"},
        **changes,
    }


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a README of one block, one figure and no results, in which the test runs."""
    monkeypatch.setattr(images, "FIGURES", {CIFAR10: images.FIGURES[CIFAR10]})
    (tmp_path / "docs" / "images").mkdir(parents=True)
    (tmp_path / "results").mkdir()
    (tmp_path / "README.md").write_text("<!-- generated: cifar10 -->\n<!-- end -->\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, *lines: dict[str, Any]) -> None:
    (root / "results" / "cifar10.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def stale(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in stale_figures(root, root / "results")]


def draw(root: Path) -> Path:
    """Brings all figures up to date."""
    for mend in stale_figures(root, root / "results").values():
        mend()
    return root / CIFAR10


# ---------------------------------------------------------------------------------------------------------------
# Which runs


def test_only_the_papers_recipe_whole_counts(root: Path) -> None:
    own = line("plain20", error=9.6), line("resnet20", error=8.5), line("resnet20", seed=1, error=8.6)
    others = [
        line(recipe="cifar10-resnet20-fast", departures=["lr: 0.2 (paper: 0.1)", BF16]),
        line(seed=2, departures=["iterations: 6400 (paper: 64000)"]),
        line(recipe="cifar10-resnet20-45k", seed=3, data={"name": "cifar10", "validation_images": 5000}),
        line(recipe="cifar100-resnet20", seed=4, data={"name": "cifar100", "validation_images": 0}),
        line("preact_resnet164", departures=[]),
    ]
    write(root, own[1], *others, own[2], own[0])
    runs = cifar10_runs(root / "results")
    assert [(run["family"], run["depth"], run["published"]) for run in runs] == [
        ("plain", 20, 9.7),
        ("resnet", 20, 8.75),
        ("resnet", 20, 8.75),
    ]
    assert [run["test_error"][-1] for run in runs] == [9.6, 8.5, 8.6]
    assert all(run["steps"] == [1000, 2000, 3000] for run in runs)


def test_of_one_seed_the_newest_line_stands(root: Path) -> None:
    old = {key: value for key, value in line(error=8.4).items() if key != "curve"}
    write(root, old)
    assert cifar10_runs(root / "results") == []
    assert "test error 8.40 % (seed 0)" in BLOCKS["cifar10"](root / "results")
    write(root, old, line(error=8.4))
    (run,) = cifar10_runs(root / "results")
    assert run["test_error"] == [35.0, 12.0, 8.4]
    assert "test error 8.40 % (seed 0)" in BLOCKS["cifar10"](root / "results")


def test_what_is_drawn_are_the_lines(root: Path) -> None:
    write(root, line("plain20", error=9.6), line("resnet20", error=8.5), line("resnet20", seed=1, error=8.7))
    figure = draw_cifar10(cifar10_runs(root / "results"))
    plain, residual = ({str(one.get_gid()): np.asarray(one.get_xydata()) for one in a.lines} for a in figure.axes)
    np.testing.assert_allclose(plain["plain:20:test:mean"], [[1000, 35], [2000, 12], [3000, 9.6]])
    np.testing.assert_allclose(plain["plain:20:train:mean"], [[1000, 30], [2000, 10], [3000, 5]])
    np.testing.assert_allclose(residual["ResNet:20:test:mean"], [[1000, 35], [2000, 12], [3000, 8.6]])
    np.testing.assert_allclose(plain["plain:20:published"], [[1, 9.7]])
    np.testing.assert_allclose(residual["ResNet:20:published"], [[1, 8.75]])


def test_the_short_schedule_has_a_figure_of_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That says it is a surrogate, has no mark of the paper's, and room for what ends high."""
    short = {"iterations": 6_400, "departures": _DEPARTS}
    no_curve = {key: value for key, value in line(**short).items() if key != "curve"}
    write(root, line("plain20", error=9.6), no_curve, line("plain56", error=60.0, **short), line(seed=1, **short))
    runs = short_runs("figure6", root / "results")
    assert [(run["name"], run["seed"]) for run in runs] == [("cifar10-plain56", 0), ("cifar10-resnet20", 1)]
    figure = draw_short("figure6", runs)
    assert figure.get_suptitle() == "A surrogate: a tenth of the paper's iterations"
    drawn = [str(one.get_gid()) for axes in figure.axes for one in axes.lines]
    assert "plain:56:test:mean" in drawn
    assert not any("published" in name for name in drawn)
    assert [axes.get_ylim() for axes in figure.axes] == [(0, 70)] * 2
    assert draw_short("figure6", runs[1:]).axes[0].get_ylim() == (0, 40)
    assert f"({Path(SHORT['figure6']).relative_to('docs')})" in BLOCKS["reproduced"](root / "results")
    write(root, no_curve)
    assert "figure6-short.png" not in BLOCKS["reproduced"](root / "results")


def test_networks_of_one_depth_share_a_panel_seed_by_seed(root: Path) -> None:
    short = {"iterations": 6_400, "departures": _DEPARTS}
    option = {**short, "departures": [*_DEPARTS, "changes.shortcut: B (paper: A)"]}
    write(root, line(**short), line(seed=1, **short), line("plain20", **short), line(**option))
    (axes,) = draw_short("shortcuts", short_runs("shortcuts", root / "results")).axes
    legend = {text.get_text() for text in axes.figure.legends[0].get_texts()}
    assert {"cifar10-plain20, seed 0", "cifar10-resnet20, seed 0", "cifar10-resnet20, B, seed 0"} <= legend
    assert "cifar10-resnet20, seed 1" not in legend  # which the others have not


# ---------------------------------------------------------------------------------------------------------------
# Up to date or not


def test_a_figure_is_up_to_date_while_its_data_are_the_same(root: Path) -> None:
    write(root, line())
    assert stale(root) == [CIFAR10]
    path = draw(root)
    with Image.open(path) as image:
        assert image.format == "PNG"
    assert stale(root) == []
    write(root, line(seconds=1.0, device="another", date="later"))
    assert stale(root) == []  # nothing of this is drawn
    for changed in (line(error=8.51), line("resnet32"), line(curve={**CURVE, "steps": [1, 2, 3]})):
        write(root, changed)
        assert stale(root) == [CIFAR10]
        draw(root)
        assert stale(root) == []


def test_the_papers_figures_are_drawn_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, line())
    draw(root)
    monkeypatch.setattr(images, "test_error", lambda model, data: 8.0)
    assert stale(root) == [CIFAR10]


def test_other_bytes_of_the_same_data_are_up_to_date(root: Path) -> None:
    """As another version of matplotlib writes them."""
    write(root, line())
    path = draw(root)
    before = path.read_bytes()
    with Image.open(path) as image:
        image.load()
        texts, smaller = dict(image.info), image.resize((300, 150))
    kept = PngInfo()
    for name, text in texts.items():
        if isinstance(text, str):
            kept.add_text(str(name), text)
    smaller.save(path, pnginfo=kept)
    assert path.read_bytes() != before
    assert stale(root) == []
    smaller.save(path)  # without the digest
    assert stale(root) == [CIFAR10]


def test_a_damaged_figure_is_drawn_anew(root: Path) -> None:
    write(root, line())
    path = draw(root)
    path.write_bytes(b"not a picture")
    assert stale(root) == [CIFAR10]
    draw(root)
    assert stale(root) == []


def test_without_runs_there_is_no_figure(root: Path) -> None:
    assert stale(root) == []
    write(root, line())
    path = draw(root)
    write(root, {**line(), "departures": ["lr: 0.2 (paper: 0.1)"]})
    assert stale(root) == [CIFAR10]
    draw(root)
    assert not path.exists()
    assert stale(root) == []


def test_the_command_draws(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("resnets.documents.filling.stale_counts", lambda root: {})
    assert main([]) == 0
    assert not (root / CIFAR10).exists()
    write(root, line())
    assert main(["--check"]) == 1
    assert f"{CIFAR10}: not up to date" in capsys.readouterr().err
    assert not (root / CIFAR10).exists()
    assert main(["README.md"]) == 0  # that file and nothing else
    assert not (root / CIFAR10).exists()
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert (root / CIFAR10).exists()
    assert main(["--check"]) == 0
    (root / CIFAR10).unlink()
    assert main(["--check"]) == 1


# ---------------------------------------------------------------------------------------------------------------
# The block


def test_the_block_shows_the_figure_and_speaks_of_each_net(root: Path) -> None:
    write(root, line("resnet20", error=8.5), line("resnet20", seed=1, error=8.7), line("plain20", error=9.75))
    text = BLOCKS["cifar10"](root / "results")
    first, *sentences, where = [part for part in text.splitlines() if part]
    assert first == f"![Error curves on CIFAR-10, the paper's recipe: plain-20, ResNet-20]({CIFAR10})"
    assert sentences == [
        "- **plain-20**: test error 9.75 % (seed 0); the paper's is 9.7 %; inside the band expected, 9.2 to 10.7 %.",
        "- **ResNet-20**: test error 8.60 ± 0.14 % (seeds 0, 1); the paper's is 8.75 %; "
        "inside the band expected, 7.8 to 9.2 %.",
    ]
    assert where.startswith("On CPU, 1 thread, bf16; torch 2.15.0")


@pytest.mark.parametrize(
    ("errors", "word"),
    [((7.8, 9.2), "inside"), ((8.5, 9.21), "outside"), ((7.79, 8.5), "better than"), ((30.0,), "outside")],
)
def test_a_band_holds_for_every_seed(root: Path, errors: tuple[float, ...], word: str) -> None:
    write(root, *(line(seed=seed, error=error) for seed, error in enumerate(errors)))
    assert f"; {word} the band expected, 7.8 to 9.2 %." in BLOCKS["cifar10"](root / "results")


def test_of_three_seeds_the_mean_has_a_band_of_its_own(root: Path) -> None:
    write(root, *(line(seed=seed, error=error) for seed, error in enumerate((8.3, 9.3, 9.2))))
    assert "; inside the band expected, 8.35 to 9.15 %." in BLOCKS["cifar10"](root / "results")


def test_nets_of_which_nobody_expects_anything(root: Path) -> None:
    write(root, line("plain110", error=70.0), line("resnet26", error=7.9))
    _, plain, residual, _ = [part for part in BLOCKS["cifar10"](root / "results").splitlines() if part]
    assert plain == "- **plain-110**: test error 70.00 % (seed 0); the paper gives none."
    assert residual == "- **ResNet-26**: test error 7.90 % (seed 0); the paper gives none."


def test_the_paper_itself_lies_in_the_bands() -> None:
    relatives = {"cifar_wrn_28_10", "cifar_wrn_40_4", "cifar_wrn_16_8", "cifar_resnet110_shortcut_gating"}
    assert set(BANDS) == set(MEAN_BANDS) == {*published.TABLE_6, *published.FIGURE_6, *relatives}
    for bands in (BANDS, MEAN_BANDS):
        for model, (low, high) in bands.items():
            paper = published.test_error(model, "cifar10")
            assert paper is not None
            assert low < paper < high
