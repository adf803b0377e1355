"""Arguments of a call that no wrapper tells: from the kernel's own ``get_args``, else estimated from its source.

An estimate is on the safe side: a tensor reaches as far as the addresses in the source can, whatever its shape is.
"""

from __future__ import annotations

import ast
import math
from typing import Any, Callable, NamedTuple

from .failures import JobFailed
from .kernel_source import Reader, function_in, function_name, in_decorator, is_method, value_of
from .tensors import SCRATCH_NAMES, SMALL_INTEGERS

GIVEN, GET_ARGS, ESTIMATED = "given", "get_args", "estimated"

_DTYPES = {
    "i1": "bool",
    "u1": "bool",
    "i8": "int8",
    "u8": "uint8",
    "i16": "int16",
    "u16": "uint16",
    "i32": "int32",
    "u32": "uint32",
    "i64": "int64",
    "u64": "uint64",
    "fp16": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
    "fp64": "float64",
    "fp8e4nv": "float8_e4m3fn",
    "fp8e5": "float8_e5m2",
    "fp8e4b8": "float8_e4m3fnuz",
    "fp8e5b16": "float8_e5m2fnuz",
}
# Bytes; a cooperative kernel keeps less than one number for each point that it visits.
_SCRATCH_OF_A_POINT = 8
_KEEPS_RANGE = ("to", "broadcast_to", "expand_dims", "reshape")


class Arguments(NamedTuple):
    """``told`` as a request has them, ``takes`` the indices that each sub-kernel takes; ``how`` they were found."""

    told: list[dict[str, Any]]
    takes: list[list[int]]
    how: str


def resolve(given: list[dict[str, Any]] | None, sub_kernels: list[dict[str, Any]]) -> Arguments:
    """Raises `JobFailed` where there is no way to know them."""
    if given is not None:
        every = list(range(len(given)))
        takes = [list(each.get("takes") or every) for each in sub_kernels]
        return Arguments(given, takes, GIVEN)
    for how, find in ((GET_ARGS, _from_get_args), (ESTIMATED, _estimated)):
        for sub_kernel in sub_kernels:
            try:
                told = find(sub_kernel["text"], sub_kernel["name"])
            except ValueError:
                continue
            return Arguments(told, [list(range(len(told)))] * len(sub_kernels), how)
    raise JobFailed("neither the wrapper nor the kernels tell what arguments they take")


def _from_get_args(text: str, name: str) -> list[dict[str, Any]]:
    """What ``get_args`` would make, read from its text. Raises `ValueError` without one."""
    parameters = Reader(function_in(text, name)).parameters
    found: dict[str, dict[str, Any]] = {}
    returned: list[dict[str, Any]] = []
    for statement in function_in(text, "get_args").body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = _made(statement.value)
        elif isinstance(statement, ast.Return) and isinstance(statement.value, ast.Tuple):
            values = statement.value.elts
            returned = [found.get(each.id, {}) if isinstance(each, ast.Name) else _made(each) for each in values]
    if len(returned) < len(parameters) or not all(returned[: len(parameters)]):
        raise ValueError("its get_args makes something else")
    return [{**made, "name": name} for name, made in zip(parameters, returned)]


def _made(value: ast.expr) -> dict[str, Any]:
    """``rand_strided((4096, 2048), (2048, 1), device=…, dtype=torch.float32)``, ``torch.zeros(…)`` or a number."""
    if not isinstance(value, ast.Call):
        return {"kind": "number", "value": ast.literal_eval(value)}
    shape = ast.literal_eval(value.args[0])
    shape = list(shape) if isinstance(shape, tuple) else [shape]
    stride = list(ast.literal_eval(value.args[1])) if len(value.args) > 1 else None
    dtypes = [
        each.value.attr for each in value.keywords if each.arg == "dtype" and isinstance(each.value, ast.Attribute)
    ]
    if not dtypes:
        raise ValueError("a tensor without a dtype")
    return {"kind": "tensor", "dtype": dtypes[0], "shape": shape, "stride": stride, "offset": 0}


def _estimated(text: str, name: str) -> list[dict[str, Any]]:
    """Raises `ValueError` where the source tells too little."""
    function = function_in(text, name)
    reader = Reader(function)
    numbers = _numbers(reader, in_decorator(function, "size_hints"))
    reach = Reach(reader, numbers)
    told: list[dict[str, Any]] = []
    for parameter in reader.parameters:
        declared = reader.types.get(parameter, "")
        if not declared.startswith("*"):
            told.append({"kind": "number", "name": parameter, "value": numbers[parameter]})
            continue
        if declared[1:] not in _DTYPES:
            raise ValueError(f"a tensor of {declared[1:]}")
        dtype = _DTYPES[declared[1:]]
        shape = [reach.of(parameter) if not parameter.startswith(SCRATCH_NAMES) else _SCRATCH_OF_A_POINT * reach.points]
        told.append({"kind": "tensor", "name": parameter, "dtype": dtype, "shape": shape, "stride": [1], "offset": 0})
    return told


def _numbers(reader: Reader, hints: Any) -> dict[str, int]:
    """Sizes as the source has them, else their hints; other numbers are as the innermost size, a likely stride."""
    if not isinstance(hints, (dict, list)) or not hints:
        raise ValueError("no size hints")
    by_prefix = dict(hints) if isinstance(hints, dict) else dict(zip("xyz", hints[:-1]), r=hints[-1])
    numbers: dict[str, int] = {}
    innermost = int(list(by_prefix.values())[-1])
    for parameter in reader.parameters:
        if reader.types.get(parameter, "").startswith("*"):
            continue
        assigned = [each.value for each in reader.values.get(parameter, []) if isinstance(each, ast.Constant)]
        values = [value for value in assigned if isinstance(value, int)]
        hint = by_prefix.get(parameter[: -len("numel")] if parameter.endswith("numel") else "", innermost)
        numbers[parameter] = values[0] if values else int(hint)
    return numbers


class Reach:
    """How far the addresses of a kernel go, by the ranges of all that they are made of."""

    def __init__(self, reader: Reader, numbers: dict[str, int]) -> None:
        self._reader = reader
        self._numbers = numbers
        self._bounds = reader.found().bounds
        self.points = math.prod(number for name, number in numbers.items() if name.endswith("numel"))

    def of(self, pointer: str) -> int:
        """Elements from the first on; where an address is too intricate, as many as the kernel has points."""
        ends = [1]
        for call in self._reader.loads + self._reader.stores:
            if pointer in self._reader.pointers([call]):
                found = self._range(call.args[0], frozenset())
                ends.append(self.points if found is None else found[1] + 1)
        return max(ends)

    def _range(self, node: ast.expr, seen: frozenset[str]) -> tuple[int, int] | None:
        """The least and the greatest value; None if that is not known."""
        if isinstance(node, ast.Constant):
            return (int(node.value), int(node.value)) if isinstance(node.value, int) else None
        if isinstance(node, ast.Name):
            return self._range_of_name(node.id, seen)
        if isinstance(node, ast.Subscript):
            return self._range(node.value, seen)
        if isinstance(node, ast.BinOp):
            return _combined(node.op, self._range(node.left, seen), self._range(node.right, seen))
        return self._range_of_call(node, seen) if isinstance(node, ast.Call) else None

    def _range_of_name(self, name: str, seen: frozenset[str]) -> tuple[int, int] | None:
        if self._reader.types.get(name, "").startswith("*"):
            return 0, 0
        if name in self._numbers:
            return self._numbers[name], self._numbers[name]
        if name.endswith("index"):
            # Beyond it lanes are masked.
            size = self._numbers.get(f"{name[: -len('index')]}numel")
            if size is not None:
                return 0, max(0, size - 1)
        values = self._reader.values.get(name, [])
        if name in seen or not values:
            return None
        return _union([self._range(value, seen | {name}) for value in values])

    def _range_of_call(self, node: ast.Call, seen: frozenset[str]) -> tuple[int, int] | None:
        name = function_name(node)
        if name == "load":
            bounds = [self._below(pointer) for pointer in self._reader.pointers([node])]
            return (0, max(bounds) - 1) if bounds else None
        if name == "where" and len(node.args) == 3:
            return _union([self._range(each, seen) for each in node.args[1:]])
        if name == "full" and len(node.args) > 1:
            return self._range(node.args[1], seen)
        if name == "div_floor_integer" and len(node.args) == 2:
            return _combined(ast.FloorDiv(), *(self._range(each, seen) for each in node.args))
        if name == "remainder_integer" and len(node.args) == 2:
            return _combined(ast.Mod(), *(self._range(each, seen) for each in node.args))
        if name in _KEEPS_RANGE:
            kept = node.func.value if isinstance(node.func, ast.Attribute) and is_method(node) else node.args[0]
            return self._range(kept, seen)
        return None

    def _below(self, pointer: str) -> int:
        """The elements of ``pointer`` will be less than this; see `tensors`."""
        if pointer not in self._bounds:
            return SMALL_INTEGERS
        values = [value_of(text, self._numbers) or 1 for text in self._bounds[pointer]]
        return max(1, min(values, default=1))


_OPERATIONS: dict[type, Callable[[int, int], int]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
}


def _combined(
    operator: ast.operator, left: tuple[int, int] | None, right: tuple[int, int] | None
) -> tuple[int, int] | None:
    if left is None or right is None:
        return None
    if isinstance(operator, ast.Mod):
        return (0, min(right[1] - 1, left[1]) if left[0] >= 0 else right[1] - 1) if right[0] > 0 else None
    if isinstance(operator, ast.FloorDiv) and right[0] <= 0:
        return None
    operation = _OPERATIONS.get(type(operator))
    if operation is None:
        return None
    corners = [operation(a, b) for a in left for b in right]
    return min(corners), max(corners)


def _union(ranges: list[tuple[int, int] | None]) -> tuple[int, int] | None:
    known = [each for each in ranges if each is not None]
    if len(known) < len(ranges):
        return None
    return min(low for low, _ in known), max(high for _, high in known)
