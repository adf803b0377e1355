"""Where printed lines go: a file, a pipe, a terminal, or a pager on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from typing import TextIO

from mkexplorer.report.as_text import Look
from mkexplorer_widgets.plain_text import visible


def is_interactive() -> bool:
    """An app can run here: keys come from a terminal that can draw."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"


def look_of(stream: TextIO, color: str) -> Look:
    """Colours and width for ``stream``; ``color`` is what the person asked for: auto, always or never."""
    is_terminal = stream.isatty()
    wanted = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    colour = wanted if color == "auto" else color == "always"
    return Look(colour, shutil.get_terminal_size().columns if is_terminal else None)


def put(lines: Iterable[str]) -> None:
    """Print lines; more than fit on a terminal go through the pager."""
    text = "".join(f"{line}\n" for line in lines)
    if _encoding_is_small(sys.stdout):
        text = text.encode(sys.stdout.encoding, "replace").decode(sys.stdout.encoding)
    if not (_is_terminal(sys.stdout) and _is_terminal(sys.stdin) and _is_long(text) and _paged(text)):
        sys.stdout.write(text)
        sys.stdout.flush()


def _is_terminal(stream: TextIO | None) -> bool:
    """None is what Python has for a stream that the shell closed."""
    return stream is not None and stream.isatty()


def _encoding_is_small(stream: TextIO) -> bool:
    return not (stream.encoding or "utf-8").lower().replace("-", "").startswith("utf")


def _is_long(text: str) -> bool:
    return text.count("\n") >= shutil.get_terminal_size().lines


def _paged(text: str) -> bool:
    """Show the text in $PAGER (by default ``less -RFX``); False where there is none to run."""
    import shlex
    import signal
    import subprocess

    # As git does: an empty PAGER, or cat, means that none is wanted.
    pager = os.environ.get("PAGER", "less")
    try:
        command = shlex.split(pager)
    except ValueError as error:
        print(f"mkexplorer: PAGER={visible(pager)} is not a command: {error}", file=sys.stderr)
        return False
    if not command or command == ["cat"]:
        return False
    environment = {"LESS": "-RFX", **os.environ}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, encoding="utf-8")
    except OSError:
        return False
    # Ctrl-C is the pager's, from here until it ends. One that is quit early has simply been read enough of.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.communicate(text)
    finally:
        signal.signal(signal.SIGINT, before)
    return True
