"""Class activation maps: which places of an image speak for a class.

    N images   C classes   K channels and h x w places of the last map

A network that ends in the mean over all places and one linear layer can be taken apart: the logit of class c is the
mean over places of sum_k w_ck f_k(place), plus a bias. That sum, place by place, is the map. Nothing is approximated.
Source: "Learning Deep Features for Discriminative Localization" (arXiv:1512.04150), section 2.
"""

from typing import Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from resnets.evaluation.protocols import inference


def activation_maps(
    model: nn.Module, images: Float[Tensor, "N 3 H W"], classes: Int64[Tensor, "N"]
) -> Float[Tensor, "N h w"] | None:
    """For each of `images`, which are normalised, the map of the class in `classes`; None where the network ends
    otherwise (VGG), so that there is none.

    The mean of a map and the bias of its class are that class's logit. That is looked at, not believed.
    """
    last = getattr(model, "fc", None)
    if not isinstance(last, nn.Linear):
        return None
    with inference(model):
        *_, features = cast(Any, model).forward_features(images).values()
        if features.shape[1] != last.in_features:
            return None
        maps = torch.einsum("nkhw,nk->nhw", features, last.weight[classes])
        bias = 0 if last.bias is None else last.bias[classes]
        logits = model(images).gather(1, classes[:, None])[:, 0]
    same = torch.allclose(maps.mean((1, 2)) + bias, logits, rtol=1e-3, atol=1e-3 * float(logits.abs().max()))
    return maps if same else None
