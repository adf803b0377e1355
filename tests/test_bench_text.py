"""What is said of a measurement: sentences and sections that hold for every outcome, and hide no doubt."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mkexplorer.catalog.model import Kind
from mkexplorer.measure.model import BenchResult, Device, Environment, Progress, Stage
from mkexplorer.measure.verdict import Judgement, Verdict
from mkexplorer.report.bench_text import (
    agreement_text,
    arguments_text,
    progress_text,
    sections,
    verdict_sentence,
)
from mkexplorer.report.details import bandwidth_text
from mkexplorer.report.measured import Measurement, of_result
from tests.builders import multi_kernel, timing
from tests.fake_bencher import H100, bench_result, sub_result

NORM = multi_kernel("aten.native_layer_norm")
RACE = bench_result("", 31.1, 22.6)
RACED = Judgement(Verdict.FASTER, 1, 0, 1.374, 1.351, 1.392, 0.374)


def measured(result: BenchResult, picked: int | None = 0) -> Measurement:
    return of_result(result, picked)


def said(result: BenchResult, picked: int | None = 0) -> str:
    return verdict_sentence(NORM, measured(result, picked))


def machine(result: BenchResult) -> list[tuple[str, str]]:
    return [(entry.label, entry.value) for entry in sections(NORM, measured(result))[-1].entries]


def judged(verdict: Verdict, ratio: float, low: float, high: float) -> BenchResult:
    return replace(RACE, judgement=Judgement(verdict, 1, 0, ratio, low, high, ratio - 1))


class TestTheVerdict:
    def test_faster_says_by_how_much_how_sure_and_at_what_cost(self) -> None:
        assert said(replace(RACE, judgement=RACED)) == (
            "persistent is 1.37× faster than looped (95%: 1.35 to 1.39); the pick costs 8.50 µs a call"
        )

    def test_small_ratios_have_more_digits(self) -> None:
        assert "is 1.021× faster than looped (95%: 1.012 to 1.030)" in said(judged(Verdict.FASTER, 1.021, 1.012, 1.03))

    def test_the_right_pick_is_told(self) -> None:
        assert said(RACE, 1).endswith("; it is the pick")

    def test_a_pick_that_nobody_knows_too(self) -> None:
        assert said(RACE, None).endswith("; what is picked is not known, or has no time")

    def test_same_and_unsure_claim_no_winner(self) -> None:
        assert said(judged(Verdict.SAME, 1.002, 0.998, 1.006)) == (
            "persistent and looped take the same time: 1.002× (95%: 0.998 to 1.006)"
        )
        assert said(judged(Verdict.UNSURE, 1.01, 0.0, math.inf)) == (
            "it is not sure whether persistent or looped is faster: 1.010× (95%: 0.000 to any)"
        )

    def test_without_one_the_reason_stands_there(self) -> None:
        assert said(bench_result("", 3e6, 4e6, device=Device.INTERPRETER)) == (
            "no verdict: the kernels ran in Triton's interpreter, whose times are no GPU times"
        )
        assert said(bench_result("", subs=[sub_result(1.0), sub_result(None)])) == (
            "no verdict: fewer than two sub-kernels have a time"
        )
        contended = replace(RACE, judgement=None, environment=replace(H100, contended="80% used"))
        assert said(contended) == "no verdict: somebody else was using the GPU: 80% used"

    def test_what_disagrees_comes_first(self) -> None:
        wrong = bench_result("", subs=[sub_result(31.1), sub_result(22.6, agrees=False)])
        assert said(wrong) == (
            "persistent computes something else than it should; "
            "no verdict: fewer than two sub-kernels agree and have a time"
        )

    def test_sub_kernels_of_the_same_kind_have_their_number(self) -> None:
        twins = replace(NORM, sub_kernels=tuple(replace(each, kind=Kind.LOOPED) for each in NORM.sub_kernels))
        assert verdict_sentence(twins, measured(RACE)).startswith("looped 1 is 1.38× faster than looped 0")


class TestWhatItRestsOn:
    @pytest.mark.parametrize(
        ("agrees", "text"),
        [
            ((True, True), "all sub-kernels compute the same"),
            ((True, False), "✗ disagree: persistent: differs by 0.5"),
            ((None, None), "not compared"),
            ((True, None), "not all sub-kernels could be compared"),
        ],
    )
    def test_agreement(self, agrees: tuple[bool | None, ...], text: str) -> None:
        subs = [sub_result(20.0, agrees=each, problem="" if each else "differs by 0.5") for each in agrees]
        assert agreement_text(NORM, measured(bench_result("", subs=subs))) == text

    def test_arguments(self) -> None:
        assert arguments_text(measured(RACE)) == "the call in the wrapper"

    def test_bandwidth_counts_each_byte_once(self) -> None:
        assert bandwidth_text(timing(22.6), measured(RACE)) == "2970 GB/s, 106% of copy"
        unknown = replace(RACE, environment=replace(H100, copy_gb_per_s=None))
        assert bandwidth_text(timing(22.6), measured(unknown)) == "2970 GB/s"
        assert bandwidth_text(timing(22.6), measured(replace(RACE, bytes_moved=2048))) == "0.0906 GB/s, 0% of copy"
        assert bandwidth_text(timing(22.6), measured(replace(RACE, bytes_moved=None))) == ""

    def test_the_machine_and_how_it_was(self) -> None:
        slowed = replace(H100, throttled=("power cap",), contended="80% used")
        assert machine(replace(RACE, environment=slowed)) == [
            ("GPU", "NVIDIA H100 80GB HBM3, driver 580.65"),
            ("torch", "2.11.0+cu130"),
            ("triton", "3.6.0"),
            ("SM clock", "1980 MHz"),
            ("copies", "2800 GB/s"),
            ("⚠", "the GPU was slowed down: power cap"),
            ("⚠", "somebody else was using the GPU: 80% used"),
        ]
        assert machine(replace(RACE, environment=Environment())) == []

    def test_sections_have_all_of_it(self) -> None:
        found = sections(NORM, measured(replace(RACE, notes=("s0 = 4096",))))
        assert [section.title for section in found] == [
            "Verdict",
            "Sub-kernel 0: looped",
            "Sub-kernel 1: persistent",
            "Machine",
        ]
        verdict = {entry.label: entry.value for entry in found[0].entries}
        assert list(verdict) == ["verdict", "agreement", "arguments", "measured", "note"]
        assert (verdict["measured"], verdict["note"]) == ("2026-01-31 12:00 UTC", "s0 = 4096")
        looped = {entry.label: entry.value for entry in found[1].entries}
        assert looped["time, cold L2"] == "31.1 µs [31.08, 31.12] n=24"
        assert looped["bandwidth"] == "2158 GB/s, 77% of copy"
        assert looped["computes the same"] == "yes"
        assert [looped[label] for label in ("registers", "spills", "bytes shared")] == ["32", "0", "1024"]

    def test_a_sub_kernel_without_times_says_why(self) -> None:
        subs = [sub_result(22.6), sub_result(None, agrees=None, problem="out of memory")]
        found = sections(NORM, measured(bench_result("", subs=subs)))
        assert [(entry.label, entry.value) for entry in found[2].entries][-1] == ("problem", "out of memory")

    def test_what_is_not_kept_says_why(self) -> None:
        found = sections(NORM, measured(bench_result("", 3e6, 4e6, device=Device.INTERPRETER)))
        assert ("not kept", "times of Triton's interpreter are no GPU times") in [
            (entry.label, entry.value) for entry in found[0].entries
        ]


def test_progress_in_words() -> None:
    assert progress_text(Progress(Stage.RACING, 12, 48), "layer_norm 4096×4096 bf16") == (
        "racing layer_norm 4096×4096 bf16, 12 of 48"
    )
    assert progress_text(Progress(Stage.STARTING), "sum 8") == "starting sum 8"
