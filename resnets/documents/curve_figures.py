"""How the runs of `results/cifar10.jsonl` are drawn for documents, from plain data."""

from matplotlib.figure import Figure

from resnets.paper.curves import curves_figure
from resnets.paper.lines import Record
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import Row
from resnets.report.curves import Curve
from resnets.report.degradation import degradation


def draw_cifar10(runs: list[Record]) -> Figure:
    """The paper's Figure 6, as far as its nets have been run."""
    nets: dict[str, dict[int, list[Curve]]] = {"plain": {}, "resnet": {}}
    for run in runs:
        name = f"{run['family']}-{run['depth']}"
        curve = Curve(name, run["steps"], run["train_error"], run["test_error"], run["published"])
        nets[run["family"]].setdefault(run["depth"], []).append(curve)
    return degradation(nets["plain"], nets["resnet"])


def draw_short(what: str, runs: list[Record]) -> Figure:
    """Their figure as a surrogate, which it says."""
    target = TARGETS[what]
    entries = {entry.name: entry for entry in target.entries}
    names = dict.fromkeys(run["name"] for run in runs)
    rows = [Row(entries[name], "short", [run for run in runs if run["name"] == name]) for name in names]
    return curves_figure(target, rows, "short")
