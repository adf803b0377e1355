"""What the Benchmark tab says and draws of a multi-kernel, for each state that its measurement can be in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mkexplorer.measure.errors import BenchError
from mkexplorer.measure.model import BenchResult, Device, Progress, Stage
from mkexplorer.picks.book import recorded
from mkexplorer.picks.changes import full_id
from mkexplorer.report.rows import MultiKernelRow, multi_kernel_row
from mkexplorer.tui.bench_outlook import NO_GPU
from mkexplorer.tui.bench_state import BenchState
from mkexplorer.tui.bench_view import BenchView, body_content, head_content, quartiles, view_of
from tests import builders
from tests.fake_bencher import bench_result, sub_result
from tests.fake_catalog import layer_norm

NORM = layer_norm()
NAME = full_id(NORM)
EVIDENCE = builders.evidence(0, 31.1, 22.6)


def row_with(result: BenchResult | None = None, recorded_times: bool = True) -> MultiKernelRow:
    evidence = EVIDENCE if recorded_times else None
    return multi_kernel_row(NORM, evidence, recorded(NORM, evidence), result)


def head(view: BenchView) -> str:
    return head_content(view).plain


def bars(view: BenchView) -> list[tuple[str, str, str]]:
    return [(bar.label, bar.text, bar.note) for bar in view.bars]


class TestKnown:
    def test_nothing_measured(self) -> None:
        view = view_of(row_with(recorded_times=False), BenchState(outlooks={NAME: (NO_GPU,)}))
        assert head(view).splitlines() == [
            "– not measured yet",
            "b measures it now · B measures all that the list shows",
            NO_GPU,
        ]
        assert (view.bars, view.series, body_content(view, 80).plain) == ((), (), "")

    def test_what_is_recorded(self) -> None:
        view = view_of(row_with(), BenchState(outlooks={NAME: (NO_GPU,)}))
        assert head(view).startswith("⚠ persistent is 1.38× faster than looped")
        assert NO_GPU not in head(view)
        assert "If it is measured now" in body_content(view, 200).plain
        assert bars(view) == [("0 looped", "31.1 µs", "● picked"), ("1 persistent", "22.6 µs", "fastest")]
        assert view.series == ()

    def test_what_this_session_measured(self) -> None:
        result = bench_result(NORM.id, 33.0, 22.0)
        view = view_of(row_with(result), BenchState(results={NAME: result}))
        assert "measured in this session · all sub-kernels compute the same" in head(view)
        assert [bar.label for bar in view.bars] == ["0 looped", "  hot L2", "1 persistent", "  hot L2"]
        assert [(each.label, each.mark, len(each.samples)) for each in view.series] == [
            ("0 looped", "0", 24),
            ("1 persistent", "1", 24),
        ]

    def test_why_it_is_not_kept(self) -> None:
        result = bench_result(NORM.id, 33.0, 22.0)
        view = view_of(row_with(result), BenchState(results={NAME: result}, unkept={NAME: "no room"}))
        assert "⚠ kept for this session only: no room" in head(view)

    def test_times_of_the_interpreter_are_marked_and_not_drawn_as_samples(self) -> None:
        result = bench_result(NORM.id, 9000.0, 8000.0, device=Device.INTERPRETER)
        view = view_of(row_with(result, recorded_times=False), BenchState(results={NAME: result}))
        assert "no verdict: the kernels ran in Triton's interpreter" in head(view)
        assert "all sub-kernels compute the same" in head(view)
        assert [bar.note for bar in view.bars if bar.note] == ["no GPU time", "no GPU time"]
        assert view.series == ()

    def test_beside_recorded_times_the_interpreter_only_adds_whether_they_agree(self) -> None:
        result = bench_result(NORM.id, 9000.0, 8000.0, device=Device.INTERPRETER)
        view = view_of(row_with(result), BenchState(results={NAME: result}))
        assert head(view).startswith("⚠ persistent is 1.38× faster")
        assert "run by Triton's interpreter in this session" in head(view)
        assert bars(view)[0] == ("0 looped", "31.1 µs", "● picked")

    def test_a_sub_kernel_without_time_says_why(self) -> None:
        result = bench_result(NORM.id, subs=[sub_result(31.1), sub_result(None, agrees=None, problem="out of memory")])
        view = view_of(row_with(result, recorded_times=False), BenchState(results={NAME: result}))
        assert ("1 persistent", "", "out of memory") in bars(view)

    def test_of_two_sub_kernels_each_label_stands_in_one_line_beside_the_list(self) -> None:
        result = bench_result(NORM.id, 33.0, 22.0)
        lines = body_content(view_of(row_with(result), BenchState(results={NAME: result})), 65).plain.splitlines()
        labels = {line[:18].rstrip() for line in lines}
        assert {"bandwidth", "time, hot L2", "registers", "spills", "bytes shared", "computes the same"} <= labels

    @pytest.mark.parametrize("width", [30, 50, 80, 200])
    def test_the_numbers_fit(self, width: int) -> None:
        result = bench_result(NORM.id, 33.0, 22.0)
        view = view_of(row_with(result), BenchState(results={NAME: result}))
        lines = body_content(view, width).plain.splitlines()
        assert max(map(len, lines)) <= max(width, 50)
        assert any("registers" in line for line in lines)


class TestGoingOn:
    def test_before_the_first_samples_what_was_known_stays(self) -> None:
        state = BenchState(running=NAME, total=1, progress={NAME: Progress(Stage.TUNING, 1, 2)})
        view = view_of(row_with(), state)
        assert head(view).startswith("▶ tuning layer_norm 4096×4096 bf16, 1 of 2")
        assert bars(view)[0] == ("0 looped", "31.1 µs", "● picked")

    def test_samples_so_far_without_a_verdict(self) -> None:
        samples = ((), (22.0, 22.2, 22.1, 22.3, 22.2))
        state = BenchState(running=NAME, total=1, progress={NAME: Progress(Stage.RACING, 5, 48, samples)})
        view = view_of(row_with(), state)
        assert bars(view) == [("0 looped", "", "…"), ("1 persistent", "22.2 µs", "n 5")]
        assert [len(each.samples) for each in view.series] == [5]
        assert "faster" not in head(view)
        assert {each.tone for each in view.bars} | {each.tone for each in view.series} == {"plain", "dim"}
        assert body_content(view, 100).plain == ""

    def test_who_waits(self) -> None:
        state = BenchState(running="other", waiting=("another", NAME), total=3)
        assert head(view_of(row_with(), state)).startswith("… waiting; 2 come first")

    def test_a_failure_stands_above_what_was_known(self) -> None:
        state = BenchState(failures={NAME: BenchError("an illegal address", "Look at its indices.")})
        lines = head(view_of(row_with(), state)).splitlines()
        assert lines[1:3] == ["✗ Not measured: an illegal address", "Look at its indices."]

    def test_a_failure_is_gone_while_it_is_tried_again(self) -> None:
        state = BenchState(failures={NAME: BenchError("x", "")}, progress={NAME: Progress(Stage.STARTING)})
        assert "✗" not in head(view_of(row_with(), state))


def test_the_winner_is_offered_only_where_it_can_be_pinned() -> None:
    free = recorded(NORM, EVIDENCE)
    row = multi_kernel_row(NORM, EVIDENCE, replace(free, file=replace(free.file, obstacle="")))
    assert "p pins 1 · b measures it now" in head(view_of(row, BenchState()))
    assert "p pins" not in head(view_of(row_with(), BenchState()))


@pytest.mark.parametrize(
    ("samples", "expected"),
    [((3.0,), (3.0, 3.0, 3.0)), ((3.0, 1.0), (1.0, 2.0, 3.0)), ((1.0, 2.0, 3.0, 4.0, 5.0), (2.0, 3.0, 4.0))],
)
def test_quartiles(samples: tuple[float, ...], expected: tuple[float, float, float]) -> None:
    assert quartiles(samples) == expected
