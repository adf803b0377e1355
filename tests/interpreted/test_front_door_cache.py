"""What the front door keeps, who finds it, and what it does not keep."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pytest
import torch
import triton
import triton.language as tl

from mkexplorer.catalog import open_catalog
from mkexplorer.multikernel import multi_kernel, sub_kernel
from mkexplorer.multikernel.modules import load_module

from ..stub_kernels import Stopwatch
from . import kernels
from .scaling import X, check, computed, pruned, scale


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


def test_of_a_file_that_was_edited_since_nothing_is_kept_and_all_is_copied_to_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, own_cache: Path
) -> None:
    """The interpreter runs what it read at a kernel's first run."""
    lines = "@triton.jit\ndef {}(x, acc):\n    tl.store(acc, tl.load(acc) + tl.load(x))\n"
    file = tmp_path / "edited_adding.py"
    file.write_text("import triton\nimport triton.language as tl\n" + lines.format("once") + lines.format("again"))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module(file.stem)
    for kernel in (module.once, module.again):
        kernel[(1,)](torch.ones(1), torch.zeros(1))
    file.write_text(file.read_text().replace("tl.load(acc) + ", ""))
    os.utime(file, (1, 1))
    acc = torch.zeros(1)
    multi_kernel(module.once, module.again)[(1,)](torch.ones(1), acc)
    assert acc.item() == 1
    assert "its choice is not kept: the source of once cannot be found" in caplog.text
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


def test_a_type_that_a_function_gives_is_kept(times: Stopwatch) -> None:
    times.times_us.update(cast_looped=2.0, cast_persistent=1.0)
    for _ in range(2):
        function = multi_kernel(
            *(sub_kernel(each, TYPE=lambda meta: tl.int32) for each in (kernels.cast_looped, kernels.cast_persistent))
        )
        out = torch.zeros(50, dtype=torch.int32)
        function[(1,)](X, out, 50)
        assert torch.equal(out, X.int())
        assert list(function.picks.values()) == ["cast_persistent"]
    assert len(times.races) == 1


class Way(IntEnum):
    UP = 1


class Word(StrEnum):
    UP = "up"


class Other(Enum):
    UP = 1


class Pair(NamedTuple):
    first: int
    second: int


@pytest.mark.parametrize(
    ("way", "kept"),
    [
        (Way.UP, 1),
        (Word.UP, "up"),
        (tl.constexpr(Way.UP), 1),
        (numpy.int64(3), 3),
        (numpy.float64(0.5), 0.5),
        (numpy.bool_(True), True),
        ((numpy.int32(2), (torch.int8, tl.int8)), (2, (torch.int8, tl.int8))),
        (torch.float16, torch.float16),
    ],
    ids=str,
)
def test_a_constexpr_is_kept_as_the_number_or_text_for_which_it_stands(own_cache: Path, way: Any, kept: Any) -> None:
    function, out = multi_kernel(kernels.copy_looped, kernels.copy_persistent), torch.zeros(50)
    function[(1,)](X, out, 50, way)
    assert torch.equal(out, X)
    (path,) = function.modules().values()
    module = load_module(path)
    found = module.multi_kernel_0.kernels[1].meta.constants["WAY"]
    assert (type(found), found) == (type(kept), kept)
    x, out = module.get_args()
    module.call([x, out])
    assert torch.equal(out, x)


def test_a_computed_constant_may_be_a_number_of_numpy(times: Stopwatch) -> None:
    computed = sub_kernel(kernels.scale_looped, BLOCK=lambda meta: numpy.int64(16))
    function = multi_kernel(computed, kernels.by_power)
    check(function)
    assert function.modules()


def test_a_number_of_numpy_or_of_an_enumeration_is_kept_as_an_argument(own_cache: Path) -> None:
    function, out = multi_kernel(kernels.mark_looped, kernels.mark_persistent), torch.zeros(4)
    function[(1,)](out, Way.UP, numpy.float64(3.0), BLOCK=16)
    (path,) = function.modules().values()
    module = load_module(path)
    (out,) = module.call(module.get_args())
    assert out[0] == 16


@pytest.mark.parametrize("way", [Other.UP, Pair(1, 2)], ids=str)
def test_without_a_file_the_source_tells_all_the_same_what_is_overwritten(own_cache: Path, way: Any) -> None:
    function, out = multi_kernel(kernels.copy_looped, kernels.copy_persistent), torch.zeros(50)
    function[(1,)](X, out, 50, WAY=way)
    assert torch.equal(out, X)
    assert not function.modules()
    (entry,) = function._entries.values()
    for each in entry.call.kernels:
        assert (each.meta.mutated, each.meta.outputs) == ((), ("out",))


def test_a_cache_that_cannot_be_written_stops_nobody(times: Stopwatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check(scale(cache=tmp_path / "file" / "cache"))
