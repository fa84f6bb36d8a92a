"""A folder of pictures: what is chosen for it, what is said of it before training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from photographs import encoded, folder_of, textured
from PIL import Image

from resnets.classification.data import load_data
from resnets.classification.early_word import early_word
from resnets.classification.own_pictures import Facts, facts_of, own_recipe, recipe_for
from resnets.classification.photograph_recipe import PhotographRecipe
from resnets.classification.recipe import ClassificationRecipe
from resnets.classification.task import Classification
from resnets.cli import main
from resnets.data.sources import open_photographs
from resnets.models.factory import create_model
from resnets.models.layouts import Weights
from resnets.training.recipe import override

FACTS = Facts(train=300, classes=(150, 150), shorter_side=400, longest_side=900, whole=True)

# ---------------------------------------------------------------------------------------------------------------
# What is chosen


def test_what_is_chosen_for_photographs() -> None:
    few, reasons = recipe_for("some/where", FACTS, True)
    assert isinstance(few, PhotographRecipe)
    assert (few.name, few.model, few.data, few.crop) == ("folder-resnet18", "resnet18", "some/where", 160)
    assert (few.start, few.frozen, few.balance, few.view) == (None, None, "none", "area")
    assert few.iterations == 1_000  # 90 epochs would be 844
    assert any("from nothing" in reason and "--weights torchvision" in reason for reason in reasons)
    many, _ = recipe_for("x", replace(FACTS, train=5_000_000, classes=(2_500_000,) * 2), True)
    assert isinstance(many, PhotographRecipe)
    assert (many.model, many.crop, many.batch_size, many.iterations) == ("resnet50", 224, 256, 450_000)
    narrow_ones, _ = recipe_for("x", replace(FACTS, shorter_side=100), True)
    assert isinstance(narrow_ones, PhotographRecipe)
    assert narrow_ones.crop == 96


@pytest.mark.parametrize(
    ("lacking", "few", "many"),
    [
        ("fc", "stage2", "stem"),
        (("layer4", "fc"), "stage3", "stem"),  # what gradients through random layers would spoil stands still
        (("layer2", "layer3", "layer4", "fc"), "stage1", "stem"),
        (("layer1.1.conv2", "layer2", "layer3", "layer4", "fc"), "stem", "stem"),
        (("conv1", "fc"), None, None),
    ],
)
def test_what_stands_still(lacking: str | tuple[str, ...], few: str | None, many: str | None) -> None:
    names = [name for name, _ in create_model("resnet18").named_parameters()]
    missing = tuple(name for name in names if name.startswith(lacking))
    given = Weights({}, "resnet18", {}, 1000, None, None, None, "a test", missing)
    for train, still in ((300, few), (1_999, few), (2_000, many), (100_000, many)):
        made, reasons = recipe_for("x", replace(FACTS, train=train), False, "resnet18", ("file", given))
        assert made.frozen == still
        assert ("it stands still" in reasons[-1]) == (still is not None)


def test_what_is_chosen_for_small_pictures() -> None:
    tiny = replace(FACTS, shorter_side=32, longest_side=32)
    made, _ = recipe_for("x", tiny, True)
    assert isinstance(made, ClassificationRecipe)
    assert (made.name, made.start, made.normalisation) == ("folder-resnet20", "package", "start")
    assert recipe_for("x", tiny, False)[0].start is None
    assert recipe_for("x", tiny, True, "cifar_resnet32")[0].start is None
    large, _ = recipe_for("x", replace(tiny, train=50_000, classes=(25_000,) * 2), True)
    assert (large.start, large.batch_size, large.iterations) == (None, 128, 7_813)  # 20 epochs
    assert isinstance(recipe_for("x", tiny, True, "resnet18")[0], PhotographRecipe)


def test_uneven_classes_are_balanced() -> None:
    for least, balance in ((51, "none"), (50, "weights"), (1, "weights")):
        made, reasons = recipe_for("x", replace(FACTS, classes=(150, least)), True)
        assert made.balance == balance
        assert (f"classes have {least} to 150" in " ".join(reasons)) == (balance == "weights")


def test_facts(tmp_path: Path) -> None:
    root = folder_of(tmp_path, {"a": 5, "b": 3})
    names = open_photographs(root, "train").names
    (root / names[0]).write_bytes(encoded(textured(100, 70)))
    sizes = []
    for name in names:
        with Image.open(root / name) as picture:
            sizes.append(picture.size)
    found = facts_of(str(root), open_photographs(root, "train"))
    assert (found.train, found.classes, found.whole) == (6, (4, 2), True)
    assert found.shorter_side == round(float(np.median([min(size) for size in sizes])))
    assert found.longest_side == 100


def test_fields_of_a_start_need_one() -> None:
    made, _ = recipe_for("x", FACTS, True)
    with pytest.raises(ValueError, match=r"frozen or lower_lr is given.*normalisation is start, allowed with a start"):
        override(made, ["frozen=stage1", "normalisation=start"])
    with pytest.raises(ValueError, match="frozen is 'stage9', allowed are stem, stage1, stage2, stage3, stage4"):
        override(made, ["start=x", "frozen=stage9"])


# ---------------------------------------------------------------------------------------------------------------
# What is said


def test_a_picture_that_cannot_be_read_is_named_before_training(tmp_path: Path, capsys: Any) -> None:
    root = folder_of(tmp_path / "set", {"a": 4, "b": 4})
    whole = (root / "b/02.jpg").read_bytes()
    (root / "b/02.jpg").write_bytes(whole[: len(whole) // 2])  # its head can be read
    assert main(["train", "--data", str(root), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "1 picture cannot be read: b/02.jpg (" in said
    assert "--quarantine` leaves them out" in said
    assert not (tmp_path / "run").exists()


def test_a_picture_that_no_test_can_show_is_named_before_training(tmp_path: Path, capsys: Any) -> None:
    """Not hours later, by the first evaluation."""
    root = folder_of(tmp_path / "set", {"a": 4, "b": 4})
    Image.new("RGB", (1, 600)).save(root / "b/02.jpg")
    assert main(["train", "--data", str(root), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "b/02.jpg (600 pixels long and 1 wide, too narrow to be tested)" in said
    assert main(["data", "check", str(root), "--quarantine"]) == 0
    assert "b/02.jpg" not in open_photographs(root, "train").names + open_photographs(root, "test").names


def test_few_pictures_and_doubles_are_said(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", {"two": 2, "one": 1, "many": 15})
    words = "\n".join(early_word(str(root), 15))
    assert "fewer than 10 training pictures: one (1), two (1)" in words
    assert "no test picture: one" in words
    assert "4 test pictures: an error is known to about 49 points at most" in words
    assert "in the test too" not in words
    (trained,) = [name for name in open_photographs(root, "train").names if name.startswith("two")]
    (tested,) = [name for name in open_photographs(root, "test").names if name.startswith("two")]
    (root / trained).write_bytes((root / tested).read_bytes())
    words = "\n".join(early_word(str(root), 15))
    assert f"1 training picture is in the test too, so the test error will be too good: {trained}" in words


def test_balanced_losses(tmp_path: Path) -> None:
    """Twelve of one class, four of the other: 16 / (2 x 12) and 16 / (2 x 4)."""
    pictures = str(folder_of(tmp_path, {"cat": 15, "dog": 5}))
    made, _ = own_recipe(pictures, facts_of(pictures, open_photographs(pictures, "train")), "none", "cifar_resnet8")
    given = override(made, ["batch_size=8", "label_smoothing=0.1", "precision=fp32"])
    assert given.balance == "weights"
    cpu = torch.device("cpu")
    task = Classification(given, load_data(given, cpu), cpu, "fp32")
    batch = next(iter(task.batches(0)))
    images, labels = task.inputs(batch)
    losses = F.cross_entropy(task.model(images), labels, label_smoothing=0.1, reduction="none")
    expected = sum(loss * (16 / 24 if label == 0 else 2) for loss, label in zip(losses, labels, strict=True)) / 8
    torch.testing.assert_close(task.losses(batch)["loss"], expected)
