"""What the papers say: their tables as data, joined by name with the catalogue. Figures in percent.

"Deep Residual Learning for Image Recognition", arXiv:1512.03385.
"""

TABLE_6 = {
    "cifar_resnet20": 8.75,
    "cifar_resnet32": 7.51,
    "cifar_resnet44": 7.17,
    "cifar_resnet56": 6.97,
    "cifar_resnet110": 6.43,
    "cifar_resnet1202": 7.93,
}
"""CIFAR-10 test error; for 110 layers the best of five runs (6.61 +- 0.16)."""

FIGURE_6 = {"cifar_plain20": 9.7, "cifar_plain32": 10.1, "cifar_plain44": 11.4, "cifar_plain56": 13.3}
"""CIFAR-10 test error at the end of training of the plain nets, read off the curves: +-0.3."""

BANDS = {"cifar_resnet20": (7.8, 9.2), "cifar_plain20": (9.2, 10.7)}
"""CIFAR-10 test error that a single run of the paper's recipe is expected to end between: published re-runs do."""


def test_error(model: str, data: str) -> float | None:
    """The paper's test error of `model` on `data`, None where it has none."""
    return {**TABLE_6, **FIGURE_6}.get(model) if data == "cifar10" else None
