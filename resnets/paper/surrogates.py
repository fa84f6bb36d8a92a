"""What makes the runs of a target a surrogate: another scale than the paper's, or other data.

One function for headings, records, plans and figures, so that none of them says less than another.
"""

from collections.abc import Iterable

from resnets.classification.recipes import departures
from resnets.paper.entries import SURROGATES, Entry


def surrogate_of(entries: Iterable[Entry], scale: str) -> str | None:
    """What runs of `entries` at `scale` are instead of the paper's, in words; None where the paper's may stand beside.

    Of the data it says what the runs' own departures will. Whatever else a single entry changes is said in its row.
    """
    planned = [entry.planned("paper", 0) for entry in entries]
    phrases = dict.fromkeys(phrase for run in planned for phrase in departures(run, "fp32"))
    data = [phrase for phrase in phrases if phrase.startswith("data: ")]
    return "; ".join([*([SURROGATES[scale]] if scale in SURROGATES else []), *data]) or None
