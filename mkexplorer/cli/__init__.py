"""The command line. It parses before it imports anything heavy; see ``parser`` for the commands.

Exit codes: 0; 1 found nothing, had nothing to do, or the two differ, or the doctor found problems; 2 wrong usage, an
id that names no multi-kernel, or something could not be opened, read or changed; 130 after Ctrl-C; 141 when whoever
reads the output went away (as the shell itself reports it).
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.cli.parser import Given, parse
from mkexplorer.cli.terminal import is_interactive
from mkexplorer_widgets.plain_text import visible

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # A short life that makes few cycles: collecting while modules load costs more than it frees.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    finally:
        if collects:
            gc.enable()


def _run(arguments: Sequence[str]) -> int:
    if sys.stderr is None:  # closed by the shell; print() would take standard output instead
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # it stays open as long as the program
    try:
        given = parse(arguments)
    except SystemExit as done:  # argparse ends so, after --help too
        return done.code if isinstance(done.code, int) else 2
    if given.command == "run":
        return _run_program(given)
    try:
        if sys.stdout is None:
            raise MkexplorerError("standard output is closed", "Send it to /dev/null if nobody is to read it.")
        if given.command == "open" and is_interactive():
            from mkexplorer.tui import app

            start = app.Start(given.place, given.sample, given.theme, given.follow, given.python, given.no_python)
            return app.run(start)
        # Behind the app's start, because its first frame needs nothing of what the commands import.
        from mkexplorer.cli.commands import run

        return run(given)
    except BrokenPipeError:
        # The interpreter flushes once more on its way out; that must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    except MkexplorerError as error:
        return _failed(error, given.debug, error.message, error.advice)
    except OSError as error:
        path = f"{error.filename}: " if error.filename else ""
        return _failed(error, given.debug, f"{path}{error.strerror or error}", "")
    except Exception as error:
        advice = "This is a fault of mkexplorer. Run it again with --debug, and report what it prints."
        return _failed(error, given.debug, f"{type(error).__name__}: {error}", advice)


def _run_program(given: Given) -> int:
    """Once the program has begun, nothing that it raises is ours to tell."""
    from mkexplorer.cli.run import Program, check, run_program

    program = Program(given.module or given.script, given.arguments, is_module=bool(given.module))
    try:
        check(program)
    except MkexplorerError as error:
        return _failed(error, given.debug, error.message, error.advice)
    gc.enable()
    return run_program(program, given.measure, given.report)


def _failed(error: Exception, debug: bool, message: str, advice: str) -> int:
    if debug:
        raise error
    print(f"mkexplorer: {visible(message)}", file=sys.stderr)
    if advice:
        print(visible(advice), file=sys.stderr)
    return 2
