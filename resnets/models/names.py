"""From others' names of tensors to ours, which are torchvision's, and from their axes and foldings to a network's own.

For every layout two functions: `..._names` says which of a file's names it knows, and what they are here; `..._state`
turns, divides and folds. A convolution's bias is folded into the mean that the BN behind it subtracts, which is exact:
BN(conv + b) subtracts m from conv + b, or m - b from conv.
"""

import re
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from resnets.models.formats.content import Content

State = dict[str, Tensor]
Names = dict[str, str]
"""Theirs to ours."""

UNIT = r"layer[1-4]\.\d+\.(?:conv[123]|bn[123]|downsample\.[01])"
PARTS = r"weight|bias|running_mean|running_var|num_batches_tracked"
OURS = re.compile(rf"(?:conv1|bn1|fc|{UNIT}|features\.\d+|classifier\.[036])\.(?:{PARTS})")
"""torchvision's names, which are ours, of ResNets and VGG."""


def known(content: Content, translate: Callable[[str], str | None]) -> Names:
    """The names that `translate` gives one of ours for."""
    translated = ((name, translate(name)) for name in content.tensors)
    return {name: ours for name, ours in translated if ours is not None and OURS.fullmatch(ours)}


def as_it_is(state: State, content: Content) -> State:
    """Where nothing has to be turned or folded."""
    return state


# ------------------------------------------------------------------------------------------------------------
# PyTorch's relatives


def torchvision_names(content: Content) -> Names:
    return known(content, lambda name: name)


def akamaster_names(content: Content) -> Names:
    return known(content, lambda name: None if name.startswith("fc.") else re.sub(r"^linear\.", "fc.", name))


def mmpretrain_names(content: Content) -> Names:
    def translate(name: str) -> str | None:
        inner = re.sub(r"^head\.fc\.", "fc.", name.removeprefix("backbone."))
        return inner if inner != name else None

    return known(content, translate)


TIMM_VGG = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}
"""VGG's fully connected layers, of which timm keeps two as convolutions."""


def timm_names(content: Content) -> Names:
    def translate(name: str) -> str | None:
        layer, _, kind = name.rpartition(".")
        return f"{TIMM_VGG.get(layer, layer)}.{kind}"

    return known(content, translate) if "pre_logits.fc1.weight" in content.tensors else {}


def timm_state(state: State, content: Content) -> State:
    return {n: t.flatten(1) if n.startswith("classifier.") and t.dim() == 4 else t for n, t in state.items()}


# ------------------------------------------------------------------------------------------------------------
# Microsoft's release, and what was made of it: res2a_branch2b is the second convolution of the first unit of conv2_x


def _unit(stage: str, block: int, branch: str, norm: bool) -> str:
    """Our name of the layer `branch` ("1": on the shortcut; "2a" to "2c") of a unit, or of the BN behind it."""
    layer = f"downsample.{int(norm)}" if branch == "1" else f"{'bn' if norm else 'conv'}{'abc'.index(branch[1]) + 1}"
    return f"layer{int(stage) - 1}.{block}.{layer}"


CAFFE = re.compile(r"(res|bn|scale)([2-5])(?:([a-z])|b([1-9]\d?))_branch(1|2[abc])/(\d)")
CAFFE_STEM = {"conv1": "conv1", "bn_conv1": "bn1", "scale_conv1": "bn1"}
BLOBS = {"res": ("weight", "bias"), "bn": ("running_mean", "running_var", "scale_factor"), "scale": ("weight", "bias")}


def caffe_names(content: Content) -> Names:
    # Called fc1000, or anything where it was trained for something else; detectors have several.
    matrices = [layer for layer, facts in content.layers.items() if facts["type"] == "InnerProduct"]
    classifier = matrices[0] if len(matrices) == 1 else "fc1000"

    def translate(name: str) -> str | None:
        layer, _, index = name.partition("/")
        kind, place = layer.partition("_")[0], None
        if layer == classifier:
            kind, place = "res", "fc"
        elif layer in CAFFE_STEM:
            kind, place = kind.replace("conv1", "res"), CAFFE_STEM[layer]
        elif match := CAFFE.fullmatch(name):
            kind, stage, letter, number, branch, _ = match.groups()
            block = int(number) if number else "abcdefghijklmnopqrstuvwxyz".index(letter)
            place = _unit(stage, block, branch, norm=kind != "res")
        part = BLOBS[kind][int(index) : int(index) + 1] if place else ()
        return f"{place}.{part[0]}" if part else None

    translated = {name: translate(name) for name in content.tensors}
    return {name: ours for name, ours in translated.items() if ours is not None}


def caffe_places(content: Content) -> Names:
    """Ours of the layers that the file describes."""
    named = {f"{layer}/0": layer for layer in content.layers}
    placed = {named[name]: ours.rpartition(".")[0] for name, ours in caffe_names(content).items() if name in named}
    return {layer: place for layer, place in placed.items() if place} | {"pool1": "maxpool"}


def caffe_state(state: State, content: Content) -> State:
    """Statistics divided by the number of what was summed; vectors that Caffe may keep as (1, n, 1, 1) made vectors."""
    turned = {}
    for name, tensor in state.items():
        if name == "fc.weight":
            tensor = tensor.flatten(0, -2) if tensor.dim() > 2 else tensor
        elif re.search(r"bn\d|downsample\.1|bias$", name):
            tensor = tensor.reshape(-1)
        turned[name] = tensor
    for name in [name for name in turned if name.endswith(".scale_factor")]:
        layer, count = name.removesuffix(".scale_factor"), turned.pop(name)
        if count.numel() != 1:
            raise ValueError(f"the statistics of {layer} are divided by {count.numel()} numbers")
        for statistic in (f"{layer}.running_mean", f"{layer}.running_var"):
            if statistic in turned:
                turned[statistic] = turned[statistic] / (count if count.item() else torch.inf)
    return folded(turned)


DETECTRON = re.compile(r"res([2-5])_(\d{1,2})_branch(1|2[abc])_(?:(bn)_)?(\w+)")
AFFINE = {
    **{"s": "weight", "gamma": "weight", "b": "bias", "beta": "bias"},
    **{"rm": "running_mean", "running_mean": "running_mean", "riv": "running_var", "running_var": "running_var"},
}
"""What Detectron and detectron2 call the parts of BN; `s` and `b` alone are a BN folded into a scale and a shift."""


def detectron_names(content: Content) -> Names:
    def translate(name: str) -> str | None:
        if stem := re.fullmatch(r"(?:res_)?conv1_(?:(bn)_)?(\w+)", name):
            norm, part, place = *stem.groups(), "bn1" if stem[1] else "conv1"
        elif classifier := re.fullmatch(r"(?:fc1000|pred)_([wb])", name):
            norm, part, place = None, classifier[1], "fc"
        elif match := DETECTRON.fullmatch(name):
            stage, block, branch, norm, part = match.groups()
            place = _unit(stage, int(block), branch, norm is not None)
        else:
            return None
        kind = AFFINE.get(part) if norm else {"w": "weight", "b": "bias"}.get(part)
        return kind and f"{place}.{kind}"

    return known(content, translate) | {n: f"{n} (momentum)" for n in content.tensors if n.endswith("_momentum")}


def detectron_state(state: State, content: Content) -> State:
    """Without the trainer's momentum; a scale and a shift alone are a BN of mean 0 and variance 1, epsilon included."""
    kept = {name: tensor for name, tensor in state.items() if not name.endswith(" (momentum)")}
    norms = [n.removesuffix(".weight") for n in kept if re.search(r"(bn\d|downsample\.1)\.weight$", n)]
    if not any(f"{norm}.running_mean" in kept for norm in norms):
        for norm in norms:
            kept |= without_statistics(kept[f"{norm}.weight"], norm)
    return folded(kept)


def without_statistics(like: Tensor, norm: str, eps: float = 1e-5) -> State:
    """A mean of 0 and a variance that epsilon makes 1: what a BN subtracts and divides by where it does neither."""
    return {f"{norm}.running_mean": torch.zeros_like(like), f"{norm}.running_var": torch.full_like(like, 1 - eps)}


# ------------------------------------------------------------------------------------------------------------
# Keras applications

KERAS = re.compile(r"conv([2-5])_block([1-9]\d?)_([0123])_(conv|bn)")
VARIABLES = {
    "conv": {"kernel": "weight", "bias": "bias"},
    "bn": {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"},
}


def keras_names(content: Content) -> Names:
    def translate(name: str) -> str | None:
        layer, _, variable = name.rpartition("/")
        if layer in ("predictions", "probs"):
            kind, place = "conv", "fc"
        elif layer in ("conv1_conv", "conv1_bn"):
            kind = layer.removeprefix("conv1_")
            place = f"{kind}1"
        elif match := KERAS.fullmatch(layer):
            stage, block, number, kind = match.groups()
            branch = "1" if number == "0" else f"2{'abc'[int(number) - 1]}"
            place = _unit(stage, int(block) - 1, branch, norm=kind == "bn")
        else:
            return None
        part = VARIABLES[kind].get(variable)
        return part and f"{place}.{part}"

    return known(content, translate)


def keras_state(state: State, content: Content) -> State:
    """Filters (k, k, in, out) as (out, in, k, k), and the matrix (in, out) as (out, in)."""
    turned = {}
    for name, tensor in state.items():
        turn = name.endswith("weight")
        turned[name] = tensor.permute(3, 2, 0, 1) if turn and tensor.dim() == 4 else tensor
        turned[name] = tensor.t() if turn and tensor.dim() == 2 else turned[name]
    return folded(turned)


# ------------------------------------------------------------------------------------------------------------
# Biases


def folded(state: State, only_zeros: bool = False) -> State:
    """`state` with each convolution's bias taken off the mean of the BN behind it; a bias of zeros is dropped."""
    kept = dict(state)
    for name in _biases(state):
        layer = name.removesuffix(".bias")
        norm = layer.replace("conv", "bn").replace("downsample.0", "downsample.1")
        mean, bias = f"{norm}.running_mean", state[name]
        if not bias.any():
            del kept[name]
        elif not only_zeros and norm != layer and mean in state and state[mean].shape == bias.shape:
            kept[mean] = state[mean] - bias
            del kept[name]
    return kept


def _biases(state: State) -> Iterable[str]:
    """Those of convolutions: of a layer whose weights have four sides."""
    for name in state:
        layer, _, part = name.rpartition(".")
        if part == "bias" and f"{layer}.weight" in state and state[f"{layer}.weight"].dim() == 4:
            yield name
