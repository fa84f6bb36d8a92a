"""A network applied at every position of a picture that is larger than the images it was trained on.

    map        the last of `forward_features`, (N, D, h, w)
    window     its height and width for an image of the network's crop: 7x7 for 224

Global average pooling becomes average pooling over the window at stride 1, the classifier a 1x1 convolution, and its
logits are averaged over positions. Their softmax is that of the view. The paper says "scores" and refers to VGG, where
the class score map is averaged, and posteriors over scales and flips are.
Source: arXiv:1512.03385, section 3.4; arXiv:1409.1556, section 3.2.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.vgg import VGG

Head = Callable[[Float[Tensor, "N D h w"]], Float[Tensor, "N C"]]


def fully_convolutional(
    model: nn.Module, crop: int
) -> Callable[[Float[Tensor, "N 3 H W"]], Float[Tensor, "N classes"]]:
    """From images of any size from `crop` to logits, averaged over positions; at `crop` they are those of `model`.

    That they are is tried on an image of noise: ValueError where the network ends in something else.
    """
    probe = torch.rand(1, 3, crop, crop, generator=torch.Generator().manual_seed(0))
    probe = probe.to(next(model.parameters()).device)
    with torch.no_grad():
        window = _last_map(model, probe).shape[2:]
        head = _convolutions(model.classifier) if isinstance(model, VGG) else _pooled(model, tuple(window))

        def network(images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N classes"]:
            return head(_last_map(model, images))

        found, expected = network(probe), model(probe)
    if not torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max())):
        raise ValueError(
            f"dense is for networks that end in global average pooling and one fully connected layer, and for VGG at "
            f"224 pixels; {type(model).__name__} at {crop} is none"
        )
    return network


def _last_map(model: nn.Module, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N D h w"]:
    return list(model.forward_features(images).values())[-1]  # type: ignore[operator] - nn.Module does not declare it


def _pooled(model: nn.Module, window: tuple[int, int]) -> Head:
    """For a classifier that is linear: its mean over positions is what it makes of the mean over positions."""
    return lambda last: model.fc(F.avg_pool2d(last, window, stride=1).mean((2, 3)))  # type: ignore[operator]


def _convolutions(classifier: nn.Sequential) -> Head:
    """VGG's: the first fully connected layer becomes a 7x7 convolution, those behind it 1x1 convolutions."""

    def head(last: Float[Tensor, "N D h w"]) -> Float[Tensor, "N C"]:
        x = last
        for number, layer in enumerate(classifier):
            if isinstance(layer, nn.Linear):
                kernel = (last.shape[1], 7, 7) if number == 0 else (layer.in_features, 1, 1)
                x = F.conv2d(x, layer.weight.unflatten(1, kernel), layer.bias)
            else:
                x = layer(x)
        return x.mean((2, 3))

    return head
