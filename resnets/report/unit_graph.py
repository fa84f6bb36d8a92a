"""What a residual unit computes, read off the unit itself: its operations, and which of them read which.

The unit is traced: its own code runs once on a stand-in for the maps, and every convolution, normalisation, addition
that it calls is written down. Nothing here knows a kind of unit, so a change in the code of one changes its picture.
It is traced as in evaluation: there stochastic depth draws nothing, and multiplies by p.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import jaxtyping
import torch
from torch import Tensor, fx, nn

from resnets.models.layers import SHORTCUT_PARTS
from resnets.models.modes import modes_kept
from resnets.report.unit_calls import said

MOST_PATHS = 3
"""Of more alike paths that meet, only the first and the last are drawn."""


@dataclass(frozen=True)
class Node:
    """One operation."""

    kind: str
    """"input", "output", "conv", "fc", "BN", "ReLU", "sigmoid", "scale", "dropout", "pool", "pick", "zeros", "concat",
    "add", "multiply", "other"; "more" for alike paths that are not drawn."""
    text: str
    """Line breaks part layers that share a box."""
    inputs: tuple[int, ...]
    """The numbers of the operations it reads."""
    channels: int
    side: int
    """Both of the output; its side in pixels."""
    aside: bool = False
    """Whether its module's name says that it belongs to a shortcut or a gate."""


def unit_graph(unit: nn.Module, side: int = 16, folded: bool = False) -> list[Node]:
    """The operations of `unit` on maps of `side` x `side` pixels, each after those it reads: the input comes first.

    `folded`: convolutions, BN and ReLU in a row are one node.
    """
    graph = _trace(unit, side)
    modules = dict(unit.named_modules())
    nodes: list[Node] = []
    results: dict[fx.Node, tuple[int, ...]] = {}  # the operations that a call hands on; none for parameters
    changed: dict[int, int] = {}  # by an operation in place: what is found there from then on

    def read(argument: Any) -> Iterator[int]:
        if isinstance(argument, tuple | list):
            for part in argument:
                yield from read(part)
        elif isinstance(argument, fx.Node):
            for number in results[argument]:
                while number in changed:
                    number = changed[number]
                yield number

    for call in graph.nodes:
        module = modules[str(call.target)] if call.op == "call_module" else None
        inputs = results[call] = tuple(read(call.args))
        words = said(call, module, len(inputs)) if inputs or call.op == "placeholder" else None
        if words is None:
            continue
        aside = module is not None and not SHORTCUT_PARTS.isdisjoint(str(call.target).split("."))
        channels, side = (*call.meta["size"], 1)[1:3]
        results[call] = (len(nodes),)
        if call.kwargs.get("inplace") or getattr(module, "inplace", False):
            changed[inputs[0]] = len(nodes)
        nodes.append(Node(*words, inputs, channels, side, aside))
    nodes = _thinned(nodes)
    return _folded(nodes) if folded else nodes


class _Tracer(fx.Tracer):
    """torch's own modules are one operation each, all others are looked into."""

    proxy_buffer_attributes = True


def _trace(unit: nn.Module, side: int) -> fx.Graph:
    """The calls of `unit` in order, with the size of each result."""
    with modes_kept(unit):
        with unchecked():
            graph = _Tracer().trace(unit.eval())
        _measure(unit, graph, side)
    return graph


def _measure(unit: nn.Module, graph: fx.Graph, side: int) -> None:
    first = next(layer for layer in unit.modules() if isinstance(layer, nn.Conv2d))
    device = first.weight.device
    if first.weight.is_meta:  # there even a subtraction would wait for torch's compiler to be imported, for seconds
        unit, device = copy.deepcopy(unit).to_empty(device="cpu"), torch.device("cpu")
    with torch.no_grad():
        _Sizes(unit, graph=graph).run(torch.zeros(1, first.in_channels, side, side, device=device))


class _Sizes(fx.Interpreter):
    """Runs a trace and notes the size of each result."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["size"] = tuple(result.shape)
        return result


@contextmanager
def unchecked() -> Iterator[None]:
    """Annotations say Tensor, which the stand-in for the maps is not: who checks them, as our tests do, looks away."""
    was = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", was)


# ------------------------------------------------------------------------------------------------------------
# Fewer nodes


def users(nodes: Sequence[Node]) -> list[list[int]]:
    """For each node those that read it."""
    found: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        for i in node.inputs:
            found[i].append(number)
    return found


def _thinned(nodes: list[Node]) -> list[Node]:
    """Of many alike paths from one node to another only two, and between them a node that says how many there are."""
    readers = users(nodes)
    for number, node in enumerate(nodes):
        if len(node.inputs) <= MOST_PATHS:
            continue
        paths = [_back(nodes, readers, i) for i in node.inputs]
        if len({(source, *((nodes[i].kind, nodes[i].text) for i in path)) for source, path in paths}) > 1:
            continue
        source, path = paths[0]
        gone = {i for _, path in paths[1:-1] for i in path}
        gone.remove(place := paths[1][1][0])
        nodes[place] = replace(nodes[path[-1]], kind="more", text=f"• • •\n{len(paths)} paths", inputs=(source,))
        nodes[number] = replace(node, inputs=(node.inputs[0], place, node.inputs[-1]))
        return _thinned(_without(nodes, gone))
    return nodes


def _back(nodes: Sequence[Node], readers: Sequence[Sequence[int]], end: int) -> tuple[int, list[int]]:
    """The way back from `end` to where another path begins: that node, and those on the way in order."""
    path: list[int] = []
    while len(nodes[end].inputs) == 1 and len(readers[end]) == 1:
        path.insert(0, end)
        end = nodes[end].inputs[0]
    return end, path


def _folded(nodes: list[Node]) -> list[Node]:
    """Layers in a row as one: a line for each convolution, with what follows it."""
    kinds = {"conv", "BN", "ReLU", "dropout"}
    readers = users(nodes)
    nodes, gone = list(nodes), set()
    for number, node in enumerate(nodes):
        if node.kind not in kinds or nodes[before := node.inputs[0]].kind not in kinds or len(readers[before]) > 1:
            continue
        if node.aside == nodes[before].aside:
            text = nodes[before].text + ("\n" if node.kind == "conv" else ", ") + node.text
            kind = "conv" if "conv" in (node.kind, nodes[before].kind) else node.kind
            nodes[number] = replace(node, kind=kind, text=text, inputs=nodes[before].inputs)
            gone.add(before)
    return _without(nodes, gone)


def _without(nodes: Sequence[Node], gone: set[int]) -> list[Node]:
    """The nodes but those, numbered anew."""
    left = [number for number in range(len(nodes)) if number not in gone]
    new = {number: place for place, number in enumerate(left)}
    return [replace(nodes[i], inputs=tuple(new[j] for j in nodes[i].inputs)) for i in left]
