"""What commands tell of picks, and which Python they ask where the picks are."""

from __future__ import annotations

import os
import re
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
from mkexplorer.picks.writing import Occasion, apply_change
from tests.builders import timing
from tests.command_line import Run, states
from tests.pick_places import NEW, PlayedCache, default_cache, ids, played_python


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedCache:
    return default_cache(tmp_path, monkeypatch)


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


class Slow(WorkerProcess):
    def ask(self, request: Mapping[str, object], patience_s: float) -> dict[str, Any]:
        time.sleep(0.05)
        return super().ask(request, patience_s)
