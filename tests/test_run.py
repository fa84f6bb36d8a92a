"""A run folder: what it holds, what its weights know, when it may go on, what damage is answered with."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY
from safetensors import safe_open
from torchvision.transforms.v2 import functional as F

from resnets.classification import task as tasks
from resnets.classification.data import load_data
from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.recipes import recipe
from resnets.classification.run import carry_out, new_run, open_run, resume
from resnets.classification.task import Classification
from resnets.cli import main
from resnets.data.digits import digits
from resnets.models.factory import load
from resnets.preprocessing import Preprocessing
from resnets.training.checkpoint import checkpoints, newest
from resnets.training.recipe import override

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("blank")


def change(path: Path, **values: Any) -> None:
    """Edits fields of a JSON file by hand."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """The one line with which `resnets WORDS...` refuses."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


def unfinished(folder: Path) -> Path:
    """The run goes back to its last checkpoint but one."""
    for name in ("model.safetensors", "evaluation.json", "report.html"):
        (folder / name).unlink()
    checkpoints(folder / "checkpoints")[-1].unlink()
    return folder


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
@pytest.mark.parametrize("normalisation", ["pixel_mean", "channel_mean_std"])
def test_the_input_of_small_images_written_out(normalisation: str, mode: str) -> None:
    """Image by image, by torchvision: normalised, then padded, so that zeros are the mean; cut; mirrored."""
    words = [f"normalisation={normalisation}", f"padding_mode={mode}", "padding=4", "flip=true", "batch_size=64"]
    chosen = override(recipe("digits-resnet20"), words)
    data, images = load_data(chosen, CPU), digits("train")
    batch = next(iter(data.batches(chosen, 3)))
    inputs, labels = data.inputs(chosen, batch)
    every = images.images.double() / 255
    mean = every.mean(0) if normalisation == "pixel_mean" else every.mean((0, 2, 3)).reshape(3, 1, 1)
    std = 1.0 if normalisation == "pixel_mean" else every.std((0, 2, 3), correction=0).reshape(3, 1, 1)
    assert batch.flip.any()
    assert not batch.flip.all()
    assert len(set(batch.top.tolist())) > 5
    for place, index in enumerate(batch.indices.tolist()):
        x = F.pad((every[index] - mean) / std, [4], padding_mode={"zeros": "constant"}.get(mode, mode))
        x = F.crop(x, int(batch.top[place]), int(batch.left[place]), 32, 32)
        x = F.horizontal_flip(x) if batch.flip[place] else x
        torch.testing.assert_close(inputs[place].double(), x, rtol=1e-5, atol=1e-6)
        assert labels[place] == images.labels[index]


def test_a_network_learns(tmp_path: Path) -> None:
    """In a minute's work on the digits: chance is 90 %."""
    words = ["model=cifar_resnet8", "iterations=80", "batch_size=32", "log_every=20", "evaluate_every=80"]
    run = new_run(override(recipe("digits-resnet20"), words), tmp_path / "run", "cpu")
    outcome = carry_out(run)
    assert outcome.errors["test_error"] < 40


def test_what_a_finished_run_holds(run: Path, tiny: ClassificationRecipe) -> None:
    names = {path.name for path in run.iterdir()}
    assert {"recipe.json", "run.json", "metrics.jsonl", "losses.f32", "checkpoints", "model.safetensors"} <= names
    assert "report.html" in names
    assert (run / "losses.f32").stat().st_size == 4 * tiny.iterations
    opened = open_run(run)
    assert opened.finished
    assert opened.recipe == tiny
    assert opened.record["precision"] == "fp32"
    assert opened.record["device"] == "cpu"
    assert "data: digits (paper: cifar10)" in opened.record["departures"]
    assert opened.record["data"]["train"] == digits("train").fingerprint
    assert opened.record["data"]["test"] == digits("test").fingerprint
    (session,) = opened.record["sessions"]
    assert session["threads"] == torch.get_num_threads()
    assert len(checkpoints(run / "checkpoints")) == 2


def test_weights_know_all_that_is_needed_to_use_them(run: Path) -> None:
    with safe_open(run / "model.safetensors", "pt") as file:
        metadata = file.metadata()
    recipe = json.loads((run / "recipe.json").read_text())
    assert json.loads(metadata["recipe"]) == recipe
    assert metadata["model"] == recipe["model"]
    preprocessing = Preprocessing.from_json(metadata["preprocessing"])
    assert preprocessing.classes == tuple("0123456789")
    mean = torch.tensor(preprocessing.mean)
    torch.testing.assert_close(mean, digits("train").images.float().mean(0) / 255, rtol=0, atol=1e-6)
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert f"test error {evaluation['top1_error']:.2f} % ({evaluation['top1_wrong']} of 500)" in metadata["provenance"]
    assert "Apache-2.0" in json.loads(metadata["licence"])


def test_weights_are_those_of_the_last_iteration(run: Path, tiny: ClassificationRecipe) -> None:
    task = Classification(tiny, load_data(tiny, CPU), CPU, "fp32")
    state = newest(run / "checkpoints")
    assert state is not None
    assert state.step == 24
    task.model.load_state_dict(state.model)
    images = task.data.preprocessing.normaliser(CPU)(digits("test").images[:50])
    loaded = load(run).to(memory_format=torch.channels_last)  # as the recipe has it
    with torch.no_grad():
        assert torch.equal(loaded(images), task.model.eval()(images))


def test_the_journal_and_the_record_agree(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert [row["step"] for row in rows] == [5, 10, 15, 20, 24]
    assert rows[-1]["test_error"] == evaluation["top1_error"]
    assert rows[-1]["train_error"] == evaluation["train_error"]
    assert rows[-1]["epoch"] == 24 * 16 / 1297


def test_a_changed_network_is_known_by_its_run_and_its_weights(tmp_path: Path) -> None:
    words = [*TINY, "iterations=4", "changes.shortcut=B", "padding_mode=reflect"]
    assert main(["train", "digits-resnet20", *words, "--out", str(tmp_path / "run")]) == 0
    opened = open_run(tmp_path / "run")
    assert opened.recipe.changes == {"shortcut": "B"}
    assert {"changes.shortcut: B (paper: A)", "padding_mode: reflect (paper: zeros)"} <= set(
        opened.record["departures"]
    )
    loaded = load(tmp_path / "run")
    assert loaded.changes == {"shortcut": "B"}
    assert "layer2.0.downsample.0.weight" in loaded.state_dict()


def test_an_event_may_be_the_last_line_of_the_journal(tmp_path: Path) -> None:
    """The warm-up ends with the last iteration."""
    words = [*TINY, "iterations=5", "schedule=steps", "warmup_lr=0.01", "warmup_error=100"]
    assert main(["train", "digits-resnet20", *words, "--out", str(tmp_path / "run")]) == 0
    assert "event" in json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert (tmp_path / "run" / "report.html").exists()


def test_held_out_images_are_validated_on(tiny: ClassificationRecipe) -> None:
    data = load_data(replace(tiny, validation_images=297), CPU)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (1000, 297, 500)
    mean = torch.tensor(data.preprocessing.mean)  # of the images that are trained on, and no others
    torch.testing.assert_close(mean, data.train.images.float().mean(0) / 255, rtol=0, atol=1e-6)
    assert len(data.record["split"]) == 64
    errors = Classification(tiny, data, CPU, "fp32").evaluate()
    assert list(errors) == ["validation_error", "test_error"]


def test_batches_are_a_function_of_seed_and_step(tiny: ClassificationRecipe) -> None:
    data = load_data(tiny, CPU)

    def inputs(seed: int, step: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        task = Classification(replace(tiny, seed=seed), data, CPU, "fp32")
        return map(task.inputs, task.batches(step))

    ahead = list(islice(inputs(0, 0), 5))
    for (images, labels), (same_images, same_labels) in zip(ahead[3:], inputs(0, 3), strict=False):
        assert torch.equal(images, same_images)
        assert torch.equal(labels, same_labels)
    assert ahead[0][0].shape == (16, 3, 32, 32)
    assert not torch.equal(next(inputs(1, 0))[0], ahead[0][0])


def test_the_seed_and_nothing_else_decides_the_network(tiny: ClassificationRecipe) -> None:
    data = load_data(tiny, CPU)

    def weights(seed: int) -> torch.Tensor:
        torch.rand(seed + 3)  # wherever the generator stands
        task = Classification(replace(tiny, seed=seed), data, CPU, "fp32")
        return task.model.get_submodule("conv1").get_parameter("weight")

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


@pytest.mark.parametrize("error", [RuntimeError("no C++ compiler"), NotImplementedError()])
def test_compilation_falls_back_aloud(
    tiny: ClassificationRecipe, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(model: Any) -> Any:
        def call(images: Any) -> Any:
            raise error

        return call

    monkeypatch.setattr(tasks.torch, "compile", broken)
    data = load_data(tiny, CPU)
    task = Classification(replace(tiny, compile=True), data, CPU, "fp32")
    plain = Classification(tiny, data, CPU, "fp32")
    for _ in range(2):
        batch = next(task.batches(0))
        assert torch.equal(task.losses(batch)["loss"], plain.losses(batch)["loss"])
    assert len([line for line in capsys.readouterr().err.splitlines() if "torch.compile does not work" in line]) == 1


# ---------------------------------------------------------------------------------------------------------------
# Going on


def test_a_recipe_edited_by_hand_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(unfinished(copy) / "recipe.json", lr=0.2, padding=3)
    line = refused(capsys, "train", "--resume", copy)
    assert "lr is 0.2, was 0.1" in line
    assert "padding is 3, was 2" in line


def test_a_run_of_an_earlier_release_goes_on(copy: Path) -> None:
    """Its records lack the fields that have been added since."""
    weights = (copy / "model.safetensors").read_bytes()
    path = checkpoints(unfinished(copy) / "checkpoints")[-1]
    state, recipe = torch.load(path, weights_only=True), json.loads((copy / "recipe.json").read_text())
    for name in ("changes", "padding_mode", "warmup_iterations"):
        del state["recipe"][name], recipe[name]
    torch.save(state, path)
    (copy / "recipe.json").write_text(json.dumps(recipe))
    assert main(["train", "--resume", str(copy), "--precision", "fp32"]) == 0
    assert (copy / "model.safetensors").read_bytes() == weights
    assert json.loads((copy / "recipe.json").read_text()) == recipe


def test_another_recipe_on_the_command_line_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished(copy)
    line = refused(capsys, "train", "--resume", copy, "lr=0.2", "flip=true")
    assert "lr, flip would change" in line
    assert "flip would" in refused(capsys, "train", "flip=true", "--resume", copy)
    assert "would change" in refused(capsys, "train", "--resume", copy, "--precision", "bf16")
    assert "--out" in refused(capsys, "train", "--resume", copy, "--out", copy.parent / "elsewhere")
    assert main(["train", "--resume", str(copy), "lr=0.1", "--precision", "fp32"]) == 0  # nothing changes


def test_other_data_are_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((unfinished(copy) / "run.json").read_text())
    change(copy / "run.json", data={**record["data"], "train": "0" * 64})
    assert "data have changed since the run began (train)" in refused(capsys, "train", "--resume", copy)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("recipe.json", "{", "recipe.json is damaged: not JSON"),
        ("recipe.json", "[]", "recipe.json is damaged: not a JSON object"),
        ("recipe.json", "{}", "recipe.json: recipe: field 'name' is missing"),
        ("run.json", "\udcff", "run.json is damaged: not JSON"),
        ("run.json", "{}", "run.json is damaged: command, device, precision, departures, data, sessions missing"),
        ("evaluation.json", "{}", "evaluation.json is damaged: images, "),
        ("metrics.jsonl", "{}\n{}\n", "metrics.jsonl, line 1: not a row"),
        ("model.safetensors", "?", "model.safetensors"),
    ],
)
def test_damage_is_named(copy: Path, capsys: pytest.CaptureFixture[str], file: str, content: str, said: str) -> None:
    (copy / file).write_bytes(content.encode(errors="surrogateescape"))
    if file == "model.safetensors":
        assert said in refused(capsys, "evaluate", copy, "--data", "digits")
    else:
        for words in (("train", "--resume", copy), ("report", copy)):
            assert said in refused(capsys, *words)


def test_a_run_without_its_journal(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("model.safetensors", "metrics.jsonl"):
        (copy / name).unlink()
    assert "metrics.jsonl: the journal of this run is missing" in refused(capsys, "train", "--resume", copy)


def test_a_weights_file_without_its_evaluation_is_not_finished(copy: Path) -> None:
    evaluation = json.loads((copy / "evaluation.json").read_text())
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "evaluation.json").unlink()
    assert not open_run(copy).finished
    assert main(["train", "--resume", str(copy)]) == 0
    assert (copy / "model.safetensors").read_bytes() == weights
    again = json.loads((copy / "evaluation.json").read_text())
    assert {**again, "seconds": 0} == {**evaluation, "seconds": 0}


# ---------------------------------------------------------------------------------------------------------------
# Beginning


def test_a_run_is_never_begun_over_another(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    line = refused(capsys, "train", "digits-resnet20", *TINY, "--out", copy)
    assert f"{copy} exists; `resnets train --resume {copy}` goes on with it" in line
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for folder in (tmp_path / "mine", tmp_path / "mine" / "notes.txt"):
        line = refused(capsys, "train", "digits-resnet20", *TINY, "--out", folder)
        assert f"{folder} exists and is not a run" in line
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_nothing_is_left_where_the_data_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once they are there, the same command does it."""
    line = refused(capsys, "train", "cifar10-resnet20", "--out", tmp_path / "run")
    assert "type: resnets data fetch cifar10" in line
    assert not (tmp_path / "run").exists()
    assert "held-out images" in refused(
        capsys, "train", "digits-resnet20", *TINY, "validation_images=1297", "--out", tmp_path / "run"
    )
    assert not (tmp_path / "run").exists()


def test_an_empty_folder_and_a_beginning_that_was_killed_are_no_obstacle(
    copy: Path, tmp_path: Path, tiny: ClassificationRecipe
) -> None:
    (tmp_path / "empty").mkdir()
    assert not new_run(tiny, tmp_path / "empty", "cpu").finished
    (tmp_path / "killed").mkdir()
    shutil.copy(copy / "run.json", tmp_path / "killed")
    for left in (tmp_path / "killed" / ".0123.tmp", copy / "checkpoints" / ".4567.tmp"):
        left.write_bytes(b"half")  # as `write_atomic` leaves it when it is killed
    begun = new_run(replace(tiny, iterations=1), tmp_path / "killed", "cpu")
    carry_out(begun)
    assert resume(tmp_path / "killed", []).finished
    carry_out(resume(copy, []))
    assert not list(tmp_path.rglob(".*.tmp"))
