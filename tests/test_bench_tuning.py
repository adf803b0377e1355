"""Which of its configurations a sub-kernel runs with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mkexplorer.race.racing import Contestant, Outcome, Settings, race
from mkexplorer.worker import tuning
from tests.fake_gpu import Configuration, Kernel, Launcher, Stopwatch, copying

WARPS = {"num_warps": 4, "num_stages": 1}


def launcher(size: int, spills: int = 0) -> Launcher:
    return Launcher(copying(), Configuration(XBLOCK=size), spills)


def sizes(compiled: tuning.Compiled) -> list[int]:
    return [each.config.kwargs["XBLOCK"] for each in compiled.launchers]


class TestCompile:
    def test_all_are_compiled_where_none_is_recorded(self) -> None:
        compiled = tuning.compile_kernel(Kernel(launcher(8), launcher(16)), [], None)
        assert (sizes(compiled), compiled.is_settled) == ([8, 16], False)

    def test_one_alone_needs_no_tuning(self) -> None:
        assert tuning.compile_kernel(Kernel(launcher(8)), [], None).is_settled

    def test_of_several_only_the_recorded_one_is_compiled(self) -> None:
        kernel = Kernel(launcher(8), launcher(16))
        compiled = tuning.compile_kernel(kernel, [], {"XBLOCK": 16, **WARPS})
        assert (sizes(compiled), compiled.is_settled) == ([16], True)
        assert len(kernel.configs) == 1

    def test_a_record_of_something_else_is_passed_over(self) -> None:
        compiled = tuning.compile_kernel(Kernel(launcher(8), launcher(16)), [], {"XBLOCK": 32, **WARPS})
        assert (sizes(compiled), compiled.is_settled) == ([8, 16], False)

    def test_one_that_torch_added_is_found_by_its_record(self) -> None:
        kernel = Kernel(launcher(8), launcher(16))
        kernel.configs.pop()
        added = launcher(16)
        kernel.precompile = lambda: setattr(kernel, "launchers", [launcher(8), added])  # type: ignore[method-assign]
        assert sizes(tuning.compile_kernel(kernel, [], {"XBLOCK": 16, **WARPS})) == [16]

    def test_one_from_a_file_is_not_raced_against_one_that_torch_added(self) -> None:
        kernel = Kernel(launcher(8))
        kernel.autotune_cache_info = {"best_config": ()}
        kernel.precompile = lambda: setattr(kernel, "launchers", [launcher(8), launcher(4)])  # type: ignore[method-assign]
        compiled = tuning.compile_kernel(kernel, [], {"XBLOCK": 4, **WARPS})
        assert (sizes(compiled), compiled.is_settled) == ([8], True)

    def test_before_torch_told_where_one_is_from_its_file_does(self) -> None:
        kernel = Kernel(launcher(8))
        del kernel.autotune_cache_info
        kernel.precompile = lambda: setattr(kernel, "launchers", [launcher(8), launcher(4)])  # type: ignore[method-assign]
        text = json.dumps({"XBLOCK": 8, **WARPS, "configs_hash": "00", "time_taken_ms": 3})
        assert sizes(tuning.compile_kernel(kernel, [text, "no json", "[]"], None)) == [8]
        assert sizes(tuning.compile_kernel(kernel, ["no json"], None)) == [8, 4]

    def test_those_that_spill_are_left_out_unless_all_do(self) -> None:
        assert sizes(tuning.compile_kernel(Kernel(launcher(8, spills=17), launcher(16)), [], None)) == [16]
        assert sizes(tuning.compile_kernel(Kernel(launcher(8, spills=17), launcher(16, spills=99)), [], None)) == [8]
        kernel = Kernel(launcher(8, spills=17), launcher(16), spill_threshold=32)
        assert sizes(tuning.compile_kernel(kernel, [], None)) == [8, 16]

    def test_code_that_wants_a_search_is_not_settled(self) -> None:
        kernel = Kernel(launcher(8), coordinate_descent_tuning=True)
        assert not tuning.compile_kernel(kernel, [], None).is_settled
        assert tuning.compile_kernel(kernel, [], {"XBLOCK": 8, **WARPS}).is_settled


def run_race(contestants: Sequence[Contestant], settings: Settings) -> Outcome:
    return race(contestants, Stopwatch({"slow": 20.0, "fast": 10.0}), settings)


def contestants(*names: str) -> list[Contestant]:
    return [Contestant(name, lambda: None) for name in names]


class TestTuned:
    def test_the_fastest_wins(self) -> None:
        launchers = [launcher(8), launcher(16)]
        found = tuning.tuned(Kernel(*launchers), launchers, contestants("slow", "fast"), [], run_race)
        assert found is launchers[1]

    def test_one_alone_does_not_race(self) -> None:
        def never(*_: Any) -> Outcome:
            raise AssertionError

        only = launcher(8)
        assert tuning.tuned(Kernel(only), [only], contestants("slow"), [], never) is only

    def test_torch_searches_on_where_the_code_wants_that(self) -> None:
        only = launcher(8)
        kernel = Kernel(only, coordinate_descent_tuning=True)
        assert tuning.tuned(kernel, [only], contestants("slow"), [], run_race).config.kwargs == {"XBLOCK": 999}
