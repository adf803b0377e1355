"""What ``mkexplorer run --report`` says at exit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
    assert first == "mkexplorer: 2 choices: 1 measured in 0.02 s, 1 loaded"
    assert loaded == "  multi_kernel_1 softmax: *looped | strange"
    assert last == "  torch's own rule: another choice for 1 of 1, 8.5 µs slower in all if each is called once"


def test_what_is_not_known_costs_nothing() -> None:
    assert LOADED.stock_loss_us == 0.0
    assert Decision("m", NAMES, 1, How.MEASURED, stock_index=0, times=(None, timing(2.0))).stock_loss_us == 0.0


def test_nothing_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    assert summary([]) == "mkexplorer, rank 3: no multi-kernel was called."


def told_at_exit(program: str) -> str:
    """What a program prints that can ``decide("name")``."""
    begin = """
import mkexplorer
from mkexplorer.inductor import session

def decide(name):
    session.note(session.Decision(name, ("triton_red_fused_softmax_2", "other"), 0, session.How.LOADED))
"""
    root = Path(__file__).parents[1]
    path = os.pathsep.join([str(root), str(root / "widgets")])
    done = subprocess.run(
        [sys.executable, "-c", begin + program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "")
    return done.stderr


@pytest.mark.parametrize(
    "withdrawn",
    [
        "mkexplorer.install()",
        "mkexplorer.install(report=True); mkexplorer.install(report=False)",
        "mkexplorer.install(report=True); mkexplorer.uninstall()",
        "with mkexplorer.installed(report=True): pass",
    ],
)
def test_nothing_is_told_at_exit_where_nobody_wants_it(withdrawn: str) -> None:
    assert told_at_exit(f"{withdrawn}\ndecide('late')") == ""


def test_what_was_decided_while_a_report_was_wanted_is_told_at_exit() -> None:
    told = told_at_exit("""
decide("early")
with mkexplorer.installed(report=True):
    decide("wanted")
decide("late")
""")
    assert told == "mkexplorer: 1 choice: 1 loaded\n  wanted softmax: *looped | other\n"


def test_a_report_that_is_wanted_is_told_at_exit_even_if_there_is_nothing_to_tell() -> None:
    assert told_at_exit("mkexplorer.install(report=True)") == "mkexplorer: no multi-kernel was called.\n"
