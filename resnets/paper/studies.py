"""`resnets study`: questions that the paper raises, put to trained networks. One function a question.

    resnets study responses cifar_resnet20 --data cifar10       Figure 7
    resnets study lesions cifar_resnet20 --data cifar10         one unit after the other taken out
    resnets study gradients --new cifar_plain56,cifar_resnet56 --data digits
    resnets study learning --new cifar_plain20,cifar_resnet20 --data cifar10      the same while they are trained
    resnets study growth RUN --into cifar_resnet32              the constructed solution, and what training makes of it
    resnets study line RUN RUN                                  the loss between two solutions

Each gives a record, a line of `results/studies.jsonl`, and a figure of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from resnets.evaluation.gradients import gradient_norms
from resnets.evaluation.growth import grown
from resnets.evaluation.lesions import error_of, lesions
from resnets.evaluation.line import along_line
from resnets.evaluation.responses import layer_responses
from resnets.models.factory import create_model
from resnets.paper.learning import gradients_while_learning, learning, steps_to
from resnets.paper.lines import Record
from resnets.paper.study_figures import draw
from resnets.paper.subjects import BATCH, Subject, batches_of, data_of, fresh, images_of, subject
from resnets.runtime import environment, resolve_device, set_precision
from resnets.training.draws import GENERATOR


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a command line asks: of which networks, on which images."""

    weights: list[str]
    """What `read_weights` takes, or a run folder that has not finished: its last checkpoint."""
    new: list[str]
    """Networks of the catalogue as they are initialised by `seed`."""
    data: str | None = None
    """By default that of the first run or weights."""
    images: int | None = None
    """The first so many only."""
    seed: int = 0
    device: str = "auto"
    into: str | None = None
    """growth: the deeper network."""
    iterations: int | None = None
    """growth, learning: how long is trained; none: `ITERATIONS`."""

    def trained(self, what: str) -> int:
        """For how many iterations `what` trains."""
        return ITERATIONS[what] if self.iterations is None else self.iterations


ITERATIONS = {"growth": 100, "learning": 400}


def study(what: str, question: Question) -> tuple[Record, str, Figure]:
    """The answer to one of `STUDIES`: a record, the same in words, and its figure. ValueError for another name."""
    if what not in STUDIES:
        raise ValueError(f"there is no study {what!r}, allowed are {', '.join(STUDIES)}")
    if (question.iterations or 0) < 0:
        raise ValueError(f"iterations is {question.iterations}, allowed is 0 or more")
    if not question.weights and not question.new:
        raise ValueError("weights: none are given, nor networks with --new")
    device = resolve_device(question.device)
    set_precision("fp32")
    data = question.data or data_of(question.weights)
    subjects = [subject(source, device) for source in question.weights]
    subjects += [fresh(name, data, question.seed, device) for name in question.new]
    answer, text = STUDIES[what](question, subjects, data, device)
    here = environment(device)
    record = {
        "study": what,
        "data": data,
        **answer,
        "device": here["device"],
        "precision": "fp32",
        "environment": here,
        "date": datetime.now(UTC).date().isoformat(),
    }
    return record, text, draw(record)


# ---------------------------------------------------------------------------------------------------------------
# Questions

Answer = tuple[Record, str]
"""What was found, as plain values, and in words."""


def _responses(question: Question, subjects: list[Subject], data: str, device: torch.device) -> Answer:
    networks, lines = [], ["standard deviation of each 3x3 layer's response, over test images, places and channels"]
    for one in subjects:
        test = images_of(one, data, "test", question.images)
        found = layer_responses(one.model, (images for images, _ in batches_of(one, test, device)))
        values = list(found.values())
        middle = median(values)
        networks.append({"name": one.name, "layers": list(found), "std": values, "median": middle, "images": len(test)})
        spread = f"{min(values):.2f} to {max(values):.2f}, median {middle:.2f}"
        lines.append(f"{one.name}: {spread}, over {len(test):,} test images")
    return {"networks": networks}, "\n".join(lines)


def _lesions(question: Question, subjects: list[Subject], data: str, device: torch.device) -> Answer:
    networks, lines = [], []
    for one in subjects:
        test = images_of(one, data, "test", question.images)
        batches = batches_of(one, test, device)

        def error(model: nn.Module = one.model, given: list[tuple[Tensor, Tensor]] = batches) -> float:
            return error_of(model, given)

        whole, errors = lesions(one.model, batches[0][0][:2], error)
        networks.append({"name": one.name, "whole": whole, "without": errors, "images": len(test)})
        lines.append(f"{one.name}: test error {whole:.2f} % whole; with one unit taken out, in %:")
        lines += [f"  {name}  {value:6.2f}" for name, value in errors.items()]
    return {"networks": networks}, "\n".join(lines)


def _gradients(question: Question, subjects: list[Subject], data: str, device: torch.device) -> Answer:
    networks, lines = [], ["norm of the gradient behind a layer's BN: first layer, last layer, first over last"]
    for one in subjects:
        train = images_of(one, data, "train", min(question.images or 128, 1000))
        pixels = one.expected.normaliser(device)(train.images.to(device))
        norms = gradient_norms(one.model, pixels, train.labels.to(device))
        maps, weights = [norm.maps for norm in norms], [norm.weights for norm in norms]
        layers = [norm.layer for norm in norms]
        networks.append({"name": one.name, "layers": layers, "maps": maps, "weights": weights, "images": len(train)})
        lines.append(f"{one.name}: outputs {maps[0]:.3g}, {maps[-1]:.3g}, {maps[0] / maps[-1]:.3g} times")
    return {"networks": networks}, "\n".join(lines)


def _learning(question: Question, subjects: list[Subject], data: str, device: torch.device) -> Answer:
    steps = steps_to(question.trained("learning"))
    networks, lines = [], ["norm of the gradient behind a layer's BN: the first layer's over the last's"]
    for one in subjects:
        train = images_of(one, data, "train", None)
        shown = batches_of(one, images_of(one, data, "train", min(question.images or 128, BATCH)), device)[0]
        found = gradients_while_learning(one, train, shown, steps, question.seed)
        networks.append({**found, "images": len(shown[1])})
        ratios = ", ".join(f"{maps[0] / maps[-1]:.3g}" for maps in found["maps"])
        lines.append(f"{one.name}: {ratios} times after {', '.join(map(str, steps))} iterations")
    return {"networks": networks}, "\n".join(lines)


def _growth(question: Question, subjects: list[Subject], data: str, device: torch.device) -> Answer:
    if question.into is None:
        raise ValueError("growth needs --into NAME, the deeper network")
    (one, *others) = subjects
    if others:
        raise ValueError("growth looks at one network")
    if question.trained("growth") == 0:
        raise ValueError("iterations is 0, allowed for growth is 1 or more")
    with GENERATOR:
        torch.manual_seed(question.seed)
        deeper = create_model(question.into, len(one.expected.classes)).to(device)
    added = grown(one.model, deeper)
    test = batches_of(one, images_of(one, data, "test", question.images), device)
    with torch.no_grad():
        pairs = [(one.model.eval()(images), deeper.eval()(images)) for images, _ in test]
    equal = all(torch.equal(a, b) for a, b in pairs)
    before = error_of(deeper, test)
    curve = _train_on(question, one, deeper, added, data, test)
    after = error_of(deeper, test)
    control = _train_on(question, one, one.model, [], data, test)  # what the same iterations do without new units
    alone = error_of(one.model, test)
    record = {
        "network": one.name,
        "into": question.into,
        "added": added,
        "logits_equal": equal,
        "test_error": {"before": before, "after": after, "without": alone},
        "images": sum(len(labels) for _, labels in test),
        "losses_without": control["losses"],
        **curve,
    }
    text = (
        f"{one.name} as {question.into}, {len(added)} new units that compute zero: "
        f"logits {'equal, bit for bit' if equal else 'NOT equal'}; test error {before:.2f} %\n"
        f"after {question.trained('growth')} more iterations {after:.2f} %, without the new units {alone:.2f} %; "
        "responses of the new units "
        + ", ".join(f"{name} {values[-1]:.3f}" for name, values in curve["strengths"].items())
    )
    return record, text


def _train_on(
    question: Question,
    one: Subject,
    model: nn.Module,
    added: list[str],
    data: str,
    test: list[tuple[Tensor, Tensor]],
) -> Record:
    """Trains `model` at a constant 0.01, batches of 64; its loss and the responses of the new units on the way."""
    train, iterations = images_of(one, data, "train", None), question.trained("growth")
    every, batch = max(1, iterations // 10), 64
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    last = {name: [n for n, m in model.get_submodule(name).named_modules() if _is_3x3(m)][-1] for name in added}
    steps, losses, strengths, sums = [0], [], {name: [0.0] for name in added}, []
    for step, (loss, _) in enumerate(islice(learning(model, optimizer, one, train, batch, question.seed), iterations)):
        sums.append(loss)
        losses += [sums[0]] if step == 0 else []
        if (step + 1) % every == 0:
            found = layer_responses(model, [test[0][0]]) if added else {}
            for name in added:
                strengths[name].append(found[f"{name}.{last[name]}"])
            steps.append(step + 1)
            losses.append(sum(sums[-every:]) / every)
    return {"steps": steps, "losses": losses, "strengths": strengths, "lr": 0.01, "batch": batch}


def _is_3x3(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)


def _line(question: Question, subjects: list[Subject], data: str, device: torch.device) -> Answer:
    if len(subjects) != 2:
        raise ValueError(f"line leads from one network to another: two are needed, {len(subjects)} given")
    first, other = subjects
    count = question.images or 2_000
    sets = [images_of(first, data, part, count) for part in ("train", "test")]
    train, test = (batches_of(first, images, device) for images in sets)
    ends = ({k: v.clone() for k, v in first.model.state_dict().items()}, other.model.state_dict())
    shares = [round(-0.2 + 0.1 * number, 1) for number in range(15)]
    points = along_line(first.model, ends, shares, train, test)
    lines = ["share of the way   training loss, error   test loss, error"]
    lines += [
        f"{p['share']:6.1f}   {p['train_loss']:10.3f} {p['train_error']:8.2f} %"
        f" {p['test_loss']:10.3f} {p['test_error']:8.2f} %"
        for p in points
    ]
    names = [question.weights[0], question.weights[1]] if len(question.weights) == 2 else [s.name for s in subjects]
    record = {"ends": [Path(name).name for name in names], "subjects": [s.name for s in subjects], "points": points}
    return {**record, "images": len(sets[1])}, "\n".join(lines)


STUDIES: dict[str, Callable[[Question, list[Subject], str, torch.device], Answer]] = {
    "responses": _responses,
    "lesions": _lesions,
    "gradients": _gradients,
    "learning": _learning,
    "growth": _growth,
    "line": _line,
}
