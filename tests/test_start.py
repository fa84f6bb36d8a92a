"""Training that begins with given weights: what stands still, what learns slowly, the linear classifier beside it."""

import json
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from photographs import folder_of
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from toy import toy_recipe

from resnets.classification import start
from resnets.classification.data import load_data
from resnets.classification.linear import fit_linear
from resnets.classification.own_pictures import facts_of, own_recipe
from resnets.classification.photograph_recipe import PhotographRecipe
from resnets.classification.start import first_network
from resnets.classification.task import Classification
from resnets.cli import main
from resnets.data.augment import IMAGENET_COLOURS
from resnets.data.pictures import centre_crop, read_scaled
from resnets.data.sources import open_photographs
from resnets.models.factory import create_model
from resnets.models.layouts import Weights
from resnets.models.stages import below, parts_of
from resnets.models.weights import read_weights, write_weights
from resnets.preprocessing import Preprocessing
from resnets.training.iteration import Eager
from resnets.training.optimiser import sgd
from resnets.training.recipe import override

CPU = torch.device("cpu")
EXPECTED = Preprocessing(crop=64, resize=70, mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4], channels="BGR")
SHORT = ("crop=32", "batch_size=6", "iterations=6", "log_every=2", "evaluate_every=3", "checkpoint_every=3")
SHORT = (*SHORT, "warmup_iterations=1", "precision=fp32")

pytestmark = pytest.mark.usefixtures("blank")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Small ones, no two alike: twelve and four to train on, three and one to test."""
    return str(folder_of(tmp_path_factory.mktemp("own"), {"cat": 15, "dog": 5}))


@pytest.fixture
def partial(narrow: None, tmp_path: Path) -> Path:
    """Weights of a narrow ResNet-18 without its last stage and its classifier."""
    torch.manual_seed(3)
    state = create_model("resnet18").state_dict()
    kept = {name: value for name, value in state.items() if not name.startswith(("layer4", "fc"))}
    return written(tmp_path / "partial.safetensors", kept)


def written(path: Path, state: dict[str, torch.Tensor]) -> Path:
    names = (name for name in create_model("resnet18").state_dict() if "num_batches" not in name)
    lacking = tuple(name for name in names if name not in state)
    write_weights(path, Weights(state, "resnet18", {"eps": 0.001}, 1000, EXPECTED, None, None, "a test", lacking))
    return path


def started(pictures: str, start: Path, *more: str) -> PhotographRecipe:
    made, _ = own_recipe(pictures, facts_of(pictures, open_photographs(pictures, "train")), str(start))
    chosen = override(made, [*SHORT, *more])
    assert isinstance(chosen, PhotographRecipe)
    return chosen


# ---------------------------------------------------------------------------------------------------------------
# Parts


def test_what_lies_below_a_map_is_what_changes_it() -> None:
    model: Any = create_model("cifar_resnet8").eval()
    found, images = below("cifar_resnet8"), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = model.forward_features(images)
        for name, parameter in model.named_parameters():
            kept = parameter.clone()
            parameter.add_(0.5 * torch.randn_like(parameter).abs() + 0.1)
            after = model.forward_features(images)
            parameter.copy_(kept)
            changed = {stage for stage in before if not torch.equal(before[stage], after[stage])}
            assert changed == {stage for stage in found if name in found[stage]}
    assert list(parts_of(model, found["stage1"])) == [model.conv1, model.bn1, model.layer1]


def test_what_was_brought_learns_more_slowly_and_what_stands_still_not_at_all() -> None:
    """One step by the formula, weight decay included."""
    net = nn.ModuleDict({name: nn.Linear(2, 2) for name in ("still", "lower", "new")})
    net["still"].requires_grad_(False)
    recipe = toy_recipe(lower_lr=0.25, weight_decay=0.1, momentum=0.0)
    optimizer = sgd(net, recipe, slower=frozenset({"lower.weight", "lower.bias", "still.weight"}))
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    step = Eager(
        optimizer, 0, CPU, lambda batch: {"loss": sum((3 * p.sum() for p in net.parameters()), torch.zeros(()))}
    )
    step(0, [None], 0.5)
    for name, p in net.named_parameters():
        rate = {"still": 0.0, "lower": 0.125, "new": 0.5}[name.split(".")[0]]
        w = before[name]
        torch.testing.assert_close(p.detach(), w - rate * (3 + (0.1 * w if w.ndim > 1 else 0)))


def test_the_classifier_stays_for_the_same_classes_only(pictures: str, partial: Path) -> None:
    """As many classes are not the same ones."""
    shipped = read_weights("cifar_resnet20")
    assert shipped.preprocessing is not None
    given = replace(started(pictures, partial), start="package", model="cifar_resnet20", frozen=None, changes={})
    for classes, kept in ((tuple("abcdefghij"), False), (shipped.preprocessing.classes, True)):
        beginning: Any = first_network(given, classes)
        assert ("fc.weight" in beginning.brought) == kept
        assert torch.equal(beginning.model.fc.weight, shipped.state["fc.weight"].float()) == kept
        assert torch.equal(beginning.model.conv1.weight, shipped.state["conv1.weight"].float())


@pytest.mark.parametrize(
    ("name", "changes"),
    [("resnet18", {}), ("resnet50", {}), ("preact_resnet18", {}), ("resnet18", {"drop_path": 0.1})],
)
def test_what_is_new_says_nothing_at_first(name: str, changes: dict[str, Any], narrow: None) -> None:
    """All logits are zero; a new unit is its shortcut. What was brought stays as it is."""
    torch.manual_seed(4)
    state = create_model(name).state_dict()
    kept = {key: value for key, value in state.items() if not key.startswith(("layer4", "fc"))}
    lacking = tuple(key for key in state if key not in kept)
    made = PhotographRecipe(name="x", model=name, data="x", iterations=1, batch_size=1, lr=0.1)
    given = replace(made, start="x", changes=changes)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            start, "read_start", lambda recipe: Weights(kept, name, {}, 1000, None, None, None, "", lacking)
        )
        model: Any = first_network(given, ("a", "b", "c")).model
    assert all(torch.equal(value, kept[key]) for key, value in model.state_dict().items() if key in kept)
    model.train(not changes)
    with torch.no_grad():
        images = torch.rand(2, 3, 64, 64)
        assert torch.equal(model(images), torch.zeros(2, 3))
        for stage, silent in (("3", False), ("4", True)):
            maps = torch.rand(2, model.forward_features(images)[f"stage{stage}"].shape[1], 3, 3)
            assert torch.equal(model.get_submodule(f"layer{stage}")[1](maps), maps) == silent


@pytest.mark.parametrize("there", [(0, 1), (0, 1, 2), (0, 2, 3)])
@pytest.mark.parametrize("balanced", [False, True])
def test_a_linear_classifier_is_scikit_learns(there: tuple[int, ...], balanced: bool) -> None:
    """Scaling and regression as one map; the probabilities of its pipeline. A class without images is never said."""
    torch.manual_seed(5)
    labels = torch.tensor(there)[torch.arange(40) % 7 % len(there)]
    features = 3 + 5 * torch.rand(6) * torch.randn(40, 6) + labels[:, None]
    linear = fit_linear(features, labels, 1 + max(there), balanced)
    regression = LogisticRegression(max_iter=1000, class_weight="balanced" if balanced else None)
    theirs = make_pipeline(StandardScaler(), regression).fit(features.double().numpy(), labels.numpy())
    logits = linear(features)
    np.testing.assert_allclose(
        logits[:, list(there)].softmax(1), theirs.predict_proba(features.double().numpy()), atol=1e-6
    )
    assert set(logits.argmax(1).tolist()) <= set(there)


def test_a_new_classifier_begins_as_a_linear_one(pictures: str, partial: Path, capsys: Any) -> None:
    """On the features of the network as it is before training, whose new BN has the statistics of training batches."""
    given = started(pictures, partial, "ema=0.9")
    task = Classification(given, load_data(given, CPU), CPU, "fp32")
    model: Any = task.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    task.begin()
    assert "the classifier begins as a linear one" in capsys.readouterr().err
    after = model.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    new = {name for name in after if name.startswith("layer4") and name.endswith(("running_mean", "running_var"))}
    assert changed - {"fc.weight", "fc.bias"} - {name for name in after if name.endswith("tracked")} == new
    assert all(torch.equal(value, task.average.state()[name]) for name, value in after.items())
    model.eval()
    data: Any = task.data
    images = torch.stack(
        [
            centre_crop(read_scaled(data.train.read(index), "it", [37])[0], 32).flip(0).float() / 255
            for index in range(len(data.train))
        ]
    )
    images = (images - torch.tensor(EXPECTED.mean)[:, None, None]) / torch.tensor(EXPECTED.std)[:, None, None]
    with torch.no_grad():
        features = model.forward_features(images)["stage4"].mean((2, 3)).double().numpy()
        said = model(images).softmax(1)
    regression = LogisticRegression(max_iter=1000, class_weight="balanced")
    theirs = make_pipeline(StandardScaler(), regression).fit(features, data.train.labels.numpy())
    np.testing.assert_allclose(said, theirs.predict_proba(features), atol=1e-3)


def test_a_classifier_that_was_brought_is_not_fitted(pictures: str, partial: Path, tmp_path: Path) -> None:
    torch.manual_seed(6)
    model = create_model("resnet18", 2)
    whole = Weights(model.state_dict(), "resnet18", {}, 2, replace(EXPECTED, classes=("cat", "dog")), None, None, "")
    write_weights(tmp_path / "whole.safetensors", whole)
    given = started(pictures, tmp_path / "whole.safetensors")
    assert given.classifier == "fitted"
    task = Classification(given, load_data(given, CPU), CPU, "fp32")
    task.begin()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in task.model.state_dict().items())


# ---------------------------------------------------------------------------------------------------------------
# Runs


def test_a_partial_start(pictures: str, partial: Path, tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    words = ["train", "--data", pictures, "--weights", str(partial), *SHORT, "--out", str(run)]
    assert main([*words, "--results", str(tmp_path / "results.jsonl")]) == 0
    out, err = capsys.readouterr()
    assert "up to stage3 it stands still, what else it brought learns at 0.1 times the rate" in err
    assert "new: layer4 (15), fc (2)" in err
    assert "the classifier begins as a linear one" in err
    before, after = load_file(partial), load_file(run / "model.safetensors")
    still = ("conv1", "bn1", "layer1", "layer2", "layer3")
    for name, value in before.items():
        assert torch.equal(value, after[name]) == name.startswith(still), name
    assert after["fc.weight"].shape[0] == 2
    # The baseline, from the pictures and the file alone.
    stored = json.loads((run / "evaluation.json").read_text())["baseline"]
    compared = {name: stored.pop(name) for name in ("only_it", "only_network", "chance")}
    assert stored == _baseline_by_hand(pictures, partial)
    network_wrong = json.loads((run / "evaluation.json").read_text())["top1_wrong"]
    assert compared["only_it"] - compared["only_network"] == network_wrong - stored["test_wrong"]
    assert compared["only_it"] <= network_wrong
    told = network_wrong <= stored["test_wrong"]
    assert f"a linear classifier on the features of the start: {stored['test_error']:.2f} %" in out
    assert ("which training has not reached" in out) != told
    page = (run / "report.html").read_text()
    assert "A linear classifier" in page
    said = json.loads((run / "run.json").read_text())["said"]
    assert all(f"{pictures}: {line}\n" in err for line in said)
    for found, line in zip(
        ("4 test pictures", "16 training pictures", "photographs", "begins", "classes"), said[-6:], strict=False
    ):
        assert line.startswith(found)
        assert f"<li>{escape(line)}</li>" in page
    assert ("the trained one is worse" in page) != told
    for split in ("train", "test"):
        ours, given = (open_photographs(data, split).read for data in (run / "split.csv", pictures))
        assert [ours(index) for index in range(4)] == [given(index) for index in range(4)]
    assert json.loads((tmp_path / "results.jsonl").read_text())["baseline"] == stored | compared
    _goes_on_with_the_same_start_only(run, partial, capsys)


def _baseline_by_hand(pictures: str, start: Path) -> dict[str, Any]:
    """Picture by picture: scaled to 37 pixels, the middle 32, BGR, the average over the third stage's map."""
    model: Any = create_model("resnet18", eps=0.001).eval()
    model.load_state_dict(load_file(start), strict=False)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for photographs in (open_photographs(pictures, "train"), open_photographs(pictures, "test")):
        rows = []
        for index in range(len(photographs)):
            (scaled,) = read_scaled(photographs.read(index), "it", [37])
            x = centre_crop(scaled, 32).flip(0).double() / 255
            x = (x - torch.tensor(EXPECTED.mean)[:, None, None]) / torch.tensor(EXPECTED.std)[:, None, None]
            with torch.no_grad():
                rows.append(model.forward_features(x[None].float())["stage3"][0].mean((1, 2)).double().numpy())
        found.append((np.stack(rows), photographs.labels.numpy()))
    (features, labels), (tested, truth) = found
    mean, deviation = features.mean(0), np.where(features.std(0) > 1e-12, features.std(0), 1)
    weights = {0: 16 / 24, 1: 2.0}  # twelve to four: balanced
    fitted = LogisticRegression(max_iter=1000, class_weight=weights).fit((features - mean) / deviation, labels)
    wrong = int((fitted.predict((tested - mean) / deviation) != truth).sum())
    counted = {"images": len(truth), "train_images": len(labels)}
    return {"test_error": 100 * wrong / len(truth), "test_wrong": wrong, **counted, "features": "stage3"}


def _goes_on_with_the_same_start_only(run: Path, start: Path, capsys: Any) -> None:
    finished = load_file(run / "model.safetensors")
    for name in ("model.safetensors", "evaluation.json", "checkpoints/step-00000006.pt"):
        (run / name).unlink()
    capsys.readouterr()
    assert main(["train", "--resume", str(run)]) == 0
    assert "the classifier begins" not in capsys.readouterr().err
    again = load_file(run / "model.safetensors")
    assert all(torch.equal(value, again[name]) for name, value in finished.items())
    (run / "model.safetensors").unlink()
    written(start, {name: value + 1 for name, value in load_file(start).items()})
    capsys.readouterr()
    assert main(["train", "--resume", str(run)]) == 2
    assert "the data have changed since the run began (start)" in capsys.readouterr().err


def test_the_input_is_what_the_start_expects(pictures: str, partial: Path) -> None:
    """BGR, its mean and std, and colours that move in the same order."""
    given = started(pictures, partial, "colour=0.5")
    data = load_data(given, CPU)
    batch = next(iter(data.batches(given, 0)))
    images, _ = data.inputs(given, batch)
    variances, axes = (torch.tensor(value, dtype=torch.float64) for value in IMAGENET_COLOURS)
    for place in range(6):
        x = batch.images[place].double() / 255
        x = x.flip(2) if batch.flip[place] else x
        x = (x + (axes @ (variances * batch.colour[place].double()))[:, None, None]).flip(0)
        x = (x - torch.tensor(EXPECTED.mean)[:, None, None]) / torch.tensor(EXPECTED.std)[:, None, None]
        torch.testing.assert_close(images[place].double(), x, rtol=1e-4, atol=1e-5)


def test_a_mean_image_fits_one_size_only(pictures: str, tmp_path: Path) -> None:
    """Where training goes through several sizes, its average is subtracted."""
    state = create_model("resnet18", eps=0.001).state_dict()
    image = torch.rand(3, 64, 64)
    expected = replace(EXPECTED, crop=64, resize=64, mean=image.tolist())
    weights = Weights(state, "resnet18", {"eps": 0.001}, 1000, expected, None, None, "a test")
    write_weights(tmp_path / "image.safetensors", weights)
    given = started(pictures, tmp_path / "image.safetensors", "crop=64", "resize=64")
    assert torch.equal(torch.tensor(load_data(given, CPU).preprocessing.mean), image)
    found = load_data(replace(given, sizes=(32, 64)), CPU).preprocessing.mean
    torch.testing.assert_close(torch.tensor(found), image.mean((1, 2)))


def test_a_start_that_does_not_go_is_refused(pictures: str, partial: Path, capsys: Any) -> None:
    words = ["train", "--data", pictures, "--weights", str(partial), *SHORT]
    for more, message in (
        ("model=resnet34", "are not weights of resnet34"),
        ("frozen=stage4", "frozen is 'stage4', but the start lacks layer4.0.bn1.bias, which would never be trained"),
    ):
        assert main([*words, more, "--out", str(partial.parent / more)]) == 2
        assert message in capsys.readouterr().err
        assert not (partial.parent / more).exists()  # so that the command can be typed again
    state = load_file(partial)
    written(
        half := partial.parent / "half.safetensors", {k: v for k, v in state.items() if "layer1.0.bn2.running" not in k}
    )
    assert main(["train", "--data", pictures, "--weights", str(half), *SHORT]) == 2
    assert "has the parameters of layer1.0.bn2 but not its statistics" in capsys.readouterr().err
    assert main(["train", "--data", pictures, "--weights", "torchvision", "model=plain18"]) == 2
    assert "torchvision has no weights of plain18" in capsys.readouterr().err
