"""A digest of the code that draws a figure, so that a figure drawn by older code is known as such.

It changes with what the code does, as far as that can be told from its text: comments, docstrings and empty lines are
left out, so that a better word in one of them draws no figure anew. A figure depends on the modules named for it and
on those of `resnets.report` that these import, directly or not, and on no others.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import resnets

_ROOT = Path(resnets.__file__).parents[1]
_REPORT = "resnets.report."


@cache
def digest_of_code(modules: tuple[str, ...]) -> str:
    """SHA-256 of the code of `modules` and of what they draw with, in hexadecimal."""
    digest = hashlib.sha256()
    for module in drawn_with(modules):
        digest.update(f"{module}\n{stripped(_path(module).read_text(encoding='utf-8'))}\n".encode())
    return digest.hexdigest()


def drawn_with(modules: tuple[str, ...]) -> list[str]:
    """`modules` and those of `resnets.report` that they import, directly or not, sorted."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        if (module := waiting.pop()) not in found:
            found.add(module)
            waiting += _imported(_path(module).read_text(encoding="utf-8"))
    return sorted(found)


def stripped(source: str) -> str:
    """`source` without comments, docstrings and other bare strings, and empty lines."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for row in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _imported(source: str) -> Iterator[str]:
    """The modules of `resnets.report` that `source` imports, by whichever form of the statement."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.startswith(_REPORT) and _path(name).exists())


def _path(module: str) -> Path:
    return _ROOT.joinpath(*module.split(".")).with_suffix(".py")
