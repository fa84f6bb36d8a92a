"""BN's statistics estimated anew: in closed form, against torch's own function, and what is left as it was."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from resnets.evaluation.protocols import inference
from resnets.models.batch_statistics import estimate_anew


class Network(nn.Sequential):
    """Two BN layers, the first of which sees the images themselves."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__()
        self.first = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 4, 3)
        self.second = nn.BatchNorm2d(4, momentum=0.3)
        self.dropout = nn.Dropout(0.5)


def test_the_first_layer_has_the_plain_mean_over_batches() -> None:
    """In float64: the mean of the batches' means, and of their variances with n - 1 below."""
    model = Network()
    batches = [torch.randn(8, 3, 5, 6) * (n + 1) + n for n in (0, 2, 5, 9)]
    estimate_anew(model, batches)
    values = torch.stack([batch.transpose(0, 1).flatten(1) for batch in batches]).double()
    first = model.first
    torch.testing.assert_close(first.running_mean, values.mean(2).mean(0).float())
    torch.testing.assert_close(first.running_var, values.var(2, correction=1).mean(0).float())
    moving = nn.BatchNorm2d(3)
    for batch in batches:
        moving(batch)
    with pytest.raises(AssertionError):  # the test can tell them apart
        torch.testing.assert_close(moving.running_mean, first.running_mean, atol=0.5, rtol=0)


def test_as_torch_estimates_them() -> None:
    batches = [torch.randn(4, 3, 5, 5) + n for n in range(3)]
    ours, theirs = Network(), Network()
    estimate_anew(ours, batches)
    update_bn(batches, theirs)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name])


def test_all_else_is_left_as_it_was() -> None:
    model = Network()
    model.dropout.eval()
    model.second.weight.requires_grad_(True)
    weights = {name: value.clone() for name, value in model.named_parameters()}
    drops = []
    model.dropout.register_forward_hook(lambda layer, inputs, output: drops.append(layer.training))
    estimate_anew(model, [torch.randn(2, 3, 5, 5)])
    assert drops == [False]
    assert [layer.training for layer in model] == [True, True, True, False]
    assert (model.first.momentum, model.second.momentum) == (0.1, 0.3)
    assert all(torch.equal(value, weights[name]) for name, value in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_network_without_bn_costs_nothing() -> None:
    def never():
        pytest.fail("no batch is needed")
        yield

    estimate_anew(nn.Linear(2, 2), never())


def test_inference_leaves_each_module_in_its_mode() -> None:
    model = Network()
    model.second.eval()
    with inference(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    assert [layer.training for layer in model] == [True, True, False, True]
