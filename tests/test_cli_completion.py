"""What shells propose while a command is typed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command_line import Run


class TestCompletion:
    @pytest.mark.parametrize(("shell", "said"), [("bash", "complete -"), ("zsh", "#compdef"), ("fish", "complete -c")])
    def test_each_shell_gets_every_command(self, run: Run, shell: str, said: str) -> None:
        done = run("completion", shell)
        assert (done.code, done.err) == (0, "")
        assert said in done.out
        assert all(command in done.out for command in ("list", "show", "diff", "export", "normalize"))

    def test_bash_reads_it(self, run: Run) -> None:
        checked = subprocess.run(["bash", "-n"], input=run("completion", "bash").out, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("typed", "proposed"),
        [
            ("mkexplorer ./tw", {"./two.py", "./twig"}),
            ("mkexplorer li", {"list"}),
            ("mkexplorer show abc --ir tt", {"ttir", "ttgir"}),
        ],
    )
    def test_bash_proposes_places_and_stages(self, run: Run, tmp_path: Path, typed: str, proposed: set[str]) -> None:
        (tmp_path / "two.py").touch()
        (tmp_path / "twig").mkdir()
        (tmp_path / "script").write_text(run("completion", "bash").out)
        program = (
            "source ./script; COMP_WORDS=($0); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
            '_shtab_mkexplorer 2>/dev/null; printf "%s\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-c", program, typed], cwd=tmp_path, text=True, capture_output=True, check=True)
        assert set(done.stdout.split()) == proposed

    @pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
    def test_fish_proposes_places_and_stages(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "two.py").touch()
        (tmp_path / "script").write_text(run("completion", "fish").out)

        def proposed(typed: str) -> list[str]:
            program = f"source ./script; complete -C '{typed}'"
            done = subprocess.run(
                ["fish", "-N", "-c", program], cwd=tmp_path, text=True, capture_output=True, check=True
            )
            return [line.partition("\t")[0] for line in done.stdout.splitlines()]

        assert proposed("mkexplorer ./tw") == ["./two.py"]
        assert set(proposed("mkexplorer show abc --ir tt")) == {"ttir", "ttgir"}

    def test_zsh_proposes_places_where_a_command_stands(self, run: Run) -> None:
        assert "_describe 'mkexplorer commands' _commands\n  _files\n" in run("completion", "zsh").out


def test_completion_knows_the_verbs_of_picks(run: Run) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = run("completion", shell).out
        assert all(word in script for word in ("doctor", "history", "orphans", "apply", "dry-run"))
    checked = subprocess.run(["bash", "-n"], input=run("completion", "bash").out, text=True, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, "")
