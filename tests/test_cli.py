"""The contract of the command line: exit statuses, one line of JSON, errors of one line that name what was wrong."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY
from PIL import Image

from resnets.answers import seeds_of
from resnets.arguments import parse
from resnets.classification import run as runs
from resnets.cli import main
from resnets.data.digits import digits
from resnets.version import __version__

pytestmark = pytest.mark.usefixtures("blank")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "digit.png"
    Image.fromarray(digits("test").images[0].permute(1, 2, 0).numpy()).save(path)
    return path


def outcome(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    capsys.readouterr()
    try:
        status: Any = main([str(word) for word in words])
    except SystemExit as end:  # as argparse ends
        status = end.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refusal(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """The one line of an error, after which there is nothing else anywhere."""
    status, out, err = outcome(capsys, *words)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("resnets")
    return line


# ---------------------------------------------------------------------------------------------------------------
# JSON


def answers(run: Path, copy: Path, picture: Path, folder: Path) -> dict[str, tuple[list[str | Path], list[str]]]:
    """For each verb a command line, and the fields that its object has at least."""
    train: list[str | Path] = ["train", "digits-resnet20", *TINY, "iterations=4", "--out", folder / "new"]
    results = ["test_error", "train_error", "seconds", "seed", "command", "data", "environment", "departures"]
    return {
        "models": (["models"], ["models"]),
        "describe": (["describe", "cifar_resnet20", "--layers", "--draw", folder / "net.svg"], ["name", "layers"]),
        "train": (train, ["run", *results]),
        "list": (["train", "--list"], ["recipes"]),
        "resume": (["train", "--resume", copy, "--results", folder / "results.jsonl"], ["run", *results]),
        "evaluate": (["evaluate", run, "--data", "digits"], ["images", "weights", "results"]),
        "predict": (["predict", run, picture, "--save", folder / "drawn"], ["predictions", "unreadable"]),
        "compare": (["compare", run, copy, "--out", folder / "both.html"], ["runs", "comparison", "parts_at"]),
        "report": (["report", copy], ["report"]),
        "doctor": (["doctor"], ["problems"]),
    }


@pytest.mark.parametrize(
    "verb", ["models", "describe", "train", "list", "resume", "evaluate", "predict", "compare", "report", "doctor"]
)
def test_json_is_one_object_on_one_line(
    run: Path, copy: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    words, fields = answers(run, copy, picture, tmp_path)[verb]
    status, out, _ = outcome(capsys, *words, "--json")
    assert status == 0
    (line,) = out.splitlines()
    record = json.loads(line, parse_constant=pytest.fail)  # NaN and Infinity are not JSON
    assert set(fields) <= set(record)
    if verb == "resume":
        appended = json.loads((tmp_path / "results.jsonl").read_text())
        assert appended == {name: value for name, value in record.items() if name != "run"}
    status, out, _ = outcome(capsys, *(word for word in words if verb != "train" or word != "--out"), "--help")
    assert (status, "--json" in out) == (0, True)


def test_json_is_ascii_and_survives_any_terminal(
    run: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "名 é \udcff.png"  # the last is a byte that is not UTF-8
    path.write_bytes(picture.read_bytes())
    status, out, _ = outcome(capsys, "predict", run, path, "--json")
    assert (status, out.isascii()) == (0, True)
    assert json.loads(out)["predictions"][0]["image"] == str(path)


def test_the_last_line_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("train", "digits-resnet20", *TINY, "iterations=4", "--out", tmp_path / "run")
    status, out, err = outcome(capsys, *words)
    assert status == 0
    (line,) = out.splitlines()
    assert line.startswith(f"{tmp_path / 'run'}: test error ")
    assert "departs from the paper: data: digits (paper: cifar10)" in err


# ---------------------------------------------------------------------------------------------------------------
# Exit status 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "VERB"),
        ("tarin", "'tarin'"),
        ("models --colour", "--colour"),
        ("describe", "NAME"),
        ("describe resnet21", "no network is called 'resnet21'"),
        ("describe resnet18 --draw net.txt", "net.txt"),
        ("data", "ACTION"),
        ("data fetch imagenet", "'imagenet'"),
        ("data fetch cifar10 --from nowhere", "nowhere"),
        ("train", "one of RECIPE, --data FOLDER, --resume DIR and --list"),
        ("train lr=0.1", "one of RECIPE, --data FOLDER, --resume DIR and --list"),
        ("train digits-resnet20 --list", "one of RECIPE, --data FOLDER, --resume DIR and --list"),
        ("train --list --seeds 0..4 --out x", "--list is given with --out, --seeds; allowed is --list alone"),
        ("train digits-resnet20 --resume runs/a", "one of RECIPE, --data FOLDER, --resume DIR and --list"),
        ("train digits-resnet20 digits-resnet32", "one of RECIPE"),
        ("train digits-resnet21", "no recipe is called 'digits-resnet21'"),
        ("train digits-resnet20 lr=fast epochs=3 batch_size=0", "3 wrong in the recipe's fields: lr is 'fast'"),
        ("train digits-resnet20 lr", "one of RECIPE"),
        ("train digits-resnet20 --lr=0.1", "--lr=0.1"),
        ("train cifar10-resnet20", "resnets data fetch cifar10"),
        ("train digits-resnet20 data=nowhere", "nowhere"),
        ("train --data nowhere", "nowhere"),
        ("train --resume nowhere", "nowhere is not a run folder"),
        ("train digits-resnet20 --device cuda", "device is 'cuda', but this machine has only cpu"),
        ("train digits-resnet20 --precision tf32 --device cpu", "precision is 'tf32', which needs a CUDA device"),
        ("train digits-resnet20 precision=tf32", "precision is 'tf32', which needs a CUDA device"),
        ("train digits-resnet20 model=resnet18", "digits are 32x32, size 224"),
        ("train digits-resnet20 changes.zeros=middle", "zeros is 'middle', allowed are 'end' and 'both'"),
        ("evaluate nowhere --data digits", "nowhere: no such file or folder"),
        ("evaluate RUN --data nowhere", "nowhere"),
        ("evaluate RUN --data cifar10", "resnets data fetch cifar10"),
        ("evaluate RUN", "--data"),
        ("evaluate RUN --data digits --protocol dense", "protocol is 'dense', allowed is single for digits"),
        ("evaluate RUN --data digits --protocol one", "protocol is 'one', allowed are single, ten-crop, dense"),
        ("evaluate RUN --data digits --scales 224,", "argument --scales: '224,', allowed are whole numbers such as"),
        ("evaluate RUN --data digits --batch-size 0", "batch_size is 0, allowed is 1 or more"),
        ("evaluate RUN --data digits --precision tf32", "precision is 'tf32'"),
        ("evaluate RUN --data digits --precision fp16", "'fp16'"),
        ("evaluate RUN --data digits --device cuda", "device is 'cuda'"),
        ("evaluate RUN --data digits --cache kept --no-cache", "--cache and --no-cache are given"),
        ("evaluate RUN --data ~no-such-user/pictures", "~no-such-user/pictures: there is no such home folder"),
        ("evaluate --data digits RUN nowhere", "nowhere: no such file or folder"),
        ("plan cifar10-resnet20 --device cpu --images-per-second 9", "device is of the other kind of plan"),
        ("plan table6 --price 0", "price is of the other kind of plan"),
        ("bench training --results RUN", "Is a directory"),
        ("train digits-resnet20 --results RUN", "Is a directory"),
        ("study responses --new cifar_resnet20 --results RUN", "Is a directory"),
        ("predict RUN", "IMAGE"),
        ("predict RUN nowhere.png", "nowhere.png"),
        ("predict nowhere RUN/recipe.json", "nowhere: no such file or folder"),
        ("compare nowhere RUN", "nowhere is not a run folder"),
        ("report nowhere", "nowhere is not a run folder"),
        ("reproduce imagenet", "'imagenet'"),
        ("reproduce degradation --seeds 4..2", "seeds is '4..2', allowed are"),
        ("reproduce degradation --seeds a", "seeds is 'a', allowed are"),
    ],
)
def test_bad_input_is_one_line(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for extra in ([], ["--json"]):
        assert said in refusal(capsys, *words.replace("RUN", str(run)).split(), *(extra if words else []))
    assert not list(tmp_path.rglob("*.*"))  # and nothing is left behind


def test_all_wrong_fields_are_in_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "train", "digits-resnet20", "lr=fast", "epochs=3", "batch_size=0")
    assert all(part in line for part in ("lr is 'fast'", "unknown field 'epochs'", "batch_size is 0"))


def test_too_little_memory_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("train", "digits-resnet20", *TINY, "--out", tmp_path / "run")
    errors = (
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
    )
    for error in errors:

        def fails(*_: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(runs, "carry_out", fails)
        assert "not enough memory" in refusal(capsys, *words)
        assert "batch_size" in refusal(capsys, *words)


def test_a_defect_of_the_program_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(run: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(runs, "carry_out", fails)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["train", "digits-resnet20", *TINY, "--out", str(tmp_path / "run")])


# ---------------------------------------------------------------------------------------------------------------
# 1, 130, 143


def test_a_run_that_diverges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    words = ["train", "digits-resnet20", *TINY, "lr=1e30", "schedule=steps", "--out", folder, "--json"]
    status, out, err = outcome(capsys, *words)
    assert (status, out) == (1, "")
    assert "diverged: loss" in err.splitlines()[-1]
    assert "diverged: loss not finite in iteration 2; the last good checkpoint is kept" in err.splitlines()[-1]
    (path,) = (folder / "checkpoints").iterdir()
    assert torch.load(path, weights_only=True)["step"] == 0
    assert "diverged" in json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["event"]
    assert not (folder / "model.safetensors").exists()


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_at_any_other_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, signum: signal.Signals, status: int
) -> None:
    """Also within code that catches every Exception."""

    def work(*_: Any) -> None:
        try:
            signal.raise_signal(signum)
        except Exception:
            pytest.fail("held up")

    monkeypatch.setattr("resnets.models.describe.models_record", work)
    before = signal.getsignal(signal.SIGTERM)
    assert outcome(capsys, "models") == (status, "", f"resnets models: stopped by {signum.name}\n")
    assert signal.getsignal(signal.SIGTERM) == before


def test_check_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for shows, status in ((True, 0), (False, 1)):
        monkeypatch.setattr(
            "resnets.paper.degradation.reproduce", lambda *_, shows=shows: ({"degradation": shows}, "the table")
        )
        found, out, err = outcome(capsys, "reproduce", "degradation", "--check", "--json")
        assert (found, json.loads(out)) == (status, {"degradation": shows})
        assert len(err.splitlines()) == status
        assert outcome(capsys, "reproduce", "degradation") == (0, "the table\n", "")
    for problems, status in (([], 0), (["one"], 1)):
        monkeypatch.setattr("resnets.doctor.examine", lambda problems=problems: ({"problems": problems}, "text"))
        assert outcome(capsys, "doctor", "--check")[0] == status
        assert outcome(capsys, "doctor")[0] == 0


# ---------------------------------------------------------------------------------------------------------------
# Words


@pytest.mark.parametrize(
    "words",
    [
        "train digits-resnet20 lr=0.1 flip=true --out X",
        "train digits-resnet20 --out X lr=0.1 flip=true",
        "train --out X digits-resnet20 lr=0.1 flip=true",
        "train digits-resnet20 lr=0.1 --out X flip=true",
        "train --out X digits-resnet20 lr=0.1 --json flip=true",
    ],
)
def test_fields_stand_before_and_after_options(words: str) -> None:
    parsed = parse(words.split())
    assert (parsed.recipe, parsed.out) == ("digits-resnet20", "X")
    assert sorted(parsed.assignments) == ["flip=true", "lr=0.1"]


def test_what_there_may_be_several_of_stands_behind_options_too() -> None:
    assert parse(["evaluate", "a", "--data", "digits", "b"]).weights == ["a", "b"]
    assert parse(["predict", "w", "a.png", "--csv", "b.png"]).images == ["a.png", "b.png"]
    assert parse(["compare", "a", "--out", "x", "b"]).folders == ["a", "b"]
    assert parse(["study", "responses", "--new", "n", "w"]).weights == ["w"]
    assert parse(["train", "lr=0.1", "--seeds", "0..1", "digits-resnet20"]).assignments == ["digits-resnet20"]


def test_seeds() -> None:
    seeds: Callable[[str], range] = seeds_of
    assert list(seeds("3")) == [3]
    assert list(seeds("0..4")) == [0, 1, 2, 3, 4]
    for text in ("", "..", "1..", "..2", "-1", "1..x", "2..1", "²", "0..999999999"):
        with pytest.raises(ValueError, match="seeds is"):
            seeds(text)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, "--version") == (0, f"resnets {__version__}\n", "")
