"""What the rows of a target are made of: runs of a recipe at a scale, and claims about them. Errors in percent."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from resnets.classification.photograph_recipe import PhotographRecipe
from resnets.classification.recipe import ClassificationRecipe, ClassifierRecipe
from resnets.classification.recipes import departures, recipe
from resnets.training.recipe import override

Band = tuple[float, float]

# ---------------------------------------------------------------------------------------------------------------
# Scales


def as_it_is(given: ClassifierRecipe) -> ClassifierRecipe:
    """The recipe of the paper."""
    return given


def a_tenth(given: ClassifierRecipe) -> ClassifierRecipe:
    """The paper's schedule shortened ten times, all else as it is: 6,400 iterations, milestones at 3,200 and 4,800.

    It is tested three times as often, so that there is a curve to be seen.
    """

    def tenth(value: int) -> int:
        return math.ceil(value / 10)

    warmup = given.warmup_iterations
    return replace(
        given,
        iterations=tenth(given.iterations),
        milestones=tuple(map(tenth, given.milestones)),
        warmup_iterations=warmup if warmup is None else tenth(warmup),
        evaluate_every=math.ceil(given.evaluate_every * 0.32),
    )


def seconds_only(given: ClassifierRecipe) -> ClassifierRecipe:
    """Twelve iterations of sixteen handwritten digits, or two of four small photographs: whether everything runs."""
    return two_of_photographs(given) if isinstance(given, PhotographRecipe) else twelve_of_digits(given)


def two_of_photographs(given: PhotographRecipe) -> PhotographRecipe:
    """Squares of 32 pixels, the smallest that these networks take: those of 152 layers need seconds."""
    return replace(
        given,
        crop=32,
        iterations=2,
        milestones=(1,)[: len(given.milestones)],
        batch_size=4,
        lr=given.lr / 1000,  # with four images at once, 0.1 would break plain nets within two steps
        bn_batches=min(given.bn_batches, 2),
        log_every=1,
        evaluate_every=1,
        checkpoint_every=2,
    )


def twelve_of_digits(given: ClassifierRecipe) -> ClassifierRecipe:
    """Sixteen digits an iteration, cut and mirrored as digits are."""
    assert isinstance(given, ClassificationRecipe)
    return replace(
        given,
        data="digits",
        iterations=12,
        milestones=(6, 9)[: len(given.milestones)],
        batch_size=16,
        padding=2,
        flip=False,
        warmup_iterations=None if given.warmup_iterations is None else 3,
        validation_images=100 if given.validation_images else 0,
        log_every=4,
        evaluate_every=4,
        checkpoint_every=12,
    )


SCALES: dict[str, Callable[[ClassifierRecipe], ClassifierRecipe]] = {
    "paper": as_it_is,
    "short": a_tenth,
    "smoke": seconds_only,
}
SURROGATES = {
    "short": "a tenth of the paper's iterations",
    "smoke": "a few iterations on handwritten digits or drawn pictures, which shows only that everything runs",
}
"""What is said of every figure that was measured at another scale than the paper's."""

# ---------------------------------------------------------------------------------------------------------------
# Rows


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One network of a table, trained by one recipe."""

    recipe: str
    """A name of the recipes; it names the row too, unless `label` does."""
    changes: tuple[str, ...] = ()
    """Fields of the recipe that are changed, as `resnets train` takes them."""
    label: str = ""
    paper: float | None = None
    """The paper's test error; None where it prints none."""
    paper_top5: float | None = None
    """On ImageNet; there `paper` is top-1."""
    remark: str = ""
    """What is to be known of the paper's figure."""
    band: Band | None = None
    """Where a single run of the paper's recipe is expected to end."""
    mean_band: Band | None = None
    """The same of the mean of three seeds or more."""
    against: str = ""
    """The name of the entry whose test error is taken off that of this one, seed by seed."""
    variant: bool = False
    """Whether what the run departs in from its paper's main recipe, such as dropout, is what the row is about."""

    @property
    def name(self) -> str:
        return self.label or self.recipe

    def planned(self, scale: str, seed: int) -> ClassifierRecipe:
        """The run of one seed, unless the entry has a seed of its own."""
        return SCALES[scale](override(recipe(self.recipe), [f"seed={seed}", *self.changes]))

    @cached_property
    def own(self) -> frozenset[str]:
        """The departures from the paper's main recipe that are the paper's own: of a variant what it changes there."""
        if not self.variant:
            return frozenset()
        data, _, net = self.recipe.partition("-")
        main = recipe(f"{data}-{net.partition('-')[0]}")
        return frozenset(departures(self.planned("paper", 0), "fp32")) - frozenset(departures(main, "fp32"))

    def folder(self, scale: str, seed: int) -> str:
        """The name of that run's folder."""
        parts = [self.name, "" if scale == "paper" else scale, f"seed{seed}"]
        return re.sub(r"[^\w.]+", "-", "-".join(filter(None, parts)))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """That one row is worse than another by more than so many points; without another, worse than so many percent."""

    text: str
    worse: str
    """The name of an entry."""
    than: str | None = None
    by: float = 0.0
    """Points; what is asked of surrogates is the sign only."""
    error: str = "test_error"
    """Which error: "test_error" or "train_error"."""
    after: int | None = None
    """Not at the end but after so many iterations: the training error of those since the log line before."""
    every_seed: bool = False
    """Whether it has to hold in each of the paired seeds; otherwise in their mean."""
    below: bool = False
    """Without another row: whether it has to be under `by` instead of over it."""
    alike: bool = False
    """Whether the difference has to be less than `by` to either side; of surrogates nothing is asked."""
    spread: bool = False
    """Without another row: whether it is the deviation over seeds that is held against `by`, not the error."""
    or_diverges: bool = False
    """Without another row: whether it holds of a seed that diverges, too."""
    seeds: int = 1
    """From how many seeds on it is judged: with fewer, a mean or a deviation says too little."""
    weak: bool = False
    """Whether independent runs contradict it, so that it is reported and fails nothing."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A table or figure that training brings back."""

    title: str
    source: str
    entries: tuple[Entry, ...]
    claims: tuple[Claim, ...] = ()
    curves: bool = False
    """Whether the paper shows it as error curves."""
    apart: bool = False
    """Whether training and test errors stand in panels of their own there, as in Figure 1."""
    protocol: str = "single"
    """How photographs are tested, one of `evaluation.protocols`."""
    remark: str = ""
