"""From a finished run to weights that the package ships: rounded to float16, measured again, recorded.

    python -m resnets.paper.shipping RUN      in the checkout; RUN is a run folder of the paper's recipe

Writes resnets/weights/MODEL.safetensors and adds a line to results/weights.jsonl. For maintainers; what is left to do
is to name the file in the README's tree of files, and `python -m resnets.documents`.
"""

import argparse
import hashlib
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from resnets.classification.evaluate import scores_of
from resnets.classification.recipes import is_papers
from resnets.classification.record import append_result, result_of
from resnets.classification.run import Run, open_run, provenance_of
from resnets.data.images import ImageSet
from resnets.data.sources import open_data
from resnets.evaluation.metrics import count
from resnets.files import say
from resnets.models.catalog import row
from resnets.models.factory import load
from resnets.models.layouts import Weights
from resnets.models.weights import read_weights, write_weights

SHIPPED, RESULTS = Path("resnets/weights"), Path("results/weights.jsonl")

_OF_THE_RUN = ("recipe", "model", "seed", "device", "precision", "departures", "command", "data", "environment", "date")


def check(run: Run) -> None:
    """ValueError unless the run has finished and is the paper's recipe, whole."""
    if not run.finished:
        raise ValueError(f"{run.folder} has not finished; `resnets train --resume {run.folder}` goes on with it")
    if not is_papers(run.record["departures"]):
        given = "; ".join(run.record["departures"])
        raise ValueError(f"{run.folder} is not the paper's recipe ({given}); allowed is another precision only")


def ship(run: Run, folder: Path, results: Path) -> dict[str, Any]:
    """Writes the rounded weights of a finished run into `folder`, adds a line to `results`, and returns it.

    Both errors are measured here, in float32 on the CPU, the rounded one on what comes back from a file. The line also
    says by how much rounding moves the probability of any class of any test image at most.
    """
    images = open_data(run.recipe.data, "test", row(run.recipe.model).input_size)
    rounded = rounded_to_half(read_weights(run.folder))
    before = _probabilities(run.folder, images)
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / "draft.safetensors"
        write_weights(draft, rounded)
        after = _probabilities(draft, images)
    full, half = count(before, images.labels), count(after, images.labels)
    result = result_of(run)
    versions = result["environment"]
    trained = f"trained by resnets {versions['resnets']} at commit {versions['commit'] or 'unknown'}"
    errors = f"{provenance_of(full)}; rounded to float16, {provenance_of(half)}"
    folder.mkdir(exist_ok=True)
    path = folder / f"{run.recipe.model}.safetensors"
    write_weights(path, replace(rounded, provenance=f"{trained} on {run.recipe.data}, {errors}"))
    content = path.read_bytes()
    line = {
        **{name: result[name] for name in _OF_THE_RUN},
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "images": len(images),
        "full_wrong": full.top1_wrong,
        "rounded_wrong": half.top1_wrong,
        "largest_difference": float((before - after).abs().max()),
    }
    append_result(results, line)
    return line


def rounded_to_half(weights: Weights) -> Weights:
    """The same weights as float16, which halves the file; BN's counters, which are integers, stay."""
    state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.state.items()}
    return replace(weights, state=state)


def _probabilities(source: Path, images: ImageSet) -> Tensor:
    """As `resnets evaluate` on a CPU has them."""
    model = load(source).to(memory_format=torch.channels_last)
    return scores_of(str(source), model, images, "fp32")


def main(words: list[str]) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m resnets.paper.shipping", description="makes weights that ship")
    parser.add_argument("run", metavar="RUN", type=Path, help="the folder of a finished run of the paper's recipe")
    try:
        run = open_run(parser.parse_args(words).run)
        check(run)
        line = ship(run, SHIPPED, RESULTS)
    except (ValueError, OSError) as error:
        say(f"shipping: {error}")
        return 2
    print(
        f"{SHIPPED / line['model']}.safetensors: {line['bytes']:,} bytes; wrong of {line['images']:,}: "
        f"{line['full_wrong']:,} at full precision, {line['rounded_wrong']:,} rounded to float16"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
