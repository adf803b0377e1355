"""Picks by shape: which calls share a choice, and what a new size starts from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import triton

from mkexplorer.multikernel import DefinitionError, config, multi_kernel, sub_kernel
from mkexplorer.multikernel.sharing import Ranks
from mkexplorer.race.racing import Contestant

from ..stub_kernels import Stopwatch
from . import kernels
from .scaling import X, check, computed, pruned, scale, sizes


class Noted:
    """A confirmer that a test asks when it wants to."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []

    def add(self, multi_kernel: Any, call: Any, done: Any) -> None:
        self.jobs.append((multi_kernel, call, done))


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


def test_sizes_share_no_choice_if_a_pruner_leaves_them_other_configurations(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel may be wrong, and write anywhere, with a configuration that was pruned for its size."""
    monkeypatch.setattr(config, "sub_kernel", 0)
    asked, launched = [], {}

    def few_blocks(configs: Any, named: Any, **others: Any) -> Any:
        asked.append(named["count"])
        return [each for each in configs if named["count"] <= 3 * each.kwargs["BLOCK"]]

    def grid(meta: Any) -> tuple[int]:
        launched[meta["count"]] = meta["BLOCK"]
        return (1,)

    function = multi_kernel(pruned(early_config_prune=few_blocks), kernels.by_power)
    for count in (48, 64, 40, 60, 112):
        function[grid](torch.zeros(count), torch.zeros(count), torch.zeros(1), count, 3.0)
    assert launched == {48: 16, 64: 32, 40: 16, 60: 32, 112: 64}
    left = [bucket[4:] for bucket in function.picks]  # behind the size and the dtypes; nothing if all are left
    assert left == [(), ("scale_looped: #1 #2",), ("scale_looped: #2",)]
    asked.clear()
    function[grid](torch.zeros(64), torch.zeros(64), torch.zeros(1), 64, 3.0)
    assert not asked  # of a size that is known


def test_sizes_share_a_choice_if_a_pruner_leaves_them_the_same_in_another_order(times: Stopwatch) -> None:
    def reorder(configs: Any, named: Any, **others: Any) -> Any:
        return [configs[place] for place in {40: (0, 1, 2), 50: (2, 0, 1), 60: (2, 0), 64: (0, 2)}[named["count"]]]

    function = multi_kernel(pruned(early_config_prune=reorder), kernels.by_power)
    for count in (40, 50, 60, 64):
        check(function, count=count)
    assert [bucket[4:] for bucket in function.picks] == [(), ("scale_looped: #0 #2",)]


def test_a_configuration_that_a_pruner_adds_counts_by_its_values(times: Stopwatch) -> None:
    def add(configs: Any, named: Any, **others: Any) -> Any:
        return [*configs, triton.Config({"BLOCK": 2 * named["count"]})]

    function = multi_kernel(pruned(early_config_prune=add), kernels.by_power)
    for count in (32, 64):
        check(function, count=count)
    added = "{'BLOCK': 128, 'num_warps': 4, 'num_stages': 3}"
    assert [bucket[4:] for bucket in function.picks] == [(), (f"scale_looped: #0 #1 #2 {added}",)]


def test_a_pruner_is_asked_once_for_a_size_even_if_it_would_answer_otherwise(times: Stopwatch) -> None:
    confirmer = Noted()
    answers = []

    def other_each_time(configs: Any, named: Any, **others: Any) -> Any:
        answers.append(named["count"])
        return configs[len(answers) % 3 :]

    function = multi_kernel(pruned(early_config_prune=other_each_time), kernels.by_power, confirmer=confirmer)
    check(function, count=64)
    check(function, count=100)
    asked, buckets = list(answers), list(function.picks)
    function.confirm()
    check(function, count=100, times_launched=2)
    assert (answers, list(function.picks)) == (asked, buckets)
    assert len(times.races) == 2  # the neighbour's choice is confirmed, and not another one taken over


def test_a_size_that_a_pruner_leaves_nothing_shares_no_choice(times: Stopwatch) -> None:
    def narrow(configs: Any, named: Any, **others: Any) -> Any:
        if named["count"] > 50:
            raise ValueError("too wide")
        return configs

    function = multi_kernel(pruned(early_config_prune=narrow), kernels.by_power)
    times.times_us["scale_looped"] = 1.0
    check(function, count=50)
    check(function, count=60)
    assert list(function.picks.values()) == ["scale_looped", "scale_persistent"]
    assert [bucket[4:] for bucket in function.picks] == [(), ("scale_looped: none",)]


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


def fitting(configs: Any, named: Any, **others: Any) -> Any:
    return [each for each in configs if each.kwargs["BLOCK"] <= named["count"]]


@pytest.mark.parametrize("is_new_process", [False, True])
def test_a_near_size_with_other_configurations_left_starts_from_its_neighbours_choice(
    times: Stopwatch, is_new_process: bool
) -> None:
    def new() -> Any:
        return multi_kernel(pruned(early_config_prune=fitting), kernels.by_power, confirmer=confirmer)

    confirmer = Noted()
    function = new()
    check(function, count=32)
    function = new() if is_new_process else function
    times.times_us["scale_looped"] = 1.0
    check(function, count=64, times_launched=10)
    assert sizes(function)[64] == "scale_persistent"
    assert len(times.races) == 1
    ((call, arguments, done),) = confirmer.jobs
    call.confirm(arguments)
    done()
    assert sizes(function)[64] == "scale_looped"


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
    monkeypatch.setattr("mkexplorer.multikernel.sharing.ranks_of_torch", lambda: Ranks(3, 4, Store()))
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
        (["out"], r"out of the key is a tensor.*arguments\['out'\]\.shape"),
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
