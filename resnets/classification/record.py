"""What a finished run leaves for the tables: one line of a results file, `results/*.jsonl`.

Documents take their figures from these lines by a command, never by hand.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from resnets.classification.recipes import expected_test_error
from resnets.classification.run import Run
from resnets.files import naming


def result_of(run: Run) -> dict[str, Any]:
    """Command, seed, hardware, versions, data hashes, seconds and figures of a finished run; errors in percent."""
    evaluation = run.evaluation
    assert evaluation is not None
    sessions = run.record["sessions"]
    return {
        "recipe": run.recipe.name,
        "model": run.recipe.model,
        "seed": run.recipe.seed,
        "iterations": run.recipe.iterations,
        "test_error": evaluation["top1_error"],
        "test_wrong": evaluation["top1_wrong"],
        "test_images": evaluation["images"],
        "expected_test_error": expected_test_error(run.recipe),
        "validation_error": evaluation["validation_error"],
        "train_error": evaluation["train_error"],
        "seconds": round(evaluation["seconds"], 1),
        "sessions": len(sessions),
        "device": sessions[-1]["device"],
        "precision": run.record["precision"],
        "command": run.record["command"],
        "departures": run.record["departures"],
        "data": run.record["data"],
        "environment": sessions[-1],
        "date": datetime.now(UTC).date().isoformat(),
    }


def append_result(path: Path, result: dict[str, Any]) -> None:
    """Adds the line to a results file; results are only ever added."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result, ensure_ascii=False) + "\n")
