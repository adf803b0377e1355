"""Measuring on the command line: what is measured, printed, kept and pinned, and with which exit code."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mkexplorer.catalog.model import Resources
from mkexplorer.cli.terminal import PATIENCE_S
from mkexplorer.measure.bencher import Bencher
from mkexplorer.measure.errors import BenchError, BenchUnusable
from mkexplorer.measure.model import BenchRequest, BenchResult, Device
from mkexplorer.measure.resources import ResourceReport
from tests.command_line import Run
from tests.conftest import DATA
from tests.fake_bencher import H100, FakeBencher, bench_result, sub_result
from tests.pick_places import PlayedCache, default_cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedCache:
    """The default place: four multi-kernels; of the first three a sub-kernel is picked."""
    cache = default_cache(tmp_path, monkeypatch)
    for number in range(3):
        cache.write_pick(number, b"0")
    return cache


@pytest.fixture
def ids(cache: PlayedCache) -> list[str]:
    return [each.id for each in cache.catalog.multi_kernels]


@pytest.fixture
def bencher(monkeypatch: pytest.MonkeyPatch, ids: list[str]) -> FakeBencher:
    """Of the three picks the first costs 8.5 µs at each call, the second is right, the third 0.6 µs (3%)."""
    bencher = FakeBencher(
        {
            ids[0]: bench_result(ids[0], 31.1, 22.6),
            ids[1]: bench_result(ids[1], 22.6, 31.1),
            ids[2]: bench_result(ids[2], 20.6, 20.0),
            ids[3]: bench_result(ids[3], 31.1, 22.6, picked=None),
        }
    )
    given: dict[str, Any] = {}

    def make(python: str | None = None, **settings: Any) -> FakeBencher:
        given.update(settings, python=python)
        bencher.is_closed = False
        return bencher

    monkeypatch.setattr("mkexplorer.cli.measuring.Bencher", make)
    bencher.settings = given  # type: ignore[attr-defined]
    return bencher


def settings(bencher: FakeBencher) -> dict[str, Any]:
    return bencher.settings  # type: ignore[attr-defined, no-any-return]


def interrupted(_: BenchRequest) -> BenchResult:
    raise KeyboardInterrupt


class TestBench:
    def test_the_verdict_comes_with_what_it_rests_on(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        done = run("bench", ids[0])
        assert (done.code, done.err) == (0, "")
        title, verdict, heading, persistent, looped, rests_on, _, machine, summary = done.lines
        assert title.startswith(ids[0])
        assert verdict == (
            "  looped is 1.38× faster than persistent (95%: 1.37 to 1.38); the pick costs 8.50 µs a call"
        )
        assert re.split("  +", heading.strip()) == ["SUB-KERNEL", "COLD L2", "HOT L2", "BANDWIDTH", "RESOURCES"]
        assert re.split("  +", persistent.strip()) == [
            "0 persistent",
            "31.1 µs [31.08, 31.12] n=24",
            "30.2 µs",
            "2158 GB/s, 77% of copy",
            "32 registers, 0 spills, 1024 bytes shared",
            "● picked",
        ]
        assert looped.endswith("fastest")
        assert rests_on == "  all sub-kernels compute the same · arguments: the call in the wrapper"
        assert machine == (
            "NVIDIA H100 80GB HBM3, driver 580.65 · torch 2.11.0+cu130 · triton 3.6.0 · 1980 MHz · copies 2800 GB/s"
        )
        assert summary == "1 of 1 measured · 1 slower than it could be · loses 8.50 µs per run"

    def test_one_two_or_all(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        run("bench", ids[2], ids[0])
        assert [each.multi_kernel_id for each in bencher.requests] == [ids[2], ids[0]]
        done = run("bench", "--all")
        assert [each.multi_kernel_id for each in bencher.requests[2:]] == ids
        assert done.lines[-1].startswith("4 of 4 measured · 2 slower than they could be · loses 9.10 µs per run")

    def test_the_pick_goes_along(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        run("bench", ids[0], ids[3])
        assert [each.picked for each in bencher.requests] == [0, None]

    def test_which_ones_must_be_said(self, run: Run, bencher: FakeBencher) -> None:
        done = run("bench")
        assert done.code == 2
        assert "give the ids of what to measure, or --all" in done.err
        assert run("bench", "--all", "c").code == 2

    def test_what_was_measured_is_kept_and_seen_by_every_command(
        self, run: Run, bencher: FakeBencher, ids: list[str]
    ) -> None:
        run("bench", ids[0])
        listed = run("list", "--json").json
        assert listed["multi_kernels"][0]["verdict"]["word"] == "FASTER"
        assert listed["multi_kernels"][0]["pick"]["changes"] == 0
        assert listed["multi_kernels"][0]["machine"]["gpu"] == H100.gpu
        assert listed["counts"]["loss_us"] == pytest.approx(8.5)
        assert "the history of the pick" in run("show", ids[0]).out
        assert run("history").code == 1
        assert run("undo").code == 1

    def test_unless_nothing_is_to_be_kept(self, run: Run, bencher: FakeBencher, cache: PlayedCache) -> None:
        assert "4 results are not kept: --no-store" in run("bench", "--all", "--no-store").err
        assert list(cache.root.rglob("*.json")) == []

    def test_what_is_not_kept_is_told_with_the_reason(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        contended = replace(H100, contended="a process uses 80% of it")
        bencher.script[ids[0]] = bench_result(ids[0], 31.1, 22.6, environment=contended)
        done = run("bench", ids[0])
        assert done.err == "1 result is not kept: somebody else was using the GPU: a process uses 80% of it\n"
        assert "  ⚠ somebody else was using the GPU: a process uses 80% of it" in done.lines
        assert done.code == 0

    def test_options_reach_the_worker(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        run("bench", ids[0])
        assert settings(bencher) == {"python": None, "device": None, "timeout_s": 120.0, "memory_limit_bytes": None}
        run("bench", ids[0], "--python", "py", "--device", "interpreter", "--timeout", "7", "--memory-limit", "1.5G")
        limit = 3 * 2**29
        assert settings(bencher) == {
            "python": "py",
            "device": Device.INTERPRETER,
            "timeout_s": 7.0,
            "memory_limit_bytes": limit,
        }

    @pytest.mark.parametrize(
        "wrong", [("--timeout", "0"), ("--timeout", "nan"), ("--memory-limit", "0"), ("--memory-limit", "lots")]
    )
    def test_limits_that_are_none_are_told(
        self, run: Run, bencher: FakeBencher, ids: list[str], wrong: tuple[str, str]
    ) -> None:
        done = run("bench", ids[0], *wrong)
        assert done.code == 2
        assert wrong[1] in done.err

    @pytest.mark.parametrize("size", ["s0", "s0=", "s0=-1", "s0=1.5", "=4", "s0=0"])
    def test_a_size_that_is_none_is_told(self, run: Run, bencher: FakeBencher, ids: list[str], size: str) -> None:
        done = run("bench", ids[0], "--size", size)
        assert done.code == 2
        assert "Write it like --size s0=4096." in done.err

    def test_a_size_of_another_name_is_told(
        self, run: Run, bencher: FakeBencher, ids: list[str], tmp_path: Path
    ) -> None:
        dynamic = tmp_path / "dynamic.py"
        text = (DATA / "wrappers" / "torch-2.13.0" / "softmax.py").read_text()
        dynamic.write_text(text.replace("multi_kernel_0.run(x_1, buf2, 4096,", "multi_kernel_0.run(x_1, buf2, s0,"))
        done = run("bench", ids[0], "--size", "s0=4096")
        assert done.code == 2
        assert done.err == "mkexplorer: nothing here has a size s0\nAll sizes are fixed.\n"
        done = run("bench", "--all", "--place", str(dynamic), "--size", "s9=4", "--size", "s0=5")
        assert done.err == "mkexplorer: nothing here has a size s9\nThe sizes that can be given are s0.\n"
        assert not bencher.requests


class TestFaults:
    def test_one_that_fails_stops_no_other(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        bencher.script[ids[0]] = BenchError("the worker died of signal 11 while racing", "Try it alone.")
        done = run("bench", "--all")
        assert done.code == 1
        assert done.err == f"{ids[0]}: the worker died of signal 11 while racing. Try it alone.\n"
        assert done.lines[-1].startswith("3 of 4 measured")

    def test_what_would_fail_for_all_ends_it(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        bencher.script[ids[0]] = BenchUnusable("this Python has no torch", "Name another with --python.")
        done = run("bench", "--all")
        assert (done.code, len(bencher.requests)) == (2, 1)
        assert "this Python has no torch" in done.err

    @pytest.mark.parametrize(
        "fault", [sub_result(22.6, agrees=False, problem="differs by 0.5"), sub_result(None, problem="too large")]
    )
    def test_a_sub_kernel_that_is_wrong_or_does_not_run_is_a_failure(
        self, run: Run, bencher: FakeBencher, ids: list[str], fault: Any
    ) -> None:
        bencher.script[ids[0]] = bench_result(ids[0], subs=[sub_result(31.1), fault])
        done = run("bench", ids[0])
        assert done.code == 1
        assert fault.problem in done.out

    def test_what_has_no_times_was_not_measured(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        bencher.script[ids[0]] = bench_result(ids[0], subs=[sub_result(None, problem="too large")] * 2)
        assert run("bench", ids[0]).lines[-1].startswith("0 of 1 measured")

    def test_without_a_gpu_times_are_none(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        """Not even those that were measured before."""
        run("bench", ids[0])
        bencher.script[ids[0]] = bench_result(ids[0], 3e6, 4e6, device=Device.INTERPRETER)
        done = run("bench", ids[0])
        assert "no verdict: the kernels ran in Triton's interpreter, whose times are no GPU times" in done.lines[1]
        assert "INTERPRETER, NOT A GPU TIME" in done.lines[2]
        assert re.split("  +", done.lines[3].strip())[:2] == ["0 persistent", "3000 ms"]
        assert " µs" not in done.out
        assert done.err == "1 result is not kept: times of Triton's interpreter are no GPU times\n"
        assert done.code == 0

    def test_ctrl_c_prints_what_was_measured(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        bencher.script[ids[1]] = interrupted
        done = run("bench", "--all")
        assert done.code == 130
        assert done.lines[-1].startswith("1 of 4 measured")
        document = run("bench", "--all", "--json").json
        assert (document["cancelled"], len(document["results"])) == (True, 1)
        assert bencher.is_closed


class TestJson:
    def test_has_every_sample(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        bencher.script[ids[1]] = BenchError("it failed", "")
        done = run("bench", ids[0], ids[1], "--json")
        document = done.json
        assert (document["schema"], document["cancelled"]) == ("mkexplorer.bench/1", False)
        (result,) = document["results"]
        assert (result["multi_kernel"], result["kept"], result["why_not_kept"]) == (ids[0], True, "")
        assert (result["verdict"]["word"], result["verdict"]["best"]) == ("FASTER", 1)
        assert [round(each) for each in result["gb_per_s"]] == [2158, 2970]
        assert len(result["sub_kernels"][0]["samples_us"]) == 24
        assert result["environment"]["driver"] == "580.65"
        assert document["failed"] == [{"multi_kernel": ids[1], "message": "it failed", "advice": ""}]
        assert done.code == 1

    def test_where_no_bar_can_be_drawn_progress_is_a_line_each(
        self, run: Run, bencher: FakeBencher, ids: list[str]
    ) -> None:
        lines = run("bench", ids[0], ids[1], "--json").err.splitlines()
        assert lines[0].startswith(f"1 of 2: {ids[0]} ")
        assert "looped is 1.38× faster than persistent" in lines[0]
        assert run("bench", ids[0], "--json", "--quiet").err == ""


class TestAtATerminal:
    def test_a_bar_is_drawn_and_makes_room_for_results(
        self, at_terminal: Run, bencher: FakeBencher, ids: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mkexplorer.cli.terminal.PATIENCE_S", 0.0)
        drawn = threading.Event()

        def slow(request: BenchRequest) -> BenchResult:
            drawn.wait(0.3)
            return bench_result(request.multi_kernel_id, 31.1, 22.6)

        bencher.script[ids[1]] = slow
        done = at_terminal("bench", ids[0], ids[1])
        assert "━━━━━━━━━━────────── 1 of 2" in done.err
        assert done.err.endswith("\r\x1b[K")
        assert "\x1b" not in done.out

    def test_but_not_for_somebody_who_wants_quiet(self, at_terminal: Run, bencher: FakeBencher, ids: list[str]) -> None:
        def slow(request: BenchRequest) -> BenchResult:
            threading.Event().wait(2 * PATIENCE_S)
            return bench_result(request.multi_kernel_id, 31.1, 22.6)

        bencher.script[ids[0]] = slow
        assert at_terminal("bench", ids[0], "--quiet").err == ""


class TestConsent:
    def test_code_of_a_bundle_runs_only_when_it_is_trusted(
        self, run: Run, bencher: FakeBencher, ids: list[str], tmp_path: Path
    ) -> None:
        bundle = str(tmp_path / "sent.mkx")
        run("export", "-o", bundle, "--only", ids[0])
        for command in (("bench", ids[0], "--place"), ("show", ids[0], "--resources", "--target", "sm_90", "--place")):
            done = run(*command, bundle)
            assert done.code == 2
            assert "its code comes from whoever made it" in done.err
            assert "--trust" in done.err
        assert (bencher.requests, bencher.targets) == ([], [])
        assert run("bench", ids[0], "--trust", "--place", bundle).code == 0

    def test_the_sample_is_ours(self, run: Run, bencher: FakeBencher) -> None:
        bencher.script["cmzexxx/multi_kernel_0"] = bench_result("cmzexxx/multi_kernel_0", 31.1, 22.6)
        done = run("bench", "cmzexxx", "--sample")
        assert done.code == 0
        assert "not kept: a bundle is never changed" in done.err


class TestAudit:
    def test_the_costliest_comes_first_and_fails_it(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        done = run("audit")
        assert done.code == 1
        assert [line.split()[0] for line in done.lines[1:4]] == [ids[0], ids[2], ids[1]]
        assert "⚠ +38%" in done.lines[1]
        assert done.lines[1].endswith("8.50 µs")
        assert done.lines[-1] == (
            "3 picks: 2 slower than they could be, 1 by more than 5% · loses 9.10 µs per run · total regret 14%"
        )

    def test_only_picks_that_are_known_are_measured(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        run("audit", "--quiet")
        assert [each.multi_kernel_id for each in bencher.requests] == ids[:3]
        assert settings(bencher)["device"] is Device.CUDA

    @pytest.mark.parametrize(("limit", "code"), [("40%", 0), ("0.4", 0), ("37%", 1), ("nonsense", 2), ("5", 2)])
    def test_the_limit_decides(self, run: Run, bencher: FakeBencher, limit: str, code: int) -> None:
        assert run("audit", "--fail-above", limit).code == code

    def test_what_could_not_be_measured_is_no_success(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        bencher.script[ids[0]] = BenchError("it failed", "")
        done = run("audit", "--quiet")
        assert done.code == 2
        assert done.err == f"{ids[0]}: it failed\n"
        assert "1 without a verdict" in done.lines[-1]

    def test_a_pick_that_computes_something_else_fails_it(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        wrong = [sub_result(22.6, agrees=False, problem="differs by 0.5"), sub_result(31.1)]
        bencher.script[ids[0]] = bench_result(ids[0], subs=wrong)
        done = run("audit")
        assert done.code == 1
        assert "1 computing something else" in done.lines[-1]

    def test_without_a_gpu_it_tells_what_can_be_done(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        bencher.script[ids[0]] = BenchUnusable("torch in this Python has no GPU", "Run where there is one.")
        done = run("audit")
        assert (done.code, done.out) == (2, "")
        assert "has no GPU" in done.err
        assert "--recorded" in done.err

    def test_nothing_to_audit_is_no_success(self, run: Run, tmp_path: Path) -> None:
        PlayedCache(tmp_path / "empty", "2.4.1")
        done = run("audit", str(tmp_path / "empty"))
        assert done.code == 2
        assert "no pick is known, so there is nothing to audit" in done.err

    def test_what_was_recorded_can_be_judged_without_measuring(self, run: Run, bencher: FakeBencher) -> None:
        done = run("audit", "--sample", "--recorded")
        assert done.code == 1
        assert bencher.requests == []
        assert done.lines[1].split()[0] == "cmzexxx/multi_kernel_0"
        assert done.lines[-1].startswith("41 picks: 11 slower than they could be, 11 by more than 5%, 3 not sure · ")
        run("audit")
        requests = len(bencher.requests)
        assert run("audit", "--recorded").lines[-1].startswith("3 picks: 2 slower")
        assert len(bencher.requests) == requests

    def test_what_nobody_measured_is_no_success(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        assert run("audit", "--recorded").code == 2
        run("bench", ids[1])
        assert run("audit", "--recorded").code == 2

    def test_json(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        document = run("audit", "--json").json
        assert (document["schema"], document["limit"]) == ("mkexplorer.audit/1", 0.05)
        assert document["counts"] == {"picks": 3, "slower": 2, "above": 1, "wrong": 0, "unsure": 0, "unjudged": 0}
        first = document["picks"][0]
        assert (first["id"], first["winner"], first["above"], first["wrong"]) == (ids[0], 1, True, False)
        assert first["loss_us"] == first["call_loss_us"] == pytest.approx(8.5)
        assert len(first["result"]["sub_kernels"][1]["samples_us"]) == 24
        assert (document["applied"], document["failed"], document["cancelled"]) == (None, [], False)

    def test_ctrl_c_prints_what_was_measured_and_pins_nothing(
        self, run: Run, bencher: FakeBencher, ids: list[str]
    ) -> None:
        bencher.script[ids[1]] = interrupted
        done = run("audit", "--apply", "--yes")
        assert done.code == 130
        assert "⚠ +38%" in done.lines[1]
        assert run("history").code == 1


class TestApply:
    def test_pins_what_is_surely_faster_as_one_command(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        done = run("audit", "--apply", "--yes", "--quiet")
        assert done.code == 0
        assert "picked 0" in done.out
        assert done.out.count("→ pinned 1") == 2
        picks = [each["pick"] for each in run("list", "--json").json["multi_kernels"]]
        assert [(each["state"], each["index"]) for each in picks[:3]] == [("pinned", 1), ("picked", 0), ("pinned", 1)]
        assert picks[0]["why"].startswith("audit: looped is 1.38× faster than persistent")
        entry = next(each for each in run("history", ids[0], "--json").json["entries"] if each["action"] == "pin")
        assert (entry["measured"]["verdict"], entry["gpu"]) == ("FASTER", H100.gpu)
        assert run("audit", "--recorded").code == 0
        assert run("undo", "--yes").out.count("pinned 1 ") == 2
        assert run("audit", "--recorded").code == 1

    def test_asks_first(self, at_terminal: Run, bencher: FakeBencher) -> None:
        done = at_terminal("audit", "--apply", typed="n\n")
        assert done.code == 1
        assert "Pin 2 picks?" in done.err
        assert "Nothing was changed." in done.err
        assert at_terminal("audit", "--apply", typed="y\n").code == 0

    def test_without_anybody_to_ask_nothing_is_even_measured(self, run: Run, bencher: FakeBencher) -> None:
        done = run("audit", "--apply")
        assert (done.code, bencher.requests) == (2, [])
        assert "--yes" in done.err

    def test_can_be_looked_at_first(self, run: Run, bencher: FakeBencher) -> None:
        done = run("audit", "--apply", "--dry-run")
        assert done.code == 1
        assert done.out.count("would pin ") == 2
        assert run("history").code == 1

    def test_pins_nothing_in_doubt(self, run: Run, bencher: FakeBencher, ids: list[str]) -> None:
        contended = replace(H100, contended="a process uses 80% of it")
        bencher.script[ids[0]] = bench_result(ids[0], 31.1, 22.6, environment=contended)
        wrong = [sub_result(20.6), sub_result(20.0), sub_result(20.0, agrees=False)][:2]
        bencher.script[ids[2]] = bench_result(ids[2], subs=[wrong[0], replace(wrong[1], agrees=False)])
        done = run("audit", "--apply", "--yes")
        assert done.code == 1
        assert "There is nothing to pin." in done.err
        assert run("history").code == 1

    def test_json_has_one_document(self, run: Run, bencher: FakeBencher) -> None:
        document = run("audit", "--apply", "--yes", "--json").json
        assert [each["done"] for each in document["applied"]["changes"]] == [True, True]
        assert document["counts"]["above"] == 0

    def test_without_measuring_it_pins_by_what_was_recorded(self, run: Run, bencher: FakeBencher) -> None:
        run("bench", "--all")
        bencher.script.clear()
        assert run("audit", "--recorded", "--apply", "--yes").code == 0


class TestResources:
    @pytest.fixture
    def told(self, bencher: FakeBencher) -> FakeBencher:
        bencher._resources = (
            ResourceReport(Resources(32, 0, 1024), 0.75, (("XBLOCK", 1), ("num_warps", 8))),
            ResourceReport(None, None, (), "it does not compile"),
        )
        return bencher

    def test_of_a_target(self, run: Run, told: FakeBencher, ids: list[str]) -> None:
        done = run("show", ids[0], "--resources", "--target", "sm_90")
        assert (done.code, told.targets) == (0, ["sm_90"])
        assert done.lines[1].split() == [
            "0",
            "persistent",
            "32",
            "0",
            "1024",
            "B",
            "75%",
            "XBLOCK",
            "1,",
            "num_warps",
            "8",
        ]
        assert done.lines[2].endswith("  it does not compile")

    def test_json(self, run: Run, told: FakeBencher, ids: list[str]) -> None:
        document = run("show", ids[0], "--resources", "--target", "sm_90", "--json").json
        assert (document["schema"], document["target"]) == ("mkexplorer.resources/1", "sm_90")
        assert document["sub_kernels"][0]["resources"] == {"registers": 32, "spills": 0, "shared_bytes": 1024}

    def test_of_the_gpu_that_it_was_compiled_for(self, run: Run, told: FakeBencher) -> None:
        assert run("show", "cmzexxx", "--resources", "--sample").code == 0
        assert told.targets == ["cuda:90"]

    def test_where_no_target_is_known_it_must_be_named(self, run: Run, told: FakeBencher, ids: list[str]) -> None:
        done = run("show", ids[0], "--resources")
        assert done.code == 2
        assert "--target sm_90" in done.err

    def test_a_target_without_resources_is_a_mistake(self, run: Run, ids: list[str]) -> None:
        assert run("show", ids[0], "--target", "sm_90").code == 2


def test_the_bencher_of_the_tests_is_called_as_the_real_one() -> None:
    real: Callable[..., Any]
    for name in ("bench", "resources", "cancel", "close", "device"):
        real, fake = getattr(Bencher, name), getattr(FakeBencher, name)
        assert (
            real.__code__.co_varnames[: real.__code__.co_argcount]
            == (fake.__code__.co_varnames[: fake.__code__.co_argcount])
        )


def test_nothing_is_left_in_the_place(run: Run, bencher: FakeBencher, cache: PlayedCache) -> None:
    before = {path for path in cache.root.rglob("*") if path.is_file()}
    run("bench", "--all")
    added = {path.name for path in cache.root.rglob("*") if path.is_file() and path not in before}
    assert {os.path.splitext(name)[1] for name in added} == {".json"}
