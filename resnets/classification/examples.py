"""Pictures of the test for the page of a run: its worst mistakes, some right answers, what is taken for what.

Each comes with its class activation map, where the network has one (`evaluation/activation_maps.py`).
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from resnets.classification.trained import preprocessing_of
from resnets.data.images import ImageSet
from resnets.data.photographs import Photographs
from resnets.data.pictures import centre_crop, read_scaled
from resnets.data.sources import open_data, open_whole
from resnets.evaluation.activation_maps import activation_maps
from resnets.evaluation.protocols import single_view
from resnets.evaluation.scores import Execution
from resnets.models.factory import load
from resnets.runtime import resolve_device

LOOKED_AT, LOOKED_AT_LARGE = 2000, 200
"""Test pictures that are judged again to find examples, of small ones and of photographs; a page must not take long."""
_SMALL = 64
_RIGHT, _OF_A_PAIR, _PAIRS = 8, 4, 10


class Examples:
    """The test pictures of a run and its network, which judges some of them again.

    `fingerprint` is that of the pictures at the time of the run, where it is known. ValueError where they are others
    now: what was stored of them goes by their numbers.
    """

    def __init__(self, weights: str, data: str, fingerprint: str | None = None) -> None:
        self.device = resolve_device("auto")
        self.model = load(weights).to(self.device)
        self.expected = preprocessing_of(weights, self.model)
        self.test = open_whole(data, "test", lambda message: None)
        if fingerprint not in (None, self.test.fingerprint):
            if isinstance(self.test, Photographs) and Path(data).expanduser().is_dir():
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

    def right(self) -> list[dict[str, Any]]:
        """Right answers, of one class after the other, each the median by probability of those that were looked at."""
        by_class: dict[int, list[dict[str, Any]]] = {}
        for one in self._answers:
            if one["true"] == one["predicted"]:
                by_class.setdefault(one["true"], []).append(one)
        ranked = [sorted(ones, key=lambda one: one["probability"]) for _, ones in sorted(by_class.items())]
        return self.shown([ones[len(ones) // 2] for ones in ranked[:_RIGHT]])

    def confused(
        self, confusion: Sequence[Sequence[int]], mistakes: list[dict[str, Any]]
    ) -> dict[tuple[str, str], list[Any]]:
        """Pictures of the most frequent mistakes by (true, predicted): the worst ones first, then others found."""
        counts = torch.tensor(confusion).fill_diagonal_(0)
        best = counts.flatten().sort(descending=True, stable=True)
        pairs = [divmod(int(place), len(counts)) for place in best.indices[:_PAIRS]]
        known = {one["index"]: one for one in [*mistakes, *self._answers]}.values()
        names, found = self.test.classes, {}
        for true, said in pairs:
            if indices := [one["index"] for one in known if (one["true"], one["predicted"]) == (true, said)]:
                found[names[true], names[said]] = list(self.pictures(indices[:_OF_A_PAIR]).numpy())
        return found

    @cached_property
    def _answers(self) -> list[dict[str, Any]]:
        """What the network says of some test pictures, as many of each class as there are of the least."""
        labels = self.test.labels.cpu()
        number = LOOKED_AT if self.expected.crop <= _SMALL else LOOKED_AT_LARGE
        indices = _spread(labels, number)
        normalise, size = self.expected.normaliser(self.device), self._at_once
        found = []
        for start in range(0, len(indices), size):
            part = indices[start : start + size]
            scores = single_view(self.model, self.pictures(part).to(self.device), normalise, batch_size=size)
            best = scores.max(1)
            found += [
                {"index": index, "true": int(labels[index]), "predicted": said, "probability": probability}
                for index, said, probability in zip(part, best.indices.tolist(), best.values.tolist(), strict=True)
            ]
        return found


def _spread(labels: Tensor, number: int) -> list[int]:
    """The first pictures of each class in turn, so many in all, in their order."""
    turn = torch.zeros_like(labels)
    for label in labels.unique():
        mine = labels == label
        turn[mine] = torch.arange(int(mine.sum()))
    return sorted(turn.argsort(stable=True)[:number].tolist())
