"""SASS out of a cubin, with the disassembler that a Triton wheel or a CUDA toolkit brings."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .errors import MkexplorerError

_TIMEOUT_S = 60
_MOST_OUTPUT = 256 * 1024 * 1024
# nvdisasm first: cuobjdump needs it beside itself for some releases, and says more than the code.
_TOOLS = (("nvdisasm", "-c"), ("cuobjdump", "-sass"))
_NO_TOOL = (
    "Install triton in this environment (its wheel carries both), set CUDA_HOME to a CUDA toolkit, "
    "or put one of them on PATH."
)


def disassemble(cubin: bytes) -> str:
    """The SASS of a cubin; raises ``MkexplorerError`` where no tool is found or it refuses the cubin."""
    tool, option = _find_tool()
    with tempfile.TemporaryDirectory(prefix="mkexplorer-") as folder:
        Path(folder, "kernel.cubin").write_bytes(cubin)
        return _run([tool, option, "kernel.cubin"], Path(folder))


def _run(command: list[str], folder: Path) -> str:
    """What the command prints; through files, so that a tool gone wild meets its time limit before our memory."""
    tool = command[0]
    output, errors = folder / "output", folder / "errors"
    try:
        with output.open("wb") as stdout, errors.open("wb") as stderr:
            code = subprocess.run(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                timeout=_TIMEOUT_S,
                check=False,
            ).returncode
    except subprocess.TimeoutExpired as error:
        raise MkexplorerError(f"{tool} did not finish in {_TIMEOUT_S} s", "Read the PTX instead.") from error
    except OSError as error:
        raise MkexplorerError(f"{tool} cannot be run: {error.strerror}", _NO_TOOL) from error
    if code != 0:
        said = _head(errors, 4096).strip().partition("\n")[0] or f"exit code {code}"
        raise MkexplorerError(
            f"{tool} failed: {said}",
            "It may be older than the GPU that the cubin is for; try that of a newer triton or CUDA toolkit.",
        )
    return _head(output, _MOST_OUTPUT)


def _head(path: Path, size: int) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(size)


def _find_tool() -> tuple[str, str]:
    for name, option in _TOOLS:
        for folder in _folders():
            if found := shutil.which(name, path=folder):
                return found, option
    raise MkexplorerError("SASS needs nvdisasm or cuobjdump, and neither is here", _NO_TOOL)


def _folders() -> list[str]:
    folders = [str(folder / "backends" / "nvidia" / "bin") for folder in _triton_packages()]
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if root := os.environ.get(variable):
            folders.append(str(Path(root) / "bin"))
    return [*folders, os.environ.get("PATH", os.defpath), "/usr/local/cuda/bin"]


def _triton_packages() -> list[Path]:
    """Where triton is installed, found without importing it."""
    spec = importlib.util.find_spec("triton")
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
