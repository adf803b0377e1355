"""Launch grids as text: expressions over a kernel's arguments, constants and configuration.

In a generated file a grid has to stand as text, so that whoever opens it can launch the kernel: up to three
expressions of numbers, names, arithmetic and ``cdiv``, ``next_power_of_2``, ``min``, ``max``.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import types
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from .errors import DefinitionError

Grid = tuple[int, ...]
_FUNCTIONS: dict[str, Callable[..., int]] = {
    "cdiv": lambda number, divisor: -(number // -divisor),
    "next_power_of_2": lambda number: 1 << max(number - 1, 0).bit_length(),
    "min": min,
    "max": max,
}
_ALLOWED = (ast.Expression, ast.Constant, ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
_MOST_AXES = 3


def compile_grid(expressions: Sequence[str]) -> Callable[[Mapping[str, Any]], Grid]:
    """A grid as Triton takes it: a function of all that the kernel gets, by name. Raises `DefinitionError`."""
    if not 1 <= len(expressions) <= _MOST_AXES:
        raise DefinitionError(
            f"a grid of {len(expressions)} expressions: {', '.join(expressions)}", "Give one, two or three."
        )
    for expression in expressions:
        _check(expression)
    code = compile(f"({', '.join(f'({expression})' for expression in expressions)},)", "<grid>", "eval")

    def grid(names: Mapping[str, Any]) -> Grid:
        try:
            sizes: Grid = eval(code, {"__builtins__": _FUNCTIONS}, names)
        except NameError as error:
            raise DefinitionError(
                f"the grid ({', '.join(expressions)}) uses {error.name}, which is no argument, constant or block size",
                f"What it may use here: {', '.join(sorted(names))}.",
            ) from None
        return sizes

    return grid


def grid_text(grid: object) -> tuple[str, ...] | None:
    """A tuple, or a function as Triton takes it, as expressions; None for a function that cannot be told as such.

    What a function takes from elsewhere than from its own argument (``x.shape[0]``) becomes the number that it is now.
    """
    if isinstance(grid, Sequence) and not isinstance(grid, str):
        return tuple(str(size) for size in grid)
    if not isinstance(grid, types.FunctionType):
        return None
    found = _returned(grid)
    if found is None:
        return None
    parameter, value = found
    axes = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
    folding = _Folding(parameter, _scope(grid))
    try:
        texts = tuple(ast.unparse(folding.visit(axis)) for axis in axes)
        for text in texts:
            _check(text)
    except Exception:  # whatever the folded code raises: such a function is simply not told
        return None
    return texts


class _Folding(ast.NodeTransformer):
    """Turns ``meta['X']`` into ``X``, ``triton.cdiv`` into ``cdiv``, and all that has no part in it into numbers."""

    def __init__(self, parameter: str, scope: Mapping[str, Any]) -> None:
        self._parameter = parameter
        self._scope = scope

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and not self._uses_parameter(node):
            return ast.Constant(int(eval(ast.unparse(node), dict(self._scope))))
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            return ast.Call(ast.Name(name, ast.Load()), [self.visit(each) for each in node.args], [])
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            return ast.Name(str(node.slice.value), ast.Load())
        if isinstance(node, ast.Name):
            raise ValueError(f"{node.id} itself is no number")
        return self.generic_visit(node)

    def _uses_parameter(self, node: ast.expr) -> bool:
        return any(isinstance(each, ast.Name) and each.id == self._parameter for each in ast.walk(node))


def _check(expression: str) -> None:
    try:
        nodes = list(ast.walk(ast.parse(expression.strip(), mode="eval")))
    except SyntaxError as error:
        raise DefinitionError(f"the grid's expression {expression!r} is no Python: {error.msg}") from None
    for node in nodes:
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords
        if is_call and node.func.id in _FUNCTIONS:  # type: ignore[attr-defined]  # `is_call` says what it is
            continue
        if not isinstance(node, _ALLOWED) or (isinstance(node, ast.Constant) and not isinstance(node.value, int)):
            raise DefinitionError(
                f"the grid's expression {expression!r} holds more than names, whole numbers and arithmetic",
                f"Functions that it may call: {', '.join(_FUNCTIONS)}.",
            )


def _returned(function: types.FunctionType) -> tuple[str, ast.expr] | None:
    """The function's parameter and the one expression that it returns."""
    code = function.__code__
    if code.co_argcount != 1:
        return None
    nodes = [node for node in _functions(code.co_filename) if _is_source(node, code)]
    if len(nodes) != 1:
        return None
    node = nodes[0]
    if isinstance(node, ast.Lambda):
        return node.args.args[0].arg, node.body
    last = node.body[-1]
    is_plain = all(isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in node.body[:-1])
    if not is_plain or not isinstance(last, ast.Return) or last.value is None:
        return None
    return node.args.args[0].arg, last.value


def _is_source(node: ast.Lambda | ast.FunctionDef, code: types.CodeType) -> bool:
    body = node.body if isinstance(node, ast.Lambda) else node.body[-1]
    places = [(line, column) for line, _, column, _ in code.co_positions() if line is not None and column is not None]
    inside = [place for place in places if place >= (body.lineno, body.col_offset)]
    return node.lineno == code.co_firstlineno and bool(inside) and max(places) <= _end(body)


def _end(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)


@lru_cache(maxsize=32)
def _functions(file: str) -> tuple[ast.Lambda | ast.FunctionDef, ...]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.Lambda | ast.FunctionDef))


def _scope(function: types.FunctionType) -> Mapping[str, Any]:
    closure = inspect.getclosurevars(function)
    return {**closure.builtins, **closure.globals, **closure.nonlocals}
