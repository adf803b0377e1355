"""Opens a file in the person's own editor, at a line."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import Place, PlaceKind

_COLON_LINE = frozenset({"hx", "helix", "subl", "zed"})
_GOTO = frozenset({"code", "codium", "cursor", "windsurf"})


def file_of(place: Place, path: str) -> Path:
    """Return where ``path`` of a place stands on this machine. Raises MkexplorerError where it is no file."""
    if place.kind is PlaceKind.BUNDLE:
        raise MkexplorerError(
            f"{path} is inside a bundle; there is no file to edit.",
            "Copy the text with y instead, or open the cache directory that the bundle was made from.",
        )
    opened = Path(place.path)
    return (opened if opened.is_dir() else opened.parent) / path


def editor_command(environ: Mapping[str, str], file: Path, line: int) -> list[str]:
    """Return the command that opens ``file`` at ``line``. Raises MkexplorerError if no editor is set."""
    wanted = environ.get("VISUAL") or environ.get("EDITOR") or ""
    try:
        words = shlex.split(wanted)
    except ValueError as error:
        raise MkexplorerError(
            f"The editor {wanted!r} cannot be understood: {error}.", "Check $VISUAL and $EDITOR."
        ) from error
    if not words:
        raise MkexplorerError("No editor is set.", "Set $VISUAL or $EDITOR, for example: export EDITOR=nano")
    name = Path(words[0]).name
    if name in _GOTO:
        return [*words, "--goto", f"{file}:{line}"]
    if name in _COLON_LINE:
        return [*words, f"{file}:{line}"]
    return [*words, f"+{line}", str(file)]


def command_for(environ: Mapping[str, str], place: Place, path: str, line: int) -> list[str]:
    """Return the command that edits ``path`` of a place. Raises MkexplorerError where that cannot be."""
    file = file_of(place, path)
    if not file.is_file():
        raise MkexplorerError(f"{file} is not there any more.", "Its cache may have been cleared.")
    return editor_command(environ, file, line)


def run_editor(command: Sequence[str]) -> MkexplorerError | None:
    """Run the editor, wait for it, and return what went wrong; the caller has left the terminal to it.

    It raises nothing: Textual takes the terminal back only where nothing is raised meanwhile.
    """
    try:
        code = subprocess.call(command)
    except OSError as error:
        return MkexplorerError(f"{command[0]} cannot be run: {error.strerror or error}.", "Check $VISUAL and $EDITOR.")
    return MkexplorerError(f"The editor ended with exit code {code}.", "Check $VISUAL and $EDITOR.") if code else None
