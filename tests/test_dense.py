"""Networks made fully convolutional: the ordinary net at its crop, and a loop over windows on larger images."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resnets.evaluation.dense import fully_convolutional
from resnets.models.blocks import initialise
from resnets.models.catalog import list_models, model_spec
from resnets.models.cifar import CifarResNet
from resnets.models.factory import create_model
from resnets.models.vgg import VGG


def trained(name: str, **changes: Any) -> nn.Module:
    """The network with some running statistics, in inference mode."""
    torch.manual_seed(0)
    model = create_model(name, num_classes=7, **changes).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = 0.1 * torch.randn_like(module.bias.detach())
            module.running_var = 1 + torch.rand_like(module.bias.detach())
    return model


def window_by_window(model: nn.Module, images: Tensor, side: int) -> Tensor:
    """The mean of the logits of every window of the last map, each computed on its own."""
    last = list(model.forward_features(images).values())[-1]  # type: ignore[operator]
    rows, columns = last.shape[2] - side + 1, last.shape[3] - side + 1
    windows = [last[:, :, i : i + side, j : j + side] for i in range(rows) for j in range(columns)]
    if isinstance(model, VGG):
        logits = [model.classifier(window.flatten(1)) for window in windows]
    else:
        logits = [model.fc(window.mean((2, 3))) for window in windows]  # type: ignore[operator]
    return torch.stack(logits).mean(0)


def close(found: Tensor, expected: Tensor) -> None:
    """Equal within 1e-6, as logits relative to the largest and as probabilities."""
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))
    torch.testing.assert_close(found.softmax(1), expected.softmax(1), rtol=0, atol=1e-6)


@torch.no_grad()
def check(model: nn.Module, crop: int, side: int, larger: tuple[int, int]) -> None:
    dense = fully_convolutional(model, crop)
    kind = next(model.parameters()).dtype
    images = torch.rand(2, 3, crop, crop, dtype=kind)
    assert torch.equal(dense(images), model(images))
    images = torch.rand(2, 3, *larger, dtype=kind)
    expected = window_by_window(model, images, side)
    close(dense(images), expected)
    assert not torch.allclose(expected, model(images), rtol=1e-4)  # the mean of the whole map is something else


@pytest.mark.parametrize("name", ["resnet18", "preact_resnet18", "resnext50_32x4d"])
def test_networks_for_imagenet(name: str) -> None:
    check(trained(name), 64, 2, (100, 133))


def test_max_pooling_that_hangs_over_the_edge() -> None:
    check(trained("resnet18", ceil_mode=True), 64, 2, (100, 133))


def test_the_window_is_that_of_the_papers_images() -> None:
    check(trained("resnet18"), 224, 7, (256, 320))


def test_a_network_for_small_images() -> None:
    check(trained("cifar_resnet8"), 32, 8, (37, 52))


def small_vgg() -> VGG:
    """One convolution a stage, and fully connected layers of 16."""
    with torch.device("meta"):
        model = VGG((1, 1, 1, 1, 1), 7, 0.5)
    sizes = ((512 * 49, 16), (16, 16), (16, 7))
    layers = [layer for size in sizes for layer in (nn.Linear(*size), nn.ReLU(inplace=True), nn.Dropout(0.5))]
    model.classifier = nn.Sequential(*layers[:-2])
    model.to_empty(device="cpu")
    torch.manual_seed(0)
    initialise(model)
    return model.eval()


def test_vgg_has_its_fully_connected_layers_as_convolutions() -> None:
    check(small_vgg(), 224, 7, (256, 300))


@torch.no_grad()
def test_vgg_of_another_crop_averages_to_seven_as_it_does_itself() -> None:
    model = small_vgg()
    images = torch.rand(2, 3, 256, 256)
    close(fully_convolutional(model, 256)(images), model(images))


def test_another_ending_is_refused() -> None:
    class MaxPooled(CifarResNet):
        def forward(self, images: Tensor) -> Tensor:
            return self.fc(self.forward_features(images)["stage3"].amax((2, 3)))

    model = trained("cifar_resnet8")
    model.__class__ = MaxPooled
    with pytest.raises(ValueError, match=r"end in global average pooling and one .*; MaxPooled ends otherwise"):
        fully_convolutional(model, 32)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in list_models() if model_spec(name).input_size == 224])
def test_every_network_for_imagenet(name: str) -> None:
    # In float64: float32 alone rounds some of them by 1e-6, and VGG's sums of 25,088 products by more.
    check(trained(name).double(), 224, 7, (224, 288))
