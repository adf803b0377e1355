"""Grids as text: evaluated by their names, and read out of the functions that Triton's users write."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.multikernel.errors import DefinitionError
from mkexplorer.multikernel.grids import compile_grid, grid_text


class triton:  # as users import it
    @staticmethod
    def cdiv(number: int, divisor: int) -> int:
        return -(number // -divisor)


def test_a_grid_uses_all_names_that_a_kernel_gets() -> None:
    assert compile_grid(["cdiv(n, BLOCK)", "rows * 2 + 1"])({"n": 100, "BLOCK": 64, "rows": 3}) == (2, 7)


@given(st.integers(1, 1 << 20), st.integers(1, 1 << 12))
def test_its_functions_are_those_of_triton(number: int, block: int) -> None:
    sizes = compile_grid(["cdiv(n, block)", "next_power_of_2(n)", "min(n, block)"])({"n": number, "block": block})
    blocks, power, smaller = sizes
    assert (blocks - 1) * block < number <= blocks * block
    assert power >= number > power // 2
    assert smaller == min(number, block)


def test_a_missing_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(DefinitionError, match=r"the grid \(cdiv\(n, BLOCK\)\) uses BLOCK") as raised:
        compile_grid(["cdiv(n, BLOCK)"])({"n": 100, "m": 2})
    assert raised.value.advice == "What it may use here: m, n."


@pytest.mark.parametrize("text", ["__import__('os')", "n.real", "[n]", "min(n, key=n)", "n if n else 1", "1.5", "n +"])
def test_anything_but_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError, match="the grid's expression"):
        compile_grid([text])


def test_a_grid_has_one_to_three_axes() -> None:
    with pytest.raises(DefinitionError, match="a grid of 0 expressions"):
        compile_grid([])
    with pytest.raises(DefinitionError, match="a grid of 4 expressions"):
        compile_grid(["n"] * 4)


def test_the_functions_of_tritons_users_become_text() -> None:
    rows, shape = 4096, (8, 16)

    def named(meta: Mapping[str, int]) -> tuple[int, int]:
        """As in the tutorials."""
        return (triton.cdiv(rows, meta["BLOCK_M"]) * triton.cdiv(shape[1], meta["BLOCK_N"]), meta["SPLIT_K"])

    assert grid_text(named) == ("cdiv(4096, BLOCK_M) * cdiv(16, BLOCK_N)", "SPLIT_K")
    assert grid_text(lambda meta: (triton.cdiv(meta["n"], meta["BLOCK"]),)) == ("cdiv(n, BLOCK)",)
    both = (lambda meta: (meta["A"],)), (lambda meta: [meta["B"], rows + 1])
    assert [grid_text(each) for each in both] == [("A",), ("B", "4097")]
    assert grid_text((4, 2)) == ("4", "2")


def test_a_function_that_is_more_than_an_expression_is_not_told() -> None:
    def decides(meta: Mapping[str, int]) -> tuple[int]:
        blocks = meta["n"]
        return (blocks,)

    assert grid_text(decides) is None
    assert grid_text(lambda meta: (len(meta),)) is None
    assert grid_text(lambda meta: (meta["n"] if meta["n"] else 1,)) is None
    assert grid_text(print) is None
