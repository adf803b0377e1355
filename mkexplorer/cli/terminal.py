"""Where printed lines go: a file, a pipe, a terminal, or a pager on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self, TextIO

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer_widgets.plain_text import visible

if TYPE_CHECKING:
    from mkexplorer.report.as_text import Look

# What is done sooner shows no progress.
PATIENCE_S = 0.3
_BETWEEN_REPORTS_S = 0.1


def is_interactive() -> bool:
    """An app can run here: keys come from a terminal that can draw."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"


def look_of(stream: TextIO, color: str) -> Look:
    """Colours and width for ``stream``; ``color`` is what the person asked for: auto, always or never."""
    from mkexplorer.report.as_text import Look  # not at the top: the app asks this module too, before its first frame

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


def put_json(document: Mapping[str, object]) -> None:
    import json

    put([json.dumps(document, indent=2)])


def tell(lines: Iterable[str]) -> None:
    """Print what is no result: warnings, reasons, plans to agree to."""
    for line in lines:
        if line:
            print(visible(line), file=sys.stderr)


def can_ask() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agreed(question: str) -> bool:
    """Ask; raises `MkexplorerError` where there is no terminal to ask on."""
    if not can_ask():
        message = f"{question} There is no terminal to ask on, so nothing was changed"
        raise MkexplorerError(message, "Look with --dry-run, then run it with --yes.")
    print(f"{visible(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def is_shown() -> bool:
    """Whether standard error is a terminal that a `ProgressLine` can draw on."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class ProgressLine:
    """One line on the terminal for what takes long, that goes again; nothing where standard error is no terminal."""

    def __init__(self, is_wanted: bool = True) -> None:
        self._is_wanted = is_wanted and is_shown()
        self._drawing = threading.Lock()
        self._patience = threading.Timer(PATIENCE_S, self._begin)
        self._patience.daemon = True
        self._next: float | None = None
        self._text = ""

    def __enter__(self) -> Self:
        if self._is_wanted:
            self._patience.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patience.cancel()
        with self._drawing:
            self._is_wanted = False
            if self._next is not None:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, text: str) -> None:
        with self._drawing:
            self._text = text
            if self._next is not None and time.monotonic() >= self._next:
                self._draw()

    def clear(self) -> None:
        """Make room for a line that stays; what is shown next is drawn again."""
        with self._drawing:
            if self._next is not None:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
                self._next = 0.0

    def _begin(self) -> None:
        with self._drawing:
            if self._is_wanted:
                self._draw()

    def _draw(self) -> None:
        self._next = time.monotonic() + _BETWEEN_REPORTS_S
        text = visible(self._text)[: shutil.get_terminal_size().columns - 1]
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)


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
