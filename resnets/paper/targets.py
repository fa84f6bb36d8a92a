"""What `resnets reproduce` brings back by training on CIFAR: the papers' tables and figures as rows, and their claims.

A row names the recipe that is run for it and the paper's figure; what of that was measured, and whether it is what the
paper says, is worked out in `verdicts.py`. The paper's figures and bands: `published.py`. The tables of ImageNet:
`photographs.py`; Figure 7, which is measured after training: `figure7.py`.
"""

from resnets.paper.entries import Claim, Target
from resnets.paper.questions import QUESTIONS
from resnets.paper.recipe_entries import own
from resnets.paper.related_targets import RELATED_TARGETS

_PAPER = "arXiv:1512.03385"
_TRAIN, _TWENTY, _FIFTY_SIX = "train_error", "cifar10-plain20", "cifar10-plain56"
_DEGRADES = (
    Claim(
        text="plain nets degrade: plain-56 trains worse than plain-20",
        worse=_FIFTY_SIX,
        than=_TWENTY,
        by=2.0,
        error=_TRAIN,
        every_seed=True,
    ),
    Claim(text="and tests worse", worse=_FIFTY_SIX, than=_TWENTY, by=2.0, every_seed=True),
)
_RESIDUAL_GAIN = (
    Claim(text="ResNet-44 is better than ResNet-20", worse="cifar10-resnet20", than="cifar10-resnet44"),
    Claim(text="ResNet-56 is better than ResNet-20", worse="cifar10-resnet20", than="cifar10-resnet56", by=0.7),
    Claim(text="ResNet-110 is better than ResNet-32", worse="cifar10-resnet32", than="cifar10-resnet110"),
)
_DEEPEST = (
    Claim(text="ResNet-1202 trains to almost no error", worse="cifar10-resnet1202", by=0.3, error=_TRAIN, below=True),
    Claim(text="and tests worse than ResNet-110", worse="cifar10-resnet1202", than="cifar10-resnet110", weak=True),
)
_SCATTERS_LITTLE = Claim(
    text="five runs of ResNet-110 deviate little",
    worse="cifar10-resnet110",
    by=0.35,
    below=True,
    spread=True,
    seeds=5,
)
"""The paper's own five: 0.16."""


# ---------------------------------------------------------------------------------------------------------------
# Tables and figures

TARGETS: dict[str, Target] = {
    "figure1": Target(
        title="plain-20 and plain-56 on CIFAR-10",
        source=f"{_PAPER}, Figure 1",
        entries=own((20, 56), "plain"),
        claims=_DEGRADES,
        curves=True,
        apart=True,
    ),
    "table6": Target(
        title="test error on CIFAR-10",
        source=f"{_PAPER}, Table 6",
        entries=own((20, 32, 44, 56, 110, 1202), "resnet"),
        claims=(*_RESIDUAL_GAIN, *_DEEPEST, _SCATTERS_LITTLE),
        curves=True,
        remark="The paper ran ResNet-110 five times (`--seeds 0..4`), the others once.",
    ),
    "figure6": Target(
        title="plain and residual nets on CIFAR-10",
        source=f"{_PAPER}, Figure 6",
        entries=(*own((20, 32, 44, 56, 110), "plain"), *own((20, 32, 44, 56, 110, 1202), "resnet")),
        claims=(
            *_DEGRADES,
            Claim(
                text="plain-44 trains worse than plain-20",
                worse="cifar10-plain44",
                than=_TWENTY,
                by=0.5,
                error=_TRAIN,
            ),
            Claim(text="plain-44 tests worse than plain-20", worse="cifar10-plain44", than=_TWENTY),
            Claim(text="plain-56 is worse than plain-44", worse=_FIFTY_SIX, than="cifar10-plain44"),
            Claim(
                text="plain-110 fails",
                worse="cifar10-plain110",
                by=40.0,
                error=_TRAIN,
                or_diverges=True,
                weak=True,
            ),
            Claim(
                text="ResNet-56 is far better than plain-56",
                worse=_FIFTY_SIX,
                than="cifar10-resnet56",
                by=4.0,
                every_seed=True,
            ),
            Claim(
                text="ResNet-56 trains better than ResNet-20",
                worse="cifar10-resnet20",
                than="cifar10-resnet56",
                error=_TRAIN,
            ),
            *_RESIDUAL_GAIN,
            *_DEEPEST,
            _SCATTERS_LITTLE,
        ),
        curves=True,
    ),
    **QUESTIONS,
    **RELATED_TARGETS,
}
"""By the name that `resnets reproduce` takes."""
