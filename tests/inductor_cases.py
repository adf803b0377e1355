"""What must hold of mkexplorer's run time with the installed torch: ``python -m tests.inductor_cases FOLDER``.

A program, because it replaces parts of torch. Runs every function here that is called ``case_…``, each in a folder of
its own, and prints a JSON object: for each of them '' where it holds, else how it failed.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import pickle
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch._inductor import codecache
from torch._inductor import config as inductor_config
from torch._inductor.codegen import multi_kernel as stock_module
from torch._inductor.runtime import triton_heuristics
from torch.autograd import profiler

import mkexplorer
from mkexplorer.catalog.store import FolderStore
from mkexplorer.inductor import gpu, measuring, session
from mkexplorer.inductor.settings import settings
from mkexplorer.multikernel.clones import clone_overwritten
from mkexplorer.picks.changes import PickChange
from mkexplorer.picks.files import read_pick_file
from mkexplorer.picks.model import Action, Held, Machine, PickState, Who
from mkexplorer.picks.writing import Occasion, apply_change
from tests import generate_wrappers, stand_in_gpu
from tests.stand_in_gpu import H100, effects, launches, load, names, races, set_times

StockCall = stock_module.MultiKernelCall

X = (4096, 2048)


def softmax(module: types.ModuleType, x: Any = None) -> Any:
    return module.call([torch.ones(X) if x is None else x])[0]


def call_of(module: types.ModuleType) -> Any:
    return module.multi_kernel_0


def pick_of(module: types.ModuleType) -> Path:
    return Path(call_of(module).cache_file_path())


def entries(path: Path) -> Any:
    file = read_pick_file(FolderStore(str(path.parent.parent)), f"{path.parent.name}/{path.name}", 2)
    return file.history.entries


def failure_of(function: Callable[..., object], *arguments: object, **keywords: object) -> Exception | None:
    try:
        function(*arguments, **keywords)
    except Exception as error:
        return error
    return None


def write_pick(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def place_of_pick(folder: Path, case: str = "softmax") -> Path:
    """Where the pick of a case is, found without loading its wrapper with a pick there."""
    with mkexplorer.installed(measure="never"):
        return pick_of(load(case, folder))


@contextmanager
def warnings_of() -> Iterator[list[str]]:
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("mkexplorer.inductor")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


def case_install_and_uninstall_leave_torch_as_it_was(folder: Path) -> None:
    names_of = [name for name in ("MultiKernelCall", "SizeHintMultiKernelCall") if hasattr(stock_module, name)]
    before = {name: getattr(stock_module, name) for name in names_of}
    value = inductor_config.triton.multi_kernel
    mkexplorer.install()
    assert all(getattr(stock_module, name) is not before[name] for name in names_of)
    assert all(issubclass(getattr(stock_module, name), before[name]) for name in names_of)
    assert inductor_config.triton.multi_kernel == 1
    mkexplorer.install(measure="always")
    mkexplorer.uninstall()
    assert {name: getattr(stock_module, name) for name in names_of} == before
    assert inductor_config.triton.multi_kernel == value == 0
    mkexplorer.uninstall()


def case_installed_is_for_as_long_as_it_lasts(folder: Path) -> None:
    with mkexplorer.installed():
        with mkexplorer.installed(measure="never"):
            assert stock_module.MultiKernelCall is not StockCall
        assert stock_module.MultiKernelCall is not StockCall
    assert stock_module.MultiKernelCall is StockCall


def case_blocks_that_overlap_leave_each_other_alone(folder: Path) -> None:
    """As those of two threads do, whichever ends first."""
    before = replace(settings)
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1), (1, 2, 0), (0, 2, 1), (2, 1, 0)):
        blocks = [mkexplorer.installed(measure=measure) for measure in ("never", "always", "once")]
        for block in blocks:
            block.__enter__()
        still_open = ["never", "always", "once"]
        for number in order:
            assert settings.measure == still_open[-1]
            assert stock_module.MultiKernelCall is not StockCall
            blocks[number].__exit__(None, None, None)
            still_open.remove(("never", "always", "once")[number])
        assert stock_module.MultiKernelCall is StockCall
        assert settings == before


def case_a_block_that_ends_first_leaves_what_was_installed_before_all_of_them(folder: Path) -> None:
    before = replace(settings)
    try:
        mkexplorer.install(measure="never")
        first, second = mkexplorer.installed(), mkexplorer.installed(measure="always")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        assert settings.measure == "never"
        assert stock_module.MultiKernelCall is not StockCall
    finally:
        mkexplorer.uninstall()
        settings.measure = before.measure


def case_the_environment_decides_whether_there_are_multi_kernels(folder: Path) -> None:
    with mock.patch.dict(os.environ, TORCHINDUCTOR_MULTI_KERNEL="0"), mkexplorer.installed():
        assert inductor_config.triton.multi_kernel == 0


def case_the_faster_one_runs_and_is_kept_with_its_evidence(folder: Path) -> None:
    effects["triton_"] = lambda x, out, xnumel, r0_numel: out.copy_(torch.softmax(x, -1))
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        module = load("softmax", folder)
        x = torch.randn(X)
        assert torch.equal(softmax(module, x), torch.softmax(x, -1))
    assert [name[:10] for name in names()] == ["triton_per"]
    assert call_of(module).picked_kernel == 1
    assert pick_of(module).read_text() == "1"
    (entry,) = entries(pick_of(module))
    assert (entry.who, entry.action, entry.after.state) == (Who.RUNTIME, Action.PICK, PickState.PICKED)
    assert entry.multi_kernel == f"{Path(module.__file__ or '').stem}/multi_kernel_0"
    assert entry.machine.gpu == H100.gpu
    measured = entry.measured
    assert [each.cold.median_us for each in measured.sub_kernels] == [31.0, 22.0]
    assert measured.judgement.verdict == "FASTER"
    assert (measured.judgement.best, measured.judgement.regret) == (1, 0.0)
    assert dict(measured.sub_kernels[1].configuration) == {"XBLOCK": 1, "num_warps": 8, "num_stages": 3}
    shapes = [(each.name, each.dtype, each.shape, each.stride) for each in measured.arguments[:2]]
    assert shapes == [("in_ptr0", "float32", X, (2048, 1)), ("out_ptr2", "float32", X, (2048, 1))]
    assert [each.value for each in measured.arguments[2:]] == [4096, 2048]


def case_the_explorer_shows_what_the_program_chose(folder: Path) -> None:
    from mkexplorer.catalog import open_catalog
    from mkexplorer.picks.book import PickRecord
    from mkexplorer.picks.changes import full_id
    from mkexplorer.picks.measurements import recorded_arguments
    from mkexplorer.report.bench_text import arguments_text
    from mkexplorer.report.measured import Knowledge
    from mkexplorer.report.rows import multi_kernel_row

    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        module = load("softmax", folder)
        softmax(module)
    path = pick_of(module)
    catalog = open_catalog(folder)
    (multi_kernel,) = catalog.multi_kernels
    record = PickRecord(read_pick_file(catalog.store, f"{path.parent.name}/{path.name}", 2))
    assert record.set_by is not None
    assert record.set_by.multi_kernel == full_id(multi_kernel)
    row = multi_kernel_row(multi_kernel, None, record)
    assert (row.pick.state, row.pick.index) == (PickState.PICKED, 1)
    assert row.measurement is not None
    assert row.measurement.knowledge is Knowledge.HISTORY
    assert [timing and timing.median_us for timing in row.measurement.timings] == [31.0, 22.0]
    assert row.loss_us == 0
    assert arguments_text(row.measurement).startswith("recorded: in_ptr0 float32 4096×2048 strides 2048,1, out_ptr2")
    assert len(recorded_arguments(multi_kernel, record)) == len(multi_kernel.calls[0].arguments) == 4


def case_a_call_after_the_choice_goes_to_the_launcher(folder: Path) -> None:
    set_times(looped=20.0, persistent=30.0)
    with mkexplorer.installed():
        module = load("softmax", folder)
        softmax(module)
    call = call_of(module)
    names()
    with mock.patch.object(triton_heuristics.CachingAutotuner, "run", side_effect=AssertionError("the long way")):
        softmax(module)
    assert [name[:10] for name in names()] == ["triton_red"]
    assert call.run.__code__.co_argcount == 5
    with (
        mock.patch.object(profiler, "_is_profiler_enabled", True),
        mock.patch.object(triton_heuristics.CachingAutotuner, "get_profiler_kwargs", return_value={}) as told,
    ):
        softmax(module)
        assert told.called, "a profiler hears of the call"
    from torch.utils import _debug_mode as debug_mode

    if hasattr(debug_mode, "_ACTIVE_DEBUG_MODE_COUNT"):
        with (
            mock.patch.object(debug_mode, "_ACTIVE_DEBUG_MODE_COUNT", 1),
            mock.patch.object(triton_heuristics, "get_active_debug_mode", return_value=None) as asked,
        ):
            softmax(module)
            assert asked.called, "so does a mode that listens"


def case_a_bound_call_does_what_the_launcher_does(folder: Path) -> None:
    """It has torch's own text of the launcher in itself, and calls it where torch writes another."""
    from mkexplorer.inductor.inlining import body_of
    from mkexplorer.inductor.straight import bound

    set_times()
    with mkexplorer.installed():
        module = load("softmax", folder)
        softmax(module)
    kernel = call_of(module).kernels[0]
    (launcher,) = kernel.launchers
    body = body_of(kernel, launcher)
    assert body is not None
    assert body.parameters == ("in_ptr0", "out_ptr2", "xnumel", "r0_numel")
    straight = bound(kernel, (0, 1, 2, 3), 4, {"stream": 0})
    assert straight is not None
    assert "mkexplorer_launcher" not in straight.__code__.co_names
    x, out = torch.ones(X), torch.empty(X)
    told = []
    for run in (launcher, straight):
        stand_in_gpu.grids.clear()
        launches.clear()
        run(x, out, 4096, 2048, stream=7)
        told.append((dict(stand_in_gpu.grids), launches[0][0], [id(value) for value in launches[0][1]]))
    assert told[0] == told[1]
    some = bound(kernel, (0, 2, 4, 5), 6, {"stream": 0})
    assert some is not None
    launches.clear()
    some(x, None, out, None, 4096, 2048, stream=7)
    assert launches[0][1] == (x, out, 4096, 2048)
    with mock.patch.object(kernel, "launchers", [types.FunctionType((lambda *_, stream: None).__code__, {})]):
        other = kernel.launchers[0]
        other.config, other.store_cubin = launcher.config, False
        with mock.patch.object(kernel, "_cached_launcher", None, create=True):
            assert body_of(kernel, other) is None, "another code"
            called = bound(kernel, (0, 1, 2, 3), 4, {"stream": 0})
    assert called is not None
    assert "mkexplorer_launcher" in called.__code__.co_names


def case_torchs_own_launchers_are_written_again(folder: Path) -> None:
    """Those of its two kinds of compiled kernels, made of binaries that are none."""
    from mkexplorer.inductor.inlining import body_of

    with mkexplorer.installed():
        kernel = call_of(load("softmax", folder)).kernels[0]
    (result,) = kernel.compile_results
    constexprs = [number for number, name in enumerate(kernel.fn.arg_names) if "BLOCK" in name]
    meta = {"constants": {}, "device": 0, "device_type": "cuda", **kernel.triton_meta}
    static = object.__new__(static_kernel_class())
    static.__dict__.update(
        arg_names=list(kernel.fn.arg_names),
        declared_constexprs=constexprs,
        full_constexprs=constexprs,
        shared=0,
        hash="0" * 64,
        name="kernel",
        function=1,
        cubin_path="here",
        n_regs=32,
        n_spills=0,
    )
    metadata = types.SimpleNamespace(num_ctas=1, cluster_dims=(1, 1, 1), num_warps=8, shared=0)
    binary = types.SimpleNamespace(
        src=types.SimpleNamespace(fn=kernel.fn), _init_handles=lambda: None, metadata=metadata, packed_metadata=(1, 2),
        function=1, run=lambda *_: None, hash="0" * 64, launch_metadata=None, n_regs=32, n_spills=0, shared=0,
    )  # fmt: skip
    for cls, compiled in (
        (triton_heuristics.StaticTritonCompileResult, static),
        (triton_heuristics.TritonCompileResult, binary),
    ):
        torchs = cls(compiled, result.config, meta, kernel.inductor_meta)
        launcher = torchs.make_launcher()
        static.__dict__["cubin_path"] = None  # as after it is loaded
        with mock.patch.object(kernel, "compile_results", [torchs]):
            body = body_of(kernel, launcher)
        assert body is not None, cls
        assert body.parameters[:4] == ("in_ptr0", "out_ptr2", "xnumel", "r0_numel")


def static_kernel_class() -> Any:
    from torch._inductor.runtime import static_triton_launcher

    return static_triton_launcher.StaticallyLaunchedCudaKernel


def case_what_the_long_way_does_beside_launching_is_never_left_out(folder: Path) -> None:
    from mkexplorer.inductor.straight import bound, launcher_of

    set_times()
    with mkexplorer.installed():
        module = load("softmax", folder)
        softmax(module)
    kernel = call_of(module).kernels[0]
    assert launcher_of(kernel) is not None
    for name, value in (
        ("triton_interpret", True),
        ("dump_launch_params", True),
        ("dump_launch_tensors", True),
        ("launchers", []),
        ("launchers", kernel.launchers * 2),
        ("run", lambda *_, **__: None),
        ("inductor_meta", {**kernel.inductor_meta, "coordinate_descent_tuning": True}),
    ):
        with mock.patch.object(kernel, name, value, create=True):
            assert launcher_of(kernel) is None, name
    (launcher,) = kernel.launchers
    with (
        mock.patch.object(launcher, "store_cubin", True),
        mock.patch.object(kernel, "_cached_launcher", None, create=True),
    ):
        assert launcher_of(kernel) is None
    scratch = types.SimpleNamespace(config=launcher.config, kernel=types.SimpleNamespace(metadata=None))
    scratch.kernel.metadata = types.SimpleNamespace(global_scratch_size=128)
    with mock.patch.object(kernel, "compile_results", [scratch]):
        assert launcher_of(kernel) is None
    with mock.patch.object(triton_heuristics.CachingAutotuner, "run", return_value=None):
        assert launcher_of(kernel) is None
    assert bound(kernel, (0, 1, 2, 3), 4, {"stream": 0, "grid": None}) is None


def case_stock_reads_our_picks_and_we_read_its(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        softmax(load("softmax", folder))
    module = load("softmax", folder)
    assert type(call_of(module)) is StockCall
    assert call_of(module).picked_kernel == 1
    pick_of(module).unlink()
    Path(f"{pick_of(module)}.json").unlink()
    module = load("softmax", folder)
    with mock.patch.object(StockCall, "benchmark_sub_kernels", return_value=[1.0, 2.0]):
        softmax(module)
    races.clear()
    with mkexplorer.installed():
        module = load("softmax", folder)
        assert call_of(module).picked_kernel == 0
        names()
        softmax(module)
    assert races == []
    assert [name[:10] for name in names()] == ["triton_red"]
    assert session.decisions[-1].how is session.How.LOADED


def case_invalid_picks_are_told_measured_anew_and_repaired(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    path = place_of_pick(folder)
    for content in (b"", b"garbage", b"7", b"-1", b"1.0", b"\xff\xfe"):
        write_pick(path, content)
        failure = failure_of(load, "softmax", folder)
        assert isinstance(failure, ValueError | AssertionError), "torch itself takes it: is this case still needed?"
        with mkexplorer.installed(), warnings_of() as told:
            module = load("softmax", folder)
            assert call_of(module).picked_kernel is None
            softmax(module)
        assert path.read_bytes() == b"1", content
        assert any(str(path) in each for each in told), told
        last = entries(path)[-1]
        assert (last.before.state, last.before.content, last.why) == (
            PickState.INVALID,
            content,
            "its pick file was not valid",
        )


def case_a_directory_in_the_place_of_a_pick_stops_nobody(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    path = place_of_pick(folder)
    path.mkdir(parents=True)
    with mkexplorer.installed(), warnings_of() as told:
        module = load("softmax", folder)
        softmax(module)
    assert call_of(module).picked_kernel == 1
    assert any("not kept" in each for each in told)


def case_the_cache_may_be_a_link(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    with mkexplorer.installed():
        module = load("softmax", folder / "link")
        softmax(module)
    assert pick_of(module).read_text() == "1"


def case_a_forced_pick_is_used_and_not_kept(folder: Path) -> None:
    set_times()
    for value, index in ((2, 0), (3, 1)):
        with inductor_config.patch({"triton.multi_kernel": value}), mkexplorer.installed():
            assert inductor_config.triton.multi_kernel == value
            module = load("softmax", folder)
            races.clear()
            names()
            softmax(module)
        assert races == []
        assert call_of(module).picked_kernel == index
        assert [name[:10] for name in names()] == ["triton_red" if index == 0 else "triton_per"]
        assert not pick_of(module).exists()
        assert session.decisions[-1].how is session.How.FORCED


def case_with_the_cache_disabled_picks_are_neither_read_nor_written(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    path = place_of_pick(folder)
    write_pick(path, b"0")
    with mock.patch.dict(os.environ, TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE="1"), mkexplorer.installed():
        module = load("softmax", folder)
        assert call_of(module).picked_kernel is None
        softmax(module)
    assert call_of(module).picked_kernel == 1
    assert path.read_bytes() == b"0"


def case_the_metrics_table_gets_its_row(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    with inductor_config.patch(enabled_metric_tables="persistent_red_perf"), mkexplorer.installed():
        module = load("softmax", folder)
        here = os.getcwd()
        os.chdir(folder)
        try:
            softmax(module)
        finally:
            os.chdir(here)
    header, row = (folder / "metric_table_persistent_red_perf.csv").read_text().splitlines()
    assert "kernel1_latency" in header
    assert ",0.031000,0.022000," in row
    assert "ReductionHint.INNER" in row


def case_deterministic_mode_takes_the_first_and_measures_nothing(folder: Path) -> None:
    with inductor_config.patch(deterministic=True):
        assert_first_is_taken_unmeasured(load_installed(folder))


def case_deterministic_mode_of_the_environment_outlasts_a_compilation(folder: Path) -> None:
    """After each, torch sets its own setting to what ``torch.use_deterministic_algorithms`` was told."""
    with mock.patch.dict(os.environ, TORCHINDUCTOR_DETERMINISTIC="1"):
        torch.use_deterministic_algorithms(False)
        assert not inductor_config.deterministic
        assert_first_is_taken_unmeasured(load_installed(folder))


def case_kernels_that_were_generated_in_deterministic_mode_stay_in_it(folder: Path) -> None:
    """As with ``torch.compile(options={"deterministic": True})``, which holds while it compiles."""
    module = load_installed(folder)
    with mock.patch.dict(call_of(module).kernels[0].inductor_meta, deterministic=True):
        assert_first_is_taken_unmeasured(module)


def load_installed(folder: Path) -> types.ModuleType:
    with mkexplorer.installed():
        return load("softmax", folder)


def assert_first_is_taken_unmeasured(module: types.ModuleType) -> None:
    set_times(looped=31.0, persistent=22.0)
    races.clear()
    with mkexplorer.installed(measure="always"):
        softmax(module)
    assert races == []
    assert call_of(module).picked_kernel == 0
    assert session.decisions[-1].how is session.How.DETERMINISTIC
    assert not pick_of(module).exists()


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


def case_on_a_tie_the_old_pick_stays_or_else_the_first_one_wins(folder: Path) -> None:
    set_times(looped=22.05, persistent=22.0)
    with mkexplorer.installed(measure="always"):
        module = load("softmax", folder)
        softmax(module)
        assert pick_of(module).read_text() == "0"
        write_pick(pick_of(module), b"1")
        module = load("softmax", folder)
        softmax(module)
    assert races[-1] == (2, 1)
    assert pick_of(module).read_text() == "1"


def case_always_measures_what_was_picked_but_not_what_was_pinned(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    path = place_of_pick(folder)
    write_pick(path, b"0")
    with mkexplorer.installed(measure="always"):
        softmax(load("softmax", folder))
    assert path.read_bytes() == b"1"
    pin(path, b"0")
    with mkexplorer.installed(measure="always"):
        module = load("softmax", folder)
        softmax(module)
    assert call_of(module).picked_kernel == 0
    assert path.read_bytes() == b"0"


def pin(path: Path, content: bytes) -> None:
    store = FolderStore(str(path.parent.parent))
    relative = f"{path.parent.name}/{path.name}"
    file = read_pick_file(store, relative, 2)
    after = Held(content, PickState.PINNED)
    change = PickChange(relative, "", Action.PIN, file.held, after, file.history.size)
    apply_change(store, change, Occasion(Who.PERSON))


def case_never_takes_the_pick_or_else_the_first(folder: Path) -> None:
    races.clear()
    with mkexplorer.installed(measure="never"):
        module = load("softmax", folder)
        softmax(module)
        assert call_of(module).picked_kernel == 0
        write_pick(pick_of(module), b"1")
        module = load("softmax", folder)
        softmax(module)
    assert (races, call_of(module).picked_kernel) == ([], 1)


def case_a_pick_that_another_gpu_made_is_measured_anew(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        module = load("softmax", folder)
        softmax(module)
        set_times(looped=20.0, persistent=22.0)
        assert call_of(load("softmax", folder)).picked_kernel == 1
        with mock.patch.object(gpu, "machine", return_value=Machine("NVIDIA H200")):
            module = load("softmax", folder)
            assert call_of(module).picked_kernel is None
            softmax(module)
            assert pick_of(module).read_text() == "0"
            assert entries(pick_of(module))[-1].why == f"it was measured on {H100.gpu}"
            assert call_of(load("softmax", folder)).picked_kernel == 0


def case_a_measurement_against_the_pick_has_it_measured_anew(folder: Path) -> None:
    set_times(looped=22.0, persistent=31.0)
    with mkexplorer.installed():
        module = load("softmax", folder)
        softmax(module)
        path = pick_of(module)
        (entry,) = entries(path)
        pin(path, b"1")
        store, relative = FolderStore(str(path.parent.parent)), f"{path.parent.name}/{path.name}"
        # What a run time that knows nothing of us writes afterwards, and what somebody measures beside it.
        write_pick(path, b"1\n")
        from mkexplorer.picks.writing import enter_measurement

        held = read_pick_file(store, relative, 2)
        measurement = PickChange(
            relative, "", Action.MEASURE, held.held, held.held, held.history.size, measured=entry.measured
        )
        enter_measurement(store, measurement, Occasion(Who.PERSON, H100))
        module = load("softmax", folder)
        assert call_of(module).picked_kernel is None
        softmax(module)
    assert path.read_bytes() == b"0"
    assert "sub-kernel 0 was measured to be 1.41x as fast" in entries(path)[-1].why


def case_who_replaces_the_benchmark_forces_a_sub_kernel(folder: Path) -> None:
    """As torch's own test does, whether its class was looked up before or after `install`."""
    for forced in (0, 1):
        with mkexplorer.installed(), mock.patch.dict(os.environ, TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE="1"):
            for cls in (StockCall, stock_module.MultiKernelCall):
                assert picked_where_replaced(cls, forced, folder) == [forced]


def picked_where_replaced(cls: Any, forced: int, folder: Path) -> list[int]:
    latencies = [0.2, 0.2]
    latencies[forced] = 0.1
    picked: list[int] = []
    run = cls.run

    def replaced(self: Any, *args: Any, **kwargs: Any) -> Any:
        out = run(self, *args, **kwargs)
        picked.append(self.picked_kernel)
        return out

    with (
        mock.patch.object(cls, "run", replaced),
        mock.patch.object(cls, "benchmark_sub_kernels", return_value=latencies),
    ):
        softmax(load("softmax", folder))
    return picked


def case_arguments_are_filtered_by_arg_index(folder: Path) -> None:
    text = {"triton_red": 20.0, "triton_per": 10.0}
    stand_in_gpu.times_us.update(text)
    with mkexplorer.installed():
        module = load("softmax", folder)
        kernels = call_of(module).kernels
        arg_index = {0: [slice(0, 4, None)], 1: [slice(0, 3, None), slice(4, 5, None)]}
        call = stock_module.MultiKernelCall("multi_kernel_9", list(kernels), arg_index)
        names()
        x, out = torch.ones(X), torch.empty(X)
        call.disable_cache = True
        call.picked_kernel = None
        call.run(x, out, 4096, 11, 22, stream=0)
        assert launches[-1][1][2:] == (4096, 22)
        call.run(x, out, 4096, 11, 33, stream=0)
        assert launches[-1][1][2:] == (4096, 33)
        assert call.run.__code__.co_argcount == 6
        call.picked_kernel = 0
        call.run(x, out, 4096, 11, 33, stream=0)
        assert launches[-1][1][2:] == (4096, 11)
        assert launches[-1][0].startswith("triton_red")


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


def case_a_doubtful_choice_is_used_and_not_kept(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    measured = gpu.race_on_gpu

    def disturbed(contestants: Any, old: Any) -> Any:
        return replace(measured(contestants, old), disturbed=99)

    with mkexplorer.installed(), mock.patch.object(gpu, "race_on_gpu", disturbed):
        module = load("softmax", folder)
        softmax(module)
    assert call_of(module).picked_kernel == 1
    assert not pick_of(module).exists()


def case_cooperative_kernels_get_their_workspaces(folder: Path) -> None:
    with mkexplorer.installed():
        module = load("softmax_cooperative", folder)
    assert isinstance(call_of(module), StockCall)
    for kernel in call_of(module).kernels:
        assert any("ws_ptr" in name or "sem_ptr" in name for name in kernel.fn.arg_names), kernel.fn.arg_names
    set_times()
    stand_in_gpu.times_us["triton_"] = 10.0
    names_of = [name for name in call_of(module).kernels[0].fn.arg_names if "BLOCK" not in name and name != "RSPLIT"]
    numbers = {"xnumel": 8, "r0_numel": 16384}
    arguments = [numbers[name] if name in numbers else torch.zeros(16) for name in names_of]
    names()
    call_of(module).run(*arguments, stream=0)
    assert len(launches) == 1
    assert [type(value) for value in launches[0][1]] == [type(value) for value in arguments]


def case_choices_are_recorded_for_cpp_wrappers(folder: Path) -> None:
    from torch._inductor.graph import GraphLowering
    from torch._inductor.virtualized import V

    set_times(looped=31.0, persistent=22.0)
    graph = object.__new__(GraphLowering)
    graph.__dict__.update(record_multi_kernel_choice=True, multi_kernel_to_choice={}, cpp_wrapper=True)
    with mkexplorer.installed():
        module = load("softmax", folder)
        call = call_of(module)
        with V.set_graph_handler(graph):
            call.run(torch.ones(X), torch.ones(X), 4096, 2048, stream=0)
            name = stock_module.MultiKernelCall.lookup_choice("multi_kernel_0")
            assert name == StockCall.lookup_choice("multi_kernel_0")
    assert name.startswith("triton_per")
    assert "run" not in vars(call), "the second call of C++'s tuning must go through the kernel, which keeps its binary"
    from torch._inductor.codegen import cpp_wrapper_gpu

    assert cpp_wrapper_gpu.MultiKernelCall is StockCall, "put back"


def case_a_cpp_wrapper_that_is_compiled_lazily_tells_what_to_do(folder: Path) -> None:
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 12):
        return
    options = {"triton.autotune_at_compile_time": False, "cpp_wrapper": True}
    with inductor_config.patch({"triton.multi_kernel": 1, **options}):
        failure = failure_of(generate_wrappers.generate, "softmax", cpp_wrapper=True)
        assert isinstance(failure, AssertionError), "torch is cured of it: is this case still needed?"
        with mkexplorer.installed():
            failure = failure_of(generate_wrappers.generate, "softmax", cpp_wrapper=True)
            assert "autotune_at_compile_time = True" in str(failure)
    with inductor_config.patch(cpp_wrapper=True), mkexplorer.installed():
        assert inductor_config.triton.multi_kernel == 0, "nobody asked for it"


def case_a_warm_graph_cache_is_no_end(folder: Path) -> None:
    """A kernel that comes out of a graph's cache has lost its lock; torch's own class dies of it."""
    module = load("softmax", folder)
    kernels = [restored(kernel) for kernel in call_of(module).kernels]
    if all(getattr(kernel.fn, "_hash_lock", True) is None for kernel in kernels):
        failure = failure_of(StockCall, "multi_kernel_0", futures(kernels), {0: [slice(0, 4)], 1: [slice(0, 4)]})
        assert isinstance(failure, TypeError), "torch is cured of it: is this case still needed?"
        assert "context manager" in str(failure)
    with mkexplorer.installed():
        call = stock_module.MultiKernelCall("multi_kernel_0", futures(kernels), {0: [slice(0, 4)], 1: [slice(0, 4)]})
    assert call.cache_file_path() == pick_of(module)


def restored(kernel: Any) -> Any:
    assert kernel.fn.cache_key  # is computed before it is pickled
    launchers = kernel.launchers
    kernel.launchers = []
    kernel._cached_launcher = None
    old = kernel.prepare_for_pickle()
    data = pickle.dumps(kernel)
    kernel.restore_after_unpickle(old)
    kernel.launchers = launchers
    found = pickle.loads(data)
    found.launchers = launchers
    return found


def futures(kernels: list[Any]) -> list[Any]:
    made = []
    for kernel in kernels:
        future = codecache.StaticAutotunerFuture(kernel)
        future.reload_kernel_from_src = lambda: None
        kernel.recheck_autotune_cache = lambda **_: None
        kernel.precompile = lambda **_: None
        made.append(future)
    return made


def case_threads_choose_once(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    with mkexplorer.installed():
        module = load("softmax", folder)
        races.clear()
        start = threading.Barrier(8)
        errors: list[BaseException] = []

        def work() -> None:
            try:
                start.wait()
                for _ in range(5):
                    softmax(module)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert len(races) == 1


@contextmanager
def one_of_two_ranks() -> Iterator[None]:
    import datetime

    torch.distributed.init_process_group(
        "fake", store=torch.distributed.HashStore(), rank=0, world_size=2, timeout=datetime.timedelta(seconds=5)
    )
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def case_ranks_use_the_choice_of_the_first_to_have_one(folder: Path) -> None:
    with one_of_two_ranks(), mkexplorer.installed():
        set_times(looped=31.0, persistent=22.0)
        first = load("softmax", folder / "one")
        softmax(first)
        set_times(looped=10.0, persistent=22.0)
        second = load("softmax", folder / "two")
        softmax(second)
    assert (call_of(first).picked_kernel, call_of(second).picked_kernel) == (1, 1)
    assert session.decisions[-1].how is session.How.AGREED
    assert pick_of(second).read_text() == "1"


def case_a_pinned_pick_stays_whatever_another_rank_chose(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    pin(place_of_pick(folder / "two"), b"0")
    with one_of_two_ranks(), mkexplorer.installed():
        softmax(load("softmax", folder / "one"))
        second = load("softmax", folder / "two")
        softmax(second)
    assert call_of(second).picked_kernel == 0
    assert session.decisions[-1].how is session.How.PINNED
    assert session.decisions[-1].remark == "another rank chose 1 before this one chose 0"


def case_a_pinned_pick_is_the_choice_of_the_ranks_that_come_later(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    pin(place_of_pick(folder / "one"), b"0")
    with one_of_two_ranks(), mkexplorer.installed():
        softmax(load("softmax", folder / "one"))
        second = load("softmax", folder / "two")
        softmax(second)
    assert call_of(second).picked_kernel == 0
    assert session.decisions[-1].how is session.How.AGREED


def case_size_hints_choose_by_shape_and_are_verified_when_asked(folder: Path) -> None:
    if not hasattr(stock_module, "SizeHintMultiKernelCall"):
        return
    set_times(looped=20.0, persistent=10.0)
    races.clear()
    with mkexplorer.installed():
        kernels = call_of(load("softmax", folder)).kernels
        hints = {((64, 2048), (64, 2048)): kernels[0], ((4096, 2048), (4096, 2048)): kernels[1]}
        arg_index = {0: [slice(0, 2), slice(2, 4)], 1: [slice(0, 2), slice(4, 6)]}
        call = stock_module.SizeHintMultiKernelCall("multi_kernel_0", hints, arg_index)
        stock = StockSizeHint("multi_kernel_0", hints, arg_index)
        for rows in (64, 70, 5000, 64, 5000, 70):
            arguments = (torch.ones((rows, 2048)), torch.empty((rows, 2048)), rows, 1, rows, 2)
            names()
            stock.run(*arguments, stream=0)
            call.run(*arguments, stream=0)
            theirs, ours = launches
            assert theirs[0] == ours[0]
            assert theirs[1][2:] == ours[1][2:]
            assert call.picked_kernel == stock.picked_kernel
        assert not pick_of_call(call).exists()
        assert races == []
        assert mkexplorer.verify() == 2, "the looped one was chosen for 64 and for 70 rows"
        assert mkexplorer.verify() == 0
        small = (torch.ones((64, 2048)), torch.empty((64, 2048)), 64, 1, 64, 2)
        names()
        for _ in range(3):
            call.run(*small, stream=0)
        assert [name[:10] for name in names()] == ["triton_per"] * 3
    assert len(races) == 3


def case_torch_2_9_measures_templates_for_each_shape(folder: Path) -> None:
    if "shape_specialize" not in inspect.signature(StockCall.__init__).parameters:
        return
    set_times(looped=20.0, persistent=10.0)
    with mkexplorer.installed():
        kernels = list(call_of(load("softmax", folder)).kernels)
        races.clear()
        arg_index = {0: [slice(0, 4)], 1: [slice(0, 4)]}
        call = stock_module.MultiKernelCall("multi_kernel_0", kernels, arg_index, shape_specialize=True)
        for rows, picked in ((64, 1), (5000, 0), (64, 1), (5000, 0)):
            set_times(looped=20.0 if rows == 64 else 5.0, persistent=10.0)
            names()
            call.run(torch.ones((rows, 2048)), torch.empty((rows, 2048)), rows, 2048, stream=0)
            assert call.picked_kernel == picked
            assert [name[:10] for name in names()] == ["triton_per" if picked else "triton_red"]
    assert len(races) == 2


StockSizeHint: Any = getattr(stock_module, "SizeHintMultiKernelCall", None)


def pick_of_call(call: Any) -> Path:
    return Path(call.cache_file_path())


def case_the_summary_tells_what_torchs_own_rule_would_have_lost(folder: Path) -> None:
    set_times(looped=31.0, persistent=22.0)
    session.decisions.clear()
    from torch._inductor.runtime.benchmarking import benchmarker

    asked = mock.Mock(side_effect=[0.1, 0.2])  # torch 2.9 asks by the second name
    with mock.patch.multiple(benchmarker, benchmark=asked, benchmark_gpu=asked), mkexplorer.installed(report=True):
        softmax(load("softmax", folder))
    told = session.summary(session.decisions)
    assert "1 multi-kernel: 1 measured" in told
    assert "looped 31.0 µs | *persistent 22.0 µs, FASTER 1.41x; torch's own rule: looped, +9.0 µs" in told
    assert "another choice for 1 of 1, 9.0 µs slower" in told


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


def run(folder: Path) -> dict[str, str]:
    stand_in_gpu.set_up()
    found = {}
    for name, case in list(globals().items()):
        if not name.startswith("case_"):
            continue
        set_times()
        effects.clear()
        names()
        try:
            case(Path(tempfile.mkdtemp(dir=folder)))
        except BaseException:
            found[name] = traceback.format_exc()
        else:
            found[name] = ""
    return found


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]))))
