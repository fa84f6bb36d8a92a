"""From what a file holds to `Weights`: whose layout it is in, of which network, with what beside it.

    names -> layout -> our names and axes -> network and changes -> held against it, tensor by tensor -> `Weights`

A layout is told by names, the network by the number of units and the shapes of the first of them. What a file says of
its layers (strides, paddings, epsilons) chooses the variant, and is then held against the network.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from resnets.models.catalog import row, skeleton
from resnets.models.formats.content import Content, Room, few, state_of
from resnets.models.formats.read import one_line
from resnets.models.hub import Card
from resnets.models.identify import contradictions, geometry, network, unknown
from resnets.models.layouts import LAYOUTS, Layout, Weights, large_inputs
from resnets.models.names import State
from resnets.models.pixels import CIFAR10_CLASSES, imagenet_classes
from resnets.preprocessing import Preprocessing

WRAPPERS = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and trainers put before every name."""


@dataclass(frozen=True)
class How:
    """What a user says of a file beyond what it says itself."""

    partial: bool = False
    """Whether tensors may be missing or left over."""
    origin: str | None = None
    """The layout whose conventions the weights follow, where it is not the one whose names they have."""
    model: str | None = None
    """The network, where names and shapes fit several."""
    mean: Tensor | None = None
    """The mean image that was subtracted: (3, side, side), in 0..255."""
    card: Card | None = None
    """What lies beside the file and says the same."""


@dataclass(frozen=True)
class Recognised:
    """The weights in a file, and how they were told."""

    weights: Weights
    format: str
    layout: str
    """Whose names they have."""
    left_over: tuple[str, ...]
    """Tensors that have no place in the network, by the file's names."""
    remarks: tuple[str, ...]
    """What else a user should know."""


def recognise(content: Content | Any, where: object, how: How | None = None) -> Recognised:
    """The weights in `content`, every tensor held against the network; a structure of dicts is taken as PyTorch's.

    Raises ValueError, beginning with `where`, for a layout or a network that is not known, a mixture of two, and
    tensors that do not fit.
    """
    try:
        found = content if isinstance(content, Content) else Content("PyTorch", state_of(content, Room(0)))
        return _recognise(_unwrapped(found), how or How())
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except (TypeError, RuntimeError, LookupError) as error:  # of tensors of a wrong kind, and the network they describe
        raise ValueError(f"{where}: {one_line(error)}") from None


def _recognise(content: Content, how: How) -> Recognised:
    layout, names = _layout(content)
    state = layout.state({names.get(name, name): tensor for name, tensor in content.tensors.items()}, content)
    source, remarks = _source(layout, state, content, how)
    needs = {**source.needs, **layout.shows(content), **geometry(layout, content)}
    card = how.card if how.model is None and how.origin is None else None
    model, changes = network(state, layout, source, needs, card.model if card else how.model)
    classifier = state.get("classifier.6.weight" if model.startswith("vgg") else "fc.weight")
    num_classes = row(model).num_classes if classifier is None else len(classifier)
    if source.pixels is None and how.mean is None:
        remarks.append("no mean image: without it nobody knows what the network expects of a picture (--mean FILE)")
    preprocessing = _preprocessing(source, model, 0 if classifier is None else num_classes, how.mean)
    if card:
        known = card.preprocessing.classes or (preprocessing.classes if preprocessing else ())
        if known and len(known) != num_classes:
            raise ValueError(f"config.json names {len(known)} classes, the network knows {num_classes}")
        preprocessing = replace(card.preprocessing, classes=known)
        remarks += ["what is done to pictures is what config.json says", *card.remarks]
    weights = Weights(
        state=state,
        model=model,
        changes=changes,
        num_classes=num_classes,
        preprocessing=preprocessing,
        recipe=None,
        licence=source.licence,
        provenance=source.provenance if source is layout else f"{source.provenance}, under {layout.name}'s names",
    )
    frame = skeleton(model, num_classes, **changes)
    weights, left_over = fitted(weights, frame, how.partial)
    if wrong := contradictions(layout, content, model, frame):
        more = f" ... ({len(wrong)} in all)" if wrong[3:] else ""
        raise ValueError(f"layers of no network here, a mixture perhaps: {'; '.join(wrong[:3])}{more}")
    theirs = {ours: name for name, ours in names.items()}
    return Recognised(weights, content.format, layout.name, tuple(theirs.get(n, n) for n in left_over), tuple(remarks))


def _unwrapped(content: Content) -> Content:
    """`content` without the wrappers' prefixes, where all names have them."""
    tensors = content.tensors
    while wrapper := next((w for w in WRAPPERS if tensors and all(name.startswith(w) for name in tensors)), None):
        tensors = {name.removeprefix(wrapper): tensor for name, tensor in tensors.items()}
    return replace(content, tensors=tensors)


# ------------------------------------------------------------------------------------------------------------
# Layout and conventions


def _layout(content: Content) -> tuple[Layout, dict[str, str]]:
    """The layout that knows most of the names; ValueError where none does, or another knows the rest."""
    readings = [(layout, layout.names(content)) for layout in LAYOUTS.values() if content.format in layout.formats]
    layout, names = max(readings, key=lambda reading: len(reading[1]), default=(None, {}))
    if layout is None or not names:
        raise ValueError(unknown(content.tensors))
    rest = [name for name in content.tensors if name not in names]
    for other, others in readings:
        if known := [name for name in rest if name in others]:
            raise ValueError(f"a mixture of the layouts of {layout.name} and {other.name}: {few(known)}")
    times = Counter(names.values())
    if twice := [name for name, ours in names.items() if times[ours] > 1]:
        raise ValueError(f"a mixture: {few(twice)} are one tensor by two names")
    return layout, names


def _source(layout: Layout, state: State, content: Content, how: How) -> tuple[Layout, list[str]]:
    """The layout whose conventions hold, and what there is to be said of it."""
    if how.origin is not None:
        if how.origin not in LAYOUTS:
            raise ValueError(f"origin is {how.origin!r}, allowed are {', '.join(LAYOUTS)}")
        return LAYOUTS[how.origin], []
    contradicts = _gain(state) > LARGEST_GAIN and layout not in large_inputs()
    if not contradicts:
        return layout, []
    words = " ".join(content.says.values()).lower()
    named = [source for source in large_inputs() if re.search(source.called, words)]
    seen = f"bn1 has seen inputs of 0 to 255, unlike {layout.name}'s"
    if len(named) != 1:
        raise ValueError(f"{seen}: say whose they are with --origin {' or '.join(s.name for s in large_inputs())}")
    return named[0], [f"{seen}, and the file names {named[0].name}: its conventions are taken"]


LARGEST_GAIN = 100
"""By how much the variance behind the first convolution may exceed the sum of its squared weights. For inputs of
variance 1 it is about 1; for values of 0 to 255, whose variance is 3,400 and more, some thousands."""


def _gain(state: State) -> float:
    """Of the first convolution: the variance that the BN behind it has measured, to its squared weights."""
    if not {"conv1.weight", "bn1.running_var"} <= state.keys():
        return 0.0
    if any(tensor.is_meta for tensor in (state["conv1.weight"], state["bn1.running_var"])):
        return 0.0
    squares = state["conv1.weight"].double().square().sum().item()
    return state["bn1.running_var"].double().sum().item() / squares if squares > 0 else 0.0


def _preprocessing(source: Layout, model: str, num_classes: int, mean: Tensor | None) -> Preprocessing | None:
    """The record for a network of `num_classes`, 0 where its classifier is not there."""
    side = row(model).input_size
    large = side > 32
    known: tuple[str, ...] = ()
    if large and num_classes == 1000:
        known = imagenet_classes()
    elif not large and num_classes == 10:
        known = CIFAR10_CLASSES
    if mean is not None:
        if source not in large_inputs():
            raise ValueError(
                f"a mean image goes with values of 0 to 255 in BGR, which {source.name}'s networks do not take"
            )
        side = mean.shape[-1]
        image = (mean.double() / 255).tolist()
        # 256 to 224, as for the crops of the release; its images are BGR, and nothing is divided.
        return Preprocessing(
            crop=side, resize=side * 8 // 7, mean=image, std=[1 / 255] * 3, channels="BGR", classes=known
        )
    pixels = source.pixels if large else source.small_pixels.get(num_classes or 10)
    if pixels is None:
        return None
    resize = {"resnext101_64x4d": 232}.get(model, 256) if large else side
    return pixels.preprocessing(side, resize, known)


# ------------------------------------------------------------------------------------------------------------
# Tensor by tensor


def fitted(weights: Weights, frame: nn.Module, partial: bool = False) -> tuple[Weights, list[str]]:
    """`weights` with what is `missing`, without what is left over; and the names of the latter.

    `frame` is the network, without values. ValueError unless the state is its own, tensor for tensor; in a `partial`
    one, what is there.
    """
    expected = frame.state_dict()
    # Files from before PyTorch 0.4.1 have no counter; nothing here uses it.
    missing = [n for n in expected if n not in weights.state and not n.endswith("num_batches_tracked")]
    left_over = [name for name in weights.state if name not in expected]
    wrong = [
        f"{name} {_kind(tensor)} for {_kind(expected[name])}"
        for name, tensor in weights.state.items()
        if name in expected and _kind(tensor) != _kind(expected[name])
    ]
    there = len(weights.state) - len(left_over)
    excused = ("missing", "left over") if partial and there else ()
    kinds = {"missing": missing, "left over": left_over, "wrong": wrong}
    faults = "; ".join(f"{kind}: {few(names)}" for kind, names in kinds.items() if names and kind not in excused)
    if faults:
        hint = "" if wrong or not there else " (--partial takes what is there)"
        raise ValueError(f"does not fit {weights.model}: {faults}{hint}")
    state = {name: tensor for name, tensor in weights.state.items() if name in expected}
    return replace(weights, state=state, missing=tuple(missing)), left_over


def _kind(tensor: Tensor) -> str:
    """Shape and kind of number in words: where they are equal, one tensor can be copied into the other."""
    number = "" if tensor.is_floating_point() else " of integers" if not tensor.is_complex() else " of complex"
    stored = "" if tensor.layout == torch.strided else f" in {tensor.layout}"
    return f"{tuple(tensor.shape)}{number}{stored}"
