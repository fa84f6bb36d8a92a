"""The ImageNet tables carried out: what is missing is trained, each network tested by the table's protocol, rendered.

At the paper's scale this wants ImageNet, and GPUs for weeks. At the scale "smoke" the pictures are a tiny ImageNet that
is drawn here, in the real one's layout, and the whole takes minutes on two cores.
"""

import tarfile
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from resnets.classification.evaluate import evaluate
from resnets.classification.record import append_once, result_of
from resnets.classification.run import open_run
from resnets.data.devkit import KIT, META
from resnets.data.generated import generate_imagenet
from resnets.data.prepare import prepare_imagenet
from resnets.data.sources import IMAGENET, open_photographs
from resnets.files import say, write_atomic
from resnets.paper.curves import save_curves
from resnets.paper.entries import Target
from resnets.paper.lines import Record, read_lines
from resnets.paper.photograph_claims import GAIN_OF, judged_photographs, top5_rows
from resnets.paper.photograph_tabled import photographs_text, together_text, top5_record
from resnets.paper.photographs import ENSEMBLE
from resnets.paper.plan import Plan, Planned, carry_out_missing, plan
from resnets.paper.surrogates import surrogate_of
from resnets.paper.tabled import claims_lines, heading, notes
from resnets.paper.verdicts import Judged, Row, failures, is_of, rows_of
from resnets.runtime import environment, resolve_device

_ARCHIVES, _FOLDERS = "imagenet-archives", "imagenet-drawn"
_DRAWN = {"classes": 6, "train": 4, "val": 2}
"""Pictures of each class of the tiny ImageNet; six classes, so that top-5 errors are not all zero."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One of the tables, or the figure, at a scale."""

    what: str
    target: Target
    scale: str
    seeds: list[int]
    out: Path
    given: str | None
    """Photographs to take instead of ImageNet, or at the scale "smoke" of those that are drawn."""
    results: Path
    """Lines of networks that were tested: read from here."""
    device: str = "auto"

    @property
    def draws(self) -> bool:
        """Whether the pictures are drawn here."""
        return self.scale == "smoke" and self.given is None

    @property
    def data(self) -> str:
        """What `open_photographs` takes."""
        return str(self.out / _FOLDERS) if self.draws else self.given or IMAGENET

    @property
    def lacking(self) -> str | None:
        """Why the pictures cannot be had, None where they can."""
        try:
            _ = self.draws or open_photographs(self.data, "train")
        except ValueError as error:
            return str(error)
        return None

    @property
    def facts(self) -> Record:
        """What a record says of it, whatever comes of it."""
        target = {"what": self.what, "title": self.target.title, "source": self.target.source}
        return {**target, "scale": self.scale, "surrogate": self.surrogate}

    @property
    def surrogate(self) -> str | None:
        """What its networks are instead of the paper's, in words."""
        return surrogate_of(self.plan.target.entries, self.scale)

    @cached_property
    def plan(self) -> Plan:
        """What is missing when it is first asked for: a network that was tested needs no run, nor one that is there."""
        lines = [] if self.what == ENSEMBLE else self.tested(self.target.protocol)  # whose members are tested together
        return plan(on_data(self.target, self.data), self.scale, self.seeds, lines, self.out)

    def tested(self, protocol: str) -> list[Record]:
        """The lines of networks that were tested so."""
        return [line for line in read_lines(self.results) if line.get("protocol") == protocol]

    @property
    def by_ten_crops(self) -> list[Planned]:
        """The runs that Table 4 has tested by ten crops, too, for what dense testing gains: those that no line has."""
        if self.what != "table4" or self.scale == "smoke":  # which claims nothing
            return []
        lines = self.tested("ten-crop")
        there = plan(on_data(self.target, self.data), self.scale, self.seeds, lines, self.out).finished
        runs = {given.folder: given for given in (*there, *self.plan.missing) if given.entry.name in GAIN_OF}
        return [given for given in runs.values() if not any(is_of(line, given.recipe) for line in lines)]


def on_data(target: Target, data: str) -> Target:
    """The target on other pictures than ImageNet's."""
    if data == IMAGENET:
        return target
    changed = (replace(entry, changes=(*entry.changes, f"data={data}"), label=entry.name) for entry in target.entries)
    return replace(target, entries=tuple(changed))


def draw_imagenet(out: Path) -> None:
    """A tiny ImageNet within `out`, its archives and the folders made of them, unless they are there."""
    if not (out / _ARCHIVES).exists():
        say(f"{out / _ARCHIVES}: a tiny ImageNet is drawn")
        generate_imagenet(out / _ARCHIVES, **_DRAWN)
    if not (out / _FOLDERS).exists():
        prepare_imagenet(out / _ARCHIVES, out / _FOLDERS)


def _synsets(out: Path) -> Path:
    """The drawn development kit's table of classes, taken out of its archive."""
    path = out / META
    with tarfile.open(out / _ARCHIVES / f"{KIT}.tar.gz") as kit:
        member = kit.extractfile(f"{KIT}/data/{META}")
        assert member is not None
        write_atomic(path, member.read())
    return path


def carried_out(wanted: Wanted, keep: Path | None) -> tuple[Record, str, list[str], list[str]]:
    """Trains and tests what is missing. The record, a text, what is not as the paper has it, and what has diverged.

    `keep`: where a line is added for each network that was tested, and one for an ensemble. ValueError where an
    ensemble is asked for with several seeds.
    """
    if wanted.what == ENSEMBLE and len(wanted.seeds) > 1:
        raise ValueError(f"seeds are {wanted.seeds}, allowed is one: {wanted.what} is one ensemble")
    if wanted.draws:
        draw_imagenet(wanted.out)
    made = wanted.plan
    target = made.target
    _, diverged = carry_out_missing(made, wanted.device, None)
    ready = [given.folder for given in (*made.finished, *made.missing) if given.folder not in diverged]
    lines = [*(line for line in made.lines if "protocol" in line), *_all_tested(ready, wanted, keep)]
    rows = rows_of(target, wanted.scale, wanted.seeds, lines, {folder.name: why for folder, why in diverged.items()})
    together = _ensemble(ready, wanted) if wanted.what == ENSEMBLE and not diverged else None
    if keep and together:
        append_once(keep, _ensemble_line(ready, wanted, together))
    claims = _claims(wanted, rows, together, diverged, keep)
    said = [heading(target, wanted.scale), photographs_text(rows, wanted.surrogate), together_text(together)]
    figure = save_curves(wanted.what, target, rows, wanted.scale, wanted.out)
    said += ["\n".join(claims_lines(claims)), "\n".join(notes(rows))]
    said += ["" if wanted.surrogate else target.remark, str(figure or "")]
    record = {
        **wanted.facts,
        "measured": True,
        "rows": [{**row.to_dict(), **top5_record(row)} for row in rows],
        "protocol": target.protocol,
        "data": wanted.data,
        "claims": [one.to_dict() for one in claims],
        "ensemble": together,
        "figure": figure and str(figure),
    }
    failed = failures([*rows, *top5_rows([row for row in rows if not row.diverged])], claims)
    return record, "\n\n".join(filter(None, said)), failed, list(map(str, diverged))


def _claims(
    wanted: Wanted, rows: Sequence[Row], together: Record | None, diverged: Container[Path], keep: Path | None
) -> list[Judged]:
    """What the paper claims of the rows; at the scale "smoke" they show nothing."""
    if wanted.scale == "smoke":
        return []
    target, ten_crops = wanted.plan.target, []
    if wanted.what == "table4":
        lines = [*wanted.tested("ten-crop"), *_by_ten_crops(wanted, diverged, keep)]
        ten_crops = rows_of(target, wanted.scale, wanted.seeds, lines)
    return judged_photographs(wanted.what, target, rows, ten_crops, together, wanted.surrogate)


def _by_ten_crops(wanted: Wanted, diverged: Container[Path], keep: Path | None) -> list[Record]:
    """The lines of the networks that are tested so for the first time."""
    ten = replace(wanted, target=replace(wanted.target, protocol="ten-crop"))
    return _all_tested([given.folder for given in wanted.by_ten_crops if given.folder not in diverged], ten, keep)


def _all_tested(folders: Sequence[Path], wanted: Wanted, keep: Path | None) -> list[Record]:
    """The lines of finished runs, each added to `keep` as soon as there is one."""
    lines = []
    for folder in folders:
        lines.append(_tested(folder, wanted))
        if keep:
            append_once(keep, lines[-1])
    return lines


def _tested(folder: Path, wanted: Wanted) -> Record:
    """The line of a finished run, its test errors those of the protocol. Scores that are there are not taken anew."""
    found = _judged([folder], wanted)
    errors = {"test_error": found["top1_error"], "top5_error": found["top5_error"], "test_wrong": found["top1_wrong"]}
    return {**result_of(open_run(folder)), **errors, "protocol": wanted.target.protocol}


def _judged(
    folders: Sequence[Path], wanted: Wanted, submission: Path | None = None, synsets: Path | None = None
) -> Record:
    """What `evaluate` says of networks, several as an ensemble."""
    names = [str(folder) for folder in folders]
    given = (names, wanted.data, [wanted.target.protocol], wanted.device)
    record = evaluate(*given, cache=wanted.out / "scores", submission=submission, synsets=synsets)
    return record["results"][0]


def _ensemble(folders: Sequence[Path], wanted: Wanted) -> Record:
    """The networks tested together, on the pictures with labels; of drawn ones a file as the server takes it, too.

    A file that is there is made anew, of the same scores.
    """
    submission, synsets = None, None
    if wanted.draws:
        submission, synsets = wanted.out / f"{wanted.what}-submission.txt", _synsets(wanted.out)
        submission.unlink(missing_ok=True)
    found = _judged(folders, wanted, submission=submission, synsets=synsets)
    return {
        "networks": [str(folder) for folder in folders],
        "top1_error": found["top1_error"],
        "top5_error": found["top5_error"],
        "submission": submission and str(submission),
    }


def _ensemble_line(folders: Sequence[Path], wanted: Wanted, together: Record) -> Record:
    """What the results keep of an ensemble: of its networks the names of their rows."""
    runs = {given.folder: given for given in (*wanted.plan.finished, *wanted.plan.missing)}
    return {
        "ensemble": wanted.what,
        "scale": wanted.scale,
        "seed": wanted.seeds[0],
        "data": {"name": wanted.data},
        "protocol": wanted.target.protocol,
        "networks": [runs[folder].entry.name for folder in folders],
        "top1_error": together["top1_error"],
        "top5_error": together["top5_error"],
        "environment": environment(resolve_device(wanted.device)),
        "date": datetime.now(UTC).date().isoformat(),
    }
