"""Kept scores: what is not computed again, and when it is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tested import COUNT, photographs, weights
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from resnets.classification.evaluate import evaluate
from resnets.cli import main


class Passes:
    """Counts how often images enter a network, by any door."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        self.count += isinstance(module, nn.Conv2d) and module.in_channels == 3

    def since(self) -> int:
        """How often since this was asked for the last time."""
        count, self.count = self.count, 0
        return count


@pytest.fixture
def passes() -> Iterator[Passes]:
    counting = Passes()
    handle = register_module_forward_pre_hook(counting)
    yield counting
    handle.remove()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with photographs, three networks, and nothing kept."""
    photographs(tmp_path / "pictures")
    for seed in range(3):
        weights(tmp_path / f"{seed}.safetensors", seed)
    return tmp_path


def outcome(place: Path, *seeds: int, protocols: tuple[str, ...] = ("single",), **options: Any) -> list[dict[str, Any]]:
    sources = [str(place / f"{seed}.safetensors") for seed in seeds]
    options = {"cache": place / "kept", "batch_size": COUNT, **options}
    return evaluate(sources, str(place / "pictures"), list(protocols), "cpu", **options)["results"]


def test_another_network_costs_that_network_only(place: Path, passes: Passes) -> None:
    expected = outcome(place, 0, 1, 2, cache=None)
    assert passes.since() == 3
    outcome(place, 0)
    outcome(place, 0, 1)
    assert passes.since() == 2
    assert outcome(place, 0, 1, 2) == expected
    assert passes.since() == 1
    assert outcome(place, 2, 0, 1)[0]["top1_wrong"] == expected[0]["top1_wrong"]
    assert outcome(place, 0, 1, 2, cache=None) == expected
    assert passes.since() == 3
    assert len(list((place / "kept").iterdir())) == 3


def test_the_mean_of_what_is_kept(place: Path) -> None:
    """Figures of an ensemble follow from the files by arithmetic."""
    (result,) = outcome(place, 0, 1)
    files = [load_file(path)["probabilities"] for path in (place / "kept").iterdir()]
    labels = torch.tensor(sorted(index % 4 for index in range(COUNT)))
    assert result["top1_wrong"] == int((torch.stack(files).mean(0).argmax(1) != labels).sum())
    assert 0 < result["top1_wrong"] < COUNT


def test_every_setting_has_scores_of_its_own(place: Path, passes: Passes) -> None:
    dense: dict[str, Any] = {"protocols": ("dense",), "scales": (32,)}
    options: dict[str, Any]
    for options in (
        {},
        {"batch_size": 1},
        {"protocols": ("ten-crop",)},
        dense,
        {**dense, "scales": (32, 40)},
        {**dense, "flips": True},
    ):
        outcome(place, 0, **options)
        assert passes.since() > 0, options
        outcome(place, 0, **options)
        assert passes.since() == 0, options


def test_equal_weights_have_equal_scores_wherever_they_are(place: Path, passes: Passes) -> None:
    outcome(place, 0)
    (place / "0.safetensors").rename(place / "7.safetensors")
    passes.since()
    outcome(place, 7)
    assert passes.since() == 0


def test_what_has_changed_is_judged_anew(place: Path, passes: Passes, capsys: pytest.CaptureFixture[str]) -> None:
    first = outcome(place, 0)
    picture, other = (place / "pictures" / "test" / "a" / f"{name}.png" for name in ("000", "004"))
    content = picture.read_bytes()
    picture.write_bytes(other.read_bytes())  # under the same name, of the same class
    passes.since()
    capsys.readouterr()
    changed = outcome(place, 0)
    assert passes.since() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("of 1 pictures that have changed since; all are computed anew")
    assert outcome(place, 0) == changed
    picture.write_bytes(content)
    assert outcome(place, 0) == first
    picture.rename(picture.with_name("zzz.png"))
    passes.since()
    outcome(place, 0)
    assert passes.since() == 1  # another set


def test_a_set_in_memory(run: Path, tmp_path: Path, passes: Passes) -> None:
    records = [evaluate([str(run)], "digits", ["single"], "cpu", cache=tmp_path / "kept") for _ in range(2)]
    assert records[0] == records[1] == evaluate([str(run)], "digits", ["single"], "cpu")
    assert passes.since() == 2


@pytest.mark.parametrize("kind", ["cut", "flipped", "empty", "text", "folder", "foreign", "other", "shape"])
def test_a_damaged_or_foreign_file(place: Path, passes: Passes, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    expected = outcome(place, 0)
    (path,) = (place / "kept").iterdir()
    content, metadata = path.read_bytes(), safe_open(path, "pt").metadata()
    tensors = load_file(path)
    match kind:
        case "cut":
            path.write_bytes(content[:-7])
        case "flipped":
            path.write_bytes(content[:-40] + bytes([content[-40] ^ 1]) + content[-39:])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("scores")
        case "folder":
            path.unlink()
            path.mkdir()
        case "foreign":
            save_file(tensors, path)
        case "other":
            save_file(tensors, path, {**metadata, "key": json.dumps({**json.loads(metadata["key"]), "flips": True})})
        case "shape":
            save_file({**tensors, "probabilities": tensors["probabilities"][:5]}, path, metadata)
    passes.since()
    capsys.readouterr()
    assert outcome(place, 0) == expected
    assert passes.since() == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"{path}: not the scores asked for (")
    assert said[0].endswith("); they are computed anew")
    if kind != "folder":
        assert len(said) == 1
        outcome(place, 0)
        assert passes.since() == 0  # it is whole again
    else:
        assert "could not be kept" in said[1]


def test_nothing_is_left_half_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        expected = outcome(place, 0)  # the figures are had nevertheless
    assert list((place / "kept").iterdir()) == []
    assert outcome(place, 0) == expected


def test_the_command_keeps_scores_among_the_data(
    place: Path, passes: Passes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESNETS_DATA", str(place / "home"))
    words = ["evaluate", str(place / "0.safetensors"), "--data", str(place / "pictures"), "--json"]
    assert main([*words, "--no-cache"]) == 0
    assert not (place / "home").exists()
    assert main(words) == 0
    assert len(list((place / "home" / "scores").iterdir())) == 1
    passes.since()
    assert main(words) == 0
    assert passes.since() == 0
    assert main([*words, "--cache", str(place / "mine")]) == 0
    assert len(list((place / "mine").iterdir())) == 1
    first, *others = capsys.readouterr().out.splitlines()
    assert others == [first] * 3
    (place / "file").touch()
    assert main([*words, "--cache", str(place / "file" / "inside")]) == 2
    assert "file" in capsys.readouterr().err
    monkeypatch.setenv("RESNETS_DATA", str(place / "file" / "inside"))  # nobody asked for anything to be kept there
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out.strip() == first
    assert "scores could not be kept (Not a directory)" in err
