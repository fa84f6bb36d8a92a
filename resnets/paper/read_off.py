"""What was read off the curves of the paper's figures, as far as this could be done: no table prints these numbers.

Figures 1, 4 and 6: errors in percent. Figure 7: standard deviations.
"""

from resnets.paper.printed import Cell, PaperTable
from resnets.paper.published import FIGURE_4, FIGURE_6

_AROUND = "read off the curves, to 0.3 points; a range where no one value could be read"
_PLAIN: tuple[tuple[Cell, ...], ...] = (
    ("cifar_plain20", FIGURE_6["cifar_plain20"], 1.4, 12.7),
    ("cifar_plain32", FIGURE_6["cifar_plain32"], 1.2, (14, 15)),
    ("cifar_plain44", FIGURE_6["cifar_plain44"], (2, 3.2), (16, 18)),
    ("cifar_plain56", FIGURE_6["cifar_plain56"], (5.2, 5.9), (18, 18.7)),
)
_CIFAR = (
    *("network", "test error at 64,000 iterations", "training error there"),
    "test error before the first drop, at about 31,000",
)

MEDIANS = {
    "cifar_plain20": 1.85,
    "cifar_plain56": 1.6,
    "cifar_resnet20": 1.55,
    "cifar_resnet56": 1.1,
    "cifar_resnet110": 0.92,
}
"""The response in the middle of the paper's sorted panel of Figure 7."""

READ_OFF: dict[str, PaperTable] = {
    "figure1": PaperTable("Figure 1, read off", _CIFAR, (_PLAIN[0], _PLAIN[-1]), note=_AROUND),
    "figure4": PaperTable(
        "Figure 4, read off",
        ("network", "validation error at the end", "training error there", "validation error on the first plateau"),
        (
            ("plain18", FIGURE_4["plain18"], 31, 50),
            ("plain34", FIGURE_4["plain34"], 32.3, 55),
            ("resnet18_a", FIGURE_4["resnet18_a"], 30, 47),
            ("resnet34_a", FIGURE_4["resnet34_a"], 24.5, 44),
        ),
        note="read off the curves, to 0.5 points, those of training about so much; validation is of the middle crop, "
        "training of augmented ones; the first plateau is that of iterations 100,000 to 150,000",
    ),
    "figure6": PaperTable(
        "Figure 6, read off",
        _CIFAR,
        (
            *_PLAIN,
            ("cifar_plain110", "over 60", "over 60", None),
            ("cifar_resnet20", 8.8, (0.4, 0.8), (11, 12)),
            ("cifar_resnet32", 7.5, 0.2, (10, 11)),
            ("cifar_resnet44", 7.2, 0.1, (10, 11)),
            ("cifar_resnet56", 7.0, "under 0.1", (10, 10.5)),
            ("cifar_resnet110", 6.6, "under 0.1", (10, 10.5)),
            ("cifar_resnet1202", 7.9, "under 0.1", None),
        ),
        note=f"{_AROUND}; plain-110 is not drawn, the text says over 60 %; of ResNet-1202's training error, too, it is "
        "the text that says under 0.1 %",
    ),
    "figure7": PaperTable(
        "Figure 7, read off the sorted panel",
        ("network", "greatest", "in the middle", "least"),
        (
            ("cifar_plain20", 2.3, MEDIANS["cifar_plain20"], 1.3),
            ("cifar_plain56", 2.4, MEDIANS["cifar_plain56"], 1.0),
            ("cifar_resnet20", 2.5, MEDIANS["cifar_resnet20"], 1.15),
            ("cifar_resnet56", 3.0, MEDIANS["cifar_resnet56"], 0.65),
            ("cifar_resnet110", 3.4, MEDIANS["cifar_resnet110"], 0.65),
        ),
        note="to 0.1; of plain-56 the layers from the thirtieth on lie near 1.05; in the order of the layers the "
        "first (about 3), the last (about 1.7) and those where stages change stand out",
    ),
}
"""By the name that `resnets reproduce` takes."""
