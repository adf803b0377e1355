"""Acting on a module as soon as it is there, whoever imports it, and when."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from mkexplorer.inductor.late_imports import LateImports

NAME = "module_that_takes_its_time"
TEXT = """
import told_to_it
told_to_it.began.set()
told_to_it.go_on.wait(30)
if told_to_it.fails:
    raise ImportError("told to")
is_done = True
"""


class Told(ModuleType):
    """What the module asks while it is imported."""

    def __init__(self) -> None:
        super().__init__("told_to_it")
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.fails = False


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    (tmp_path / f"{NAME}.py").write_text(TEXT)
    monkeypatch.syspath_prepend(tmp_path)
    told = Told()
    monkeypatch.setitem(sys.modules, told.__name__, told)
    yield told
    sys.modules.pop(NAME, None)


@pytest.fixture
def seen() -> list[bool]:
    return []


@pytest.fixture
def imports(seen: list[bool]) -> Iterator[LateImports]:
    imports = LateImports({NAME: lambda module: seen.append(module.is_done)})
    yield imports
    imports.stop()


def import_it() -> None:
    importlib.import_module(NAME)


def test_a_module_that_is_imported_later(told: Told, imports: LateImports, seen: list[bool]) -> None:
    told.go_on.set()
    imports.watch()
    assert seen == []
    import_it()
    assert seen == [True]


def test_a_module_that_was_imported_before(told: Told, imports: LateImports, seen: list[bool]) -> None:
    told.go_on.set()
    import_it()
    imports.watch()
    assert seen == [True]


def test_a_module_that_another_thread_is_in_the_middle_of(told: Told, imports: LateImports, seen: list[bool]) -> None:
    with ThreadPoolExecutor(1) as other:
        done = other.submit(import_it)
        told.began.wait(30)
        threading.Timer(0.2, told.go_on.set).start()
        imports.watch()
        done.result()
    assert seen == [True]


def test_what_fails_in_another_thread_is_told_there_alone(told: Told, imports: LateImports, seen: list[bool]) -> None:
    told.fails = True
    with ThreadPoolExecutor(1) as other:
        done = other.submit(import_it)
        told.began.wait(30)
        threading.Timer(0.2, told.go_on.set).start()
        imports.watch()
        with pytest.raises(ImportError, match="told to"):
            done.result()
    assert seen == []
    told.fails = False
    import_it()
    assert seen == [True]


def test_nothing_is_done_after_the_end(told: Told, imports: LateImports, seen: list[bool]) -> None:
    told.go_on.set()
    imports.watch()
    imports.stop()
    import_it()
    assert seen == []
    assert imports not in sys.meta_path
