"""Launch grids as text: expressions over a kernel's arguments, constants and configuration.

In a generated file a grid has to stand as text, so that whoever opens it can launch the kernel: up to three
expressions of numbers, names, arithmetic and ``cdiv``, ``next_power_of_2``, ``min``, ``max``.
"""

from __future__ import annotations

import ast
import inspect
import operator
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from typing import Any

from .borrowed import lines_of
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


def told_grid(grid: object, launches: Sequence[Mapping[str, Any]]) -> tuple[str, ...] | None:
    """A grid as expressions that give what it says to each of ``launches``, which hold all that a kernel gets, by name.

    A function that no text can tell becomes its numbers; None where these differ, and where it fails for a launch.
    """
    if not callable(grid):
        return grid_text(grid)
    try:
        said = [grid_numbers(grid, launch) for launch in launches]
    except Exception:  # whatever a user's function raises
        return None
    text = grid_text(grid)
    if text is not None and _gives(text, launches, said):
        return text
    return said[0] if said.count(said[0]) == len(said) else None


def grid_numbers(grid: Callable[[Mapping[str, Any]], Sequence[int]], launch: Mapping[str, Any]) -> tuple[str, ...]:
    """What a grid's function says to one launch. Raises what it raises, and `TypeError` for what is no whole number."""
    return tuple(str(operator.index(size)) for size in grid(launch))


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
    parameter, axes = found
    try:
        folding = _Folding(parameter, _scope(grid))
        # Copies, as it folds in place and the file's functions are read once for all.
        texts = tuple(ast.unparse(folding.visit(deepcopy(axis))) for axis in axes)
        for text in texts:
            _check(text)
    except Exception:  # whatever the folded code raises: such a function is simply not told
        return None
    return texts


def _gives(text: Sequence[str], launches: Sequence[Mapping[str, Any]], said: Sequence[tuple[str, ...]]) -> bool:
    """Whether a text is what the function said: it was read from a file, and not from what runs."""
    try:
        told = compile_grid(text)
        return [grid_numbers(told, launch) for launch in launches] == said
    except Exception:
        return False


class _Folding(ast.NodeTransformer):
    """Turns ``meta['X']`` into ``X``, ``triton.cdiv`` into ``cdiv``, and all that has no part in it into numbers.

    Raises where that cannot be done; what it leaves is still to be checked.
    """

    def __init__(self, parameter: str, scope: Mapping[str, Any]) -> None:
        self._parameter = parameter
        self._scope = scope

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and not self._uses_parameter(node):
            return ast.Constant(operator.index(self._value(node)))
        match node:
            case ast.Call(keywords=[]) if not self._uses_parameter(node.func):
                name = ast.Name(_known_name(self._value(node.func)), ast.Load())
                return ast.Call(name, [self.visit(each) for each in node.args], [])
            case ast.Subscript(value=ast.Name(self._parameter), slice=ast.Constant(str(name))) if name.isidentifier():
                return ast.Name(name, ast.Load())
            case ast.Name() | ast.Call() | ast.Subscript():
                raise ValueError(f"{ast.unparse(node)} is no number that a text can tell")
        return self.generic_visit(node)

    def _value(self, node: ast.expr) -> Any:
        return eval(ast.unparse(node), dict(self._scope))

    def _uses_parameter(self, node: ast.expr) -> bool:
        return any(isinstance(each, ast.Name) and each.id == self._parameter for each in ast.walk(node))


def _known_name(function: object) -> str:
    """What texts call a function. Raises `ValueError` for one that only has such a name."""
    triton = sys.modules.get("triton")
    known = {"min": min, "max": max, **{name: getattr(triton, name, None) for name in ("cdiv", "next_power_of_2")}}
    for name, each in known.items():
        if each is function:
            return name
    raise ValueError(f"{function!r} is none of {', '.join(known)}")


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


def _returned(function: types.FunctionType) -> tuple[str, Sequence[ast.expr]] | None:
    """The function's parameter, and the expressions of the tuple that is all it returns."""
    code = function.__code__
    if code.co_argcount != 1 or code.co_nlocals != 1:
        return None
    nodes = [node for node in _functions("".join(lines_of(function) or ())) if _is_source(node, code)]
    if len(nodes) != 1:
        return None
    node = nodes[0]
    value = node.body if isinstance(node, ast.Lambda) else _only_value(node.body)
    return (node.args.args[0].arg, value.elts) if isinstance(value, ast.Tuple | ast.List) else None


def _only_value(body: Sequence[ast.stmt]) -> ast.expr | None:
    """What is returned by a function that does nothing else; it may have a text."""
    *before, last = body
    is_plain = all(isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in before)
    return last.value if is_plain and isinstance(last, ast.Return) else None


def _is_source(node: ast.Lambda | ast.FunctionDef, code: types.CodeType) -> bool:
    body = node.body if isinstance(node, ast.Lambda) else node.body[-1]
    places = [(line, column) for line, _, column, _ in code.co_positions() if line is not None and column is not None]
    inside = [place for place in places if place >= (body.lineno, body.col_offset)]
    return node.lineno == code.co_firstlineno and bool(inside) and max(places) <= _end(body)


def _end(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)


@lru_cache(maxsize=32)
def _functions(text: str) -> tuple[ast.Lambda | ast.FunctionDef, ...]:
    return tuple(node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Lambda | ast.FunctionDef))


def _scope(function: types.FunctionType) -> Mapping[str, Any]:
    closure = inspect.getclosurevars(function)
    return {**closure.builtins, **closure.globals, **closure.nonlocals}
