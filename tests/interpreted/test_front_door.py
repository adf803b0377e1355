"""`multi_kernel` as a Triton user meets it. On the CPU the first sub-kernel is chosen, unless a race is given."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import triton
import triton.language as tl

from mkexplorer.catalog import open_catalog
from mkexplorer.multikernel import DefinitionError, MultiKernelError, SettingError, config, multi_kernel, sub_kernel
from mkexplorer.multikernel.modules import load_module
from mkexplorer.multikernel.sharing import Ranks
from mkexplorer.race.racing import Contestant

from ..stub_kernels import Stopwatch
from . import kernels

X = torch.arange(50, dtype=torch.float32)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    stopwatch = Stopwatch(scale_looped=31.0, scale_persistent=22.0, scale_plain=40.0)
    monkeypatch.setattr(config, "measure", stopwatch)
    return stopwatch


def scale(**options: Any) -> Any:
    return multi_kernel(sub_kernel(kernels.scale_looped, BLOCK=16), kernels.by_power, name="scale", **options)


def check(function: Any, *, count: int = 50, times_launched: int = 1) -> None:
    """Launches, and finds that the result is right and that nothing was launched on our tensors to measure."""
    x = torch.arange(count, dtype=torch.float32)
    out, total = torch.zeros(count), torch.zeros(1)
    for _ in range(times_launched):
        function[(1,)](x, out, total, count, 3.0)
    assert torch.equal(out, x * 3)
    assert total.item() == times_launched


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


def pruned(**by: Any) -> Any:
    configs = [triton.Config({"BLOCK": block}) for block in (16, 32, 64)]
    return triton.autotune(configs, key=["count"], prune_configs_by=by)(kernels.scale_looped)


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

    assert configurations(pruned(early_config_prune=by_keyword)) == [16, 32]
    assert configurations(pruned(early_config_prune=by_mapping)) == [64]


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


# ------------------------------------------------------------------------------------------------ the cache


def test_the_explorer_opens_what_was_chosen(times: Stopwatch, own_cache: Path) -> None:
    check(scale())
    (found,) = open_catalog(str(own_cache)).multi_kernels
    assert [each.name for each in found.sub_kernels] == ["scale_looped", "scale_persistent"]
    assert [each.kind for each in found.sub_kernels] == ["looped", "persistent"]
    assert found.operations == ("scale",)
    command = [sys.executable, "-m", "mkexplorer"]
    listed = subprocess.run([*command, "list", str(own_cache)], capture_output=True, text=True, check=True).stdout
    assert "picked 1" in listed
    assert "31.0 µs" in listed
    pinned = subprocess.run([*command, "pin", found.id, "0", "--place", str(own_cache)], capture_output=True, text=True)
    assert pinned.returncode == 0, pinned.stderr
    again = scale()
    check(again)
    assert again.picks == {(): "scale_looped"}
    assert len(times.races) == 1


def test_the_module_that_it_opens_runs_by_itself(times: Stopwatch, own_cache: Path) -> None:
    check(scale())
    (wrapper,) = (each for each in own_cache.glob("*/*.py") if "def get_args" in each.read_text())
    module = load_module(wrapper)
    x, out, total = module.get_args()
    module.call([x, out, total])
    assert torch.equal(out, x * 3)
    assert module.multi_kernel_0.picked == 1  # the same run module, the same pick


def test_another_type_is_another_pick(times: Stopwatch, own_cache: Path) -> None:
    for dtype in (torch.float32, torch.float16):
        x, out, total = X.to(dtype), torch.zeros(50, dtype=dtype), torch.zeros(1)
        scale()[(1,)](x, out, total, 50, 2.0)
        assert torch.equal(out, x * 2)
    assert len(times.races) == 2
    assert len(list(own_cache.glob("*/*.picked_kernel"))) == 2


def test_a_choice_is_found_whichever_size_came_first(times: Stopwatch, own_cache: Path) -> None:
    for key, counts in (([], (50, 300)), (["count"], (900, 1000))):
        races = len(times.races)
        for count in counts:
            function = multi_kernel(
                sub_kernel(kernels.scale_looped, BLOCK=lambda meta: 16 if meta["count"] % 16 else 32),
                sub_kernel(kernels.by_power, grid=lambda meta: (1 if meta["count"] else 0,)),
                key=key,
                name="scale",
            )
            check(function, count=count)
        assert len(times.races) == races + 1
    assert len(open_catalog(str(own_cache)).multi_kernels) == 2


def test_a_pin_holds_whichever_size_comes_first(times: Stopwatch, own_cache: Path) -> None:
    check(scale())
    (found,) = open_catalog(str(own_cache)).multi_kernels
    command = [sys.executable, "-m", "mkexplorer", "pin", found.id, "0", "--place", str(own_cache)]
    subprocess.run(command, capture_output=True, check=True)
    function = scale()
    check(function, count=300)
    assert function.picks == {(): "scale_looped"}
    assert len(times.races) == 1


def test_a_changed_function_makes_another_choice(times: Stopwatch) -> None:
    def check_with(function: Any, count: int) -> int:
        check(multi_kernel(function, kernels.by_power, name="scale", key=[]), count=count)
        return len(times.races)

    def prune(configs: Any, named: Any, **others: Any) -> Any:
        return [each for each in configs if each.kwargs["BLOCK"] == 16 or named["count"] > 1000]

    check_with(computed(16), 50)
    assert check_with(computed(16), 60) == 1
    assert check_with(computed(32), 50) == 2
    assert check_with(computed(32, grid=2), 50) == 3
    assert check_with(pruned(early_config_prune=prune), 50) == 4
    assert check_with(pruned(early_config_prune=prune), 60) == 4
    assert check_with(pruned(), 60) == 5


class Method:
    """Of what it says nobody can tell by its code what that depends on."""

    def __init__(self, block: int) -> None:
        self.block = block

    def __call__(self, meta: Any) -> int:
        return self.block


def test_a_function_that_cannot_be_told_counts_by_what_it_says(times: Stopwatch) -> None:
    for block in (16, 32, 32):
        with_method = triton.heuristics({"BLOCK": Method(block)})(kernels.scale_looped)
        check(multi_kernel(with_method, kernels.by_power, name="scale"))
    assert len(times.races) == 2


def test_what_cannot_be_written_down_works_without_being_kept(
    times: Stopwatch, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scope: dict[str, Any] = {"triton": triton}
    exec("@triton.jit\ndef typed_in(x, out, total, count, factor): out", scope)
    function = multi_kernel(scope["typed_in"], sub_kernel(kernels.scale_looped, BLOCK=16))
    times.times_us["typed_in"] = 100.0
    check(function, times_launched=2)
    assert "its choice is not kept" in caplog.text
    assert not own_cache.exists()


def test_a_constexpr_that_is_a_function_works_without_being_kept(
    own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    function = multi_kernel(kernels.map_looped, kernels.map_persistent, name="map")
    # The last two have the same name.
    for helper, expected in ((kernels.doubled, X * 2), (kernels.shifted_by_one, X + 1), (kernels.shifted, X + 2)):
        for _ in range(2):
            out = torch.zeros(50)
            function[(1,)](X, out, 50, F=helper)
            assert torch.equal(out, expected)
    assert "map: its choice is not kept: map_looped has F = the InterpretedFunction doubled" in caplog.text
    assert not own_cache.exists()


def test_a_constexpr_that_is_a_type_is_kept(own_cache: Path) -> None:
    function, out = multi_kernel(kernels.cast_looped, kernels.cast_persistent), torch.zeros(50, dtype=torch.int32)
    function[(1,)](X, out, 50, tl.int32)
    assert torch.equal(out, X.int())
    (wrapper,) = (each for each in own_cache.glob("*/*.py") if "def get_args" in each.read_text())
    module = load_module(wrapper)
    assert module.multi_kernel_0.kernels[1].meta.constants == {"TYPE": tl.int32, "BLOCK": 64}


def test_a_cache_that_cannot_be_written_stops_nobody(times: Stopwatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check(scale(cache=tmp_path / "file" / "cache"))


# ------------------------------------------------------------------------------------------------ picks by shape


class Noted:
    """A confirmer that a test asks when it wants to."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []

    def add(self, multi_kernel: Any, call: Any, done: Any) -> None:
        self.jobs.append((multi_kernel, call, done))


def sizes(function: Any) -> dict[int, str]:
    return {bucket[0]: name for bucket, name in function.picks.items()}


def test_sizes_up_to_a_power_of_two_share_a_choice(times: Stopwatch) -> None:
    function = scale(key=["count"])
    for count in (33, 50, 64, 50):
        check(function, count=count)
    assert sizes(function) == {64: "scale_persistent"}
    assert len(times.races) == 1


def test_each_bucket_has_its_own_choice(times: Stopwatch) -> None:
    function = scale(key=["count"])
    check(function, count=16)
    times.times_us["scale_looped"] = 1.0
    check(function, count=300)
    for count in (16, 300):
        check(function, count=count)
    assert sizes(function) == {16: "scale_persistent", 512: "scale_looped"}
    assert len(times.races) == 2


def test_each_bucket_tunes_its_sub_kernels_for_itself(times: Stopwatch) -> None:
    function = scale(key=["count"])
    check(function, count=16)
    check(function, count=300)
    kernels = [kernel for entry in function._entries.values() for kernel in entry.call.kernels]
    assert len({kernel.best_config_file for kernel in kernels}) == 4


def test_a_near_size_starts_from_its_neighbours_choice_and_is_confirmed_later(times: Stopwatch) -> None:
    confirmer = Noted()
    function = scale(key=["count"], confirmer=confirmer)
    check(function, count=64)
    times.times_us["scale_looped"] = 1.0
    for _ in range(10):
        check(function, count=100)
    assert sizes(function) == {64: "scale_persistent", 128: "scale_persistent"}
    assert len(times.races) == 1
    ((call, arguments, done),) = confirmer.jobs  # once, after some calls
    call.confirm(arguments)
    done()
    assert sizes(function) == {64: "scale_persistent", 128: "scale_looped"}
    check(function, count=100)
    assert times.races[1:] == [(["scale_looped", "scale_persistent"], None)]  # a suggestion is no pick to outweigh


def test_of_ranks_that_share_none_starts_from_a_neighbours_choice_or_configuration(
    times: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Store:
        def wait(self, *keys: Any) -> None:
            pass

        def get(self, key: str) -> bytes:
            return b"1"

    function = scale(key=["count"])
    check(function, count=64)
    monkeypatch.setattr("mkexplorer.multikernel.sharing._of_torch", lambda: Ranks(3, 4, Store()))
    monkeypatch.setattr(config, "share_ranks", True)
    check(function, count=100)
    assert sizes(function) == {64: "scale_persistent", 128: "scale_persistent"}
    near = list(function._entries.values())[1].call
    assert not near.is_provisional
    assert all(kernel._suggested is None for kernel in near.kernels)


def test_a_user_may_say_when_to_confirm(times: Stopwatch) -> None:
    function = scale(key=["count"])
    check(function, count=64)
    check(function, count=100)
    times.times_us["scale_looped"] = 1.0
    function.confirm()
    check(function, count=100, times_launched=2)
    assert sizes(function) == {64: "scale_persistent", 128: "scale_looped"}
    assert len(times.races) == 2


def test_a_new_process_starts_from_the_neighbours_of_earlier_ones(times: Stopwatch) -> None:
    check(scale(key=["count"]), count=64)
    again = scale(key=["count"])
    check(again, count=100)
    check(again, count=1000)
    assert sizes(again) == {128: "scale_persistent", 1024: "scale_persistent"}
    assert len(times.races) == 2  # 100 is near 64, 1000 is not


def computed(block: int, grid: int = 1) -> Any:
    return sub_kernel(kernels.scale_looped, BLOCK=lambda meta: block, grid=lambda meta: (grid,))


def fixed(block: int) -> Any:
    return sub_kernel(kernels.scale_looped, BLOCK=block)


def tuned(block: int) -> Any:
    return triton.autotune([triton.Config({"BLOCK": block}), triton.Config({"BLOCK": 64})], key=[])(
        kernels.scale_looped
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (fixed(16), fixed(32)),
        (tuned(16), tuned(32)),
        (computed(16), computed(32)),
        (computed(16), computed(16, grid=2)),
        (computed(16), fixed(16)),
    ],
)
def test_whoever_differs_in_a_constant_a_configuration_or_a_grid_is_no_neighbour(
    times: Stopwatch, own_cache: Path, one: Any, other: Any
) -> None:
    def check_with(sub_kernel: Any, count: int) -> None:
        check(multi_kernel(sub_kernel, kernels.by_power, key=["count"], name="scale"), count=count)

    check_with(one, 64)
    races = len(times.races)
    check_with(one, 100)
    assert len(times.races) == races  # 100 is near 64
    check_with(other, 100)
    assert len(times.races) > races
    assert len(list(own_cache.glob("*/*.sizes"))) == 2


def test_another_key_of_sizes_knows_other_neighbours(times: Stopwatch) -> None:
    check(scale(key=["count"]), count=64)
    check(scale(key=lambda meta: [meta["count"]]), count=100)
    assert len(times.races) == 2


def test_a_key_may_be_computed_and_buckets_be_exact(times: Stopwatch) -> None:
    function = scale(key=lambda meta: (meta["x"].numel() // 10, meta["x"].dtype), bucket=lambda size: size)
    for count in (50, 55, 500):
        check(function, count=count)
    assert [bucket[0] for bucket in function.picks] == [5, 50]
    assert len(times.races) == 2


def test_a_computed_key_may_be_anything_that_lists_sizes(times: Stopwatch) -> None:
    for key in (lambda meta: meta["x"].shape, lambda meta: [meta["count"]], lambda meta: iter([meta["count"]])):
        function = scale(key=key)
        check(function, times_launched=3)
        assert [bucket[0] for bucket in function.picks] == [64]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (["x"], "x of the key is a tensor"),
        (lambda meta: [meta["x"]], "what the key function gives is a tensor"),
        (lambda meta: meta["x"], "the key function gives one Tensor, and no list of sizes"),
        (lambda meta: meta["count"], "the key function gives one int, and no list of sizes"),
        (lambda meta: "count", "the key function gives one str, and no list of sizes"),
        (lambda meta: [list(meta["x"].shape)], "what the key function gives is a list, which cannot be looked up"),
    ],
)
def test_a_key_that_tells_no_sizes_is_told_at_the_first_call(times: Stopwatch, key: Any, message: str) -> None:
    function = scale(key=key)
    with pytest.raises(DefinitionError, match=message) as raised:
        check(function)
    assert raised.value.advice
    assert (times.races, function.picks) == ([], {})


def test_a_constexpr_has_to_be_something_that_can_be_looked_up() -> None:
    with pytest.raises(DefinitionError, match="BLOCK is a list, which cannot be looked up"):
        multi_kernel(kernels.mark_looped, kernels.mark_persistent)[(1,)](torch.zeros(4), 4, BLOCK=[16])


def test_an_optional_tensor_may_come_and_go(times: Stopwatch) -> None:
    times.times_us.update(add_first=1.0, add_second=2.0)
    function = multi_kernel(kernels.add_first, kernels.add_second, key=["count"])
    for bias in (X, None, X, None):
        out = torch.zeros(50)
        function[(1,)](X, bias, out, 50, COUNT=64)
        assert torch.equal(out, X + X if bias is not None else X)
    assert len(times.races) == 2
    assert len(function._known) == 2  # both are called without being looked at again


def test_an_argument_may_be_nothing_a_number_or_a_tensor(times: Stopwatch) -> None:
    times.times_us.update(shift_first=1.0, shift_second=2.0)
    function = multi_kernel(kernels.shift_first, kernels.shift_second, key=["count"])
    for by in (None, 2.0, None, 3.0):
        out = torch.zeros(50)
        function[(1,)](X, by, out, 50, COUNT=64)
        assert torch.equal(out, X + (by or 0.0))


def test_a_hook_sees_who_runs_and_can_launch_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Contestant] = []

    def measure(contestants: Any, old: int | None) -> Any:
        seen.extend(contestants)
        return Stopwatch(scale_looped=1.0, scale_persistent=2.0)(contestants, old)

    monkeypatch.setattr(config, "measure", measure)
    check(scale())
    assert [each.name for each in seen] == ["scale_looped", "scale_persistent"]
    assert all(each.restore is not None for each in seen)  # total is read and written


def test_without_a_hook_the_first_one_that_runs_is_taken_on_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "mkexplorer.multikernel"):
        function = scale()
        check(function)
    assert function.picks == {(): "scale_looped"}
    assert "scale: pick 0th sub-kernel in ['scale_looped', 'scale_persistent']" in caplog.text
