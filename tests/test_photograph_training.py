"""Training on photographs, from every layout to weights and figures: a tiny drawn ImageNet, a narrow ResNet-18."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from photographs import folder_of, imagenet_in_layouts
from safetensors.torch import load_file

from resnets.classification.data import load_data
from resnets.classification.photograph_data import PhotographData
from resnets.classification.photograph_recipe import PhotographRecipe
from resnets.classification.recipes import recipe
from resnets.classification.run import carry_out, new_run, open_run, resume
from resnets.classification.task import Classification
from resnets.cli import main
from resnets.data.mixup import Mixed, mixup
from resnets.data.photograph_statistics import photograph_statistics
from resnets.data.photographs import Photographs
from resnets.data.sources import open_photographs
from resnets.data.split import hold_out
from resnets.training.average import ALONE
from resnets.training.interruption import Stopped
from resnets.training.journal import read_journal
from resnets.training.recipe import override

CPU = torch.device("cpu")
SMALL = (
    "crop=32",
    "batch_size=6",
    "iterations=7",
    "log_every=2",
    "evaluate_every=4",
    "checkpoint_every=3",
    "bn_batches=2",
    "precision=fp32",
)
STEPS = (*SMALL, "milestones=3,5")
PLATEAU = (*STEPS, "schedule=plateau", "plateau_patience=1", "validation_images=4")
MODERN = (*SMALL, "warmup_iterations=2", "sizes=32,40")

pytestmark = pytest.mark.usefixtures("narrow", "blank")


def run(*words: str | int | Path) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return imagenet_in_layouts(tmp_path_factory.mktemp("layouts"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of pictures: eight and eight to train on, two and two to test."""
    return str(folder_of(tmp_path_factory.mktemp("pictures"), {"cat": 10, "dog": 10}))


def small(*assignments: str, name: str = "imagenet-resnet18") -> PhotographRecipe:
    made = override(recipe(name), [*SMALL, *assignments])
    assert isinstance(made, PhotographRecipe)
    return made


def modern(*assignments: str) -> PhotographRecipe:
    return small(*MODERN, *assignments, name="imagenet-resnet18-modern")


def rows(folder: Path) -> list[dict[str, Any]]:
    """The journal without what is not repeatable."""
    timed = ("images_per_second", "data_wait")
    return [{name: value for name, value in row.items() if name not in timed} for row in read_journal(folder)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> None:
    assert rows(one) == rows(other)
    assert all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())


# ---------------------------------------------------------------------------------------------------------------
# Runs


def test_every_layout_trains_the_same_network(layouts: dict[str, str], tmp_path: Path, capsys) -> None:
    for name, path in layouts.items():
        carry_out(new_run(small(*STEPS, f"data={path}"), tmp_path / name))
    progress = capsys.readouterr().err
    assert "departs from the paper: crop: 32 (paper: 224)" in progress
    assert "compute binds" in progress or "data binds" in progress
    same(tmp_path / "folders", tmp_path / "index")
    same(tmp_path / "folders", tmp_path / "shards")
    journal = read_journal(tmp_path / "folders")
    assert [row["step"] for row in journal] == [2, 4, 6, 7]
    assert [row["lr"] for row in journal] == pytest.approx([0.1, 0.01, 0.001, 0.001])
    assert all(0 <= row["data_wait"] <= 100 for row in journal)


def test_what_a_run_leaves_is_tested_by_every_protocol(layouts: dict[str, str], tmp_path: Path, capsys) -> None:
    folder, data = tmp_path / "run", layouts["folders"]
    assert run("train", "imagenet-resnet18", *STEPS, f"data={data}", "--out", folder, "--json") == 0
    capsys.readouterr()
    names = {"recipe.json", "run.json", "metrics.jsonl", "checkpoints", "model.safetensors", "evaluation.json"}
    assert {path.name for path in folder.iterdir()} >= names | {"report.html"}
    assert isinstance(open_run(folder).recipe, PhotographRecipe)
    protocols = "single,ten-crop,dense"
    assert run("evaluate", folder, "--data", data, "--protocol", protocols, "--no-cache", "--json") == 0
    single, *others = json.loads(capsys.readouterr().out)["results"]
    left = json.loads((folder / "evaluation.json").read_text())
    assert (single["top1_wrong"], single["images"]) == (left["top1_wrong"], 6)
    assert [result["images"] for result in others] == [6, 6]
    picture = next(Path(data).rglob("*.JPEG"))
    assert run("predict", folder, picture, "--json") == 0
    (prediction,) = json.loads(capsys.readouterr().out)["predictions"]
    assert {c["name"] for c in prediction["classes"]} == set(open_photographs(data, "test").classes)
    assert run("train", "--resume", folder) == 0  # finished: nothing to do


@pytest.mark.parametrize("kind", ["modern", "plateau"])
def test_stopped_and_resumed_is_as_never_stopped(
    kind: str, pictures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By SIGTERM, twice; averaged weights, mixup, growing sizes and the plateau's events go on as they would have."""
    words = (f"data={pictures}", "evaluate_every=1")
    given = modern(*words) if kind == "modern" else small(*PLATEAU, *words)
    carry_out(new_run(given, tmp_path / "whole"))
    losses, stops = Classification.losses, {3, 6}
    done = 0

    def signalled(self: Classification, batch: Any) -> dict[str, torch.Tensor]:
        nonlocal done
        done += 1
        if done in stops:
            signal.raise_signal(signal.SIGTERM)
        return losses(self, batch)

    monkeypatch.setattr(Classification, "losses", signalled)
    with pytest.raises(Stopped, match="after 3 iterations"):
        carry_out(new_run(given, tmp_path / "run"))
    with pytest.raises(Stopped, match="after 6 iterations"):
        carry_out(resume(tmp_path / "run", []))
    carry_out(resume(tmp_path / "run", []))
    same(tmp_path / "whole", tmp_path / "run")
    assert any("event" in row for row in rows(tmp_path / "run")) == (kind == "plateau")


def test_what_is_kept_is_the_average_with_statistics_of_its_own(pictures: str, tmp_path: Path) -> None:
    """The last checkpoint has the weights and their average; the weights' file the average, its BN estimated anew."""
    folder = tmp_path / "run"
    outcome = carry_out(new_run(modern(f"data={pictures}", "validation_images=4"), folder))
    state = torch.load(folder / "checkpoints" / "step-00000007.pt", weights_only=True)
    kept = weights(folder)
    assert torch.equal(kept["fc.weight"], state["companion"]["fc.weight"])
    assert not torch.equal(kept["fc.weight"], state["model"]["fc.weight"])
    assert not torch.equal(kept["bn1.running_mean"], state["companion"]["bn1.running_mean"])
    task = task_of(open_run(folder).recipe)
    task.model.load_state_dict(state["companion"])
    batches, values, stem = task.data.batches(task.recipe, 7), [], task.model.conv1
    assert isinstance(stem, torch.nn.Conv2d)
    for _ in range(2):
        images, _ = task.inputs(next(batches))
        assert images.shape == (6, 3, 40, 40)
        values.append(stem(images).mean((0, 2, 3)))
    torch.testing.assert_close(kept["bn1.running_mean"], torch.stack(values).mean(0), rtol=1e-4, atol=1e-5)
    task.average = ALONE
    task.model.load_state_dict(kept)
    assert task.evaluate() == outcome.errors
    left = json.loads((folder / "evaluation.json").read_text())
    assert {"test_error": left["top1_error"], "validation_error": left["validation_error"]} == outcome.errors


def test_the_average_is_what_is_tested_on_the_way(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task, seen = task_of(modern(f"data={pictures}")), []

    def scores(self: PhotographData, model: torch.nn.Module, images: Photographs) -> torch.Tensor:
        seen.append(model.state_dict()["fc.bias"].clone())
        return torch.zeros(len(images), 2)

    monkeypatch.setattr(PhotographData, "scores", scores)
    bias = task.model.state_dict()["fc.bias"]
    bias += 1
    task.evaluate()
    assert seen[0].tolist() == [0.0, 0.0]
    assert bias.tolist() == [1.0, 1.0]


# ---------------------------------------------------------------------------------------------------------------
# Batches, losses, data


def task_of(given: Any) -> Classification:
    return Classification(given, load_data(given, CPU), CPU, "fp32")


def first(batches: Iterator[Any]) -> Any:
    return next(batches)


@pytest.mark.parametrize("normalisation", ["pixel_mean", "channel_mean", "channel_mean_std"])
@pytest.mark.parametrize("varied", [0.0, 0.4])
def test_a_batch_becomes_the_networks_input(pictures: str, normalisation: str, varied: float) -> None:
    """By hand, in float64: mirrored, varied, the mean subtracted, the colours moved, all in [0, 1], then divided."""
    task = task_of(small(f"data={pictures}", f"normalisation={normalisation}", f"jitter={varied}"))
    batch = first(task.batches(0))
    images, labels = task.inputs(batch)
    found = photograph_statistics(open_photographs(pictures, "train"), 32, 37)
    variances, axes = (torch.tensor(value, dtype=torch.float64) for value in found.colours)
    mean = torch.tensor(found.mean_image if normalisation == "pixel_mean" else found.mean, dtype=torch.float64)
    std = torch.tensor(found.std if normalisation == "channel_mean_std" else [1, 1, 1], dtype=torch.float64)
    assert batch.flip.any()
    assert not batch.flip.all()
    for place in range(6):
        expected = batch.images[place].double() / 255
        expected = expected.flip(2) if batch.flip[place] else expected
        if varied:
            light, contrast, depth = batch.jitter[place].double()
            grey = (expected * torch.tensor([0.299, 0.587, 0.114]).double()[:, None, None]).sum(0)
            expected = light * (contrast * (depth * expected + (1 - depth) * grey) + (1 - contrast) * grey.mean())
        expected = expected + (axes @ (variances * batch.colour[place].double()))[:, None, None]
        expected = (expected - mean.reshape(3, *(mean.shape[1:] or (1, 1)))) / std[:, None, None]
        torch.testing.assert_close(images[place].double(), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(labels, open_photographs(pictures, "train").labels[batch.indices])
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_mixed_losses_are_those_of_mixed_labels(pictures: str) -> None:
    task = task_of(small(f"data={pictures}", "mixup=1", "label_smoothing=0.1"))
    batch = first(task.batches(0))
    found = task.losses(batch)
    images, labels = task.inputs(batch.batch)
    share, neighbour = batch.share, torch.tensor([1, 0, 3, 2, 5, 4])
    one_hot = F.one_hot(labels, 2).float()
    targets = share * one_hot + (1 - share) * one_hot[neighbour]
    logits = task.model(share * images + (1 - share) * images[neighbour])
    torch.testing.assert_close(found["loss"], F.cross_entropy(logits, targets, label_smoothing=0.1))
    right = targets.gather(1, logits.argmax(1, keepdim=True)).mean()
    torch.testing.assert_close(found["train_error"], 100 * (1 - right))


@pytest.mark.parametrize(("ranks", "accumulate"), [(2, 1), (4, 1), (1, 2), (2, 2)])
def test_mixed_images_depend_on_neither_ranks_nor_passes(
    ranks: int, accumulate: int, pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joined, they are those of one process in one pass, bit for bit; from any step on."""
    given = ("batch_size=8", "mixup=1", f"data={pictures}")
    whole = mixed_by(small(*given), 2, 1)
    parts = []
    for rank in range(ranks):
        monkeypatch.setattr("resnets.classification.photograph_data.rank", lambda rank=rank: rank)
        monkeypatch.setattr("resnets.classification.photograph_data.ranks", lambda: ranks)
        parts.append(mixed_by(small(*given, f"accumulate={accumulate}"), 2, accumulate))
    together = [part[turn] for turn in range(accumulate) for part in parts]
    for field in ("images", "labels", "others"):
        assert torch.equal(torch.cat([getattr(mixed, field) for mixed in together]), getattr(whole[0], field))
    assert {float(mixed.share) for mixed in together} == {float(whole[0].share)}


def mixed_by(given: PhotographRecipe, step: int, passes: int) -> list[Mixed]:
    """What the passes of iteration `step` show the network."""
    task = task_of(given)
    batches = task.batches(step)
    return [mixup(*task.inputs(one.batch), one.share) for one in (next(batches) for _ in range(passes))]


def test_inputs_grow_with_the_epochs(pictures: str) -> None:
    """16 photographs in batches of 4: four epochs, of which each has a size of its own."""
    given = modern("batch_size=4", "iterations=16", "sizes=32,40,48,56", f"data={pictures}")
    task, sides = task_of(given), []
    for _, batch in zip(range(16), task.batches(0), strict=False):
        sides.append(batch.batch.images.shape[2])
    assert sides == [32] * 4 + [40] * 4 + [48] * 4 + [56] * 4
    assert [given.size_in(epoch, 16) for epoch in (0, 3, 4, 100)] == [32, 56, 56, 56]
    assert small().size_in(7, 16) == 32


def test_held_out_photographs_are_not_trained_on(pictures: str) -> None:
    given = small(f"data={pictures}", "validation_images=5")
    task = task_of(given)
    data = task.data
    assert isinstance(data, PhotographData)
    everything = open_photographs(pictures, "train")
    kept, held, digest = hold_out(16, 5, 0)
    assert data.validation is not None
    assert [data.validation.names[i] for i in range(5)] == [everything.names[i] for i in held]
    assert [data.train.names[i] for i in range(11)] == [everything.names[i] for i in kept]
    assert data.record["split"] == digest
    assert data.preprocessing.mean == photograph_statistics(everything.subset(kept), 32, 37).mean_image
    assert set(task.evaluate()) == {"validation_error", "test_error"}


def test_training_and_test_are_of_the_same_classes(pictures: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: str, split: str) -> Photographs:
        found = open_photographs(pictures, "train")
        return found if split == "train" else replace(found, classes=("cat", "lion"))

    monkeypatch.setattr("resnets.classification.photograph_data.open_photographs", opened)
    with pytest.raises(ValueError, match="2 classes to train on and 2 to test, they must be the same"):
        load_data(small(f"data={pictures}"), CPU)
