"""Checkpoints: all that a run needs to go on, and nothing that can be computed again.

The order of images, their augmentation, what the network draws and the learning rate are functions of seed and step,
so the state is: the step, weights, momentum, the weights' moving average where there is one, the recorded events, and
the sums since the last log line.
"""

import io
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from torch import Tensor, nn

from resnets.files import say, write_atomic
from resnets.training.average import ALONE, Companion
from resnets.training.recipe import Recipe
from resnets.training.schedule import Event

KEPT = 2


@dataclass(frozen=True)
class State:
    """A run after `step` iterations."""

    step: int
    recipe: dict[str, Any]
    model: dict[str, Any]
    optimizer: dict[str, Any]
    events: list[Event]
    window: dict[str, Tensor]
    """Sums over the iterations since the last log line."""
    seconds: float
    """Time spent in the run so far, over all its sessions."""
    companion: dict[str, Tensor] = field(default_factory=dict)
    """What goes along with the weights: their moving average."""

    @classmethod
    def beginning(cls, recipe: Recipe) -> "State":
        """Before the first iteration: nothing to restore."""
        return cls(0, recipe.to_dict(), {}, {}, [], {}, 0.0)

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer, companion: Companion = ALONE) -> None:
        """Puts weights and momentum back, and what goes along with them."""
        if self.step:
            companion.restore(self.companion)
            model.load_state_dict(self.model)
            optimizer.load_state_dict(self.optimizer)


def save(folder: Path, state: State) -> Path:
    """Writes the checkpoint atomically, then removes all but the newest `KEPT`."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    values = {**vars(state), "events": [asdict(event) for event in state.events]}
    torch.save(values, buffer)
    path = folder / f"step-{state.step:08d}.pt"
    write_atomic(path, buffer.getvalue())
    for old in checkpoints(folder)[:-KEPT]:
        old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first."""
    return sorted(folder.glob("step-*.pt"))


def newest(folder: Path) -> State | None:
    """The newest checkpoint that can be read, None where there is none.

    One that is damaged is named on standard error and the one before it taken; ValueError where all are damaged.
    """
    found = checkpoints(folder)
    for path in reversed(found):
        try:
            return _read(path)
        except (RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError, BadZipFile) as error:
            say(f"{path} is damaged ({type(error).__name__}), going back to the one before it")
    if found:
        raise ValueError(f"{folder}: none of the {len(found)} checkpoints can be read")
    return None


def _read(path: Path) -> State:
    """The checkpoint in `path`. torch does not look at the checksums in its files, so that is done here."""
    content = io.BytesIO(path.read_bytes())
    with ZipFile(content) as archive:
        if name := archive.testzip():
            raise ValueError(f"the checksum of {name} is wrong")
    content.seek(0)
    values = torch.load(content, map_location="cpu", weights_only=True)
    return State(**{**values, "events": [Event(**event) for event in values["events"]]})
