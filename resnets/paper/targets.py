"""What `resnets reproduce` brings back by training: the tables and figures of the papers as rows, their claims too.

A row names the recipe that is run for it and the paper's figure; what of that was measured, and whether it is what the
paper says, is worked out in `verdicts.py`. The paper's figures and bands: `published.py`.
"""

from resnets.paper.entries import Claim, Target
from resnets.paper.questions import QUESTIONS
from resnets.paper.recipe_entries import entry_of, own, rows

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
_AT_164 = Claim(
    text="full pre-activation is better at 164 layers",
    worse="cifar10-resnet164",
    than="cifar10-preact_resnet164",
    by=0.1,
    seeds=5,
)
_RESNET_110 = entry_of("cifar10-resnet110", "the mean of five runs in ResNet's paper, 6.61 ± 0.16", paper=6.61)
"""In the tables of Identity Mappings."""
_BOTH = ("cifar10", "cifar100")
_MANIPULATED = ("scaling", "exclusive_gating", "conv", "dropout")
_ORDERS = ("bn_after_addition", "relu_before_addition", "relu_only")


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
    "identity-shortcuts": Target(
        title="manipulated shortcuts of ResNet-110 on CIFAR-10",
        source="arXiv:1603.05027, Table 1",
        entries=(
            _RESNET_110,
            *rows(f"cifar10-resnet110_{kind}" for kind in (*_MANIPULATED, "shortcut_gating")),
        ),
        claims=tuple(
            Claim(
                text=f"{kind.replace('_', ' ')} on the shortcut is worse than the identity",
                worse=f"cifar10-resnet110_{kind}",
                than="cifar10-resnet110",
                by=1.5,
            )
            for kind in _MANIPULATED
        ),
    ),
    "identity-orders": Target(
        title="orders of activation on CIFAR-10",
        source="arXiv:1603.05027, Table 2",
        entries=(
            _RESNET_110,
            *rows(
                f"cifar10-{name}"
                for depth in (110, 164)
                for name in (f"resnet{depth}", *(f"resnet{depth}_{o}" for o in _ORDERS), f"preact_resnet{depth}")
                if name != "resnet110"
            ),
        ),
        claims=(_AT_164,),
    ),
    "identity-depths": Target(
        title="the unit of ResNet and full pre-activation, CIFAR-10 and -100",
        source="arXiv:1603.05027, Table 3",
        entries=(
            _RESNET_110,
            *rows(["cifar10-preact_resnet110"]),
            *rows(f"{d}-{unit}{n}" for d in _BOTH for n in (164, 1001) for unit in ("resnet", "preact_resnet")),
        ),
        claims=(
            _AT_164,
            Claim(
                text="full pre-activation is better at 1001 layers",
                worse="cifar10-resnet1001",
                than="cifar10-preact_resnet1001",
                by=1.5,
            ),
        ),
    ),
    "stochastic-depth": Target(
        title="constant and stochastic depth, CIFAR-10 and -100",
        source="arXiv:1603.09382, Table 1",
        entries=(
            entry_of("cifar10-resnet110_sd-constant-depth", paper=6.41),
            entry_of("cifar100-resnet110_sd-constant-depth", paper=27.76),
            entry_of("cifar10-resnet1202_sd-constant-depth", paper=6.67),
            *rows(["cifar10-resnet110_sd", "cifar100-resnet110_sd", "cifar10-resnet1202_sd"]),
        ),
        claims=(
            Claim(
                text="stochastic depth is better at 110 layers",
                worse="cifar10-resnet110_sd-constant-depth",
                than="cifar10-resnet110_sd",
                by=0.6,
            ),
            Claim(
                text="and at 1,202",
                worse="cifar10-resnet1202_sd-constant-depth",
                than="cifar10-resnet1202_sd",
                by=1.0,
            ),
        ),
    ),
    "wide": Target(
        title="wide residual networks, CIFAR-10 and -100",
        source="arXiv:1605.07146, Tables 5 and 6",
        entries=rows(f"{d}-wrn_{net}" for d in _BOTH for net in ("40_4", "16_8", "28_10")),
        remark="The paper gives the median of five runs.",
    ),
    "resnext": Target(
        title="ResNeXt-29, CIFAR-10 and -100",
        source="arXiv:1611.05431, section 5.3",
        entries=rows(f"{d}-resnext29_{net}" for d in _BOTH for net in ("8x64d", "16x64d")),
        remark="The paper gives the mean of ten runs.",
    ),
    "rir": Target(
        title="ResNet in ResNet, CIFAR-10 and -100",
        source="arXiv:1603.08029",
        entries=rows(f"{d}-rir18_wide" for d in _BOTH),
    ),
    "ror": Target(
        title="residual networks of residual networks, CIFAR-10 and -100",
        source="arXiv:1608.02908",
        entries=rows(f"{d}-ror3_{net}" for d in _BOTH for net in ("110", "wrn_58_4")),
    ),
}
"""By the name that `resnets reproduce` takes."""
