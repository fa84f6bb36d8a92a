"""The figure of the demonstration on handwritten digits, from the record that the demonstration leaves."""

from matplotlib.figure import Figure

from resnets.paper.lines import Record
from resnets.report.curves import Curve
from resnets.report.degradation import degradation
from resnets.report.style import say_surrogate


def degradation_figure(record: Record) -> Figure:
    """Its curves in the manner of the paper's Figure 6; it says itself what they are of, and what they are not."""
    nets: dict[str, dict[int, list[Curve]]] = {"plain": {}, "resnet": {}}
    for row in record["table"]:
        family, depth = row["net"].split("-")
        nets[family][int(depth)] = [Curve(row["net"], **curve) for curve in row["curves"]]
    figure = degradation(nets["plain"], nets["resnet"], top=100)
    say_surrogate(figure, record["surrogate"])
    return figure
