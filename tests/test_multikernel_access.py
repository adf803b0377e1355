"""What a kernel reads and writes, told from its source."""

from __future__ import annotations

import ast

import pytest
import triton
import triton.language as tl

from mkexplorer.multikernel.access import find_accesses


def accesses(body: str, parameters: str = "x_ptr, y_ptr, n") -> tuple[set[str], set[str], set[str]]:
    function = ast.parse(f"def kernel({parameters}):\n" + "\n".join(f"    {line}" for line in body.split("\n")))
    (definition,) = function.body
    assert isinstance(definition, ast.FunctionDef)
    found = find_accesses(definition, {"x_ptr", "y_ptr"}, {"tl": tl, "triton": triton})
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
