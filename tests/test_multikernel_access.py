"""What a kernel reads and writes, told from its source."""

from __future__ import annotations

import ast
from collections.abc import Collection
from typing import Any

import pytest
import triton.language as tl

from mkexplorer.multikernel.access import find_accesses


def accesses(
    body: str, parameters: str = "x_ptr, y_ptr, n", pointers: Collection[str] = (), **scope: Any
) -> tuple[set[str], set[str], set[str]]:
    function = ast.parse(f"def kernel({parameters}):\n" + "\n".join(f"    {line}" for line in body.split("\n")))
    (definition,) = function.body
    assert isinstance(definition, ast.FunctionDef)
    found = find_accesses(definition, {"x_ptr", "y_ptr"}, {"tl": tl, **scope}, pointers)
    return set(found.read), set(found.written), set(found.handed_on)


@pytest.mark.parametrize(
    ("body", "read", "written"),
    [
        ("tl.store(y_ptr + i, tl.load(x_ptr + i * n))", {"x_ptr"}, {"y_ptr"}),
        ("p = x_ptr + i\np += n\nq = p\ntl.store(y_ptr, tl.load(q, mask=m))", {"x_ptr"}, {"y_ptr"}),
        ("i = tl.load(x_ptr)\ntl.store(y_ptr + i, i)", {"x_ptr"}, {"y_ptr"}),
        ("tl.atomic_add(y_ptr + i, 1.0)", {"y_ptr"}, {"y_ptr"}),
        ("tl.store(x_ptr + i, tl.load(x_ptr + i))", {"x_ptr"}, {"x_ptr"}),
        ("b = tl.make_block_ptr(base=x_ptr, shape=(n,))\nb = tl.advance(b, (1,))\ntl.load(b)", {"x_ptr"}, set()),
        ("d = tl.make_tensor_descriptor(y_ptr, [n], [1], [8])\nd.store([0], d.load([0]))", {"y_ptr"}, {"y_ptr"}),
        ("x_ptr = x_ptr.to(tl.pointer_type(tl.float32))\ntl.store(x_ptr, 1)", set(), {"x_ptr"}),
        ("p = x_ptr if n else y_ptr\ntl.store(p, 1)", set(), {"x_ptr", "y_ptr"}),
        ("p, q = x_ptr, y_ptr\ntl.store(q, 1)", set(), {"x_ptr", "y_ptr"}),
        (
            "z = tl.zeros([8], dtype=x_ptr.dtype.element_ty)\ntl.store(y_ptr, z.to(x_ptr.dtype.element_ty))",
            set(),
            {"y_ptr"},
        ),
        ("for i in range(0, n, 8):\n    p = x_ptr + i\n    if i:\n        tl.load(p)", {"x_ptr"}, set()),
    ],
)
def test_an_address_leads_back_to_its_pointer(body: str, read: set[str], written: set[str]) -> None:
    assert accesses(body) == (read, written, set())


def test_what_an_unknown_function_gets_may_be_read_and_written() -> None:
    assert accesses("helper(x_ptr + n, n)\ntl.store(y_ptr, 1)") == (set(), {"y_ptr"}, {"x_ptr"})
    assert accesses("p = helper(x_ptr)\ntl.load(p)") == ({"x_ptr"}, set(), {"x_ptr"})


BOTH = {"x_ptr", "y_ptr"}


def test_keywords_count_by_their_names() -> None:
    assert accesses("tl.store(value=1, mask=m, pointer=x_ptr + i)") == (set(), {"x_ptr"}, set())


def test_only_what_is_tritons_counts_as_tritons() -> None:
    own = {"load": accesses, "tl2": tl, "put": tl.store, "Own": pytest}
    assert accesses("load(x_ptr)", **own) == (set(), set(), {"x_ptr"})
    assert accesses("range = n\nrange(x_ptr)") == (set(), set(), {"x_ptr"})
    assert accesses("Own.load(x_ptr)", **own) == accesses("nobody.load(x_ptr)") == (set(), set(), {"x_ptr"})
    assert accesses("tl2.load(x_ptr)\nput(y_ptr, 1)", **own) == ({"x_ptr"}, {"y_ptr"}, set())
    assert accesses("x_ptr.nobody_knows()") == (set(), set(), {"x_ptr"})
    assert accesses("tl.load(*pair, x_ptr)") == accesses("tl.load(x_ptr, **how)") == (set(), set(), {"x_ptr"})


@pytest.mark.parametrize("address", ["helper(x_ptr) + y_ptr", "x_ptr.to(tl.int64) * 2 + y_ptr", "(x_ptr or y_ptr) + n"])
def test_an_address_may_begin_with_any_pointer_in_it(address: str) -> None:
    assert accesses(f"tl.store({address}, 1)", pointers=BOTH)[1] == BOTH


@pytest.mark.parametrize("address", ["n + i", "tl.load(x_ptr + i).to(tl.pointer_type(tl.float32))"])
def test_an_address_from_nowhere_may_be_that_of_any_pointer(address: str) -> None:
    assert accesses(f"tl.store({address}, 1)", pointers=BOTH)[2] == BOTH


def test_numbers_of_one_block_are_gathered_without_touching_memory() -> None:
    assert accesses("v = tl.load(x_ptr)\ntl.gather(v, i, 0)\nv.gather(i, 0)") == ({"x_ptr"}, set(), set())
