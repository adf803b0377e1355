"""What ``mkexplorer run --report`` says at exit."""

from __future__ import annotations

import pytest

from mkexplorer.catalog.model import Timing
from mkexplorer.inductor.session import Decision, How, summary
from mkexplorer.race.statistics import Ruling

NAMES = ("triton_red_fused_native_layer_norm_0", "triton_per_fused_native_layer_norm_1")


def timing(median_us: float) -> Timing:
    return Timing(median_us, median_us, median_us, 10)


MEASURED = Decision(
    "multi_kernel_0",
    NAMES,
    1,
    How.MEASURED,
    times=(timing(31.0), timing(22.5)),
    ruling=Ruling("FASTER", 1, 0, 1.378, 1.37, 1.39),
    wall_us=20_000.0,
    stock_index=0,
)
LOADED = Decision("multi_kernel_1", ("triton_red_fused_softmax_2", "strange"), 0, How.LOADED)


def test_a_choice_has_its_times_its_verdict_and_what_torch_would_have_chosen() -> None:
    line = summary([MEASURED]).splitlines()[1]
    assert line == (
        "  multi_kernel_0 native_layer_norm: looped 31.0 µs | *persistent 22.5 µs, FASTER 1.38x; "
        "torch's own rule: looped, +8.5 µs"
    )


def test_the_ways_are_counted() -> None:
    first, _, loaded, last = summary([MEASURED, LOADED]).splitlines()
    assert first == "mkexplorer: 2 multi-kernels: 1 measured in 0.02 s, 1 loaded"
    assert loaded == "  multi_kernel_1 softmax: *looped | strange"
    assert last == "  torch's own rule: another choice for 1 of 1, 8.5 µs slower in all if each is called once"


def test_what_is_not_known_costs_nothing() -> None:
    assert LOADED.stock_loss_us == 0.0
    assert Decision("m", NAMES, 1, How.MEASURED, stock_index=0, times=(None, timing(2.0))).stock_loss_us == 0.0


def test_nothing_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    assert summary([]) == "mkexplorer, rank 3: no multi-kernel was called."
