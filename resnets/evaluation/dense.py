"""A network applied at every position of a picture that is larger than the images it was trained on.

    N images   D channels of the last of `forward_features`   (r, c) positions   (h, w) the window of a position

The window is the whole of that map where the image has the size of the network's crop: 7x7 for 224. So global average
pooling becomes average pooling over 7x7 at stride 1, the classifier a 1x1 convolution. Its logits are averaged over
positions, and their softmax is that of the view. The paper says "scores" and refers to VGG's, where the class score map
is averaged, and posteriors over scales and mirror images are.
Source: arXiv:1512.03385, section 3.4; arXiv:1409.1556, section 3.2.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resnets.models.vgg import VGG

Windows = Float[Tensor, "N D r c h w"]


def fully_convolutional(
    model: nn.Module, crop: int
) -> Callable[[Float[Tensor, "N 3 H W"]], Float[Tensor, "N classes"]]:
    """From images of any size from `crop` to logits, averaged over positions; at `crop` they are those of `model`.

    That they are is tried on an image of noise: ValueError where the network ends in something else.
    """
    probe = torch.rand(1, 3, crop, crop, generator=torch.Generator().manual_seed(0)).to(next(model.parameters()))
    with torch.no_grad():
        height, width = _last_map(model, probe).shape[2:]

    def network(images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N classes"]:
        windows = _last_map(model, images).unfold(2, height, 1).unfold(3, width, 1)
        return _fully_connected(model, windows) if isinstance(model, VGG) else _linear(model, windows)

    with torch.no_grad():
        if not torch.allclose(network(probe), model(probe), rtol=1e-3, atol=1e-3):
            raise ValueError(
                "dense is for networks that end in global average pooling and one fully connected layer, and for VGG; "
                f"{type(model).__name__} ends otherwise"
            )
    return network


def _last_map(model: nn.Module, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N D _ _"]:
    return list(model.forward_features(images).values())[-1]  # type: ignore[operator] - nn.Module does not declare it


def _linear(model: nn.Module, windows: Windows) -> Float[Tensor, "N classes"]:
    """A linear classifier: the mean of its logits over positions is what it makes of the mean over all windows."""
    return model.fc(windows.mean((2, 3, 4, 5)))  # type: ignore[operator]


def _fully_connected(model: VGG, windows: Windows) -> Float[Tensor, "N classes"]:
    """VGG's three layers, of which the first is a 7x7 convolution, the others 1x1 convolutions."""
    pooled = F.adaptive_avg_pool2d(windows.permute(0, 2, 3, 1, 4, 5).flatten(0, 2), 7)  # as the network itself does
    return model.classifier(pooled.flatten(1)).unflatten(0, windows[:, 0, :, :, 0, 0].shape).mean((1, 2))
