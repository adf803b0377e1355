"""Sizes that a wrapper leaves open: what they were when it was compiled, and what expressions make of them.

Torch writes them as Python (``4*s0``, ``((15 + s77) // 16)``); the trees of such expressions are walked, never run.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping

from .definitions import KERNEL_ANCHOR
from .expressions import parse_expression
from .hints import benchmark_part
from .layouts import sizes, strided_call
from .model import Size

_LONGEST = 10_000
_LARGEST = 2**63 - 1
_LARGEST_EXPONENT = 64
_NUMBER = re.compile(r"^    (\w+) = (\d{1,18})$", re.MULTILINE)
_TENSOR = re.compile(r"^    (\w+) = (rand_strided\([^\n]*)$", re.MULTILINE)
_BOUND = re.compile(r"^ +(\w+) = (\w+)$", re.MULTILINE)
_TAKEN = re.compile(r"^ +(\w+) = (\w+)_(size|stride)\[(\d{1,3})\]$", re.MULTILINE)
_CHECKED = re.compile(r"^ +assert_size_stride\((\w+), (\([^()\n]*\)), (\([^()\n]*\))", re.MULTILINE)
_OPERATIONS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": abs,
    "int": int,
    "max": max,
    "min": min,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.sqrt": math.sqrt,
    "math.trunc": math.trunc,
}


class OpenSymbol(Exception):
    """Nobody has told the value of the symbol that is its text."""


def evaluate(size: Size | float, values: Mapping[str, int]) -> int | float:
    """The number that ``size`` stands for. Raises `OpenSymbol`, and `ValueError` where it stands for none."""
    if not isinstance(size, str):
        return size
    if len(size) > _LONGEST:
        raise ValueError("a size of this length is none")
    try:
        found = _value(parse_expression(size), values)
    except (SyntaxError, TypeError, ArithmeticError, MemoryError, RecursionError) as error:
        raise ValueError(f"{size!r} is no size: {error}") from error
    return int(found) if isinstance(found, float) and found.is_integer() else found


def compiled_sizes(text: str) -> dict[str, int]:
    """The symbols of a wrapper with the values that they had when torch compiled it: its benchmark part has those."""
    begin = max(text.rfind(KERNEL_ANCHOR), 0)
    benchmark = benchmark_part(text, begin)
    numbers = {name: int(value) for name, value in _NUMBER.findall(text, benchmark)}
    tensors = {}
    for name, expression in _TENSOR.findall(text, benchmark):
        if call := strided_call(expression):
            tensors[name] = {"size": sizes(call.shape) or (), "stride": sizes(call.stride) or ()}
    found: dict[str, int] = {}
    for name, value in _told(text[begin:benchmark], numbers, tensors):
        if isinstance(value, int) and name.isidentifier():
            found.setdefault(name, value)
    return found


def _told(
    text: str, numbers: Mapping[str, int], tensors: Mapping[str, Mapping[str, tuple[Size, ...]]]
) -> Iterator[tuple[str, Size]]:
    """Symbols, each with what the inputs of the benchmark have in the place from which the wrapper takes it."""
    for symbol, name in _BOUND.findall(text):
        if name in numbers:
            yield symbol, numbers[name]
    for symbol, name, kind, position in _TAKEN.findall(text):
        known = tensors.get(name, {}).get(kind, ())
        if int(position) < len(known):
            yield symbol, known[int(position)]
    for name, shape, stride in _CHECKED.findall(text):
        for kind, written in (("size", shape), ("stride", stride)):
            known = tensors.get(name, {}).get(kind, ())
            pairs = zip(sizes(written) or (), known, strict=False)
            yield from ((symbol, value) for symbol, value in pairs if isinstance(symbol, str))


def _value(node: ast.expr, values: Mapping[str, int]) -> int | float:
    match node:
        case ast.Constant(value=bool()):
            raise TypeError("a truth value")
        case ast.Constant(value=int() | float() as number):
            return _bounded(number)
        case ast.Name(id=name):
            if name not in values:
                raise OpenSymbol(name)
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base, exponent = _value(left, values), _value(right, values)
            if abs(exponent) > _LARGEST_EXPONENT:
                raise ArithmeticError("too large an exponent")
            return _bounded(base**exponent)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _bounded(_OPERATIONS[type(op)](_value(left, values), _value(right, values)))
        case ast.Call(func=function, args=arguments, keywords=[]) if ast.unparse(function) in _FUNCTIONS:
            return _bounded(_FUNCTIONS[ast.unparse(function)](*(_value(each, values) for each in arguments)))
    raise TypeError(f"{ast.unparse(node)} is not understood")


def _bounded(number: int | float | complex) -> int | float:
    if isinstance(number, complex) or not abs(number) <= _LARGEST:
        raise ArithmeticError("too large a number")
    return number
