"""Pictures of the test for the page of a run: those of the answers that it has found worth showing (`notable`).

They come with class activation maps, where the network has them (`evaluation/activation_maps.py`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from resnets.classification.trained import preprocessing_of
from resnets.data.images import ImageSet
from resnets.data.photographs import Photographs
from resnets.data.pictures import centre_crop, read_scaled
from resnets.data.sources import open_data, open_whole
from resnets.evaluation.activation_maps import activation_maps
from resnets.evaluation.scores import Execution
from resnets.files import at_home
from resnets.models.factory import load
from resnets.runtime import resolve_device


class Examples:
    """The test pictures of a run, and its network.

    `fingerprint` is that of the pictures at the time of the run, where it is known. ValueError where they are others
    now: what was stored of them goes by their numbers.
    """

    def __init__(self, weights: str, data: str, fingerprint: str | None = None) -> None:
        self.device = resolve_device("auto")
        self.model = load(weights).to(self.device)
        self.expected = preprocessing_of(weights, self.model)
        self.test = open_whole(data, "test", lambda message: None)
        if fingerprint not in (None, self.test.fingerprint):
            if isinstance(self.test, Photographs) and at_home(data).is_dir():
                self.test = open_data(data, "test", self.expected.crop, lambda message: None)  # small ones in memory
            if fingerprint != self.test.fingerprint:
                raise ValueError(f"{data}: the test pictures are others than those of the run")
        self._at_once = Execution(device=self.device).images_at_once(self.expected.crop)

    def pictures(self, indices: Sequence[int]) -> UInt8[Tensor, "K 3 _ _"]:
        """As the network sees them, but not normalised."""
        if isinstance(self.test, ImageSet):
            return self.test.images[list(indices)]
        sources = ((self.test.read(index), self.test.where(index)) for index in indices)
        scaled = (read_scaled(content, name, [self.expected.resize])[0] for content, name in sources)
        return torch.stack([centre_crop(picture, self.expected.crop) for picture in scaled])

    def shown(self, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """`answers` ({index, true, predicted, probability}, classes by number) with what a page shows of them.

        That is `image`, uint8 (3, H, W), `map`, float32 (h, w) or None, of the class that the network said, `name`, of
        the picture or None, and classes by name.
        """
        if not answers:
            return []
        names, normalise = self.test.classes, self.expected.normaliser(self.device)
        size, found = self._at_once, []
        for start in range(0, len(answers), size):
            part = answers[start : start + size]
            images = self.pictures([one["index"] for one in part])
            said = torch.tensor([one["predicted"] for one in part], device=self.device)
            maps = activation_maps(self.model, normalise(images.to(self.device)), said)
            for place, one in enumerate(part):
                shown = {"image": images[place].numpy(), "map": None if maps is None else maps[place].cpu().numpy()}
                shown["name"] = self._name(one["index"])
                found.append({**one, **shown, "true": names[one["true"]], "predicted": names[one["predicted"]]})
        return found

    def _name(self, index: int) -> str | None:
        """What its owner calls a picture: below the folder of the set; None for a set that names none."""
        if isinstance(self.test, Photographs):
            return self.test.names[index]
        if not self.test.files:
            return None
        return self.test.files[index].relative_to(Path(self.test.name)).as_posix()

    def by_mistake(self, answers: list[dict[str, Any]]) -> dict[tuple[str, str], list[np.ndarray]]:
        """The pictures of `answers`, as `shown` takes them, uint8 (3, H, W), by (true, predicted), classes by name."""
        names, found = self.test.classes, {}
        for one in answers:
            pair = names[one["true"]], names[one["predicted"]]
            found.setdefault(pair, []).append(self.pictures([one["index"]])[0].numpy())
        return found
