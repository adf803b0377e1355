"""The state of the measurements follows the queue's events, whatever they are about and in whatever order they come."""

from __future__ import annotations

from functools import reduce

from mkexplorer.measure.errors import BenchError
from mkexplorer.measure.model import Progress, Stage
from mkexplorer.measure.queue import BenchEvent, Cancelled, Failed, Finished, Idle, Progressed, Queued, Started
from mkexplorer.tui.bench_state import BenchState, after, asked, preferred, shown
from tests.fake_bencher import bench_result

RESULT = bench_result("a", 31.1, 22.6)
WHY = BenchError("why", "")


def then(state: BenchState, *events: BenchEvent) -> BenchState:
    return reduce(after, events, state)


def test_what_was_asked_for_waits_then_runs_then_is_done() -> None:
    state = asked(BenchState(), ["a", "b"])
    assert (state.waiting, state.running, state.total, state.is_idle) == (("a", "b"), None, 2, False)
    state = then(state, Queued("a"), Queued("b"), Started("a"))
    assert (state.waiting, state.running, state.progress["a"].stage) == (("b",), "a", Stage.STARTING)
    state = then(state, Progressed("a", Progress(Stage.RACING, 3, 48)), Finished("a", RESULT), Started("b"))
    assert (state.waiting, state.running, state.done) == ((), "b", ("a",))
    state = then(state, Finished("b", RESULT), Idle())
    assert state.is_idle


def test_a_result_is_still_under_way_until_it_is_shown() -> None:
    state = then(asked(BenchState(), ["a"]), Started("a"), Finished("a", RESULT))
    assert "a" in state.progress
    assert "a" not in state.results
    state = shown(state, {"a": RESULT}, {"a": "a bundle is never changed"})
    assert not state.progress
    assert state.results == {"a": RESULT}
    assert state.unkept == {"a": "a bundle is never changed"}


def test_one_that_runs_anew_while_its_last_result_is_shown_goes_on() -> None:
    state = then(asked(BenchState(), ["a"]), Started("a"), Finished("a", RESULT))
    state = then(asked(state, ["a"]), Started("a"))
    assert "a" in shown(state, {"a": RESULT}, {}).progress


def test_a_failure_is_kept_until_it_is_asked_for_again() -> None:
    state = then(asked(BenchState(), ["a", "b"]), Started("a"), Failed("a", WHY))
    assert (state.failures, state.failed, state.progress) == ({"a": WHY}, ("a",), {})
    assert asked(state, ["a"]).failures == {}


def test_cancelled_ones_no_longer_count() -> None:
    state = then(asked(BenchState(), ["a", "b"]), Started("a"), Cancelled("b"), Cancelled("a"))
    assert (state.total, state.cancelled, state.is_idle) == (0, 2, True)


def test_counting_begins_anew_once_nothing_was_left_to_do() -> None:
    state = shown(then(asked(BenchState(), ["a"]), Started("a"), Finished("a", RESULT)), {"a": RESULT}, {})
    state = asked(state, ["b"])
    assert (state.total, state.done) == (1, ())
    assert "a" in state.results


def test_what_is_under_way_counts_with_what_is_asked_for_meanwhile() -> None:
    state = asked(then(asked(BenchState(), ["a"]), Started("a")), ["b"])
    assert (state.total, state.running, state.waiting) == (2, "a", ("b",))


def test_what_is_preferred_comes_first_if_it_waits() -> None:
    state = preferred(then(asked(BenchState(), ["a", "b", "c", "d"]), Started("a")), ["d", "a", "c", "x"])
    assert (state.total, state.running, state.waiting) == (4, "a", ("d", "c", "b"))


def test_a_later_result_that_is_kept_takes_back_why_one_was_not() -> None:
    state = shown(BenchState(), {"a": RESULT}, {"a": "contended"})
    assert shown(state, {"a": RESULT}, {}).unkept == {}
