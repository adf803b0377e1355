"""Commands at a terminal: colours, width, the pager, and the app."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mkexplorer.cli import main
from mkexplorer.tui.app import Start
from tests.command_line import ESCAPE, Done, Run, Screen, plain


class TestTerminal:
    @pytest.fixture
    def on_screen(self, monkeypatch: pytest.MonkeyPatch) -> Run:
        """Run a command on a terminal of 100×24 cells without a pager."""
        for name, value in {"TERM": "xterm", "COLUMNS": "100", "LINES": "24", "PAGER": ""}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("NO_COLOR", raising=False)

        def run_it(*arguments: str) -> Done:
            screen = Screen()
            with monkeypatch.context() as patch:
                patch.setattr(sys, "stdout", screen)
                patch.setattr(sys, "stdin", screen)
                return Done(main(arguments), screen.getvalue(), "")

        return run_it

    def test_colours_and_width_go_to_a_terminal(self, on_screen: Run) -> None:
        done = on_screen("list", "--sample")
        assert f"{ESCAPE}[31m⚠ +38%{ESCAPE}[0m" in done.out
        assert max(map(len, plain(done.out).splitlines())) <= 100

    @pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
    def test_unless_the_person_wants_none(
        self, on_screen: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        assert ESCAPE not in on_screen("list", "--sample").out

    def test_or_asks_for_them(self, run: Run) -> None:
        assert ESCAPE in run("list", "--sample", "--color", "always").out
        assert ESCAPE not in run("list", "--sample").out

    def test_code_is_coloured_and_stays_the_same_text(self, run: Run) -> None:
        coloured = run("show", "cmzexxx:0", "--sample", "--color=always").out
        assert f"{ESCAPE}[35mdef{ESCAPE}[0m" in coloured
        assert plain(coloured) == run("show", "cmzexxx:0", "--sample").out

    def test_what_is_long_goes_through_the_pager(
        self, on_screen: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        paged = tmp_path / "paged"
        monkeypatch.setenv("PAGER", f"tee {paged}")
        assert on_screen("list", "--sample", "--color", "never") == Done(0, "", "")
        assert paged.read_text().endswith("NVIDIA H100 80GB HBM3\n")

    @pytest.mark.parametrize("pager", ["", "cat", "no-such-pager"])
    def test_without_a_pager_it_is_printed(self, on_screen: Run, monkeypatch: pytest.MonkeyPatch, pager: str) -> None:
        monkeypatch.setenv("PAGER", pager)
        assert "41 multi-kernels" in on_screen("list", "--sample").out

    def test_a_pager_that_is_no_command_is_told_of_and_not_used(
        self, on_screen: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PAGER", 'less "')
        done = on_screen("list", "--sample")
        assert done.code == 0
        assert "41 multi-kernels" in done.out
        assert capsys.readouterr().err == 'mkexplorer: PAGER=less " is not a command: No closing quotation\n'

    def test_on_a_terminal_a_place_opens_the_app(self, on_screen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[Start] = []

        def run_app(start: Start) -> int:
            opened.append(start)
            return 0

        monkeypatch.setattr("mkexplorer.tui.app.run", run_app)
        assert on_screen("--sample").code == 0
        assert on_screen("some/place", "--theme", "nord", "--no-follow", "--python", "py", "--no-python").code == 0
        asked = Start("some/place", theme="nord", follow=False, python="py", no_python=True)
        assert opened == [Start(sample=True), asked]
