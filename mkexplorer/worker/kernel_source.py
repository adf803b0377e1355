"""What a kernel's source tells of its arguments: which it reads and writes, and in what range its indices must be."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import Any, Iterable, Iterator, NamedTuple

_WRITES = ("store", "atomic_add", "atomic_max", "atomic_min", "atomic_and", "atomic_or", "atomic_xor", "atomic_xchg")
_KEEPS_VALUES = ("to", "broadcast_to", "reshape", "expand_dims", "view")
_MODULES = ("tl", "triton", "triton_helpers", "tl_math", "libdevice")
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//"}
_LONGEST_BOUND = 200


class KernelSource(NamedTuple):
    """What is known of one kernel.

    ``parameters`` are those that a launch passes, in order; ``types`` those of the decorator's signature ('*bf16',
    'i32'). ``mutated`` are the arguments whose old contents may matter and which are written over. ``accesses`` counts
    the different addresses at which each argument is read or written. ``bounds`` holds every argument whose elements
    end up in an address: the values below which they must be (names of other arguments may stand in them), or nothing
    where only 0 is sure to be right. ``zeroed`` arguments hold zeros before every launch, as the decorator says.
    """

    parameters: tuple[str, ...]
    types: dict[str, str]
    mutated: frozenset[str]
    read: frozenset[str]
    written: frozenset[str]
    accesses: dict[str, int]
    bounds: dict[str, tuple[str, ...]]
    zeroed: frozenset[str] = frozenset()


@lru_cache(maxsize=64)
def read_source(text: str, name: str) -> KernelSource:
    """``text`` is a kernel's file, ``name`` the function in it. Raises `ValueError` if there is no such function."""
    return Reader(function_in(text, name)).found()


def function_in(text: str, name: str) -> ast.FunctionDef:
    """Raises `ValueError` if there is no such function, or no Python in the text."""
    try:
        statements = ast.parse(text).body
    except SyntaxError as error:
        raise ValueError(f"its file is no Python: {error}") from None
    for node in statements:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise ValueError(f"its file defines no {name}")


def value_of(expression: str, numbers: dict[str, int]) -> int | None:
    """``8*ks0`` with the ``numbers`` passed; None where that is no whole number."""
    if len(expression) > _LONGEST_BOUND:
        return None
    try:
        return _evaluate(ast.parse(expression, mode="eval").body, numbers)
    except (SyntaxError, KeyError, ZeroDivisionError, OverflowError):
        return None


def _evaluate(node: ast.AST, numbers: dict[str, int]) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return int(numbers[node.id])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand, numbers)
    if isinstance(node, ast.BinOp):
        left, right = _evaluate(node.left, numbers), _evaluate(node.right, numbers)
        sign = _SIGNS[type(node.op)]
        if sign == "+":
            return left + right
        if sign == "-":
            return left - right
        return left * right if sign == "*" else left // right
    raise KeyError


class Reader:
    """Goes once through a function, then follows values from loads to addresses.

    ``values`` maps a variable to all that was assigned to it; loops and branches make no difference.
    """

    def __init__(self, function: ast.FunctionDef) -> None:
        every = [argument.arg for argument in function.args.args]
        types = in_decorator(function, "signature") or {}
        # Torch 2.5 and before number the parameters.
        self.types = {every[name] if isinstance(name, int) else name: str(types[name]) for name in types}
        # Block sizes are annotated as constants; a launcher has them already. Of torch's kernels it still takes what
        # is a constant because it is 1; of ours, which need no annotation, it takes no constant.
        constants = set() if in_decorator(function, "grid_type") else set(self.types.items())
        self.parameters = tuple(
            argument.arg
            for argument in function.args.args
            if argument.annotation is None and (argument.arg, "constexpr") not in constants
        )
        self._zeroed = frozenset(in_decorator(function, "reset_to_zero_arg_names") or ())
        self._mutated = frozenset(in_decorator(function, "mutated_arg_names") or ())
        self.values: dict[str, list[ast.expr]] = {}
        self.loads: list[ast.Call] = []
        self.stores: list[ast.Call] = []
        self._asserts: list[ast.expr] = []
        self._loops: list[ast.expr] = []
        for statement in function.body:
            for node in ast.walk(statement):
                self._see(node)

    def found(self) -> KernelSource:
        read, written = self.pointers(self.loads), self.pointers(self.stores)
        accesses: dict[str, set[str]] = {}
        for call in self.loads + self.stores:
            for pointer in self.pointers([call]):
                accesses.setdefault(pointer, set()).add(ast.dump(call.args[0]))
        counts = {name: len(addresses) for name, addresses in accesses.items()}
        atomic = self.pointers(call for call in self.stores if function_name(call) != "store")
        bounds = self._bounds()
        return KernelSource(
            self.parameters,
            self.types,
            self._mutated,
            frozenset(read | atomic),
            frozenset(written),
            counts,
            bounds,
            self._zeroed,
        )

    def _see(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            self.values.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            for target in node.targets[0].elts:
                if isinstance(target, ast.Name):
                    self.values.setdefault(target.id, []).append(node.value)
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and isinstance(node.target, ast.Name) and node.value:
            self.values.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.For):
            self._loops.append(node.iter)
        elif isinstance(node, ast.Call) and node.args:
            function = function_name(node)
            if function == "load":
                self.loads.append(node)
            elif function in _WRITES:
                self.stores.append(node)
            elif function == "device_assert":
                self._asserts.append(node.args[0])

    def pointers(self, calls: Iterable[ast.Call]) -> set[str]:
        """The arguments at whose addresses ``calls`` read or write."""
        names = self._reached(call.args[0] for call in calls)
        return {name for name in names if self.types.get(name, "").startswith("*")}

    def _reached(self, expressions: Iterable[ast.expr]) -> set[str]:
        """All names that ``expressions`` are made of; a load hides what its address is made of."""
        names: set[str] = set()
        waiting = list(expressions)
        while waiting:
            for node in _parts(waiting.pop()):
                if isinstance(node, ast.Name) and node.id not in names:
                    names.add(node.id)
                    waiting += self.values.get(node.id, [])
        return names

    def _loaded(self, expressions: Iterable[ast.expr]) -> set[str]:
        """The arguments whose elements the values of ``expressions`` depend on."""
        names = self._reached(expressions)
        sources = list(expressions) + [value for name in names for value in self.values.get(name, [])]
        calls = [node for source in sources for node in _parts(source) if _is_load(node)]
        return self.pointers(call for call in calls if isinstance(call, ast.Call))

    def _bounds(self) -> dict[str, tuple[str, ...]]:
        addresses = [call.args[0] for call in self.loads + self.stores]
        bounds: dict[str, tuple[str, ...]] = {name: () for name in self._loaded(addresses + self._loops)}
        unsure: set[str] = set()
        for condition in self._asserts:
            for compared in _upper_bounds(condition):
                for name in self._loaded([compared.left]):
                    if self._is_plain(compared.left, set()):
                        bounds[name] = (*bounds.get(name, ()), _text(compared.comparators[0]))
                    else:
                        unsure.add(name)
        return {name: () if name in unsure else tuple(sorted(set(found))) for name, found in bounds.items()}

    def _is_plain(self, node: ast.expr, seen: set[str]) -> bool:
        """Whether the value is one that was loaded, or a constant; a branch that wraps negative values counts too."""
        if isinstance(node, ast.Constant) or _is_load(node):
            return True
        if isinstance(node, ast.Name):
            if node.id in seen:
                return True
            values = self.values.get(node.id, [])
            return bool(values) and all(self._is_plain(value, seen | {node.id}) for value in values)
        if isinstance(node, ast.Call):
            if function_name(node) == "where" and len(node.args) == 3:
                return all(self._is_plain(each, seen) or self._is_wrapped(each, seen) for each in node.args[1:])
            if function_name(node) == "full":
                return True
            if function_name(node) in _KEEPS_VALUES:
                kept = node.func.value if isinstance(node.func, ast.Attribute) and is_method(node) else node.args[0]
                return self._is_plain(kept, seen)
        return False

    def _is_wrapped(self, node: ast.expr, seen: set[str]) -> bool:
        """``tmp1 + 8192``, which is chosen for negative values only."""
        if isinstance(node, ast.Name) and node.id not in seen:
            values = self.values.get(node.id, [])
            return bool(values) and all(self._is_wrapped(value, seen | {node.id}) for value in values)
        is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
        return is_sum and isinstance(node, ast.BinOp) and self._is_plain(node.left, seen)


def in_decorator(function: ast.FunctionDef, key: str) -> Any:
    """What the decorator says of ``key``, as a keyword or inside one of its dictionaries; None if it is nowhere.

    Raises `ValueError` where that is no literal.
    """
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.keyword) and node.arg == key:
                return ast.literal_eval(node.value)
            if isinstance(node, ast.Dict):
                for found, value in zip(node.keys, node.values):
                    if isinstance(found, ast.Constant) and found.value == key:
                        return ast.literal_eval(value)
    return None


def function_name(node: ast.Call) -> str:
    """``tl.load`` and ``tmp.load`` are both 'load'."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def is_method(node: ast.Call) -> bool:
    """``tmp0.to(…)``, which has no module before its point."""
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    return not (isinstance(owner, ast.Name) and owner.id in _MODULES)


def _is_load(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and function_name(node) == "load" and bool(node.args)


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """``node`` and all below it, but nothing inside a load."""
    yield node
    if not _is_load(node):
        for child in ast.iter_child_nodes(node):
            yield from _parts(child)


def _upper_bounds(condition: ast.expr) -> Iterator[ast.Compare]:
    """Every ``x < N`` in ``((0 <= x) & (x < N)) | ~(mask)``, outside the mask."""
    if isinstance(condition, ast.Compare):
        if isinstance(condition.ops[0], ast.Lt) and len(condition.ops) == 1:
            yield condition
    elif isinstance(condition, ast.BinOp):
        yield from _upper_bounds(condition.left)
        yield from _upper_bounds(condition.right)


def _text(node: ast.expr) -> str:
    """A bound as text; '' for anything but arithmetic, which then has no value. Python 3.8 has no ``ast.unparse``."""
    if isinstance(node, ast.Constant):
        return repr(node.value)
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
        left, right = _text(node.left), _text(node.right)
        return f"({left}{_SIGNS[type(node.op)]}{right})" if left and right else ""
    return ""
