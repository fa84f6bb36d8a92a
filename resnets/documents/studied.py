"""What came of the studies, in words, from the lines of results: the newest answer to each question."""

from collections.abc import Callable
from pathlib import Path

from resnets.documents.images import study_image
from resnets.paper.figure7 import claims_of, figure7_markdown, newest_responses, rows_of
from resnets.paper.lines import Record, read_lines
from resnets.paper.markdown import conditions, in_docs, listed, missing


def studied(results: Path) -> str:
    """The newest answer to each question that was asked: its figure, and what came of it."""
    parts = []
    for what, (title, words) in _SAID.items():
        lines = [line for line in read_lines(results / "studies.jsonl") if line.get("study") == what]
        if not lines:
            continue
        picture = f"![{title}]({in_docs(study_image(what))})"
        line = lines[-1]
        parts += [f"### {title}", picture, words(line), f"`{line['command']}`", conditions([line])]
    measured = newest_responses(results)
    if measured:
        claims = [f"- {claim}." for claim in claims_of(measured) if not claim.endswith("not measured")]
        parts += ["### Figure 7 beside the paper", figure7_markdown(rows_of(measured)), "\n".join(claims)]
    return "\n\n".join(filter(None, parts)) or missing("resnets study responses RUN --results results/studies.jsonl")


def _responses_said(line: Record) -> str:
    nets = [
        f"{net['name']}: {min(net['std']):.2f} to {max(net['std']):.2f}, median {net['median']:.2f}, over "
        f"{net['images']:,} test images"
        for net in line["networks"]
    ]
    return f"Standard deviation of each 3x3 layer's response. {'; '.join(nets)}."


def _lesions_said(line: Record) -> str:
    said = []
    for net in line["networks"]:
        errors = sorted(net["without"].items(), key=lambda item: item[1])
        (least, low), (most, high) = errors[0], errors[-1]
        said.append(
            f"{net['name']} errs on {net['whole']:.2f} % of {net['images']:,} test images. Without `{least}` it errs "
            f"on {low:.2f} %, without `{most}` on {high:.2f} %."
        )
    return " ".join(said)


def _gradients_said(line: Record) -> str:
    ratios = {net["name"]: net["maps"][0] / net["maps"][-1] for net in line["networks"]}
    nets = [f"{name} {_towards_the_input(ratio)}" for name, ratio in ratios.items()]
    exploding = [name for name, ratio in ratios.items() if ratio > _EXPLODED]
    vanishing = "" if min(ratios.values()) < 1 else " Before training nothing vanishes."
    vanishing += f" In {listed(exploding)} it explodes, of which the paper says nothing." if exploding else ""
    return (
        "Norm of the gradient of an image's loss with respect to what a layer gives, from the last layer to the first: "
        f"{'; '.join(nets)}.{vanishing}"
    )


def _learning_said(line: Record) -> str:
    said, weakest = [], (float("inf"), "")
    for net in line["networks"]:
        times = listed(_figures(maps[0] / maps[-1]) for maps in net["maps"])
        error = ""
        if len(net["steps"]) > 1:
            before, last = net["steps"][-2:]
            error = f"; its training error in iterations {before + 1} to {last} is {net['train_error'][-1]:.1f} %"
        said.append(f"{net['name']}: {times} times after {listed(net['steps'])} iterations{error}")
        for step, maps in zip(net["steps"], net["maps"], strict=True):
            share, layer = min((norm / maps[-1], layer) for norm, layer in zip(maps, net["layers"], strict=True))
            weakest = min(weakest, (share, f"`{layer}` of {net['name']} after {step} iterations"))
    least, where = weakest
    return (
        "How much stronger the signal is that comes back to the first layer than at the last, the norms as above. "
        f"{'. '.join(said)}. The weakest signal of all is {least:.2g} of the last layer's: in {where}. "
        f"{_HEARD if least > _VANISHED else _NOT_HEARD}"
    )


_VANISHED, _EXPLODED = 0.01, 1000.0
_HEARD = "So no layer is left without one."
_NOT_HEARD = (
    "There it has all but vanished, BN or no. The paper finds no such thing in plain nets, and does not say when in "
    "training it looked."
)


def _towards_the_input(ratio: float) -> str:
    """Whether gradients vanish: the norm at the first layer over that at the last."""
    return f"grows {_figures(ratio)} times" if ratio >= 1 else f"falls to {_figures(ratio)} of it"


def _figures(ratio: float) -> str:
    """With three figures, or to a whole number."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _growth_said(line: Record) -> str:
    equal = "equal, bit for bit, to" if line["logits_equal"] else "NOT equal to"
    strongest = max(values[-1] for values in line["strengths"].values())
    return (
        f"{line['network']} continued in {line['into']}, whose {len(line['added'])} further units compute zero: its "
        f"logits are {equal} those of the trained network. Trained on at {line['lr']:g} in batches of {line['batch']}, "
        f"{line['steps'][-1]} iterations: the strongest of the new units responds with a standard deviation of "
        f"{strongest:.3f}; test error {line['test_error']['before']:.2f} % before, "
        f"{line['test_error']['after']:.2f} % after."
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
        "estimated anew at every point."
    )


_SAID: dict[str, tuple[str, Callable[[Record], str]]] = {
    "responses": ("Layer responses", _responses_said),
    "lesions": ("One unit taken out", _lesions_said),
    "gradients": ("Gradients through the depth", _gradients_said),
    "learning": ("Gradients while networks learn", _learning_said),
    "growth": ("The constructed solution", _growth_said),
    "line": ("Between two solutions", _line_said),
}
"""The title of each study, and its newest line in words."""
