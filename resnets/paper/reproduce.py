"""`resnets reproduce` and `resnets plan`: one name for each table and figure, and what is done for it.

resnets reproduce list
resnets plan table6                                     what is missing and what it costs; trains nothing
resnets reproduce table6 --scale short --only resnet20  runs what is missing, then says what came of it
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from resnets.files import say
from resnets.paper import degradation
from resnets.paper import figure7 as responses
from resnets.paper.asked import Answer, Asked
from resnets.paper.building_blocks import building_blocks
from resnets.paper.costs import Speed, nearest, recorded, speeds_here
from resnets.paper.counts import counts
from resnets.paper.curves import save_curves
from resnets.paper.entries import SCALES, Target
from resnets.paper.figure3 import figure3
from resnets.paper.in_print import TABLED, alone, beside
from resnets.paper.kept_responses import Responses, has_responses
from resnets.paper.lines import Record, read_lines
from resnets.paper.photograph_plan import photograph_plan
from resnets.paper.photograph_tables import Wanted, carried_out, draw_imagenet
from resnets.paper.photographs import PHOTOGRAPHS
from resnets.paper.plan import Plan, carry_out_missing, chosen, given_up, plan, plan_text, write_jobs
from resnets.paper.surrogates import surrogate_of
from resnets.paper.tabled import claims_lines, compared, heading, notes, table_text
from resnets.paper.targets import TARGETS
from resnets.paper.verdicts import Row, differences, failures, judged, lost, rows_of

RESULTS, PHOTOGRAPH_RESULTS = Path("results/cifar10.jsonl"), Path("results/imagenet.jsonl")
"""In a checkout: the recorded runs."""
STUDIES = Path("results/studies.jsonl")
"""And what was found in them."""


def reproduce(asked: Asked) -> Answer:
    """Brings back one of `WHAT`. ValueError for a name or scale there is not, or one that does not go with the name."""
    if asked.what not in WHAT:
        raise ValueError(f"there is no {asked.what!r} to reproduce; `resnets reproduce list` says what there is")
    if asked.scale not in SCALES:
        raise ValueError(f"scale is {asked.scale!r}, allowed are {', '.join(SCALES)}")
    if asked.photographs and asked.what not in PHOTOGRAPHS:
        raise ValueError(f"photographs is {asked.photographs!r}, allowed for {', '.join(PHOTOGRAPHS)} only")
    if asked.what not in (*TARGETS, *PHOTOGRAPHS, "figure7"):
        given = {"scale": asked.scale != "paper", "only": asked.only, "jobs": asked.jobs}
        given["seeds"] = asked.seeds and asked.what != "degradation"
        if names := [name for name, value in given.items() if value]:
            raise ValueError(f"{', '.join(names)}: {asked.what} has nothing of the kind to choose")
    answer = WHAT[asked.what](asked)
    if WHAT[asked.what] is _printed:  # which has shown all there is
        return answer
    record, text = beside(asked.what, answer.record, answer.text)
    return replace(answer, record=record, text=text)


# ---------------------------------------------------------------------------------------------------------------
# What training brings back


@dataclass(frozen=True)
class _Ran:
    """The plan of what was missing, and what became of it; where nothing was to be run, what it would cost."""

    made: Plan
    speeds: list[Speed]
    run: bool
    done: list[Record]
    diverged: dict[Path, str]


def _training(asked: Asked) -> Answer:
    target = chosen(TARGETS[asked.what], asked.only)
    out = asked.out or Path("runs/reproduction")
    seeds = [0, 1, 2] if asked.seeds is None else asked.seeds
    lines = read_lines(asked.results or RESULTS)
    ran = _carried_out(asked, plan(target, asked.scale, seeds, lines, out), lines)
    why = {folder.name: text for folder, text in ran.diverged.items()}
    rows = rows_of(target, asked.scale, seeds, [*ran.made.lines, *ran.done], why)
    return _with_missing(asked, ran, _answer(asked, target, rows, out, ran.run))


def _carried_out(asked: Asked, made: Plan, lines: list[Record]) -> _Ran:
    """Runs what is missing, or writes a script of it, or neither, as it is asked."""
    known = recorded(lines, (asked.results or RESULTS).parent)
    speeds = speeds_here([given.recipe for given in made.missing], known, asked.device) if made.missing else []
    if asked.jobs and made.missing:
        write_jobs(made, asked.jobs, asked.results)
    run = asked.train and not asked.jobs
    if run:
        say(plan_text(made, speeds))
    done, diverged = carry_out_missing(made, asked.device, asked.results) if run else ([], made.diverged)
    return _Ran(made, speeds, run, done, diverged)


def _with_missing(asked: Asked, ran: _Ran, answer: Answer) -> Answer:
    """The answer with what is missing and what that costs, and what has diverged."""
    made = ran.made
    used = [(given, nearest(given.recipe.model, ran.speeds)) for given in made.missing]
    more = {
        "missing": [
            {"run": str(given.folder), "seconds": round(speed.seconds(given.recipe)), "from": speed.model}
            for given, speed in used
            if not ran.run
        ],
        "cost_from": list(dict.fromkeys(speed.said for _, speed in used)),
        "jobs": str(asked.jobs) if asked.jobs and made.missing else None,
        "diverged": {str(folder): why for folder, why in ran.diverged.items()},
    }
    text = answer.text if ran.run else f"{answer.text}\n\n{plan_text(made, ran.speeds)}"
    if ran.done and not asked.results:
        text += "\n\nNo file of results has these runs: typed again with --results FILE, the command adds them"
    return Answer({**answer.record, **more}, text, answer.failures, answer.diverged)


def _answer(asked: Asked, target: Target, rows: list[Row], out: Path, drawn: bool) -> Answer:
    """Table, claims and, where it is to be drawn, the figure of what has been run."""
    claims = [] if asked.scale == "smoke" else judged(target, rows)
    figure = save_curves(asked.what, target, rows, asked.scale, out) if drawn else None
    less = differences(rows)
    parts = [heading(target, asked.scale), table_text(rows, asked.scale, less), compared(target)]
    parts += ["\n".join(claims_lines(claims)), "\n".join(notes(rows)), target.remark, str(figure or "")]
    record = {
        "what": asked.what,
        "title": target.title,
        "source": target.source,
        "scale": asked.scale,
        "surrogate": surrogate_of(target.entries, asked.scale),
        "rows": [
            {**row.to_dict(), "difference": (less or {}).get(row.entry.name), "against": row.entry.against}
            for row in rows
        ],
        "claims": [one.to_dict() for one in claims],
        "figure": figure and str(figure),
    }
    unexpected = [str(out / row.entry.folder(row.scale, seed)) for row in lost(rows, claims) for seed in row.diverged]
    return Answer(record, "\n\n".join(filter(None, parts)), failures(rows, claims), unexpected)


def _figure7(asked: Asked) -> Answer:
    """Figure 7: runs of Figure 6, measured once they have finished."""
    out, source = asked.out or Path("runs/reproduction"), asked.results or STUDIES
    target = chosen(responses.TARGET, asked.only)
    measured = Responses(target=target, scale=asked.scale, asked=asked.seeds, source=source, out=out)
    began = has_responses(source)
    lines = read_lines(asked.results or RESULTS)
    ran = _carried_out(asked, measured.plan(lines), lines)
    if ran.run:
        measured.measure(asked.device, asked.results)
    remarks = measured.remarks(ran.made if not ran.run else None, asked.results, began)
    answer = responses.figure7(target, asked.scale, measured.found(), remarks, out if ran.run else None)
    return _with_missing(asked, ran, Answer(*answer, list(map(str, ran.diverged))))


# ---------------------------------------------------------------------------------------------------------------
# What is brought back in other ways


def _demonstration(asked: Asked) -> Answer:
    """The degradation on digits; it has one scale, and costs minutes."""
    if not asked.train:
        text = "four nets of 200 iterations each a seed, about two minutes a seed on two cores"
        return Answer({"what": asked.what, "surrogate": True, "plan": text}, text)
    seeds = [0, 1] if asked.seeds is None else asked.seeds
    record, text = degradation.reproduce(asked.out or Path("runs/degradation"), seeds, asked.device)
    failed = [] if record["degradation"] else ["the paper's degradation does not show"]
    return Answer(record, text, failed)


def _counts(asked: Asked) -> Answer:
    return Answer(*counts())


def _drawing(asked: Asked) -> Answer:
    """What is drawn from the networks themselves."""
    if not asked.train:
        text = "drawn from the networks themselves, in seconds: nothing is missing"
        return Answer({"what": asked.what, "plan": text}, text)
    return Answer(*_DRAWN[asked.what](asked.out or Path("runs/reproduction")))


_DRAWN: dict[str, Callable[[Path], tuple[Record, str]]] = {
    "figure2": partial(building_blocks, "figure2"),
    "figure3": figure3,
    "figure5": partial(building_blocks, "figure5"),
}


def _photographs(asked: Asked) -> Answer:
    """A table for ImageNet: carried out where ImageNet is there, or on drawn pictures; otherwise planned."""
    out = asked.out or Path("runs/reproduction")
    wanted = Wanted(
        what=asked.what,
        target=chosen(PHOTOGRAPHS[asked.what], asked.only),
        scale=asked.scale,
        seeds=[0] if asked.seeds is None else asked.seeds,
        out=out,
        given=asked.photographs,
        results=asked.results or PHOTOGRAPH_RESULTS,
        device=asked.device,
    )
    made, facts = wanted.plan, wanted.facts
    lines = [line for path in dict.fromkeys((RESULTS, wanted.results)) for line in read_lines(path)]
    known = recorded(lines, wanted.results.parent)
    record, text = photograph_plan(asked.what, made, known, asked.options, wanted.by_ten_crops)
    text = "\n".join([text, *given_up(made)])
    if asked.jobs and made.missing:
        if wanted.draws:
            draw_imagenet(out)
        write_jobs(made, asked.jobs, None)
    why = wanted.lacking if asked.train and not asked.jobs else None
    if not asked.train or asked.jobs or why:
        text += f"\n\nNothing is run: {why}" if why else ""
        return Answer({**facts, **record, "measured": False}, text, [f"{asked.what}: not measured"])
    say(text)
    return Answer(*carried_out(wanted, asked.results))


def _printed(asked: Asked) -> Answer:
    return Answer(*alone(asked.what))


def listing() -> list[Record]:
    """All there is to reproduce, in order: name, title, and how it is brought back."""
    return [{"name": name, "title": title, "how": how} for name, (title, how) in sorted(_TITLES.items(), key=_place)]


def _listed(asked: Asked) -> Answer:
    rows = listing()
    width = max(len(row["name"]) for row in rows)
    return Answer({"targets": rows}, "\n".join(f"{r['name']:<{width}}  {r['title']}: {r['how']}" for r in rows))


def _place(item: tuple[str, Any]) -> tuple[Any, ...]:
    """Figures, then tables, each by number; then the others by name."""
    found = re.fullmatch(r"(figure|table)(\d+)", item[0])
    return (0, found[1], int(found[2])) if found else (1, item[0], 0)


_TITLES: dict[str, tuple[str, str]] = {
    **{name: (printed.title, "printed only, nothing here measures it yet") for name, printed in TABLED.items()},
    **{name: (target.title, f"{len(target.entries)} networks trained") for name, target in TARGETS.items()},
    **{name: (target.title, f"{len(target.entries)} networks; needs ImageNet") for name, target in PHOTOGRAPHS.items()},
    "table1": (TABLED["table1"].title, "computed"),
    "figure2": ("a residual block", "drawn from the network"),
    "figure3": ("VGG-19, plain-34 and ResNet-34 side by side", "drawn from the networks"),
    "figure5": ("basic and bottleneck block", "drawn and counted from the networks"),
    "figure7": (
        "standard deviations of layer responses",
        f"{len(responses.TARGET.entries)} networks trained, then measured",
    ),
    "degradation": ("deeper plain nets train worse, on handwritten digits", "trained in minutes, a surrogate"),
}

WHAT: dict[str, Callable[[Asked], Answer]] = {
    "list": _listed,
    **dict.fromkeys(TABLED, _printed),
    **dict.fromkeys(TARGETS, _training),
    **dict.fromkeys(PHOTOGRAPHS, _photographs),
    "table1": _counts,
    **dict.fromkeys(_DRAWN, _drawing),
    "figure7": _figure7,
    "degradation": _demonstration,
}
"""By the name that `resnets reproduce` takes."""
