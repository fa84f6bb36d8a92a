"""What the actions of `resnets data` do: each takes the parsed arguments and returns a record and its text."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resnets.data.photographs import Photographs
from resnets.data.shards import Split
from resnets.data.sources import data_home, open_photographs

Said = tuple[dict[str, Any], str]


def fetch(arguments: argparse.Namespace) -> Said:
    from resnets.data.fetch import fetch as bring

    path = bring(arguments.name, data_home(), Path(arguments.source) if arguments.source else None)
    return {"name": arguments.name, "path": str(path)}, str(path)


def prepare(arguments: argparse.Namespace) -> Said:
    from resnets.data.prepare import prepare_imagenet

    out = Path(arguments.out or data_home() / arguments.name)
    size = arguments.shard_size * 1_000_000
    prepare_imagenet(Path(arguments.source), out, arguments.layout, _reduction(arguments), size)
    return {"name": arguments.name, "layout": arguments.layout, "path": str(out)}, str(out)


def shard(arguments: argparse.Namespace) -> Said:
    from resnets.data.shard_writer import write_shards

    splits: dict[Split, Photographs] = {split: open_photographs(arguments.source, split) for split in ("train", "test")}
    out = write_shards(splits, Path(arguments.out), _reduction(arguments), arguments.shard_size * 1_000_000)
    counts = {split: len(photographs) for split, photographs in splits.items()}
    return {"path": str(out), "pictures": counts}, f"{out}: {counts['train']} for train, {counts['test']} for test"


def check(arguments: argparse.Namespace) -> Said:
    from resnets.data.check import check as look
    from resnets.data.check import check_text

    record = look(arguments.source, arguments.quarantine)
    return record, check_text(record)


def generate(arguments: argparse.Namespace) -> Said:
    from resnets.data.generated import generate_imagenet

    out = generate_imagenet(Path(arguments.out), arguments.classes, arguments.train, arguments.val, arguments.seed)
    return {"path": str(out)}, str(out)


def _reduction(arguments: argparse.Namespace) -> Any:
    from resnets.data.shard_writer import Reduction

    if arguments.shorter_side is None:
        if arguments.quality is not None:
            raise ValueError("--quality is of pictures that are made smaller: it needs --shorter-side")
        return None
    given = {} if arguments.quality is None else {"quality": arguments.quality}
    return Reduction(shorter_side=arguments.shorter_side, **given)


ACTIONS: dict[str, Callable[[argparse.Namespace], Said]] = {
    "fetch": fetch,
    "prepare": prepare,
    "shard": shard,
    "check": check,
    "generate": generate,
}
