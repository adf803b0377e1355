"""A measurement amid a program: it changes nothing there, and leaves nothing behind."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import mkexplorer
from mkexplorer.inductor import gpu, measuring, session
from mkexplorer.multikernel.clones import clone_overwritten
from tests import stand_in_gpu
from tests.inductor_cases.programs import X, call_of, failure_of, softmax, warnings_of
from tests.stand_in_gpu import effects, launches, load, names, races, set_times


def case_what_a_kernel_overwrites_is_as_it_was_when_it_really_runs(folder: Path) -> None:
    """Every launch adds one; the program must see one of them, on its own tensor."""
    set_times(looped=31.0, persistent=22.0)
    effects["triton_"] = lambda buffer, x, *_: buffer.add_(x)
    try:
        with mkexplorer.installed():
            module = load("scratch", folder)
            buffer, x = torch.zeros((1024, 2048)), torch.ones((1024, 2048))
            call = call_of(module)
            assert "in_out_ptr0" in call.kernels[0].mutated_arg_names
            call.run(buffer, x, 1024, 2048, stream=0)
            assert torch.equal(buffer, torch.ones((1024, 2048)))
            call.run(buffer, x, 1024, 2048, stream=0)
            assert torch.equal(buffer, torch.full((1024, 2048), 2.0))
    finally:
        effects.clear()


def case_a_tensor_that_is_passed_twice_is_one_tensor(folder: Path) -> None:
    """As the running statistics of batch norm are: once to be read, once to be written."""
    set_times(looped=31.0, persistent=22.0)
    effects["triton_"] = lambda x, out, *_: out.copy_(x + 1)
    try:
        with mkexplorer.installed():
            module = load("softmax", folder)
            x = torch.zeros(X)
            call_of(module).run(x, x, 4096, 2048, stream=0)
            assert torch.equal(x, torch.ones(X))
    finally:
        effects.clear()


def case_under_capture_nothing_is_measured_and_a_later_call_chooses(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    races.clear()
    session.tell_once.cache_clear()
    with mkexplorer.installed(), warnings_of() as told:
        module = load("softmax", folder)
        call = call_of(module)
        call.kernels[0].launchers = call.kernels[0].launchers * 2
        names()
        with mock.patch.object(gpu, "is_capturing", return_value=True):
            softmax(module)
            softmax(module)
            call.kernels[0].launchers = []  # as before torch has compiled it, which its own run then does
            softmax(module)
        assert (races, call.picked_kernel, len(told)) == ([], None, 1)
        assert [name[:10] for name in names()] == ["triton_red"] * 3
        call.kernels[0].launchers = call.kernels[0].launchers[:1]
        softmax(module)
    assert call.picked_kernel == 1
    captured, measured = session.decisions[-2:]
    assert (captured.how, captured.index) == (session.How.FIRST, 0)
    assert captured.remark == "first called while a CUDA graph was captured"
    assert (measured.how, measured.index) == (session.How.MEASURED, 1)


def case_a_pick_that_is_first_used_under_capture_is_told_once(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        softmax(load("softmax", folder))
        session.decisions.clear()
        module = load("softmax", folder)
        with mock.patch.object(gpu, "is_capturing", return_value=True):
            softmax(module)
        softmax(module)
    assert [(each.how, each.index) for each in session.decisions] == [(session.How.LOADED, 1)]


def case_the_race_runs_on_the_stream_of_the_call(folder: Path) -> None:
    used: list[object] = []
    with (
        mock.patch.object(torch.cuda, "device"),
        mock.patch.object(torch.cuda, "current_stream", return_value=types.SimpleNamespace(cuda_stream=0)),
        mock.patch.object(torch.cuda, "ExternalStream", side_effect=lambda raw: used.append(raw)),
        mock.patch.object(torch.cuda, "stream"),
    ):
        for stream in (0, 5):
            with stand_in_gpu.real["on_stream"](0, stream):
                pass
    assert used == [5]


def case_a_race_that_the_profiler_missed_is_run_again_and_then_with_events(folder: Path) -> None:
    from mkexplorer.race import cuda

    def stopwatches(*failures: Exception | None) -> tuple[mock.Mock, mock.Mock]:
        profiler_watch, event_watch = mock.Mock(), mock.Mock()
        profiler_watch.is_available.return_value = True
        with (
            mock.patch.object(cuda, "ProfilerStopwatch", profiler_watch),
            mock.patch.object(cuda, "EventStopwatch", event_watch),
            mock.patch.object(cuda, "race", side_effect=[failure or "outcome" for failure in failures]),
        ):
            assert stand_in_gpu.real["race_on_gpu"]([], None) == "outcome"
        return profiler_watch, event_watch

    missed = RuntimeError("the profiler saw 3 of 4 marks")
    for failures, with_profiler, with_events in (
        ((None,), 1, 0),
        ((missed, None), 2, 0),
        ((missed, missed, None), 2, 1),
    ):
        profiler_watch, event_watch = stopwatches(*failures)
        assert (profiler_watch.call_count, event_watch.call_count) == (with_profiler, with_events)
    failure = failure_of(stopwatches, torch.OutOfMemoryError("CUDA out of memory"))
    assert isinstance(failure, torch.OutOfMemoryError)


def case_nothing_of_a_measurement_stays_in_memory(folder: Path) -> None:
    import gc
    import weakref

    set_times(looped=31.0, persistent=22.0)
    kept: list[Any] = []
    cloned = clone_overwritten

    def watch(*arguments: Any) -> Any:
        clones = cloned(*arguments)
        kept.append(weakref.ref(clones.arguments[0]))
        return clones

    with mkexplorer.installed(), mock.patch.object(measuring, "clone_overwritten", watch):
        module = load("scratch", folder)
        call_of(module).run(torch.zeros((1024, 2048)), torch.ones((1024, 2048)), 1024, 2048, stream=0)
    launches.clear()
    gc.collect()
    assert len(kept) == 1
    assert kept[0]() is None
