"""What a worker is started with: what it is there to do, and nothing of the person's that would disturb it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from mkexplorer.client.environment import (
    Purpose,
    compiled_folder,
    forget_old_compilations,
    worker_environment,
)
from mkexplorer.client.worker_process import WorkerProcess

from .fake_python import script

OWN = {
    "PATH": "/bin",
    "CUDA_VISIBLE_DEVICES": "3",
    "HIP_VISIBLE_DEVICES": "1",
    "CUDA_LAUNCH_BLOCKING": "1",
    "TRITON_INTERPRET": "1",
    "TORCH_TRACE": "/somewhere",
    "TORCHINDUCTOR_CACHE_DIR": "/precious",
    "TRITON_CACHE_DIR": "/precious/triton",
    "PYTHONPATH": "relative:/absolute",
}


def of(purpose: Purpose) -> dict[str, str]:
    return worker_environment(OWN, "/the/folder", purpose)


@pytest.mark.parametrize("purpose", Purpose)
class TestEveryWorker:
    def test_keeps_its_files_to_itself(self, purpose: Purpose) -> None:
        environment = of(purpose)
        assert environment["TMPDIR"] == "/the/folder"
        assert environment["TORCHINDUCTOR_CACHE_DIR"] == "/the/folder/inductor"
        assert not environment["TRITON_CACHE_DIR"].startswith("/precious")

    def test_gets_nothing_that_disturbs(self, purpose: Purpose) -> None:
        environment = of(purpose)
        assert not {"TORCH_TRACE", "CUDA_LAUNCH_BLOCKING"} & environment.keys()
        assert environment["PATH"] == "/bin"

    def test_finds_modules_where_the_person_does(self, purpose: Purpose) -> None:
        assert of(purpose)["PYTHONPATH"] == f"{Path.cwd()}/relative:/absolute"


@pytest.mark.parametrize(
    ("purpose", "devices", "interprets"),
    [
        (Purpose.PICKS, "", None),
        (Purpose.COMPILE, "", None),
        (Purpose.BENCH, "3", None),
        (Purpose.INTERPRET, "", "1"),
    ],
)
def test_sees_the_gpu_only_to_measure_on_it(purpose: Purpose, devices: str, interprets: str | None) -> None:
    environment = of(purpose)
    assert environment["CUDA_VISIBLE_DEVICES"] == devices
    assert environment.get("TRITON_INTERPRET") == interprets


class TestCompiled:
    @pytest.mark.parametrize("purpose", [Purpose.BENCH, Purpose.COMPILE])
    def test_is_kept_for_the_next_worker(self, purpose: Purpose) -> None:
        assert of(purpose)["TRITON_CACHE_DIR"] == str(compiled_folder())
        assert compiled_folder().parent.name == "mkexplorer"

    def test_is_not_kept_where_others_may_write(self) -> None:
        """What lies there is loaded and run."""
        compiled_folder().mkdir(parents=True)
        compiled_folder().chmod(0o777)
        assert of(Purpose.BENCH)["TRITON_CACHE_DIR"] == "/the/folder/triton"

    def test_is_not_kept_without_a_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
        assert of(Purpose.BENCH)["TRITON_CACHE_DIR"] == "/the/folder/triton"


class TestForgetting:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Four compilations of 100 bytes each, the first the oldest."""
        for age, name in enumerate(["A", "B", "C", "D"]):
            (tmp_path / name).mkdir()
            (tmp_path / name / "kernel.cubin").write_bytes(b"x" * 100)
            os.utime(tmp_path / name, (age, age))
        return tmp_path

    def test_takes_the_oldest_until_few_are_left(self, folder: Path) -> None:
        forget_old_compilations(folder, most_bytes=350, fewer_bytes=200)
        assert sorted(os.listdir(folder)) == ["C", "D"]

    def test_takes_nothing_while_there_is_room(self, folder: Path) -> None:
        forget_old_compilations(folder, most_bytes=400, fewer_bytes=0)
        assert sorted(os.listdir(folder)) == ["A", "B", "C", "D"]

    def test_goes_on_where_another_one_stopped(self, folder: Path) -> None:
        (folder / "A").rename(folder / "A.leaving-123")
        forget_old_compilations(folder, most_bytes=350, fewer_bytes=300)
        assert sorted(os.listdir(folder)) == ["B", "C", "D"]

    def test_of_no_folder_does_nothing(self, tmp_path: Path) -> None:
        forget_old_compilations(tmp_path / "none")


_TELL = """\
import importlib
found = []
for name in ("worker", "race", "catalog", "client", "measure", "picks"):
    try:
        importlib.import_module("mkexplorer." + name)
        found.append(name)
    except ImportError:
        pass
raise ImportError(" ".join(found))
"""


def test_only_two_packages_of_ours_are_importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter need not have mkexplorer; if it has another one, that must not be mixed in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for package, text in (("torch", _TELL), ("mkexplorer", "raise AssertionError('another one')")):
        (tmp_path / "modules" / package).mkdir(parents=True)
        (tmp_path / "modules" / package / "__init__.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    # Without `site`: where the tests run, mkexplorer may be installed in a way that finds it whatever its path is.
    process = WorkerProcess(script(tmp_path / "python", f'#!/bin/sh\nexec {sys.executable} -S "$@"\n'))
    try:
        hello = process.ask({"job": "hello", "with_keys": False}, 60)["result"]
    finally:
        process.end()
    assert hello["torch_error"] == "ImportError: worker race"
