"""Second passes of what the front door made."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mkexplorer.multikernel import DefinitionError, MissingChoice, config, freeze, multi_kernel, sub_kernel

from ..stub_kernels import Stopwatch
from . import kernels


@pytest.fixture(autouse=True)
def times(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    stopwatch = Stopwatch(scale_looped=31.0, scale_persistent=22.0)
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


def test_what_was_never_called_and_what_cannot_be_are_no_modules() -> None:
    with pytest.raises(DefinitionError, match="scale has no module. Call it first"):
        freeze(scale())
    with pytest.raises(DefinitionError, match="42 is no module"):
        freeze(42)  # type: ignore[arg-type]  # that is the point
