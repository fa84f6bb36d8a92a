"""From the tree of modules in a Torch7 file to our names: ResNet and ResNeXt, and the two variants of fb.resnet.torch.

A tree is read as a word, a letter a module: C a convolution, B BN, R ReLU, M and A max and average pooling, L the
classifier, S and T what follows one another and what stands side by side, + their sum. The words of its units say in
which order they are activated:

    T + R      the branch CBRCB or CBRCBRCB                 the paper's
    T + B R    the branch without its last B                BN after the addition (the published resnet-50.t7)
    [BR] T +   the branch BRCBRC or BRCBRCBRC, and so on    full pre-activation (the published resnet-200.t7)

Source: facebookarchive/fb.resnet.torch, `models/resnet.lua`, `models/preresnet.lua` and the README of `pretrained`;
facebookresearch/ResNeXt, `models/resnext.lua`, form C.
"""

import re
from typing import Any

import torch

from resnets.models.formats.content import Content
from resnets.models.names import Names, State, folded, without_statistics

LETTERS = {
    "SpatialConvolution": "C",
    "SpatialConvolutionMM": "C",
    "SpatialBatchNormalization": "B",
    "ReLU": "R",
    "SpatialMaxPooling": "M",
    "SpatialAveragePooling": "A",
    "Sequential": "S",
    "ConcatTable": "T",
    "CAddTable": "+",
    "Identity": "I",
    "Concat": "K",
    "MulConstant": "Z",
    "Linear": "L",
    **dict.fromkeys(("View", "Reshape", "Copy"), ""),
}
NETWORK = re.compile(r"CBRM?(S+)(BR)?AL")
UNITS = {"T+R": "original", "T+BR": "bn_after_addition", "T+": "full", "BRT+": "full"}
"""What a unit is made of, and the order of activation that it shows."""
BRANCHES = {
    "original": r"CB(RCB){1,2}",
    "bn_after_addition": r"CB(RCB){0,1}RC",
    "full": r"(BR)?C(BRC){1,2}",
}


class _Stranger(ValueError):
    """The tree is of another network than those that are known here."""


class _Tree:
    """A walk through a tree that notes what each module is called here, and what the network must be."""

    def __init__(self, content: Content) -> None:
        self.kinds = {path: facts["type"] for path, facts in content.layers.items()}
        self.facts = content.layers
        self.below: dict[str, list[str]] = {path: [] for path in self.kinds}
        for path in self.kinds:
            if path:
                self.below[path.rpartition(".")[0]].append(path)
        self.places: Names = {}
        """Theirs to ours, of modules."""
        self.orders: set[str] = set()
        self.shortcuts: set[str] = set()
        self.network()

    def word(self, path: str) -> str:
        return "".join(self.letter(child) for child in self.below[path])

    def letter(self, path: str) -> str:
        return LETTERS.get(self.kinds[path], "?")

    def children(self, path: str) -> list[str]:
        return [child for child in self.below[path] if self.letter(child)]

    def network(self) -> None:
        match = NETWORK.fullmatch(self.word(""))
        if match is None:
            raise _Stranger
        stages = len(match[1])
        children = self.children("")
        for path, place in zip(children, ["conv1", "bn1", "", *["maxpool"] * (self.word("")[3] == "M")], strict=False):
            self.places[path] = place
        for number, stage in enumerate((path for path in children if self.letter(path) == "S"), 1):
            for index, unit in enumerate(self.children(stage)):
                self.unit(unit, f"layer{number}.{index}")
        if match[2]:
            self.places[next(path for path in children[3 + stages :] if self.letter(path) == "B")] = "bn"
        self.places[children[-1]] = "fc"

    def unit(self, path: str, place: str) -> None:
        order = UNITS.get(self.word(path))
        if order is None:
            raise _Stranger
        self.orders.add(order)
        beside = [child for child in self.children(path) if self.letter(child) == "T"]
        paths = self.children(beside[0])
        if self.word(beside[0]) not in ("SS", "SI", "SC") or not re.fullmatch(BRANCHES[order], self.word(paths[0])):
            raise _Stranger
        convolutions = 0
        before = [child for child in self.children(path) if self.letter(child) == "B" and order == "full"]
        after = [child for child in self.children(path) if self.letter(child) == "B" and order != "full"]
        for child in [*before, *self.children(paths[0]), *after]:
            if self.letter(child) == "C":
                convolutions += 1
                self.places[child] = f"{place}.conv{convolutions}"
            elif self.letter(child) == "B":
                self.places[child] = f"{place}.bn{convolutions + (order == 'full')}"
        self.shortcut(paths[1], f"{place}.downsample", order)

    def shortcut(self, path: str, place: str, order: str) -> None:
        layers = [path] if self.letter(path) != "S" else self.children(path)
        word = "".join(self.letter(layer) for layer in layers)
        if word == "I":
            self.shortcuts.add("identity")
        elif word == "AK" and self.word(layers[1]) == "IZ" and self.constant(layers[1]) == 0:
            self.shortcuts.add("A")
        elif word in ("C", "CB") and not (word == "CB" and order == "full"):
            self.shortcuts.add("projection")
            names = [place] if order == "full" else [f"{place}.0", f"{place}.1"]
            self.places |= dict(zip(layers, names, strict=False))
        else:
            raise _Stranger

    def constant(self, path: str) -> Any:
        """What MulConstant, the second of two, multiplies by."""
        return self.facts[self.below[path][1]].get("constant")


def torch7_names(content: Content) -> Names:
    try:
        places = _Tree(content).places if content.layers.get("", {}).get("type") == "Sequential" else {}
    except _Stranger:
        return {}
    split = {name: name.rpartition(".") for name in content.tensors}
    return {name: f"{places[path]}.{part}" for name, (path, _, part) in split.items() if places.get(path)}


def torch7_state(state: State, content: Content) -> State:
    """Where others have BN behind a projection and this file has none, there is one that does nothing."""
    filled = dict(state)
    eps = next((facts["eps"] for facts in content.layers.values() if "eps" in facts), 1e-5)
    for name in [name for name in state if name.endswith("downsample.0.weight")]:
        norm = f"{name.removesuffix('0.weight')}1"
        if f"{norm}.weight" not in filled:
            like = filled[name][:, 0, 0, 0]
            filled |= {f"{norm}.weight": torch.ones_like(like), f"{norm}.bias": torch.zeros_like(like)}
            filled |= without_statistics(like, norm, eps)
    # In full pre-activation no BN follows its convolution at once.
    return folded(filled, only_zeros="full" in _Tree(content).orders)


def torch7_shows(content: Content) -> dict[str, Any]:
    """The order of activation and the kind of shortcut; ValueError for a mixture."""
    tree = _Tree(content)
    kinds = tree.shortcuts - {"identity"}
    if len(tree.orders) > 1 or len(kinds) > 1:
        raise ValueError(f"a mixture of units: {', '.join(sorted(tree.orders | kinds))}")
    if kinds == {"projection"}:
        return {"order": tree.orders.pop(), "shortcut": "B" if "identity" in tree.shortcuts else "C"}
    return {"order": tree.orders.pop(), "shortcut": "A"}


def torch7_places(content: Content) -> Names:
    """Our names of the modules."""
    return {path: place for path, place in _Tree(content).places.items() if place}
