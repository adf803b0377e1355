"""`multi_kernel` as a Triton user meets it. On the CPU the first sub-kernel is chosen, unless a race is given."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import triton

from mkexplorer.multikernel import DefinitionError, MultiKernelError, SettingError, config, multi_kernel, sub_kernel
from mkexplorer.multikernel.modules import load_module

from ..stub_kernels import Stopwatch
from . import kernels
from .scaling import X, check, pruned, scale, sizes

# ------------------------------------------------------------------------------------------------ launching


def test_it_is_launched_like_a_kernel_of_triton(times: Stopwatch) -> None:
    function = scale()
    check(function, times_launched=3)
    assert function.picks == {(): "scale_persistent"}
    assert len(times.races) == 1


def test_threads_may_launch_at_once(times: Stopwatch, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-5)
    function = scale(key=["count"])
    with ThreadPoolExecutor(8) as threads:
        for each in [threads.submit(check, function, times_launched=5) for _ in range(8)]:
            each.result()
    assert len(times.races) == 1


def test_what_a_kernel_reads_and_writes_is_found_in_its_source(times: Stopwatch) -> None:
    check(scale())  # total is one more than before, though three launches at least were made to measure


def test_arguments_go_by_position_or_by_name(times: Stopwatch) -> None:
    function, out, total = scale(), torch.zeros(50), torch.zeros(1)
    for _ in range(2):
        function[(1,)](X, out, factor=2.0, count=50, total=total)
        assert torch.equal(out, X * 2)


def test_a_sub_kernel_may_take_less(times: Stopwatch) -> None:
    times.times_us["scale_plain"] = 5.0
    plain = sub_kernel(kernels.scale_plain, BLOCK=16, grid=lambda meta: (triton.cdiv(meta["count"], meta["BLOCK"]),))
    function = multi_kernel(sub_kernel(kernels.scale_looped, BLOCK=16), plain)
    out, total = torch.zeros(50), torch.zeros(1)
    for _ in range(2):
        function[(1,)](X, out, total, 50, 3.0)
    assert torch.equal(out, X * 3)
    assert total.item() == 0
    assert function.picks == {(): "scale_plain"}


def test_a_grid_function_gets_all_arguments_by_name(times: Stopwatch) -> None:
    seen = []

    def grid(meta: Any) -> tuple[int]:
        seen.append((int(meta["count"]), "BLOCK" in meta or "COUNT" in meta))
        return (1,)

    out, total = torch.zeros(50), torch.zeros(1)
    scale()[grid](X, out, total, 50, 3.0)
    assert torch.equal(out, X * 3)
    assert set(seen) >= {(50, True)}


def test_constexprs_may_be_passed_with_the_call(times: Stopwatch) -> None:
    function = multi_kernel(kernels.scale_looped, kernels.scale_persistent)
    assert str(function.__signature__) == "(x, out, total, count, factor, BLOCK, *, COUNT)"
    out, total = torch.zeros(50), torch.zeros(1)
    for block in (16, 32, 16):
        function[(1,)](X, out, total, 50, 3.0, block, COUNT=64)
        assert torch.equal(out, X * 3)
    assert len(times.races) == 2  # another BLOCK is another kernel
    assert total.item() == 3


@pytest.mark.parametrize("forced", [0, 1])
def test_a_sub_kernel_keeps_its_own_default_of_a_constexpr(monkeypatch: pytest.MonkeyPatch, forced: int) -> None:
    monkeypatch.setattr(config, "sub_kernel", forced)
    function = multi_kernel(kernels.mark_looped, kernels.mark_persistent)
    assert str(function.__signature__) == "(out, count, by=1.0, BLOCK=<each its own>)"

    @multi_kernel(kernels.mark_looped, kernels.mark_persistent)
    def marked(out: Any, count: int) -> Any:
        return (1,)

    for launch, block in (
        (function[(1,)], (16, 64)[forced]),
        (partial(function[(1,)], BLOCK=32), 32),  # what the call says holds for all
        (marked, (16, 64)[forced]),
    ):
        out = torch.zeros(4)
        for _ in range(2):
            launch(out, 4)
            assert out.tolist() == [block, 1.0, 1.0, 1.0]


def test_a_default_is_the_same_as_a_whole_number_and_as_another() -> None:
    function, out = multi_kernel(kernels.mark_looped, kernels.mark_whole), torch.zeros(4)
    function[(1,)](out, 4)
    assert out.tolist() == [16.0, 1.0, 1.0, 1.0]


def test_a_key_function_gets_no_constexpr_of_which_each_has_its_own() -> None:
    function = multi_kernel(
        kernels.mark_looped, kernels.mark_persistent, key=lambda given: (given["count"], given.get("BLOCK", 1))
    )
    for _ in range(2):
        function[(1,)](torch.zeros(4), 4)
        function[(1,)](torch.zeros(4), 4, BLOCK=32)
    assert [bucket[:2] for bucket in function.picks] == [(4, 1), (4, 32)]
    asking = multi_kernel(kernels.mark_looped, kernels.mark_persistent, key=lambda given: (given["BLOCK"],))
    asking[(1,)](torch.zeros(4), 4, BLOCK=32)
    with pytest.raises(DefinitionError, match="the key function asks for BLOCK") as raised:
        asking[(1,)](torch.zeros(4), 4)
    assert "arguments.get('BLOCK')" in raised.value.advice
    with pytest.raises(KeyError, match="columns"):
        multi_kernel(kernels.mark_looped, kernels.mark_persistent, key=lambda given: (given["columns"],))[(1,)](X, 4)


def test_own_defaults_are_told_in_what_is_kept(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    monkeypatch.setattr(config, "measure", Stopwatch(mark_looped=2.0, mark_persistent=1.0))
    multi_kernel(kernels.mark_looped, kernels.mark_persistent)[(1,)](torch.zeros(4), 4)
    (wrapper,) = (each for each in own_cache.glob("*/*.py") if "def get_args" in each.read_text())
    module = load_module(wrapper)
    assert [each.meta.constants for each in module.multi_kernel_0.kernels] == [{"BLOCK": 16}, {"BLOCK": 64}]
    (out,) = module.call(module.get_args())
    assert out.tolist() == [64.0, 1.0, 1.0, 1.0]


def test_two_sub_kernels_may_be_one_function_with_different_constants(times: Stopwatch) -> None:
    function = multi_kernel(*(sub_kernel(kernels.scale_looped, BLOCK=block, num_warps=4) for block in (16, 64)))
    check(function)
    assert times.races == [(["scale_looped", "scale_looped"], None)]
    assert repr(function).endswith(
        "of scale_looped(BLOCK=16), scale_looped(BLOCK=64) (picked: scale_looped(BLOCK=16))>"
    )
    assert function.picks == {(): "scale_looped(BLOCK=16)"}


def test_sub_kernels_that_differ_in_no_constant_are_told_apart_by_number() -> None:
    function = multi_kernel(*[sub_kernel(kernels.scale_looped, BLOCK=lambda meta: 16) for _ in range(2)], name="scale")
    assert repr(function).endswith("of scale_looped#0, scale_looped#1>")


def test_configurations_are_tuned_inside(times: Stopwatch) -> None:
    function = multi_kernel(kernels.tuned, kernels.by_power)
    check(function, times_launched=2)
    assert list(function.picks) == [(64, "float32", "float32", "float32")]  # autotune's key counts


def test_as_a_decorator_a_function_gives_signature_grid_and_text(times: Stopwatch) -> None:
    @multi_kernel(sub_kernel(kernels.scale_looped, BLOCK=16), kernels.by_power)
    def scaled(x: Any, count: int, out: Any, total: Any, factor: float = 3.0) -> Any:
        """x times factor"""
        return (1,)

    out, total = torch.zeros(50), torch.zeros(1)
    for _ in range(2):
        scaled(X, 50, out, total=total)
    assert torch.equal(out, X * 3)
    assert (scaled.__name__, scaled.__doc__) == ("scaled", "x times factor")
    assert repr(scaled).startswith(
        "<multi_kernel scaled(x, count, out, total, factor=3.0) of scale_looped, scale_persistent (picked:"
    )


def test_sub_kernels_with_grids_of_their_own_need_no_brackets(times: Stopwatch) -> None:
    function = multi_kernel(
        sub_kernel(kernels.scale_looped, BLOCK=16, grid=(1,)), sub_kernel(kernels.by_power, grid=(1,))
    )
    out, total = torch.zeros(50), torch.zeros(1)
    function(X, out, total, 50, 3.0)
    assert torch.equal(out, X * 3)


def test_a_computed_constant_follows_the_arguments(times: Stopwatch) -> None:
    function = multi_kernel(
        sub_kernel(kernels.scale_looped, BLOCK=16),
        sub_kernel(kernels.scale_persistent, COUNT=lambda meta: triton.next_power_of_2(meta["count"])),
    )
    for count in (50, 200):  # one choice, the second call is larger than what the first was compiled for
        check(function, count=count)


def test_a_grid_follows_what_is_computed_of_the_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "sub_kernel", 0)
    plain = sub_kernel(
        kernels.scale_plain,
        BLOCK=lambda meta: 16 if meta["count"] <= 16 else 8,
        grid=lambda meta: (triton.cdiv(meta["count"], meta["BLOCK"]),),
    )
    function = multi_kernel(plain, kernels.by_power)
    for count in (16, 50):
        out, total = torch.zeros(50), torch.zeros(1)
        function[(1,)](X, out, total, count, 3.0)
        assert torch.equal(out[:count], X[:count] * 3)


def test_heuristics_below_a_tuner_with_hooks_are_left_to_triton() -> None:
    """They may ask for what only that tuner knows."""
    clear = [triton.Config({"BLOCK": 16}, pre_hook=lambda named: named["out"].zero_())]
    tuned = triton.autotune(clear, key=["count"])(kernels.add_blocks_evenly)
    function = multi_kernel(tuned, tuned, mutated=["out"])
    assert str(function.__signature__) == "(x, out, count)"
    for count in (32, 50):
        out = torch.ones(50)
        function[lambda meta: (triton.cdiv(meta["count"], meta["BLOCK"]),)](X, out, count)
        assert torch.equal(out[:count], X[:count])


def test_warmup_launches_nothing() -> None:
    assert scale().warmup(*[torch.float32] * 3, 50, 1.0, grid=(1,)) == [None, None]  # the interpreter compiles nothing


def test_repr_tells_what_was_chosen(times: Stopwatch) -> None:
    function = scale(key=["count"])
    assert repr(function) == ("<multi_kernel scale(x, out, total, count, factor) of scale_looped, scale_persistent>")
    check(function)
    assert "(64, float32, float32, float32: scale_persistent)" in repr(function)


# ------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: multi_kernel(), "at least two sub-kernels, and none was given"),
        (lambda: multi_kernel(kernels.tuned), "at least two sub-kernels, and only scale_looped was given"),
        (lambda: multi_kernel(kernels.tuned, len), "<built-in function len> is no kernel of Triton"),
        (lambda: multi_kernel(kernels.tuned, check), "check is a plain function, no kernel of Triton"),
        (lambda: multi_kernel(kernels.tuned, kernels.scale_greedy), "scale_greedy takes unknown, which scale_looped"),
        (
            lambda: multi_kernel(kernels.mark_looped, kernels.mark_otherwise),
            "by is 1.0 by default in mark_looped and 5.0 in mark_otherwise",
        ),
        (lambda: scale(key=["columns"]), "key names columns, which is no argument"),
        (lambda: scale(key="count"), "key is the text 'count', and no list of names"),
        (lambda: scale(mutated="total"), "mutated is the text 'total', and no list of names"),
        (lambda: scale(mutated=["totals"]), "mutated names totals, which is no argument"),
        (lambda: sub_kernel(kernels.scale_plain, BLOK=16), "scale_plain has no parameter BLOK"),
        (lambda: sub_kernel(kernels.tuned, num_warps=4), "scale_looped has @triton.autotune, and num_warps besides"),
    ],
)
def test_a_mistake_is_told_where_it_is_made(make: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message.replace("(", r"\(")) as raised:
        make()
    assert raised.value.advice
    assert raised.value.advice in str(raised.value)  # a traceback shows no more than this


@pytest.mark.parametrize("grid", [1, (), (1, 1, 1, 1), "1"])
def test_what_is_no_grid_is_told(times: Stopwatch, grid: Any) -> None:
    with pytest.raises(DefinitionError, match="scale has the grid ") as raised:
        scale()[grid](X, torch.zeros(50), torch.zeros(1), 50, 3.0)
    assert "(1,)" in raised.value.advice
    with pytest.raises(DefinitionError, match="scale_looped has the grid "):
        sub_kernel(kernels.scale_looped, grid=grid)


@pytest.mark.parametrize("name", ["lambda", "softmax of 'x'", "π"])
def test_it_may_have_any_name(times: Stopwatch, name: str) -> None:
    check(multi_kernel(sub_kernel(kernels.scale_looped, BLOCK=16), kernels.by_power, name=name), times_launched=2)


def test_a_missing_grid_is_told(times: Stopwatch) -> None:
    out, total = torch.zeros(50), torch.zeros(1)
    function = scale()
    for _ in range(2):
        with pytest.raises(MultiKernelError, match="scale was called without a grid") as raised:
            function(X, out, total, 50, 3.0)
        assert "scale[grid](…)" in raised.value.advice
        check(function)  # and after a call with one, just as well


def test_python_tells_a_missing_or_unknown_argument_by_its_name() -> None:
    with pytest.raises(TypeError, match=r"scale\(\) missing 1 required positional argument: 'factor'"):
        scale()[(1,)](X, X, X, 50)
    with pytest.raises(TypeError, match=r"factor\) takes 5 arguments by position, and 7 were given"):
        scale()[(1,)](X, X, X, 50, 3.0, 4, 5)
    with pytest.raises(TypeError, match=r"scale\(\) got an unexpected keyword argument 'num_warps'"):
        scale()[(1,)](X, X, X, 50, 3.0, num_warps=4)


def test_a_sub_kernel_that_cannot_be_compiled_is_left_out(times: Stopwatch, caplog: pytest.LogCaptureFixture) -> None:
    function = multi_kernel(kernels.scale_broken, sub_kernel(kernels.scale_looped, BLOCK=16))
    check(function)
    assert function.picks == {(): "scale_looped"}
    assert "scale_broken cannot run and is not used" in caplog.text


def only_narrow(meta: Any) -> int:
    if meta["count"] > 64:
        raise ValueError("too wide for one block")
    return 64


def test_a_sub_kernel_whose_heuristic_raises_is_left_out(
    times: Stopwatch, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def narrow_and_wide() -> Any:
        persistent = sub_kernel(kernels.scale_persistent, COUNT=only_narrow)
        return multi_kernel(sub_kernel(kernels.scale_looped, BLOCK=16), persistent, key=["count"], name="scale")

    function = narrow_and_wide()
    check(function, count=50)
    check(function, count=100, times_launched=2)  # beside a choice of the one that cannot run here
    assert sizes(function) == {64: "scale_persistent", 128: "scale_looped"}
    assert "scale: scale_persistent cannot run and is not used" in caplog.text
    assert "ValueError: too wide for one block" in caplog.text
    again = narrow_and_wide()
    check(again, count=100)
    assert sizes(again) == {128: "scale_looped"}
    (wide,) = (each for each in own_cache.glob("*/*.py") if "(100, )" in each.read_text())
    module = load_module(wide)
    x, out, total = module.get_args()
    module.call([x, out, total])
    assert torch.equal(out, x * 3)
    with pytest.raises(MultiKernelError, match="scale_persistent cannot run with these arguments: ValueError: too wid"):
        module.multi_kernel_0.kernels[1].run(x, out, total, 100, 3.0, grid=(1,))


def test_it_is_told_that_no_sub_kernel_can_run() -> None:
    function = multi_kernel(*(sub_kernel(kernels.scale_persistent, COUNT=only_narrow) for _ in range(2)), name="scale")
    with pytest.raises(MultiKernelError, match="scale: none of its sub-kernels can run: .*too wide for one block"):
        check(function, count=100)


def configurations(tuned: Any) -> list[int]:
    """Which are left of those of ``tuned``, for 50 numbers."""
    function = multi_kernel(tuned, kernels.by_power, name="scale")
    out, total = torch.zeros(50), torch.zeros(1)
    function[(1,)](X, out=out, total=total, count=50, factor=3.0)
    (entry,) = function._entries.values()
    return [config["BLOCK"] for config in entry.call.kernels[0].meta.configs]


def test_a_function_that_prunes_gets_the_arguments_as_triton_gives_them(times: Stopwatch) -> None:
    def by_keyword(configs: Any, named: Any, count: int, **others: Any) -> Any:
        return [each for each in configs if each.kwargs["BLOCK"] < count]

    def by_mapping(configs: Any, named: Any, **others: Any) -> Any:
        return [each for each in configs if each.kwargs["BLOCK"] > named["count"]]

    def by_two(configs: Any, x: Any) -> Any:  # an argument of the kernel is called x, too
        return [each for each in configs if each.kwargs["BLOCK"] > x["count"]]

    def by_some(configs: Any, named: Any, *, count: int, unknown: int = 32) -> Any:
        return [each for each in configs if each.kwargs["BLOCK"] < min(count, unknown)]

    assert configurations(pruned(early_config_prune=by_keyword)) == [16, 32]
    assert configurations(pruned(early_config_prune=by_mapping)) == [64]
    assert configurations(pruned(early_config_prune=by_two)) == [64]
    assert configurations(pruned(early_config_prune=by_some)) == [16]


def test_a_model_of_the_time_gets_constants_of_the_sub_kernel_too(times: Stopwatch) -> None:
    def model(x: Any, out: Any, total: Any, count: int, factor: float, BLOCK: int, **others: Any) -> float:
        return factor * BLOCK

    tuned = sub_kernel(pruned(perf_model=model, top_k=1), factor=-1.0)
    assert configurations(tuned) == [64]


def test_a_sub_kernel_without_a_configuration_is_left_out(times: Stopwatch, caplog: pytest.LogCaptureFixture) -> None:
    function = multi_kernel(pruned(early_config_prune=lambda configs, named, **others: []), kernels.by_power)
    check(function)
    assert sizes(function) == {64: "scale_persistent"}
    assert "scale_looped cannot run and is not used" in caplog.text


def test_a_forced_sub_kernel(times: Stopwatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKEXPLORER_SUB_KERNEL", "scale=0")
    function = scale()
    check(function)
    assert (function.picks, times.races) == ({(): "scale_looped"}, [])
    monkeypatch.setenv("MKEXPLORER_SUB_KERNEL", "scale=2")
    with pytest.raises(SettingError, match="scale has no sub-kernel 2"):
        check(scale())
