"""Picks on the command line: what each command changes, prints and asks, and with which exit code."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mkexplorer.client.worker_process import WorkerProcess
from mkexplorer.measure.model import SubKernelResult
from mkexplorer.picks.changes import plan_pin
from mkexplorer.picks.files import read_pick_file
from mkexplorer.picks.model import Measured, Who
from mkexplorer.picks.writing import LEFTOVER, Occasion, apply_change
from tests.builders import timing
from tests.command_line import Done, Run
from tests.pick_places import PlayedCache, played_python

# In torch 2.4 the persistent sub-kernel comes first, from 2.6 on the looped one.
OLD, NEW = "2.4.1", "2.13.0"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedCache:
    """The default place: four multi-kernels of torch 2.4, whose picks every Python finds; none is picked yet."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    return PlayedCache(tmp_path / "cache", OLD)


def ids(cache: PlayedCache) -> list[str]:
    return [each.id for each in cache.catalog.multi_kernels]


def states(run: Run, *arguments: str) -> list[tuple[str, int | None]]:
    found = run("list", "--json", *arguments).json["multi_kernels"]
    return [(each["pick"]["state"], each["pick"]["index"]) for each in found]


class TestSeeing:
    def test_every_state_is_listed(self, run: Run, cache: PlayedCache) -> None:
        cache.write_pick(0, b"1")
        cache.write_pick(1, b"")
        cache.write_pick(2, b"0")
        run("pin", ids(cache)[2], "looped")
        done = run("list")
        assert done.lines[0].split() == ["ID", "OPERATION", "SHAPE", "DTYPE", "VERDICT", "PICK", "SUB-KERNELS"]
        found = [re.search(r"(picked|pinned|none|invalid)( \d)?  ", line) for line in done.lines[1:5]]
        assert [each and each[0].strip() for each in found] == ["picked 1", "invalid", "pinned 1", "none"]
        assert "✗ invalid pick" in done.lines[2]
        assert done.lines[-1] == "4 multi-kernels · 1 invalid pick"
        assert (done.code, done.err) == (0, "")

    def test_a_state_can_be_filtered_for(self, run: Run, cache: PlayedCache) -> None:
        cache.write_pick(0, b"7")
        assert run("list", "--filter", "invalid").lines[1].split()[0] == ids(cache)[0]

    def test_json_says_who_and_when(self, run: Run, cache: PlayedCache) -> None:
        os.utime(cache.write_pick(0, b"1"), (1_700_000_000, 1_700_000_000))
        run("pin", ids(cache)[1], "0", "--why", "faster here")
        document = run("list", "--json").json
        picked, pinned, none = (each["pick"] for each in document["multi_kernels"][:3])
        assert (picked["who"], picked["when"]) == ("runtime", "2023-11-14T22:13:20.000000Z")
        assert (pinned["who"], pinned["why"], pinned["changes"]) == ("person", "faster here", 1)
        assert (none["who"], none["when"], none["index"]) == (None, None, None)
        assert document["counts"]["picks"] == {"picked": 1, "pinned": 1, "none": 2}
        assert document["environment"] == []

    def test_details_tell_of_the_pick_and_its_past(self, run: Run, cache: PlayedCache) -> None:
        cache.write_pick(0, b"1")
        run("pin", ids(cache)[0], "0", "--why", "faster here")
        shown = run("show", ids(cache)[0]).out
        assert "state    pinned 0  (pinned by " in shown
        assert "beside the module that runs it, as torch 2.3 and 2.4 keep it" in shown
        assert "picked 1 looped → pinned 0 persistent" in shown

    def test_regret_is_that_of_the_pick_as_it_is_now(self, run: Run, cache: PlayedCache) -> None:
        """The times of a change stay true of the sub-kernels when something else is picked."""
        catalog = cache.catalog
        multi_kernel = catalog.multi_kernels[0]
        file = read_pick_file(catalog.store, str(cache.pick_file(0).relative_to(cache.root)), 2)
        measured = Measured((SubKernelResult(timing(30.0), None), SubKernelResult(timing(20.0), None)))
        change = plan_pin(multi_kernel, file, 1)
        assert change is not None
        apply_change(catalog.store, replace(change, measured=measured), Occasion(Who.TOOL))
        assert run("list", "--json").json["multi_kernels"][0]["verdict"]["regret"] == 0
        cache.write_pick(0, b"0")
        assert run("list", "--json").json["multi_kernels"][0]["verdict"]["regret"] == pytest.approx(0.5)
        assert "⚠ +50%" in run("list").lines[1]

    def test_what_makes_programs_ignore_picks_is_told(
        self, run: Run, cache: PlayedCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE", "1")
        cache.write_pick(0, b"1")
        done = run("list")
        assert done.code == 0
        assert done.err.startswith("TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE=1 is set: Pick files are neither read nor")
        assert "TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE=1" in run("show", ids(cache)[0]).out
        assert "is set" in run("pin", ids(cache)[0], "0").err
        assert run("list", "--json").json["environment"][0]["picks_count"] is False

    def test_unknown_picks_are_told_once_with_the_reason(self, run: Run, tmp_path: Path) -> None:
        cache = PlayedCache(tmp_path, NEW)
        done = run("list", str(cache.root), "--no-python")
        assert "PICK" not in done.lines[0]
        assert done.err == (
            "4 picks are not known: not remembered, and no Python was to be started to compute where it is\n"
        )


class TestPython:
    def test_a_bundle_starts_none(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        def start(python: str) -> WorkerProcess:
            raise AssertionError(f"{python} was started")

        monkeypatch.setattr("mkexplorer.picks.interpreter.WorkerProcess", start)
        for command in (["list"], ["show", "cmzexxx"], ["picks", "export"]):
            assert run(*command, "--sample").code == 0

    @pytest.fixture
    def new(self, tmp_path: Path) -> PlayedCache:
        return PlayedCache(tmp_path / "new", NEW)

    def test_the_one_that_was_named_tells_the_places(self, run: Run, new: PlayedCache, tmp_path: Path) -> None:
        python = played_python(tmp_path / "python")
        new.write_pick(3, b"1", python)
        arguments = ("--place", str(new.root), "--python", python)
        assert states(run, *arguments) == [("none", None)] * 3 + [("picked", 1)]
        assert run("pin", ids(new)[0], "persistent", *arguments).code == 0
        assert states(run, *arguments)[0] == ("pinned", 1)

    def test_what_is_remembered_needs_no_python(self, run: Run, new: PlayedCache, tmp_path: Path) -> None:
        python = played_python(tmp_path / "python")
        arguments = ("--place", str(new.root), "--python", python)
        assert states(run, *arguments) == [("none", None)] * 4
        Path(python).write_text("#!/bin/sh\nexit 1\n")
        assert states(run, *arguments, "--no-python") == [("none", None)] * 4
        assert states(run, *arguments) == [("none", None)] * 4

    @pytest.mark.parametrize("arguments", [("list", "--place"), ("show", "cjigtpl", "--place"), ("doctor", "--place")])
    def test_one_that_cannot_be_asked_is_a_reason_not_a_failure(
        self, run: Run, new: PlayedCache, arguments: tuple[str, ...]
    ) -> None:
        done = run(*arguments, str(new.root), "--python", "/no/such/python")
        assert done.code == (1 if arguments[0] == "doctor" else 0)
        assert "/no/such/python cannot be started" in done.out + done.err

    def test_pinning_what_is_not_known_is_refused_with_the_reason(self, run: Run, new: PlayedCache) -> None:
        done = run("pin", ids(new)[0], "1", "--place", str(new.root), "--no-python")
        assert (done.code, done.out) == (2, "")
        assert "the pick is not changed: not remembered" in done.err

    def test_code_of_somebody_else_runs_only_in_a_python_that_was_named(
        self, run: Run, new: PlayedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        python = played_python(tmp_path / "python")
        os.chown(new.root, 12345, -1) if os.geteuid() == 0 else monkeypatch.setattr(os, "geteuid", lambda: 54321)
        done = run("list", str(new.root))
        assert "code of this cache would have to run, which belongs to " in done.err
        assert states(run, "--place", str(new.root), "--python", python) == [("none", None)] * 4

    def test_progress_is_shown_at_a_terminal_and_goes_again(
        self, at_terminal: Run, run: Run, new: PlayedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arguments = ("list", str(new.root), "--python", played_python(tmp_path / "python"))
        monkeypatch.setattr("mkexplorer.cli.terminal.PATIENCE_S", 0.0)
        monkeypatch.setattr("mkexplorer.picks.interpreter.WorkerProcess", Slow)
        done = at_terminal(*arguments)
        assert "\rFinding the picks: " in done.err
        assert done.err.endswith("\r\x1b[K")
        assert run(*arguments).err == ""


class TestPin:
    @pytest.mark.parametrize("wanted", ["1", "looped", "triton_red_fused_1", "red"])
    def test_a_sub_kernel_by_index_kind_or_name(self, run: Run, cache: PlayedCache, wanted: str) -> None:
        done = run("pin", ids(cache)[0], wanted)
        assert done.code == 0
        assert done.out.startswith(f"{ids(cache)[0]} ")
        assert done.out.endswith(": none → pinned 1 looped\n")

    def test_the_file_holds_it_as_torch_would_write_it(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        assert run("pin", f"{ids(cache)[0]}:1").code == 0
        assert path.read_bytes() == b"1"

    def test_pinning_the_same_again_is_nothing_to_do(self, run: Run, cache: PlayedCache) -> None:
        run("pin", ids(cache)[0], "1")
        done = run("pin", ids(cache)[0], "1")
        assert (done.code, done.out) == (1, "")
        assert "is pinned already" in done.err

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["2"], "'2' has no sub-kernel"),
            (["cooperative"], "'cooperative' has no sub-kernel"),
            (["triton"], "'triton' fits more than one sub-kernel"),
            ([], "which sub-kernel is to be pinned?"),
        ],
    )
    def test_what_names_no_sub_kernel(self, run: Run, cache: PlayedCache, arguments: list[str], said: str) -> None:
        done = run("pin", ids(cache)[0], *arguments)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert "0 (persistent triton_" in done.err

    def test_a_bundle_is_never_changed(self, run: Run) -> None:
        done = run("pin", "cmzexxx", "1", "--sample")
        assert done.code == 2
        assert "a bundle is never changed" in done.err

    def test_a_dry_run_changes_nothing(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        done = run("pin", ids(cache)[0], "1", "--dry-run")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"would pin {ids(cache)[0]} ")
        assert done.out.endswith(": picked 0 persistent → pinned 1 looped\n")
        assert path.read_bytes() == b"0"
        assert run("history").code == 1

    def test_json(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        document = run("pin", ids(cache)[0], "1", "--json").json
        assert document == {
            "schema": "mkexplorer.changes/1",
            "place": str(cache.root),
            "dry_run": False,
            "changes": [
                {
                    "multi_kernel": ids(cache)[0],
                    "path": str(path.relative_to(cache.root)),
                    "action": "pin",
                    "from": {"state": "picked", "index": 0, "text": "0"},
                    "to": {"state": "pinned", "index": 1, "text": "1"},
                    "done": True,
                    "error": None,
                    "now": {"state": "pinned", "index": 1, "reason": document["changes"][0]["now"]["reason"]},
                }
            ],
            "refused": [],
            "unmatched": [],
            "removed": [],
        }

    def test_an_obstacle_is_told_and_the_pick_stays(self, run: Run, cache: PlayedCache, tmp_path: Path) -> None:
        path = cache.write_pick(0, b"0")
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
        done = run("pin", ids(cache)[0], "1")
        assert (done.code, done.out) == (2, "")
        assert "is a symbolic link" in done.err
        assert (tmp_path / "elsewhere").read_bytes() == b"0"

    def test_those_that_share_a_pick_are_named(self, run: Run, cache: PlayedCache) -> None:
        """A second wrapper of the same kernels."""
        wrapper = next(path for path in cache.root.rglob("c*.py"))
        copy = cache.root / "zz" / ("czz" + "z" * 49 + ".py")
        copy.parent.mkdir()
        copy.write_text(wrapper.read_text().replace("def call(args):", "def call(args):\n    pass"))
        book = cache.book()
        multi_kernels = book.catalog.multi_kernels
        shared = next(each.id for each in multi_kernels if len(book.owners(book.of(each).file.path)) == 2)
        assert "are of the same kernels and share one pick: it changes for all of them." in run("pin", shared, "1").err


class TestAsking:
    def test_clearing_without_a_terminal_needs_yes(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        done = run("clear", ids(cache)[0])
        assert (done.code, done.out) == (2, "")
        assert "There is no terminal to ask on, so nothing was changed" in done.err
        assert "--yes" in done.err
        assert path.read_bytes() == b"0"

    @pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
    def test_at_a_terminal_it_says_what_will_happen_and_asks(
        self, at_terminal: Run, cache: PlayedCache, typed: str, code: int
    ) -> None:
        path = cache.write_pick(0, b"0")
        done = at_terminal("clear", ids(cache)[0], typed=typed)
        assert done.code == code
        assert f"{ids(cache)[0]} multi_kernel_0 4096×2048 f32: picked 0 persistent → none\n" in done.err
        assert "The next program that loads them measures anew." in done.err
        assert "Clear 1 pick? [y/N] " in done.err
        assert path.exists() == (code == 1)
        assert ("Nothing was changed." in done.err) == (code == 1)

    def test_a_pin_of_one_file_and_its_undo_ask_nothing(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        assert run("pin", ids(cache)[0], "1").code == 0
        assert run("undo").code == 0
        assert path.read_bytes() == b"0"

    def test_the_undo_of_many_asks(self, run: Run, at_terminal: Run, cache: PlayedCache) -> None:
        files = [cache.write_pick(number, b"0") for number in range(4)]
        run("clear", "--all", "--yes")
        assert run("undo").code == 2
        assert not any(path.exists() for path in files)
        done = at_terminal("undo", typed="y\n")
        assert "Undo the last change of 4 picks? [y/N] " in done.err
        assert all(path.read_bytes() == b"0" for path in files)


class TestClear:
    def test_all(self, run: Run, cache: PlayedCache) -> None:
        for number in range(3):
            cache.write_pick(number, b"1")
        done = run("clear", "--all", "--yes")
        assert (done.code, len(done.lines)) == (0, 3)
        assert states(run) == [("none", None)] * 4
        again = run("clear", "--all", "--yes")
        assert (again.code, again.err) == (1, "There is nothing to clear.\n")

    def test_some_by_id(self, run: Run, cache: PlayedCache) -> None:
        for number in range(3):
            cache.write_pick(number, b"1")
        assert run("clear", ids(cache)[0], ids(cache)[2], "--yes").code == 0
        assert states(run) == [("none", None), ("picked", 1), ("none", None), ("none", None)]

    def test_the_invalid_ones(self, run: Run, cache: PlayedCache) -> None:
        for number, content in enumerate((b"", b"1", b"9", b"x\x1b[2J")):
            cache.write_pick(number, content)
        done = run("clear", "--invalid", "--yes")
        assert [line.partition(": ")[2] for line in done.lines] == [
            "invalid → none",
            "invalid '9' → none",
            "invalid 'x\\x1b[2J' → none",
        ]
        assert states(run) == [("none", None), ("picked", 1), ("none", None), ("none", None)]

    def test_orphans(self, run: Run, cache: PlayedCache) -> None:
        kept = cache.write_pick(0, b"1")
        orphan = cache.root / "ab" / "cabx.picked_kernel"
        orphan.parent.mkdir()
        orphan.write_bytes(b"0")
        done = run("clear", "--orphans", "--yes")
        assert (done.code, done.out) == (0, "ab/cabx.picked_kernel: picked 0 → none\n")
        assert kept.exists()
        assert not orphan.exists()
        assert run("undo").code == 0
        assert orphan.read_bytes() == b"0"

    def test_orphans_where_they_cannot_be_told(self, run: Run, tmp_path: Path) -> None:
        cache = PlayedCache(tmp_path, NEW)
        done = run("clear", "--orphans", "--yes", "--place", str(cache.root), "--no-python")
        assert done.code == 2
        assert "cannot be told" in done.err

    def test_leftovers_of_a_killed_writer(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"1")
        leftover = path.with_name(f".{path.name}{LEFTOVER}")
        leftover.write_bytes(b"0")
        assert run("clear", "--leftovers", "--dry-run").out == "would remove what was left beside 1 pick\n"
        assert run("clear", "--leftovers").code == 2
        assert leftover.exists()
        assert run("clear", "--leftovers", "--yes", "--json").json["removed"] == [str(path.relative_to(cache.root))]
        assert not leftover.exists()
        assert path.read_bytes() == b"1"
        assert run("clear", "--leftovers", "--yes").code == 1

    def test_many_that_cannot_be_cleared_are_counted(self, run: Run) -> None:
        done = run("clear", "--all", "--yes", "--sample")
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 6)
        assert done.err.endswith("… and 36 more that cannot be changed\n")

    def test_one_that_cannot_be_cleared_stops_no_other(self, run: Run, cache: PlayedCache) -> None:
        cache.pick_file(0).mkdir(parents=True)
        other = cache.write_pick(1, b"1")
        done = run("clear", "--all", "--yes")
        assert done.code == 2
        assert "is no ordinary file" in done.err
        assert not other.exists()

    @pytest.mark.parametrize("arguments", [[], ["--all", "--invalid"], ["cabc", "--all"]])
    def test_exactly_one_way_to_choose(self, run: Run, arguments: list[str]) -> None:
        done = run("clear", *arguments)
        assert (done.code, done.out) == (2, "")


class TestHistory:
    def test_every_change_of_the_place(self, run: Run, cache: PlayedCache) -> None:
        cache.write_pick(0, b"0")
        run("pin", ids(cache)[0], "1", "--why", "faster")
        run("pin", ids(cache)[1], "1")
        run("undo")
        done = run("history")
        assert (done.code, done.err) == (0, "")
        assert [line.split("  ")[3].strip() for line in map(_spaced, done.lines)] == [
            "CHANGE",
            "pin: picked 0 persistent → pinned 1 looped",
            "pin: none → pinned 1 looped",
            "undo: pinned 1 looped → none",
        ]
        assert "(undone)" in done.lines[2]
        assert done.lines[1].endswith("faster")

    def test_of_one_multi_kernel(self, run: Run, cache: PlayedCache) -> None:
        run("pin", ids(cache)[0], "1")
        run("pin", ids(cache)[1], "1")
        assert len(run("history", ids(cache)[1]).lines) == 2
        assert run("history", ids(cache)[2]) == Done(1, "", "No pick was changed by mkexplorer here.\n")

    def test_json(self, run: Run, cache: PlayedCache) -> None:
        run("pin", ids(cache)[0], "1")
        run("undo")
        document = run("history", "--json").json
        pin, undo = document["entries"]
        assert (document["schema"], document["problems"]) == ("mkexplorer.history/1", [])
        assert (pin["multi_kernel"], pin["action"], pin["undone"], pin["who"]) == (ids(cache)[0], "pin", True, "person")
        assert (pin["from"]["text"], pin["to"]) == (None, {"state": "pinned", "index": 1, "text": "1"})
        assert (undo["action"], undo["undoes"], undo["happened"]) == ("undo", pin["id"], True)
        assert undo["host"]

    def test_a_damaged_one_is_told(self, run: Run, cache: PlayedCache) -> None:
        run("pin", ids(cache)[0], "1")
        with open(f"{cache.pick_file(0)}.json", "ab") as file:
            file.write(b"garbage\n")
        done = run("history")
        assert (done.code, len(done.lines)) == (0, 2)
        assert "line 3: is no JSON" in done.err
        assert states(run)[0] == ("pinned", 1)


class TestUndo:
    def test_walks_into_the_past_command_by_command(self, run: Run, cache: PlayedCache) -> None:
        for number in range(4):
            cache.write_pick(number, b"0")
        run("pin", ids(cache)[0], "1")
        run("clear", "--all", "--yes")
        assert run("undo", "--yes").code == 0
        assert states(run) == [("pinned", 1), *[("picked", 0)] * 3]
        assert run("undo").code == 0
        assert states(run) == [("picked", 0)] * 4
        assert run("undo") == Done(1, "", "There is no change to undo.\n")


class TestTravel:
    def test_the_same_kernels_are_pinned_whatever_their_order(self, run: Run, tmp_path: Path) -> None:
        """Torch 2.5 lists the persistent sub-kernel first, 2.6 the looped one."""
        old, new = PlayedCache(tmp_path / "old", "2.5.1"), PlayedCache(tmp_path / "new", "2.6.0")
        old_python = played_python(tmp_path / "old-python", "2.5.1")
        for number in range(4):
            old.write_pick(number, b"0", old_python)
        exported = run("picks", "export", "--place", str(old.root), "--python", old_python)
        assert (exported.code, exported.err, exported.out.count("[[pick]]")) == (0, "", 4)
        (tmp_path / "picks.toml").write_text(exported.out)

        arguments = ("--place", str(new.root), "--python", played_python(tmp_path / "new-python", "2.6.0"))
        done = run("picks", "apply", str(tmp_path / "picks.toml"), *arguments, "--yes")
        assert (done.code, len(done.lines)) == (1, 3)
        assert all(line.endswith(": none → pinned 1 persistent") for line in done.lines)
        assert done.err.endswith("(persistent): no multi-kernel here has these kernels\n")
        assert sorted(states(run, *arguments)) == [("none", None), *[("pinned", 1)] * 3]

    def test_applying_again_is_fine(self, run: Run, cache: PlayedCache, tmp_path: Path) -> None:
        cache.write_pick(0, b"1")
        (tmp_path / "picks.toml").write_text(run("picks", "export").out)
        assert run("picks", "apply", str(tmp_path / "picks.toml")).code == 0
        again = run("picks", "apply", str(tmp_path / "picks.toml"))
        assert again == Done(0, "", "All picks of the file are pinned already.\n")
        assert run("history", "--json").json["entries"][0]["why"] == f"from {tmp_path / 'picks.toml'}"

    def test_what_fits_nothing_is_told(self, run: Run, cache: PlayedCache, tmp_path: Path) -> None:
        cache.write_pick(0, b"1")
        text = run("picks", "export").out
        (tmp_path / "picks.toml").write_text(text.replace('"cuda 90"', '"cuda 80"'))
        done = run("picks", "apply", str(tmp_path / "picks.toml"), "--json")
        assert done.code == 1
        assert "the same kernels are here, but for cuda 90 and not cuda 80" in done.err
        assert done.json["unmatched"][0]["reason"].startswith("the same kernels are here")
        assert states(run)[0] == ("picked", 1)

    def test_nothing_to_export(self, run: Run, cache: PlayedCache) -> None:
        cache.write_pick(0, b"9")
        done = run("picks", "export")
        assert (done.code, done.out) == (1, "")
        assert f"{ids(cache)[0]}: invalid: The file says '9'" in done.err

    def test_the_picks_of_a_bundle(self, run: Run) -> None:
        assert run("picks", "export", "--sample").out.count("[[pick]]") > 30

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"[[pick", "is no TOML"),
            (b"\xff", "is no text"),
            (b"x = 1\n", "is no file of picks"),
            (None, "No such file"),
        ],
    )
    def test_a_file_that_is_none(
        self, run: Run, cache: PlayedCache, tmp_path: Path, content: bytes | None, said: str
    ) -> None:
        path = tmp_path / "picks.toml"
        if content is not None:
            path.write_bytes(content)
        done = run("picks", "apply", str(path))
        assert (done.code, done.out) == (2, "")
        assert f"{path}" in done.err
        assert said in done.err


class Slow(WorkerProcess):
    def ask(self, request: Mapping[str, object], patience_s: float) -> dict[str, Any]:
        time.sleep(0.05)
        return super().ask(request, patience_s)


def test_completion_knows_the_verbs_of_picks(run: Run) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = run("completion", shell).out
        assert all(word in script for word in ("doctor", "history", "orphans", "apply", "dry-run"))
    checked = subprocess.run(["bash", "-n"], input=run("completion", "bash").out, text=True, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def _spaced(line: str) -> str:
    """Columns are two or more spaces apart."""
    return "  ".join(part.strip() for part in line.split("  ") if part.strip())
