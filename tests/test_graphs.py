"""torch.export and torch.compile, in a process of their own."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("tier", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_networks_are_exported_and_compiled(tier: str) -> None:
    """One of every kind of unit; the slow ones are all networks, what is written for others, and compiled training."""
    graphs = Path(__file__).with_name("graphs.py")
    # Without conftest.py: nobody checks annotations there, which the compiler would not follow.
    words = ["-m", "pytest", "-p", "no:cacheprovider", "--noconftest", "-n", "0", "-m", tier, str(graphs)]
    done = subprocess.run([sys.executable, *words], cwd=graphs.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
