"""Resolves what each ``multi_kernel_N.run(…)`` line passes: dtype, shape and stride of every tensor, every number.

The statements of the function around the call are read in order, as text: allocations
(``empty_strided_cuda`` …), checks (``assert_size_stride``), views (``reinterpret_tensor``) and renames
(``buf3 = buf1; del buf1  # reuse``). What they leave open (the dtype of a graph input) is read from the
kernel's signature, then from the graph-fragment comments (torch 2.9+), last from ``rand_strided`` in the
wrapper's benchmark part.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from .hints import Hints
from .layouts import DTYPES, Layout, added, dtype_of, in_elements, item_size, size, sizes, split_arguments, strided_call
from .model import Argument, CallSite, ScalarArgument, Size, TensorArgument

_SYMBOL = re.compile(r"(?:s|u|zf|ks|ps)\d+\Z")
_ARITHMETIC = re.compile(r"[\w\s+\-*/%().]+\Z")
_FUNCTION_CALL = re.compile(r"\w\(")
_LONGEST_NUMBER = 1_000
# Views of views and renames of renames that are followed; torch writes a handful.
_NESTING = 64
# Functions that hand back the tensor they are given, with the same layout.
_SAME_LAYOUT = frozenset({"copy_if_misaligned"})


class RawCall(NamedTuple):
    """One call of a multi-kernel as found: ``line`` counts from 1, ``values`` are positional."""

    name: str
    line: int
    expressions: tuple[str, ...]
    values: tuple[Layout | Size | float | None, ...]
    keywords: tuple[tuple[str, str], ...]


class Variables:
    """What each variable was assigned, in the order of the text; layouts are worked out only when asked for.

    Inside a function its own assignments count. A buffer's name means the same buffer in every function of
    a wrapper (graph partitions pass them on), so for one that has none, another function's tells.
    """

    def __init__(self) -> None:
        self._lines: defaultdict[str, list[int]] = defaultdict(list)
        self._statements: defaultdict[str, list[str]] = defaultdict(list)
        self._function = 0

    def enter_function(self, line: int) -> None:
        self._function = line

    def assign(self, name: str, line: int, statement: str) -> None:
        """``statement`` is the right side of the assignment, with whatever follows it on the line."""
        self._lines[name].append(line)
        self._statements[name].append(statement)

    def value(self, name: str, before: int) -> tuple[int, str] | None:
        """The last assignment to ``name`` above a line; for a buffer of another function, the first there is."""
        lines = self._lines.get(name)
        if lines is None:
            return None
        last = bisect_left(lines, before) - 1
        if last >= 0 and lines[last] >= self._function:
            return lines[last], _expression(self._statements[name][last])
        if lines[0] >= self._function or _SYMBOL.match(name):
            return None
        return lines[0], _expression(self._statements[name][0])

    def layout(self, expression: str, before: int, depth: int = 0) -> Layout | None:
        """The layout of a tensor expression above a line, or None where it is none of the forms that torch writes."""
        if expression.isidentifier():
            return self._layout_of_variable(expression, before, depth)
        if depth >= _NESTING:
            return None
        call = strided_call(expression)
        if call is None:
            return self._layout_of_same_storage(expression, before, depth)
        if call.function == "reinterpret_tensor":
            base = self.layout(call.base, before, depth + 1) or Layout(None, None, None, 0, call.base, "")
            offset = added(base.offset, size(call.rest) if call.rest else 0)
            return Layout(base.dtype, sizes(call.shape), sizes(call.stride), offset, base.root, call.function)
        if call.function == "alloc_from_pool":
            offset = in_elements(size(call.rest.partition(",")[0]), call.dtype)
            return Layout(call.dtype, sizes(call.shape), sizes(call.stride), offset, call.base, call.function)
        return Layout(call.dtype, sizes(call.shape), sizes(call.stride), 0, call.base, call.function)

    def _layout_of_same_storage(self, expression: str, before: int, depth: int) -> Layout | None:
        """``aten.view.dtype(x, torch.int8)`` and ``copy_if_misaligned(x)``."""
        head, _, rest = expression.partition("(")
        parts = split_arguments(rest.rpartition(")")[0])
        if head in _SAME_LAYOUT and len(parts) == 1:
            return self.layout(parts[0], before, depth + 1)
        if head != "aten.view.dtype" or len(parts) != 2:
            return None
        base = self.layout(parts[0], before, depth + 1)
        if base is None:
            return None
        dtype = dtype_of(parts[1])
        offset = base.offset
        if isinstance(offset, int) and offset:
            offset = in_elements(offset * (item_size(base.dtype) or 1), dtype)
        return base._replace(dtype=dtype, offset=offset)

    def _layout_of_variable(self, name: str, before: int, depth: int) -> Layout | None:
        assignment = self.value(name, before)
        if assignment is None or depth >= _NESTING:
            return None
        line, value = assignment
        layout = self.layout(value, line, depth + 1)
        if layout is None:
            return None
        if layout.how == "assert_size_stride" and layout.root == name:
            # The check tells the layout again; dtype and offset stand where the buffer was made.
            made = self._layout_of_variable(name, line, depth + 1)
            return layout._replace(dtype=made.dtype, offset=made.offset) if made else layout
        if layout.root:
            return layout
        return Layout(layout.dtype, layout.shape, layout.stride, layout.offset, name, layout.how)


def _expression(statement: str) -> str:
    """``buf1; del buf1  # reuse`` without what follows the value."""
    return statement.partition(";")[0].partition("  #")[0].rstrip()


def find_calls(text: str, first_line: int, names: Collection[str], variables: Variables) -> list[RawCall]:
    """Every ``NAME.run(…)`` in ``text`` for the ``names`` given; ``first_line`` is the number of its first line.

    ``variables`` knows what the text before assigned, and learns what this one assigns.
    """
    calls: list[RawCall] = []
    for line, indented in enumerate(text.split("\n"), first_line):
        statement = indented.lstrip()
        name, equals, value = statement.partition(" = ")
        if equals:
            if name.isidentifier():
                variables.assign(name, line, value)
        elif statement.startswith("assert_size_stride("):
            variables.assign(statement[19:].partition(",")[0], line, statement)
        elif statement.startswith("def "):
            variables.enter_function(line)
        elif ".run(" in statement:
            name, _, passed = statement.partition(".run(")
            if name in names:
                calls.append(_raw_call(variables, name, passed.rpartition(")")[0], line))
    return calls


def call_site(call: RawCall, parameters: tuple[str, ...], signature: Mapping[str, str], hints: Hints) -> CallSite:
    """``parameters`` names the call's arguments in order; ``signature`` maps a parameter to '*bf16' or 'i32'."""
    arguments = tuple(
        _argument(
            parameters[position] if position < len(parameters) else f"arg{position}",
            expression,
            value,
            signature,
            hints,
        )
        for position, (expression, value) in enumerate(zip(call.expressions, call.values, strict=True))
    )
    keywords = dict(call.keywords)
    return CallSite(call.line, arguments, keywords.get("grid"), keywords.get("stream"))


def _raw_call(variables: Variables, name: str, passed: str, line: int) -> RawCall:
    expressions: list[str] = []
    keywords: list[tuple[str, str]] = []
    for part in split_arguments(passed):
        head, equals, tail = part.partition("=")
        if equals and head.isidentifier() and not tail.startswith("="):
            keywords.append((head, tail))
        else:
            expressions.append(part)
    values = tuple(_value(variables, expression, line) for expression in expressions)
    return RawCall(name, line, tuple(expressions), values, tuple(keywords))


def _value(variables: Variables, expression: str, line: int) -> Layout | Size | float | None:
    number = size(expression)
    if isinstance(number, int):
        return number
    layout = variables.layout(expression, line)
    if layout is not None or not expression.isidentifier() or _SYMBOL.match(expression):
        return layout
    # `multi_kernel_0_xnumel = 4096*s0` names a number; `s0 = arg0_1` binds a symbol, which stays symbolic.
    assignment = variables.value(expression, line)
    return size(assignment[1]) if assignment and _is_arithmetic(assignment[1]) else None


def _argument(
    name: str,
    expression: str,
    value: Layout | Size | float | None,
    signature: Mapping[str, str],
    hints: Hints,
) -> Argument:
    declared = signature.get(name, "")
    if isinstance(value, Layout):
        return _tensor_argument(name, expression, value, declared, hints)
    is_pointer = declared.startswith("*")
    if value is not None and not is_pointer:
        return ScalarArgument(name, expression, value)
    if is_pointer or (not declared and hints.of(expression)):
        return _tensor_argument(name, expression, Layout(None, None, None, 0, expression, ""), declared, hints)
    return ScalarArgument(name, expression, _number(expression))


def _tensor_argument(name: str, expression: str, layout: Layout, declared: str, hints: Hints) -> TensorArgument:
    dtype, shape, stride = layout.dtype, layout.shape, layout.stride
    how = layout.how
    if dtype is None and declared.startswith("*") and declared[1:] in DTYPES:
        dtype = f"torch.{DTYPES[declared[1:]]}"
        how += ", dtype from the kernel's signature"
    if dtype is None or shape is None:
        for told in hints.of(layout.root):
            if shape is None and told.shape is not None and layout.root == expression:
                shape, stride = told.shape, told.stride
                how += f", shape from {told.how}"
            if dtype is None and told.dtype:
                dtype = told.dtype
                how += f", dtype from {told.how}"
    return TensorArgument(name, expression, dtype, shape, stride, layout.offset, how.removeprefix(", "))


def _number(text: str) -> int | float | str:
    number = size(text)
    if isinstance(number, int) or len(text) > 32 or not any(letter.isdigit() for letter in text):
        return number
    try:
        return float(text)
    except ValueError:
        return text


def _is_arithmetic(text: str) -> bool:
    """Whether ``4096*s0`` could be a number: no call of a function, and a digit somewhere."""
    return (
        len(text) < _LONGEST_NUMBER
        and bool(_ARITHMETIC.match(text))
        and any(letter.isdigit() for letter in text)
        and not _FUNCTION_CALL.search(text)
    )
