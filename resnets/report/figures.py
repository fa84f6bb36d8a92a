"""The figures of reports, functions from plain data to a matplotlib Figure, and the ways to save one."""

from resnets.report.curves import Curve, error_curves, learning_rate
from resnets.report.degradation import degradation
from resnets.report.grids import confusion, mistakes
from resnets.report.style import save_png, to_png_base64, to_svg

__all__ = [
    "Curve",
    "confusion",
    "degradation",
    "error_curves",
    "learning_rate",
    "mistakes",
    "save_png",
    "to_png_base64",
    "to_svg",
]
