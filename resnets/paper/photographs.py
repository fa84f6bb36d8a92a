"""The paper's tables and the figure for ImageNet as rows: networks, the protocol they are tested by, bands, claims.

Tables 2 and 3 test ten crops, Tables 4 and 5 five scales densely, Figure 4 the middle. What is done with them:
`photograph_tables.py`; what they would take: `photograph_plan.py`.
"""

from collections.abc import Iterable
from dataclasses import replace

from resnets.paper.entries import Claim, Entry, Target
from resnets.paper.printed import Cell, number
from resnets.paper.published import FIGURE_4
from resnets.paper.tables import TABLES

_PAPER = "arXiv:1512.03385"
_NEAR, _NEARER = 0.7, 0.5
"""Points of top-1 error around the paper's: ResNet-34 A and plain nets depend more on how pictures are cut."""
_LOOSE = ("plain18", "plain34", "resnet18_a", "resnet34_a")


def _printed(what: str) -> dict[str, tuple[Cell, Cell]]:
    """Top-1 and top-5 error of each network in a table or figure of the paper."""
    if what == "figure4":
        return {name: (error, None) for name, error in FIGURE_4.items()}
    if what == "table2":
        rows = TABLES[what].rows
        plain: dict[str, tuple[Cell, Cell]] = {f"plain{depth}": (error, None) for depth, error, _ in rows}
        return plain | {f"resnet{depth}_a": (error, None) for depth, _, error in rows}
    return {str(name): (top1, top5) for name, top1, top5 in TABLES[what].rows}


def _entries(what: str, nets: Iterable[str], remark: str = "") -> tuple[Entry, ...]:
    """Rows with the paper's figures and a band around its top-1 error; that of top-5: `photograph_claims.py`."""
    printed, read_off = _printed(what), 0.5 if what == "figure4" else 0.0
    remark = "read off the figure, to 0.5 points" if read_off else remark
    found = []
    for net in nets:
        top1, top5 = map(number, printed[net])
        assert top1 is not None
        near = (_NEAR if net in _LOOSE else _NEARER) + read_off
        band = (round(top1 - near, 2), round(top1 + near, 2))
        figures = Entry(recipe=f"imagenet-{net}", paper=top1, paper_top5=top5, remark=remark)
        found.append(replace(figures, band=band, mean_band=band))
    return tuple(found)


def _better(net: str, than: str, by: float = 0.0, weak: bool = False) -> Claim:
    text = f"{net} is better than {than}"
    return Claim(text=text, worse=f"imagenet-{than}", than=f"imagenet-{net}", by=by, weak=weak)


_DEEPER = (
    _better("resnet50", "resnet34"),
    _better("resnet101", "resnet50"),
    _better("resnet152", "resnet101", weak=True),  # by 0.3 points in Table 3, about what seeds differ
)
_DEGRADES = (
    _better("plain18", "plain34"),
    _better("resnet34_a", "resnet18_a", by=2.0),
    _better("resnet34_a", "plain34", by=2.0),
)
_ALIKE = Claim(
    text="plain18 and resnet18_a end alike",
    worse="imagenet-plain18",
    than="imagenet-resnet18_a",
    by=0.5,
    alike=True,
)
_PAIRS = ("plain18", "resnet18_a", "plain34", "resnet34_a")
_DEPTHS = ("resnet50", "resnet101", "resnet152")
_MEMBERS = _entries("table4", ("resnet34", "resnet34_c", *_DEPTHS), "a single model's, in Table 4")

ENSEMBLE = "table5"
"""The target whose networks are tested together."""

PHOTOGRAPHS: dict[str, Target] = {
    "figure4": Target(
        title="training of plain and residual nets on ImageNet",
        source=f"{_PAPER}, Figure 4",
        entries=_entries("figure4", _PAIRS),
        claims=(
            Claim(
                text="plain34 trains worse than plain18",
                worse="imagenet-plain34",
                than="imagenet-plain18",
                error="train_error",
            ),
            *_DEGRADES,
        ),
        curves=True,
    ),
    "table2": Target(
        title="top-1 error on ImageNet validation, ten crops",
        source=f"{_PAPER}, Table 2",
        entries=_entries("table2", _PAIRS),
        claims=(*_DEGRADES, _ALIKE),
        protocol="ten-crop",
    ),
    "table3": Target(
        title="errors on ImageNet validation, ten crops",
        source=f"{_PAPER}, Table 3",
        entries=_entries("table3", ("plain34", "resnet34_a", "resnet34", "resnet34_c", *_DEPTHS)),
        claims=(
            *(_better(f"resnet34{option}", "plain34", by=2.5) for option in ("_a", "", "_c")),
            *_DEEPER,
        ),
        protocol="ten-crop",
    ),
    "table4": Target(
        title="errors of single models on ImageNet validation, dense at five scales",
        source=f"{_PAPER}, Table 4",
        entries=_entries("table4", ("resnet34", "resnet34_c", *_DEPTHS)),
        claims=_DEEPER,
        protocol="dense",
    ),
    ENSEMBLE: Target(
        title="top-5 error of an ensemble of six, dense at five scales",
        source=f"{_PAPER}, Table 5",
        entries=(
            *_MEMBERS,
            replace(_MEMBERS[-1], changes=("seed=1",), label="imagenet-resnet152, another"),
        ),
        protocol="dense",
        remark=(
            "Together: here the top-5 error on the validation images, of which the paper prints none. Its 3.57 % is of "
            "the test server, and two of its six networks have 152 layers, the others it does not name: it is held "
            "against nothing here. Judged are the six alone, by Table 4, and that together they are better than the "
            "best of them. What the server takes is a submission file."
        ),
    ),
}
