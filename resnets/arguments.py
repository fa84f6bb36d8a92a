"""The verbs and their arguments, as the command line takes them. Nothing of torch is needed to parse or to help."""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from resnets.files import say
from resnets.runtime import DEVICES, PRECISIONS
from resnets.version import __version__

SEVERAL = {
    "train": "assignments",
    "plan": "assignments",
    "evaluate": "weights",
    "predict": "images",
    "compare": "folders",
    "study": "weights",
}
"""Verbs whose last operand is a list, by its name. argparse ends such a list at the first option."""
AddVerb = Callable[..., argparse.ArgumentParser]
"""(name, help, where=False) -> the parser of one more verb; with `where` it takes --device."""


class Parser(argparse.ArgumentParser):
    """argparse, with one line for an error."""

    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: {' '.join(message.split())} (`{self.prog} --help`)")
        sys.exit(2)


def parse(words: list[str]) -> argparse.Namespace:
    """The parsed command line, its verb in `verb`; what a verb takes several of may also stand behind options."""
    top = parser()
    arguments, rest = top.parse_known_args(words)
    if arguments.verb in SEVERAL:
        getattr(arguments, SEVERAL[arguments.verb]).extend(word for word in rest if not word.startswith("-"))
        rest = [word for word in rest if word.startswith("-")]
    if rest:
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    return arguments


def parser() -> argparse.ArgumentParser:
    """All verbs and their arguments."""
    top = Parser(prog="resnets", description="Deep residual learning: train, test, study and use residual networks.")
    top.add_argument("--version", action="version", version=f"resnets {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, help: str, *, where: bool = False) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=help, description=help)
        _add_json(sub)
        if where:
            sub.add_argument("--device", choices=DEVICES, default="auto")
        return sub

    _networks(verb)
    _data(verbs.add_parser("data", help="bring and prepare data sets", description="bring and prepare data sets"))
    _training(verb)
    _use(verb)
    _study(verb)
    return top


def _add_json(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="one JSON object on one line")


def _networks(verb: AddVerb) -> None:
    verb("models", "the catalogue: layers, parameters and multiply-adds of every network")
    sub = verb("describe", "one network: the paper's line of Table 1, stages, counts")
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("--layers", action="store_true", help="one row a layer")
    sub.add_argument("--draw", metavar="FILE", help="draw the whole network, as .svg or .png")


def _data(data: argparse.ArgumentParser) -> None:
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, help: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=help, description=help)
        _add_json(sub)
        return sub

    sub = action("fetch", "bring a data set")
    sub.add_argument("name", choices=("cifar10", "cifar100"))
    sub.add_argument("--from", dest="source", metavar="DIR", help="convert a local copy instead")

    sub = action("prepare", "make a layout that trains from ImageNet's archives")
    sub.add_argument("name", choices=("imagenet",))
    sub.add_argument("--from", dest="source", metavar="DIR", required=True, help="the archives, or what was unpacked")
    sub.add_argument("--out", metavar="DIR", help="default `imagenet` in $RESNETS_DATA, where its name finds it")
    sub.add_argument("--layout", choices=("folders", "shards", "index"), default="folders", help="default folders")
    _storing(sub)

    sub = action("shard", "write photographs of any layout to tars that are read in ranges of bytes")
    sub.add_argument("source", metavar="DATA")
    sub.add_argument("out", metavar="OUT", help="a new folder")
    _storing(sub)

    sub = action("check", "decode every picture: which are damaged, odd, there twice, or in training and test alike")
    sub.add_argument("source", metavar="DATA")
    sub.add_argument("--check", action="store_true", help="exit with 1 where a picture should be left out and is not")
    sub.add_argument(
        "--quarantine", action="store_true", help="name those in DATA/quarantine.txt: they are left out from then on"
    )

    sub = action("generate", "draw a tiny ImageNet, in its three archives, for trials")
    sub.add_argument("out", metavar="OUT", help="a new folder")
    sub.add_argument("--classes", metavar="N", type=int, default=4, help="2 to 8, default 4")
    sub.add_argument("--train", metavar="N", type=int, default=24, help="pictures of each class, default 24")
    sub.add_argument("--val", metavar="N", type=int, default=6, help="pictures of each class, default 6")
    sub.add_argument("--seed", metavar="N", type=int, default=0)


def _storing(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--shorter-side", metavar="PIXELS", type=int, help="store larger pictures at this size, as JPEG")
    sub.add_argument("--quality", metavar="Q", type=int, help="of these, 1 to 100; default 90")
    sub.add_argument("--shard-size", metavar="MB", type=int, default=1000, help="of a tar, default 1000")


def _training(verb: AddVerb) -> None:
    sub = verb("train", "train a network by a recipe", where=True)
    sub.add_argument("recipe", metavar="RECIPE", nargs="?", help="such as digits-resnet20, cifar10-resnet20-fast")
    sub.add_argument("assignments", metavar="field=value", nargs="*", help="fields of the recipe to change")
    sub.add_argument("--data", metavar="FOLDER", help="train on a folder of pictures, one sub-folder a class")
    sub.add_argument(
        "--weights", metavar="W", help="begin with these: a file, a run, `package`, `torchvision`; `none`: new ones"
    )
    sub.add_argument("--resume", metavar="DIR", help="go on with a stopped run")
    sub.add_argument("--list", action="store_true", help="say which recipes there are")
    sub.add_argument("--out", metavar="DIR", help="default runs/RECIPE-seedN; an existing run is refused")
    sub.add_argument("--seeds", metavar="A..B", help="several runs, side by side; the same command goes on with them")
    sub.add_argument("--precision", choices=PRECISIONS)
    _add_results(sub)


def _add_results(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--results", metavar="FILE", help="append what was measured to a results file (.jsonl)")


def _use(verb: AddVerb) -> None:
    sub = verb("evaluate", "test error of weights; several make an ensemble", where=True)
    sub.add_argument("weights", metavar="WEIGHTS", nargs="+")
    sub.add_argument("--data", metavar="D", required=True, help="digits, cifar10, cifar100 or a path")
    sub.add_argument("--protocol", metavar="P,...", default="single", help="single, ten-crop, dense, or several")
    sub.add_argument("--precision", choices=PRECISIONS, default="fp32")
    _testing(sub)

    sub = verb("predict", "what a network sees in pictures", where=True)
    sub.add_argument("weights", metavar="WEIGHTS")
    sub.add_argument(
        "images", metavar="IMAGE", nargs="+", help="a picture, a folder of them, or - for one on standard input"
    )
    sub.add_argument("--csv", action="store_true", help="a table: a row for each picture")
    sub.add_argument("--save", metavar="DIR", help="draw the predictions on copies of the pictures")

    sub = verb("convert", "weights of others become a file of this package, or of torchvision or timm")
    sub.add_argument(
        "file", metavar="FILE", help="as torchvision, timm, Caffe, Torch7, detectron2, Keras, ... write it"
    )
    sub.add_argument("--out", metavar="FILE", help="default FILE's name with .safetensors, in this folder")
    sub.add_argument("--to", choices=("torchvision", "timm"), help="write it as they do")
    sub.add_argument(
        "--partial", action="store_true", help="take what is there, though tensors are missing or left over"
    )
    sub.add_argument("--mean", metavar="FILE", help="the mean image of the original release (.binaryproto)")
    sub.add_argument("--model", metavar="NAME", help="the network, where the file fits several")
    sub.add_argument("--origin", metavar="LAYOUT", help="whose conventions they follow, where the names do not say it")

    sub = verb("export", "a trained network as a file that other programs run, checked beside PyTorch")
    sub.add_argument("weights", metavar="WEIGHTS")
    sub.add_argument(
        "--out", metavar="FILE", required=True, help="new; .onnx, .pt2 (torch.export) or .xml (OpenVINO) says as what"
    )


def _testing(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--scales",
        metavar="S,...",
        type=_numbers,
        default=(),
        help="dense: shorter sides; the paper's are 224,256,384,480,640",
    )
    sub.add_argument("--flips", action="store_true", help="dense: mirror images too")
    sub.add_argument("--batch-size", metavar="N", type=int, help="images that go through a network at once")
    sub.add_argument("--threads", metavar="N", type=int, help="that decode pictures; default one a core")
    sub.add_argument(
        "--cache", metavar="DIR", type=Path, help="where scores are kept; default `scores` in $RESNETS_DATA"
    )
    sub.add_argument("--no-cache", action="store_true", help="neither look for kept scores nor keep any")
    sub.add_argument(
        "--submission", metavar="FILE", type=Path, help="write a file for the ILSVRC test server; needs no labels"
    )
    sub.add_argument("--synsets", metavar="FILE", type=Path, help="with --submission: meta.mat of the development kit")


def _numbers(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d{0,4}(,[1-9]\d{0,4})*", text):
        raise argparse.ArgumentTypeError(f"{text!r}, allowed are whole numbers such as 224,256,384")
    return tuple(map(int, text.split(",")))


def _reproducing(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("what", metavar="WHAT", help="such as table6, figure6, degradation; list says them all")
    sub.add_argument("--out", metavar="DIR", help="where runs are, default runs/reproduction; degradation has its own")
    sub.add_argument("--seeds", metavar="A..B", help="paired seeds, such as 0..4 or 3; default 0..2")
    sub.add_argument("--scale", help="paper, short (a tenth of it) or smoke (seconds); default paper")
    sub.add_argument("--only", metavar="NET,...", help="some of its networks, such as resnet20,plain20")
    sub.add_argument("--photographs", metavar="D", help="for ImageNet's tables; default imagenet, smoke: drawn ones")


def _study(verb: AddVerb) -> None:
    sub = verb("compare", "overlay runs, and where two of them part")
    sub.add_argument("folders", metavar="RUN", nargs="+")
    sub.add_argument("--out", metavar="FILE", default="comparison.html")

    verb("report", "write the page of a run again").add_argument("folder", metavar="RUN")

    sub = verb("reproduce", "a table or figure of the papers: runs what is missing, says how it came out", where=True)
    _reproducing(sub)
    sub.add_argument("--check", action="store_true", help="exit with 1 where it is not as the paper has it")
    _add_results(sub)

    sub = verb("plan", "what is missing of a table or figure and what it costs here, or a recipe on GPUs", where=True)
    sub.set_defaults(device=None)
    _reproducing(sub)
    sub.add_argument("--jobs", metavar="FILE", help="write a script that runs them, by Slurm or on several GPUs")
    _add_results(sub)
    sub = sub.add_argument_group("of a recipe, from what was measured on one GPU")
    sub.add_argument("assignments", metavar="field=value", nargs="*", help="fields of the recipe to change")
    sub.add_argument("--images-per-second", metavar="N", type=float, help="what one GPU trains on")
    sub.add_argument("--measured", metavar="FILE", help="take it from a file that `resnets bench --results` wrote")
    sub.add_argument("--gpus", metavar="N,...", type=_numbers, help="default 1,8,64")
    sub.add_argument("--price", metavar="P", type=float, help="of a GPU an hour")
    sub.add_argument("--link", metavar="GB/s", type=float, help="what a GPU sends to another in a second, gigabytes")

    sub = verb("study", "what happens inside networks", where=True)
    sub.add_argument(
        "what", metavar="WHAT", choices=("responses", "lesions", "gradients", "learning", "growth", "line")
    )
    sub.add_argument("weights", metavar="WEIGHTS", nargs="*", help="of a run that has not finished the last checkpoint")
    sub.add_argument("--new", metavar="NAME,...", help="networks as they are initialised")
    sub.add_argument("--data", metavar="D", help="default what the networks were trained on")
    sub.add_argument("--images", metavar="N", type=int, help="the first so many only")
    sub.add_argument("--seed", metavar="N", type=int, default=0)
    sub.add_argument("--into", metavar="NAME", help="growth: the deeper network")
    sub.add_argument("--iterations", metavar="N", type=int, help="growth, learning: of training; default 100, 400")
    sub.add_argument("--out", metavar="FILE", help="the figure, default WHAT.png")
    _add_results(sub)

    sub = verb("bench", "how fast training, inference and evaluation are here, beside their peers in the same run")
    sub.add_argument("kind", choices=("training", "seeds", "inference", "evaluation"))
    sub.add_argument("model", metavar="NAME", nargs="?", default="cifar_resnet20")
    sub.add_argument(
        "--batch",
        metavar="N",
        type=int,
        help="images a step; default 128, large ones 16, evaluation 2000, on CUDA more",
    )
    sub.add_argument("--sides", metavar="A,B", help="some of the sides only")
    sub.add_argument("--data", metavar="D", help="inference: labelled images, for the error of each side")
    sub.add_argument("--rounds", metavar="N", type=int, default=5)
    sub.add_argument("--seconds", metavar="S", type=float, default=5.0, help="of each side in each round")
    _add_results(sub)

    sub = verb("doctor", "what is installed, what the hardware can do, what is wrong")
    sub.add_argument("--check", action="store_true", help="exit with 1 where something is wrong")
