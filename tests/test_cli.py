"""The command line: what can be typed, what `export` writes, and how whatever goes wrong ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.cli import commands
from mkexplorer.cli.parser import Given, parse
from mkexplorer.report.rows import Order
from tests.command_line import ESCAPE, Run


class TestParsing:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ("", Given("open")),
            ("--sample", Given("open", sample=True)),
            ("some/place", Given("open", place="some/place")),
            ("--debug --color never some/place", Given("open", place="some/place", debug=True, color="never")),
            ("list", Given("list")),
            ("--sample list", Given("list", sample=True)),
            ("./list", Given("open", place="./list")),
            ("open list", Given("open", place="list")),
            ("list some/place --json", Given("list", place="some/place", json=True)),
            ("--color=always list --place p --sort regret", Given("list", place="p", color="always", sort="regret")),
            ("show abc --sub 1 --ir ptx", Given("show", targets=("abc",), sub=1, stage="ptx")),
            ("diff a:0 b:1 --normalize", Given("diff", targets=("a:0", "b:1"), normalize=True)),
            ("export p -o x.mkx --only a b", Given("export", place="p", output="x.mkx", only=("a", "b"))),
            ("completion fish", Given("completion", shell="fish")),
        ],
    )
    def test_what_can_be_typed(self, arguments: str, expected: Given) -> None:
        assert parse(arguments.split()) == expected

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ("lst", "neither a command nor a place: lst (did you mean list?)"),
            ("list --jsn", "mkexplorer list: unknown argument: --jsn (did you mean --json?)"),
            ("list a --place b", "PLACE was given twice"),
            ("list a --sample", "PLACE was given twice"),
            ("list --place a --sample", "PLACE was given twice"),
            ("--sample list a", "PLACE was given twice"),
            ("list --sort fast", "invalid choice: 'fast'"),
            ("diff a b c", "more than two ids"),
            ("show a ./place", "unknown argument: ./place (a place is given with --place)"),
            ("diff a /the/place", "/the/place is no id of a multi-kernel (a place is given with --place)"),
            ("show one.mkx", "one.mkx is no id of a multi-kernel (a place is given with --place)"),
            ("show", "the following arguments are required: ID"),
            ("export", "-o/--output"),
        ],
    )
    def test_what_cannot(self, run: Run, arguments: str, said: str) -> None:
        done = run(*arguments.split())
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert "--help`" in done.err

    def test_a_folder_called_like_a_command_is_reached_by_its_path(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "list").mkdir()
        monkeypatch.chdir(tmp_path)
        assert f"No multi-kernels in {tmp_path / 'list'}" in run("./list").err

    @pytest.mark.parametrize("command", ["list", "show", "diff", "export", "open", "completion"])
    def test_each_command_has_help(self, run: Run, command: str) -> None:
        done = run(command, "--help")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"usage: mkexplorer {command} ")

    def test_the_version(self, run: Run) -> None:
        assert re.fullmatch(r"mkexplorer \d+\.\d+\.\d+\n", run("--version").out)

    def test_the_orders_are_those_of_the_list(self) -> None:
        assert [parse(["list", "--sort", order.value]).sort for order in Order] == [order.value for order in Order]


class TestExport:
    def test_what_was_chosen_can_be_opened_again(self, run: Run, tmp_path: Path) -> None:
        bundle = tmp_path / "two.mkx"
        done = run("export", "--sample", "-o", str(bundle), "--only", "cmzexxx", "chvs62e/multi_kernel_3")
        assert done.code == 0
        assert done.out.startswith(f"{bundle}: 2 multi-kernels, ")
        listed = [line.split()[0] for line in run("list", str(bundle)).lines[1:-3]]
        assert {"cmzexxx/multi_kernel_0", "chvs62e/multi_kernel_3"} <= set(listed)

    def test_json(self, run: Run, tmp_path: Path) -> None:
        bundle = tmp_path / "one.mkx"
        document = run("export", "--sample", "-o", str(bundle), "--only", "cmzexxx", "--json").json
        assert document == {
            "schema": "mkexplorer.export/1",
            "path": str(bundle),
            "bytes": bundle.stat().st_size,
            "multi_kernels": 1,
        }

    def test_a_folder_that_is_not_there(self, run: Run, tmp_path: Path) -> None:
        done = run("export", "--sample", "-o", str(tmp_path / "no" / "x.mkx"))
        assert done.code == 2
        assert str(tmp_path / "no") in done.err


class TestFailures:
    def test_a_place_that_is_not_there(self, run: Run) -> None:
        done = run("list", "/no/such/place")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("mkexplorer: /no/such/place: no such file or directory\n")

    def test_control_characters_are_shown_not_sent(self, run: Run) -> None:
        done = run("list", f"/no/{ESCAPE}[2Jplace")
        assert ESCAPE not in done.err
        assert "␛[2Jplace" in done.err

    def test_debug_shows_where(self, run: Run) -> None:
        with pytest.raises(MkexplorerError):
            run("--debug", "list", "/no/such/place")

    @pytest.mark.parametrize(
        ("raised", "code", "said"),
        [
            (KeyboardInterrupt(), 130, ""),
            (PermissionError(13, "Permission denied", "/root/x"), 2, "mkexplorer: /root/x: Permission denied\n"),
            (ValueError("odd"), 2, "mkexplorer: ValueError: odd\nThis is a fault of mkexplorer."),
        ],
    )
    def test_whatever_goes_wrong_ends_in_a_sentence(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, said: str
    ) -> None:
        def fail(place: object) -> None:
            raise raised

        monkeypatch.setattr(commands, "open_catalog", fail)
        done = run("list", "--sample")
        assert done.code == code
        assert done.err.startswith(said)

    @pytest.mark.parametrize(
        ("redirected", "code", "out", "err"),
        [
            (">&-", 2, "", "mkexplorer: standard output is closed\n"),
            ("2>&-", 1, "{", ""),
            ("<&-", 1, "{", "No multi-kernel holds"),
        ],
    )
    def test_what_the_shell_closed_is_not_written_to(self, redirected: str, code: int, out: str, err: str) -> None:
        command = f"{sys.executable} -m mkexplorer list --sample --filter nosuch --json {redirected}"
        done = subprocess.run(["sh", "-c", command], text=True, capture_output=True)
        assert (done.returncode, done.stdout[:1], done.stderr[: len(err)]) == (code, out, err)
        assert not done.stdout or json.loads(done.stdout)["multi_kernels"] == []

    def test_a_reader_that_goes_away_is_no_failure(self) -> None:
        """`mkexplorer list | true`"""
        with subprocess.Popen(
            [sys.executable, "-m", "mkexplorer", "show", "cmzexxx:0", "--ir", "ptx", "--sample"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 141
