"""Launch grids as text: expressions over a kernel's arguments, constants and configuration.

In a generated file a grid has to stand as text, so that whoever opens it can launch the kernel: up to three
expressions of numbers, names, arithmetic and ``cdiv``, ``next_power_of_2``, ``min``, ``max``.
"""

from __future__ import annotations

import ast
import inspect
import operator
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
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

    What a function takes from elsewhere (``rows``), and what only a launch can tell (``meta['x'].shape[0]``) but is the
    same in all, becomes the number that it is now. A function that no text can tell becomes its numbers; None where
    these differ, and where it fails for a launch.
    """
    if not callable(grid):
        assert isinstance(grid, Sequence)
        return tuple(str(size) for size in grid)
    try:
        said = [grid_numbers(grid, launch) for launch in launches]
    except Exception:  # whatever a user's function raises
        return None
    text = _text_of(grid, launches)
    if text is not None and _gives(text, launches, said):
        return text
    return said[0] if said.count(said[0]) == len(said) else None


def grid_numbers(grid: Callable[[Mapping[str, Any]], Sequence[int]], launch: Mapping[str, Any]) -> tuple[str, ...]:
    """What a grid's function says to one launch. Raises what it raises, and `TypeError` for what is no whole number."""
    return tuple(str(operator.index(size)) for size in grid(launch))


def _text_of(grid: Callable[..., Any], launches: Sequence[Mapping[str, Any]]) -> tuple[str, ...] | None:
    """What its source says. It goes by names, so that only the value tells whether it is right."""
    if not isinstance(grid, types.FunctionType):
        return None
    found = _returned(grid)
    if found is None:
        return None
    parameter, axes = found
    try:
        folding = _Folding(parameter, _scope(grid), launches)
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
    """Turns ``meta['X']`` into ``X``, ``triton.cdiv`` into ``cdiv``, and what is the same in all launches into numbers.

    Raises where that cannot be done; what it leaves is still to be checked.
    """

    def __init__(self, parameter: str, scope: Mapping[str, Any], launches: Sequence[Mapping[str, Any]]) -> None:
        first = launches[0]
        self._parameter = parameter
        self._scope = {**scope, parameter: first}
        self._fixed = {name for name in first if all(_is_same(each.get(name), first[name]) for each in launches)}

    def visit(self, node: ast.AST) -> Any:
        match node:
            case ast.Subscript(value=ast.Name(self._parameter), slice=ast.Constant(str(name))) if name.isidentifier():
                return ast.Name(name, ast.Load())
            case ast.expr() if not self._uses_parameter(node):
                return self._number(node)
            case ast.Call(ast.Name(name) | ast.Attribute(attr=name), arguments, keywords) if name in _FUNCTIONS:
                given = [*arguments, *(each.value for each in keywords)]
                return ast.Call(ast.Name(name, ast.Load()), [self.visit(each) for each in given], [])
            case ast.Call(ast.Name("int"), [number], []):
                return self.visit(number)
            case ast.expr() if not isinstance(node, ast.BinOp | ast.UnaryOp):
                return self._number(node)
        return self.generic_visit(node)

    def _number(self, node: ast.expr) -> ast.Constant:
        """Raises `ValueError` for what may be another one in another launch."""
        asked = list(self._asked(node))
        if len(asked) != self._uses_parameter(node) or not self._fixed.issuperset(asked):
            raise ValueError(f"{ast.unparse(node)} is no number that a text can tell")
        return ast.Constant(operator.index(eval(ast.unparse(node), self._scope)))

    def _asked(self, node: ast.expr) -> Iterator[str]:
        """What it asks of the launch by name."""
        for each in ast.walk(node):
            match each:
                case ast.Subscript(value=ast.Name(self._parameter), slice=ast.Constant(str(name))):
                    yield name

    def _uses_parameter(self, node: ast.expr) -> int:
        return sum(isinstance(each, ast.Name) and each.id == self._parameter for each in ast.walk(node))


def _is_same(one: object, other: object) -> bool:
    """Tensors are compared by what they are, for what they hold may be on a GPU."""
    return one is other or (isinstance(one, int | float | str) and type(one) is type(other) and one == other)


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
    if code.co_argcount != 1:
        return None
    nodes = [node for node in _functions("".join(lines_of(function) or ())) if _is_source(node, code)]
    if len(nodes) != 1:
        return None
    node = nodes[0]
    value = node.body if isinstance(node, ast.Lambda) else _only_value(node.body)
    return (node.args.args[0].arg, value.elts) if isinstance(value, ast.Tuple | ast.List) else None


def _only_value(body: Sequence[ast.stmt]) -> ast.expr | None:
    """What is returned by a function that does no more than give names to values; it may have a text."""
    *before, last = body
    naming = _Inlining({})
    for each in before:
        match each:
            case ast.Expr(ast.Constant()):
                continue
            case ast.Assign([ast.Name(name)], value):
                naming.values[name] = naming.visit(deepcopy(value))
            case _:
                return None
    if not isinstance(last, ast.Return) or last.value is None:
        return None
    returned: ast.expr = naming.visit(deepcopy(last.value))
    return returned


class _Inlining(ast.NodeTransformer):
    """Puts values in the place of their names."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return deepcopy(self.values.get(node.id, node))


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
