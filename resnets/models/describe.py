"""What `resnets models` and `resnets describe` say: computed from the networks themselves, nothing is typed.

The stages are written as in Table 1 of arXiv:1512.03385.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from itertools import groupby
from typing import Any

from resnets.models.catalog import arguments, blueprint, list_models, model_spec, row
from resnets.models.layers import Layer
from resnets.models.outline import Block, Outline, outline
from resnets.models.rows import PAPER

OPTIONS = {
    "A": "A (identity; zeros for new channels)",
    "B": "B (projection where the shape changes, identity elsewhere)",
    "C": "C (every shortcut a projection)",
    None: "none (plain)",
}
KINDS = {"identity": "identity", "zeros": "zeros for new channels", "projection": "projection"}

IDLE = {
    "drop_path": ("drop_path", (0,)),
    "drop_decay": ("drop_path", (0,)),
    "drop_per": ("drop_path", (0,)),
    "eps": ("eps", (1e-5,)),
    "zeros": ("shortcut", ("B", "C", None)),
    "subsample": ("shortcut", ("B", "C", None)),
    "stride_in": ("bottlenecks", (False,)),
    "n": ("n", (None,)),
    "bottlenecks": ("over", ("wide",)),
    "widening": ("over", ("resnet", "preact")),
    "shortcut_scale": ("manipulation", ("exclusive_gating", "shortcut_gating", "dropout")),
    "branch_scale": ("manipulation", ("exclusive_gating", "shortcut_gating", "dropout")),
    "gate_bias": ("manipulation", ("scaling", "dropout")),
    "dropout": ("manipulation", ("scaling", "exclusive_gating", "shortcut_gating")),
}
"""Arguments that change nothing where another one, or they themselves, has one of some values: text leaves them out."""


def models_record() -> dict[str, Any]:
    """The catalogue: {"models": [{"name", "layers", "params", "multiply_adds", "source", "input_size"}]}."""
    return {"models": [asdict(model_spec(name)) for name in list_models()]}


def models_text() -> str:
    """The catalogue as a table, one network a line, those of one paper below its title."""
    models = [(_paper(m["source"]), m) for m in models_record()["models"]]
    papers = list(dict.fromkeys(paper for (paper, _), _ in models))
    models.sort(key=lambda entry: papers.index(entry[0][0]))
    head = ("name", "layers", "parameters", "multiply-adds", "input", "where")
    rows = [
        (m["name"], *map(_number, (m["layers"], m["params"], m["multiply_adds"])), _square(m), where)
        for (_, where), m in models
    ]
    first, *lines = _table([head, *rows], "<>>>><").splitlines()
    text = [first]
    for paper, together in groupby(zip(models, lines, strict=True), key=lambda entry: entry[0][0][0]):
        text += ["", paper, *(line for _, line in together)]
    return "\n".join(text)


def _paper(source: str) -> tuple[str, str]:
    """Title and place: "Wide Residual Networks, arXiv:1605.07146" and "Table 5"."""
    parts = re.fullmatch(r"(?:(.*), after )?(.*, arXiv:[\d.]+\d)(?:, (.*))?", source)
    return (parts[2], parts[1] or parts[3]) if parts else (PAPER, source)


def describe_record(name: str, with_layers: bool = False) -> dict[str, Any]:
    """The network `name` as numbers and lines of text, ready for JSON.

    `name layers params multiply_adds source input_size num_classes`, `arguments` (shortcut and what else its
    builder takes), `projections` (how many), `units` (what the first and the last compute), `stages` ([{"name",
    "output_size", "layers"}], the lines of the paper's Table 1) and, `with_layers`, `layer_table`: [{"name", "kind",
    "kernel", "stride", "in_channels", "out_channels", "output_size", "parameters", "multiply_adds", "on_shortcut",
    "groups"}].
    Raises ValueError for an unknown name.
    """
    entry = row(name)
    whole = _outline(name)
    record = {
        **asdict(model_spec(name)),
        "num_classes": entry.num_classes,
        "arguments": {k: list(v) if isinstance(v, tuple) else v for k, v in arguments(name).items()},
        "projections": sum(layer.kind == "conv" and "downsample" in layer.name.split(".") for layer in whole.layers),
        "units": _units(whole),
        "stages": [
            {
                "name": stage.name,
                "output_size": list(stage.output_size),
                "layers": _lines(stage.blocks, pool=stage.name == "fc" and whole.global_pooling),
            }
            for stage in whole.stages
        ],
    }
    if with_layers:
        record["layer_table"] = [{**asdict(layer), "output_size": list(layer.output_size)} for layer in whole.layers]
    return record


def describe_text(name: str, with_layers: bool = False) -> str:
    """The network `name` for reading: counts, shortcuts, the paper's line; `with_layers`, one row a layer.

    Raises ValueError for an unknown name.
    """
    spec = model_spec(name)
    record = describe_record(name)
    whole, options = _outline(name), _at_work(arguments(name))
    options.pop("shortcut", None)
    lines = [
        f"{name}: {spec.layers:,} layers, {spec.params:,} parameters, "
        f"{spec.multiply_adds:,} multiply-adds for one image of {_square(record)}",
        f"units: {'; the last: '.join(f'y = {formula}' for formula in record['units'])}" if record["units"] else "",
        f"shortcuts: {_shortcuts(name)}; projections: {record['projections']}" if record["units"] else "",
        *_around(whole),
        f"arguments: {', '.join(f'{key}={value}' for key, value in options.items())}" if options else "",
        f"source: {spec.source}",
    ]
    table = [("stage", "output", "layers")]
    for stage in record["stages"]:
        height, width = stage["output_size"]
        labels = [(stage["name"], f"{height}x{width}")] + [("", "")] * (len(stage["layers"]) - 1)
        table += [(*label, line) for label, line in zip(labels, stage["layers"], strict=True)]
    table.append(("FLOPs", "", _flops(spec.multiply_adds)))
    text = "\n".join([*filter(None, lines), "", _table(table, "<<<")])
    return f"{text}\n\n{_layer_table(whole)}" if with_layers else text


def _at_work(options: dict[str, Any]) -> dict[str, Any]:
    """The arguments without those that change nothing."""

    def idle(key: str) -> bool:
        other, values = IDLE.get(key, ("", ()))
        return other in options and options[other] in values

    return {key: value for key, value in options.items() if not idle(key)}


def _units(whole: Outline) -> list[str]:
    """What the first unit computes and, where it is something else, the last."""
    formulas = [block.formula for stage in whole.stages for block in stage.blocks if block.formula]
    return list(dict.fromkeys([*formulas[:1], *formulas[-1:]]))


def _shortcuts(name: str) -> str:
    """The option of section 4.1, or where a network has no such argument the kinds that it has."""
    options = arguments(name)
    if "shortcut" in options:
        return OPTIONS[options["shortcut"]]
    kinds = dict.fromkeys(block.shortcut for stage in _outline(name).stages for block in stage.blocks)
    return ", ".join(KINDS[kind] for kind in kinds if kind) or OPTIONS[None]


def _around(whole: Outline) -> list[str]:
    """The shortcuts around groups of units and around all of them, a line each."""
    groups = "; ".join(_words(stage.projection, stride=True) for stage in whole.stages if stage.projection)
    everything = whole.projection and _words(whole.projection, stride=True)
    lines = {"around each group": groups, "around all groups": everything}
    return [f"{what}: {words}" for what, words in lines.items() if words]


@cache
def _outline(name: str) -> Outline:
    model, table = blueprint(name)
    return outline(model, row(name).input_size, table)


def _flops(multiply_adds: int) -> str:
    """In the paper's form: 3.86 x 10^9."""
    power = 3 * ((len(str(multiply_adds)) - 1) // 3)
    return f"{multiply_adds / 10**power:.2f} x 10^{power}"


def _lines(blocks: Sequence[Block], pool: bool) -> list[str]:
    """Equal blocks in a row are one line: `[3x3, 64; 3x3, 64] x 2`."""
    lines = ["average pool"] if pool else []
    for shape, equal in groupby(blocks, key=_shape):
        count = len(list(equal))
        lines.append(f"[{shape}] x {count}" if "; " in shape or count > 1 else shape)
    if blocks[-1].layers[-1].kind == "fc":
        lines[-1] += ", softmax"
    return lines


def _shape(block: Block) -> str:
    """The layers of a block in the paper's words; strides only outside blocks, as the paper writes them."""
    words = [_words(layer, stride=len(block.layers) == 1) for layer in block.layers]
    return "; ".join([*words, f"gate {_words(block.gate, stride=False)}"] if block.gate else words)


def _words(layer: Layer, stride: bool) -> str:
    if layer.kind == "fc":
        return f"{layer.out_channels}-d fc"
    size = f"{layer.kernel}x{layer.kernel}"
    what = f"{size} max pool" if layer.kind == "max pool" else f"{size}, {layer.out_channels}"
    what += f", C={layer.groups}" if layer.groups > 1 else ""
    return f"{what}, stride {layer.stride}" if stride and layer.stride > 1 else what


def _layer_table(whole: Outline) -> str:
    head = ("layer", "kind", "kernel", "stride", "in", "out", "output", "parameters", "multiply-adds")
    body = [
        (
            layer.name,
            "gate" if "join" in layer.name.split(".") else "projection" if layer.on_shortcut else layer.kind,
            f"{layer.kernel}x{layer.kernel}" if layer.kind != "fc" else "",
            str(layer.stride) if layer.kind != "fc" else "",
            _number(layer.in_channels),
            _number(layer.out_channels),
            "x".join(map(str, layer.output_size)),
            _number(layer.parameters),
            _number(layer.multiply_adds),
        )
        for layer in whole.layers
    ]
    parameters = sum(layer.parameters for layer in whole.layers)
    work = sum(layer.multiply_adds for layer in whole.layers)
    total = ("total", "", "", "", "", "", "", _number(parameters), _number(work))
    return _table([head, *body, total], "<<<>>>>>>")


def _square(record: dict[str, Any]) -> str:
    return f"{record['input_size']}x{record['input_size']}"


def _number(value: int) -> str:
    return f"{value:,}"


def _table(rows: list[tuple[str, ...]], alignment: str) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = (zip(row, alignment, widths, strict=True) for row in rows)
    return "\n".join("  ".join(f"{cell:{side}{width}}" for cell, side, width in r).rstrip() for r in cells)
