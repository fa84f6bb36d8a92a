"""What is seen of a picture, against torchvision's transforms of PIL pictures."""

from io import BytesIO

import pytest
import torch
from PIL import Image
from tested import SIZES, photograph
from torchvision.transforms import v2 as reference
from torchvision.transforms.v2.functional import pil_to_tensor

from resnets.data.pictures import read_scaled
from resnets.evaluation.protocols import PROTOCOLS, Protocol, ten_crops
from resnets.preprocessing import Preprocessing


def png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def seen(picture: Image.Image, protocol: Protocol) -> list[torch.Tensor]:
    """The views (V, 3, H, W) at each scale."""
    return [protocol.views(scaled) for scaled in read_scaled(png(picture), "picture", protocol.scales)]


def expected(crop: int = 32, resize: int = 36) -> Preprocessing:
    return Preprocessing(crop=crop, resize=resize, mean=[0.0] * 3)


@pytest.mark.parametrize("index", range(len(SIZES)))
@pytest.mark.parametrize(("crop", "resize"), [(32, 36), (32, 35), (31, 36), (32, 32)])
def test_as_torchvision_cuts(index: int, crop: int, resize: int) -> None:
    picture = photograph(index)
    scaled = reference.Resize(resize)(picture)
    middle = pil_to_tensor(reference.CenterCrop(crop)(scaled))
    (found,) = seen(picture, PROTOCOLS["single"](expected(crop, resize), (), False))
    assert torch.equal(found, middle[None])
    ten = torch.stack([pil_to_tensor(view) for view in reference.TenCrop(crop)(scaled)])
    (found,) = seen(picture, PROTOCOLS["ten-crop"](expected(crop, resize), (), False))
    assert torch.equal(found, ten)


def test_ten_crops_by_hand() -> None:
    picture = torch.arange(4 * 5, dtype=torch.uint8).reshape(1, 4, 5).expand(3, 4, 5)
    found = ten_crops(picture, 2)[:, 0].tolist()
    upper_left, lower_right, middle = [[0, 1], [5, 6]], [[13, 14], [18, 19]], [[7, 8], [12, 13]]
    assert [found[0], found[3], found[4]] == [upper_left, lower_right, middle]
    assert found[5] == [[4, 3], [9, 8]]  # the upper right one, mirrored, is the mirror image's upper left one
    assert len(found) == 10


@pytest.mark.parametrize("flips", [False, True])
def test_dense_views_are_whole(flips: bool) -> None:
    picture = photograph(1)
    found = seen(picture, PROTOCOLS["dense"](expected(), (32, 50), flips))
    for views, side in zip(found, (32, 50), strict=True):
        scaled = reference.Resize(side)(picture)
        whole = [scaled, scaled.transpose(Image.Transpose.FLIP_LEFT_RIGHT)][: 1 + flips]
        assert torch.equal(views, torch.stack([pil_to_tensor(view) for view in whole]))


def test_the_papers_scales() -> None:
    assert PROTOCOLS["dense"](expected(224, 256), (), False).scales == (224, 256, 384, 480, 640)
    assert PROTOCOLS["dense"](expected(32, 32), (), False).scales == (32, 37, 55, 69, 91)
    with pytest.raises(ValueError, match="scales has 31, allowed are sides from 32, the network's crop"):
        PROTOCOLS["dense"](expected(), (40, 31), False)
