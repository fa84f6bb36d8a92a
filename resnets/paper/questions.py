"""Questions that the paper raises, or leaves open, as targets on CIFAR-10: the same few nets trained otherwise."""

from dataclasses import replace

from resnets.paper.entries import Claim, Entry, Target
from resnets.paper.recipe_entries import changed, entry_of, own

_PAPER = "arXiv:1512.03385"
_TRAIN, _TWENTY, _FIFTY_SIX = "train_error", "cifar10-plain20", "cifar10-plain56"
_THREE_TIMES = {"three times": ("iterations=192000", "milestones=96000,144000")}
_OPTIONS = {option: (f"changes.shortcut={option}",) for option in ("B", "C")}
_COLD, _WARM = {"from 0.1": ("warmup_lr=none",)}, {"warmed up": ("warmup_lr=0.01",)}
"""The paper warms up 110 layers, and says what comes of it otherwise; shallower nets it does not warm up."""
_CHOICES = {
    "fan-out": ("initialisation=fan_out",),
    "zeros on both sides": ("changes.zeros=both",),
    "decay of all": ("decay=all",),
    "channel mean": ("normalisation=channel_mean",),
}
"""What the other reading of each choice is called, and the fields it changes."""


def _and_changed(family: str, depth: int, options: dict[str, tuple[str, ...]]) -> tuple[Entry, ...]:
    """A network as the paper trains it, and beside it what becomes of it when fields are changed."""
    name = f"cifar10-{family}{depth}"
    return *own((depth,), family), *changed(name, options, against=name)


QUESTIONS: dict[str, Target] = {
    "shortcuts": Target(
        title="shortcut options A, B and C on CIFAR-10",
        source="A question of section 4.1, which the paper answers on ImageNet (Table 3)",
        entries=(*own((20,), "plain"), *_and_changed("resnet", 20, _OPTIONS)),
        claims=tuple(
            Claim(text=f"{name} is better than no shortcut", worse=_TWENTY, than=name, every_seed=True)
            for name in ("cifar10-resnet20", *(f"cifar10-resnet20, {option}" for option in _OPTIONS))
        ),
        curves=True,
    ),
    "three-times": Target(
        title="plain nets with three times the iterations on CIFAR-10",
        source="A question of section 4.1 (footnote 3), which the paper answers on ImageNet",
        entries=(*_and_changed("plain", 20, _THREE_TIMES), *_and_changed("plain", 56, _THREE_TIMES)),
        claims=(
            Claim(
                text="plain-56 still trains worse than plain-20",
                worse=f"{_FIFTY_SIX}, three times",
                than=f"{_TWENTY}, three times",
                by=2.0,
                error=_TRAIN,
                every_seed=True,
            ),
        ),
        curves=True,
    ),
    "warm-up": Target(
        title="ResNets with and without a warm-up on CIFAR-10",
        source=f"{_PAPER}, section 4.2: at 110 layers a rate of 0.01 until the training error is below 80 %",
        entries=(
            *_and_changed("resnet", 110, _COLD),
            *_and_changed("resnet", 56, _WARM),
            *_and_changed("resnet", 32, _WARM),
        ),
        claims=(
            Claim(
                text="ResNet-110 ends alike with its warm-up and without",
                worse="cifar10-resnet110, from 0.1",
                than="cifar10-resnet110",
                by=0.4,
                alike=True,
            ),
            Claim(
                text="without one ResNet-110 has hardly begun to learn after an epoch, 391 iterations",
                worse="cifar10-resnet110, from 0.1",
                by=80.0,
                error=_TRAIN,
                after=400,
                weak=True,
            ),
        ),
        curves=True,
        remark="The paper warms up none but the network of 110 layers.",
    ),
    "choices": Target(
        title="one choice after the other that the paper leaves open, ResNet-20 on CIFAR-10",
        source="README, deviations and choices",
        entries=(
            *_and_changed("resnet", 20, _CHOICES),
            replace(entry_of("cifar10-resnet20-45k"), against="cifar10-resnet20"),
        ),
    ),
}
"""By the name that `resnets reproduce` takes."""
