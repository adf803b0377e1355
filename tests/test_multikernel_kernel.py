"""How sub-kernels become one multi-kernel."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.catalog.model import Kind
from mkexplorer.multikernel.errors import DefinitionError
from mkexplorer.multikernel.kernel import (
    Argument,
    ArgumentKind,
    MultiKernel,
    Range,
    RangeKind,
    SubKernelSpec,
    Workspace,
)

IN, OUT, IN_OUT = ArgumentKind.IN, ArgumentKind.OUT, ArgumentKind.IN_OUT
NUMBER, NUMEL, WORKSPACE = ArgumentKind.NUMBER, ArgumentKind.NUMEL, ArgumentKind.WORKSPACE


def spec(name: str, arguments: Sequence[Argument], **others: object) -> SubKernelSpec:
    return SubKernelSpec(name, f"@triton.jit\ndef {name}(): pass", tuple(arguments), **others)  # type: ignore[arg-type]


def tensors(*names: str) -> list[Argument]:
    return [Argument(name, IN) for name in names]


def test_one_sub_kernel_is_no_multi_kernel() -> None:
    with pytest.raises(DefinitionError, match="at least two sub-kernels, and only looped was given"):
        MultiKernel((spec("looped", tensors("x")),))
    with pytest.raises(DefinitionError, match="none was given"):
        MultiKernel(())


def test_the_longest_list_of_arguments_wins_and_keeps_its_order() -> None:
    multi_kernel = MultiKernel((spec("short", tensors("z", "x")), spec("long", tensors("x", "y", "z"))))
    assert multi_kernel.parameters == ("x", "y", "z")
    assert multi_kernel.takes == ((2, 0), (0, 1, 2))


def test_an_argument_outside_the_longest_list_names_kernel_and_argument() -> None:
    with pytest.raises(DefinitionError, match=r"^short takes w, which long, .* does not: x, y, z\b"):
        MultiKernel((spec("long", tensors("x", "y", "z")), spec("short", tensors("x", "w"))))


def test_the_offender_is_told_what_it_is_called_where_that_is_not_the_parameter() -> None:
    with pytest.raises(DefinitionError, match=r"short takes buf7 \(as in_ptr0\)"):
        MultiKernel((spec("long", tensors("x", "y")), spec("short", [Argument("in_ptr0", IN, value="buf7")])))


def test_one_argument_may_be_passed_several_times() -> None:
    statistics = [Argument("in_ptr0", IN, value="mean"), Argument("x", IN), Argument("out_ptr0", OUT, value="mean")]
    once = [Argument("x", IN), Argument("in_out_ptr0", IN_OUT, value="mean")]
    multi_kernel = MultiKernel((spec("twice", statistics), spec("once", once)))
    assert multi_kernel.parameters == ("in_ptr0", "x", "out_ptr0")
    assert multi_kernel.takes == ((0, 1, 2), (1, 0))


def test_what_is_read_through_one_parameter_and_written_through_another_is_mutated() -> None:
    statistics = [Argument("in_ptr0", IN, value="mean"), Argument("out_ptr0", OUT, value="mean"), Argument("y", OUT)]
    assert spec("kernel", statistics).mutated == ("in_ptr0", "out_ptr0")
    assert spec("kernel", statistics).outputs == ("y",)


def test_an_argument_has_one_type() -> None:
    half, single = Argument("x", IN, "*fp16"), Argument("x", IN, "*fp32")
    with pytest.raises(DefinitionError, match=r"b takes x as \*fp32, a as \*fp16"):
        MultiKernel((spec("a", [half]), spec("b", [single])))


def test_numels_follow_the_arguments_and_reductions_come_last() -> None:
    ranges = (Range("rnumel", RangeKind.REDUCED), Range("xnumel"))
    numels = [Argument("rnumel", NUMEL), Argument("xnumel", NUMEL)]
    multi_kernel = MultiKernel(
        (spec("a", [*tensors("x"), *numels], ranges=ranges), spec("b", [*tensors("x"), *numels], ranges=ranges))
    )
    assert multi_kernel.numels == ("xnumel", "rnumel")
    assert multi_kernel.parameters == ("x", "xnumel", "rnumel")
    assert multi_kernel.takes == ((0, 2, 1), (0, 2, 1))


def test_a_reduction_range_is_passed_only_where_the_kernel_reduces() -> None:
    iterated, reduced = Range("xnumel"), Range("rnumel", RangeKind.REDUCED)
    looped = spec(
        "looped",
        [*tensors("x"), Argument("xnumel", NUMEL), Argument("rnumel", NUMEL)],
        ranges=(iterated, reduced),
    )
    persistent = spec(
        "persistent",
        [*tensors("x"), Argument("xnumel", NUMEL)],
        ranges=(iterated, Range("rnumel", RangeKind.NOT_REDUCED)),
    )
    assert MultiKernel((persistent, looped)).takes == ((0, 1), (0, 1, 2))


def test_ranges_and_numels_agree() -> None:
    with pytest.raises(DefinitionError, match="kernel takes no numel xnumel"):
        spec("kernel", tensors("x"), ranges=(Range("xnumel"),))
    with pytest.raises(DefinitionError, match="kernel takes the numel rnumel, but iterates over no such range"):
        spec("kernel", [Argument("rnumel", NUMEL)], ranges=(Range("rnumel", RangeKind.NOT_REDUCED),))


def test_size_hints_are_keyed_by_the_kind_of_range() -> None:
    ranges = (Range("rows", hint=4096), Range("cols", RangeKind.REDUCED, 1024), Range("heads", hint=8))
    numels = [Argument(name, NUMEL) for name in ("rows", "cols", "heads")]
    assert spec("kernel", numels, ranges=ranges).meta.size_hints == {"x": 4096, "r0_": 1024, "y": 8}


def test_a_buffer_is_dropped_only_if_all_can_drop_it() -> None:
    first = spec("first", tensors("x"), removed_buffers=frozenset({"buf0", "buf1"}))
    second = spec("second", tensors("x"), removed_buffers=frozenset({"buf1", "buf2"}))
    assert MultiKernel((first, second)).removed_buffers == {"buf1"}


def test_a_dropped_buffer_is_no_argument() -> None:
    with pytest.raises(DefinitionError, match="kernel removes x and still takes it"):
        spec("kernel", tensors("x"), removed_buffers=frozenset({"x"}))


def test_in_place_updates_are_the_same_in_all() -> None:
    same = frozenset({("buf1", "buf0")})
    first, second = (
        spec("first", tensors("x"), inplace_updates=same),
        spec("second", tensors("x"), inplace_updates=same),
    )
    assert MultiKernel((first, second)).inplace_updates == {"buf1": "buf0"}
    with pytest.raises(DefinitionError, match="first updates buf0 in place for buf1, third does not"):
        MultiKernel((first, second, spec("third", tensors("x"))))
    with pytest.raises(DefinitionError, match="second updates buf0 in place for buf1, third does not"):
        MultiKernel((spec("third", tensors("x")), second))


def test_workspaces_merge_to_the_largest_and_stay_zeroed() -> None:
    taken = [Argument("ws", WORKSPACE)]
    small = spec("small", taken, workspaces=(Workspace("ws", 64, is_zeroed=True),))
    large = spec("large", taken, workspaces=(Workspace("ws", 4096),))
    assert MultiKernel((small, large)).workspaces == (Workspace("ws", 4096, is_zeroed=True),)
    assert small.zeroed == ("ws",)
    assert large.zeroed == ()


def test_a_workspace_has_a_size() -> None:
    with pytest.raises(DefinitionError, match="takes the workspace ws of which it tells no size"):
        spec("kernel", [Argument("ws", WORKSPACE)])
    with pytest.raises(DefinitionError, match="kernel takes no workspace ws"):
        spec("kernel", tensors("x"), workspaces=(Workspace("ws", 64),))


def test_parameters_have_names_of_their_own() -> None:
    arguments = tensors("grid", "stream", "call0", "args", "xnumel")
    numel = Argument("n", NUMEL, value="xnumel")
    multi_kernel = MultiKernel((spec("a", [*arguments, numel], ranges=(Range("xnumel"),)), spec("b", arguments)))
    assert multi_kernel.parameters == ("grid_", "stream_", "call0_", "args_", "xnumel", "xnumel_")


def test_the_meta_tells_what_the_decorator_says() -> None:
    kernel = spec(
        "kernel",
        [Argument("x", IN, "*fp32"), Argument("n", NUMBER, "i32"), Argument("y", OUT)],
        kind=Kind.LOOPED,
        constants=(("EPS", 1e-5),),
        configs=((("BLOCK", 64), ("num_warps", 4)),),
    )
    assert kernel.meta.signature == {"x": "*fp32", "n": "i32", "EPS": "constexpr", "BLOCK": "constexpr"}
    assert kernel.meta.configs == ({"BLOCK": 64, "num_warps": 4},)
    assert kernel.meta.kind is Kind.LOOPED


values = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=6)


@given(values, st.data())
def test_every_sub_kernel_gets_what_it_asks_for(longest: list[str], data: st.DataObject) -> None:
    shorter = data.draw(st.lists(st.sampled_from(longest), max_size=len(longest)))
    lists = data.draw(st.permutations([longest, shorter]))
    kernels = [
        spec(f"kernel{number}", [Argument(f"p{index}", IN, value=value) for index, value in enumerate(each)])
        for number, each in enumerate(lists)
    ]
    multi_kernel = MultiKernel(tuple(kernels))
    merged = [argument.passed for argument in multi_kernel.arguments]
    assert len(set(multi_kernel.parameters)) == len(merged) == len(longest)
    for wanted, places in zip(lists, multi_kernel.takes, strict=True):
        assert [merged[place] for place in places] == wanted


@given(values, values)
def test_a_list_that_is_no_subset_is_refused_whatever_the_order(one: list[str], other: list[str]) -> None:
    kernels = [
        spec(f"k{len(each)}", [Argument(f"p{n}", IN, value=value) for n, value in enumerate(each)])
        for each in (one, other)
    ]
    shorter, longest = sorted((one, other), key=lambda each: (len(each), len(set(each))))
    if set(shorter) <= set(longest):
        assert MultiKernel(tuple(kernels)).takes
    else:
        with pytest.raises(DefinitionError):
            MultiKernel(tuple(kernels))


@given(st.lists(st.integers(1, 1 << 40), min_size=2, max_size=5))
def test_a_merged_workspace_is_as_large_as_the_largest(sizes: list[int]) -> None:
    taken = [Argument("ws", WORKSPACE)]
    kernels = tuple(spec(f"k{n}", taken, workspaces=(Workspace("ws", size),)) for n, size in enumerate(sizes))
    assert [each.size_bytes for each in MultiKernel(kernels).workspaces] == [max(sizes)]
