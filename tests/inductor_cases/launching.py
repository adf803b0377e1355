"""What a call launches once the choice is made, and with which arguments."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch._inductor.codegen import multi_kernel as stock_module
from torch._inductor.runtime import triton_heuristics
from torch.autograd import profiler

import mkexplorer
from tests import stand_in_gpu
from tests.inductor_cases.programs import StockCall, X, call_of, softmax
from tests.stand_in_gpu import launches, load, names, set_times


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
