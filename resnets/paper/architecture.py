"""Table 1's layers and the numbers of parameters, and the same of the networks themselves.

The paper prints layers and multiply-adds of its networks for ImageNet, no parameters; those of its networks for
CIFAR-10 it rounds. What parameters they have follows from the layers: convolutions without bias, BN with scale and
shift after each, one fully connected layer with bias.
"""

from itertools import groupby

from resnets.models.catalog import blueprint, model_spec, row
from resnets.models.layers import Layer
from resnets.models.outline import Outline, Stage, outline
from resnets.paper.tables import DEPTHS, TABLES

EXACT = {
    "plain18": 11_515_688,
    "resnet18_a": 11_515_688,
    "resnet18": 11_689_512,
    "plain34": 21_623_848,
    "resnet34_a": 21_623_848,
    "resnet34": 21_797_672,
    "resnet34_c": 22_716_840,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet50_v1_5": 25_557_032,
    "resnet101_v1_5": 44_549_160,
    "resnet152_v1_5": 60_192_808,
    "cifar_resnet20": 269_722,
    "cifar_resnet32": 464_154,
    "cifar_resnet44": 658_586,
    "cifar_resnet56": 853_018,
    "cifar_resnet110": 1_727_962,
    "cifar_resnet1202": 19_421_274,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}
"""Parameters, worked out from the papers' layers apart from the networks here."""
TWINS = {
    "plain18": "resnet18_a",
    "plain34": "resnet34_a",
    **{f"cifar_plain{depth}": f"cifar_resnet{depth}" for depth in (20, 32, 44, 56, 110)},
}
"""Plain networks and the residual ones of the same layers, with shortcuts that have no parameters (option A)."""

StageLayers = dict[str, tuple[str, str, int]]
"""By the name of a stage: the size of its maps, the layers of one of its blocks, and how many blocks it has."""


def printed_layers(depth: int) -> StageLayers:
    """What Table 1 says of its network of `depth` layers; ValueError where it has none."""
    if depth not in DEPTHS:
        raise ValueError(f"depth is {depth}, allowed are {', '.join(map(str, DEPTHS))}")
    table = TABLES["table1"]
    head = next(head for head in table.head if head.endswith(_LAYERS) and str(depth) in _depths(head))
    layers, numbers, sizes = table.column(head), table.column(str(depth)), table.column("output")
    return {
        stage: (str(sizes[stage]), str(block), _whole(numbers[stage]))
        for stage, block in layers.items()
        if block is not None
    }


_LAYERS = " layers"


def _depths(head: str) -> list[str]:
    """ "18, 34 layers": the networks that have these blocks."""
    return head.removesuffix(_LAYERS).split(", ")


def _whole(cell: object) -> int:
    """A number of blocks, 1 where none is printed."""
    return cell if isinstance(cell, int) else 1


def built_layers(name: str) -> StageLayers:
    """The same of the network `name`, read off it."""
    model, layers = blueprint(name)
    return _described(outline(model, row(name).input_size, layers))


def _described(whole: Outline) -> StageLayers:
    found: StageLayers = {}
    for stage in whole.stages:
        for words, number in _blocks(stage, whole):
            name = "pool" if words.endswith("max pool, stride 2") else stage.name
            size = "{}x{}".format(*stage.output_size)
            _, others, so_far = found.get(name, (size, "", 0))  # a stage whose blocks differ has all their layers
            found[name] = (size, f"{others} and {words}" if others else words, so_far + number)
    return found


def _blocks(stage: Stage, whole: Outline) -> list[tuple[str, int]]:
    """Blocks that have the same layers, counted."""
    words = [_words(block.layers, whole) for block in stage.blocks]
    return [(said, len(list(group))) for said, group in groupby(words)]


def _words(layers: tuple[Layer, ...], whole: Outline) -> str:
    """ "1x1, 64; 3x3, 64; 1x1, 256". A layer alone says its stride; of blocks the sizes of maps say it."""
    if layers[0].kind == "fc":
        return f"{'average pool, ' if whole.global_pooling else ''}{layers[0].out_channels}-d fc"
    said = []
    for layer in layers:
        what = "max pool" if layer.kind == "max pool" else f"{layer.out_channels}"
        said.append(f"{layer.kernel}x{layer.kernel}{' ' if layer.kind == 'max pool' else ', '}{what}")
    return f"{said[0]}, stride {layers[0].stride}" if len(layers) == 1 else "; ".join(said)


def different_stages(name: str) -> list[str]:
    """The stages in which the network `name`, such as resnet50, is not as Table 1 has it."""
    printed, built = printed_layers(model_spec(name).layers), built_layers(name)
    return [stage for stage in {**printed, **built} if printed.get(stage) != built.get(stage)]
