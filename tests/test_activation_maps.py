"""Class activation maps: their mean and the bias are the logit, for every kind of network that can have them."""

from typing import Any, cast

import pytest
import torch
from family import SMALL, images, settled

from resnets.evaluation.activation_maps import activation_maps
from resnets.models.factory import create_model


@pytest.mark.parametrize("kind", SMALL)
def test_the_mean_of_a_map_and_the_bias_are_the_logit(kind: str) -> None:
    torch.manual_seed(0)
    model, x = settled(SMALL[kind]()), images(kind, count=3).double()
    model.get_parameter("fc.bias").data.normal_()
    classes = torch.tensor([4, 0, 2])
    maps = activation_maps(model, x, classes)
    assert maps is not None
    assert maps[0].numel() > 1
    with torch.no_grad():
        expected = model(x)[torch.arange(3), classes]
    assert torch.allclose(maps.mean((1, 2)) + model.get_parameter("fc.bias")[classes], expected)


def test_place_by_place() -> None:
    """Against a loop over channels."""
    torch.manual_seed(0)
    model, x = settled(SMALL["option A"]()), images("option A", count=1).double()
    found = activation_maps(model, x, torch.tensor([3]))
    assert found is not None
    with torch.no_grad():
        features, weight = (
            cast(Any, model).forward_features(x)["stage3"][0],
            model.get_parameter("fc.weight")[3].detach(),
        )
    for row, column in ((0, 0), (2, 5), (7, 1)):
        at_place = sum(float(weight[k]) * float(features[k, row, column]) for k in range(len(weight)))
        assert float(found[0, row, column]) == pytest.approx(at_place)


def test_networks_that_end_otherwise_have_none() -> None:
    torch.manual_seed(0)
    model = cast(Any, create_model("cifar_resnet8"))
    x, classes = torch.randn(2, 3, 32, 32), torch.tensor([0, 1])
    assert activation_maps(model, x, classes) is not None
    model.fc.register_forward_hook(lambda module, given, logits: 2 * logits + 1)
    assert activation_maps(model, x, classes) is None
    del model.fc
    assert activation_maps(model, x, classes) is None
