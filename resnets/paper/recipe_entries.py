"""Rows of a target by the names of their recipes: the paper's figure and the bands come along."""

from collections.abc import Iterable

from resnets.paper.entries import Entry
from resnets.paper.published import BANDS, FIGURE_6, MEAN_BANDS, test_error


def own(depths: Iterable[int], family: str) -> tuple[Entry, ...]:
    """Rows of the paper's own nets for CIFAR-10."""
    return tuple(entry_of(f"cifar10-{family}{depth}", _REMARKS.get(f"{family}{depth}", "")) for depth in depths)


_REMARKS = {"resnet110": "the best of five runs; their mean is 6.61 ± 0.16", "plain110": "over 60 %, not drawn"}


def entry_of(name: str, remark: str = "", paper: float | None = None) -> Entry:
    """The row of the recipe `name`, such as cifar10-resnet20, with its paper's error and bands where there are some.

    `paper`: the figure that another paper, or another table, prints of the network.
    """
    data, _, net = name.partition("-")
    model = f"cifar_{net.partition('-')[0]}"
    band, mean_band = (BANDS.get(model), MEAN_BANDS.get(model)) if data == "cifar10" else (None, None)
    read_off = "read off the figure, to 0.3 points" if model in FIGURE_6 else ""
    figure = test_error(model, data) if paper is None else paper
    return Entry(recipe=name, paper=figure, remark=remark or read_off, band=band, mean_band=mean_band)


def entries_of(names: Iterable[str]) -> tuple[Entry, ...]:
    """Their rows, with what each one's paper prints."""
    return tuple(entry_of(name) for name in names)


def variant_of(name: str, paper: float, remark: str = "") -> Entry:
    """The row of a recipe that changes its paper's main one as the paper itself does, with what it prints of that.

    It has no band, whatever there is of the main one.
    """
    return Entry(recipe=name, paper=paper, remark=remark, variant=True)


def changed(name: str, options: dict[str, tuple[str, ...]], against: str = "") -> tuple[Entry, ...]:
    """What becomes of a recipe when fields are changed; the paper prints none of these.

    The change is what is asked about: runs with it, and with nothing else, are no surrogates of anything.
    """
    return tuple(
        Entry(recipe=name, changes=changes, label=f"{name}, {label}", against=against, variant=True)
        for label, changes in options.items()
    )
