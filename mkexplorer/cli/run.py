"""``mkexplorer run``: a program of somebody's, unchanged, with mkexplorer's run time inside torch.

It runs in this process, as if Python had been started with it: its arguments, its module search path, its exit code,
and what is printed of an exception that it does not catch.
"""

from __future__ import annotations

import builtins
import io
import os
import pkgutil
import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from types import ModuleType, TracebackType

import mkexplorer
from mkexplorer.catalog.errors import MkexplorerError


@dataclass(frozen=True, slots=True)
class Program:
    """A script, or a module as ``python -m`` takes it, and its arguments."""

    name: str
    arguments: Sequence[str]
    is_module: bool


def run_program(program: Program, measure: str, report: bool) -> int:
    """Returns when the program ends by itself, and raises whatever it raises."""
    mkexplorer.install(measure=measure, report=report)
    _leave_own_frames_out()
    sys.argv = ["-m" if program.is_module else program.name, *program.arguments]
    is_searched = not program.is_module and pkgutil.get_importer(program.name) is not None  # a folder, or a zip file
    if is_searched:
        _search_first(os.path.abspath(program.name))
    elif not sys.flags.safe_path:
        sys.path[0] = os.getcwd() if program.is_module else os.path.dirname(os.path.realpath(program.name))
    if program.is_module or is_searched:
        _run_module(program.name if program.is_module else "__main__", is_named=program.is_module)
    elif program.name.endswith(".pyc"):
        runpy.run_path(program.name, run_name="__main__")
    else:
        _run_script(program.name)
    return 0


def check(program: Program) -> None:
    """Raises `MkexplorerError` where there is no such program."""
    if not program.is_module:
        if not os.path.exists(program.name):
            raise MkexplorerError(f"{program.name}: there is no such file", "Give the path of a Python program.")
        return
    before = list(sys.path)
    sys.path.insert(0, os.getcwd())
    try:
        found = find_spec(program.name.partition(".")[0])  # to look further would run code of the package
    except (ImportError, ValueError):
        found = None
    finally:
        sys.path[:] = before
    if found is None:
        raise MkexplorerError(f"there is no module {program.name}", "Is it installed in the Python of mkexplorer?")


def _search_first(path: str) -> None:
    """As Python does, which looks for the main module of such a program even where it is told not to look around."""
    if sys.flags.safe_path:
        sys.path.insert(0, path)
    else:
        sys.path[0] = path


def _run_module(name: str, is_named: bool) -> None:
    """By what ``python -m`` itself calls; ``runpy.run_module`` would take the main module away at the end."""
    _new_main()
    runpy._run_module_as_main(name, alter_argv=is_named)  # type: ignore[attr-defined]  # not in typeshed


def _run_script(path: str) -> None:
    """Its module is the main one until the process ends, which `runpy` would not do."""
    where = os.path.abspath(path)
    with io.open_code(where) as file:
        code = compile(file.read(), where, "exec", dont_inherit=True)
    main = _new_main()
    main.__dict__.update(__file__=where, __loader__=SourceFileLoader("__main__", where), __cached__=None)
    exec(code, main.__dict__)


def _new_main() -> ModuleType:
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins  # the module, as Python has it there alone
    if sys.version_info < (3, 14):
        main.__dict__["__annotations__"] = {}
    sys.modules["__main__"] = main
    return main


def _leave_own_frames_out() -> None:
    """An exception that the program does not catch is shown from the program on."""
    show = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        trace = _of_the_program(trace)
        show(kind, error.with_traceback(trace), trace)

    sys.excepthook = hook


def _of_the_program(trace: TracebackType | None) -> TracebackType | None:
    """What follows the frames of this module; all of it where there are none."""
    own = trace
    while own is not None and own.tb_frame.f_code.co_filename != __file__:
        own = own.tb_next
    if own is None:
        return trace
    while own is not None and own.tb_frame.f_code.co_filename == __file__:
        own = own.tb_next
    return own
