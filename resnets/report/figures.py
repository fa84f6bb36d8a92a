"""The figures of reports, functions from plain data to a matplotlib Figure, and the ways to save one."""

from resnets.report.curves import Curve, error_curves, learning_rate
from resnets.report.degradation import degradation, training_and_test
from resnets.report.grids import confusion, mistakes, overlay
from resnets.report.style import save_png, to_png_base64, to_svg
from resnets.report.unit_drawing import Panel, units_figure
from resnets.report.unit_graph import unit_graph

__all__ = [
    "Curve",
    "Panel",
    "confusion",
    "degradation",
    "error_curves",
    "learning_rate",
    "mistakes",
    "overlay",
    "save_png",
    "to_png_base64",
    "to_svg",
    "training_and_test",
    "unit_graph",
    "units_figure",
]
