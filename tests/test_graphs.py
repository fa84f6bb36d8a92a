"""torch.export and torch.compile, in a process of their own."""

import subprocess
import sys
from pathlib import Path


def test_one_network_of_every_kind_is_exported_and_compiled() -> None:
    graphs = Path(__file__).with_name("graphs.py")
    # Without conftest.py: nobody checks annotations there, which the compiler would not follow.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--noconftest", "-n", "0", str(graphs)],
        cwd=graphs.parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
