"""What a command line asks of `resnets reproduce`, and what came of it."""

from dataclasses import dataclass, field
from pathlib import Path

from resnets.paper.lines import Record


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a command line asks for; None where it says nothing."""

    what: str
    seeds: list[int] | None = None
    scale: str = "paper"
    only: list[str] | None = None
    out: Path | None = None
    results: Path | None = None
    """Where lines are read from, and added to."""
    device: str = "auto"
    train: bool = True
    """Whether what is missing is run; otherwise it is said what that would cost."""
    photographs: str | None = None
    """Photographs for the tables of ImageNet: what `open_photographs` takes."""
    jobs: Path | None = None
    """A script to be written that runs it elsewhere."""

    @property
    def options(self) -> list[str]:
        """The words that say which of its runs are meant."""
        seeds = f"{self.seeds[0]}..{self.seeds[-1]}" if self.seeds else None
        given = {
            "seeds": seeds,
            "scale": None if self.scale == "paper" else self.scale,
            "only": ",".join(self.only) if self.only else None,
            "out": self.out,
            "photographs": self.photographs,
            "results": self.results,
        }
        return [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]


@dataclass(frozen=True)
class Answer:
    """What came of it; `failures` is empty where it is as the paper has it."""

    record: Record
    text: str
    failures: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    """The folders of runs that did, now or before, and of which nothing says that they may."""
