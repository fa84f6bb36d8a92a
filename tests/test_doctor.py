"""The doctor: what it finds, what it calls wrong, and that a broken torch does not break it."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from resnets import doctor
from resnets.data.cifar import LAYOUTS


def test_record_and_text_agree_and_survive_json() -> None:
    record, text = doctor.examine()
    assert json.loads(json.dumps(record)) == record
    assert record["packages"]["torch"]["installed"] == version("torch")
    assert "pytest" not in record["packages"], "extras are not needed to use the package"
    for line in (version("torch"), record["data"]["home"], record["hardware"]["cpu"], *record["problems"]):
        assert line in text
    assert ("Nothing is wrong." in text) == (not record["problems"])


def test_old_and_missing_packages_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.9.1+cpu", "pillow": None}
    monkeypatch.setattr(doctor, "installed_version", lambda name: versions.get(name, "99.0"))
    problems: list[str] = []
    found = doctor._packages(problems)
    least = found["torch"]["needed"]
    assert problems[0] == f"torch is 2.9.1+cpu, {least} or newer is needed: pip install 'torch>={least}'"
    assert problems[1].startswith("pillow is not installed: pip install 'pillow>=")
    assert len(problems) == 2


@pytest.mark.parametrize(
    ("installed", "least", "older"),
    [("2.9", "2.11", True), ("2.11.0", "2.11", False), ("10.3.0.dev1", "10.3", False), ("0.29.2+cu130", "0.30", True)],
)
def test_versions_are_compared_as_numbers(installed: str, least: str, older: bool) -> None:
    assert (doctor._numbers(installed) < doctor._numbers(least)) == older


def test_a_torchvision_that_does_not_fit_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist\nand a long story")

    monkeypatch.setattr(doctor, "import_module", broken)
    problems: list[str] = []
    assert not doctor._import("torchvision", problems)
    assert len(problems) == 1
    assert "operator torchvision::nms does not exist; torch " in problems[0]
    assert "\n" not in problems[0]
    assert problems[0].endswith("pip install --force-reinstall torch torchvision")


def test_the_command_works_where_torch_is_broken(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    words = [sys.executable, "-m", "resnets.cli", "doctor", "--json", "--check"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    record = json.loads(done.stdout)
    assert any("libcudart.so.13" in problem and "pip install" in problem for problem in record["problems"])
    assert record["packages"]["torch"]["installed"] == version("torch")
    assert record["data"] is None


def test_more_threads_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "cores", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    problems: list[str] = []
    choices = doctor._choices(problems)
    assert choices["threads"] == 8
    assert problems == ["torch uses 8 threads on 2 cores, which is slow: export OMP_NUM_THREADS=2"]


def _cuda(monkeypatch: pytest.MonkeyPatch, available: bool, major: int = 9, minor: int = 0) -> None:
    device = SimpleNamespace(name="H200", total_memory=141 << 30, major=major, minor=minor)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: device)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_90a", "sm_120", "compute_120"])


def test_a_cuda_device_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    _cuda(monkeypatch, available=True)
    problems: list[str] = []
    found = [entry for entry in doctor._accelerators(problems) if entry["device"] == "cuda:0"]
    assert found == [{"device": "cuda:0", "name": "H200", "memory_gib": 141.0, "capability": "9.0"}]
    assert problems == []


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((9, 0), ["sm_75", "sm_90a"], True),
        ((8, 9), ["sm_80"], True),  # of its generation
        ((12, 0), ["sm_80", "sm_90"], False),  # newer than all
        ((12, 0), ["sm_90", "compute_90"], True),  # but the driver can compile
        ((6, 1), ["sm_75", "compute_75"], False),
        ((8, 0), ["sm_86"], False),
        ((8, 0), [], True),  # not known
    ],
)
def test_what_a_device_runs(capability: tuple[int, int], built: list[str], runs: bool) -> None:
    assert doctor._runs_on(capability, built) == runs


def test_where_a_package_is_missing_or_the_home_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is said all the same."""
    monkeypatch.setenv("RESNETS_DATA", "~no-such-user/data")
    record, text = doctor.examine()
    assert record["data"] is None
    assert "--device auto" in text
    assert "~no-such-user/data: there is no such home folder" in text
    monkeypatch.setitem(sys.modules, "resnets.data.sources", None)
    record, text = doctor.examine()
    assert record["data"] is None
    assert "--device auto" in text


def test_a_cuda_device_too_old_for_this_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    _cuda(monkeypatch, available=True, major=6, minor=1)
    problems: list[str] = []
    doctor._accelerators(problems)
    said = (
        "H200 has compute capability 6.1, this torch is built for sm_75, sm_90a, sm_120, compute_120: "
        "use --device cpu, or another torch (https://pytorch.org/get-started/locally)"
    )
    assert problems == [said]


@pytest.mark.parametrize("build", ["13.2", None])
def test_a_driver_that_torch_cannot_use(build: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _cuda(monkeypatch, available=False)
    monkeypatch.setattr(torch.version, "cuda", build)
    monkeypatch.setattr(doctor, "NVIDIA_DRIVER", tmp_path)
    problems: list[str] = []
    assert [entry for entry in doctor._accelerators(problems) if entry["device"].startswith("cuda")] == []
    assert len(problems) == 1
    assert ("newer driver" in problems[0]) == (build is not None)


def test_torch_compile_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    found = doctor._compile()
    assert not found["works"]
    assert "g++" in found["missing"][0]


def _sparse(folder: Path, sizes: dict[str, int]) -> None:
    folder.mkdir(parents=True)
    for file, size in sizes.items():
        with (folder / file).open("wb") as opened:
            opened.truncate(size)


def _found(problems: list[str]) -> dict[str, Any]:
    found = doctor._data(problems)
    assert found is not None
    return found


def test_data_sets_that_are_there_absent_and_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNETS_DATA", str(tmp_path))
    ten, hundred = LAYOUTS["cifar10"], LAYOUTS["cifar100"]
    problems: list[str] = []
    assert _found(problems)["sets"]["cifar10"] == "not there"
    assert problems == []
    _sparse(tmp_path / ten.folder, ten.sizes())
    _sparse(tmp_path / hundred.folder, {**hundred.sizes(), "test.bin": 1000})
    sets: dict[str, Any] = _found(problems)["sets"]
    assert sets["cifar10"] == "there, 184 MB of the right sizes"
    assert len(problems) == 1
    assert problems[0].startswith("cifar100 is damaged: ")
    assert "test.bin has 1000 bytes" in problems[0]
    assert problems[0].endswith("resnets data fetch cifar100")


def test_a_data_folder_that_cannot_be_written_or_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESNETS_DATA", str(tmp_path / "file"))
    problems: list[str] = []
    assert _found(problems)["writable"] is False
    assert problems == [f"{tmp_path / 'file'} cannot be written to: export RESNETS_DATA=/another/folder"]
    monkeypatch.setenv("RESNETS_DATA", str(tmp_path / "new" / "folder"))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 20))
    problems.clear()
    assert _found(problems)["writable"] is True
    assert problems == [f"{tmp_path} has only 0.0 GiB free: export RESNETS_DATA=/another/folder"]
    assert not (tmp_path / "new").exists(), "the doctor writes nothing"
