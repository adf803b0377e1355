"""What a user gave as text that is the same in any process: a function by its code and by all that it uses."""

from __future__ import annotations

import builtins
import dis
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MappingProxyType, ModuleType

from .borrowed import PACKAGES

# Packages of which a name is told, and not what is written there.
_KNOWN = PACKAGES | {"builtins"}

# Where a name tells enough: what is written there computes from its arguments alone, but for a few builtins.
_PURE = frozenset({"builtins", "math", "operator", "_operator", "triton", "triton.language"})
_PURE_MODULES = frozenset({"math", "operator"})
_IMPURE_BUILTINS = frozenset({"__import__", "eval", "exec", "globals", "hash", "id", "input"})

_READS_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_READS_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD"})


def told(value: object) -> str:
    """As much as can be told; of an object its type."""
    return _Telling().text(value)


def wholly_told(value: object) -> str | None:
    """None where something is in it of which no text says all that it may do.

    An object, a module, an import, a name that is not defined yet, and what may read the state of the process.
    """
    telling = _Telling()
    text = telling.text(value)
    return text if telling.is_whole else None


class _Telling:
    def __init__(self) -> None:
        self.is_whole = True
        self._seen: list[FunctionType] = []

    def text(self, value: object) -> str:
        if _is_plain(value):
            return repr(value)
        if isinstance(value, dict | MappingProxyType):  # another mapping may be the environment
            return str([(str(name), self.text(each)) for name, each in value.items()])
        if isinstance(value, tuple | list):
            return str([self.text(each) for each in value])
        if isinstance(value, frozenset):
            return str(sorted(self.text(each) for each in value))
        if isinstance(value, CodeType):
            return str([value.co_code.hex(), value.co_names, value.co_freevars, self.text(value.co_consts)])
        if _is_known(value):
            self.is_whole &= _is_pure(value)
            return f"{_home(value)}.{getattr(value, '__qualname__', '')}"
        if isinstance(value, FunctionType):
            return self._function(value)
        self.is_whole = False
        return type(value).__name__

    def _function(self, function: FunctionType) -> str:
        for index, each in enumerate(self._seen):
            if each is function:
                return f"#{index}"
        self._seen.append(function)
        try:
            around = [cell.cell_contents for cell in function.__closure__ or ()]
        except ValueError:  # a name that is not defined yet
            around, self.is_whole = [], False
        parts = (function.__code__, function.__defaults__, function.__kwdefaults__, around, self._used(function))
        return str([self.text(each) for each in parts])

    def _used(self, function: FunctionType) -> Mapping[str, object]:
        """The globals and builtins that it reads; of a module what it reads of that."""
        used = {}
        steps = list(_steps(function.__code__))
        if any(step.opname == "IMPORT_NAME" for step in steps):
            self.is_whole = False
        for name, *attributes in _paths(steps):
            scope = function.__globals__ if name in function.__globals__ else vars(builtins)
            if name not in scope:
                self.is_whole = False
                continue
            path, value = name, scope[name]
            for attribute in attributes:
                if not isinstance(value, ModuleType) or attribute not in vars(value):
                    break
                path, value = f"{path}.{attribute}", vars(value)[attribute]
            used[path] = value
        return used


def _steps(code: CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _steps(each)


def _paths(steps: Iterable[dis.Instruction]) -> Iterator[list[str]]:
    """Each global name that is read, and the attributes that are read of it right away."""
    path: list[str] = []
    for step in steps:
        if path and step.opname in _READS_ATTRIBUTE:
            path.append(step.argval)
        elif step.opname != "EXTENDED_ARG":
            if path:
                yield path
            path = [step.argval] if step.opname in _READS_GLOBAL else []


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float) or type(value).__name__ in ("constexpr", "dtype")


def _is_known(value: object) -> bool:
    return _home(value).partition(".")[0] in _KNOWN


def _is_pure(value: object) -> bool:
    home = _home(value)
    if isinstance(value, ModuleType):
        return home in _PURE_MODULES
    if home == "builtins":
        return getattr(value, "__name__", "") not in _IMPURE_BUILTINS
    return home in _PURE or home.startswith("triton.language.")


def _home(value: object) -> str:
    """The module in which it is written, whatever `functools.wraps` says; '' of an object."""
    if isinstance(value, ModuleType):
        return value.__name__
    function = getattr(value, "fn", None) if type(value).__module__.startswith("triton.runtime.") else value
    if isinstance(function, FunctionType):
        return str(function.__globals__.get("__name__", ""))
    return str(value.__module__) if isinstance(value, type | BuiltinFunctionType) else ""
