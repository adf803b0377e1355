"""Whatever fails, the program goes on."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import torch

import mkexplorer
from mkexplorer.inductor import gpu, session
from tests.inductor_cases.programs import call_of, entries, pick_of, softmax, warnings_of
from tests.stand_in_gpu import effects, load, set_times


def case_a_sub_kernel_that_cannot_run_is_left_out(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)

    def refuse(*_: object) -> None:
        raise RuntimeError("out of resource: shared memory")

    effects["triton_per"] = refuse
    try:
        with mkexplorer.installed():
            module = load("softmax", folder)
            softmax(module)
    finally:
        effects.clear()
    assert call_of(module).picked_kernel == 0
    (entry,) = entries(pick_of(module))
    assert "out of resource" in entry.measured.sub_kernels[1].problem
    assert "cannot run" in entry.why


def case_a_sub_kernel_that_may_run_the_next_time_is_measured_then(folder: Path) -> None:
    """It is left out of this choice, which is used; not of the pick, which would be for ever."""
    set_times(looped=31.0, persistent=22.0)
    for failure in ("CUDA error: unspecified launch failure", "Triton Error [CUDA]: out of memory"):
        effects["triton_per"] = mock.Mock(side_effect=RuntimeError(failure))
        with mkexplorer.installed():
            module = load("softmax", folder / failure[:6])
            softmax(module)
            assert call_of(module).picked_kernel == 0
            assert not pick_of(module).exists(), failure
            effects.clear()
            module = load("softmax", folder / failure[:6])
            softmax(module)
        assert pick_of(module).read_text() == "1", failure


def case_without_memory_to_measure_the_program_goes_on(folder: Path) -> None:
    def no_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with mkexplorer.installed(), warnings_of() as told, mock.patch.object(gpu, "race_on_gpu", no_memory):
        module = load("softmax", folder)
        softmax(module)
    assert call_of(module).picked_kernel == 0
    assert not pick_of(module).exists()
    assert any("not measured" in each for each in told)


def case_where_the_race_fails_torchs_own_rule_chooses(folder: Path) -> None:
    from torch._inductor.runtime.benchmarking import benchmarker

    asked = mock.Mock(side_effect=[0.2, 0.1])
    with (
        mkexplorer.installed(),
        warnings_of() as told,
        mock.patch.object(gpu, "race_on_gpu", side_effect=RuntimeError("the profiler fell over")),
        mock.patch.multiple(benchmarker, benchmark=asked, benchmark_gpu=asked),
    ):
        module = load("softmax", folder)
        softmax(module)
    assert call_of(module).picked_kernel == 1
    assert any("the profiler fell over" in each for each in told)
    assert session.decisions[-1].remark == "the race failed: RuntimeError: the profiler fell over"
    assert not pick_of(module).exists(), "it has no evidence, and the next program may have a race"


def case_whatever_else_fails_is_told_and_the_program_goes_on(folder: Path) -> None:
    from mkexplorer.inductor import call, pick_file, ranks

    set_times(looped=31.0, persistent=22.0)
    broken = mock.Mock(side_effect=KeyError("a fault of ours"))
    session.tell_once.cache_clear()
    with (
        mkexplorer.installed(),
        warnings_of() as told,
        mock.patch.object(pick_file.CallPick, "find", broken),
        mock.patch.object(pick_file.CallPick, "keep", broken),
        mock.patch.object(call, "bound", broken),
        mock.patch.object(ranks, "agreed", broken),
        mock.patch.object(session, "note", broken),
    ):
        module = load("softmax", folder)
        for _ in range(3):
            softmax(module)
    assert call_of(module).picked_kernel == 1
    assert len(told) == 5, told
