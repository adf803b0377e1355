"""SASS comes from the disassembler that is there, and its absence or failure is told."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from mkexplorer.catalog import sass
from mkexplorer.catalog.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the only place where tools are looked for, and temporary files that can be counted."""
    folder = tmp_path / "cuda" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sass, "_folders", lambda: [str(folder)])
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return folder


def install(tools: Path, name: str, script: str) -> None:
    (tools / name).write_text(f"#!/bin/sh\n{script}\n")
    (tools / name).chmod(0o755)


def test_a_recorded_cubin(sample: Catalog) -> None:
    pytest.importorskip("triton", reason="its wheel carries the disassembler")
    sub_kernel = sample.multi_kernels[0].sub_kernels[0]
    text = sample.read_stage(sample.configs(sub_kernel)[0], "sass")
    assert f".text.{sub_kernel.name}" in text
    assert "EXIT" in text


def test_the_tool_gets_the_cubin_and_its_output_comes_back(tools: Path, tmp_path: Path) -> None:
    install(tools, "nvdisasm", 'echo "$1"; cat "$2"')
    assert sass.disassemble(b"cubin") == "-c\ncubin"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_cuobjdump_does_where_nvdisasm_is_not(tools: Path) -> None:
    install(tools, "cuobjdump", 'echo "$1"')
    assert sass.disassemble(b"") == "-sass\n"


def test_no_tool_says_where_to_get_one(tools: Path) -> None:
    with pytest.raises(MkexplorerError, match="neither is here") as caught:
        sass.disassemble(b"")
    assert "Install triton" in caught.value.advice


def test_a_tool_that_fails_is_quoted_and_leaves_nothing(tools: Path, tmp_path: Path) -> None:
    install(tools, "nvdisasm", 'echo "unknown arch" >&2; echo more >&2; exit 3')
    with pytest.raises(MkexplorerError, match="nvdisasm failed: unknown arch$"):
        sass.disassemble(b"")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_tool_that_fails_without_a_word(tools: Path) -> None:
    install(tools, "nvdisasm", "exit 3")
    with pytest.raises(MkexplorerError, match="nvdisasm failed: exit code 3"):
        sass.disassemble(b"")


def test_a_tool_that_cannot_run(tools: Path) -> None:
    (tools / "nvdisasm").write_bytes(b"\x7fELF no program")
    (tools / "nvdisasm").chmod(0o755)
    with pytest.raises(MkexplorerError, match="cannot be run"):
        sass.disassemble(b"")


def test_a_tool_that_does_not_end_is_stopped(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tools, "nvdisasm", "exec sleep 60")
    monkeypatch.setattr(sass, "_TIMEOUT_S", 0.1)
    with pytest.raises(MkexplorerError, match="did not finish"):
        sass.disassemble(b"")


def test_endless_output_is_cut(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tools, "nvdisasm", "yes | head -c 100000")
    monkeypatch.setattr(sass, "_MOST_OUTPUT", 1000)
    assert len(sass.disassemble(b"")) == 1000


def test_tools_are_looked_for_in_triton_then_cuda_then_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sass, "_triton_packages", lambda: [tmp_path / "triton"])
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    monkeypatch.delenv("CUDA_PATH", raising=False)
    assert sass._folders()[:3] == [
        str(tmp_path / "triton" / "backends" / "nvidia" / "bin"),
        str(tmp_path / "cuda" / "bin"),
        os.environ["PATH"],
    ]
