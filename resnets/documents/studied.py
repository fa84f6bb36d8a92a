"""What came of the studies, in words, from the lines of results: the newest answer to each question."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from resnets.documents.images import study_image
from resnets.documents.measured import figure7_records
from resnets.paper.figure7 import figure7_markdown
from resnets.paper.lines import Record, read_lines
from resnets.paper.markdown import conditions, in_docs, listed, missing
from resnets.paper.study_figures import looked_at
from resnets.paper.subjects import surrogates_said


def studied(results: Path) -> str:
    """The newest answer to each question that was asked: its figure, and what came of it."""
    parts = []
    for what, (title, words) in _SAID.items():
        lines = [line for line in read_lines(results / "studies.jsonl") if line.get("study") == what]
        if not lines:
            continue
        picture = f"![{title}]({in_docs(study_image(what))})"
        line = lines[-1]
        surrogates = surrogates_said(looked_at(line))
        said = f"{words(line)} A surrogate: {surrogates}." if surrogates else words(line)
        parts += [f"### {title}", picture, said, f"`{line['command']}`", conditions([line])]
    records = figure7_records(results)
    if records:
        parts += ["### Figure 7 beside the paper", *map(figure7_markdown, records)]
    return "\n\n".join(filter(None, parts)) or missing("resnets study responses RUN --results results/studies.jsonl")


def _responses_said(line: Record) -> str:
    nets = [
        f"{net['name']}: {min(net['std']):.2f} to {max(net['std']):.2f}, median {net['median']:.2f}, over "
        f"{net['images']:,} test images"
        for net in line["networks"]
    ]
    said = [f"Standard deviation of each 3x3 layer's response. {'; '.join(nets)}."]
    medians = {net["name"]: net["median"] for net in line["networks"]}
    said += _deeper(medians)
    pairs = {name: twin for name in medians if (twin := name.replace("plain", "resnet")) in medians and twin != name}
    if pairs:
        beside = [f"{twin} {medians[twin]:.2f} beside {medians[name]:.2f}" for name, twin in pairs.items()]
        less = sum(medians[twin] < medians[name] for name, twin in pairs.items())
        said.append(
            f"In the median residual nets respond less than plain ones in {less} of {len(pairs)} pairs that are "
            f"alike in all else: {'; '.join(beside)}."
        )
    strongest = [(value, layer, net["name"]) for net in line["networks"] for value, layer in _layers(net)]
    value, layer, name = max(strongest)
    said.append(f"The strongest response of all is that of `{layer}` in {name}, {value:.2f}.")
    return " ".join(said)


def _deeper(medians: Mapping[str, float]) -> list[str]:
    """Whether deeper residual nets respond less than shallower ones that were trained alike, as the paper finds."""
    depths: dict[str, list[tuple[int, str]]] = {}
    for name in medians:
        if found := re.fullmatch(r"cifar_resnet(\d+)(.*)", name):
            depths.setdefault(found[2], []).append((int(found[1]), name))
    pairs = [pair for nets in depths.values() for pair in pairwise(name for _, name in sorted(nets))]
    less = sum(round(medians[deep], 2) < round(medians[shallow], 2) for shallow, deep in pairs)  # as they are shown
    beside = "; ".join(f"{deep} {medians[deep]:.2f} beside {medians[shallow]:.2f}" for shallow, deep in pairs)
    return [f"Deeper residual nets respond less in {less} of {len(pairs)}: {beside}."] if pairs else []


def _layers(net: Record) -> Iterable[tuple[float, str]]:
    """The response of each layer, and its name."""
    return zip(net["std"], net["layers"], strict=True)


def _lesions_said(line: Record) -> str:
    said = []
    for net in line["networks"]:
        errors = sorted(net["without"].items(), key=lambda item: item[1])
        (least, low), (most, high) = errors[0], errors[-1]
        spared = [name for name, error in errors if error < net["whole"] + _SPARED]
        said.append(
            f"{net['name']} errs on {net['whole']:.2f} % of {net['images']:,} test images. Without `{least}` it errs "
            f"on {low:.2f} %, without `{most}` on {high:.2f} %: {len(spared)} of its {len(errors)} units cost less "
            f"than {_SPARED} points, each by itself."
        )
    return " ".join(said)


_SPARED = 20
"""Points of error, below which a unit counts as one that can be spared: chance is 90 %."""


def _gradients_said(line: Record) -> str:
    ratios = {net["name"]: net["maps"][0] / net["maps"][-1] for net in line["networks"]}
    nets = [f"{name} {_towards_the_input(ratio)}" for name, ratio in ratios.items()]
    exploding = [name for name, ratio in ratios.items() if ratio > _EXPLODED]
    vanishing = _vanishing(line["networks"])
    vanishing += f" In {listed(exploding)} it explodes, of which the paper says nothing." if exploding else ""
    return (
        "Norm of the gradient of an image's loss with respect to what a layer gives, behind its BN, from the last "
        "layer to the first: "
        f"{'; '.join(nets)}.{vanishing}{_steps(line['networks'])}"
    )


def _vanishing(networks: Sequence[Record]) -> str:
    """Whether a layer gets hardly anything of the last one's signal: in networks before training, and after."""
    said = ""
    for new, when in ((True, "Before"), (False, "After")):
        mine = [net for net in networks if net["name"].endswith(", new") == new]
        weakest = min((min(net["maps"]) / net["maps"][-1], net["name"]) for net in mine) if mine else None
        if weakest and weakest[0] > _VANISHED:
            said += f" {when} training nothing vanishes: the weakest layer has {weakest[0]:.2g} of the last one's."
        elif weakest:
            said += f" {when} training a layer of {weakest[1]} has {weakest[0]:.2g} of the last one's, which is little."
    return said


def _steps(networks: Sequence[Record]) -> str:
    """What a step changes of trained weights: BN takes out how long they are, so it counts in proportion to that."""
    mine = [net for net in networks if not net["name"].endswith(", new")]
    weakest = [f"{min(net['weights']) / net['weights'][-1]:.2g} in {net['name']}" for net in mine]
    if not weakest:
        return ""
    return (
        " What a step can change of a layer is in proportion to its weights; so taken, the weakest layer's gradient "
        f"has of the last one's {', '.join(weakest)}."
    )


def _learning_said(line: Record) -> str:
    said, weakest, longest = [], (float("inf"), ""), (0.0, "")
    for net in line["networks"]:
        times = listed(_figures(maps[0] / maps[-1]) for maps in net["maps"])
        error = ""
        if len(net["steps"]) > 1:
            before, last = net["steps"][-2:]
            error = f"; its training error in iterations {before + 1} to {last} is {net['train_error'][-1]:.1f} %"
        said.append(f"{net['name']}: {times} times after {listed(net['steps'])} iterations{error}")
        for step, maps, longer in zip(net["steps"], net["maps"], net["longer"], strict=True):
            where = [f"`{layer}` of {net['name']} after {step} iterations" for layer in net["layers"]]
            weakest = min(weakest, *zip((norm / maps[-1] for norm in maps), where, strict=True))
            longest = max(longest, *zip(longer, where, strict=True))
    least, where = weakest
    return (
        "How much stronger the signal is that comes back to the first layer than at the last, the norms as above. "
        f"{'. '.join(said)}. The weakest signal of all is {least:.2g} of the last layer's: in {where}. "
        f"{_HEARD if least > _VANISHED else _NOT_HEARD} Weights grow most in {longest[1]}, to {_figures(longest[0])} "
        "times their norm. BN takes that out of what the layer gives; what a step changes of its direction becomes so "
        "much less."
    )


_VANISHED, _EXPLODED = 0.01, 1000.0
_HEARD = "So no layer is left without one: as the paper says, it is not that gradients vanish."
_NOT_HEARD = "That is weak, if not nothing. The paper calls the norms healthy, and does not say when it looked."


def _towards_the_input(ratio: float) -> str:
    """Whether gradients vanish: the norm at the first layer over that at the last."""
    return f"grows {_figures(ratio)} times" if ratio >= 1 else f"falls to {_figures(ratio)} of it"


def _figures(ratio: float) -> str:
    """With three figures, or to a whole number."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _growth_said(line: Record) -> str:
    equal = "equal, bit for bit, to" if line["logits_equal"] else "NOT equal to"
    strongest, errors = max(values[-1] for values in line["strengths"].values()), line["test_error"]
    return (
        f"{line['network']} continued in {line['into']}, whose {len(line['added'])} further units compute zero: its "
        f"logits are {equal} those of the trained network. Trained on at {line['lr']:g} in batches of {line['batch']}, "
        f"{line['steps'][-1]} iterations: the strongest of the new units responds with a standard deviation of "
        f"{strongest:.3f}. Test error, over {line['images']:,} images: {errors['before']:.2f} % before, "
        f"{errors['after']:.2f} % after; {errors['without']:.2f} % where the network itself, without new units, is "
        "trained on in the same way. What the units cost or bring so soon is the difference of the last two."
    )


def _line_said(line: Record) -> str:
    ends = [point for point in line["points"] if point["share"] in (0.0, 1.0)]
    between = [point for point in line["points"] if 0 < point["share"] < 1]
    highest = max(between, key=lambda point: point["test_loss"])
    low, high = sorted(point["test_loss"] for point in ends)
    first, other = line["ends"]
    kinds = dict.fromkeys(line.get("subjects", ()))
    what = f" ({listed(kinds)})" if kinds else ""
    return (
        f"From {first} to {other}{what}, on {line['images']:,} test images. Test loss {low:.3f} and {high:.3f} at the "
        f"ends, at most {highest['test_loss']:.3f} between them ({highest['share']:g} of the way). BN's statistics are "
        f"estimated anew at every point. {_apart(highest['test_loss'] / high)}"
    )


def _apart(times: float) -> str:
    """What the highest loss between two solutions, over the higher of theirs, says of them."""
    if times < _BARRIER:
        return "No hill lies between them."
    return f"Between them lies a hill {_figures(times)} times as high as they are: they are two solutions, not one."


_BARRIER = 1.1


_SAID: dict[str, tuple[str, Callable[[Record], str]]] = {
    "responses": ("Layer responses", _responses_said),
    "lesions": ("One unit taken out", _lesions_said),
    "gradients": ("Gradients through the depth", _gradients_said),
    "learning": ("Gradients while networks learn", _learning_said),
    "growth": ("The constructed solution", _growth_said),
    "line": ("Between two solutions", _line_said),
}
"""The title of each study, and its newest line in words."""
