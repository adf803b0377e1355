"""Which file and which command: as the person's editor wants it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import Place, PlaceKind
from mkexplorer.tui.editor import edit, editor_command, file_of

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


def test_it_runs_the_editor_on_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("x")
    script = tmp_path / "ed.py"
    script.write_text("import sys; open(sys.argv[2], 'a').write(sys.argv[1])")
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    edit(Place(str(tmp_path), PlaceKind.CACHE), "a.py", 3)
    assert (tmp_path / "a.py").read_text() == "x+3"


def test_a_failing_editor_and_a_vanished_file_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(str(tmp_path), PlaceKind.CACHE)
    with pytest.raises(MkexplorerError, match="not there any more"):
        edit(place, "gone.py", 1)
    (tmp_path / "a.py").touch()
    monkeypatch.setenv("VISUAL", "false")
    with pytest.raises(MkexplorerError, match="exit code 1"):
        edit(place, "a.py", 1)
