"""Programs that wait for each other, one running at a time."""

from __future__ import annotations

import pytest

from mkexplorer.worker.interpreted_together import Deadlock, Group


def run(programs: int, barriers: list[int]) -> list[tuple[int, int]]:
    """(program, how many barriers are behind it), in the order of events; ``barriers`` has each program's."""
    seen: list[tuple[int, int]] = []
    running = 0

    def prepare(index: int) -> None:
        nonlocal running
        running = index

    group = Group(prepare)

    def work() -> None:
        own = running
        for count in range(barriers[own]):
            assert running == own
            seen.append((own, count))
            group.barrier()
        seen.append((own, barriers[own]))

    group.run([work] * programs)
    return seen


def test_nobody_passes_a_barrier_before_all_are_there() -> None:
    assert run(3, [2, 2, 2]) == [(program, count) for count in range(3) for program in range(3)]


def test_without_a_barrier_they_run_one_after_the_other() -> None:
    assert run(3, [0, 0, 0]) == [(0, 0), (1, 0), (2, 0)]


@pytest.mark.parametrize("barriers", [[1, 0], [0, 1], [2, 1, 2]])
def test_a_barrier_that_not_all_come_to_is_told(barriers: list[int]) -> None:
    with pytest.raises(Deadlock):
        run(len(barriers), barriers)


def test_what_one_raises_ends_all() -> None:
    group = Group(lambda index: None)
    ended: list[str] = []

    def waits() -> None:
        try:
            group.barrier()
        finally:
            ended.append("waiting")

    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        group.run([waits, fails, waits])
    assert ended == ["waiting"], "the third never started"
