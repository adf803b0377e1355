"""What a worker answers, and targets: what they say is told whole, and what cannot be is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from mkexplorer.catalog.model import Timing
from mkexplorer.measure.errors import BenchError
from mkexplorer.measure.model import BenchResult, Device
from mkexplorer.measure.records import as_record
from mkexplorer.measure.resources import target_of
from mkexplorer.measure.verdict import regret
from mkexplorer.measure.wire import read_result

from .bench_answers import answer, request

WHEN = "2026-01-31T12:00:00.000000Z"


def result(told: dict[str, Any] | None = None, picked: int | None = 0, device: Device = Device.CUDA) -> BenchResult:
    return read_result(told or answer(), request(picked=picked), device, WHEN)


class TestVerdict:
    def test_says_what_the_pick_costs(self) -> None:
        judgement = result(picked=0).judgement
        assert judgement is not None
        assert judgement.regret == pytest.approx(0.25)
        assert judgement.pick_is_slower

    def test_of_the_best_as_pick_costs_nothing(self) -> None:
        judgement = result(picked=1).judgement
        assert judgement is not None
        assert judgement.regret == 0.0
        assert not judgement.pick_is_slower

    def test_without_a_pick_has_no_cost(self) -> None:
        judgement = result(picked=None).judgement
        assert judgement is not None
        assert judgement.regret is None

    def test_is_none_on_times_of_the_interpreter(self) -> None:
        assert result(answer(device="interpreter"), device=Device.INTERPRETER).judgement is None

    def test_never_recommends_what_gives_other_results(self) -> None:
        told = answer()
        told["sub_kernels"][1]["agrees"] = False
        judged = result(told)
        assert judged.judgement is None
        assert judged.notes[-1] == "sub-kernel 1 is the fastest, but its outputs differ, so there is no verdict"

    def test_may_find_the_pick_to_give_other_results(self) -> None:
        told = answer()
        told["sub_kernels"][0]["agrees"] = False
        assert result(told).judgement is not None

    def test_without_an_end_to_its_interval(self) -> None:
        told = answer()
        told["ruling"].update(verdict="UNSURE", low=0.0, high=None)
        judgement = result(told).judgement
        assert judgement is not None
        assert math.isinf(judgement.high)


class TestRegret:
    def test_is_never_less_than_nothing(self) -> None:
        """The best of a race by pairs may have the larger median by a hair."""
        assert regret([Timing(10.0, 9, 11, 5), Timing(10.1, 9, 11, 5)], best=1, picked=0) == 0.0

    @pytest.mark.parametrize("picked", [None, -1, 1, 2])
    def test_is_not_known_without_the_picks_time(self, picked: int | None) -> None:
        assert regret([Timing(10.0, 9, 11, 5), None], best=0, picked=picked) is None


def as_json(told: BenchResult) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(json.dumps(as_record(told), allow_nan=False))
    return record


class TestRecord:
    def test_says_all_that_was_measured(self) -> None:
        record, told = as_json(result()), answer()
        assert (record["multi_kernel"], record["when"], record["device"]) == ("cabc123/multi_kernel_0", WHEN, "cuda")
        assert record["arguments"] == "the call in the wrapper"
        for key in ("bytes_moved", "rounds", "gpu_us", "wall_us"):
            assert record[key] == told[key]
        assert record["sub_kernels"] == told["sub_kernels"]
        assert record["judgement"] == told["ruling"] | {"regret": 0.25}
        assert record["environment"] == told["environment"]
        assert record["notes"] == ["s0 = 4096, as asked", "a note"]

    def test_of_half_a_result_too(self) -> None:
        told = answer(bytes_moved=None, ruling=None, environment={}, notes=[])
        told["sub_kernels"][0].update(cold=None, samples_us=[], resources=None, agrees=None, problem="out of memory")
        record = as_json(result(told, picked=None))
        assert record["sub_kernels"] == told["sub_kernels"]
        assert (record["bytes_moved"], record["judgement"]) == (None, None)
        assert record["environment"] == {**dict.fromkeys(answer()["environment"]), "throttled": [], "contended": ""}
        assert record["notes"] == ["s0 = 4096, as asked"]

    def test_has_nothing_where_an_interval_has_no_end(self) -> None:
        told = answer()
        told["ruling"]["high"] = None
        assert as_json(result(told))["judgement"]["high"] is None


class TestAnswer:
    @pytest.mark.parametrize(
        "change",
        [
            {"device": "interpreter"},
            {"sub_kernels": answer()["sub_kernels"][:1]},
            {"sub_kernels": []},
            {"ruling": {"verdict": "FASTER"}},
            {"environment": None},
        ],
    )
    def test_to_another_question_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises((TypeError, ValueError)):
            result(answer(**change))

    @pytest.mark.parametrize(
        "change",
        [
            lambda told: told.update(device="abacus"),
            lambda told: told.update(arguments="guessed"),
            lambda told: told.update(sub_kernels=None),
            lambda told: told.update(sub_kernels=[1]),
            lambda told: told.update(rounds=-1),
            lambda told: told.update(gpu_us=math.inf),
            lambda told: told.update(wall_us=None),
            lambda told: told.update(bytes_moved=2**70),
            lambda told: told.update(notes=[1]),
            lambda told: told["ruling"].update(best=7),
            lambda told: told["ruling"].update(best=0),
            lambda told: told["ruling"].update(ratio=math.nan),
            lambda told: told["ruling"].update(low=2.0, high=1.0),
            lambda told: told["ruling"].update(verdict="SLOWER"),
            lambda told: told["sub_kernels"][0]["cold"].update(n=0),
            lambda told: told["sub_kernels"][0]["cold"].update(median_us=0.0),
            lambda told: told["sub_kernels"][0].update(samples_us=[1.0, math.nan]),
            lambda told: told["sub_kernels"][0].update(samples_us=3),
            lambda told: told["sub_kernels"][0].update(agrees="yes"),
            lambda told: told["sub_kernels"][0]["resources"].update(registers="many"),
        ],
    )
    def test_that_cannot_be_is_refused(self, change: Callable[[dict[str, Any]], object]) -> None:
        told = answer()
        change(told)
        with pytest.raises((TypeError, ValueError)):
            result(told)

    def test_keeps_only_the_numbers_of_a_configuration(self) -> None:
        told = answer()
        told["sub_kernels"][0]["configuration"] = {"XBLOCK": 8, "waves_per_eu": None, "ALLOW_TF32": True, "kind": "x"}
        assert result(told).sub_kernels[0].configuration == (("XBLOCK", 8),)

    def test_is_cut_where_it_is_too_long(self) -> None:
        long = result(answer(notes=["x" * 10_000] * 1_000))
        assert len(long.notes) < 200
        assert max(map(len, long.notes)) <= 1_000


class TestTarget:
    @pytest.mark.parametrize(
        ("text", "target"),
        [
            ("sm_90", "cuda:90:32"),
            ("sm_90a", "cuda:90:32"),
            ("sm_120", "cuda:120:32"),
            ("cuda:90", "cuda:90:32"),
            ("cuda:90:32", "cuda:90:32"),
            ("gfx942", "hip:gfx942:64"),
            ("gfx90a", "hip:gfx90a:64"),
            ("gfx1100", "hip:gfx1100:32"),
            ("hip:gfx942", "hip:gfx942:64"),
            ("hip:gfx942:64", "hip:gfx942:64"),
        ],
    )
    def test_is_what_triton_calls_it(self, text: str, target: str) -> None:
        assert target_of(text) == target

    @pytest.mark.parametrize("text", ["", "H100", "sm_", "sm_9", "cuda:ninety", "gfx", "xpu", "sm_90; rm"])
    def test_that_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(BenchError, match="is no target"):
            target_of(text)
