"""How many warps fit on a multiprocessor: as NVIDIA's own calculator has it."""

from __future__ import annotations

import pytest

from mkexplorer.worker.occupancy import limits_of, occupancy


@pytest.mark.parametrize(
    ("architecture", "warps", "registers", "shared", "expected"),
    [
        (90, 8, 32, 64, 1.0),
        (90, 8, 33, 64, 0.75),  # 40 registers, which is the next multiple, for 6 blocks of 8 warps
        (90, 16, 65, 0, 0.25),  # 72: 7 warps on each of 4 partitions are less than two blocks
        (90, 4, 255, 0, 0.125),
        (90, 1, 16, 0, 0.5),  # no more than 32 blocks
        (90, 4, 32, 100 * 1024, 0.125),  # two blocks' shared memory
        (90, 4, 32, 228 * 1024, 0.0),  # a block's own kilobyte does not fit any more
        (80, 4, 32, 40 * 1024, 0.25),
        (80, 4, 32, 41 * 1024, 0.1875),
        (86, 8, 40, 0, 1.0),
        (89, 2, 32, 0, 1.0),
        (86, 2, 32, 0, 2 / 3),  # no more than 16 blocks
        (75, 4, 64, 0, 1.0),
        (120, 4, 255, 0, 1 / 6),
    ],
)
def test_the_scarcest_thing_decides(
    architecture: int, warps: int, registers: int, shared: int, expected: float
) -> None:
    limits = limits_of("cuda", architecture)
    assert limits
    assert occupancy(limits, warps, registers, shared) == pytest.approx(expected)


@pytest.mark.parametrize(("kind", "architecture"), [("cuda", 61), ("cuda", 999), ("hip", "gfx942"), ("hip", 90)])
def test_nothing_is_said_of_others(kind: str, architecture: object) -> None:
    assert limits_of(kind, architecture) is None
