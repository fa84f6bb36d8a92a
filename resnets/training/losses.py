"""The loss of every iteration of a run, `losses.f32`: float32, little-endian, one after the other and nothing else.

A row of the journal speaks of many iterations, these speak of each: so two runs can be told apart in the very iteration
in which they part. 4 bytes an iteration, 256 kB of the paper's 64,000.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from resnets.files import naming, write_atomic
from resnets.ranks import mean, on_first

FILE = "losses.f32"
BYTES = 4
"""An iteration's."""
_TYPE = np.dtype("<f4")


def read_losses(folder: Path) -> Float32[np.ndarray, " iterations"]:
    """Those of the run in `folder`, from its first iteration on; none where there is no file.

    A last one that a killed run left incomplete is passed over. A run that an earlier version began has none.
    """
    path = folder / FILE
    content = path.read_bytes() if path.exists() else b""
    return np.frombuffer(content, _TYPE, len(content) // BYTES).astype(np.float32)


class LossRecord:
    """Keeps losses on the device, and appends them to the file when it is asked to: only there the host waits.

    Opened at a step, it first drops what a stopped run wrote after that step. Where losses of iterations before it are
    missing, as an earlier version records none, the file stays as it is: what comes now would not be in its place.
    Of several ranks the first writes the means over all, while the others wait.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.path = folder / FILE
        self.kept: list[Tensor] = []
        self.in_place = on_first(lambda: self._drop_after(step))

    def _drop_after(self, step: int) -> bool:
        """Whether all up to `step` are there."""
        if step == 0:
            write_atomic(self.path, b"")
        elif not self.path.exists() or self.path.stat().st_size < BYTES * step:
            return False
        elif self.path.stat().st_size > BYTES * step:
            with naming(self.path):
                os.truncate(self.path, BYTES * step)
        return True

    def add(self, losses: Iterable[Tensor]) -> None:
        """Those of the next iterations, scalars or several in a row; nothing may change them before `write`."""
        self.kept += losses

    def write(self) -> Float32[np.ndarray, " iterations"]:
        """Appends what was added since the last call, and returns it."""
        if not self.kept:
            return np.empty(0, np.float32)
        losses = torch.cat([loss.detach().reshape(-1) for loss in self.kept]).float()
        self.kept = []
        values = mean({"loss": losses})["loss"].cpu().numpy()
        if self.in_place:
            on_first(lambda: self._append(values))
        return values

    def _append(self, values: Float32[np.ndarray, " iterations"]) -> None:
        with naming(self.path), self.path.open("ab") as file:
            file.write(values.astype(_TYPE).tobytes())

    def settle(self) -> None:
        """What was written is on the disk when this returns: before a checkpoint, after which it is not written again.

        Not at every `write`, each of which would wait for the disk: what a power cut takes is trained again.
        """
        if self.in_place:
            on_first(self._sync)

    def _sync(self) -> None:
        with naming(self.path), self.path.open("ab") as file:
            os.fsync(file.fileno())
