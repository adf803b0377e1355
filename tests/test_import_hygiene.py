"""What must not be loaded, proven in a fresh interpreter: it keeps the command line fast and the core headless."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import mkexplorer

CORE = ("analysis", "catalog", "client", "measure", "picks", "report")
FACE_LIBRARIES = {"textual", "rich", "torch", "triton", "pygments"}


def loaded_after(statement: str) -> set[str]:
    """Top-level names in sys.modules after ``statement`` in a new interpreter."""
    script = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def modules_of(package: str) -> list[str]:
    module = __import__(package, fromlist=["__path__"])
    return [package, *(info.name for info in pkgutil.walk_packages(module.__path__, f"{package}."))]


@pytest.mark.parametrize("layer", CORE)
def test_no_module_of_the_core_loads_a_face_or_torch(layer: str) -> None:
    modules = modules_of(f"{mkexplorer.__name__}.{layer}")
    assert not loaded_after(f"import {', '.join(modules)}") & FACE_LIBRARIES


def test_the_command_line_loads_nothing_heavy_before_it_knows_the_command() -> None:
    heavy = FACE_LIBRARIES | {"asyncio", "shtab", "zipfile", "subprocess", "importlib.metadata"}
    assert not loaded_after("import mkexplorer.cli") & heavy


def test_the_app_never_loads_torch() -> None:
    modules = [*modules_of("mkexplorer.tui"), *modules_of("mkexplorer_widgets")]
    assert not loaded_after(f"import {', '.join(modules)}") & {"torch", "triton"}


def test_making_text_visible_needs_no_textual() -> None:
    assert not loaded_after("import mkexplorer_widgets.plain_text") & FACE_LIBRARIES
