"""Figure 3 of the paper: VGG-19, a plain and a residual net of 34 layers side by side, drawn from the networks."""

from pathlib import Path

from resnets.files import write_atomic
from resnets.models.catalog import model_spec, row, skeleton
from resnets.models.outline import Outline, outline
from resnets.paper.lines import Record
from resnets.report.side_by_side import side_by_side
from resnets.report.style import to_svg

NETWORKS = {"VGG-19": "vgg19", "34-layer plain": "plain34", "34-layer residual": "resnet34_a"}
"""By title, from left to right. Of the residual nets that of option A, which costs what the plain one does."""


def outlines() -> dict[str, Outline]:
    """What is drawn, by title."""
    return {title: outline(skeleton(name), row(name).input_size) for title, name in NETWORKS.items()}


def figure3(out: Path) -> tuple[Record, str]:
    """The figure, drawn into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "figure3.svg"
    write_atomic(path, to_svg(side_by_side(outlines())))
    facts = [
        {"name": spec.name, "layers": spec.layers, "params": spec.params, "multiply_adds": spec.multiply_adds}
        for spec in map(model_spec, NETWORKS.values())
    ]
    return {"what": "figure3", "figure": str(path), "networks": facts}, str(path)
