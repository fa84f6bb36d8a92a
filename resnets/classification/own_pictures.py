"""A recipe for a folder of pictures, from what is in it: 50 pictures or 5 million, small or large, with a start or not.

    resnets train --data pictures                          what the package's weights allow, else from nothing
    resnets train --data pictures --weights torchvision    from weights that are fetched
    resnets train --data pictures --weights FILE           from any weights, whole or in part
    resnets train --data pictures --weights none           from nothing

The recipe is a pure function of `Facts`; each choice is said with its reason, and any field can be overridden. On two
cores a few hundred photographs take about ten minutes to an hour, small pictures minutes. The figures in here were not
tuned on any test set: they are usual ones, bounded for the small and the large.
"""

import io
import statistics
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from resnets.classification.photograph_recipe import LEAST_CROP, PhotographRecipe
from resnets.classification.recipe import ClassifierRecipe
from resnets.classification.recipes import FOLDER, cifar10_resnet20_fast
from resnets.classification.start import find_start
from resnets.data.images import ImageSet
from resnets.data.photographs import Photographs
from resnets.data.pictures import why_not
from resnets.data.shards import is_sharded
from resnets.data.sources import IMAGENET
from resnets.files import at_home
from resnets.models.catalog import row
from resnets.models.factory import find_weights
from resnets.models.layouts import TORCHVISION, Weights
from resnets.models.stages import below

SMALL = 64
"""Pictures that are all at most so many pixels long are trained on at 32x32."""
_SAMPLE = 500
_UNEVEN = 3
"""From so many times as many pictures in one class as in another, classes are balanced."""
_FEW = 2_000
"""Under so many training pictures more of a start stands still."""
_MANY = 50_000
"""From so many training pictures on they are trained on as ImageNet is."""
_PACKAGED = "cifar_resnet20"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What decides the recipe."""

    train: int
    """Training pictures."""
    classes: tuple[int, ...]
    """Training pictures of each class."""
    shorter_side: int
    """The median over a sample, in pixels."""
    longest_side: int
    """The greatest length over the sample, in pixels."""
    whole: bool = False
    """Whether they can be read into memory at one size: a folder, or CIFAR's files."""


def facts_of(path: str, found: ImageSet | Photographs) -> Facts:
    """The facts of the training pictures `found` at `path`, whose sizes are read from at most 500 of them.

    ValueError, of one line, where the head of a picture cannot be read.
    """
    counts = Counter(found.labels.tolist())
    classes = tuple(counts[label] for label in range(len(found.classes)))
    if isinstance(found, ImageSet):
        side = found.images.shape[-1]
        return Facts(train=len(found), classes=classes, shorter_side=side, longest_side=side, whole=True)
    every = -(-len(found) // _SAMPLE)
    sizes = [_size(found.read(index), found.where(index)) for index in range(0, len(found), every)]
    folder = at_home(path)
    whole = path != IMAGENET and folder.is_dir() and not is_sharded(folder)
    shorter, longest = round(statistics.median(map(min, sizes))), max(map(max, sizes))
    return Facts(train=len(found), classes=classes, shorter_side=shorter, longest_side=longest, whole=whole)


def _size(content: bytes, name: str) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return picture.size
    except Exception as error:
        raise ValueError(f"{name}: cannot be read ({why_not(error)})") from None


def own_recipe(
    path: str, facts: Facts, weights: str | None = None, model: str | None = None
) -> tuple[ClassifierRecipe, list[str]]:
    """The recipe for the pictures at `path`, of which `facts` are known, and its reasons, a line each.

    `weights`: what `find_weights` takes, "none" for new ones, None to choose. `model`: the network, None to choose.
    ValueError, of one line, where the weights cannot be had or do not go with the network.
    """
    if weights in (None, "none"):
        return recipe_for(path, facts, weights is None, model)
    assert weights is not None
    if weights == "torchvision":
        model = model or ("resnet18" if facts.train < 1_000 else "resnet50_v1_5")
        if model not in TORCHVISION:
            raise ValueError(f"torchvision has no weights of {model}; it has those of {', '.join(TORCHVISION)}")
    if weights == "package":
        model = model or _PACKAGED
    found = find_start(model or "", weights)
    return recipe_for(path, facts, False, model or found.model, (weights, found))


def recipe_for(
    path: str, facts: Facts, packaged: bool, model: str | None = None, start: tuple[str, Weights] | None = None
) -> tuple[ClassifierRecipe, list[str]]:
    """The recipe that `facts` make, and its reasons; `start` is what it begins with, by name and as it was read.

    `packaged`: whether the package's weights may be taken where they fit.
    """
    tiny = facts.longest_side <= SMALL and facts.whole
    small = row(model).input_size == 32 if model else tiny
    uneven = max(facts.classes) >= _UNEVEN * max(1, min(facts.classes))
    size = f"shorter side {facts.shorter_side} pixels, longest {facts.longest_side}"
    reasons = [f"{facts.train:,} training pictures of {len(facts.classes)} classes, {size}"]
    if small and not tiny and model:
        reasons.append(f"{model} is a network for 32x32 pixels: pictures are reduced to that")
    made = _small(path, facts, packaged, model, start) if small else _photographs(path, facts, model, start)
    chosen, more = made
    if uneven:
        chosen = replace(chosen, balance="weights")
        more.append(
            f"classes have {min(facts.classes)} to {max(facts.classes)} training pictures, so their losses are "
            "weighted to count alike; balance=none does not"
        )
    return chosen, [*reasons, *more]


def _small(
    path: str, facts: Facts, packaged: bool, model: str | None, start: tuple[str, Weights] | None
) -> tuple[ClassifierRecipe, list[str]]:
    """As 32x32 images through a network for CIFAR, in one cycle."""
    many = facts.train >= 10_000
    if packaged and not many and model in (None, _PACKAGED):
        start = ("package", find_weights(_PACKAGED, "package"))
    net, batch = model or _PACKAGED, 128 if many else 64
    iterations = _iterations(facts.train, batch, epochs=20, least=1_000, most=100_000)
    made = replace(
        cifar10_resnet20_fast(),
        name=f"{FOLDER}-{net.removeprefix('cifar_')}",
        model=net,
        data=path,
        iterations=iterations,
        batch_size=batch,
        evaluate_every=-(-iterations // 4),
    )
    reasons = [f"small pictures: {net} at 32x32, {_schedule(facts, made)}"]
    if start is None:
        reasons.append(_from_nothing("so many small pictures need no start" if many else "no start was given"))
        return made, reasons
    made = replace(made, lr=0.1, **_begun(facts, made, start, None))
    return made, [*reasons, _with_start(made)]


def _photographs(
    path: str, facts: Facts, model: str | None, start: tuple[str, Weights] | None
) -> tuple[ClassifierRecipe, list[str]]:
    """Photographs as they are, along a cosine after a short warm-up."""
    few, many = facts.train < 5_000, facts.train >= _MANY
    net = model or ("resnet18" if facts.train < 20_000 else "resnet50")
    crop = _crop(facts, 224 if start or not few else 160)
    batch = 256 if many else 64 if not few else 32
    epochs, least, most = (30, 300, 60_000) if start else (90, 1_000, 450_000)
    iterations = _iterations(facts.train, batch, epochs, least, most)
    made = PhotographRecipe(
        name=f"{FOLDER}-{net}",
        model=net,
        data=path,
        iterations=iterations,
        batch_size=batch,
        lr=0.1 if many else 0.05,
        schedule="cosine",
        warmup="linear",
        warmup_lr=0.0,
        warmup_iterations=max(1, iterations // 20),
        nesterov=True,
        weight_decay=1e-4,
        label_smoothing=0.1,
        crop=crop,
        view="area",
        area=0.08 if many else 0.25,
        normalisation="channel_mean_std",
        colours="imagenet",
        log_every=max(1, min(100, iterations // 20)),
        evaluate_every=-(-iterations // 5),
        checkpoint_every=max(1, min(500, iterations // 10)),
    )
    reasons = [f"photographs: {net} on {crop}x{crop} pixels, {_schedule(facts, made)}"]
    if start is None:
        reasons.append(_from_nothing("the package has no weights for photographs"))
        return made, reasons
    # A new classifier on features that are good already needs less; more throws it far off in the beginning.
    made = replace(made, lr=0.05 if many else 0.01, **_begun(facts, made, start, _still(made.model, start[1], facts)))
    return made, [*reasons, _with_start(made)]


def _still(model: str, weights: Weights, facts: Facts) -> str | None:
    """Up to where a network stands still: so far as it is the start's, which is nothing of another network's.

    The fewer the pictures, the higher. Where whole stages are new above it, few pictures leave all below as it came:
    what gradients through random layers do to good features, they cannot mend.
    """
    if weights.model != model:
        return None
    maps = below(model, **weights.changes)
    whole = [name for name, needed in maps.items() if not needed & set(weights.missing)]
    if facts.train >= _FEW or not whole:
        return next(iter(whole), None)
    return whole[-1] if len(whole) < len(maps) else next((name for name in whole if name == "stage2"), whole[0])


def _begun(facts: Facts, made: ClassifierRecipe, start: tuple[str, Weights], frozen: str | None) -> dict[str, Any]:
    """The fields of a recipe that begins with given weights."""
    name, weights = start
    fields: dict[str, Any] = {"start": name, "lower_lr": 0.1, "frozen": frozen}
    if facts.train < _MANY:
        fields["classifier"] = "fitted"  # more pictures teach it soon
    if weights.model == made.model:
        fields["changes"] = dict(weights.changes)
    if weights.preprocessing is not None:
        fields["normalisation"] = "start"
    return fields


def _iterations(images: int, batch_size: int, epochs: int, least: int, most: int) -> int:
    """So many epochs, but neither too few iterations for a network to learn nor more than a machine can do."""
    return min(max(-(-epochs * images // batch_size), least), most)


def _crop(facts: Facts, wanted: int) -> int:
    """A multiple of 32 that most pictures have, up to what is wanted."""
    return max(LEAST_CROP, min(wanted, facts.shorter_side // 32 * 32))


def _schedule(facts: Facts, made: ClassifierRecipe) -> str:
    epochs = made.iterations * made.batch_size / facts.train
    return f"{made.iterations:,} iterations of {made.batch_size} ({epochs:,.0f} epochs), {made.schedule}"


def _with_start(made: ClassifierRecipe) -> str:
    still = f"up to {made.frozen} it stands still, what else it" if made.frozen else "what it"
    fitted = "; a new classifier is fitted to its features first" if made.classifier == "fitted" else ""
    return (
        f"begins with {made.start}: {still} brought learns at {made.lower_lr:g} times the rate of what is new{fitted}"
    )


def _from_nothing(why: str) -> str:
    return (
        f"from nothing ({why}), so no linear classifier on a start's features stands beside the result; "
        "--weights torchvision, or --weights FILE, is usually far better"
    )
