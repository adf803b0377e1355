"""Runs commands in this process, for tests of the command line: without a terminal, or with somebody at one."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from mkexplorer.cli import main

ESCAPE = "\x1b"


def plain(text: str) -> str:
    """``text`` without its colours."""
    return re.sub(rf"{ESCAPE}\[[\d;]*m", "", text)


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


class Screen(io.StringIO):
    """Pretends to be a terminal; what is typed on it is its text."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def runner(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command without a terminal."""

    def run_it(*arguments: str) -> Done:
        code = main(arguments)
        return Done(code, *capsys.readouterr())

    return run_it


def runner_at_terminal(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command with somebody at the terminal who types ``typed``; its output is a pipe's."""

    def run_it(*arguments: str, typed: str = "") -> Done:
        output, errors = io.StringIO(), Screen()
        with monkeypatch.context() as patch:
            patch.setenv("TERM", "xterm")
            patch.setattr(sys, "stdin", Screen(typed))
            patch.setattr(sys, "stdout", output)
            patch.setattr(sys, "stderr", errors)
            code = main(arguments)
        return Done(code, output.getvalue(), errors.getvalue())

    return run_it


def states(run: Run, *arguments: str) -> list[tuple[str, int | None]]:
    """The picks of all multi-kernels, as `list` has them."""
    found = run("list", "--json", *arguments).json["multi_kernels"]
    return [(each["pick"]["state"], each["pick"]["index"]) for each in found]
