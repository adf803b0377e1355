"""Resolves what each ``multi_kernel_N.run(…)`` line passes: dtype, shape and stride of every tensor, every number.

The statements of the function around the call are read in order, as text: allocations
(``empty_strided_cuda`` …), checks (``assert_size_stride``), views (``reinterpret_tensor``) and renames
(``buf3 = buf1; del buf1  # reuse``). What they leave open (the dtype of a graph input) is read from the
kernel's signature, then from ``rand_strided`` in the wrapper's benchmark part, last from the
graph-fragment comments (torch 2.9+).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from .model import Argument, CallSite, ScalarArgument, Size, TensorArgument

DTYPES = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "f16": "float16",
    "fp32": "float32",
    "f32": "float32",
    "fp64": "float64",
    "f64": "float64",
    "i1": "bool",
    "b8": "bool",
    "i8": "int8",
    "u8": "uint8",
    "i16": "int16",
    "u16": "uint16",
    "i32": "int32",
    "u32": "uint32",
    "i64": "int64",
    "u64": "uint64",
    "fp8e4nv": "float8_e4m3fn",
    "f8e4m3fn": "float8_e4m3fn",
    "fp8e5": "float8_e5m2",
    "f8e5m2": "float8_e5m2",
    "fp8e4b8": "float8_e4m3fnuz",
    "f8e4m3fnuz": "float8_e4m3fnuz",
    "fp8e5b16": "float8_e5m2fnuz",
    "f8e5m2fnuz": "float8_e5m2fnuz",
    "c32": "complex32",
    "c64": "complex64",
    "c128": "complex128",
}
_INTEGER = re.compile(r"-?\d{1,18}\Z")
_SYMBOL = re.compile(r"(?:s|u|zf|ks|ps)\d+\Z")
_NUMBERS = re.compile(r"[\w\s+\-*/%(),]*\d[\w\s+\-*/%(),]*\Z")
_LINE = 65_536
# A graph has some hundred inputs; the search for each reads the text again, which a hostile file must not multiply.
_MOST_LOOK_UPS = 1_000
_BRACKET = re.compile(r"[(\[{]")
_SPLIT = re.compile(r"[,()\[\]{}]")
_LAYOUT_CALL = re.compile(
    r"(?:(?:torch\.)?\w*empty_strided\w*|rand_strided|generate_example_value"
    r"|reinterpret_tensor|assert_size_stride|alloc_from_pool)\Z"
)
# The usual form of those calls, read at once: no bracket inside the shape and the stride.
_PLAIN_CALL = re.compile(r"([\w.]+)\((?:(\w+), )?\(([^()]*)\), \(([^()]*)\)(?:, ([^()]*))?\)\Z")
# Views of views and renames of renames that are followed; torch writes a handful.
_NESTING = 64


class Layout(NamedTuple):
    """What is known of a tensor at one point of the wrapper. (A NamedTuple: one is made for every argument parsed.)

    ``root`` is the variable that first held its storage, ``how`` the kind of statement that told the layout.
    """

    dtype: str | None
    shape: tuple[Size, ...] | None
    stride: tuple[Size, ...] | None
    offset: Size
    root: str
    how: str


class RawCall(NamedTuple):
    """One call of a multi-kernel as found: ``line`` counts from where the search began, ``values`` are positional."""

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
        self._assigned: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        self._function = 0

    def enter_function(self, line: int) -> None:
        self._function = line

    def assign(self, name: str, line: int, statement: str) -> None:
        """``statement`` is the right side of the assignment, with whatever follows it on the line."""
        self._assigned[name].append((line, statement))

    def value(self, name: str, before: int) -> tuple[int, str] | None:
        """The last assignment to ``name`` above a line; for a buffer of another function, the first there is."""
        assigned = self._assigned.get(name)
        if assigned is None:
            return None
        for line, statement in reversed(assigned):
            if self._function <= line < before:
                return line, _expression(statement)
        line, statement = assigned[0]
        return (line, _expression(statement)) if line < self._function and not _SYMBOL.match(name) else None

    def layout(self, expression: str, before: int, depth: int = 0) -> Layout | None:
        """The layout of a tensor expression above a line, or None where it is none of the forms that torch writes."""
        if expression.isidentifier():
            return self._layout_of_variable(expression, before, depth)
        call = _strided_call(expression)
        if call is None:
            return self._layout_of_cast(expression, before, depth)
        if call.function == "reinterpret_tensor":
            base = self.layout(call.base, before, depth + 1) if depth < _NESTING else None
            dtype, root = (base.dtype, base.root) if base else (None, call.base)
            offset = _size(call.rest) if call.rest else 0
            return Layout(dtype, _sizes(call.shape), _sizes(call.stride), offset, root, call.function)
        dtype = next((part for part in call.rest.replace("dtype=", "").split(", ") if _dtype(part)), None)
        return Layout(dtype, _sizes(call.shape), _sizes(call.stride), 0, call.base, call.function)

    def _layout_of_cast(self, expression: str, before: int, depth: int) -> Layout | None:
        """``aten.view.dtype(x, torch.int8)``."""
        head, _, rest = expression.partition("(")
        parts = split_arguments(rest.rpartition(")")[0])
        if head != "aten.view.dtype" or len(parts) != 2 or depth >= _NESTING:
            return None
        base = self.layout(parts[0], before, depth + 1)
        return base._replace(dtype=_dtype(parts[1])) if base else None

    def _layout_of_variable(self, name: str, before: int, depth: int) -> Layout | None:
        assignment = self.value(name, before)
        if assignment is None or depth >= _NESTING:
            return None
        line, value = assignment
        layout = self.layout(value, line, depth + 1)
        if layout is None:
            return None
        if layout.how == "assert_size_stride" and layout.root == name:
            # The check tells the layout again; the dtype stands where the buffer was made.
            made = self._layout_of_variable(name, line, depth + 1)
            return layout._replace(dtype=made.dtype) if made else layout
        if layout.root:
            return layout
        return Layout(layout.dtype, layout.shape, layout.stride, layout.offset, name, layout.how)


def _expression(statement: str) -> str:
    """``buf1; del buf1  # reuse`` without what follows the value."""
    return statement.partition(";")[0].partition("  #")[0].rstrip()


def find_calls(text: str, start: int, names: Iterable[str]) -> list[RawCall]:
    """Every ``NAME.run(…)`` behind offset ``start`` for the ``names`` given, with its values resolved."""
    wanted = frozenset(names)
    variables = Variables()
    calls: list[RawCall] = []
    for line, indented in enumerate(text[start : benchmark_part(text)].split("\n")):
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
            if name in wanted:
                calls.append(_raw_call(variables, name, passed.rpartition(")")[0], line))
    return calls


def benchmark_part(text: str) -> int:
    """Where the functions begin that let a wrapper run on its own; the end of the text where it has none."""
    begin = text.rfind("\ndef get_args(")
    if begin < 0:
        begin = text.rfind("\ndef benchmark_compiled_module(")
    return begin if begin >= 0 else len(text)


class Hints:
    """The parts of a wrapper that tell what its statements leave open. Searched only for the names asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._benchmark_part = benchmark_part(text)
        self._found: dict[str, tuple[Layout, ...]] = {}

    def of(self, name: str) -> tuple[Layout, ...]:
        """What the surest part says of a variable, then what the others add where that one leaves something open."""
        found = self._found.get(name)
        if found is None:
            if not name.isidentifier() or len(self._found) >= _MOST_LOOK_UPS:
                return ()
            found = self._found[name] = tuple(self._look_up(name))
        return found

    def _look_up(self, name: str) -> Iterator[Layout]:
        for part in (self._random_input, self._graph_node):
            told = part(name)
            if told is not None:
                yield told
                if told.dtype is not None and told.shape is not None:
                    return

    def _random_input(self, name: str) -> Layout | None:
        call = self._rest_of_line(f"\n    {name} = rand_strided(", self._benchmark_part)
        return Variables().layout(f"rand_strided({call}", 0) if call else None

    def _graph_node(self, name: str) -> Layout | None:
        """``#   %arg0_1 : Tensor "bf16[8192, 768][768, 1]cuda:0" = …`` (torch 2.9+)."""
        short, bracket, rest = self._rest_of_line(f'\n#   %{name} : Tensor "', 0).partition("[")
        if not bracket:
            return None
        shape, _, rest = rest.partition("][")
        dtype = DTYPES.get(short)
        stride = rest.partition("]")[0]
        return Layout(f"torch.{dtype}" if dtype else None, _sizes(shape), _sizes(stride), 0, name, "graph fragment")

    def _rest_of_line(self, before: str, start: int) -> str:
        found = self._text.find(before, start)
        if found < 0:
            return ""
        begin = found + len(before)
        return self._text[begin : begin + _LINE].partition("\n")[0]


def call_site(
    call: RawCall, line: int, parameters: tuple[str, ...], signature: Mapping[str, str], hints: Hints
) -> CallSite:
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
    return CallSite(line, arguments, keywords.get("grid"), keywords.get("stream"))


def split_arguments(text: str) -> list[str]:
    """Parts of ``a, (b, c), d=e`` at the commas outside every bracket."""
    if not _BRACKET.search(text):
        return [part for piece in text.split(",") if (part := piece.strip())]
    parts: list[str] = []
    depth = begin = 0
    for found in _SPLIT.finditer(text):
        mark = found[0]
        if mark == ",":
            if depth == 0:
                parts.append(text[begin : found.start()].strip())
                begin = found.end()
        elif mark in "([{":
            depth += 1
        else:
            depth -= 1
    last = text[begin:].strip()
    return [*parts, last] if last else parts


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
    number = _size(expression)
    if isinstance(number, int):
        return number
    layout = variables.layout(expression, line)
    if layout is not None or not expression.isidentifier() or _SYMBOL.match(expression):
        return layout
    # `multi_kernel_0_xnumel = 4096*s0` names a number; `s0 = arg0_1` binds a symbol, which stays symbolic.
    assignment = variables.value(expression, line)
    return _size(assignment[1]) if assignment and _NUMBERS.match(assignment[1]) else None


class StridedCall(NamedTuple):
    """``function(base, (shape), (stride), rest)``; ``base`` is empty for an allocation."""

    function: str
    base: str
    shape: str
    stride: str
    rest: str


def _strided_call(expression: str) -> StridedCall | None:
    """Reads every call that names a shape and a stride; None for any other expression."""
    plain = _PLAIN_CALL.match(expression)
    if plain:
        function, base, shape, stride, rest = plain.groups("")
        return StridedCall(function, base, shape, stride, rest) if _LAYOUT_CALL.match(function) else None
    function, _, rest = expression.partition("(")
    if not _LAYOUT_CALL.match(function):
        return None
    made, restrided, view = rest.rpartition(").as_strided(")
    parts = split_arguments(made or rest.rpartition(")")[0])
    if function == "alloc_from_pool" and len(parts) >= 5:
        return StridedCall(function, "", parts[3], parts[4], parts[2])
    base = parts.pop(0) if function in ("reinterpret_tensor", "assert_size_stride") and parts else ""
    if len(parts) < 2:
        return None
    shape, stride, *others = parts
    again = split_arguments(view.rpartition(")")[0]) if restrided else []
    if len(again) == 2:
        shape, stride = again
    return StridedCall(function, base, shape, stride, ", ".join(others))


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
    if value is not None:
        return ScalarArgument(name, expression, value)
    if declared.startswith("*") or (not declared and hints.of(expression)):
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
            if shape is None and layout.root == expression:
                shape, stride = told.shape, told.stride
                how += f", shape from {told.how}"
            if dtype is None and told.dtype:
                dtype = told.dtype
                how += f", dtype from {told.how}"
    return TensorArgument(name, expression, dtype, shape, stride, layout.offset, how.removeprefix(", "))


def _dtype(text: str) -> str | None:
    return text if text.startswith("torch.") and text[6:].isidentifier() else None


def _number(text: str) -> int | float | str:
    if _INTEGER.match(text):
        return int(text)
    try:
        return float(text) if len(text) < 32 and any(c.isdigit() for c in text) else text
    except ValueError:
        return text


# Programs use few shapes, again and again: equal ones are read once and shared.
@lru_cache(maxsize=4096)
def _sizes(text: str) -> tuple[Size, ...] | None:
    """``(4096, 1024)``, ``()``, ``[8, 16]`` or bare ``8, s0`` as sizes; None where it is none of these."""
    if text[:1] in ("(", "["):
        if text[-1:] not in (")", "]"):
            return None
        text = text[1:-1]
    return tuple(_size(part) for part in split_arguments(text))


def _size(text: str) -> Size:
    return int(text) if _INTEGER.match(text) else text
