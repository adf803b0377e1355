"""Grids as text: evaluated by their names, and read out of the functions that Triton's users write."""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import triton
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.multikernel.errors import DefinitionError
from mkexplorer.multikernel.grids import compile_grid, told_grid


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


def launches(*blocks: int, **others: Any) -> list[dict[str, Any]]:
    same = {"n": 100, "k": 3, "x": SimpleNamespace(shape=(100,)), "shape": (100,), **others}
    return [{**same, "BLOCK": block} for block in blocks]


def cdiv(number: int, divisor: int) -> int:
    """As those have it who do not know Triton's."""
    return (number + divisor - 1) // divisor


def test_the_functions_of_tritons_users_become_text() -> None:
    rows, shape = 4096, (8, 16)

    def named(meta: Mapping[str, int]) -> tuple[int, int]:
        """As in the tutorials."""
        return (triton.cdiv(rows, meta["BLOCK"]) * triton.cdiv(shape[1], meta["k"]), meta["n"])

    def stepwise(meta: Mapping[str, int]) -> tuple[int, int]:
        blocks = triton.cdiv(meta["n"], meta["BLOCK"])
        doubled = blocks * 2
        return (doubled, meta["k"])

    assert told_grid(named, launches(16, 64)) == ("cdiv(4096, BLOCK) * cdiv(16, k)", "n")
    assert told_grid(stepwise, launches(16, 64)) == ("cdiv(n, BLOCK) * 2", "k")
    both = (lambda meta: (meta["BLOCK"],)), (lambda meta: [meta["k"], rows + 1])
    assert [told_grid(each, launches(16, 64)) for each in both] == [("BLOCK",), ("k", "4097")]
    assert told_grid((3, 2), launches(16, 64)) == ("3", "2")


@pytest.mark.parametrize(
    ("grid", "text"),
    [
        (lambda meta: (triton.cdiv(x=meta["n"], y=meta["BLOCK"]),), "cdiv(n, BLOCK)"),
        (lambda meta: (cdiv(meta["n"], meta["BLOCK"]),), "cdiv(n, BLOCK)"),
        (lambda meta: (int(cdiv(meta["n"], meta["BLOCK"])),), "cdiv(n, BLOCK)"),
        (lambda meta: (cdiv(meta["x"].shape[0], meta["BLOCK"]),), "cdiv(100, BLOCK)"),
        (lambda meta: (cdiv(meta["shape"][0], meta["BLOCK"]),), "cdiv(100, BLOCK)"),
        (lambda meta: (cdiv(meta["n"] if meta["n"] else 1, meta["BLOCK"]),), "cdiv(100, BLOCK)"),
    ],
)
def test_what_is_the_same_in_all_launches_is_a_number_and_functions_go_by_their_names(grid: Any, text: str) -> None:
    assert told_grid(grid, launches(16, 64)) == (text,)


def wrong_cdiv(number: int, divisor: int) -> int:
    return -8 * (number // -divisor)


def decides(meta: Mapping[str, int]) -> tuple[int]:
    if meta["BLOCK"] > 32:
        return (1,)
    return (2,)


def default_is_no_text(meta: Mapping[str, int], *, n: int = 80) -> tuple[int]:
    return (triton.cdiv(n, meta["BLOCK"]),)


@pytest.mark.parametrize(
    "grid",
    [
        decides,
        default_is_no_text,
        lambda meta: (SimpleNamespace(cdiv=wrong_cdiv).cdiv(meta["n"], meta["BLOCK"]),),
        lambda meta: (math.ceil(meta["n"] / meta["BLOCK"]),),
        lambda meta: (meta["n"] * 0.5 // meta["BLOCK"],),
        lambda meta: (meta.get("n") // meta["BLOCK"],),
        lambda meta: (sum(meta[name] for name in ("n", "BLOCK")),),
        lambda meta: (meta["x"].shape[0] if meta["BLOCK"] == 16 else 1,),
        lambda meta: (100 // (meta["BLOCK"] - 16),),
        lambda meta: (meta["n"] / meta["BLOCK"],),
    ],
)
def test_what_no_text_tells_is_not_told_where_it_differs(grid: Any) -> None:
    assert told_grid(grid, launches(16, 64)) is None


def test_what_no_text_tells_becomes_numbers_where_all_launches_have_the_same() -> None:
    def grid(meta: Mapping[str, Any]) -> tuple[int, int]:
        return 100, math.ceil(meta["n"] / meta["BLOCK"])

    assert told_grid(grid, launches(64)) == ("100", "2")
    assert told_grid(grid, launches(64, 99)) == ("100", "2")
    assert told_grid(grid, launches(64, 16)) is None
    assert told_grid(print, launches(64)) is None


def test_a_function_is_told_as_often_as_it_is_asked_for() -> None:
    def grid(meta: Mapping[str, int]) -> tuple[int]:
        return (triton.cdiv(meta["n"], meta["BLOCK"]) * meta["k"],)

    assert [told_grid(grid, launches(16, 64)) for _ in range(2)] == [("cdiv(n, BLOCK) * k",)] * 2


def test_a_text_that_says_something_else_than_the_function_is_none() -> None:
    values = iter([7, 8])  # what it says, then what its text takes from around it
    named = SimpleNamespace(get=lambda: next(values))
    assert told_grid(lambda meta: (meta["n"] + named.get(),), launches(64)) == ("107",)


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a text as a module of its own, whose file may then be edited."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(text: str) -> ModuleType:
        (tmp_path / "edited_grids.py").write_text(text)
        monkeypatch.delitem(sys.modules, "edited_grids", raising=False)
        importlib.invalidate_caches()
        return importlib.import_module("edited_grids")

    return load


@pytest.mark.parametrize(
    "now", ["grid = lambda meta: (meta['n'] - 1,)\n", "# new\ngrid = None\n", "grid = lambda (\n", ""]
)
def test_the_text_of_a_file_that_was_edited_since_is_not_the_functions(
    loaded: Callable[[str], ModuleType], now: str
) -> None:
    module = loaded("grid = lambda meta: (meta['n'] + 1,)\n")
    assert told_grid(module.grid, launches(64)) == ("n + 1",)
    file = Path(str(module.__file__))
    file.write_text(now)
    os.utime(file, (1, 1))
    assert told_grid(module.grid, launches(64)) == ("101",)
