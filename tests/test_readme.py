"""Every command of the README is run, or at least parsed; every file it names or links to is there.

How each command is treated is said in `HOW`; one that is not listed there fails.

    run        as it stands, through `resnets.cli.main`, in a temporary folder
    shortened  the same with `SHORT` behind it: the digits for CIFAR-10, four iterations of sixteen images; pages of
               trainings have blank figures, `resnets report` and `compare` draw theirs
    parsed     by the real parser only, because it asks the network or takes minutes
    torchrun   by torchrun's parser and ours; tests/test_ranks.py starts it
    module     `python -m resnets.documents ...` with nothing to do: tests/test_documents.py asks what it asks
    make       the target is there, with what it runs
    shell      sets up the shell; the folder it names is the one that the Makefile makes
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from commands import blank_figures
from PIL import Image
from torch.distributed.run import parse_args as parse_torchrun

from resnets.arguments import parse
from resnets.cli import main
from resnets.documents import filling as documents

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

HOW = {
    "make demo": "make",
    "make test": "make",
    "make check": "make",
    "source .venv/bin/activate": "shell",
    "resnets data": "run",
    "resnets data fetch": "parsed",
    "resnets train": "shortened",
    "resnets train digits-resnet20 --seeds": "parsed",
    "resnets train --resume": "run",
    "resnets train --list": "run",
    "resnets reproduce": "parsed",
    "resnets reproduce list": "run",
    "resnets plan table6": "parsed",
    "resnets plan cifar10-resnet110": "run",
    "resnets study": "run",
    "resnets evaluate": "run",
    "resnets predict": "run",
    "resnets export": "parsed",
    "resnets compare": "run",
    "resnets report": "run",
    "resnets models": "run",
    "resnets describe": "run",
    "resnets doctor": "run",
    "python -m resnets.documents": "module",
    "resnets bench": "parsed",
    "torchrun": "torchrun",
}
SHORT = "data=digits iterations=4 batch_size=16 log_every=2 evaluate_every=4 checkpoint_every=4 milestones="


def blocks(language: str) -> list[str]:
    """The contents of the README's code blocks in `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines() if line.strip()]


def how(command: str) -> str:
    """The entry of `HOW` with the longest prefix of `command`."""
    prefixes = [prefix for prefix in HOW if command.startswith(prefix)]
    assert prefixes, f"the README's command {command!r} is not in HOW: say how it is tested"
    return HOW[max(prefixes, key=len)]


DOCUMENTED = {
    line
    for path in sorted((ROOT / "docs").glob("*.md"))
    for block in re.findall(r"^```bash\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("resnets ")
}


@pytest.mark.parametrize("command", sorted(DOCUMENTED))
def test_a_command_of_the_documents_is_one(command: str) -> None:
    """As the parser takes it; a comment may stand behind it."""
    assert parse(shlex.split(command, comments=True)[1:]).verb


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the files that the README's commands name, in which all of them run one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    names = ("picture.png", *(f"pictures/{kind}/{i}.jpg" for kind in ("cat", "dog") for i in range(1, 5)))
    for place, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = "tan" if "cat" in name else "navy"
        Image.new("RGB", (40 + place, 36), colour).save(path)  # no two the same
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command)
    match how(command):
        case "run":
            assert main(_on_digits(words[1:])) == 0
        case "shortened":
            # a folder of pictures stays one
            short = [s for s in SHORT.split() if "--data" not in words or not s.startswith("data=")]
            monkeypatch.setattr("resnets.report.page._figures", blank_figures)
            assert main([*words[1:], *short]) == 0
        case "parsed":
            parse(words[1:])
        case "torchrun":
            given = parse_torchrun(words[1:])
            assert (given.module, given.training_script) == (True, "resnets.cli")
            parse(given.training_script_args)
        case "module":
            assert words[:3] == ["python", "-m", "resnets.documents"]
            monkeypatch.chdir(ROOT)
            for asked in ("stale", "stale_counts", "stale_figures"):
                monkeypatch.setattr(documents, asked, lambda *_: {})
            assert documents.main(words[3:]) == 0
        case "make":
            dry = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True)
            assert dry.returncode == 0, dry.stderr
            runs = {"demo": "resnets reproduce degradation", "test": "python -m pytest", "check": "pyright"}
            assert runs[words[1]] in dry.stdout
        case "shell":
            assert words == ["source", ".venv/bin/activate"]
            assert "VENV := .venv\n" in (ROOT / "Makefile").read_text()


def _on_digits(words: list[str]) -> list[str]:
    """The runs were shortened to digits, so that is what they are evaluated on."""
    return ["digits" if word == "cifar10" else word for word in words]


def test_the_commands_left_what_the_readme_promises(workplace: Path) -> None:
    run = workplace / "runs" / "cifar10-resnet20-fast-seed0"
    if not run.exists():
        pytest.skip("only after test_command")
    for name in ("recipe.json", "metrics.jsonl", "losses.f32", "checkpoints", "model.safetensors", "report.html"):
        assert (run / name).exists()
    assert (workplace / "drawn" / "picture.png").exists()
    assert (workplace / "network.png").exists()


def test_python_blocks(workplace: Path) -> None:
    if not (workplace / "runs" / "cifar10-resnet20-fast-seed0").exists():
        assert main(["train", "cifar10-resnet20-fast", *SHORT.split()]) == 0
    before = torch.get_rng_state()
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {})
    torch.set_rng_state(before)


def test_every_link_within_the_project_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", README)
    inner = [a or b for a, b in links if not (a or b).startswith(("http:", "https:", "#"))]
    assert inner
    assert [link for link in inner if not (ROOT / link).exists()] == []


def test_the_first_two_commands_come_first() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]
