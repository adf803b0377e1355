"""What a user gave as text that is the same in any process: a function by its code and by all that it uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

# Packages of which a name tells enough.
_KNOWN = frozenset({"builtins", "triton", "torch", *sys.stdlib_module_names})


def told(value: object) -> str:
    """As much as can be told; of an object its type."""
    return _Telling().text(value)


def wholly_told(value: object) -> str | None:
    """None where something is in it of which no text says all that it may do: an object, a module of the user's."""
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
        if isinstance(value, Mapping):
            return str([(str(name), self.text(each)) for name, each in value.items()])
        if isinstance(value, tuple | list):
            return str([self.text(each) for each in value])
        if isinstance(value, frozenset):
            return str(sorted(self.text(each) for each in value))
        if isinstance(value, CodeType):
            return str([value.co_code.hex(), value.co_names, value.co_freevars, self.text(value.co_consts)])
        if _is_known(value):
            return f"{_package_path(value)}.{getattr(value, '__qualname__', '')}"
        if isinstance(value, FunctionType):
            return self._function(value)
        self.is_whole = False
        return type(value).__name__

    def _function(self, function: FunctionType) -> str:
        if function in self._seen:
            return function.__name__
        self._seen.append(function)
        try:
            around = [cell.cell_contents for cell in function.__closure__ or ()]
        except ValueError:  # a name that is not defined yet
            around, self.is_whole = [], False
        names = dict.fromkeys(_names(function.__code__))
        used = {name: function.__globals__[name] for name in names if name in function.__globals__}
        parts = (function.__code__, function.__defaults__, function.__kwdefaults__, around, used)
        return str([self.text(each) for each in parts])


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _names(each)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float) or type(value).__name__ in ("constexpr", "dtype")


def _is_known(value: object) -> bool:
    is_named = isinstance(value, ModuleType | type | BuiltinFunctionType) or hasattr(value, "__qualname__")
    return is_named and _package_path(value).partition(".")[0] in _KNOWN


def _package_path(value: object) -> str:
    return value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
