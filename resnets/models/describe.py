"""What `resnets models` and `resnets describe` say: computed from the networks themselves, nothing is typed.

The stages are written as in Table 1 of arXiv:1512.03385.
"""

from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from itertools import groupby
from typing import Any

from resnets.models.catalog import arguments, list_models, model_spec, row, skeleton
from resnets.models.layers import Layer
from resnets.models.outline import Block, Outline, outline

OPTIONS = {
    "A": "A (identity; zeros for new channels)",
    "B": "B (projection where the shape changes, identity elsewhere)",
    "C": "C (every shortcut a projection)",
    None: "none (plain)",
}


def models_record() -> dict[str, Any]:
    """The catalogue: {"models": [{"name", "layers", "params", "multiply_adds", "source", "input_size"}]}."""
    return {"models": [asdict(model_spec(name)) for name in list_models()]}


def models_text() -> str:
    """The catalogue as a table, one network a line."""
    head = ("name", "layers", "parameters", "multiply-adds", "input", "source")
    rows = [
        (m["name"], *map(_number, (m["layers"], m["params"], m["multiply_adds"])), _square(m), m["source"])
        for m in models_record()["models"]
    ]
    return _table([head, *rows], "<>>>><")


def describe_record(name: str, with_layers: bool = False) -> dict[str, Any]:
    """The network `name` as numbers and lines of text, ready for JSON.

    `name layers params multiply_adds source input_size num_classes`, `arguments` (shortcut and what else its
    builder takes), `projections` (how many), `stages` ([{"name", "output_size", "layers"}], the lines of the
    paper's Table 1) and, `with_layers`, `layer_table`: [{"name", "kind", "kernel", "stride", "in_channels",
    "out_channels", "output_size", "parameters", "multiply_adds", "on_shortcut"}].
    Raises ValueError for an unknown name.
    """
    entry = row(name)
    whole = _outline(name)
    record = {
        **asdict(model_spec(name)),
        "num_classes": entry.num_classes,
        "arguments": {k: list(v) if isinstance(v, tuple) else v for k, v in arguments(name).items()},
        "projections": sum(layer.on_shortcut and layer.kind == "conv" for layer in whole.layers),
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
    options = dict(record["arguments"])
    if options.get("shortcut") != "A":
        options.pop("zeros", None)
    shortcut = OPTIONS[options.pop("shortcut")] if "shortcut" in options else ""
    lines = [
        f"{name}: {spec.layers:,} layers, {spec.params:,} parameters, "
        f"{spec.multiply_adds:,} multiply-adds for one image of {_square(record)}",
        f"shortcuts: {shortcut}; projections: {record['projections']}" if shortcut else "",
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
    return f"{text}\n\n{_layer_table(_outline(name))}" if with_layers else text


@cache
def _outline(name: str) -> Outline:
    return outline(skeleton(name), row(name).input_size)


def _flops(multiply_adds: int) -> str:
    """In the paper's form: 3.86 x 10^9."""
    power = 3 * ((len(str(multiply_adds)) - 1) // 3)
    return f"{multiply_adds / 10**power:.2f} x 10^{power}"


def _lines(blocks: Iterable[Block], pool: bool) -> list[str]:
    """Equal blocks in a row are one line: `[3x3, 64; 3x3, 64] x 2`."""
    lines = ["average pool"] if pool else []
    for shape, equal in groupby(blocks, key=_shape):
        count = len(list(equal))
        lines.append(f"[{shape}] x {count}" if "; " in shape or count > 1 else shape)
    return lines


def _shape(block: Block) -> str:
    """The layers of a block in the paper's words; strides only outside blocks, as the paper writes them."""
    inside = len(block.layers) > 1
    return "; ".join(_words(layer, stride=not inside) for layer in block.layers)


def _words(layer: Layer, stride: bool) -> str:
    if layer.kind == "fc":
        return f"{layer.out_channels}-d fc, softmax"
    size = f"{layer.kernel}x{layer.kernel}"
    what = f"{size} max pool" if layer.kind == "max pool" else f"{size}, {layer.out_channels}"
    return f"{what}, stride {layer.stride}" if stride and layer.stride > 1 else what


def _layer_table(whole: Outline) -> str:
    head = ("layer", "kind", "kernel", "stride", "in", "out", "output", "parameters", "multiply-adds")
    body = [
        (
            layer.name,
            "projection" if layer.on_shortcut else layer.kind,
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
