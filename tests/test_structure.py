"""The house as the README draws it: layers, short files, what an import costs, one version, nothing of one machine."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import resnets
from resnets.arguments import parser

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "resnets"
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    {"base"},
    {"models", "data"},
    {"training", "evaluation", "report"},
    {"classification"},
    {"paper", "bench"},
    {"documents"},
    {"cli", "arguments", "verbs", "train_verb", "answers", "doctor"},
)
"""From left to right. A file imports from rooms to the left of its own, and from its own; but see `MEETS`."""
BASE = ("version", "files", "runtime", "native", "preprocessing", "ranks", "group", "watch", "cuda_graphs")
MEETS = {
    ("cli", "arguments"),
    ("cli", "verbs"),
    ("verbs", "train_verb"),
    ("verbs", "doctor"),
    *((verbs, "answers") for verbs in ("cli", "verbs", "train_verb")),
}
"""Imports within one layer that are meant."""

LONGEST_FILE, LONGEST_FUNCTION = 300, 60
LONGER_FUNCTIONS = {"resnets/training/loop.py: train"}
"""The loop is read from top to bottom."""


def _room(module: str) -> str:
    """The room of a module such as `resnets.models.blocks`."""
    part = module.split(".")[1]
    return "base" if part in BASE else part


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path) -> Iterator[str]:
    """Every module of this package that `path` imports, also inside functions, as `resnets.room...`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "resnets")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module == "resnets":
                yield from (f"resnets.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("resnets."):
                yield node.module


def _layer(room: str) -> int:
    found = [i for i, rooms in enumerate(LAYERS) if room in rooms]
    assert found, f"{room} stands in no layer"
    return found[0]


def _allowed(importer: str, imported: str) -> bool:
    same = importer == imported or (importer, imported) in MEETS
    return same or _layer(imported) < _layer(importer)


@pytest.mark.parametrize("path", [p for p in FILES if p != PACKAGE / "__init__.py"], ids=_module)
def test_imports_go_to_the_left(path: Path) -> None:
    own = _room(_module(path))
    wrong = [name for name in _imports(path) if name != "resnets" and not _allowed(own, _room(name))]
    assert wrong == [], f"{own} may not import these"


def test_the_rule_itself() -> None:
    assert _allowed("paper", "models")
    assert _allowed("report", "models")
    assert not _allowed("models", "data")
    assert not _allowed("training", "evaluation")
    assert not _allowed("base", "models")
    assert not _allowed("classification", "paper")
    assert not _allowed("doctor", "cli")


@pytest.mark.parametrize("folder", ["resnets", "benchmarks"])
def test_files_and_functions_are_short(folder: str) -> None:
    long = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        if (lines := text.count("\n")) > LONGEST_FILE:
            long.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and f"{name}: {node.name}" not in LONGER_FUNCTIONS:
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    long.append(f"{name}: {node.name} has {length} lines")
    assert long == []


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


# ---------------------------------------------------------------------------------------------------------------
# What an import costs


def _verbs() -> list[list[str]]:
    """The words of every verb, `data fetch` among them."""
    found: list[list[str]] = []

    def walk(parser_: object, words: list[str]) -> None:
        actions = getattr(parser_, "_actions")  # noqa: B009 - argparse has no public way
        below = [action.choices for action in actions if type(action).__name__ == "_SubParsersAction"]
        if not below:
            found.append(words)
        for name, sub in below[0].items() if below else ():
            walk(sub, [*words, name])

    walk(parser(), [])
    return found


def test_neither_importing_nor_help_imports_torch() -> None:
    code = f"""
import contextlib, io, sys
import resnets, resnets.cli
assert resnets.__version__
heavy = lambda: [name for name in ("torch", "numpy", "matplotlib", "sklearn", "PIL") if name in sys.modules]
assert not heavy(), heavy()
for words in {_verbs()!r}:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            resnets.cli.main([*words, "--help"])
        except SystemExit as done:
            assert done.code == 0, words
    assert "usage: resnets " + " ".join(words) in out.getvalue(), words
    assert not heavy(), (words, heavy())
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_there_are_all_verbs() -> None:
    assert ["data", "fetch"] in _verbs()
    assert len(_verbs()) >= 9


# ---------------------------------------------------------------------------------------------------------------
# Public names, version, documents


def test_every_public_name_is_there() -> None:
    assert sorted(resnets.__all__) == resnets.__all__
    for name in resnets.__all__:
        assert getattr(resnets, name) is not None
        if name != "__version__":
            assert inspect.getdoc(getattr(resnets, name)), f"{name} has no docstring"
    assert set(dir(resnets)) >= set(resnets.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        resnets.nothing  # noqa: B018


def test_one_version() -> None:
    assert version("resnets") == resnets.__version__
    assert f"\nversion: {resnets.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {resnets.__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def _tree() -> set[str]:
    """The paths in the README's file tree; folders end in "/"."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = [fenced for fenced in re.split(r"^```", readme, flags=re.M)[1::2] if "\nresnets/\n" in fenced]
    paths, folders = set(), [""]
    for line in block.strip().splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        folders[depth + 1 :] = []
        path = folders[depth] + name
        paths.add(path)
        if name.endswith("/"):
            folders.append(path)
    return paths


def test_the_readmes_file_tree_is_the_files_that_exist() -> None:
    tree = _tree()
    assert [path for path in sorted(tree) if not (ROOT / path).exists()] == [], "in the tree, but not there"
    files = [path for folder in ("resnets", "benchmarks") for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [*(ROOT / "docs").glob("*.md"), *(path for path in (ROOT / ".ci").iterdir() if path.is_file())]
    files = [path for path in files if "__pycache__" not in path.parts and not path.name.startswith(".")]
    there = {path.relative_to(ROOT).as_posix() for path in files}
    assert sorted(there - tree) == [], "there, but not in the tree"


# ---------------------------------------------------------------------------------------------------------------
# Nothing of one machine


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_no_file_names_this_machine_or_a_registry() -> None:
    hosts = ("pypi" + ".org", "files.pythonhosted" + ".org", "registry.npmjs" + ".org")
    folders = (
        f"{ROOT}/",
        f"{sys.prefix}/",
        "/root" + "/",
        *([f"{home}/"] if len((home := Path.home()).parts) > 2 else []),
    )
    pattern = re.compile("|".join(map(re.escape, (*hosts, *folders))))
    found = []
    for path in _tracked():
        if path.suffix in (".png", ".safetensors", ".pt") or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}, line {number}: {match[0]}")
    assert found == []


def test_no_file_is_large() -> None:
    """Of what is not text, the largest are checkpoints of unfinished runs."""
    assert [str(path) for path in _tracked() if path.is_file() and path.stat().st_size > 2_500_000] == []
