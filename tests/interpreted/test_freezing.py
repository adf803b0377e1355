"""Second passes of what the front door made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import triton

from mkexplorer.multikernel import (
    DefinitionError,
    MissingChoice,
    MultiKernelError,
    config,
    freeze,
    multi_kernel,
    sub_kernel,
)
from mkexplorer.multikernel.modules import load_module

from ..stub_kernels import Stopwatch
from . import kernels
from .scaling import X


@pytest.fixture(autouse=True)
def times(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    stopwatch = Stopwatch(scale_looped=31.0, scale_persistent=22.0, scale_plain=40.0)
    monkeypatch.setattr(config, "measure", stopwatch)
    return stopwatch


def scale(**options: Any) -> Any:
    return multi_kernel(sub_kernel(kernels.scale_looped, BLOCK=16), kernels.by_power, name="scale", **options)


def call(function: Any, count: int) -> None:
    function[(1,)](torch.arange(count, dtype=torch.float32), torch.zeros(count), torch.zeros(1), count, 3.0)


def is_frozen(module: Any, winner: str) -> bool:
    x, out, total = module.get_args()
    module.call([x, out, total])
    return torch.equal(out, x * 3) and hasattr(module, winner) and not hasattr(module, "multi_kernel_0")


def test_what_has_met_one_bucket_is_frozen_as_it_is() -> None:
    function = scale()
    call(function, 50)
    assert is_frozen(freeze(function), "scale_persistent")
    assert is_frozen(freeze(function, {"multi_kernel_0": 0}), "scale_looped")


def test_of_several_buckets_one_is_frozen() -> None:
    function = scale(key=["count"])
    for count in (16, 300):
        call(function, count)
    with pytest.raises(DefinitionError, match="scale has 2 modules, one for each bucket") as raised:
        freeze(function)
    first, second = function.modules()
    assert raised.value.advice == f"Freeze one of them, as in freeze(scale.modules()[{first!r}])."
    assert freeze(function.modules()[second]).get_args()[0].shape == (300,)


def test_with_the_pick_of_an_earlier_program_the_module_is_written_when_it_is_asked_for() -> None:
    call(scale(key=["count"]), 50)
    function = scale(key=["count"])
    call(function, 60)  # a size of the same bucket
    (module,) = function._entries.values()
    assert not module.module.exists()
    assert freeze(function).get_args()[0].shape == (60,)


def test_a_choice_that_was_only_taken_over_is_to_be_confirmed_first() -> None:
    function = scale(key=["count"])
    for count in (64, 100):
        call(function, count)
    _, near = function.modules().values()
    with pytest.raises(MissingChoice, match=r"confirm\(\) it and call it once more"):
        freeze(near)
    function.confirm()
    call(function, 100)
    assert is_frozen(freeze(near), "scale_persistent")


def test_what_this_process_uses_is_frozen_be_it_kept_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "disable_cache", True)
    function = scale()
    call(function, 50)
    assert is_frozen(freeze(function), "scale_persistent")
    monkeypatch.setattr(config, "disable_cache", None)
    call(scale(), 50)
    monkeypatch.setattr(config, "sub_kernel", 0)
    forced = scale()
    call(forced, 50)
    assert is_frozen(freeze(forced), "scale_looped")
    (kept,) = forced.modules().values()
    assert is_frozen(freeze(kept), "scale_persistent")


def test_of_a_choice_that_was_only_taken_over_a_function_is_no_witness_either() -> None:
    call(scale(key=["count"]), 64)
    function = scale(key=["count"])
    call(function, 100)
    assert list(function.picks.values()) == ["scale_persistent"]
    with pytest.raises(MissingChoice):
        freeze(function)


def test_an_infinite_number_is_frozen() -> None:
    function, x, out = scale(), torch.ones(64), torch.zeros(64)
    function[(1,)](x, out, torch.zeros(1), 64, float("-inf"))
    frozen = torch.zeros(64)
    freeze(function).call([x, frozen, torch.zeros(1)])
    assert torch.equal(frozen, out)
    assert out.tolist() == [float("-inf")] * 64


def test_parameters_may_have_the_names_of_kernels(times: Stopwatch) -> None:
    times.times_us["double"] = 1.0
    function = multi_kernel(sub_kernel(kernels.double, BLOCK=64), sub_kernel(kernels.double, BLOCK=128))
    tensors = [torch.arange(50.0) for _ in range(4)]
    function[(1,)](*tensors, 50)
    frozen = [torch.arange(50.0) for _ in range(4)]
    freeze(function).call(frozen.copy())
    assert torch.equal(frozen[1], torch.arange(50.0) * 4)
    assert torch.equal(frozen[1], tensors[1])


def test_what_was_never_called_and_what_cannot_be_are_no_modules() -> None:
    with pytest.raises(DefinitionError, match="scale has no module. Call it first"):
        freeze(scale())
    with pytest.raises(DefinitionError, match="42 is no module"):
        freeze(42)  # type: ignore[arg-type]  # that is the point


def blocks(meta: Any) -> tuple[int]:
    """Which no text tells."""
    return (math.ceil(meta["count"] / meta["BLOCK"]),)


def scale_plain(*blocks: int, **own: Any) -> Any:
    configs = [triton.Config({"BLOCK": block}) for block in blocks]
    return sub_kernel(triton.autotune(configs, key=[])(kernels.scale_plain), **own)


def test_a_grid_that_no_text_tells_is_frozen_as_what_it_gives_each_sub_kernel(times: Stopwatch) -> None:
    function = multi_kernel(scale_plain(64), scale_plain(16))
    for count in (100, 200):  # the second launches with a grid of its own
        x, out = torch.arange(count, dtype=torch.float32), torch.zeros(count)
        function[blocks](x, out, count, 3.0)
        assert torch.equal(out, x * 3)
    (path,) = function.modules().values()
    assert load_module(path).multi_kernel_0.picked == 0  # the same run module, the same pick
    for index, size in enumerate(["2", "7"]):
        frozen = freeze(function, {"multi_kernel_0": index})
        x, out = frozen.get_args()
        frozen.call([x, out])
        assert torch.equal(out, x * 3)
        assert f"'grid': ['{size}']" in Path(str(frozen.__file__)).read_text()


@pytest.mark.parametrize("is_own", [False, True])
def test_where_it_gives_configurations_different_numbers_no_module_is_written(
    times: Stopwatch, caplog: pytest.LogCaptureFixture, is_own: bool
) -> None:
    own = {"grid": blocks} if is_own else {}
    for _ in range(2):
        function = multi_kernel(scale_plain(64, 16, **own), scale_plain(32, **own), name="scale")
        out = torch.zeros(50)
        function[blocks](X, out, 50, 3.0)
        assert torch.equal(out, X * 3)
        with pytest.raises(MultiKernelError, match="scale: no module is written.* of scale_plain different numbers"):
            freeze(function)
    assert caplog.text.count("no module is written") == 1
    assert len(times.races) == 1  # the choice is kept all the same


def test_such_a_grid_may_fail_for_a_configuration(times: Stopwatch) -> None:
    def grid(meta: Any) -> tuple[int]:
        count = meta["count"] // (meta["BLOCK"] - 16)
        return (count + 1,)

    function, out = multi_kernel(scale_plain(64, 16), scale_plain(32)), torch.zeros(50)
    function[grid](X, out, 50, 3.0)
    assert torch.equal(out, X * 3)
    with pytest.raises(MultiKernelError, match="or fails for one of them"):
        freeze(function)
