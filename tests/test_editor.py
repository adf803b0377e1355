"""Which file and which command: as the person's editor wants it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import Place, PlaceKind
from mkexplorer.tui.editor import command_for, editor_command, file_of, run_editor

FILE = Path("/x/y.py")


@pytest.mark.parametrize(
    ("environ", "command"),
    [
        ({"EDITOR": "nano"}, ["nano", "+7", "/x/y.py"]),
        ({"VISUAL": "vim -R", "EDITOR": "nano"}, ["vim", "-R", "+7", "/x/y.py"]),
        ({"EDITOR": "'/opt/my editor/vi' -u NONE"}, ["/opt/my editor/vi", "-u", "NONE", "+7", "/x/y.py"]),
        ({"EDITOR": "code --wait"}, ["code", "--wait", "--goto", "/x/y.py:7"]),
        ({"EDITOR": "/usr/bin/hx"}, ["/usr/bin/hx", "/x/y.py:7"]),
    ],
)
def test_the_command(environ: dict[str, str], command: list[str]) -> None:
    assert editor_command(environ, FILE, 7) == command


@pytest.mark.parametrize("environ", [{}, {"EDITOR": ""}, {"EDITOR": "'unclosed"}])
def test_no_usable_editor_says_what_to_set(environ: dict[str, str]) -> None:
    with pytest.raises(MkexplorerError) as raised:
        editor_command(environ, FILE, 1)
    assert "EDITOR" in raised.value.advice


def test_a_path_stands_in_the_place_or_beside_the_opened_file(tmp_path: Path) -> None:
    wrapper = tmp_path / "output_code.py"
    wrapper.touch()
    assert file_of(Place(str(tmp_path), PlaceKind.CACHE), "ab/cab.py") == tmp_path / "ab" / "cab.py"
    assert file_of(Place(str(wrapper), PlaceKind.WRAPPER), "output_code.py") == wrapper


def test_a_bundle_has_no_files_to_edit() -> None:
    with pytest.raises(MkexplorerError, match="inside a bundle"):
        file_of(Place("/x/a.mkx", PlaceKind.BUNDLE), "ab/cab.py")


def test_it_runs_the_editor_on_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x\n")
    script = tmp_path / "editor.py"
    script.write_text("import sys; open(sys.argv[2], 'a').write(sys.argv[1])")
    environ = {"EDITOR": f"{sys.executable} {script}"}

    command = command_for(environ, Place(str(tmp_path), PlaceKind.CACHE), "a.py", 3)
    assert run_editor(command) is None
    assert (tmp_path / "a.py").read_text() == "x\n+3"


def test_a_vanished_file_is_told_before_the_terminal_is_left(tmp_path: Path) -> None:
    with pytest.raises(MkexplorerError, match="not there any more"):
        command_for({"EDITOR": "vi"}, Place(str(tmp_path), PlaceKind.CACHE), "gone.py", 1)


@pytest.mark.parametrize("command", [[sys.executable, "-c", "raise SystemExit(3)"], ["/no/such/editor"]])
def test_a_failing_editor_is_told_and_raises_nothing(command: list[str]) -> None:
    failure = run_editor(command)

    assert failure is not None
    assert "$EDITOR" in failure.advice
