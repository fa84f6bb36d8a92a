"""What happens inside networks: each quantity against straight-line code or a closed form; the command that asks."""

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import Tensor, nn

from resnets.classification.recipes import recipe
from resnets.cli import main
from resnets.data.augment import Stream, crop_flip
from resnets.evaluation.gradients import gradient_norms
from resnets.evaluation.growth import grown
from resnets.evaluation.lesions import error_of, lesions, removable, without
from resnets.evaluation.line import along_line, between, loss_and_error
from resnets.evaluation.responses import layer_responses
from resnets.models.batch_statistics import estimate_anew
from resnets.models.blocks import Basic
from resnets.models.cifar import CifarResNet
from resnets.models.factory import create_model, load
from resnets.models.weights import read_weights
from resnets.paper.learning import gradients_while_learning, steps_to
from resnets.paper.subjects import batches_of, fresh, images_of, named, subject
from resnets.report import studies as figures


def network(name: str, seed: int = 0, **changes: Any) -> nn.Module:
    """With BN that does something: statistics and affine parameters that are not those of the beginning."""
    torch.manual_seed(seed)
    model = create_model(name, **changes)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        for values, low in ((norm.weight, 0.5), (norm.bias, -0.5), (norm.running_mean, -0.2), (norm.running_var, 0.5)):
            assert values is not None
            nn.init.uniform_(values, low, low + 1)
    return model.eval()


def images(count: int = 6, side: int = 16, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------------------------------------------------------
# Responses


@torch.no_grad()
def _straight_line(model: CifarResNet, x: Tensor) -> Iterator[Tensor]:
    """What every 3x3 layer gives behind its BN, the network written out."""
    y = model.bn1(model.conv1(x))
    yield y
    x = F.relu(y)
    for stage in (model.layer1, model.layer2, model.layer3):
        for unit in stage:
            unit = cast(Basic, unit)
            y = unit.bn1(unit.conv1(x))
            yield y
            y = unit.bn2(unit.conv2(F.relu(y)))
            yield y
            x = F.relu(y if unit.downsample is None else y + unit.downsample(x))


@pytest.mark.parametrize("name", ["cifar_resnet14", "cifar_plain14"])
def test_responses_are_those_of_the_network_written_out(name: str) -> None:
    model, x = network(name), images()
    found = layer_responses(model, [x[:4], x[4:]])  # of all images together, not of batches
    expected = [float(y.double().std(correction=0)) for y in _straight_line(cast(CifarResNet, model), x)]
    assert list(found)[:3] == ["conv1", "layer1.0.conv1", "layer1.0.conv2"]
    assert list(found.values()) == pytest.approx(expected, rel=1e-6)
    assert len(found) == 13
    assert not any(m._forward_hooks for m in model.modules())


def test_what_does_not_respond_is_refused() -> None:
    with pytest.raises(ValueError, match="no 3x3 convolution"):
        layer_responses(nn.Conv2d(3, 4, 3), [images()])
    with pytest.raises(ValueError, match="saw no image"):
        layer_responses(network("cifar_resnet8"), [])


# ---------------------------------------------------------------------------------------------------------------
# Lesions


def test_a_residual_unit_without_its_branch_is_one_whose_branch_is_zero() -> None:
    model, x = network("cifar_resnet14"), images()
    units = removable(model, x)
    assert list(units) == [f"layer{i}.{j}" for i in (1, 2, 3) for j in (0, 1)]
    whole = model(x)
    for name, unit in units.items():
        silent = copy.deepcopy(model)
        last = cast(Basic, silent.get_submodule(name)).bn2
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        with without(unit):
            torch.testing.assert_close(model(x), silent(x))
            assert not torch.allclose(model(x), whole)
    assert torch.equal(model(x), whole)


def test_a_unit_of_stochastic_depth_leaves_its_shortcut() -> None:
    """As in any residual net; and it is joined as before afterwards."""
    model, x = network("cifar_resnet14", drop_path=0.5), images()
    units = removable(model, x)
    assert list(units) == [f"layer{i}.{j}" for i in (1, 2, 3) for j in (0, 1)]
    whole, unit = model(x), units["layer2.1"]
    silent = copy.deepcopy(model)
    last = cast(Basic, silent.get_submodule("layer2.1")).bn2
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    with without(unit):
        torch.testing.assert_close(model(x), silent(x))
    assert torch.equal(model(x), whole)


def test_plain_units_are_taken_out_where_shapes_stay() -> None:
    model, x = network("cifar_plain14"), images()
    assert list(removable(model, x)) == ["layer1.0", "layer1.1", "layer2.1", "layer3.1"]
    shorter = copy.deepcopy(model)
    shorter.layer2 = cast(nn.Sequential, shorter.layer2)[:1]
    with without(removable(model, x)["layer2.1"]):
        torch.testing.assert_close(model(x), shorter(x))
    labels = model(x).argmax(1)
    whole, errors = lesions(model, x[:1], lambda: error_of(model, [(x, labels)]))
    assert whole == 0
    assert set(errors) == set(removable(model, x))
    with pytest.raises(ValueError, match="no unit can be taken out"):
        lesions(network("cifar_highway19"), x, lambda: 0.0)


# ---------------------------------------------------------------------------------------------------------------
# Gradients


def test_gradient_norms_have_their_closed_form() -> None:
    """Logits that are a 1x1 convolution of one pixel: dL/dlogits = softmax - one-hot."""
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 5, 1, bias=False)
    x, labels = torch.randn(7, 3, 1, 1), torch.arange(7) % 5
    (found,) = gradient_norms(nn.Sequential(conv, nn.Flatten()), x, labels)
    away = (conv(x).flatten(1).softmax(1) - F.one_hot(labels, 5)).detach().double()
    assert found.maps == pytest.approx(math.sqrt(float(away.square().sum(1).mean())), rel=1e-5)
    weights = away.T @ x.flatten(1).double() / 7
    assert found.weights == pytest.approx(float(weights.norm() / conv.weight.detach().double().norm()), rel=1e-5)
    assert conv.weight.grad is None


def test_gradients_are_those_behind_bn() -> None:
    """Of y = BN(conv(x)), written out; they do not ask how long the weights are."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 5, 1, bias=False), nn.BatchNorm2d(5, eps=1e-12)
    model = nn.Sequential(conv, norm, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x, labels = torch.randn(7, 3, 4, 4), torch.arange(7) % 5
    (found,) = gradient_norms(model, x, labels)
    y = norm(conv(x)).detach().requires_grad_()
    F.cross_entropy(y.relu().mean((2, 3)), labels).backward()
    assert y.grad is not None
    assert found.maps == pytest.approx(math.sqrt(7 * float(y.grad.double().square().sum())), rel=1e-5)
    with torch.no_grad():
        conv.weight *= 100
    (longer,) = gradient_norms(model, x, labels)
    assert longer.maps == pytest.approx(found.maps, rel=1e-5)
    assert longer.length == pytest.approx(100 * found.length, rel=1e-6)
    assert longer.weights == pytest.approx(found.weights / 1e4, rel=1e-4)  # a hundredth of the gradient, for so much


def test_gradients_leave_the_network_as_it_is() -> None:
    model = network("cifar_resnet8")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = gradient_norms(model, images(), torch.arange(6))
    assert [norm.layer for norm in found][:2] == ["conv1", "layer1.0.conv1"]
    assert len(found) == 7
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.training


def test_gradients_are_noted_while_a_network_learns() -> None:
    """Held against straight-line code: as many steps of the optimiser, and the norms before and behind them."""
    assert [steps_to(last) for last in (0, 5, 10, 400)] == [[0], [0, 5], [0, 10], [0, 10, 100, 400]]
    device = torch.device("cpu")
    one, twin = (fresh("cifar_resnet8", "digits", 3, device) for _ in range(2))
    train = images_of(one, "digits", "train", 300)
    shown = batches_of(one, train.subset(torch.arange(16)), device)[0]
    found = gradients_while_learning(one, train, shown, [0, 2], seed=5)
    assert found["layers"] == [norm.layer for norm in gradient_norms(twin.model, *shown)]
    assert found["maps"][0] == [norm.maps for norm in gradient_norms(twin.model, *shown)]

    matrices = [p for p in twin.model.parameters() if p.ndim > 1]
    others = [p for p in twin.model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0}]
    optimizer, stream, errors = torch.optim.SGD(groups, lr=0.1, momentum=0.9), Stream(300, 128, 5, 4, False), []
    for step in range(2):
        batch = stream.batch(step)
        pixels = crop_flip(twin.expected.normaliser(device)(train.images[batch.indices]), *batch[1:], 4)
        logits, labels = twin.model.train()(pixels), train.labels[batch.indices]
        errors.append(100 * (logits.argmax(1) != labels).double().mean().item())
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
    behind = [norm.maps for norm in gradient_norms(twin.model, *shown)]
    assert found["maps"][1] == pytest.approx(behind, rel=1e-3)
    assert found["maps"][1] != pytest.approx(found["maps"][0], rel=1e-2)
    assert found["train_error"] == [None, pytest.approx(sum(errors) / 2)]


# ---------------------------------------------------------------------------------------------------------------
# Growth


@pytest.mark.parametrize(
    ("small", "large", "new"),
    [("cifar_resnet20", "cifar_resnet32", 6), ("resnet18_a", "resnet34_a", 8), ("resnet50", "resnet101", 17)],
)
def test_a_grown_network_gives_the_same_logits_bit_for_bit(small: str, large: str, new: int, narrow: None) -> None:
    trained = load("cifar_resnet20") if small == "cifar_resnet20" else network(small)
    torch.manual_seed(5)
    deeper = create_model(large)
    x = images(4, side=32)
    added = grown(trained, deeper)
    assert len(added) == new
    for mode in (False, True):  # running statistics, and those of the batch
        assert torch.equal(trained.train(mode)(x), deeper.train(mode)(x))
    unit = deeper.get_submodule(added[0])
    last = [m for m in unit.modules() if isinstance(m, nn.BatchNorm2d)][-1]
    nn.init.ones_(last.weight)
    assert not torch.equal(trained.eval()(x), deeper.eval()(x))


@pytest.mark.parametrize(
    ("small", "large", "says"),
    [
        ("cifar_plain8", "cifar_plain14", "cannot compute zero"),
        ("cifar_preact_resnet20", "cifar_preact_resnet26", "cannot compute zero"),
        ("cifar_resnet14", "cifar_resnet8", "not the trained one with more units"),
    ],
)
def test_networks_that_cannot_be_grown(small: str, large: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        grown(create_model(small), create_model(large))


# ---------------------------------------------------------------------------------------------------------------
# The line


def test_the_line_begins_and_ends_where_it_should() -> None:
    a, b = network("cifar_resnet8", 0), network("cifar_resnet8", 1)
    for share, end in ((0.0, a), (1.0, b)):
        state = between(a.state_dict(), b.state_dict(), share)
        assert all(torch.equal(value, end.state_dict()[name]) for name, value in state.items())
    middle = between(a.state_dict(), b.state_dict(), 0.5)["fc.weight"]
    torch.testing.assert_close(middle, (a.get_parameter("fc.weight") + b.get_parameter("fc.weight")) / 2)
    with pytest.raises(ValueError, match="of two"):
        between(a.state_dict(), network("cifar_resnet14").state_dict(), 0.5)


def test_the_points_of_a_line() -> None:
    a, b, x = network("cifar_resnet8", 0), network("cifar_resnet8", 1), images(8)
    labels = torch.arange(8)
    states = ({name: value.clone() for name, value in a.state_dict().items()}, b.state_dict())
    points = along_line(copy.deepcopy(a), states, [0.0, 1.0], [(x, labels)], [(x[:3], labels[:3])])
    for point, end in zip(points, (a, b), strict=True):
        estimate_anew(end, [x])
        logits = end(x).detach()
        assert point["train_loss"] == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-4)
        assert point["test_error"] == pytest.approx(100 * float((end(x[:3]).argmax(1) != labels[:3]).float().mean()))
    assert loss_and_error(a, [(x[:5], labels[:5]), (x[5:], labels[5:])]) == pytest.approx(
        loss_and_error(a, [(x, labels)])
    )


# ---------------------------------------------------------------------------------------------------------------
# The command


@pytest.mark.parametrize(
    ("what", "words", "fields"),
    [
        ("responses", ["RUN"], ["networks"]),
        ("lesions", ["RUN", "--images", "40"], ["networks"]),
        ("gradients", ["RUN", "--new", "cifar_plain8,cifar_resnet8", "--images", "20"], ["networks"]),
        ("learning", ["--new", "cifar_plain8,cifar_resnet8", "--data", "digits", "--iterations", "1"], ["networks"]),
        ("growth", ["RUN", "--into", "cifar_resnet14", "--iterations", "3"], ["logits_equal", "strengths"]),
        ("line", ["RUN", "RUN", "--images", "40"], ["points", "ends"]),
    ],
)
def test_the_command(
    what: str, words: list[str], fields: list[str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(run) if word == "RUN" else word for word in words]
    files = ["--out", str(tmp_path / "new" / "figure.png"), "--results", str(tmp_path / "lines.jsonl")]
    assert main(["study", what, *given, *files, "--json"]) == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert {"study", "data", "environment", "command", *fields} <= set(record)
    assert record["data"] == "digits"
    assert (tmp_path / "new" / "figure.png").read_bytes().startswith(b"\x89PNG")
    line = json.loads((tmp_path / "lines.jsonl").read_text())
    assert line == {name: value for name, value in record.items() if name != "figure"}
    if what == "growth":
        assert record["logits_equal"] is True
        assert all(values[0] == 0 and values[-1] > 0 for values in record["strengths"].values())
    if what == "lesions":
        evaluation = json.loads((run / "evaluation.json").read_text())
        assert set(record["networks"][0]["without"]) == {"layer1.0", "layer2.0", "layer3.0"}
        assert 0 <= record["networks"][0]["whole"] <= 100
        assert evaluation["images"] == 500
    if what == "line":
        assert record["points"][2]["share"] == 0
        assert len({point["test_loss"] for point in record["points"]}) <= 3  # one network at both ends: all alike


def test_a_run_that_has_not_finished_shows_its_last_checkpoint(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "model.safetensors").unlink()
    assert main(["study", "responses", str(copy), "--images", "30", "--out", str(tmp_path / "f.png"), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["networks"]
    assert found["name"] == "cifar_resnet8 after 24 iterations"


def test_a_network_of_another_length_of_training_says_so(run: Path) -> None:
    """So that Figure 7 does not take it for the paper's."""
    weights = read_weights(run / "model.safetensors")
    assert weights.recipe is not None
    (iterations, name), usual = (weights.recipe[field] for field in ("iterations", "name")), recipe("cifar10-resnet20")
    assert iterations != recipe(name).iterations
    assert subject(str(run), torch.device("cpu")).name == f"{weights.model} after {iterations} iterations"
    for given, said in (
        (usual, "cifar_resnet20"),
        (replace(usual, iterations=6_400), "cifar_resnet20 after 6,400 iterations"),
        (replace(usual, decay="all"), "cifar_resnet20 by a changed recipe"),
        (replace(usual, data="pictures", name="folder-resnet20"), "cifar_resnet20 by a changed recipe"),
        (recipe("cifar10-resnet20-fast"), "cifar_resnet20 after 4,400 iterations"),
        (recipe("cifar10-resnet20-45k"), "cifar_resnet20"),
    ):
        assert named(replace(weights, model="cifar_resnet20", recipe=given.to_dict())) == said
    assert named(replace(weights, model="cifar_resnet20", recipe=None)) == "cifar_resnet20"
    assert named(read_weights("cifar_resnet20")) == "cifar_resnet20"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["responses"], "none are given"),
        (["responses", "nowhere"], "nowhere"),
        (["gradients", "--new", "cifar_resnet8"], "--data names it"),
        (["growth", "cifar_resnet20", "--data", "digits"], "needs --into"),
        (["line", "cifar_resnet20", "--data", "digits"], "two are needed, 1 given"),
        (
            ["growth", "cifar_resnet20", "--data", "digits", "--into", "cifar_resnet32", "--iterations", "0"],
            "iterations is 0, allowed for growth is 1 or more",
        ),
        (["learning", "cifar_resnet20", "--iterations", "-1"], "iterations is -1, allowed is 0 or more"),
    ],
)
def test_refusals(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def _drawn(axes: Axes) -> list[list[float]]:
    """The values of each line; those of the legend have none."""
    values = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    return [one.tolist() for one in values if one.size]


def test_the_figures_hold_the_data() -> None:
    above, below = figures.responses({"a": [3.0, 1.0, 2.0], "b": [0.5, 0.4, 0.3]}).axes
    assert (above.get_yscale(), above.get_ylim()[0]) == ("linear", 0)
    names = ["cifar_resnet20", *(f"cifar_{net} after 6,400 iterations" for net in ("plain20", "plain56", "resnet56"))]
    figure = figures.responses({name: [30.0, 1.0, 2.0] for name in names})
    assert figure.axes[0].get_yscale() == "log"
    FigureCanvasAgg(figure).draw()
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1
    assert _drawn(above) == [[3, 1, 2], [0.5, 0.4, 0.3]]
    assert _drawn(below) == [[3, 2, 1], [0.5, 0.4, 0.3]]
    figure = figures.lesions({"net": (8.0, {"layer1.0": 12.0, "layer1.1": 9.0})})
    assert _drawn(figure.axes[0]) == [[12, 9], [8, 8]]
    figure = figures.gradients({"net": ([1.0, 0.1], [0.2, 0.3])})
    assert [_drawn(axes) for axes in figure.axes] == [[[1, 0.1]], [[0.2, 0.3]]]
    figure = figures.learning({"a": ([0, 10], [[1.0, 0.1], [2.0, 0.2]]), "b": ([0, 10], [[3.0, 0.3], [4.0, 0.4]])})
    assert [_drawn(axes) for axes in figure.axes] == [[[1, 0.1], [2, 0.2]], [[3, 0.3], [4, 0.4]]]
    figure = figures.learning({name: ([0], [[float(place), 0.1]]) for place, name in enumerate("abc", 1)})
    assert [_drawn(axes) for axes in figure.axes] == [[[1, 0.1]], [[2, 0.1]], [[3, 0.1]], []]  # two beside each other
    figure = figures.growth([0, 10], [1.0, 0.5], {"layer1.3": [0.0, 0.2]}, [1.0, 0.6])
    assert [_drawn(axes) for axes in figure.axes] == [[[1, 0.5], [1, 0.6]], [[0, 0.2]]]
