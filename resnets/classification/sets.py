"""The sets of images of a run: what is trained on, held out and tested, and what the run's record says of them."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.start import read_start, start_record
from resnets.data.images import ImageSet
from resnets.data.photographs import Photographs
from resnets.data.split import hold_out
from resnets.models.layouts import Weights

Images = TypeVar("Images", ImageSet, Photographs)


@dataclass(frozen=True)
class Sets(Generic[Images]):
    """Images of either kind, and the weights that the run begins with."""

    train: Images
    validation: Images | None
    start: Weights | None
    record: dict[str, Any]
    """Names, counts and hashes, as the run's record keeps them."""


def set_apart(recipe: ClassifierRecipe, train: Images, test: Images) -> Sets[Images]:
    """Holds out of `train` as many images as the recipe says, drawn by its seed. ValueError as `read_start`."""
    record: dict[str, Any] = {"name": recipe.data, "train": train.fingerprint, "test": test.fingerprint}
    validation = None
    if recipe.validation_images:
        kept, held, record["split"] = hold_out(len(train), recipe.validation_images, recipe.seed)
        train, validation = train.subset(kept), train.subset(held)
    start = read_start(recipe)
    record |= start_record(start) | {
        "train_images": len(train),
        "test_images": len(test),
        "validation_images": recipe.validation_images,
    }
    return Sets(train, validation, start, record)
